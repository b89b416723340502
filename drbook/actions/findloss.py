"""`postgres.find_loss`: which transaction destroyed the data, read from the WAL behind a physical copy."""

from datetime import timedelta

from pydantic import Field

from drbook.core.actions import Action, Finished, StepContext
from drbook.core.errors import CouldNotVerify, DrbookError
from drbook.core.events import Plan, StepEnd
from drbook.core.losing import Candidate, Drop, LossFound, doubt, drops, judge
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Ports
from drbook.core.signals import Milestone, Working
from drbook.core.values import Duration, Frozen, plain, show_duration, show_time

NAMING = timedelta(seconds=20)
"""For the one query that asks production for names."""
BASELINES = 5
"""How many of the newest captures are held against each other."""
_NAMES = """
SELECT one, pg_filenode_relation(split_part(one, '/', 1)::oid, split_part(one, '/', 3)::oid)::regclass::text
  FROM unnest(string_to_array(%(files)s, ' ')) AS one
 WHERE split_part(one, '/', 2) = (SELECT oid::text FROM pg_database WHERE datname = current_database())
"""


class FindLossParams(Frozen):
    point: RecoveryPoint
    """What `backups.locate` chose: a physical copy from before the loss, with an archive of WAL."""
    within: Duration = timedelta(hours=1)
    """How far from the time that people gave (`occurred`) the loss may lie."""
    longest: Duration = timedelta(minutes=30)
    """How long the WAL is read."""
    segments: int = Field(default=100_000, ge=1, le=10_000_000)
    """How many segments of it are read at most."""


class FindLoss(Action[FindLossParams]):
    """Reads every transaction since the copy, and proposes to stop right before the one that destroyed most."""

    name = "postgres.find_loss"
    title = "Find the moment of the loss"
    params = FindLossParams
    result = LossFound

    def plan(self, params: FindLossParams, context: StepContext) -> Plan:
        point, around = params.point, context.occurred
        near = (
            f"within {show_duration(params.within)} of {show_time(around)}"
            if around
            else "at any time, for nobody has said when it happened"
        )
        begin = plain(point.wal_from or "unknown", 60)
        return Plan(
            does=(
                f"brings the WAL from {begin} on into the incident folder, two segments at a time",
                f"reads it with pg_waldump, for at most {show_duration(params.longest)}",
                f"ranks the transactions by what they destroyed, and proposes the worst {near}",
                "asks production, where it still answers, for the names of what they wrote to",
            ),
            source=f"{point.source} · {plain(point.id, 200)} and its archive of WAL",
            touches="nothing; the archive is only read",
            expects="the transaction right before which a restore stops, and what stopping there costs",
        )

    def perform(
        self, params: FindLossParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        point = params.point
        if point.format != "physical":
            raise CouldNotVerify(
                "This copy is a dump: there is no WAL behind it.",
                means="Which transaction was the loss cannot be read here.",
                next="Locate a physical copy, or restore the newest dump from before the loss.",
                code="no-wal",
            )
        read = yield from ports.backups.read_wal(
            point, segments=params.segments, longest=params.longest
        )
        found = judge(read, context.occurred, params.within)
        candidates, named_by = _named(found.candidates, point, context, ports)
        told = yield from _told_by_baselines(ports)
        found = found.model_copy(
            update={"candidates": candidates, "named_by": named_by, "drops": told}
        )
        return _finish(found, params.within)


def _named(
    candidates: tuple[Candidate, ...], point: RecoveryPoint, context: StepContext, ports: Ports
) -> tuple[tuple[Candidate, ...], str]:
    """With the names that production gives to the files today, and where they are from."""
    only = "numbers only (tablespace/database/file)"
    production = context.document.production.database
    files = sorted({each for one in candidates for each in _files(one)})
    if production is None or not files:
        return candidates, f"{only}: no production is asked"
    identity = ports.databases.probe(production).identity
    if identity is None:
        return candidates, f"{only}: production does not answer"
    if not point.system_identifier or identity.system_identifier != point.system_identifier:
        return candidates, f"{only}: the server that answers is not known to be the copy's own"
    try:
        answer = ports.databases.query(
            production, _NAMES, {"files": " ".join(files)}, limit=len(files), timeout=NAMING
        )
    except DrbookError as error:
        return candidates, f"{only}: {error.what}"
    names = {row[0]: row[1] for row in answer.rows if row[0] and row[1]}
    named = tuple(
        one.model_copy(update={"names": tuple(names.get(each, each) for each in _files(one))})
        if any(each in names for each in _files(one))
        else one
        for one in candidates
    )
    return named, "production, as it names its files now; what was dropped or emptied has numbers"


def _files(one: Candidate) -> tuple[str, ...]:
    """The worst first, each once."""
    what = one.what
    rows = tuple(each.relation for each in what.relations if each.deleted)
    return tuple(dict.fromkeys((*rows, *what.dropped, *what.emptied, *what.replaced)))


def _told_by_baselines(ports: Ports) -> Working[tuple[Drop, ...]]:
    """Between which of the last captures rows went away; those kept apart as suspect are among them."""
    try:
        listed = [*ports.baselines.listed(), *ports.baselines.listed(suspect=True)]
    except CouldNotVerify as error:
        yield Milestone(f"no baseline tells when rows went: {error.what}")
        return ()
    found = []
    for name, _ in sorted(listed, key=lambda each: each[1], reverse=True)[:BASELINES]:
        try:
            found.append(ports.baselines.load(name))
        except CouldNotVerify as error:
            yield Milestone(f"a baseline does not tell when rows went: {error.what}")
    return drops(found)[:BASELINES]


def _finish(found: LossFound, within: timedelta) -> Finished:
    read, chosen = found.read, found.chosen
    said = []
    if chosen is not None:
        at = show_time(chosen.what.committed_at)
        said.append(
            f"transaction {chosen.what.xid} at {at} {chosen.destroyed()}; stopping right before it "
            f"leaves out {chosen.costs()}"
        )
    if found.disagreement:
        said.append(found.disagreement)
    if found.drops:
        said.append(f"baselines: {found.drops[0].show()}")
    why = doubt(found, within)
    if not why:
        return Finished(found, reason="; ".join(said))
    if why not in said:
        said.insert(0, why)
    ends = f" It was read up to {show_time(read.ends)}." if read.ends else ""
    return Finished(
        found,
        StepEnd.COULD_NOT_VERIFY,
        "; ".join(said),
        means=f"Where recovery should stop is not proven.{ends} That nothing was found does not mean that "
        "nothing was lost.",
        next="Look at the candidates, ask who changed what, and say where to stop yourself (`to:` of "
        "`postgres.restore`); or mend the archive and run the step again.",
    )
