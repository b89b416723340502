"""Text from outside at every outlet: shown as text, or not at all."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType
from support.evidence import located, point, verified
from support.nasty import NASTY, unsafe
from textual.app import App

from drbook.app.model import ProgressView
from drbook.app.places import new_incident_id
from drbook.app.rates import progress_words
from drbook.cli.describe import describe
from drbook.core import events as ev
from drbook.core.comparison import TableComparison, TableVerdict
from drbook.core.errors import StepFailed
from drbook.core.events import Effect, Event, Mode, Plan, Record, StepEnd
from drbook.core.located import Located
from drbook.core.points import Verdict
from drbook.core.remarks import Question, Remark
from drbook.core.values import plain, plain_lines
from drbook.timeline.build import build
from drbook.timeline.export import export
from drbook.timeline.model import JournalFacts, Timeline
from drbook.tui import backups, colours, copies, journal, paint, rowcounts, tables, timeline
from drbook.tui.fields import Area, Line, cleaned

T0 = datetime(2026, 4, 24, 19, 19, tzinfo=UTC)


def records(text: str) -> list[Record]:
    """An incident in which everything that can come from outside says `text`."""
    key = text[:4000]
    hit = located(reason=text).model_dump(mode="json")
    hit["judgements"][0]["point"] |= {
        "id": key or "x",
        "location": key or "x",
        "source": key or "x",
    }
    events: list[Event] = [
        ev.IncidentOpened(
            incident="20260424-1", mode=Mode.LIVE, title=text, runbook_sha256="cd" * 32,
            runbook_file=text, drbook_version="0.1", steps=("locate", "odd"),
        ),
        *_attempt("locate", "backups.locate", hit, text),
        *_attempt("verify", "postgres.verify", _verified(text), text),
        *_attempt("odd", text, text, text),
        ev.MilestoneReached(step="odd", attempt=1, text=text, data={text[:50]: text}),
        ev.AnswerGiven(step="odd", attempt=1, answer=text, comment=text),
        ev.ConfirmationGiven(step="odd", attempt=1, typed=text),
        ev.StepSkipped(step="odd", reason=text),
        ev.NoteAdded(text=text, happened_at=T0),
        ev.PointChosen(step="locate", source=key or "x", id=key or "x", reason=text, typed=text,
                       break_glass=True),
        ev.StepDoneElsewhere(step="odd", attempt=2, state=StepEnd.FAILED, reason=text,
                             evidence=text or "x", without=(text,)),
        ev.HandedOver(to=text, comment=text),
        ev.InputChanged(name=text, value=text),
        ev.StepInvalidated(step="odd", because=text),
        ev.ApprovalGiven(step="odd", attempt=1, by=text, break_glass=True),
        ev.DecisionRecorded(step="odd", decision="accept", reason=text),
        ev.IncidentClosed(outcome="fail", exit_code=1, reason=text),
    ]  # fmt: skip
    return [
        Record(
            seq=number, at=T0 + timedelta(seconds=number), mono_ns=number, mode=Mode.LIVE,
            actor=text, host=text, event=event, prev="0" * 64,
        )
        for number, event in enumerate(events, 1)
    ]  # fmt: skip


def _verified(text: str) -> object:
    result = verified().model_dump(mode="json")
    result["comparison"]["tables"][0] |= {"table": text, "reason": text}
    return result


def _attempt(step: str, action: str, result: object, text: str) -> list[Event]:
    return [
        ev.StepPlanned(step=step, attempt=1, action=action, effect=Effect.NONE, params=None,
                       plan=Plan(does=(text,), source=text, into=text), digest="ef" * 32),
        ev.StepStarted(step=step, attempt=1),
        ev.StepFinished.model_validate(
            {"step": step, "attempt": 1, "state": StepEnd.FAILED, "result": result, "reason": text,
             "means": text, "next": text, "duration_ms": 1000}),
    ]  # fmt: skip


def told(text: str) -> Timeline:
    facts = JournalFacts(text, "ab" * 32, intact=False, problem=text)
    titles = {"locate": text, "verify": text, "odd": text}
    return build(
        records(text), journal=facts, titles=titles, phases=dict.fromkeys(titles, "detect")
    )


@cache
def calm(kind: str) -> str:
    """The same incident with nothing odd in it."""
    return export(told("harmless"), kind)


# --- exports ---------------------------------------------------------------------------------


class Shape(HTMLParser):
    """Every element with its attributes' names, and everything that is an address or a handler."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[tuple[str, tuple[str, ...]]] = set()
        self.bad: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add((tag, tuple(sorted(name for name, _ in attrs))))
        self.bad += [name for name, _ in attrs if name.startswith("on") or name in ("href", "src")]
        if tag == "script":
            self.bad.append(tag)

    def handle_comment(self, data: str) -> None:
        self.bad.append("comment")


