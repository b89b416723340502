"""Opening an encrypted dump with the program that it was made for.

The secret goes through the program's input, never into its arguments; what comes out is a private file
in the incident's folder, and there only where the program says that it is authentic. Damage is what its
authentication found; everything else that goes wrong says nothing about the copy.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol

from drbook.core.errors import DrbookError
from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Signal, Working
from drbook.core.values import plain
from drbook.providers import private
from drbook.providers.archive import packed_by
from drbook.providers.child import program_folders
from drbook.providers.download import Received, sync_folder
from drbook.providers.hiding import Secret, scrub
from drbook.providers.process import Completed, Feed, complete, run
from drbook.providers.scratch import Scratch
from drbook.providers.secrets import Secrets
from drbook.providers.sources.base import OpenableSource
from drbook.providers.sources.sealed import Age, Gpg, SealedSource, seal_of

SEALED = ".sealed"
"""Behind a copy's name: the file as it is stored, encrypted."""
SAMPLE = 4096
"""Bytes of what was decrypted that a look needs to know what it is."""
_NOT_AUTHENTIC = ("failed to decrypt and authenticate payload chunk", "bad header MAC")
"""What age says where a key fits and the bytes are others (age 1.1.1, internal/stream and age.go)."""
_STATUS = re.compile(r"^\[GNUPG:\] (\w+)", re.MULTILINE)
_NOISE = re.compile(r"^(?:\[GNUPG:\]|gpg: (?:keybox|encrypted with|AES|key )|age: report )")


@dataclass(slots=True)
class _Plain:
    """The file that is written, and its digest."""

    stream: IO[bytes]
    size: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def take(self, piece: bytes) -> None:
        self.stream.write(piece)
        self.digest.update(piece)
        self.size += len(piece)


class _Taker(Protocol):
    """Where what a program decrypts goes."""

    size: int

    def take(self, piece: bytes) -> None: ...


@dataclass(slots=True)
class _Head:
    """The first bytes, and nothing on a disk."""

    head: bytearray = field(default_factory=bytearray)
    size: int = 0

    def take(self, piece: bytes) -> None:
        self.head += piece[: SAMPLE - len(self.head)]
        self.size += len(piece)


def unsealer_of(config: OpenableSource, secrets: Secrets, cancel: Cancel) -> "Unsealer | None":
    """What opens the copies of this source; None where it does not say how."""
    if not isinstance(config, SealedSource) or config.decrypt is None:
        return None
    return Unsealer(config.decrypt, seal_of(config), secrets, cancel)


