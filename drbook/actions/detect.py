"""Is the data really gone? `postgres.probe` looks at the server, `postgres.compare_baseline` counts."""

from pathlib import Path

from pydantic import Field

from drbook.actions.baselines import baseline_for
from drbook.actions.outside import production_database
from drbook.actions.reading import reading_of
from drbook.core.actions import Action, Finished, StepContext
from drbook.core.errors import CouldNotVerify
from drbook.core.events import Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.production import compare_production, dwindled
from drbook.core.remarks import TableVerdict
from drbook.core.results import VerifyResult
from drbook.core.signals import Working
from drbook.core.targets import DatabaseProbe, DatabaseRef
from drbook.core.values import Frozen, counted


class ProbeParams(Frozen):
    database: DatabaseRef | None = None
    """Absent: production."""
    volume: str | None = None
    """Its data directory on this host; absent: production's."""


class ProbeDatabase(Action[ProbeParams]):
    """One look: does the server answer, and is its volume still there?"""

    name = "postgres.probe"
    title = "Look whether the database answers"
    params = ProbeParams
    result = DatabaseProbe

    def plan(self, params: ProbeParams, context: StepContext) -> Plan:
        database = params.database or context.document.production.database
        volume = params.volume or context.document.production.volume
        does = [f"connects to {database.show() if database else 'production'} and asks who it is"]
        if volume:
            does.append(f"looks whether {volume} is still there")
        return Plan(
            does=tuple(does),
            source=database.show() if database else "",
            touches="nothing",
            expects="tells a loss from an outage, or says that nobody can tell",
        )

    def perform(self, params: ProbeParams, context: StepContext, ports: Ports) -> Working[Finished]:
        volume = params.volume or context.document.production.volume
        database = production_database(params.database, context)
        found = ports.databases.probe(database, volume=Path(volume) if volume else None)
        words = {
            "available": "The database answers.",
            "loss": "LOSS: the server does not answer and its volume is gone.",
            "outage": "OUTAGE: the server does not answer, but its volume is still there.",
            "unknown": "The server does not answer; whether data is lost, nobody can tell from here.",
        }
        if found.state == "denied" and found.diagnosis == "unknown":
            return Finished(
                found,
                StepEnd.COULD_NOT_VERIFY,
                f"{found.reason} Whether data is lost, nobody can tell with this login.",
                means="A server is there and refuses; nothing was read.",
                next="Check the login, its password (`password:`, .pgpass or the service file) and "
                "pg_hba.conf, then run the step again.",
            )
        return Finished(
            found,
            reason=f"{words[found.diagnosis]} {found.reason}".strip(),
            means="Ask the provider at once, too: what is gone for you may be recoverable for them."
            if found.diagnosis == "loss"
            else "",
        )
        yield  # makes this a generator; nothing is signalled


class CompareParams(Frozen):
    database: DatabaseRef | None = None
    """Absent: production."""
    baseline: str = "before_incident"
    """`before_incident`, `newest` or the id of one."""
    max_drop_percent: int = Field(default=5, ge=0, le=100)
    """A table that lost a larger share of its rows counts as a loss."""


class CompareBaseline(Action[CompareParams]):
    """Count production and hold it against its baseline: what is missing?

    It succeeds once it could count, whatever the answer: finding the loss is what it is for.
    """

    name = "postgres.compare_baseline"
    title = "Compare production with its baseline"
    params = CompareParams
    result = VerifyResult

    def plan(self, params: CompareParams, context: StepContext) -> Plan:
        database = params.database or context.document.production.database
        replica = context.document.production.replica
        reads = ""
        if replica is not None and database == context.document.production.database:
            reads = f", on the replica {replica.show()} where it answers"
        return Plan(
            does=(
                f"counts every table in one read-only snapshot{reads}",
                f"compares with the baseline `{params.baseline}`",
            ),
            source=database.show() if database else "",
            touches="nothing; exact counts read whole tables",
        )

    def perform(
        self, params: CompareParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        database = production_database(params.database, context)
        probe = ports.databases.probe(database)
        if probe.state != "reachable":
            raise CouldNotVerify(
                f"{database.show()} could not be counted: {probe.reason}",
                means="Whether data is missing is not known. This is not proof of a loss, nor of none.",
                next="Look at the server and its volume (`postgres.probe`), ask the provider, "
                "or go on with a recorded decision.",
            )
        chosen = baseline_for(params.baseline, context, ports)
        reading = yield from reading_of(database, context, ports)
        counts = yield from ports.databases.count(
            reading.database, ignore_schemas=context.document.production.ignore_schemas
        )
        counts = reading.compared(counts, chosen.baseline.counts)
        comparison = compare_production(counts, chosen.baseline.counts, params.max_drop_percent)
        result = VerifyResult(comparison=comparison, baseline=chosen.described)
        failed = [row for row in comparison.tables if row.verdict is TableVerdict.FAIL]
        if failed:
            shown = ", ".join(f"{row.table} ({row.reason})" for row in failed[:5])
            more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
            whose = "".join(f"; {one.words}" for one in comparison.remarks)
            return Finished(
                result, reason=f"LOSS in {counted(len(failed), 'table')}: {shown}{more}{whose}"
            )
        if comparison.verdict is TableVerdict.PASS:
            fewer = dwindled(comparison)
            total = counted(len(comparison.tables), "table")
            if not fewer:
                return Finished(result, reason=f"None of {total} has fewer rows than the baseline.")
            return Finished(
                result,
                reason=f"FEWER ROWS than in the baseline, within the {params.max_drop_percent} % that are "
                f"allowed: {fewer}. Of {total} none lost more.",
            )
        if comparison.remarks:
            return Finished(
                result,
                StepEnd.COULD_NOT_VERIFY,
                f"Nothing is known: {comparison.remarks[0].words}.",
                means="These figures are not production's own of before.",
                next="Name its own baseline by its id, or go on with a recorded decision.",
            )
        unsure = comparison.count(TableVerdict.COULD_NOT_VERIFY)
        return Finished(
            result,
            StepEnd.COULD_NOT_VERIFY,
            f"{unsure} of {counted(len(comparison.tables), 'table')} could not be verified.",
            means="The rest did not drop beyond what is allowed; nothing is known about these.",
            next="See the reasons in the table list; go on with a recorded decision.",
        )
