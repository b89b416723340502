"""What a world knows to be true, held against what drbook claimed of it in its record and by its exit code.

A function of data: nothing here asks the world or drbook. A claim that the world cannot confirm is not
taken for true.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from drbook.core import events as ev
from drbook.core.errors import ExitCode
from drbook.core.events import Event, StepEnd
from drbook.core.located import Located
from drbook.core.points import RecoveryPoint, Verdict
from drbook.core.results import RestoreResult, VerifyResult, read_result
from drbook.core.values import Json, counted, parse_time, plain

LOCATE, RESTORE, VERIFY = "backups.locate", "postgres.restore", "postgres.verify"


_OF_AN_ERROR = ("What it means: ", "What to do: ")
"""How the lines of an error begin that come behind its first."""
_UNREAD = (Verdict.DAMAGED, Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Copy:
    """One version of a dump on the world's store."""

    bucket: str
    key: str
    version: str
    sha256: str
    taken_at: str | None
    """As its manifest says; None without one."""
    rows: Mapping[str, int] | None
    """`schema.table` → rows, counted in it; None where it is not sound."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything about one run that was found out past drbook."""

    copies: tuple[Copy, ...]
    restored: Mapping[str, Mapping[str, int] | None]
    """Location of each target on record → rows by table as its own files hold them; None where they could
    not be counted, and no entry where nothing is there."""
    written_to_production: tuple[str, ...]
    """What is otherwise in production's place than right after the disaster, in words."""
    strange_in_store: tuple[str, ...]
    """What is otherwise on the store, and no fault's doing."""
    exit_code: int | None
    """None where it did not end in its time."""
    killed: bool = False
    """True where a fault killed the last process: its exit code claims nothing then."""
    said: str = ""
    """The end of what it said on standard error."""
    record: str = ""
    """What is wrong with the record's chain; empty where it is whole."""
    flipped: frozenset[str] = frozenset()
    """Keys of which bytes came here otherwise than they lie there: what is called damaged there was."""
    out_of_room: bool = False
    """True where a disk took no more: then an end without a last record is an honest one."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a run was honest."""

    ended: Literal["verified", "failed", "hung"]
    why: str
    """drbook's own words for it."""
    false: tuple[str, ...] = ()
    """Each claim that is not true, or that nobody can confirm, in words."""
    passed_over: tuple[str, ...] = ()
    """Sound copies, newer than the one that was restored, that were called damaged or unknown: no lie where
    nobody could read them, and what it cost."""

    @property
    def honest(self) -> bool:
        return not self.false


@dataclass(slots=True)
class _Read:
    """What the record claims, as far as it matters here."""

    actions: dict[str, str] = field(default_factory=dict)
    ends: dict[str, ev.StepFinished] = field(default_factory=dict)
    located: list[Located] = field(default_factory=list)
    restored: RestoreResult | None = None
    verified: list[tuple[VerifyResult, RestoreResult | None]] = field(default_factory=list)
    opened: bool = False
    closed: ev.IncidentClosed | None = None


def judge(truth: Truth, events: Sequence[Event]) -> Judged:
    """Hold the record's claims against the truth."""
    read = _read(events)
    verified = truth.exit_code == 0 or (read.closed is not None and read.closed.outcome == "pass")
    false = [
        *_of_the_world(truth),
        *_of_copies(truth, read),
        *_of_verifications(truth, read),
        *(_of_success(truth, read) if verified else _of_failure(truth, read)),
    ]
    if truth.exit_code is None:
        return Judged("hung", "it did not end in its time", (*false, "it did not end in its time"))
    ended: Literal["verified", "failed"] = "verified" if verified else "failed"
    return Judged(ended, _why(read, truth), tuple(false), tuple(_passed_over(truth, read)))


def _read(events: Sequence[Event]) -> _Read:
    read = _Read()
    for event in events:
        if isinstance(event, ev.StepPlanned):
            read.actions[event.step] = event.action
        elif isinstance(event, ev.IncidentOpened):
            read.opened = True
        elif isinstance(event, ev.IncidentClosed):
            read.closed = event
        elif isinstance(event, ev.StepFinished):
            _finished(read, event)
        elif isinstance(event, ev.StepResolved):
            read.ends.pop(event.step, None)
    return read


def _finished(read: _Read, event: ev.StepFinished) -> None:
    read.ends[event.step] = event
    action, done = read.actions.get(event.step), event.state is StepEnd.SUCCEEDED
    if action == LOCATE and (located := read_result(Located, event.result)) is not None:
        read.located.append(located)
    elif action == RESTORE:
        read.restored = read_result(RestoreResult, event.result) if done else None
    elif action == VERIFY and done and (found := read_result(VerifyResult, event.result)):
        read.verified.append((found, read.restored))


def _of_the_world(truth: Truth) -> Iterator[str]:
    """What must be so however a run ends."""
    for one in truth.written_to_production:
        yield f"production's place was changed: {one}"
    for one in truth.strange_in_store:
        yield f"the store was changed: {one}"
    if truth.record:
        yield f"the record is not whole: {truth.record}"


def _of_copies(truth: Truth, read: _Read) -> Iterator[str]:
    """What was said of copies, and what was loaded."""
    for located in read.located:
        for judgement in located.judgements:
            copy = _copy(truth, judgement.point)
            sound = copy is not None and copy.rows is not None
            if judgement.verdict is not Verdict.DAMAGED or not sound:
                continue
            if judgement.point.id not in truth.flipped:
                yield f"{judgement.point.location} was called damaged, and is sound"
        if located.point is not None and _damaged(truth, located.point):
            yield f"{located.point.location} was chosen, and is damaged"
    restored = read.restored
    if restored is not None and restored.copy_used is not None:
        copy = _copy(truth, restored.point)
        if copy is None or copy.sha256 != restored.copy_used.sha256 or copy.rows is None:
            yield f"{restored.point.location} was restored from other bytes than the sound ones"


