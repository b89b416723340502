"""Detached signatures by OpenSSH's `ssh-keygen -Y` (8.2 or newer), made and checked.

The private key is ssh-keygen's or an agent's to read. What is signed is given to it as a stream, so that
what it saw is what was read here. It ends with 255 where it says no, and with other codes where it could
not do what it was asked; only the first is an answer. (ssh-keygen(1), and PROTOCOL.sshsig of OpenSSH.)
"""

import base64
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from types import MappingProxyType
from typing import IO

from drbook.core.errors import CouldNotVerify, DrbookError, StepFailed
from drbook.core.signals import Output, Signal, finish
from drbook.core.signatures import Signature, Standing
from drbook.core.values import plain
from drbook.providers.child import Environment
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import ENGLISH, installed
from drbook.providers.process import Completed, run
from drbook.providers.scratch import Scratch

LARGEST = 16 * 1024
"""Bytes of a signature; those of hardware keys and certificates stay far below."""
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_PROGRAM = "ssh-keygen"
_NO = 255
_NOTHING: Mapping[str, str] = MappingProxyType({})
_LONGEST = timedelta(minutes=2)
"""A hardware key waits to be touched."""
_KEY = re.compile(r"with (\S+) key (SHA256:[A-Za-z0-9+/]{43})")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose signature it has to be."""

    signers: bytes | None = None
    """The content of an `allowed_signers` file; None where nobody gave one."""
    identity: str = ""
    """The name in it; empty for whoever it says that the key belongs to."""
    at: datetime | None = None
    """When the list has to accept the key; None for now. Times in it without a zone are UTC then."""


def sign(
    stream: IO[bytes], key: Path, namespace: str, without: str = "No bundle was left there."
) -> bytes:
    """The armoured signature over the stream's bytes, by a private key's file, or by a public one whose
    private half an agent holds. Raises StepFailed; `without` says what that means."""
    try:
        done = _ask(["-Y", "sign", "-n", namespace, "-f", str(key.absolute())], stream)
    except DrbookError as error:
        raise _not_signed(error.what, without) from None
    if done.exit_code or not is_plain(done.stdout.encode()):
        raise _not_signed(_said(done) or f"ssh-keygen ended with {done.exit_code}", without)
    return done.stdout.encode()


def _not_signed(why: str, without: str) -> StepFailed:
    return StepFailed(
        f"It could not be signed: {plain(scrub(why), 300)}",
        means=without,
        next="A key with a passphrase has to be in an agent first (ssh-add); then name its public file. A "
        "hardware key waits to be touched for two minutes.",
        code="bundle-sign",
    )


def check(
    stream: IO[bytes],
    signature: bytes,
    namespace: str,
    asked: Asked,
    patience: timedelta = _LONGEST,
) -> Signature:
    """Whether the signature is one over the stream's bytes in that namespace, and whose. Never raises
    DrbookError: what could not be looked at is UNCHECKED."""
    if not is_plain(signature):
        return Signature(Standing.BAD, why="its file is not one as ssh-keygen writes it")
    with Scratch("signature") as scratch:
        given, signers = Path(scratch, "signature"), Path(scratch, "signers")
        given.write_bytes(signature)
        signers.write_bytes(asked.signers or b"")
        try:
            unnamed = {str(given): "the signature", str(signers): "the list"}
            ask = partial(_ask, patience=patience, utc=asked.at is not None, unnamed=unnamed)
            return _checked(ask, stream, str(given), str(signers), namespace, asked)
        except DrbookError as error:
            return Signature(Standing.UNCHECKED, why=plain(scrub(error.what), 300))


def is_plain(signature: bytes) -> bool:
    """Whether nothing is in the file but an armoured signature: PEM of lines of one length, whose digits
    have no bit to spare. ssh-keygen reads past what is around it."""
    lines = signature.split(b"\n")
    if (lines[0], *lines[-2:]) != (_BEGIN, _END, b"") or len(lines) < 4:
        return False
    body = lines[1:-2]
    even = all(len(line) == len(body[0]) for line in body[:-1]) and len(body[-1]) <= len(body[0])
    try:
        digits = b"".join(body)
        return even and base64.b64encode(base64.b64decode(digits, validate=True)) == digits
    except ValueError:
        return False


def _checked(
    ask: Callable[..., Completed],
    stream: IO[bytes],
    given: str,
    signers: str,
    namespace: str,
    asked: Asked,
) -> Signature:
    over = ask(["-Y", "check-novalidate", "-n", namespace, "-s", given], stream)
    if not _agreed(over):
        return Signature(Standing.BAD, why=_said(over))
    found = _KEY.search(over.stdout)
    key = f"{found[1]} {found[2]}" if found else "a key that ssh-keygen does not name"
    if asked.signers is None:
        return Signature(Standing.ANYBODY, key=key)
    when = [] if asked.at is None else [f"-Overify-time={asked.at.astimezone(UTC):%Y%m%d%H%M%S}"]
    named = ask(["-Y", "find-principals", "-s", given, "-f", signers, *when])
    if not _agreed(named):
        return Signature(Standing.REFUSED, key=key, why=_said(named) or "the key is not in it")
    names = [asked.identity] if asked.identity else named.stdout.split("\n")[0].split(",")
    arguments = ["-Y", "verify", "-n", namespace, "-s", given, "-f", signers, "-I", names[0]]
    last = ask([*arguments, *when], stream)
    if not _agreed(last):
        return Signature(Standing.REFUSED, key=key, why=_said(last) or "ssh-keygen says no")
    return Signature(Standing.GOOD, key=key, identity=plain(names[0], 200))


def _agreed(done: Completed) -> bool:
    """Raises CouldNotVerify where the program gave no answer."""
    if done.exit_code in (0, _NO):
        return done.exit_code == 0
    raise CouldNotVerify(
        f"ssh-keygen ended with {done.exit_code}: {_said(done) or 'it does not say why'}"
    )


def _ask(
    arguments: Sequence[str],
    stream: IO[bytes] | None = None,
    *,
    patience: timedelta = _LONGEST,
    utc: bool = False,
    unnamed: Mapping[str, str] = _NOTHING,
) -> Completed:
    """What it said, with other words for the paths in `unnamed`. Raises DrbookError where it is not installed,
    cannot be started or does not end."""
    program = installed(_PROGRAM)
    if program is None:
        raise CouldNotVerify("ssh-keygen is not installed here")

    def feed(into: IO[bytes]) -> None:
        if stream is not None:
            stream.seek(0)
            copyfileobj(stream, into, 1024 * 1024)

    environment = {**_environment(), **({"TZ": "UTC"} if utc else {})}
    done = run([program, *arguments], env=environment, timeout=patience, feed=feed, on_line=_quiet)
    completed = finish(done)
    said = completed.stderr
    for path, words in unnamed.items():
        said = said.replace(path, words)
    return replace(completed, stderr=said)


def _environment() -> Environment:
    """An agent is found by its socket."""
    socket = os.environ.get("SSH_AUTH_SOCK")
    return ENGLISH | ({"SSH_AUTH_SOCK": socket} if socket else {})


def _quiet(_: str, line: str) -> Signal | None:
    return Output(plain(scrub(line), 500)) if line.strip() else None


def _said(done: Completed) -> str:
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return plain(scrub("; ".join(lines[-3:])), 300)


def public_half(key: Path) -> bytes:
    """A key's public half as it stands on the wire, from its `.pub`, whichever of both files is named. Raises
    ValueError where there is none."""
    path = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    try:
        with path.open("rb") as stream:
            words = stream.read(LARGEST).split()
        return base64.b64decode(words[1], validate=True)
    except OSError as error:
        raise ValueError(f"{plain(path.name, 200)}: {error.strerror or error}") from None
    except (IndexError, ValueError):
        raise ValueError(f"{plain(path.name, 200)} holds no public key") from None
