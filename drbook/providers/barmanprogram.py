"""Running Barman's programs, and what their complaints mean. Read from Barman 3.19, in the locale C.

Of what is used here, `list-backups`, `sync-info`, `verify-backup` and `get-wal` change no catalogue. Every
one of them touches Barman's own lock files (`.SERVER-*.lock`) and writes its log; `restore` also archives
the WAL that has come in. `check-backup`, which writes a backup's status, is not used.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from drbook.core.errors import DrbookError, StepFailed
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Signal, Working, finish
from drbook.core.values import plain
from drbook.providers.child import Environment
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import ENGLISH, find_tools, installed
from drbook.providers.process import Take, run
from drbook.providers.tool import Failed

ANSWER = timedelta(minutes=5)
"""For what reads a catalogue, or one file of WAL."""
READING = timedelta(hours=48)
"""For what reads or writes a whole copy; somebody who waits for it can cancel it."""

_STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ (?:\[\d+\] )?(?:[\w.]+ )?(?=ERROR|CRITICAL|WARNING)")
_LEVEL = re.compile(r"^(?:ERROR|CRITICAL|EXCEPTION|FATAL): ")
_TRACE = re.compile(r"^\s|^Traceback|^See log file|^During handling")
_AS_BARMAN = "Run drbook as Barman's own user on the host that Barman's disk is mounted on"
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"Configuration file .* does not exist|Could not find any configuration file",
        "there is no such configuration of Barman's",
        "Point `config` at it, and look whether this is Barman's host",
    ),
    (
        r"No such file or directory: '[\w.+-]+'|command not found|: not found$"
        r"|[Ee]xecutable \S+ not found|command \S+ not in PATH",
        "a program that Barman needs is not on PATH here",
        "Install the program that is named",
    ),
    (r"Unknown server", "Barman's configuration has no such server", "Mend `server` or `config`"),
    (r"please run barman as", "drbook does not run as Barman's user", _AS_BARMAN),
    (r"Permission ?[dD]enied|\.lock$", "Barman's files may not be read by this user", _AS_BARMAN),
    (
        r"Skipping (?:inactive|disabled|passive) server",
        "Barman is told to leave this server alone",
        "Give Barman a configuration in which the server is active",
    ),
    (
        r"AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|Unable to locate credentials|ExpiredToken",
        "the bucket refuses these credentials",
        "Check access_key, secret_key or profile",
    ),
    (r"NoSuchBucket", "there is no such bucket", "Check bucket and endpoint"),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one of Barman's programs ended, and what it complained of."""

    code: int
    complaints: str


class Program:
    """Barman's programs with one environment."""

    def __init__(self, env: Environment, cancel: Cancel) -> None:
        self._env = {**env, **ENGLISH}
        self.cancel = cancel

    def work(
        self,
        argv: Sequence[str],
        *,
        take: Take | None = None,
        timeout: timedelta | None = None,
        major: int | None = None,
    ) -> Working[Ended]:
        """Run it to its end, whatever that is. PostgreSQL's programs of `major` are on its PATH last.

        Raises Failed where it is not installed or does not end in time, Cancelled, and an error of `take`.
        """
        complaints: list[str] = []

        def on_line(stream: str, line: str) -> Signal | None:
            if stream == "err":
                complaints.append(line)
                del complaints[:-200]
            said = plain(scrub(line), 500)
            return Output(f"{argv[0]}: {said}") if said.strip() and not _TRACE.match(line) else None

        try:
            done = yield from run(
                [_found(argv[0]), *argv[1:]],
                env={**self._env, "PATH": _path(major)},
                cancel=self.cancel,
                timeout=timeout or ANSWER,
                take=take,
                on_line=on_line,
            )
        except DrbookError as error:
            self.cancel.raise_if_requested()
            if not isinstance(error, StepFailed):
                raise
            advice = error.next.rstrip(".") or "Look at Barman's disk and at what else runs on it"
            raise Failed(error.what.rstrip("."), advice) from None
        return Ended(done.exit_code, "\n".join(complaints))

    def ask(self, *argv: str) -> bytes:
        """What it prints. Raises Failed where it does not end well, Cancelled."""
        out = bytearray()
        done = finish(self.work(argv, take=out.extend))
        if done.code != 0:
            raise explained(done.code, done.complaints + _in_json(bytes(out)))
        return bytes(out)


def _found(program: str) -> str:
    """Raises Failed where it is not installed."""
    found = installed(program)
    if found is None:
        package = "barman, and boto3 for it" if program != "barman" else "barman"
        raise Failed(f"unavailable: {program} is not installed here", f"Install {package}")
    return found


def _path(major: int | None) -> str:
    """Debian keeps `pg_verifybackup` and `pg_combinebackup` off PATH."""
    path = os.environ.get("PATH", "")
    if major is None:
        return path
    return os.pathsep.join([path, *(str(one.bin) for one in find_tools() if one.major == major)])


def _in_json(text: bytes) -> str:
    """With `-f json` it complains on its standard output."""
    try:
        found = json.loads(text)
        listed = [*found.get("_ERROR", ()), *found.get("_EXCEPTION", ())]
    except (ValueError, TypeError, AttributeError):
        return ""
    return "".join(f"\nERROR: {one}" for one in listed)


def explained(code: int, text: str) -> Failed:
    """What an exit code and the complaints mean."""
    words = said(text) or f"it ended with exit code {code} and said nothing"
    for pattern, meaning, advice in _MEANINGS:
        if re.search(pattern, text, re.MULTILINE):
            return Failed(f"{meaning}: {words}", advice)
    return Failed(words, "Look into Barman's log, and run the same command by hand")


def lacks_program(text: str) -> bool:
    """Whether these complaints are of a helper that Barman cannot start: what it then gives says nothing of what
    it keeps."""
    return re.search(_MEANINGS[1][0], text, re.MULTILINE) is not None


def said(text: str) -> str:
    """The first complaint, without the calls that it came through."""
    lines = [_STAMP.sub("", line) for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not _TRACE.match(line) and "WARNING" not in line]
    chosen = next((line for line in lines if _LEVEL.match(line)), lines[0] if lines else "")
    return plain(scrub(_LEVEL.sub("", chosen)), 300).rstrip(". ")
