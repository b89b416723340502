"""What a command says of its progress where nothing can be rewritten, and where it can."""

import io

import pytest

from drbook.cli.progress import Teller
from drbook.core.signals import Milestone, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = [1000.0]
    teller = Teller(lambda: clock[0])
    for second in range(25):
        clock[0] = 1000.0 + second
        teller(Progress("load", second * 10, 1000, "tables", "public.a"))
    teller(Milestone("copy ready"))
    teller(Progress("load", 1000, 1000, "tables"))
    clock[0] += 60
    teller(Progress("load", 1000, 1000, "tables"))
    assert capsys.readouterr().err.splitlines() == [
        "  load: 10 %, 100 of 1,000 tables, 10/s, 0:01:30 left · public.a",
        "  load: 20 %, 200 of 1,000 tables, 10/s, 0:01:20 left · public.a",
        "  copy ready",
    ]


def test_a_terminal_gets_one_line_that_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("COLUMNS", "40")
    teller = Teller(lambda: clock[0])
    for done in (0, 10, 20, 30):
        clock[0] += 1
        teller(Progress("count rows", done, 1000, "tables", "public.a_table_with_a_long_name"))
    teller.clear()
    assert "\n" not in shown.getvalue()
    *lines, last = shown.getvalue().rstrip("\r").split("\r")
    assert len(lines) == 5  # nothing before the first
    assert all(len(line) <= 39 for line in lines)
    assert lines[-1].startswith("  count rows: 3 %, 30 of 1,000 tables")
    assert last.strip() == ""
