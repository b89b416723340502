"""A journal against a copy of it elsewhere: what agrees, what differs, and who is suspect. Pure.

A record that drbook created in a mirror is never overwritten by it. So where both chains are whole
and differ, the journal was written anew; where the mirror's own chain breaks, the mirror was changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from drbook.core.errors import ExitCode
from drbook.core.values import counted, plain


class Verdict(StrEnum):
    SAME = "same"
    BEHIND = "behind"
    """The mirror lacks the newest records. Not tampering; but those could not be checked."""
    CUT = "cut"
    """The mirror holds records that follow the journal's end: lines were cut off."""
    DIFFERENT = "different"
    """Other content at one number, in a mirror whose own chain is whole: written anew."""
    TAKEN_OVER = "taken-over"
    """Another machine took over from this one, after a record that both hold."""
    TAKEN_OVER_HERE = "taken-over-here"
    """Not from this one: a journal from before, that was kept aside, or lines were cut off."""
    FORKED = "forked"
    """Another machine took over, and this journal went on all the same."""
    MIRROR_DAMAGED = "mirror-damaged"
    """The mirror's own chain is not whole; it was changed after it was written."""
    EMPTY = "empty"
    UNREADABLE = "unreadable"


CODES: Mapping[Verdict, ExitCode] = {
    Verdict.SAME: ExitCode.DONE,
    Verdict.TAKEN_OVER: ExitCode.DONE,
    Verdict.TAKEN_OVER_HERE: ExitCode.COULD_NOT_VERIFY,
    Verdict.BEHIND: ExitCode.COULD_NOT_VERIFY,
    Verdict.EMPTY: ExitCode.COULD_NOT_VERIFY,
    Verdict.UNREADABLE: ExitCode.COULD_NOT_VERIFY,
    Verdict.CUT: ExitCode.FAILED,
    Verdict.DIFFERENT: ExitCode.FAILED,
    Verdict.FORKED: ExitCode.FAILED,
    Verdict.MIRROR_DAMAGED: ExitCode.FAILED,
}


