"""Programs that the operator talks to, on drbook's own terminal: a shell, and an editor for a text.

They are the operator's, not a step's: they have the operator's whole environment, no launcher and no
guard. drbook stands still on the screen meanwhile, and its steps go on.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drbook.core.errors import UsageError
from drbook.core.values import plain
from drbook.providers import private
from drbook.providers.scratch import Scratch

MOST = 200_000
"""Bytes that are read of what an editor leaves; a note is far shorter."""


@dataclass(frozen=True, slots=True)
class Left:
    """How a program in the foreground ended."""

    exit_code: int
    """As a shell says it: 128 and the signal's number where one ended it."""
    seconds: float


def shell(environment: Mapping[str, str], **more: str) -> Left:
    """The operator's own shell until it is left. `more` is added to its environment.

    Raises UsageError where it cannot be started.
    """
    return _foreground([environment.get("SHELL") or "/bin/sh"], {**environment, **more})


def program(
    argv: Sequence[str], environment: Mapping[str, str], begun: Callable[[int], None]
) -> Left:
    """A program with the terminal until it ends; `begun` is told its pid. Raises UsageError where it cannot be
    started."""
    return _foreground(argv, environment, begun)


def edit(text: str, environment: Mapping[str, str]) -> str:
    """The text as `$VISUAL` or `$EDITOR` (else `vi`) leaves it.

    Raises UsageError where there is no such text: the editor cannot be started, ends with an error, or
    leaves no file, an empty one, or far too much. The text is then as it was.
    """
    named = environment.get("VISUAL") or environment.get("EDITOR") or "vi"
    try:
        program = shlex.split(named)
    except ValueError:
        program = []
    if not program:
        raise _unedited(f"EDITOR says {plain(named, 100)!r}, which is no command line")
    try:
        with Scratch("note") as folder:
            path = Path(folder) / "note.txt"
            with private.replace(path) as stream:
                stream.write(text)
            return _edited(program, path, environment)
    except OSError as error:
        raise _unedited(f"No file can be made for the editor: {plain(str(error), 200)}") from None


def _edited(program: Sequence[str], path: Path, environment: Mapping[str, str]) -> str:
    name = f"The editor {plain(program[0], 100)}"
    ended = _foreground([*program, str(path)], environment)
    if ended.exit_code > 128:
        raise _unedited(f"{name} was ended by signal {ended.exit_code - 128}")
    if ended.exit_code != 0:
        raise _unedited(f"{name} ended with exit code {ended.exit_code}")
    try:
        found = private.read(path, MOST + 1)
    except OSError:
        raise _unedited(f"{name} left no file that can be read") from None
    if len(found) > MOST:
        raise _unedited(f"{name} left more than {MOST:,} bytes, which is no note")
    text = found.decode("utf-8", "backslashreplace").rstrip("\n")
    if not text.strip():
        raise _unedited(f"{name} left the file empty")
    return text


def _unedited(what: str) -> UsageError:
    return UsageError(
        f"{what}.",
        means="The text is as it was before.",
        next="Write it here, or set EDITOR to an editor of this host.",
        code="editor",
    )


def _foreground(
    argv: Sequence[str],
    environment: Mapping[str, str],
    told: Callable[[int], None] = lambda pid: None,
) -> Left:
    begun = time.monotonic()
    with _terminal_comes_back(), _interrupts_are_theirs():
        try:
            process = subprocess.Popen(list(argv), env=dict(environment))
            told(process.pid)
            code = _until_it_ends(process)
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
            why = error.strerror if isinstance(error, OSError) else error
            raise UsageError(
                f"{plain(argv[0], 200)} cannot be started: {plain(str(why), 200)}.",
                means="Nothing was run.",
                next="Set SHELL or EDITOR to a program of this host.",
                code="foreground",
            ) from None
    return Left(code if code >= 0 else 128 - code, time.monotonic() - begun)


def _until_it_ends(program: "subprocess.Popen[bytes]") -> int:
    """Its exit code; negative where a signal ended it. One that stops itself, as an editor does at Ctrl-Z,
    goes on at once: nobody else could wake it, and drbook would wait for ever."""
    while True:
        _, status = os.waitpid(program.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            program.returncode = os.waitstatus_to_exitcode(status)
            return program.returncode
        time.sleep(0.1)  # one that stops again and again gets no whole processor
        with contextlib.suppress(OSError):
            os.killpg(
                os.getpgid(program.pid), signal.SIGCONT
            )  # what it started was stopped with it


@contextmanager
def _terminal_comes_back() -> Iterator[None]:
    """A shell takes the terminal for its own group of processes, and sets it to its liking. One that was
    killed hands nothing back: without this, drbook would stay in the background, deaf."""
    terminal = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None)
    try:
        ours = terminal is not None and os.tcgetpgrp(terminal) == os.getpgrp()
        modes = termios.tcgetattr(terminal) if terminal is not None and ours else None
    except (OSError, termios.error):
        modes = None
    try:
        yield
    finally:
        if terminal is not None and modes is not None:
            before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            with contextlib.suppress(OSError, termios.error):
                os.tcsetpgrp(terminal, os.getpgrp())
                termios.tcsetattr(terminal, termios.TCSANOW, modes)
            signal.signal(signal.SIGTTOU, before if before is not None else signal.SIG_DFL)


@contextmanager
def _interrupts_are_theirs() -> Iterator[None]:
    """Ctrl-C and Ctrl-\\ reach every process of the terminal; ours does not mind them meanwhile.

    A handler, unlike an ignored signal, is not inherited by what is started.
    """
    numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def own_environment() -> Mapping[str, str]:
    """The environment that drbook itself was started with."""
    return os.environ
