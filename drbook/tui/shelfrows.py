"""The home screen's rows: open incidents, runbooks, history; each a line, and what Enter does with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from drbook.app.history import Summary
from drbook.app.library import Checked, Entry
from drbook.app.shelf import Contents
from drbook.core.values import clock_duration, counted, plain, show_duration, show_time
from drbook.tui.colours import BUSY, DIM, GOOD, PLAIN, SELECTED, STRONG, URGENT, WARN
from drbook.tui.paint import cut, cut_middle, said, spread

ROW = "drbook.row"
"""The mark of a line that stands for a row, for whoever clicks on it."""
MODES = {"live": ("● LIVE", URGENT), "drill": ("◇ drill", BUSY), "dry-run": ("~ dry run", DIM)}


@dataclass(frozen=True, slots=True)
class Row:
    """A line that can be chosen."""

    section: str
    about: Summary | Checked | Entry
    key: str
    """Stays the same while the row moves."""
    words: str
    """What the filter looks into."""


def rows(contents: Contents, wanted: str) -> list[Row]:
    """All rows in which each word of the filter stands."""
    found = [_of_incident("OPEN INCIDENTS", one) for one in contents.still_open]
    found += [_of_book(one) for one in contents.runbooks]
    found += [_of_incident("HISTORY", one) for one in contents.ended]
    parts = wanted.lower().split()
    return [row for row in found if all(part in row.words for part in parts)]


def _of_incident(section: str, one: Summary) -> Row:
    doubt = "in doubt" if one.in_doubt else ""
    words = (one.incident, one.folder.name, one.title[:2000], one.mode, one.outcome, doubt)
    return Row(section, one, f"incident {one.folder}", " ".join(words).lower())


def _of_book(book: Checked | Entry) -> Row:
    entry = book.entry if isinstance(book, Checked) else book
    title = book.title[:2000] if isinstance(book, Checked) else ""
    words = f"{entry.name} {entry.origin} {title}".lower()
    return Row("RUNBOOKS", book, f"runbook {entry.path}", words)


def enter_does(row: Row | None) -> str:
    """In two or three words."""
    if row is None:
        return ""
    if isinstance(row.about, Summary):
        if row.about.outcome in ("damaged", "unread"):
            return "what is wrong"
        if row.section == "HISTORY":
            return "look at it"
        return "watch it" if row.about.led else "resume"
    if isinstance(row.about, Entry):
        return ""
    return "start" if row.about.runbook is not None else "show the problems"


# --- a line ---------------------------------------------------------------------------------------


def line(row: Row, now: datetime, width: int, *, selected: bool) -> Text:
    strong = STRONG if selected else PLAIN
    if isinstance(row.about, Summary):
        body = (_open if row.section == "OPEN INCIDENTS" else _past)(row.about, now, width, strong)
    else:
        body = _book(row.about, width, strong)
    shown = Text.assemble(("▌" if selected else " ", STRONG), body)
    shown.truncate(width, overflow="ellipsis")
    shown.pad_right(max(0, width - shown.cell_len))
    if selected:
        shown.stylize(SELECTED)
    shown.stylize(Style(meta={ROW: row.key}))
    return shown


def _open(one: Summary, now: datetime, width: int, strong: str) -> Text:
    if one.outcome in ("damaged", "unread"):
        name = cut(one.folder.name, max(24, width // 3))
        left = Text.assemble((f"✗ {one.outcome} ", URGENT), said(name, strong), "  ")
        left.append(cut(one.problem, max(0, width - left.cell_len - 2)), style=WARN)
        return left
    mode, style = MODES.get(one.mode, (one.mode, DIM))
    sign, words, colour = "▶", "open", BUSY
    if one.in_doubt:
        more = f" +{len(one.in_doubt) - 1}" if len(one.in_doubt) > 1 else ""
        sign, words, colour = "‼", f"in doubt: {cut(one.in_doubt[0], 20)}{more}", URGENT
    elif one.led:
        sign, words, colour = "◐", "led right now", GOOD
    ago = f"{show_duration(now - one.opened_at)} ago" if one.opened_at else "never opened"
    right = Text.assemble((words, colour), (f"  {ago:>13} ", DIM))
    left = Text.assemble((f"{sign} ", colour), (f"{mode:<10}", style), said(one.title, strong))
    return spread(left, right, width - 1)


def _past(one: Summary, now: datetime, width: int, strong: str) -> Text:
    sign, colour = ("✓", GOOD) if one.exit_code == 0 else ("✗", URGENT)
    mode, style = MODES.get(one.mode, (one.mode, DIM))
    opened = f"{one.opened_at:%Y-%m-%d %H:%M}" if one.opened_at else "unknown"
    left = Text.assemble((f"{sign} {cut(one.outcome, 12):<8} ", colour), (f"{mode:<10}", style))
    left.append(f"{opened if width >= 100 else opened[5:]}  ", style=DIM)
    left.append_text(said(one.title, strong))
    return spread(left, _rto(one, width), width - 1)


def _rto(one: Summary, width: int) -> Text:
    """The measured figure beside the objective; a sign and a colour say which is larger."""
    if one.measured is None:
        return Text("RTO not measured " if width >= 100 else "RTO – ", style=DIM)
    text = Text.assemble(("RTO ", DIM), (clock_duration(one.measured), PLAIN))
    if one.objective is None:
        return text.append(" ")
    if width >= 100:
        text.append(f" of {clock_duration(one.objective)}", style=DIM)
    over = one.measured > one.objective
    return text.append(" ▲ " if over else " ✓ ", style=URGENT if over else GOOD)


def _book(book: Checked | Entry, width: int, strong: str) -> Text:
    entry = book.entry if isinstance(book, Checked) else book
    name = cut_middle(entry.name, 24 if width < 100 else 34)
    if isinstance(book, Entry):
        sign, colour, title, right = "·", DIM, "", "checking …"
    elif book.runbook is not None:
        sign, colour, title, right = "✓", GOOD, book.title, entry.origin
    else:
        count = counted(len(book.problems), "problem") if book.problems else "unreadable"
        sign, colour, title, right = "✗", WARN, book.trouble, f"{count}  {entry.origin}"
    left = Text.assemble((f"{sign} ", colour), said(name, strong))
    left.pad_right(max(1, (28 if width < 100 else 38) - left.cell_len))
    left.append_text(said(title, PLAIN))
    return spread(left, Text(f"{right} ", style=colour if sign == "✗" else DIM), width - 1)


# --- the list -------------------------------------------------------------------------------------


def shelf(
    found: Sequence[Row], at: int, now: datetime, size: tuple[int, int], notes: dict[str, str]
) -> Text:
    """The lines that fit, scrolled so that the chosen one is seen.

    `notes` are said beside a section's name, or under it where it is empty.
    """
    width, height = size
    lines: list[tuple[Text, int | None]] = []
    chosen = 0
    for section in ("OPEN INCIDENTS", "RUNBOOKS", "HISTORY"):
        inside = [(number, row) for number, row in enumerate(found) if row.section == section]
        if lines:
            lines.append((Text(""), None))
        heading = Text.assemble((f" {section} ", f"bold {DIM}"), (f"{len(inside)} ", DIM))
        room = max(0, width - heading.cell_len - 1)
        heading.append(cut_middle(notes.get(section, ""), room), style=DIM)
        lines.append((heading, None))
        if not inside:
            lines.append((Text(f"   {notes.get(f'no {section}', 'none')}", style=DIM), None))
        for number, _ in inside:
            if number == at:
                chosen = len(lines)
            lines.append((Text(), number))  # painted below, if it is seen
    first = max(0, min(chosen - height // 2, len(lines) - height))
    if chosen <= height // 2:
        first = 0
    shown = [
        text if number is None else line(found[number], now, width, selected=number == at)
        for text, number in lines[first : first + height]
    ]
    return Text("\n", no_wrap=True, overflow="crop").join(shown)


def detail(row: Row | None, now: datetime, width: int) -> Text:
    """Two lines with what the row had no room for."""
    if row is None:
        return Text("\n")
    if isinstance(row.about, Summary):
        first, facts, place = _about_incident(row.about, now)
    else:
        first, facts, place = _about_book(row.about)
    return Text("\n").join(
        [said(cut(first, width - 2), PLAIN), said(_fitting(facts, place, width - 2), DIM)]
    )


def _fitting(facts: Sequence[str], place: str, width: int) -> str:
    """Facts, the most wanted first, and where it lies. No figure is cut: a fact without room is left out,
    and the place gets what is left."""
    line = ""
    for fact in (plain(one, 400) for one in facts):
        longer = f"{line} · {fact}" if line else fact
        if cell_len(longer) <= width:
            line = longer
    room = width - cell_len(line) - 3 if line else width
    if not place or room < min(_PLACE, cell_len(plain(place))):
        return line
    return f"{line} · {cut_middle(place, room)}" if line else cut_middle(place, room)


_PLACE = 16
"""Cells below which a path is not shown at all."""
_About = tuple[str, Sequence[str], str]
"""What it is, facts about it, where it lies."""


def _about_incident(one: Summary, now: datetime) -> _About:
    if one.problem:
        return one.problem, (), str(one.folder)
    facts = [f"opened {show_time(one.opened_at)}" if one.opened_at else "never opened"]
    if one.closed_at is not None and one.opened_at is not None:
        spent = max(one.closed_at - one.opened_at, timedelta())
        facts.append(f"closed after {show_duration(spent)}")
    title = plain(one.title, 400)
    if one.in_doubt:
        title += f" · nobody knows whether these happened: {', '.join(one.in_doubt)}"
    elif one.led:
        facts.append("a drbook on this machine leads it")
    return title, facts, one.incident


def _about_book(book: Checked | Entry) -> _About:
    if isinstance(book, Entry):
        return "It is being checked.", (), str(book.path)
    if book.runbook is None:
        wrong = str(book.problems[0]) if book.problems else book.trouble
        return wrong, (), str(book.entry.path)
    steps = counted(len(book.runbook.steps), "step")
    allowed = book.runbook.document.objectives
    rpo = show_duration(allowed.rpo) if allowed.rpo else "not stated"
    rto = show_duration(allowed.rto) if allowed.rto else "not stated"
    return plain(book.title, 400), (steps, f"RPO {rpo}", f"RTO {rto}"), str(book.entry.path)
