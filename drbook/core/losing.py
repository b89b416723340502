"""Which transaction is the loss, where recovery should stop for it, and what stopping there costs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from drbook.core.baseline import Baseline
from drbook.core.recovery import RecoveryAim
from drbook.core.values import Frozen, UtcTime, counted, plain, show_duration, show_time
from drbook.core.walread import Destructive, WalRead

FAR_WORSE = 10
"""So many times the rows, outside of the time that people gave, and it is said beside the proposal."""


class Candidate(Frozen):
    """One transaction that may be the loss."""

    what: Destructive
    aim: RecoveryAim
    """Right before it."""
    commits_lost: int
    """Later commits, up to the end of what was read, that stopping there leaves out."""
    rows_lost: int
    """Rows that those had inserted, updated or deleted."""
    from_occurred: int | None = None
    """Seconds from the time that people gave to its commit; negative where it came before."""
    names: tuple[str, ...] = ()
    """Of what it wrote to, as production names that today."""
    chosen: bool = False

    def destroyed(self) -> str:
        """In words, with names where they are known."""
        what, said = self.what, []
        if what.databases:
            said.append(f"dropped {counted(len(what.databases), 'database')}")
        for files, verb in ((what.dropped, "dropped"), (what.emptied, "emptied")):
            if files:
                said.append(f"{verb} tables ({counted(len(files), 'file')})")
        if what.deleted:
            said.append(f"deleted {counted(what.deleted, 'row')}")
        if what.replaced:
            said.append(f"replaced {counted(len(what.replaced), 'file')} by filled ones")
        where = self.names or (*what.dropped, *what.emptied) or _numbers(what)
        shown = ", ".join(plain(each, 80) for each in where[:3])
        more = f" and {len(where) - 3} more" if len(where) > 3 else ""
        return ", ".join(said) + (f": {shown}{more}" if shown else "")

    def costs(self) -> str:
        if not self.commits_lost:
            return "no later commit"
        return f"{counted(self.commits_lost, 'later commit')}, {counted(self.rows_lost, 'row')}"


def _numbers(what: Destructive) -> tuple[str, ...]:
    return tuple(each.relation for each in what.relations if each.deleted) or what.databases


class Drop(Frozen):
    """A table of which a later baseline counted fewer rows."""

    table: str
    before: int
    after: int | None
    """None where the later one has no such table."""
    at: UtcTime
    until: UtcTime

    def show(self) -> str:
        now = "is not there" if self.after is None else f"had {self.after} rows"
        return (
            f"{plain(self.table, 120)} had {self.before} rows at {show_time(self.at)} and {now} "
            f"at {show_time(self.until)}"
        )


class LossFound(Frozen):
    """The result of `postgres.find_loss`."""

    aim: RecoveryAim | None
    """Right before the transaction that is proposed as the loss; None where none is."""
    candidates: tuple[Candidate, ...] = ()
    """The worst first."""
    read: WalRead
    occurred: UtcTime | None = None
    """When the loss happened, as people said."""
    disagreement: str = ""
    """How the WAL and people differ, in words."""
    named_by: str = ""
    """Where names come from, or why there are only numbers."""
    drops: tuple[Drop, ...] = ()
    """What baselines tell."""

    @property
    def chosen(self) -> Candidate | None:
        return next((each for each in self.candidates if each.chosen), None)


def judge(read: WalRead, occurred: datetime | None, within: timedelta) -> LossFound:
    """The worst of those that committed at most `within` from the time that people gave, or of all."""
    found = [_candidate(each, read, occurred) for each in read.destructive]
    near = [each for each in found if each.what.much and _is_near(each, within)]
    chosen = max(near, key=lambda each: each.what.rank(), default=None)
    marked = tuple(
        each.model_copy(update={"chosen": True}) if each is chosen else each for each in found
    )
    return LossFound(
        aim=chosen.aim if chosen else None,
        candidates=marked,
        read=read,
        occurred=occurred,
        disagreement=_disagreement(found, chosen, occurred, within),
    )


def _candidate(what: Destructive, read: WalRead, occurred: datetime | None) -> Candidate:
    after = None if occurred is None else int((what.committed_at - occurred).total_seconds())
    return Candidate(
        what=what,
        aim=RecoveryAim(lsn=what.stop_lsn) if what.stop_lsn else RecoveryAim(xid=what.xid),
        commits_lost=read.commits - what.commits_to,
        rows_lost=read.rows - what.rows_to,
        from_occurred=after,
    )


def _distance(one: Candidate) -> int:
    return abs(one.from_occurred or 0)


def _is_near(one: Candidate, within: timedelta) -> bool:
    return one.from_occurred is None or abs(one.from_occurred) <= within.total_seconds()


def _disagreement(
    found: Sequence[Candidate],
    chosen: Candidate | None,
    occurred: datetime | None,
    within: timedelta,
) -> str:
    """The worst that lies elsewhere, where nothing lies near or it is far worse."""
    if occurred is None:
        return ""
    far = [each for each in found if each.what.much and not _is_near(each, within)]
    worst = max(far, key=lambda each: each.what.rank(), default=None)
    if worst is None or (chosen is not None and not _far_worse(worst.what, chosen.what)):
        return ""
    where = (
        f"within {show_duration(within)} of {show_time(occurred)}, when it is said to have happened"
    )
    begins = "a far worse one than any" if chosen is not None else "there is none"
    tail = "" if chosen is not None else ", and the worst of all"
    return (
        f"{begins} {where}{tail} is transaction {worst.what.xid} at "
        f"{show_time(worst.what.committed_at)}: {worst.destroyed()}"
    )


def _far_worse(one: Destructive, other: Destructive) -> bool:
    kind, other_kind = one.rank()[:2], other.rank()[:2]
    return kind > other_kind or (kind == other_kind and one.deleted > FAR_WORSE * other.deleted > 0)


def doubt(found: LossFound, within: timedelta) -> str:
    """Why the proposal may not be the loss; empty where the WAL was read as far as it matters."""
    read = found.read
    if not read.segments:
        return f"nothing was read: {read.why}"
    if read.strange:
        return f"{counted(read.strange, 'end of a transaction', 'ends of transactions')} could not be understood"
    past = found.occurred is not None and read.ends is not None
    past = past and read.ends > found.occurred + within  # type: ignore[operator]
    if read.ending != "end" and not past:
        return f"the WAL was not read to its end, and the loss may lie behind: {read.why}"
    if found.chosen is not None:
        return ""
    if found.disagreement:
        return found.disagreement
    if found.occurred is not None and read.ends is not None and read.ends < found.occurred:
        return (
            f"the last commit in the archive is of {show_time(read.ends)}, before the loss is said to have "
            "happened: that may never have been archived"
        )
    if small := [each for each in found.candidates if each.what.certain]:
        small.sort(key=_distance)
        nearest = "; ".join(
            f"transaction {each.what.xid} at {show_time(each.what.committed_at)} {each.destroyed()}"
            for each in small[:3]
        )
        return f"nothing that destroys much was found; the nearest changes are: {nearest}"
    return (
        f"no transaction of the {read.commits} that were read deleted a row or dropped or emptied a table; "
        "a loss of the volume, or a file that was overwritten, leaves no trace in the WAL"
    )


def drops(baselines: Sequence[Baseline]) -> tuple[Drop, ...]:
    """Tables that lost rows between one capture and the next, the most rows first."""
    found = []
    ordered = sorted(baselines, key=lambda each: each.captured_at)
    for earlier, later in pairwise(ordered):
        if _identity(earlier) != _identity(later):
            continue
        now = later.counts.by_name()
        for name, count in earlier.counts.by_name().items():
            after = now[name].rows if name in now else None
            unknown = name in now and after is None
            if count.rows is None or unknown or (after or 0) >= count.rows:
                continue
            found.append(
                Drop(
                    table=name,
                    before=count.rows,
                    after=after,
                    at=earlier.counts.taken_at,
                    until=later.counts.taken_at,
                )
            )
    return tuple(sorted(found, key=lambda each: (each.after or 0) - each.before))


def _identity(one: Baseline) -> tuple[str, int]:
    identity = one.counts.identity
    return identity.system_identifier, identity.database_oid
