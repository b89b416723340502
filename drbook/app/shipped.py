"""The runbooks that are installed with drbook, and finding a runbook by path or by name."""

from pathlib import Path

import drbook
from drbook.core.errors import UsageError
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.language.load import load_file
from drbook.language.source import did_you_mean


def folder() -> Path:
    """Where shipped runbooks are: inside the package, or beside it in a source checkout."""
    package = Path(drbook.__file__).resolve().parent
    inside = package / "runbooks"
    return inside if inside.is_dir() else package.parent / "runbooks"


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find(given: str) -> Path:
    """A path as it is; a bare name as the shipped runbook of that name, where no file is called so."""
    path = Path(given)
    if path.exists() or path.suffix or "/" in given or given not in names():
        return path
    return folder() / f"{given}.yaml"


def open_runbook(given: str) -> Runbook:
    """Load a runbook by path or shipped name. Raises RunbookInvalid with every problem, UsageError for a bare
    name of which there is neither a file nor a shipped runbook."""
    from drbook.app.vocabulary import vocabulary

    path = find(given)
    if not path.exists() and not path.suffix and "/" not in given:
        raise UsageError(
            f"There is no runbook {plain(given, 100)!r}: no file here, and no shipped one"
            f"{hint(given) or '.'}",
            means="Nothing was started.",
            next=f"The shipped ones are {', '.join(names())}. `drbook demo --list` says which of them leads a "
            "scenario. Your own are named by their path.",
            code="no-such-runbook",
        )
    return load_file(path, vocabulary())


def hint(given: str) -> str:
    """A shipped runbook that is called nearly so, or nothing."""
    return did_you_mean(given, names())
