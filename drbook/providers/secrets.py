"""Secrets by reference: `env:NAME`, `file:PATH`, `cmd:PROGRAM ARG …`. A value is opaque until used."""

import os
import re
import shlex
import stat
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from drbook.core.errors import DrbookError, UsageError
from drbook.core.values import plain
from drbook.providers.hiding import Secret
from drbook.providers.process import complete

MAX_SECRET = 64 * 1024
PIPE_SECONDS = 10
"""How long a pipe is waited for."""

Secrets = Callable[[str], Secret]
"""Resolves a reference. Raises UsageError, which names the reference and never the value."""


def reader(environment: Mapping[str, str]) -> Secrets:
    """`resolve` in this environment."""
    return partial(resolve, environment=environment)


def resolve(reference: str, environment: Mapping[str, str]) -> Secret:
    """The value behind a reference. Raises UsageError, which names the reference and never the value."""
    kind, _, rest = reference.partition(":")
    readers = {"env": _from_environment, "file": _from_file, "cmd": _from_command}
    reader = readers.get(kind)
    if reader is None:
        raise UsageError("A secret must be given as env:NAME, file:PATH or cmd:PROGRAM ARG ….")
    value = reader(rest, environment)
    if not value:
        raise _cannot(reference, "it is empty")
    if "\0" in value:
        raise _cannot(reference, "it holds a NUL byte")
    return Secret(value)


_NAMES = re.compile(r"\benv:([A-Za-z_][A-Za-z0-9_]*)")


def named(text: str) -> tuple[str, ...]:
    """The environment variables that a runbook's text refers to as secrets; its comments are no references."""
    written = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return tuple(dict.fromkeys(_NAMES.findall(written)))


def unset(text: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Those of them that are not set or empty."""
    return tuple(name for name in named(text) if not environment.get(name))


def know(text: str, environment: Mapping[str, str]) -> None:
    """Make known, without using them, the values of all environment references in a runbook's text: what
    a person types or a program prints is then held against them from the start."""
    for name in _NAMES.findall(text):
        if environment.get(name):
            Secret(environment[name])


def _from_environment(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise _cannot(f"env:{name}", f"the environment variable {plain(name, 100)} is not set")
    return environment[name]


def _from_file(name: str, environment: Mapping[str, str]) -> str:
    path = Path(name).expanduser()
    try:
        data = _read(path)
    except OSError as error:
        raise _cannot(f"file:{name}", error.strerror or str(error)) from None
    if len(data) > MAX_SECRET:
        raise _cannot(f"file:{name}", "it is larger than 64 KiB: no secret")
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _cannot(f"file:{name}", "it is not UTF-8 text") from None


def _read(path: Path) -> bytes:
    """At most a little more than a secret can be. A pipe, as password managers hand it out, is waited for
    so long and no longer. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb", buffering=0) as stream:
        until = time.monotonic() + PIPE_SECONDS
        data, written = b"", not stat.S_ISFIFO(os.fstat(handle).st_mode)
        while len(data) <= MAX_SECRET:
            piece = stream.read(MAX_SECRET + 1 - len(data))
            if piece:
                data, written = data + piece, True
            elif piece == b"" and written:
                return data
            elif time.monotonic() > until:
                raise TimeoutError(
                    0, f"it is a pipe, and nothing came within {PIPE_SECONDS} seconds"
                )
            else:  # nobody has opened its other end yet, or who has it writes nothing now
                time.sleep(0.02)
        return data


def _from_command(text: str, environment: Mapping[str, str]) -> str:
    try:
        argv = shlex.split(text)
    except ValueError:
        raise _cannot("cmd:…", "its quotes do not match") from None
    if not argv:
        raise _cannot("cmd:", "it names no program")
    shown = f"cmd:{argv[0]}"
    try:
        # A credential helper needs its own environment, like a session token's address.
        done = complete(argv, env=dict(environment), timeout=timedelta(seconds=30))
    except DrbookError as error:
        raise _cannot(shown, error.what) from None
    if done.exit_code != 0:
        raise _cannot(shown, f"the program ended with exit code {done.exit_code}")
    return done.stdout.rstrip("\r\n")


def _cannot(reference: str, why: str) -> UsageError:
    return UsageError(
        f"The secret {plain(reference, 200)} cannot be read: {plain(why, 300)}.",
        means="What needs it was not tried.",
        next="Provide it there, or point the runbook at another place.",
        code="secret",
    )