@dataclass(frozen=True, slots=True)
class Line:
    """What a mirror holds under one number."""

    seq: int
    digest: str = ""
    """SHA-256 of the line without its line end; empty where it cannot be used."""
    prev: str = ""
    """The digest of the line before, as this one names it."""
    problem: str = ""
    """Why it cannot be used."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A mirror's records of one incident, by number."""

    where: str
    lines: tuple[Line, ...]
    incident: str = ""
    """The incident that its first record opens; empty where that cannot be read."""
    takeovers: Mapping[int, str] = field(default_factory=dict)
    """Number of a record that says that another machine took over → who and why, in words."""
    remarks: tuple[str, ...] = ()
    hosts: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Number of such a record → the machine that was left, which wrote the last record before, and the
    one that took over."""

    @property
    def newest(self) -> int:
        return self.lines[-1].seq if self.lines else 0

    @property
    def whole(self) -> int:
        """How many records, from the first, are there, usable and chained."""
        broken = self.broken()
        return broken[0] - 1 if broken is not None else self.newest

    def broken(self) -> tuple[int, str] | None:
        """The first number at which its own chain is not whole, and why."""
        previous, expected = "0" * 64, 1
        for line in self.lines:
            if line.seq != expected:
                return expected, f"record {expected} is missing, record {line.seq} is there"
            if line.problem:
                return line.seq, f"record {line.seq} cannot be used: {line.problem}"
            if line.prev != previous:
                return line.seq, f"record {line.seq} does not follow the one before it"
            previous, expected = line.digest, line.seq + 1
        return None


@dataclass(frozen=True, slots=True)
class Comparison:
    where: str
    verdict: Verdict
    agreed: int
    """Records, from the first, that are the same in both."""
    problem: str
    """What was found, in a sentence."""
    remarks: tuple[str, ...] = ()

    @property
    def code(self) -> ExitCode:
        return CODES[self.verdict]


Found = Callable[[Verdict, str], Comparison]


def compare(journal: Sequence[str], copy: Copy, host: str = "") -> Comparison:
    """Hold the digests of a journal's lines against a mirror's. `host` is the machine it lies on."""
    agreed = _agreed(journal, copy)

    def found(verdict: Verdict, problem: str) -> Comparison:
        return Comparison(copy.where, verdict, agreed, problem, copy.remarks)

    if not copy.lines:
        return found(Verdict.EMPTY, "It holds no record of this incident.")
    broken = copy.broken()
    differs = next(
        (
            line.seq
            for line in copy.lines
            if line.seq <= len(journal) and line.digest and line.digest != journal[line.seq - 1]
        ),
        None,
    )
    if differs is not None and not changed_there(journal, copy, differs):
        return _different(found, journal, copy, differs)
    if copy.newest > len(journal) == agreed and copy.whole > agreed:
        return _longer(found, copy, agreed, host)
    if broken is not None:
        changed = f" Record {differs} there is not the journal's." if differs else ""
        return found(
            Verdict.MIRROR_DAMAGED,
            f"The mirror's own chain is not whole: {broken[1]}.{changed} "
            "The mirror was changed after it was written.",
        )
    if copy.newest < len(journal):
        behind = len(journal) - copy.newest
        return found(
            Verdict.BEHIND,
            f"It is behind: its {counted(copy.newest, 'record')} agree, the newest "
            f"{counted(behind, 'record')} are not there and could not be checked. "
            "That is not tampering.",
        )
    return found(Verdict.SAME, f"All {counted(agreed, 'record')} agree.")


def _agreed(journal: Sequence[str], copy: Copy) -> int:
    agreed = 0
    for line, digest in zip(copy.lines, journal, strict=False):
        if line.seq != agreed + 1 or line.digest != digest:
            break
        agreed += 1
    return agreed


def changed_there(journal: Sequence[str], copy: Copy, at: int) -> bool:
    """Whether the mirror's own line is the changed one: it does not follow the line before it there,
    or the line behind it names the journal's."""
    lines = {line.seq: line for line in copy.lines if line.digest}
    before, after = lines.get(at - 1), lines.get(at + 1)
    if before is not None and lines[at].prev != before.digest:
        return True
    return after is not None and after.prev == journal[at - 1]


def _different(found: Found, journal: Sequence[str], copy: Copy, at: int) -> Comparison:
    if at in copy.takeovers:
        return found(
            Verdict.FORKED,
            f"{copy.takeovers[at]} took over after record {at - 1}; this journal went on for "
            f"{counted(len(journal) - at + 1, 'record')} that belong to no agreed record.",
        )
    return found(
        Verdict.DIFFERENT,
        f"Record {at} is another one than was mirrored: from there on the journal was written "
        "anew, or it is another incident's.",
    )


def _longer(found: Found, copy: Copy, agreed: int, host: str) -> Comparison:
    follow = copy.whole - agreed
    left, taker = copy.hosts.get(agreed + 1, ("", ""))
    if agreed + 1 in copy.takeovers and not (left == host != taker):
        return found(
            Verdict.TAKEN_OVER_HERE,
            f"All {counted(agreed, 'record')} agree. {copy.takeovers[agreed + 1]} took over after them, "
            f"and the mirror holds {counted(follow, 'record')} more. This is not the machine that was "
            f"left ({plain(left, 100)}), by its name, or it is the one that took over: this is a journal "
            "from before that, kept aside, or lines were cut off its end.",
        )
    if agreed + 1 in copy.takeovers:
        return found(
            Verdict.TAKEN_OVER,
            f"All {counted(agreed, 'record')} agree. {copy.takeovers[agreed + 1]} took over after "
            f"them: the incident goes on there, with {counted(follow, 'record')} more.",
        )
    return found(
        Verdict.CUT,
        f"The mirror holds {counted(follow, 'record')} that follow the journal's end: lines were "
        "cut off.",
    )
