"""A scenario as data: its world, what its person says and does, and what must be true at the end.

The demo, its tests and the campaigns hold what came out against the same `Expected`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from drbook.core.errors import ExitCode
from drbook.core.values import Json, plain

if TYPE_CHECKING:
    from drbook.demo.world import World

GO: Mapping[str, tuple[Json, str]] = {
    "decide": ("go", "every table equals what the backup held (scenario)"),
    "cutover": ("done", "the application points at the restored cluster (scenario)"),
}
"""What is answered where all is well."""

A_LITTLE = timedelta(minutes=20)
"""How much older a copy may be by now than the world made it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A place whose copy must not be taken, and a reason that must be told for it."""

    source: str
    verdict: str
    because: str
    """Words that stand in one of its reasons."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A table of which lost rows went back into the database that lives on."""

    table: str
    inserted: bool = False
    """Whether rows were missing there."""
    put_back: bool = False
    """Whether rows had other values there, and were given their old ones."""
    left: bool = False
    """Whether rows had other values there, and kept them."""
    newer: bool = True
    """Whether it has rows that no copy has."""

    def unmet(self, proposed: Mapping[str, Json], merged: Mapping[str, Json]) -> list[str]:
        """What was proposed and done otherwise, in words."""
        figures = (
            ("rows missing", proposed["missing"], self.inserted),
            ("conflicts", proposed["conflicts"], self.put_back or self.left),
            ("newer rows", proposed["extra"], self.newer),
            ("rows inserted", merged["inserted"], self.inserted),
            ("rows put back", merged["updated"], self.put_back),
        )
        found = [
            f"{self.table}: {number} {what}, {'some' if must else 'none'} expected"
            for what, number, must in figures
            if bool(number) != must
        ]
        for done, asked in (("inserted", "proposed"), ("updated", "overwriting")):
            if merged[done] != merged[asked]:
                found.append(f"{self.table}: {merged[done]} of {merged[asked]} rows were {done}")
        return found


@dataclass(frozen=True, slots=True)
class Expected:
    """How a scenario must come out, in the words of `drbook`'s own report."""

    outcome: str
    code: ExitCode
    chosen: str
    """The source of the copy that is restored; empty where none may be."""
    aged: timedelta = timedelta(0)
    """How old that copy is at the time of the loss."""
    refused: Sequence[Refused] = ()
    lost: Sequence[str] = ()
    """Tables of which rows must be told as lost."""
    failing: Sequence[str] = ()
    """How the names of tables, assertions and other things begin that must not pass; all others must."""
    merged: Sequence[Merged] = ()
    """Tables that must be told as merged, all of what was reviewed; no others, and with what takes it back."""
    said: Sequence[str] = ()
    """Words that must stand somewhere in the report."""

    def unmet(self, report: Mapping[str, Json]) -> list[str]:
        """What did not come out so, in words; nothing where all did."""
        found = [
            f"{name}: {plain(str(there), 100)}, not {wanted}"
            for name, there, wanted in (
                ("outcome", report["outcome"], self.outcome),
                ("exit code", report["exit_code"], int(self.code)),
                ("chosen copy", _chosen(report) or "none", self.chosen or "none"),
            )
            if there != wanted
        ]
        found += self._age(report) + self._refusals(report) + self._tables(report)
        found += self._merges(report)
        text = str(report)
        return found + [f"not said: {words}" for words in self.said if words not in text]

    def _age(self, report: Mapping[str, Json]) -> list[str]:
        if not self.chosen:
            return []
        seconds = _part(report, "rpo").get("measured_seconds")
        if seconds is None and self.code is not ExitCode.DONE:
            return []
        if not isinstance(seconds, int | float):
            return ["the loss window was not measured"]
        late = timedelta(seconds=seconds) - self.aged
        if timedelta(0) <= late <= A_LITTLE:
            return []
        return [f"loss window: {seconds} s, not {self.aged.total_seconds():.0f} s and a little"]

    def _refusals(self, report: Mapping[str, Json]) -> list[str]:
        rejected = _rows(report, "rejected")
        return [
            f"{one.source} was not told as {one.verdict} because of: {one.because}"
            for one in self.refused
            if not any(
                there["source"] == one.source
                and there["verdict"] == one.verdict
                and one.because in str(there["reasons"])
                for there in rejected
            )
        ]

    def _tables(self, report: Mapping[str, Json]) -> list[str]:
        tables, remarks = _rows(report, "tables"), _rows(report, "remarks")
        lost = {str(one["table"]) for one in tables if int(str(one["lost"] or 0)) > 0}
        found = [f"no row of {name} was told as lost" for name in self.lost if name not in lost]
        bad = {str(one["table"]) for one in tables if one["verdict"] != "pass"}
        bad |= {str(one["subject"]) for one in remarks if one["verdict"] != "pass"}
        found += [
            f"it passed: {name}"
            for name in self.failing
            if not any(one.startswith(name) for one in bad)
        ]
        return found + [
            f"it did not pass: {name}"
            for name in sorted(bad)
            if not name.startswith(tuple(self.failing))
        ]

    def _merges(self, report: Mapping[str, Json]) -> list[str]:
        proposed = _by_table(_rows(report, "proposed"))
        merged = _by_table(merges := _rows(report, "merged"))
        found = [f"nothing takes back {one['step']}" for one in merges if not one["undo"]]
        wanted = {one.table: one for one in self.merged}
        found += [f"{name} was merged" for name in sorted(merged.keys() - wanted.keys())]
        for name, one in wanted.items():
            if name in proposed and name in merged:
                found += one.unmet(proposed[name], merged[name])
            else:
                found.append(f"{name} was not merged")
        return found


@dataclass(frozen=True, slots=True)
class Story:
    """One scenario."""

    name: str
    line: str
    """What goes wrong, in one line."""
    end: str
    """What must come out, in one line."""
    world: "type[World]"
    expected: Expected
    answers: Mapping[str, tuple[Json, str]] = field(default_factory=lambda: GO)
    """By step: the answer and its comment."""
    accepts: Mapping[str, str] = field(default_factory=dict)
    """By step that could not be verified: why its person goes on all the same."""


def _chosen(report: Mapping[str, Json]) -> str:
    point = _part(report, "chosen").get("point")
    return str(point["source"]) if isinstance(point, Mapping) else ""


def _by_table(steps: Sequence[Mapping[str, Json]]) -> dict[str, Mapping[str, Json]]:
    return {str(one["table"]): one for each in steps for one in _rows(each, "tables")}


def _part(report: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = report[name]
    return found if isinstance(found, Mapping) else {}


def _rows(report: Mapping[str, Json], name: str) -> list[Mapping[str, Json]]:
    found = report[name]
    rows = found if isinstance(found, Sequence) and not isinstance(found, str) else ()
    return [one for one in rows if isinstance(one, Mapping)]
