"""Running rclone: only what reads, with a private copy of its config, and what its complaints mean.

What it says was read from rclone 1.75, as JSON (`--use-json-log`). It ends with 3 and 4 where a folder or
a file is not there (rclone's manual, "Exit code"). It writes into its config by itself, where a token was
renewed: into a copy of ours, mode 0600, that goes away; a token that a provider renews once only is then
lost for the next run. Its cache lies beside that copy.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Signal
from drbook.core.values import plain
from drbook.providers import private
from drbook.providers.child import Environment
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import ENGLISH
from drbook.providers.rclonelist import Place
from drbook.providers.scratch import Scratch
from drbook.providers.secrets import Secrets
from drbook.providers.sources.rclone import RcloneSource
from drbook.providers.tool import Complaints, Failed, Tool, unfit

GONE = "it is not there any more"
MAX_CONFIG = 4 * 1024 * 1024
"""Bytes; a file of hundreds of remotes stays far below."""

_OPTIONS = (
    "--use-json-log", "--log-level=NOTICE", "--retries=1", "--low-level-retries=3",
    "--contimeout=20s", "--timeout=1m", "--use-server-modtime", "--ask-password=false",
)  # fmt: skip
_UNDECRYPTABLE = "undecryptable"
_CLOSED = "failed to authenticate decrypted block"


@dataclass(frozen=True, slots=True)
class Said:
    """One record of its log."""

    message: str
    level: str = ""
    object: str = ""

    def show(self) -> str:
        text = f"{self.object}: {self.message}" if self.object else self.message
        return plain(scrub(text), 300).rstrip(". ")


def log_of(text: str) -> list[Said]:
    """Something else than JSON is a message as it stands."""
    return [_parsed(line) for line in text.splitlines() if line.strip()]


def _parsed(line: str) -> Said:
    try:
        found = json.loads(line)
    except ValueError:
        return Said(line)
    if not isinstance(found, Mapping):
        return Said(line)
    return Said(*(str(found.get(name, "")) for name in ("msg", "level", "object")))


@dataclass(slots=True)
class RcloneComplaints(Complaints):
    """Its log, as messages for people."""

    def show(self, line: str) -> Signal | None:
        said = _parsed(line).show()
        return Output(f"rclone: {said}") if said.strip() else None


class Rclone(Tool):
    """rclone with one remote. Raises UsageError where its secrets cannot be read."""

    name = package = "rclone"

    def __init__(self, config: RcloneSource, secrets: Secrets, cancel: Cancel) -> None:
        self._config = config
        self.cancel = cancel
        self.where = config.remote
        self._given = {name: secrets(reference) for name, reference in config.environment.items()}
        self.place: Place | None = None
        """What it said of the remote; None before it was asked."""

    @property
    def local(self) -> bool:
        return self.place is not None and self.place.local

    @property
    def resource(self) -> str | None:
        found = self.place.resource if self.place is not None else None
        return os.path.realpath(found) if found and self.local else found

    def complaints(self) -> Complaints:
        return RcloneComplaints(self.name)

    def address(self, path: str = "") -> str:
        """Of a file or a folder below the remote."""
        if not path or path == ".":
            return self.where
        joined = self.where.endswith((":", "/"))
        return f"{self.where}{path}" if joined else f"{self.where}/{path}"

    @contextmanager
    def at_hand(self, *arguments: str) -> Iterator[tuple[list[str], Environment]]:
        program = self.program()
        with Scratch("rclone") as folder:
            config = Path(folder, "rclone.conf")
            with private.replace_bytes(config) as stream:
                stream.write(self._remotes())
            env: Environment = {**self._given, **ENGLISH}
            options = [f"--config={config}", f"--cache-dir={folder}", *_OPTIONS]
            yield [program, *options, *arguments], env

    def _remotes(self) -> bytes:
        if self._config.config is None:
            return b""
        path = Path(self._config.config).expanduser()
        advice = "Look at the file that config names, and who may read it"
        try:
            with path.open("rb") as stream:
                found = stream.read(MAX_CONFIG + 1)
        except OSError as error:
            why = error.strerror or str(error)
            raise Failed(
                f"its config {plain(str(path), 200)} cannot be read: {why}", advice
            ) from None
        if len(found) > MAX_CONFIG:
            raise Failed(f"its config {plain(str(path), 200)} is larger than any", advice)
        return found

    def failure(self, code: int, text: str) -> Failed:
        return explained(code, text)


def explained(code: int, text: str) -> Failed:
    """What rclone's exit code and its log mean."""
    records = log_of(text)
    words = said(records) or f"rclone ended with exit code {code} and said nothing"
    if "didn't find section in config file" in text:
        return Failed(
            f"there is no remote of this name: {words}",
            "Look at the config's names, with `rclone listremotes`",
        )
    if "unable to decrypt configuration" in text or "RCLONE_CONFIG_PASS" in text:
        return Failed(
            f"its config is encrypted, and does not open: {words}",
            "Give its password as RCLONE_CONFIG_PASS under environment",
        )
    if code in (3, 4):
        fact = ByteFact(state="unknown", reason=GONE)
        return Failed(GONE, "Look again", fact)
    if _CLOSED in text:
        return unfit(
            "unknown",
            f"the remote's password does not open it, or its bytes were changed: {words}",
        )
    if "bad magic" in text or "unexpected EOF" in text or "not a multiple of" in text:
        return unfit("unknown", f"rclone cannot read it whole: {words}")
    return Failed(words, "Look at the remote's place, its network and its keys")


def said(records: list[Said]) -> str:
    """What rclone gives as its reason: the first error."""
    worst = [each for each in records if each.level in ("error", "critical", "fatal")] or records
    return worst[0].show() if worst else ""


def undecryptable(text: str) -> list[str]:
    """Names that a crypt remote passes over, since its password does not open them, in words. rclone ends
    well with them, and with an empty list where it opens none."""
    return [each.show() for each in log_of(text) if _UNDECRYPTABLE in each.message]
