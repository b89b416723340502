"""The check on coverage can fail: on too few branches, too few lines, and on what was not measured."""

from pathlib import Path
from typing import Any

import pytest

from campaigns.rooms import files_of, measured_modules, room_of


def report(**files: tuple[int, int, int, int]) -> Any:
    """File → branches met, branches, lines met, lines."""
    return {
        "files": {
            name: {
                "summary": {
                    "covered_branches": met,
                    "num_branches": branches,
                    "covered_lines": seen,
                    "num_statements": lines,
                },
                "missing_branches": [[3, -1], [4, 5]] if met < branches else [],
                "missing_lines": [7] if seen < lines else [],
            }
            for name, (met, branches, seen, lines) in files.items()
        }
    }


_FIGURES = [
    ("held", {"a": (95, 100, 100, 100)}, ["a"], False),
    ("too few branches", {"a": (94, 100, 100, 100)}, ["a"], True),
    ("too few lines", {"a": (100, 100, 94, 100)}, ["a"], True),
    ("one makes up for the other", {"a": (94, 100, 9, 9), "b": (100, 100, 9, 9)}, ["a", "b"], False),
    ("not measured", {"a": (100, 100, 100, 100)}, ["a", "b"], True),
    ("nothing measured", {}, ["a"], True),
    ("nothing to measure", {}, [], True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "files", "short"), [row[1:] for row in _FIGURES], ids=[row[0] for row in _FIGURES]
)
def test_a_room_is_held_or_falls_short(figures: Any, files: list[str], short: bool) -> None:
    assert room_of("x", files, report(**figures)).short is short


def test_what_is_missing_is_named() -> None:
    room = room_of("x", ["a", "b"], report(a=(1, 3, 4, 5)))
    assert room.missing == ["a: 3->exit, 4->5, 7"]
    assert room.unmeasured == ["b"]


def test_every_room_and_every_module_is_there() -> None:
    rooms = measured_modules()
    assert set(rooms) == {"core", "journal", "guard"}
    files = {
        room: [file for name in names for file in files_of(name)] for room, names in rooms.items()
    }
    assert "drbook/core/independence.py" in files["core"]
    assert "drbook/journal/writer.py" in files["journal"]
    assert {Path(file).stem for file in files["guard"]} >= {
        "http", "launcher", "lease", "pgsession", "process", "folder", "s3guard", "secrets", "shell",
    }  # fmt: skip


def test_a_module_that_is_gone_is_not_passed_over() -> None:
    with pytest.raises(FileNotFoundError, match=r"drbook\.providers\.never"):
        files_of("drbook.providers.never")
