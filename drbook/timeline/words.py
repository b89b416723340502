"""Words that all exports share: modes said loudly, states with a sign, unknown as unknown."""

from datetime import datetime, timedelta
from itertools import pairwise

from drbook.core.located import Located
from drbook.core.losing import LossFound
from drbook.core.points import Judgement, Verdict
from drbook.core.purging import pause
from drbook.core.recovery import RecoveryReport
from drbook.core.timers import Owed
from drbook.core.tried import Tried
from drbook.core.values import counted, format_duration, plain, show_duration, show_time
from drbook.timeline.model import Attempt, Entry, Measured, Timeline

MODES = {
    "live": "LIVE",
    "drill": "REHEARSAL (drill): production was not touched",
    "dry-run": "DRY RUN: nothing was restored",
}
LINED = frozenset({"note", "external"})
"""Kinds of entries whose text keeps its lines."""
BAD = frozenset({"failed", "failed by hand", "refused", "in-doubt", "could-not-verify"})
"""States of attempts that are shown in red, beside their sign and word."""
SIGNS = {
    "succeeded": "✓",
    "succeeded by hand": "✎",
    "failed by hand": "✗",
    "failed": "✗",
    "could-not-verify": "?",
    "refused": "⊘",
    "cancelled": "✗",
    "not-exercised": "~",
    "in-doubt": "‼",
    "pass": "✓",
    "equal": "✓",
    "fail": "✗",
    "independent": "✓",
    "shared": "✗",
    "destroyed": "✗",
    "damaged": "✗",
    "unknown": "?",
    "recoverable": "~",
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


def detected(timeline: Timeline) -> str:
    """When, and how it is known where nobody said it."""
    if timeline.detected is None:
        return "unknown"
    return show_time(timeline.detected) + proved(timeline)


def proved(timeline: Timeline) -> str:
    """How it is known when it was detected, where nobody said it."""
    if not timeline.detected_by:
        return ""
    return f" at the latest (step {timeline.detected_by} proved {timeline.detected_proof}; nobody said when)"


def declared(timeline: Timeline) -> str:
    """When, and when the incident was opened where that is another time."""
    if timeline.declared == timeline.opened:
        return f"{show_time(timeline.declared)} (incident opened)"
    return f"{show_time(timeline.declared)} (incident opened {show_time(timeline.opened)})"


def telling(timeline: Timeline) -> list[tuple[str, str, str, str]]:
    """What was to be told: what, how often or within what, until when, and what the record says.

    Whether a deadline had passed is told by the last record, so that an export stays the same."""
    last, found = timeline.records[-1].at, timeline.telling
    rows = []
    if found.updates is not None:
        every = f"every {format_duration(found.updates.every)}"
        rows.append((f"updates for {found.updates.audience}", every, "", _updates(timeline, last)))
    for one in found.deadlines:
        within = f"within {format_duration(one.after)} of {one.counts_from}"
        until = "unknown" if one.at is None else show_time(one.at)
        if one.at_latest:
            nobody = one.counts_from == "detected" and timeline.detected_by
            why = "nobody said when it was detected" if nobody else f"{one.counts_from} is unknown"
            until += f" at the latest: {why}"
        rows.append((one.name, within, until, _told(one, last)))
    return rows


def _updates(timeline: Timeline, last: datetime) -> str:
    """How many, and the longest time that nothing was told in."""
    sent = timeline.telling.sent
    told = [one for one in sent if one >= timeline.declared]
    end = max(timeline.closed or last, timeline.declared)
    moments = [timeline.declared, *(one for one in told if one <= end), end]
    gap = max(later - earlier for earlier, later in pairwise(moments))
    return (
        f"{counted(len(sent), 'message')} on record; longest time without one: {show_duration(gap)}"
    )


def _told(one: Owed, last: datetime) -> str:
    if one.told is None:
        passed = one.at is not None and last > one.at
        return "no message on record begins with its name" + ("; it had passed" if passed else "")
    at = f"message of {show_time(one.told)}"
    if one.at is None or one.told <= one.at:
        early = not one.at_latest and one.at is not None
        return f"{at}, in time" if early else at
    return f"{at}, {show_duration(one.told - one.at)} late"


def sought_rows(found: LossFound) -> list[tuple[str, str, str, str, str]]:
    """The transactions that may be the loss: proposed or not, commit, number, what it did, what stopping costs."""
    return [
        (
            "◀ proposed" if one.chosen else "",
            show_time(one.what.committed_at),
            str(one.what.xid),
            plain(one.destroyed(), 400),
            one.costs(),
        )
        for one in found.candidates
    ]


def sought_notes(found: LossFound) -> list[str]:
    """How far the WAL was read, where the names come from, and what speaks against the proposal."""
    read = found.read
    ends = f", up to the commit of {show_time(read.ends)}" if read.ends else ""
    notes = [f"{counted(read.segments, 'segment')} read from {read.first} on{ends}; {read.why}"]
    notes += [found.named_by, found.disagreement, *(one.show() for one in found.drops)]
    return [plain(each, 400) for each in notes if each]


def headline(timeline: Timeline) -> str:
    if timeline.is_open:
        return "still open: this is the timeline so far"
    return f"{timeline.outcome}: {timeline.outcome_reason}".rstrip(": ")


def stale(timeline: Timeline) -> str:
    """That the verification that is shown no longer counts; empty where it does."""
    because = timeline.verified_stale
    return (
        f"This verification no longer holds: {because}. It counts for nothing." if because else ""
    )


def warned(timeline: Timeline) -> str:
    """The warnings of the program that loaded, and of the server, by kind."""
    load = timeline.restored.load if timeline.restored is not None else None
    found = load.complaints if load is not None else ()
    return ", ".join(f"{one.count:,} {one.kind}" for one in found)


def rolled(report: RecoveryReport) -> tuple[str, ...]:
    """What rolling a physical copy forward came to, a sentence a piece without its full stop."""
    version = f"{report.server_version // 10000}.{report.server_version % 10000}"
    lines = [
        f"Laid down as PostgreSQL {version} and told to stop {report.aim.show()}: {report.show()}",
        f"Rolled forward by {counted(report.wal_files, 'file')} of WAL from the archive in "
        f"{report.seconds} s"
        + (f", to {report.redo_done}" if report.redo_done else "")
        + (f", now on timeline {report.timeline}" if report.timeline else ""),
        "Isolated, as the server answered: "
        + ", ".join(f"{name} = {value or '(empty)'}" for name, value in report.isolation.items()),
    ]
    if report.set_aside:
        lines.append(f"Without a say, kept beside it: {', '.join(report.set_aside)}")
    return tuple(lines)


def isolated(timeline: Timeline) -> tuple[str, ...]:
    """Whether the target keeps to itself, a sentence a piece without its full stop."""
    if timeline.restored is None:
        return ()
    alone = timeline.restored.alone
    if alone is None:
        return ("Whether the target is isolated was not asked",)
    asked = "; ".join(
        f"{one.what} {'told ' + (one.asked or '(empty)') if alone.own_server else 'not forced'}, "
        f"answered {one.said} ({one.state})"
        for one in alone.checks
    )
    return (f"The target is {alone.show()}", f"Asked back: {asked}", *alone.not_prevented)


def removed(timeline: Timeline) -> tuple[str, ...]:
    """What became of what a drill made, a sentence a piece without its full stop."""
    if timeline.mode != "drill":
        return ()
    lines = []
    for one in timeline.resources:
        what = f"{one.kind} {one.name} in {one.location}"
        if one.released_at is not None:
            gone = "Not there any more" if one.absent else "Removed"
            lines.append(f"{gone} at {show_time(one.released_at)}: {what}")
        elif one.left:
            lines.append(f"Still there: {what}: {one.left}")
        else:
            lines.append(f"Not on record as removed: {what}")
    return tuple(lines)


def beside_line(one: Tried) -> str:
    """One of several copies that were restored at the same time."""
    return f"{one.show()}; it comes to {show_time(one.comes_to)}, target {one.target}, after {one.seconds} s"


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
    raced = timeline.restored is not None and bool(timeline.restored.beside)
    others: list[tuple[str, str, str, tuple[str, ...]]] = [
        (
            each.point.source,
            each.point.location,
            each.verdict.value,
            (*_beside_chosen(each, located, raced), *each.reasons),
        )
        for each in located.judgements
        if each.point.key != key
    ]
    return (*gone, *others)


def pauses(timeline: Timeline) -> tuple[str, ...]:
    """What to pause before anything of a place is mounted or restored, each said once."""
    located = timeline.located
    judgements = located.judgements if located is not None else ()
    return tuple(
        dict.fromkeys(pause(each.point.source, one) for each in judgements for one in each.pause)
    )


def _beside_chosen(each: Judgement, located: Located, raced: bool) -> tuple[str, ...]:
    """An independent copy was not wrong; it was older, another was verified first, or a person chose otherwise."""
    if each.verdict is not Verdict.INDEPENDENT:
        return ()
    if located.point is None or located.comes_to(each.point) <= located.comes_to(located.point):
        return ("older than the chosen copy",)
    if raced:
        return ("newer than the chosen copy, which was verified first (see the target)",)
    return ("newer than the chosen copy: a person chose otherwise",)


def choice(timeline: Timeline) -> str:
    """Who chose another copy than the proposed one, and why; empty where nobody did."""
    made = timeline.choice
    if made is None:
        return ""
    how = "BREAK-GLASS: chosen" if made.break_glass else "Chosen"
    return f"{how} by {made.by} instead of the proposed copy: {made.reason} (as known then: {made.standing})"


def against(timeline: Timeline) -> str:
    """What the gap to the newest copy of all is measured from."""
    return "the chosen one" if timeline.choice is not None else "the newest independent one"


def by_hand(attempt: Attempt) -> str:
    """A step that a person did, in a sentence without its evidence."""
    made = attempt.by_hand
    if made is None:
        return ""
    without = f", WITHOUT {' and '.join(made.without)}" if made.without else ""
    said = "done" if attempt.state.startswith("succeeded") else "not done"
    return f"{said}, by the word of {made.by}{without}: {attempt.reason}"


def moment(entry: Entry) -> str:
    """When it happened, and when it was written down where that is another time."""
    shown, written = show_time(entry.happened_at), show_time(entry.recorded_at)
    return shown if shown == written else f"{shown} (written {written})"


def difference(timeline: Timeline) -> str:
    """What the newest copy that could be seen and the newest independent one differ by."""
    located = timeline.located
    if located is None or located.newest is None or located.point is None:
        return "unknown"
    if located.newest.key == located.point.key:
        made = timeline.choice
        broken = made is not None and made.break_glass
        return "none: it is the newest copy" if broken else "none: the newest copy is independent"
    gap = located.comes_to(located.newest) - located.comes_to(located.point)
    return f"{show_duration(gap)} of data"


def check_command(timeline: Timeline) -> str:
    return f"drbook journal verify {timeline.incident} --head {timeline.journal.head}"


def rows_left(left: int) -> str:
    """That a query found more rows than are shown."""
    return f"{counted(left, 'row')} more: they are in the JSON timeline and in the journal."
