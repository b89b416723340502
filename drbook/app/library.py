"""The runbooks that can be opened here: the shipped ones, the operator's own, and how each stands."""

import re
from dataclasses import dataclass
from pathlib import Path

from drbook.app import shipped
from drbook.app.places import Home
from drbook.app.vocabulary import vocabulary
from drbook.core.errors import DrbookError, Problem, RunbookInvalid
from drbook.core.runbook import Runbook
from drbook.language.load import load_file
from drbook.providers import private

_RUNBOOK = re.compile(rb"""^(\xef\xbb\xbf)?["']?drbook["']?[ \t]*:""", re.MULTILINE)
"""What makes a YAML file one of ours: other programs have theirs in the same folders."""
_HEAD = 65_536
MOST = 500
"""Files of a folder that are looked at."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A runbook's file, before anything of it was understood."""

    name: str
    path: Path
    origin: str
    """Where it comes from, in a word: `shipped`, `here`, `yours`."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What lint says of it."""

    entry: Entry
    title: str = ""
    runbook: Runbook | None = None
    """None where it has problems."""
    problems: tuple[Problem, ...] = ()
    trouble: str = ""
    """Why it could not be checked at all."""


def own_folder(home: Home) -> Path:
    """Where runbooks of one's own lie whatever the current directory is."""
    return home.path / "runbooks"


def entries(home: Home, here: Path) -> list[Entry]:
    """Runbooks of one's own folder and those of the current directory, then the shipped ones: at night nobody
    looks for the own one behind examples."""
    found: list[Entry] = []
    for folder, origin in ((own_folder(home), "yours"), (here, "here")):
        found += [Entry(path.name, path, origin) for path in _runbooks(folder)]
    return found + [Entry(name, shipped.find(name), "shipped") for name in shipped.names()]


def check(entry: Entry) -> Checked:
    """Load it; nothing is contacted. Never raises."""
    try:
        runbook = load_file(entry.path, vocabulary())
    except RunbookInvalid as error:
        return Checked(entry, problems=error.problems)
    except DrbookError as error:
        return Checked(entry, trouble=error.what)
    return Checked(entry, title=runbook.title, runbook=runbook)


def _runbooks(folder: Path) -> list[Path]:
    try:
        files = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml")
        )
    except OSError:
        return []
    return [path for path in files[:MOST] if _is_runbook(path)]


def _is_runbook(path: Path) -> bool:
    try:
        return _RUNBOOK.search(private.read(path.resolve(), _HEAD)) is not None
    except OSError:
        return False
