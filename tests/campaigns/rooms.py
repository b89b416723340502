"""Branch coverage per room: `core`, `journal` and the guard, each held at 95 %.

    python tests/campaigns/rooms.py               # run the tests, then tell
    python tests/campaigns/rooms.py --measured    # tell from the .coverage that is there

What is measured stands in `pyproject.toml` under `tool.coverage.run`; what is there and is neither
core nor journal is the guard. Threads are measured, and the launchers that `test_process.py` starts.
Not measured: what runs after a launcher became `nobody` (it cannot write its figures), what a
SIGKILL ends, and the `drbook` programs that the e2e tests start.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage

PROJECT = Path(__file__).parents[2]
FLOOR = 95.0
"""Per cent of the branches, and of the lines, of each room."""


def measured_modules(project: Path = PROJECT) -> dict[str, list[str]]:
    """Room → what `source_pkgs` lists for it (packages or modules)."""
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    rooms: dict[str, list[str]] = {"core": [], "journal": [], "guard": []}
    for name in settings["tool"]["coverage"]["run"]["source_pkgs"]:
        rooms.get(name.removeprefix("drbook."), rooms["guard"]).append(name)
    return rooms


def files_of(name: str, project: Path = PROJECT) -> list[str]:
    """The source files of a package or module, as coverage names them. Raises where there is none."""
    path = project.joinpath(*name.split("."))
    if path.is_dir():
        found = sorted(path.rglob("*.py"))
    else:
        found = [path.with_suffix(".py")]
        if not found[0].exists():
            raise FileNotFoundError(f"{name} in source_pkgs is no module: {found[0]}")
    return [each.relative_to(project).as_posix() for each in found]


@dataclass
class Room:
    """One room's figures."""

    name: str
    branches: int = 0
    branches_met: int = 0
    lines: int = 0
    lines_met: int = 0
    missing: list[str] = field(default_factory=list)
    """Where something is not met: `file: line->line, …`."""
    unmeasured: list[str] = field(default_factory=list)
    """Files that the report does not know. One is enough to fail: unknown is not covered."""

    @property
    def short(self) -> bool:
        return bool(self.unmeasured) or min(self.of_branches, self.of_lines) < FLOOR

    @property
    def of_branches(self) -> float:
        return 100 * self.branches_met / self.branches if self.branches else 0.0

    @property
    def of_lines(self) -> float:
        return 100 * self.lines_met / self.lines if self.lines else 0.0


def room_of(name: str, files: Sequence[str], report: Mapping[str, Any]) -> Room:
    """Add up the figures of a room's files from coverage's JSON report."""
    room = Room(name)
    for file in files:
        entry = report["files"].get(file)
        if entry is None:
            room.unmeasured.append(file)
            continue
        summary = entry["summary"]
        room.branches += summary["num_branches"]
        room.branches_met += summary["covered_branches"]
        room.lines += summary["num_statements"]
        room.lines_met += summary["covered_lines"]
        where = [f"{a}->{b if b > 0 else 'exit'}" for a, b in entry["missing_branches"]]
        where += [str(line) for line in entry["missing_lines"]]
        if where:
            room.missing.append(f"{file}: {', '.join(where)}")
    return room


def report_of(data_file: str | None = None) -> dict[str, Any]:
    """Coverage's JSON report on what was measured."""
    found = coverage.Coverage(data_file=data_file) if data_file else coverage.Coverage()
    found.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        found.json_report(outfile=str(path))
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--measured", action="store_true", help="run no tests, read .coverage")
    given = parser.parse_args()
    if not given.measured:
        tests = [sys.executable, "-m", "pytest", "--cov", "--cov-report="]
        if subprocess.run(tests, cwd=PROJECT, check=False).returncode:
            print("The tests failed: their coverage says nothing.", file=sys.stderr)
            return 1
    report = report_of()
    rooms = [
        room_of(name, [file for module in modules for file in files_of(module)], report)
        for name, modules in measured_modules().items()
    ]
    for room in rooms:
        for line in (*room.missing, *(f"{file}: not measured" for file in room.unmeasured)):
            print(line)
    for room in rooms:
        print(
            f"{room.name:8} branches {room.branches_met}/{room.branches} = {room.of_branches:.1f} %"
            f"   lines {room.lines_met}/{room.lines} = {room.of_lines:.1f} %"
            f"   {f'below {FLOOR:.0f} %' if room.short else 'held'}"
        )
    return int(any(room.short for room in rooms))


if __name__ == "__main__":
    sys.exit(main())
