"""Running Borg: only what reads, without a lock, on a look-alike of the repository, and what its complaints mean.

What it says was read from Borg 1.2.4 (Debian 12), as JSON (`--log-json`), whose `msgid` names an error. It
ends with 1 for a warning: a file that came with one is not whole, since a repair puts zeros in the place of
what is lost. Borg asks two questions about repositories that it has not seen before, and here it has never
seen any: its memory of them is a folder that goes away.

- A repository that lies elsewhere than before: yes. It guards against writing to two copies of one
  repository, which would use a counter of the encryption twice; nothing is written here.
- One that is not encrypted: yes where the runbook gives no passphrase, no where it does. It guards against
  somebody who puts another repository in the place of the encrypted one.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Signal
from drbook.core.values import plain
from drbook.providers.borgshadow import committed, shadow
from drbook.providers.child import Environment
from drbook.providers.hiding import Secret, scrub
from drbook.providers.pgtools import ENGLISH
from drbook.providers.scratch import Scratch
from drbook.providers.secrets import Secrets
from drbook.providers.sources.borg import BorgSource
from drbook.providers.tool import Complaints, Failed, Tool, unfit

GONE = "its archive is not in the repository any more"

_KEYS = "~/.config/borg/keys"
_NO_PLACE = ("Repository.DoesNotExist", "Repository.InvalidRepository", "Repository.PathNotFound")
_QUESTIONS = ("question_prompt", "question_env_answer")
_SEGMENT = re.compile(r"FileNotFoundError: .*/data/\d+/\d+'")
_ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Said:
    """One record of its log."""

    message: str
    id: str = ""
    level: str = ""
    kind: str = ""


def _parsed(line: str) -> _Said:
    """Something else than JSON, like the words of ssh, is a message as it stands."""
    try:
        found = json.loads(line)
    except ValueError:
        return _Said(line)
    if not isinstance(found, Mapping):
        return _Said(line)
    fields = (str(found.get(name, "")) for name in ("message", "msgid", "levelname", "type"))
    return _Said(*fields)


@dataclass(slots=True)
class BorgComplaints(Complaints):
    """Its log, as messages for people."""

    def show(self, line: str) -> Signal | None:
        said = _parsed(line)
        text = plain(scrub(said.message), 500)
        hidden = said.kind.startswith("question") or said.message.startswith("Traceback")
        return Output(f"borg: {text}") if text.strip() and not hidden else None


class Borg(Tool):
    """Borg with one repository. Raises UsageError where its secrets cannot be read."""

    name = "borg"
    package = "borgbackup"

    def __init__(self, config: BorgSource, secrets: Secrets, cancel: Cancel) -> None:
        self._config = config
        self.cancel = cancel
        self.where = (
            str(Path(config.repository).expanduser()) if config.local else config.repository
        )
        self._given = {name: secrets(reference) for name, reference in config.environment.items()}
        reference = config.passphrase
        self._passphrase: str | Secret = secrets(reference) if reference is not None else ""

    @property
    def local(self) -> bool:
        return self._config.local

    @property
    def resource(self) -> str | None:
        return os.path.realpath(self.where) if self.local else None

    def complaints(self) -> Complaints:
        return BorgComplaints(self.name)

    @contextmanager
    def at_hand(self, *arguments: str) -> Iterator[tuple[list[str], Environment]]:
        program = self.program()
        with Scratch("borg") as folder:
            place = self.where
            if self.local:
                place = str(Path(folder, "repository"))
                shadow(Path(self.where), Path(place))
            argv = [program, "--bypass-lock", "--log-json", *arguments]
            yield argv, self._environment(place, Path(folder))

    def _environment(self, place: str, folder: Path) -> Environment:
        keys = Path(_KEYS).expanduser()
        found: dict[str, str | Secret] = {
            **self._given,
            **ENGLISH,
            "BORG_REPO": verbatim(place),
            "BORG_BASE_DIR": str(folder),
            "BORG_PASSPHRASE": self._passphrase,
            "BORG_DISPLAY_PASSPHRASE": "no",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no" if self._passphrase else "yes",
        }
        if self._config.keyfile is not None:
            found["BORG_KEY_FILE"] = str(Path(self._config.keyfile).expanduser())
        elif keys.is_dir():
            found["BORG_KEYS_DIR"] = str(keys)
        return found

    def failure(self, code: int, text: str) -> Failed:
        """Where its whole repository is gone from this machine, as a disk is that was unmounted, nothing is
        said of the copy."""
        found = explained(code, text, given=bool(self._passphrase))
        if found.fact is None or not self.local:
            return found
        try:
            committed(Path(self.where))
        except (Failed, OSError):
            return Failed(
                f"the repository is not there any more: {found.why}",
                "Mount its disk again, then run the step again",
            )
        return found


def verbatim(text: str) -> str:
    """Borg puts the host's name, the time and more in the place of words in braces."""
    return text.replace("{", "{{").replace("}", "}}")


