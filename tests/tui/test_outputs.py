"""Output of commands, queries and requests in a step's pane: live, and as it is on record."""

import io
import threading
import time

import pytest
from rich.cells import cell_len
from rich.console import Console
from support import incident
from support.incident import World
from support.nasty import NASTY, unsafe
from support.screen import Seat, at_the_screen

from drbook.core.actions import Finished, StepContext
from drbook.core.events import Effect, StepEnd
from drbook.core.ports import Ports
from drbook.core.results import SqlResult
from drbook.core.signals import Output, Working
from drbook.core.state import StepRun, StepState
from drbook.core.targets import HttpResult, ProcessResult
from drbook.core.values import Frozen, Json
from drbook.tui.outputs import LINES, printed

STEPS = "  - {id: a, phase: detect, do: shell, title: Look, why: Nobody knows.}\n"


class Shell(incident.Fake):
    """A command whose course the test decides, under the name that has its output shown."""

    result = ProcessResult


@pytest.fixture
def shell(world: World, monkeypatch: pytest.MonkeyPatch) -> incident.Fake:
    made = Shell("shell", Effect.NONE)
    known = World.actions.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(World, "actions", property(lambda self: {**known(self), "shell": made}))
    return made


def ran(out: str = "", err: str = "", code: int = 0) -> ProcessResult:
    return ProcessResult(argv=("sh",), exit_code=code, seconds=1, stdout=out, stderr=err)


def lines(count: int) -> str:
    return "\n".join(f"line {number} of the output" for number in range(1, count + 1))


def drawn(
    action: str, result: Json, width: int = 100, state: StepState = StepState.SUCCEEDED
) -> str:
    shown = printed(StepRun(id="a", state=state, action=action, result=result), width)
    assert shown is not None
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(shown)
    for line in out.getvalue().splitlines():
        assert cell_len(line) <= width
    return out.getvalue()


# --- while it runs ------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "least"), [((80, 24), 5), ((120, 40), 18), ((200, 60), 38)])
def test_the_newest_lines_fill_the_pane_while_it_runs(
    world: World, shell: incident.Fake, size: tuple[int, int], least: int
) -> None:
    go = threading.Event()

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        for number in range(1, 201):
            yield Output(f"line {number} of the output")
        while not go.wait(0.02):
            ports.cancel.raise_if_requested()
        return Finished(ran(), reason="exit code 0")

    shell.courses["a"] = course
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        text = await seat.sees("line 200 of the output", "nothing needs you now")
        seen = [line for line in text.splitlines() if "of the output" in line]
        assert len(seen) >= least
        assert "line 200" in seen[-1]
        assert text.index("line 200") < text.index("nothing needs you now")
        await seat.press("pagedown")
        await seat.sees("WHY", "Nobody knows.", "DOES", "pretends")
        go.set()

    at_the_screen(world, script, size)


# --- on record ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 60, 500])
def test_all_that_a_command_printed_can_be_read_afterwards(
    world: World, shell: incident.Fake, count: int
) -> None:
    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        return Finished(ran(lines(count)), reason="exit code 0")
        yield

    shell.courses["a"] = course
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)
        label = f"standard output, {count} lines"
        await seat.sees(label, *(["line 1 of", "line 2 of"] if count <= LINES else []))
        if count > LINES:
            await seat.sees(
                f"{count - LINES} lines before these: e exports them all", "line 101 of"
            )
        for _ in range(80):
            if f"line {count} of" in seat.text():
                break
            await seat.press("pagedown")
        await seat.sees(f"line {count} of")

    at_the_screen(world, script, (80, 24))


def test_a_failed_command_shows_why_and_what_it_printed(world: World, shell: incident.Fake) -> None:
    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        return Finished(
            ran("half of it", "disk full", 3),
            StepEnd.FAILED,
            "exit code 3",
            next="Read its output.",
        )
        yield

    shell.courses["a"] = course
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.FAILED)
        text = await seat.sees(
            "DO NEXT", "r runs it again", "standard error, 1 line", "standard output, 1 line"
        )
        assert text.index("r runs it again") < text.index("disk full") < text.index("half of it")

    at_the_screen(world, script)


def test_a_result_that_is_not_there_is_no_output() -> None:
    run = StepRun(id="a", state=StepState.FAILED, action="shell", result=None)
    assert printed(run, 80) is None


def sql(rows: list[tuple[str | None, ...]], *columns: str) -> Json:
    found = SqlResult(
        columns=columns, rows=tuple(rows), value=None, count=len(rows), truncated=False
    )
    return found.model_dump(mode="json")


def test_a_query_is_a_table_in_which_null_is_no_text() -> None:
    text = drawn("sql", sql([("1", None), ("22", ""), ("3", "NULL")], "id", "name")).splitlines()
    assert [line.split() for line in text] == [
        ["──", "3", "rows"], ["id", "name"], ["1", "NULL"], ["22", "''"], ["3", "'NULL'"],
    ]  # fmt: skip


def test_a_wide_table_says_each_value_on_a_line() -> None:
    names = [f"column_{number}" for number in range(12)]
    text = drawn("sql", sql([tuple("v" * 30 for _ in names)], *names), 80)
    assert "row 1" in text
    assert all(f"{name}" in text for name in names)
    assert text.count("v" * 30) == 12


def test_rows_that_are_not_drawn_are_counted() -> None:
    text = drawn("sql", sql([(str(number),) for number in range(1000)], "id"))
    assert f"{1000 - LINES} rows more: e exports them" in text


def test_an_answer_shows_its_status_and_its_body() -> None:
    body = HttpResult(status=502, seconds=1, body="<h1>no gateway</h1>\nnever").model_dump()
    text = drawn("http", body, state=StepState.FAILED)
    assert "answer: status 502, 2 lines" in text
    assert "<h1>no gateway</h1>" in text


@pytest.mark.parametrize("name", NASTY)
def test_hostile_output_is_text(name: str) -> None:
    text = NASTY[name]
    for action, result in (
        ("shell", ran(text, text).model_dump(mode="json")),
        ("sql", sql([(text, text), (None, text)], text, text)),
        ("http", HttpResult(status=200, seconds=1, body=text).model_dump(mode="json")),
    ):
        for width in (20, 79):
            assert unsafe(drawn(action, result, width)) == []


@pytest.mark.parametrize("letters", ["x" * 78, "x" * 2000, "大" * 300, ""])
def test_the_largest_output_is_painted_within_a_key_press(world: World, letters: str) -> None:
    text = "\n".join([letters] * (64 * 1024 // max(1, len(letters.encode())) or 1))
    result = ran(text[: 64 * 1024], text[: 64 * 1024]).model_dump(mode="json")
    run = StepRun(id="a", state=StepState.SUCCEEDED, action="shell", result=result)
    console = Console(file=io.StringIO(), width=78, color_system=None)
    printed(run, 78)
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        shown = printed(run, 78)
        assert shown is not None
        console.render_lines(shown)
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.05
