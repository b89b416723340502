"""The `shell` action's door: what each mode lets pass, and what of a command is ever told."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.pg import drain, signals_of

from drbook.core.errors import NotExercised, StepFailed, UsageError
from drbook.core.signals import Output
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import MARGIN
from drbook.providers.process import TAIL
from drbook.providers.shell import WITHHELD, DeclaredProcesses

ALL: Any = frozenset({"reads", "target", "outside"})


def door(*allowed: str, cancel: CancelToken | None = None, **environment: str) -> DeclaredProcesses:
    given: Any = frozenset(allowed) or ALL
    return DeclaredProcesses(environment, cancel or CancelToken(), allowed=given)


@pytest.mark.parametrize(
    ("declared", "words"),
    [("reads", "nothing"), ("target", "the target"), ("outside", "things outside")],
)
def test_what_the_mode_does_not_allow_is_not_run(declared: Any, words: str, tmp_path: Path) -> None:
    others = sorted(ALL - {declared})
    with pytest.raises(NotExercised, match=f"changes {words}, says the runbook"):
        drain(door(*others).run(["/usr/bin/touch", str(tmp_path / "x")], declared=declared))
    assert list(tmp_path.iterdir()) == []
    drain(door(declared).run(["/usr/bin/touch", str(tmp_path / "x")], declared=declared))
    assert (tmp_path / "x").exists()


def test_its_end_and_its_output_are_told() -> None:
    script = 'echo one; echo; echo " "; echo two; echo wrong >&2; exit 3'
    done, said = signals_of(door().run(["/bin/sh", "-c", script], declared="reads"))
    assert (done.exit_code, done.stdout, done.stderr) == (3, "one\n\n \ntwo", "wrong")
    assert done.argv == ("/bin/sh", "-c", script)
    assert done.seconds == 0
    assert sorted(item.text for item in said if isinstance(item, Output)) == ["one", "two", "wrong"]


def test_a_secret_reaches_the_child_and_is_never_told() -> None:
    script = 'echo "$PASSWORD and $PASSWORD"; echo "$PASSWORD" >&2'
    work = door(REAL="marker-4711").run(
        ["/bin/sh", "-c", script], declared="reads", secrets={"PASSWORD": "env:REAL"}
    )
    done, said = signals_of(work)
    assert (done.stdout, done.stderr) == ("[secret] and [secret]", "[secret]")
    assert {item.text for item in said if isinstance(item, Output)} == {
        "[secret] and [secret]",
        "[secret]",
    }
    assert "marker" not in repr(done)
    assert "marker" not in repr(said)


@pytest.mark.parametrize("says", ["echo $WORD; echo $WORD >&2", "true"])
def test_where_a_secret_is_too_short_nothing_is_told(says: str) -> None:
    work = door(REAL="abc").run(
        ["/bin/sh", "-c", says], declared="reads", secrets={"WORD": "env:REAL"}
    )
    done, said = signals_of(work)
    shown = WITHHELD if "echo" in says else ""
    assert (done.stdout, done.stderr) == (shown, shown)
    assert not [item for item in said if isinstance(item, Output)]


def test_a_secret_that_is_a_word_is_hidden_from_whom_it_was_given_to() -> None:
    work = door(REAL="tomorrow").run(
        ["/bin/sh", "-c", "echo $WORD"], declared="reads", secrets={"WORD": "env:REAL"}
    )
    assert drain(work).stdout == "[secret]"
    assert drain(door().run(["/bin/echo", "tomorrow"], declared="reads")).stdout == "tomorrow"


@pytest.mark.parametrize(("size", "lost"), [(-1, 0), (0, MARGIN), (1, MARGIN), (5000, MARGIN)])
def test_of_a_text_that_was_cut_the_beginning_is_not_told(size: int, lost: int) -> None:
    """It could be the rest of a secret."""
    script = f"print((('x' * 63 + '\\n') * 2000)[:{TAIL + size - 1}] + 'y', end='')"
    done = drain(door().run([sys.executable, "-c", script], declared="reads"))
    assert len(done.stdout) == min(TAIL, TAIL + size) - lost
    assert done.stdout.endswith("y")


def test_of_a_line_without_an_end_something_is_told() -> None:
    script = f"print('x' * {2 * TAIL}, end='')"
    done = drain(door().run([sys.executable, "-c", script], declared="reads"))
    assert done.stdout.startswith("x" * 500)


def test_what_is_not_utf_8_is_told_all_the_same() -> None:
    done = drain(door().run(["/bin/sh", "-c", "printf '\\377!'"], declared="reads"))
    assert done.stdout.endswith("!")


def test_a_secret_that_cannot_be_read_runs_nothing(tmp_path: Path) -> None:
    work = door().run(
        ["/usr/bin/touch", str(tmp_path / "x")], declared="reads", secrets={"A": "env:MISSING"}
    )
    with pytest.raises(UsageError):
        drain(work)
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_given_reaches_the_child() -> None:
    work = door(OTHER="marker").run(["/usr/bin/env"], declared="reads")
    assert "marker" not in drain(work).stdout


def test_what_it_says_is_bounded_and_safe() -> None:
    script = "print('\\x1b[31m' + 'x' * 2000)"
    done, said = signals_of(door().run([sys.executable, "-c", script], declared="reads"))
    (line,) = [item.text for item in said if isinstance(item, Output)]
    assert len(line) == 500
    assert line.startswith("\\x1b[31mxxx")
    assert done.stdout.startswith("\\x1b[31mxxx")


def test_long_arguments_are_shown_in_part() -> None:
    done = drain(door().run(["/bin/true", "y" * 2000], declared="reads"))
    assert done.argv[0] == "/bin/true"
    assert done.argv[1].count("y") == 500


def test_it_ends_in_time() -> None:
    work = door().run(["/bin/sleep", "60"], declared="reads", timeout=timedelta(seconds=0.3))
    with pytest.raises(StepFailed) as caught:
        drain(work)
    assert caught.value.code == "timeout"


def stopped(script: str, secret: str = "marker-4711") -> dict[str, Any]:
    """What is known of a command that did not end in time."""
    work = door(REAL=secret).run(
        ["/bin/sh", "-c", f"{script}; sleep 60"],
        declared="reads",
        secrets={"PASSWORD": "env:REAL"},
        timeout=timedelta(seconds=1),
    )
    with pytest.raises(StepFailed) as caught:
        drain(work)
    assert isinstance(caught.value.found, dict)
    return caught.value.found


def test_what_a_command_printed_before_it_was_stopped_is_kept() -> None:
    found = stopped("echo one; echo two; echo wrong >&2; echo $PASSWORD")
    assert (found["stdout"], found["stderr"]) == ("one\ntwo\n[secret]", "wrong")
    assert found["exit_code"] is None


def test_of_many_lines_the_last_are_kept_and_no_rest_of_a_secret() -> None:
    secret = "\n".join(f"key-line-{number:04}" for number in range(50))
    long = 'for n in $(seq 1001 1200); do printf "%0500d\\n" $n; done'
    found = stopped(f'echo "$PASSWORD"; {long}', secret)
    assert "key-line" not in found["stdout"]
    assert found["stdout"].endswith("0001200")
    assert "0001001" not in found["stdout"]
    assert found["cut"] == ["stdout"]


def test_that_the_beginning_is_not_kept_is_on_record() -> None:
    done = drain(door().run(["/usr/bin/seq", "30000"], declared="reads"))
    assert done.cut == ("stdout",)
    assert drain(door().run(["/usr/bin/seq", "3000"], declared="reads")).cut == ()


def test_a_cancel_reaches_it() -> None:
    token = CancelToken()
    token.request("timeout")
    with pytest.raises(StepFailed, match="did not end within its timeout"):
        drain(door(cancel=token).run(["/bin/sleep", "60"], declared="reads"))
