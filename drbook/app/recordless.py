"""Folders among the incidents that hold targets, and of which no record says what they are."""

import os
from contextlib import suppress
from pathlib import Path

from drbook.app.places import Home, listed

TARGETS = "targets"


def recordless(home: Home) -> list[Path]:
    """Those without a journal that hold targets, or that cannot be looked into; by name. Nothing of them is ever
    removed. Raises JournalError where the incidents cannot be listed."""
    known = set(listed(home))
    try:
        found = sorted(home.incidents.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [one for one in found if one not in known and holds_targets(one)]


def holds_targets(folder: Path) -> bool:
    """Whether something lies where an incident makes its targets; True where nobody can look."""
    with suppress(FileNotFoundError, NotADirectoryError):
        try:
            return bool(os.listdir(folder / TARGETS))
        except PermissionError:
            return True
    return False
