"""Running restic: only what reads, without a lock and without a cache, and what its complaints mean.

What it says was read from restic 0.14 (Debian 12) in the locale C: it ends with 1 for a wrong password
and for a missing repository, so that its words tell them apart; later versions have exit codes of their
own (10, 11, 12: restic's manual, "Scripting"). Nothing here unlocks, forgets or prunes.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from drbook.core.errors import Interrupted, StepFailed
from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Signal, finish
from drbook.core.values import plain
from drbook.providers.child import Environment
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import ENGLISH, trusted
from drbook.providers.process import Take, run
from drbook.providers.secrets import Secrets
from drbook.providers.sources.restic import ResticSource

ANSWER = timedelta(minutes=2)
"""For what reads little; restic itself tries ten times, which takes 45 seconds."""
LISTING = timedelta(minutes=15)
"""For the files of one snapshot."""
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
_BROKEN = re.compile(r"<(?:data|snapshot)/.*(?:unexpected EOF|input/output error)|Unmarshal")


class Failed(Exception):
    """restic did not do what it was asked. `fact` is set where its words are about what is stored there,
    and not about the way to it: another copy may be well."""

    def __init__(self, why: str, advice: str, fact: ByteFact | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice
        self.fact = fact

    def show(self) -> str:
        return f"{self.why}; {self.advice[0].lower()}{self.advice[1:]}".rstrip(".")


@dataclass(slots=True)
class Complaints:
    """What restic says on its standard error, and when that is enough."""

    local: bool
    retries: int = 0
    text: str = ""

    def take(self, line: str) -> Signal | None:
        """Raises Failed where a disk was asked often enough."""
        self.text = f"{self.text}{line}\n"[-16384:]
        if _RETRIES.search(line):
            self.retries += 1
            if self.local and self.retries >= PATIENCE:
                raise explained(None, self.text, local=True)
        said = plain(scrub(line), 500)
        return Output(f"restic: {said}") if said.strip() and not _TRACE.match(line) else None


class Restic:
    """restic with one repository. Raises UsageError where its secrets cannot be read."""

    def __init__(self, config: ResticSource, secrets: Secrets, cancel: Cancel) -> None:
        self._config = config
        self.cancel = cancel
        self.repository = (
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
        """What holds the repository, where its name says so: a directory, or a bucket."""
        if self.local:
            return os.path.realpath(self.repository)
        kind, _, rest = self.repository.partition(":")
        if kind != "s3":
            return None
        path = urlsplit(rest).path if "://" in rest else rest.lstrip("/").partition("/")[2]
        return path.strip("/").partition("/")[0] or None

    def argv(self, *arguments: str) -> list[str]:
        """Raises Failed where the program is not installed."""
        folders = os.pathsep.join(trusted(os.environ.get("PATH", ""), "restic"))
        program = shutil.which("restic", path=folders)
        if program is None:
            raise Failed("unavailable: restic is not installed here", "Install restic")
        options = ["--no-lock", "--no-cache", "--quiet", f"--repo={self.repository}"]
        return [program, *options, *arguments]

    def filters(self) -> list[str]:
        """Which snapshots are meant."""
        found = [f"--host={self._config.host}"] if self._config.host else []
        found += [f"--tag={','.join(self._config.tags)}"] if self._config.tags else []
        return found + ([f"--path={self._config.path}"] if self._config.path else [])

    def ask(self, *arguments: str, take: Take, timeout: timedelta = ANSWER) -> str:
        """Run it to its end; what it complained of although it ended well. Raises Failed, Cancelled; an
        error of `take` as it is."""
        complaints = Complaints(self.local)
        argv = self.argv(*arguments)
        try:
            done = finish(
                run(
                    argv,
                    env=self.env,
                    cancel=self.cancel,
                    timeout=timeout,
                    take=take,
                    on_line=lambda _, line: complaints.take(line),
                )
            )
        except StepFailed as error:
            self.cancel.raise_if_requested()
            advice = "Look at the repository's place, its network and its locks"
            if isinstance(error, Interrupted):
                raise Failed(error.what.rstrip("."), advice) from None
            raise Failed(error.what.rstrip("."), error.next or "Install restic") from None
        if done.exit_code != 0:
            raise self.failure(done.exit_code, complaints.text)
        return complaints.text

    def failure(self, code: int, text: str) -> Failed:
        """Why it ended with this exit code. Where its whole repository is gone from this machine, as a disk
        is that was unmounted, nothing is said of the copy."""
        found = explained(code, text, local=self.local)
        if found.fact is not None and self.local and not Path(self.repository, "config").exists():
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
        return _unfit("unknown", f"the repository's index does not lead to it: {words}")
    if _DAMAGE.search(words) or (local and _BROKEN.search(words)):
        return _unfit("damaged", f"restic cannot read it: {words}")
    if _BROKEN.search(words):
        return _unfit("unknown", f"restic could not read it: {words}")
    return Failed(words, "Look at the repository's place, its network and its keys")


def _unfit(state: str, reason: str) -> Failed:
    fact = ByteFact.model_validate({"state": state, "reason": reason})
    return Failed(reason, "Take another copy, and keep this repository as it is", fact)


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