def html_is_harmless(text: str) -> None:
    page = export(told(text), "html")
    assert unsafe(page) == []
    assert Shape(page).bad == []
    assert Shape(page).tags == Shape(calm("html")).tags


def markdown_is_harmless(text: str) -> None:
    # An empty comment keeps an @ from naming anybody; text from outside cannot hold one.
    # Where a note or evidence breaks its lines, Markdown is told so; a break from outside is escaped.
    page = export(told(text), "md").replace("<!-- -->", "")
    page = re.sub(r"(?<!\\)((?:\\\\)*)<br>", r"\1", page)  # an escaped backslash escapes no break
    assert unsafe(page) == []
    bare = re.compile(r"(?<!\\)(?:\\\\)*[|<>\[\]`]")
    assert page.count("\n") == calm("md").count("\n")
    for line, other in zip(
        page.split("\n"), calm("md").replace("<br>", "").split("\n"), strict=True
    ):
        assert len(bare.findall(line)) == len(bare.findall(other))
        assert line[:2] == other[:2] or not line.startswith(("# ", "- ", "> ", "``"))


def csv_is_harmless(text: str) -> None:
    page = export(told(text), "csv")
    assert unsafe(page, "\r\n") == []
    rows = list(csv.reader(io.StringIO(page, newline="")))
    assert len(rows) == len(list(csv.reader(io.StringIO(calm("csv"), newline=""))))
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


def json_is_harmless(text: str) -> None:
    page = export(told(text), "json")
    assert page.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", page)
    assert page.count("\n") == len(records(text)) + 1
    assert json.loads(page.splitlines()[0])["data"]["event"]["title"] == text


# --- the screen --------------------------------------------------------------------------------


def painted(shown: RenderableType) -> None:
    """Rendered as on a terminal: no character that acts, no link, no action."""
    console = Console(width=120, height=50, force_terminal=True, file=io.StringIO())
    for segment in console.render(shown):
        if segment.control is None:
            assert unsafe(segment.text) == []
        if segment.style is not None:
            assert segment.style.link is None
            assert segment.style.meta == {}


def paint_is_harmless(text: str) -> None:
    assert unsafe(paint.cut(text, 40)) == []
    assert unsafe(paint.cut_middle(text, 40)) == []
    painted(paint.said(text))
    painted(paint.numbered([text, text]))
    painted(paint.fields([("label", paint.said(text))]))
    view = ProgressView(
        label=text, done=1, total=2, unit="bytes", now=text, rate=1.0, seconds_left=9
    )
    for width in (40, 100):
        for line in paint.progress_lines([view, view], width):
            painted(line)
    assert unsafe(progress_words(view)) == []


def journal_is_harmless(text: str) -> None:
    snapshot = SimpleNamespace(runbook=SimpleNamespace(steps=()), records=tuple(records(text)))
    for record in snapshot.records:
        words, style = journal.words(record)
        assert style in vars(colours).values()
        painted(paint.said(words))
        painted(timeline.TimelineScreen(lambda: None).about(None, record, 120))  # type: ignore[arg-type,return-value]