class Unsealer:
    """Opens the copies of one source."""

    def __init__(self, how: Age | Gpg, seal: str, secrets: Secrets, cancel: Cancel) -> None:
        self._how = how
        self._seal = seal
        self._secrets = secrets
        self._cancel = cancel
        self._program = shutil.which(how.program, path=os.pathsep.join(_folders()))

    def unavailable(self) -> str:
        """Why nothing can be opened here, before anything is fetched for it; empty where it can."""
        name = self._how.program
        if self._program is None:
            return f"{name} is unavailable here: install {name}, or look from a machine that has it"
        try:
            self._reveal()
        except DrbookError as error:
            return error.what
        return ""

    def fits(self, path: Path) -> bool:
        """Whether this file is one that the program opens. Raises OSError."""
        with path.open("rb") as stream:
            return packed_by(stream.read(4096)) == self._seal

    def open(self, sealed: Path, into: Path) -> Working[Received | ByteFact]:
        """What is in it, as a file of that name; or why there is none. Raises OSError for the disk."""
        fresh = into.with_name(into.name + ".opening")
        total = sealed.stat().st_size
        try:
            with private.replace_bytes(fresh) as stream:
                found = _Plain(stream)
                why = yield from self._run(sealed, found, total)
                if why is not None:
                    return why
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(into)
            sync_folder(into.parent)
            return Received(into, found.size, found.digest.hexdigest(), False)
        finally:
            fresh.unlink(missing_ok=True)

    def sample(self, sealed: Path) -> Working[tuple[bytes, ByteFact | None]]:
        """The first bytes of what is in it, kept in memory alone, and why there are no more. `sealed` may be
        only the beginning of a file: what came before the program missed the rest was decrypted all the
        same, by age also found authentic."""
        found = _Head()
        why = yield from self._run(sealed, found, sealed.stat().st_size)
        return bytes(found.head), why

    def _run(self, sealed: Path, found: "_Taker", total: int) -> Working[ByteFact | None]:
        def tick() -> Signal:
            return Progress(f"decrypt {plain(sealed.name, 80)}", found.size, None, "bytes")

        key, passphrase = self._reveal()
        program = str(self._program)
        timeout = timedelta(seconds=300 + total / 500_000)
        if isinstance(self._how, Age):
            argv = [program, "--decrypt", "--identity", "-", str(sealed)]
            done = yield from run(
                argv, cancel=self._cancel, timeout=timeout, feed=_fed(key), take=found.take,
                on_line=_quiet, tick=tick,
            )  # fmt: skip
            return _by_age(done)
        with _home() as home:
            env = {"GNUPGHOME": home}
            usual = [program, "--batch", "--no-tty", "--status-fd", "2"]
            try:
                if key is not None:
                    done = yield from run(
                        [*usual, "--import"],
                        env=env,
                        cancel=self._cancel,
                        feed=_fed(key),
                        on_line=_quiet,
                    )
                    if done.exit_code != 0:
                        return _unknown("gpg", f"the key cannot be imported: {_said(done)}")
                argv = [*usual, "--pinentry-mode", "loopback"]
                argv += ["--passphrase-fd", "0"] if passphrase is not None else []
                done = yield from run(
                    [*argv, "--decrypt", str(sealed)], env=env, cancel=self._cancel, timeout=timeout,
                    feed=_fed(passphrase) if passphrase is not None else None, take=found.take,
                    on_line=_quiet, tick=tick,
                )  # fmt: skip
            finally:
                _end_agent(program, env)
            return _by_gpg(done)

    def _reveal(self) -> tuple[Secret | None, Secret | None]:
        """Key and passphrase. Raises UsageError."""
        how = self._how
        references = (how.identity, None) if isinstance(how, Age) else (how.key, how.passphrase)
        key, passphrase = (self._secrets(one) if one is not None else None for one in references)
        return key, passphrase


def _by_age(done: Completed) -> ByteFact | None:
    if done.exit_code == 0:
        return None
    if any(words in done.stderr for words in _NOT_AUTHENTIC):
        return ByteFact(
            state="damaged", reason=f"age finds that it is not authentic: {_said(done)}"
        )
    return _unknown("age", _said(done))


def _by_gpg(done: Completed) -> ByteFact | None:
    status = set(_STATUS.findall(done.stderr))
    if "BADMDC" in status:
        return ByteFact(state="damaged", reason="gpg finds that it is not authentic (BADMDC)")
    if done.exit_code == 0 and "DECRYPTION_OKAY" in status:
        return None
    return _unknown("gpg", _said(done))


def _unknown(program: str, why: str) -> ByteFact:
    return ByteFact(state="unknown", reason=f"{program} cannot decrypt it: {why}")


def _said(done: Completed) -> str:
    """The program's own last complaint."""
    lines = [line for line in done.stderr.splitlines() if line.strip() and not _NOISE.match(line)]
    errors = [line for line in lines if "error" in line or "failed" in line] or lines
    return plain(scrub(errors[-1].strip()), 300) if errors else f"exit code {done.exit_code}"


def _fed(secret: Secret | None) -> Feed:
    def feed(stream: IO[bytes]) -> None:
        assert secret is not None
        stream.write(secret.reveal().encode() + b"\n")

    return feed


@contextmanager
def _home() -> Iterator[str]:
    """An empty home for gpg, for this user alone. Not in the incident's folder: its sockets lie there, and
    their names may not be long."""
    with Scratch("gpg") as folder:
        yield folder


def _end_agent(program: str, env: Mapping[str, str]) -> None:
    """The agent that holds the key; it outlives the program that started it."""
    conf = Path(program).with_name("gpgconf")
    if conf.exists():
        with suppress(DrbookError):
            complete([conf, "--kill", "gpg-agent"], env=env, timeout=timedelta(seconds=20))


def _quiet(stream: str, line: str) -> Signal | None:
    return None


def _folders() -> list[str]:
    return program_folders(os.environ.get("PATH", ""))
