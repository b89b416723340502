"""Where whole tables of production are read: from its replica where there is one, else from itself."""

from dataclasses import dataclass
from datetime import timedelta

from drbook.core.actions import StepContext
from drbook.core.baseline import Identity, TableCount, TableCounts
from drbook.core.capture import AS_OF
from drbook.core.errors import CouldNotVerify, DrbookError, Refused
from drbook.core.ports import Ports
from drbook.core.signals import Milestone, Working
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain


@dataclass(frozen=True, slots=True)
class Reading:
    """A database to read, and what its figures are figures of."""

    database: DatabaseRef
    production: Identity | None = None
    """Production's own identity, where a standby is read in its place."""

    def figures(self, counts: TableCounts) -> TableCounts:
        """The counts as production's. Raises Refused where what was counted is no standby of it (any
        more): the identity comes from the very connection that counted."""
        if self.production is None:
            return counts
        _must_be_its_standby(counts.identity, self.production, self.database)
        return counts.model_copy(
            update={"identity": self.production, "read_from": plain(self.database.show(), 300)}
        )

    def compared(self, counts: TableCounts, against: TableCounts) -> TableCounts:
        """The same, to be held against a baseline: what that one counted and a standby does not hold is
        unknown there, and not missing. Raises Refused."""
        counts = self.figures(counts)
        known = against.by_name()
        absent = [
            each for each in counts.aside if each.kind == "unlogged table" and each.name in known
        ]
        unknown = (
            TableCount(table=each.name, rows=None, why_unknown=each.why, kind=each.kind)
            for each in absent
        )
        return counts.model_copy(update={"tables": (*counts.tables, *unknown)})


def reading_of(production: DatabaseRef, context: StepContext, ports: Ports) -> Working[Reading]:
    """Production's replica where the runbook names one and it answers, and production itself
    otherwise, which is said. Raises Refused for a replica of something else, and CouldNotVerify where
    production does not say who it is."""
    replica = context.document.production.replica
    if replica is None or production != context.document.production.database:
        return Reading(production)
    found = ports.databases.probe(replica)
    if found.identity is None:
        yield Milestone(
            f"the replica {plain(replica.show(), 200)} does not answer, so production itself is read: "
            f"{plain(found.reason, 300)}"
        )
        return Reading(production)
    own = ports.databases.probe(production)
    if own.identity is None:
        raise CouldNotVerify(
            f"Production does not say who it is, so nobody knows that {plain(replica.show(), 200)} is "
            f"its replica: {plain(own.reason, 300)}",
            means="Nothing was counted.",
            next="Look at production first (`postgres.probe`).",
            code="replica-unproven",
        )
    _must_be_its_standby(found.identity, own.identity, replica)
    yield Milestone(
        f"reading the replica {plain(replica.show(), 200)} in production's place; "
        + _behind(replica, ports)
    )
    return Reading(replica, own.identity)


_LAG = f"SELECT ceil(extract(epoch FROM now() - ({AS_OF})))::bigint"


def _behind(replica: DatabaseRef, ports: Ports) -> str:
    try:
        found = ports.databases.query(replica, _LAG, {}, limit=1, timeout=timedelta(seconds=15))
    except DrbookError as error:
        return f"how far it is behind, it did not say: {error.what}"
    seconds = found.rows[0][0] if found.rows else None
    if seconds is None:
        return "how far it is behind, it does not know"
    return f"its data is known to be of {seconds} s ago, and so are the figures"


def _must_be_its_standby(found: Identity, production: Identity, replica: DatabaseRef) -> None:
    if found.system_identifier != production.system_identifier:
        why = (
            f"its system identifier is {found.system_identifier}, and production's is "
            f"{production.system_identifier}"
        )
    elif found.database_oid != production.database_oid:
        why = (
            f"it was asked for the database {plain(found.database, 100)}, and production's is "
            f"{plain(production.database, 100)}"
        )
    elif found.in_recovery is not True:
        why = "it is no standby (any more): what it holds may have gone its own way"
    else:
        return
    raise Refused(
        f"{plain(replica.show(), 200)} is not production's replica: {why}.",
        means="Its figures would pass for production's. Nothing was captured or compared.",
        next="Mend `production.replica` in the runbook, or take it out.",
        code="replica-foreign",
    )
