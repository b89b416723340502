"""What a runbook's past rehearsals say: whether the newest takes longer than it used to, and what a live
restore would take now.

Only what was measured counts. Where nothing can be compared, that is an answer of its own and never a
pass; a change of the runbook or of the amount of data between two runs is said beside the figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from statistics import median as median_of

from drbook.core.events import Mode
from drbook.core.values import counted, plain, show_size

GREW = 1.25
"""Bytes that differ by more than this factor are said beside times that are compared."""
FEWEST = 2
"""Past restores that a forecast needs: one says nothing of how far they lie apart."""
SLOWEST = 3
"""Parts that are named as the slowest."""
LEAST_SECONDS = 1.0
"""Steps that never took so long are not named: their figures are noise."""


@dataclass(frozen=True, slots=True)
class Part:
    """One step of a run, all of its attempts together."""

    step: str
    phase: str
    """Empty where the runbook as it was run cannot be read any more."""
    state: str
    seconds: float | None
    """It worked for so long; None where it never started or has not ended."""
    waited: float = 0.0
    """It waited so long for people before it started."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: the bytes of the copy as stored, its format, and how long loading took."""

    bytes: int
    format: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Against:
    """Seconds that were measured beside the seconds that the runbook allows; None: nobody knows."""

    measured: float | None = None
    objective: float | None = None
    at_least: bool = False
    """True where it may be more."""

    @property
    def met(self) -> bool | None:
        if self.measured is None or self.objective is None:
            return None
        if self.measured > self.objective:
            return False
        return None if self.at_least else True


@dataclass(frozen=True, slots=True)
class Drill:
    """One past run of a runbook: a rehearsal, or a live incident."""

    incident: str
    mode: Mode
    opened_at: datetime
    outcome: str
    """`open` where it has not ended; `not-exercised` for a dry run that came to its end, which nothing closes."""
    exit_code: int | None
    runbook_sha256: str
    rpo: Against = Against()
    rto: Against = Against()
    phases: Mapping[str, float] = field(default_factory=dict)
    """Seconds in which at least one step of the phase worked."""
    parts: Sequence[Part] = ()
    restored: Restored | None = None
    verify_seconds: float | None = None

    @property
    def slowest(self) -> list[Part]:
        """The steps that worked longest, the longest first."""
        timed = [one for one in self.parts if (one.seconds or 0) >= LEAST_SECONDS]
        return sorted(timed, key=lambda one: -(one.seconds or 0))[:SLOWEST]


class Verdict(StrEnum):
    STEADY = "steady"
    REGRESSED = "regressed"
    UNKNOWN = "unknown"
    """There is nothing to compare; never a pass."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The newest rehearsal against the median of the earlier ones."""

    verdict: Verdict
    why: str
    """In a sentence."""
    newest: float | None = None
    """Seconds from the declaration to the verified restore."""
    median: float | None = None
    earlier: int = 0
    """How many runs the median is of."""
    remarks: tuple[str, ...] = ()
    """What else is different: the runbook, the amount of data."""

    @property
    def factor(self) -> float | None:
        if self.newest is None or not self.median:
            return None
        return self.newest / self.median


def trend(drills: Sequence[Drill], limit: float, unread: str = "") -> Trend:
    """Of the drills among these runs, the newest first, against `limit` times the median.

    Live incidents and dry runs are not compared: people are waited for in the one, and nothing is
    restored in the other. A newest drill that failed where earlier ones were measured is a regression.
    `unread` says what may be newer and cannot be read; then nobody knows.
    """
    rehearsed = [one for one in drills if one.mode is Mode.DRILL]
    if unread:
        return Trend(Verdict.UNKNOWN, unread)
    if not rehearsed:
        return Trend(Verdict.UNKNOWN, "no drill of this runbook is on record here")
    newest, before = rehearsed[0], rehearsed[1:]
    earlier = [one.rto.measured for one in before if _measured(one)]
    known = [seconds for seconds in earlier if seconds is not None]
    if not known:
        return Trend(
            Verdict.UNKNOWN,
            "no earlier drill restored and verified, so that there is nothing to compare with",
            newest.rto.measured,
        )
    median = median_of(known)
    remarks = tuple(_changes(newest, before))
    if newest.exit_code == 1:
        why = f"the newest drill failed ({plain(newest.outcome, 60)}), and earlier ones did not"
        return Trend(Verdict.REGRESSED, why, None, median, len(known), remarks)
    measured = newest.rto.measured
    if not _measured(newest) or measured is None:
        why = f"the newest drill ({plain(newest.outcome, 60)}) has no restore that was verified"
        return Trend(Verdict.UNKNOWN, why, None, median, len(known), remarks)
    # A second is what figures of a fast drill scatter by.
    over = measured > median * limit + 1
    why = (
        f"the newest drill took {measured / max(median, 1):.2f} times the median of "
        f"{counted(len(known), 'earlier one')}; the limit is {limit:g}"
    )
    verdict = Verdict.REGRESSED if over else Verdict.STEADY
    return Trend(verdict, why, measured, median, len(known), remarks)