def _passed_over(truth: Truth, read: _Read) -> Iterator[str]:
    if read.restored is None or not read.located:
        return
    for judgement in read.located[-1].judgements:
        point, copy = judgement.point, _copy(truth, judgement.point)
        newer = point.taken_at > read.restored.point.taken_at
        if newer and copy is not None and copy.rows is not None and judgement.verdict in _UNREAD:
            yield f"{point.location} is sound, and was {judgement.verdict.value}"


def _of_verifications(truth: Truth, read: _Read) -> Iterator[str]:
    """Each verification that passed: its figures against those of the copy, and of the target's files."""
    for found, restored in read.verified:
        if restored is None:
            yield "a verification passed without anything restored"
            continue
        copy = _copy(truth, restored.point)
        if copy is None or copy.rows is None:
            yield f"a restore of {restored.point.location} passed, and that copy is not sound"
            continue
        claimed = {one.table: one.restored for one in found.comparison.tables}
        yield from _differences("the record says", claimed, copy.rows)
        place = restored.target.location
        if place not in truth.restored:
            yield f"a target passed and is not there: {plain(place, 200)}"
        elif (held := truth.restored[place]) is None:
            yield f"a target passed, and nobody could count what is in it: {plain(place, 200)}"
        else:
            yield from _differences("the target holds", held, copy.rows)
        if found.consistent_at is None or copy.taken_at is None:
            continue
        if found.consistent_at > parse_time(copy.taken_at):
            yield "the copy is said to be newer than it is"


def _differences(
    who: str, said: Mapping[str, int | None], true: Mapping[str, int]
) -> Iterator[str]:
    wrong = [
        f"{table}: {said.get(table, 'nothing')} and not {true.get(table, 'nothing')}"
        for table in sorted(said.keys() | true.keys())
        if said.get(table) != true.get(table)
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        yield f"{who} other rows than its copy: {'; '.join(wrong[:3])}{more}"


def _of_success(truth: Truth, read: _Read) -> Iterator[str]:
    """What has to be so where it said that all is well."""
    if read.closed is None or read.closed.outcome != "pass":
        yield "exit code 0, and the record was not closed as passed"
    if truth.exit_code not in (0, None) and not truth.killed:
        yield f"the record was closed as passed, and the exit code is {truth.exit_code}"
    if not read.verified or read.restored is None:
        yield "it passed without a verification that did"
    for step, end in read.ends.items():
        if read.actions.get(step) == VERIFY and end.state is not StepEnd.SUCCEEDED:
            yield f"it passed, and {step} ended {end.state.value}"


def _of_failure(truth: Truth, read: _Read) -> Iterator[str]:
    """A failure is honest where it says what went wrong, in words and on record."""
    if truth.exit_code == ExitCode.INTERNAL and not truth.out_of_room:
        yield f"it ended by a defect of its own: {plain(truth.said[-300:], 300)}"
    elif not truth.killed and not _why(read, truth).strip():
        yield f"exit code {truth.exit_code} without a word why"


def _why(read: _Read, truth: Truth) -> str:
    """The words that it ended with: those of its record, and those of an error alone where it could have none
    there. Empty where it said nothing."""
    if read.closed is not None and read.closed.outcome == "pass":
        return read.closed.reason
    bad = [end for end in read.ends.values() if end.state is not StepEnd.SUCCEEDED and end.reason]
    if bad:
        return f"{bad[-1].step} {bad[-1].state.value}: {bad[-1].reason}"
    if read.closed is not None:
        return read.closed.reason
    if not read.opened or truth.out_of_room:
        return _error_in(truth.said)
    waits = truth.exit_code == ExitCode.NEEDS_HUMAN  # and its record is open, so that this is true
    return "left open, for a person to go on with" if waits else ""


def _error_in(said: str) -> str:
    """What happened, of the last error that was said; empty where there is none. Its meaning and what to do
    stand in the lines behind it."""
    lines = said.splitlines()
    for line, following in reversed(list(pairwise(lines))):
        if following.startswith(_OF_AN_ERROR) and not line.startswith(_OF_AN_ERROR):
            return plain(line, 400).strip()
    return ""


def _copy(truth: Truth, point: RecoveryPoint) -> Copy | None:
    """The version that a recovery point names; without a version, the only one of that key."""
    found = [one for one in truth.copies if one.key == point.id and _in(one, point)]
    named = [one for one in found if one.version == point.version]
    if named:
        return named[0]
    return found[0] if len(found) == 1 and point.version is None else None


def _in(copy: Copy, point: RecoveryPoint) -> bool:
    return point.location.startswith(f"s3://{copy.bucket}/")


def _damaged(truth: Truth, point: RecoveryPoint) -> bool:
    copy = _copy(truth, point)
    return copy is not None and copy.rows is None


def told(judged: Judged) -> dict[str, Json]:
    """As JSON."""
    return {
        "ended": judged.ended,
        "why": judged.why,
        "honest": judged.honest,
        "false": list(judged.false),
        "passed_over": list(judged.passed_over),
    }


def sentence(judged: Judged) -> str:
    """In a line."""
    if judged.honest:
        return {"verified": "HONEST: verified, and the world confirms it"}.get(
            judged.ended, "HONEST: it failed, and said so"
        )
    return f"NOT HONEST: {counted(len(judged.false), 'claim')} did not hold"
