"""What commands, queries and requests answered, in every export: whole, and as text."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from markdown_it import MarkdownIt
from support.nasty import NASTY, unsafe

from drbook.core import events as ev
from drbook.core.events import Effect, Mode, Plan, Record, StepEnd
from drbook.core.values import Json, plain_lines
from drbook.timeline.build import build
from drbook.timeline.export import FORMATS, export
from drbook.timeline.model import JournalFacts, Timeline

T0 = datetime(2026, 4, 24, 19, 19, tzinfo=UTC)


def ran(out: str = "", err: str = "", code: int = 0) -> Json:
    return {"argv": ["sh"], "exit_code": code, "seconds": 1, "stdout": out, "stderr": err}


def answered(*rows: tuple[str | None, ...], names: tuple[str, ...] = ("id", "name")) -> Json:
    return {"columns": names, "rows": rows, "value": None, "count": len(rows), "truncated": False}


def told(action: str, result: Json, state: StepEnd = StepEnd.SUCCEEDED) -> Timeline:
    events: list[ev.Event] = [
        ev.IncidentOpened(
            incident="20260424-1", mode=Mode.LIVE, title="Lost", runbook_sha256="cd" * 32,
            runbook_file="r.yaml", drbook_version="0.1", steps=("look",),
        ),
        ev.StepPlanned(step="look", attempt=1, action=action, effect=Effect.NONE, params=None,
                       plan=Plan(does=("looks",)), digest="ef" * 32),
        ev.StepStarted(step="look", attempt=1),
        ev.StepFinished.model_validate(
            {"step": "look", "attempt": 1, "state": state, "result": result, "reason": "so",
             "duration_ms": 1000}),
    ]  # fmt: skip
    made = [
        Record(seq=number, at=T0 + timedelta(seconds=number), mono_ns=number, mode=Mode.LIVE,
               actor="ops", host="here", event=event, prev="0" * 64)
        for number, event in enumerate(events, 1)
    ]  # fmt: skip
    return build(made, journal=JournalFacts("/j", "ab" * 32, intact=True))


def blocks(page: str) -> list[str]:
    """What the fenced blocks hold, as a reader of Markdown sees them."""
    return [one.content for one in MarkdownIt().parse(page) if one.type == "fence"]


@pytest.mark.parametrize("state", [StepEnd.SUCCEEDED, StepEnd.FAILED])
@pytest.mark.parametrize("kind", ["html", "md", "json"])
def test_every_line_that_a_command_printed_is_exported(kind: str, state: StepEnd) -> None:
    lines = [f"line {number} of the output" for number in range(500)]
    page = export(told("shell", ran("\n".join(lines), "why it failed", 3), state), kind)
    assert all(line in page for line in lines)
    assert "why it failed" in page


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_output_gives_the_same_bytes(kind: str) -> None:
    result = ran("a\n`b`\n", "c")
    assert export(told("shell", result), kind) == export(told("shell", result), kind)


def test_the_page_folds_it_away_and_escapes_it() -> None:
    page = export(told("shell", ran("</pre></details><script>x</script>\n  two")), "html")
    assert page.count("<details>") == page.count("</details>") == page.count("<pre") == 1
    assert "&lt;/pre&gt;&lt;/details&gt;&lt;script&gt;x&lt;/script&gt;\n  two</pre>" in page
    assert "standard output" in page


@pytest.mark.parametrize("kind", ["html", "md"])
def test_a_query_is_a_table_in_which_null_is_no_text(kind: str) -> None:
    page = html.unescape(export(told("sql", answered(("1", None), ("2", ""), ("3", "NULL"))), kind))
    page = re.sub(r"</?t[rdh][^>]*>| \| ", "§", page)
    assert "1§NULL" in page.replace("§§", "§")
    assert "2§''" in page.replace("§§", "§")
    assert "3§'NULL'" in page.replace("§§", "§")
    assert "3 rows" in page


@pytest.mark.parametrize("kind", ["html", "md"])
def test_rows_beyond_the_limit_are_counted(kind: str) -> None:
    page = export(told("sql", answered(*[("1", "x" * 299)] * 1000)), kind)
    assert page.count("x" * 299) == 64 * 1024 // 300
    assert f"{1000 - 64 * 1024 // 300} rows more" in page


def test_an_answer_s_body_stands_under_its_status() -> None:
    result = {"status": 502, "seconds": 1, "body": "# no gateway"}
    page = export(told("http", result, StepEnd.FAILED), "md")
    assert "answer: status 502" in page
    assert blocks(page) == ["# no gateway\n"]


@pytest.mark.parametrize("kind", ["html", "md"])
def test_without_output_nothing_is_said_of_it(kind: str) -> None:
    assert "queries and requests" not in export(told("postgres.probe", None), kind)


@pytest.mark.parametrize("name", NASTY)
def test_hostile_output_stays_text(name: str) -> None:
    text = NASTY[name]
    made = told("shell", ran(text + "\n```\n````\n~~~\n# head", text))
    for kind in ("html", "md"):
        assert unsafe(export(made, kind)) == []
    page = export(made, "md")
    expected = [plain_lines(text + "\n```\n````\n~~~\n# head", 4000), plain_lines(text, 4000)]
    assert [one.rstrip("\n") for one in blocks(page)] == [one.rstrip("\n") for one in expected]
    heads = [one for one in MarkdownIt().parse(page) if one.type == "heading_open"]
    calm = MarkdownIt().parse(export(told("shell", ran("x", "y")), "md"))
    assert len(heads) == len([one for one in calm if one.type == "heading_open"])
    tags = re.findall(r"<[a-z/]+", export(made, "html"))
    assert tags == re.findall(r"<[a-z/]+", export(told("shell", ran("x", "y")), "html"))
    tabled = told("sql", answered((text, None), names=(text, text)))
    for kind in ("html", "md"):
        assert unsafe(export(tabled, kind)) == []
    rows = [line for line in export(tabled, "md").splitlines() if "NULL" in line]
    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", rows[0])) == 3
