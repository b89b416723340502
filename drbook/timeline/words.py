"""Words that all exports share: modes said loudly, states with a sign, unknown as unknown."""

from datetime import datetime, timedelta

from drbook.core.comparison import Comparison
from drbook.core.points import Judgement, Verdict
from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.values import show_duration, show_time
from drbook.timeline.model import Attempt, Measured, Timeline

MODES = {
    "live": "LIVE",
    "drill": "REHEARSAL (drill): production was not touched",
    "dry-run": "DRY RUN: nothing was restored",
}
SIGNS = {
    "succeeded": "✓",
    "failed": "✗",
    "could-not-verify": "?",
    "refused": "⊘",
    "cancelled": "✗",
    "not-exercised": "~",
    "in-doubt": "‼",
    "pass": "✓",
    "fail": "✗",
    "independent": "✓",
    "shared": "✗",
    "destroyed": "✗",
    "damaged": "✗",
    "unknown": "?",
    "not compared": "~",
    "ok": "✓",
    "differs": "▲",
    "stops": "✗",
}


def signed(state: str) -> str:
    """A state as sign and word: never by colour, and never a sign alone."""
    return f"{SIGNS.get(state, '·')} {state or 'not ended'}"


def duration(value: timedelta | None) -> str:
    return "unknown" if value is None else show_duration(value)


def measured(value: Measured) -> str:
    """What was measured, with a word where it may be more."""
    shown = duration(value.measured)
    return f"at least {shown}" if value.at_least and value.measured is not None else shown


def met(measured: Measured) -> str:
    """Whether an objective was met, in words."""
    answers = {True: "met", False: "NOT MET", None: "unknown"}
    if measured.objective is None:
        return "no objective stated"
    if measured.at_least and measured.met is None and measured.measured is not None:
        return "unknown: only when the copy was stored is known"
    return answers[measured.met]


def took(attempt: Attempt) -> str:
    """How long it worked, and how long people took before."""
    worked = duration(attempt.duration)
    if attempt.waited is None:
        return worked
    return f"{worked}, after {show_duration(attempt.waited)} for people"


def number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def as_of(baseline_at: datetime | None) -> str:
    """What `lost` rows are counted against."""
    if baseline_at is None:
        return "Lost rows are unknown: there is no baseline."
    return f"Lost rows: against the baseline of {show_time(baseline_at)}; nothing later is counted."


QUESTIONS = {
    Question.FIDELITY: "what the backup held",
    Question.SOUNDNESS: "sound in itself",
    Question.ASSERTION: "the runbook's own assertions",
    Question.LOSS: "what production had",
}
"""What each kind of remark was held against."""


def beside_rows(comparison: Comparison) -> list[tuple[str, str, str, str, str]]:
    """Everything that a verification says beside the rows: verdict, held against, kind, name, words."""
    found = [
        (_spoken(one), QUESTIONS[one.question], one.check, one.subject, one.words)
        for one in comparison.remarks
    ]
    return found + [
        (signed("not compared"), QUESTIONS[Question.FIDELITY], "", "", one)
        for one in comparison.not_compared
    ]


def _spoken(one: Remark) -> str:
    """A difference that speaks against nothing is no check that passed; an assertion that holds is."""
    if one.verdict is TableVerdict.PASS and one.question is not Question.ASSERTION:
        return "· worth knowing"
    return signed(one.verdict.value)


def headline(timeline: Timeline) -> str:
    if timeline.is_open:
        return "still open: this is the timeline so far"
    return f"{timeline.outcome}: {timeline.outcome_reason}".rstrip(": ")


def warned(timeline: Timeline) -> str:
    """The warnings of the program that loaded, and of the server, by kind."""
    found = timeline.restored.load.complaints if timeline.restored is not None else ()
    return ", ".join(f"{one.count:,} {one.kind}" for one in found)


def chosen(timeline: Timeline) -> Judgement | None:
    located = timeline.located
    if located is None or located.point is None:
        return None
    key = located.point.key
    return next((each for each in located.judgements if each.point.key == key), None)


def rejected(timeline: Timeline) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
    """Every copy that was not chosen, newest first: source, copy, verdict and why.

    A place that was destroyed with production, and one that did not answer, count among them: what
    they held is not known. An independent copy that is older says so.
    """
    located = timeline.located
    if located is None:
        return ()
    gone = [
        (
            source.source,
            "",
            "destroyed" if source.destroyed else "unknown",
            (
                "it lay in what was destroyed; it does not answer: " + source.why_unreachable
                if source.destroyed
                else "it could not be looked at: " + source.why_unreachable,
            ),
        )
        for source in located.unreachable
    ]
    key = located.point.key if located.point else None
    others = [
        (
            each.point.source,
            each.point.location,
            each.verdict.value,
            (("older than the chosen copy",) if each.verdict is Verdict.INDEPENDENT else ())
            + each.reasons,
        )
        for each in located.judgements
        if each.point.key != key
    ]
    return (*gone, *others)


def difference(timeline: Timeline) -> str:
    """What the newest copy that could be seen and the newest independent one differ by."""
    located = timeline.located
    if located is None or located.newest is None or located.point is None:
        return "unknown"
    if located.newest.key == located.point.key:
        return "none: the newest copy is independent"
    gap = located.newest.taken_at - located.point.taken_at
    return f"{show_duration(gap)} of data"


def check_command(timeline: Timeline) -> str:
    return f"drbook journal verify {timeline.incident} --head {timeline.journal.head}"