def _measured(drill: Drill) -> bool:
    """Whether it came to a restore that was verified, and ended well."""
    return drill.exit_code == 0 and drill.rto.measured is not None


def _changes(newest: Drill, before: Sequence[Drill]) -> list[str]:
    """What a difference of times may come from."""
    good = [one for one in before if _measured(one)]
    found = []
    others = sum(one.runbook_sha256 != newest.runbook_sha256 for one in good)
    if others:
        found.append(
            f"the runbook was another one in {others} of the {counted(len(good), 'earlier drill')} "
            "(its digest differs)"
        )
    sizes = [float(one.restored.bytes) for one in good if one.restored is not None]
    if newest.restored is not None and sizes:
        usual = median_of(sizes)
        now = newest.restored.bytes
        if usual and not usual / GREW <= now <= usual * GREW:
            found.append(
                f"the copy has {show_size(now)}, and had {show_size(round(usual))} in the median before"
            )
    return found


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a live restore would take from its declaration to the verification. Seconds; None: unknown."""

    likely: float | None = None
    least: float | None = None
    most: float | None = None
    runs: int = 0
    why: str = ""
    """What it rests on, or why it is unknown."""


def estimate(drills: Sequence[Drill], today: int | None, format: str = "") -> Estimate:
    """From past rates, for a copy of `today` bytes in that format; the newest run first.

    What grows with the data (restoring and verifying) is taken at each past run's rate, all else as it was.
    The spread of the past runs is the uncertainty; fewer than two make it unknown.
    """
    usable = [one for one in drills if _usable(one, format)]
    if today is None or today <= 0:
        return Estimate(runs=len(usable), why="the size of today's copy is not known")
    if len(usable) < FEWEST:
        kind = f" of a copy in format {plain(format, 30)}" if format else ""
        return Estimate(
            runs=len(usable),
            why=f"{counted(len(usable), 'past restore')}{kind} that was verified; "
            "it takes two to know how far they lie apart",
        )
    totals = sorted(_scaled(one, today) for one in usable)
    return Estimate(
        median_of(totals),
        totals[0],
        totals[-1],
        len(totals),
        f"the rates of {len(totals)} past restores",
    )


def _usable(drill: Drill, format: str) -> bool:
    restored = drill.restored
    if restored is None or restored.bytes <= 0 or not _measured(drill):
        return False
    return not format or restored.format == format


def _scaled(drill: Drill, today: int) -> float:
    restored, total = drill.restored, drill.rto.measured
    assert restored is not None
    assert total is not None
    grows = min(total, restored.seconds + (drill.verify_seconds or 0.0))
    return total - grows + grows * today / restored.bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One step or phase of the newest run beside the median of the earlier ones; seconds."""

    name: str
    phase: str
    newest: float
    median: float | None
    """None where no earlier run timed it."""


def exercised(drills: Sequence[Drill]) -> list[Drill]:
    """Runs that did what they planned: a dry run's times are no drill's."""
    return [one for one in drills if one.mode is not Mode.DRY_RUN]


def steps_changed(drills: Sequence[Drill]) -> list[Change]:
    """Every timed step of the newest run that was no dry run, in its order."""
    drills = exercised(drills)
    if not drills:
        return []
    before = [
        {one.step: one.seconds for one in drill.parts if one.state == "succeeded"}
        for drill in drills[1:]
    ]
    return [
        Change(one.step, one.phase, one.seconds, _median_of(before, one.step))
        for one in drills[0].parts
        if one.seconds is not None
    ]


def phases_changed(drills: Sequence[Drill]) -> list[Change]:
    """Every phase of the newest run that was no dry run, in its order."""
    drills = exercised(drills)
    if not drills:
        return []
    before = [drill.phases for drill in drills[1:] if _measured(drill)]
    return [
        Change(name, name, seconds, _median_of(before, name))
        for name, seconds in drills[0].phases.items()
    ]


def _median_of(before: Sequence[Mapping[str, float | None]], name: str) -> float | None:
    known = [seconds for one in before if (seconds := one.get(name)) is not None]
    return median_of(known) if known else None


def together(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds that lie in at least one of these spans: what runs side by side counts once."""
    total, reached = 0.0, float("-inf")
    for begun, ended in sorted(spans):
        total += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return total