def explained(code: int, text: str, *, given: bool) -> Failed:
    """What Borg's exit code and its log mean; `given` is whether it had a passphrase."""
    records = [_parsed(line) for line in text.splitlines() if line.strip()]
    ids = {each.id for each in records}
    words = said(text) or f"borg ended with exit code {code} and said nothing"
    if found := _of_keys(ids, given=given):
        return found
    if ids & set(_NO_PLACE):
        return Failed(
            f"there is no repository: {words}", "Check its place, and whether it is mounted"
        )
    if "Archive.DoesNotExist" in ids or "never matched" in words:
        return Failed(GONE, "Look again", ByteFact(state="unknown", reason=GONE))
    if "Repository.ObjectNotFound" in ids:
        return unfit("unknown", f"the repository's index does not lead to it: {words}")
    if "IntegrityError" in ids or "damaged (all-zero) chunks" in text or _SEGMENT.search(words):
        return unfit("damaged", f"borg cannot read it whole: {words}")
    if code == 1:
        return unfit("unknown", f"borg gave it with a warning: {words}")
    return Failed(words, "Look at the repository's place, its network and its keys")


def _of_keys(ids: set[str], *, given: bool) -> Failed | None:
    where = "Look where this repository's passphrase is kept"
    if "PassphraseWrong" in ids and given:
        return Failed(
            "the repository's key does not open with this passphrase: it is another one's", where
        )
    if ids & {"PassphraseWrong", "NoPassphraseFailure"}:
        return Failed("the repository's key has a passphrase, and none is given", where)
    if "Cache.CacheInitAbortedError" in ids:
        return Failed(
            "the repository is not encrypted, although a passphrase is given for it: it may be another "
            "one than was meant",
            "See who put it there; where it is the right one, take passphrase out of the runbook",
        )
    if ids & {"KeyfileNotFoundError", "KeyfileMismatchError", "KeyfileInvalidError"}:
        return Failed(
            "the key that the repository was made with is not here",
            "Bring its key file, and name it under keyfile",
        )
    if "RepoKeyNotFoundError" in ids:
        return Failed(
            "the repository's key is gone from its config",
            "Keep it as it is, and bring the key that `borg key export` wrote",
        )
    return None


def said(text: str) -> str:
    """What Borg gives as its reason: of an error that it did not foresee, the last line of its traceback."""
    records = [_parsed(line) for line in text.splitlines() if line.strip()]
    asked = [each for each in records if each.kind not in _QUESTIONS]
    for each in asked:
        if each.message.startswith("Traceback") and any(one.id == "Exception" for one in asked):
            errors = _ERROR.findall(each.message)
            return _shown(errors[-1]) if errors else "it failed in a way that it did not foresee"
    worst = [each for each in asked if each.level in ("ERROR", "CRITICAL")] or asked
    return _shown(worst[0].message) if worst else ""


def _shown(text: str) -> str:
    return plain(scrub(text), 300).rstrip(". ")
