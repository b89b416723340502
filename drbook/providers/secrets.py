"""Secrets by reference: `env:NAME`, `file:PATH`, `cmd:PROGRAM ARG …`. A value is opaque until used."""

import re
import shlex
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from drbook.core.errors import DrbookError, UsageError
from drbook.core.values import plain
from drbook.providers.hiding import Secret
from drbook.providers.process import complete

MAX_SECRET = 64 * 1024

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


def know(text: str, environment: Mapping[str, str]) -> None:
    """Make known, without using them, the values of all environment references in a runbook's text: what
    a person types or a program prints is then held against them from the start."""
    for name in re.findall(r"\benv:([A-Za-z_][A-Za-z0-9_]*)", text):
        if environment.get(name):
            Secret(environment[name])


def _from_environment(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise _cannot(f"env:{name}", f"the environment variable {plain(name, 100)} is not set")
    return environment[name]


def _from_file(name: str, environment: Mapping[str, str]) -> str:
    path = Path(name).expanduser()
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SECRET + 1)
    except OSError as error:
        raise _cannot(f"file:{name}", error.strerror or str(error)) from None
    if len(data) > MAX_SECRET:
        raise _cannot(f"file:{name}", "it is larger than 64 KiB: no secret")
    try:
        return data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _cannot(f"file:{name}", "it is not UTF-8 text") from None


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
