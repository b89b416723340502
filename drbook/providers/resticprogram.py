"""Running restic: only what reads, without a lock and without a cache, and what its complaints mean.

What it says was read from restic 0.14 (Debian 12) in the locale C: it ends with 1 for a wrong password
and for a missing repository, so that its words tell them apart; later versions have exit codes of their
own (10, 11, 12: restic's manual, "Scripting"). Nothing here unlocks, forgets or prunes.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from drbook.core.ports import Cancel
from drbook.core.signals import Signal
from drbook.core.values import plain
from drbook.providers.child import Environment
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import ENGLISH
from drbook.providers.secrets import Secrets
from drbook.providers.sources.restic import ResticSource
from drbook.providers.tool import Complaints, Failed, Tool, unfit

PATIENCE = 3
"""Retries after which a repository on a disk is not asked again: a disk does not heal in seconds."""

_RETRIES = re.compile(r"returned error, retrying after [^:]*")
_TRACE = re.compile(r"^\s|^(?:github\.com/|main\.|runtime\.|golang\.org/)")
_NO_PLACE = re.compile(
    r"unable to open config file.*(no such file|does not exist|NoSuchBucket|NoSuchKey|not found)",
    re.IGNORECASE,
)
_INDEX = re.compile(r"<index/|not found in (?:repository|index)")
_DAMAGE = re.compile(
    r"ciphertext verification failed|invalid data returned|(?:invalid|wrong|unexpected) (?:hash|id|data)"
    r"|hash (?:mismatch|does not match)|<data/.*(?:no such file|does not exist|NoSuchKey)",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"<(?:data|snapshot)/.*(?:unexpected EOF|: EOF\b|input/output error)|Unmarshal"
)


@dataclass(slots=True)
class ResticComplaints(Complaints):
    """What restic says on its standard error, and when that is enough."""

    local: bool = False
    retries: int = 0

    def take(self, line: str) -> Signal | None:
        """Raises Failed where a disk was asked often enough."""
        self.text = f"{self.text}{line}\n"[-16384:]
        if _RETRIES.search(line):
            self.retries += 1
            if self.local and self.retries >= PATIENCE:
                raise explained(None, self.text, local=True)
        return None if _TRACE.match(line) else self.show(line)


class Restic(Tool):
    """restic with one repository. Raises UsageError where its secrets cannot be read."""

    name = package = "restic"

    def __init__(self, config: ResticSource, secrets: Secrets, cancel: Cancel) -> None:
        self._config = config
        self.cancel = cancel
        self.where = (
            str(Path(config.repository).expanduser()) if config.local else config.repository
        )
        given = {name: secrets(reference) for name, reference in config.environment.items()}
        self.env: Environment = {
            **given,
            **ENGLISH,
            "RESTIC_PASSWORD": secrets(config.password),
        }

    @property
    def local(self) -> bool:
        return self._config.local

    @property
    def resource(self) -> str | None:
        if self.local:
            return os.path.realpath(self.where)
        kind, _, rest = self.where.partition(":")
        if kind != "s3":
            return None
        path = urlsplit(rest).path if "://" in rest else rest.lstrip("/").partition("/")[2]
        return path.strip("/").partition("/")[0] or None

    def complaints(self) -> Complaints:
        return ResticComplaints(self.name, local=self.local)

    @contextmanager
    def at_hand(self, *arguments: str) -> Iterator[tuple[list[str], Environment]]:
        options = ["--no-lock", "--no-cache", "--quiet", f"--repo={self.where}"]
        yield [self.program(), *options, *arguments], self.env

    def filters(self) -> list[str]:
        """Which snapshots are meant."""
        found = [f"--host={self._config.host}"] if self._config.host else []
        found += [f"--tag={','.join(self._config.tags)}"] if self._config.tags else []
        return found + ([f"--path={self._config.path}"] if self._config.path else [])

    def failure(self, code: int, text: str) -> Failed:
        """Where its whole repository is gone from this machine, as a disk is that was unmounted, nothing is
        said of the copy."""
        found = explained(code, text, local=self.local)
        if found.fact is not None and self.local and not Path(self.where, "config").exists():
            return Failed(
                f"the repository is not there any more: {found.why}",
                "Mount its disk again, then run the step again",
            )
        return found


def explained(code: int | None, text: str, *, local: bool) -> Failed:
    """What restic's exit code and complaints mean."""
    words = said(text) or f"restic ended with exit code {code} and said nothing"
    if code == 12 or "wrong password or no key found" in text:
        return Failed(
            "no key of the repository opens with this password: it is another one's, or the key is gone",
            "Look where this repository's password is kept",
        )
    if code == 10 or _NO_PLACE.search(text):
        return Failed(
            f"there is no repository: {words}", "Check its place, and whether it is mounted"
        )
    if code == 11 or "already locked" in text:
        return Failed(
            f"the repository is locked: {words}",
            "See which restic runs on it; nothing unlocks it here",
        )
    if _INDEX.search(words):
        return unfit("unknown", f"the repository's index does not lead to it: {words}")
    if _DAMAGE.search(words) or (local and _BROKEN.search(words)):
        return unfit("damaged", f"restic cannot read it: {words}")
    if _BROKEN.search(words):
        return unfit("unknown", f"restic could not read it: {words}")
    return Failed(words, "Look at the repository's place, its network and its keys")


def said(text: str) -> str:
    """What restic gives as its reason: without the calls it came through, and without its retries where
    something follows them. Later versions say it as JSON."""
    lines = [
        _message(line) for line in text.splitlines() if line.strip() and not _TRACE.match(line)
    ]
    final = [line for line in lines if not _RETRIES.search(line)]
    line = final[0] if final else _RETRIES.sub("failed", lines[-1]) if lines else ""
    return plain(scrub(line.removeprefix("Fatal: ")), 300).rstrip(". ")


def _message(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return line
    return str(found.get("message", line)) if isinstance(found, Mapping) else line
