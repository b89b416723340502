"""When and where go-bags were written from this machine: `packs.jsonl` in the state directory.

It says what was written then. Whether one still lies there, only a look tells.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from drbook import __version__
from drbook.app.inspect import baselines
from drbook.app.places import Home
from drbook.core.errors import DrbookError
from drbook.core.gobag import MAX_AGE, Bag, Looked, Now, Written
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.providers import gobag, private

RECORD = "packs.jsonl"
_LARGEST = 16 * 1024 * 1024


def remember(home: Home, written: Written) -> str:
    """Add a line. Answers why it could not be, or an empty text."""
    try:
        private.folders(home.path)
        with private.append(home.path / RECORD) as stream:
            stream.write(written.model_dump_json() + "\n")
    except OSError as error:
        return f"{plain(str(home.path / RECORD), 300)} cannot be written: {error.strerror or error}"
    return ""


def remembered(home: Home) -> tuple[list[Written], str]:
    """Everything on record, oldest first, and why that may not be all. A line that cannot be read, as one
    that a crash cut, is left out and counted."""
    try:
        text = private.read(home.path / RECORD, _LARGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        return [], f"the record of go-bags cannot be read: {error.strerror or error}"
    found, bad = [], 0
    for line in text.splitlines():
        try:
            found.append(Written.model_validate_json(line))
        except ValidationError:
            bad += 1
    return found, f"{bad} lines of the record of go-bags cannot be read" if bad else ""


def bag_of(runbook: Runbook, home: Home) -> Bag:
    """The runbook's go-bag: looked at where it says that it is kept, else where it was written to last."""
    found, unread = remembered(home)
    file = str(Path(runbook.file).absolute())
    own = [one for one in found if one.runbook_sha256 == runbook.sha256 or one.file == file]
    written = max(own, key=lambda one: one.at, default=None)
    stated = runbook.document.pack
    max_age = stated.max_age if stated is not None else MAX_AGE
    if stated is None and written is None:
        return Bag(unread=unread, max_age=max_age)
    path = (
        Path(stated.path).expanduser()
        if stated is not None
        else Path(written.path if written else "")
    )
    return Bag(str(path), look(path), written, unread, max_age)


def look(path: Path) -> Looked:
    """What lies there. Where its folder is there and it is not, it is missing; where its folder is not,
    a medium may only not be mounted, and nobody knows."""
    if not _absent(path):
        return gobag.look(path)
    if path.parent.is_dir():
        return Looked(problems=("it is missing",))
    return Looked(unread="its folder is not there; is the medium mounted?")


def _absent(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def now_of(runbook: Runbook | None, environment: Mapping[str, str]) -> Now:
    """What a go-bag is held against now."""
    newest: str | None = None
    if runbook is not None and runbook.baseline_store is not None:
        try:
            listed = baselines(runbook, environment).listed()
            newest = listed[0][0] if listed else ""
        except DrbookError:
            newest = None
    return Now(
        at=datetime.now(UTC),
        drbook=__version__,
        runbook_sha256=runbook.sha256 if runbook is not None else None,
        baseline=newest,
    )