def evidence_is_harmless(text: str) -> None:
    found = Located.model_validate(located(reason=text).model_dump())
    odd = point("offsite", 3).model_copy(update={"id": text, "location": text, "source": text})
    first = found.judgements[0].model_copy(update={"point": odd, "verdict": Verdict.SHARED})
    found = found.model_copy(update={"judgements": (first, *found.judgements[1:]), "newest": odd})
    painted(copies.backups_table(found, 120, found.judgements))
    painted(copies.cost_line(found))
    row = TableComparison(
        table=text,
        expected=1,
        restored=2,
        before=1,
        lost=-1,
        verdict=TableVerdict.FAIL,
        reason=text,
    )
    painted(rowcounts.tables_table([row], 120, selected=row))
    told = SimpleNamespace(state=SimpleNamespace(occurred=T0))
    painted(backups.costs(first, found, told))  # type: ignore[arg-type]
    painted(backups.criteria(first, found, 120))
    screen = tables.TablesScreen(lambda: None)  # type: ignore[arg-type,return-value]
    painted(screen.about(None, row.model_copy(update={"where": (text,)}), 120))  # type: ignore[arg-type]
    painted(
        tables.beside(
            Remark(
                question=Question.FIDELITY,
                check="index",
                subject=text,
                verdict=TableVerdict.FAIL,
                words=text,
            )
        )
    )


# --- lines, errors, file names -------------------------------------------------------------------


def headless_is_harmless(text: str) -> None:
    for record in records(text):
        line = describe(record)
        assert unsafe(line) == []
        assert line.count("\n") <= 2
        assert len(line) < 4000


def errors_are_harmless(text: str) -> None:
    error = StepFailed(text, means=text, next=text)
    assert unsafe(error.explain()) == []
    assert len(error.explain()) < 20_000


def file_names_are_harmless(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,60}", new_incident_id(text, T0))


def plain_is_harmless(text: str) -> None:
    assert unsafe(plain(text), "") == []
    assert len(plain(text, 100)) <= 130
    assert unsafe(plain_lines(text)) == []


OUTLETS: dict[str, Callable[[str], None]] = {
    one.__name__: one
    for one in (
        html_is_harmless,
        markdown_is_harmless,
        csv_is_harmless,
        json_is_harmless,
        paint_is_harmless,
        journal_is_harmless,
        evidence_is_harmless,
        headless_is_harmless,
        errors_are_harmless,
        file_names_are_harmless,
        plain_is_harmless,
    )
}


@pytest.mark.parametrize("outlet", OUTLETS)
@pytest.mark.parametrize("name", NASTY)
def test_nasty_text_is_harmless(name: str, outlet: str) -> None:
    OUTLETS[outlet](NASTY[name])


_PIECES = st.one_of(
    st.sampled_from([text for text in NASTY.values() if len(text) < 200]),
    st.text(max_size=20),
    st.characters(categories=["Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Mn", "Sm"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_PIECES, max_size=6).map("".join))
def test_any_mixture_is_harmless_at_every_outlet(text: str) -> None:
    for outlet in OUTLETS.values():
        outlet(text)


@pytest.mark.parametrize(
    "text",
    ["大" * 200, "x" + "大" * 200, "大" * 30 + "x" * 60, "x" * 60 + "大" * 30, "e\u0301" * 80],
)
@pytest.mark.parametrize("width", [8, 9, 40, 41, 79])
def test_the_ends_that_are_kept_fit_their_cells(text: str, width: int) -> None:
    shown = paint.cut_middle(text, width)
    assert width - 2 <= cell_len(shown) <= width
    head, dots, tail = shown.partition("…")
    assert dots
    assert text.startswith(head)
    assert text.endswith(tail)
    assert tail


def test_whatever_fills_a_field_is_text_in_it() -> None:
    """What was there before, an assignment, a change: an editor, a runbook and a clipboard end here."""

    async def run() -> None:
        async with App[None]().run_test() as pilot:
            for name in NASTY:
                text = NASTY[name][:3000]
                line, area = Line(value=text), Area(text)
                await pilot.app.mount(line, area)
                for _ in range(2):
                    assert unsafe(line.value, "") == [], name
                    assert unsafe(area.text) == [], name
                    assert cleaned(area.text) == area.text, name
                    line.value = text
                    area.text = text
                    area.insert(text)
                await line.remove()
                await area.remove()

    asyncio.run(run())


def test_clean_text_is_taken_as_it_is() -> None:
    for text in ("", "x", "x\n", "one\n\ntwo\n\n", "Grüße, 大", "x" * 50_000):
        assert cleaned(text) == text
    assert cleaned("a\r\nb\rc") == "a\nb\nc"
