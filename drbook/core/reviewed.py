"""Lost rows that are proposed for a living database, and what a merge of them came to; all of it is data.

A proposal names its rows by digest: what is applied is what was reviewed. A rehearsal and the merge itself
are told in the same figures, so that one can be held against the other.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from pydantic import Field

from drbook.core.baseline import Identity
from drbook.core.merging import KeyKind
from drbook.core.targets import DatabaseRef, Target
from drbook.core.values import Frozen, UtcTime, counted, plain

Policy = Literal["keep", "restore", "ask"]
"""What happens to a row that both sides have with other values: production's stays, the restored one is put
back, or nothing is applied before somebody has decided."""
OnMissing = Literal["restore", "leave"]
"""What happens to rows that production lacks: they are inserted, or counted and left out."""
RIGHTLY = "Rows that are missing may have been deleted rightly since the copy (an erased customer, a cancelled booking)"
"""No copy tells those from lost ones; people do, before anything is merged."""
Triggers = Literal["fire", "skip"]


class ColumnFacts(Frozen):
    """One column as both sides have it."""

    name: str
    type: str
    """As `format_type` writes it, with its modifier."""
    generated: bool = False
    """The server computes it: it is neither compared nor written."""
    always: bool = False
    """GENERATED ALWAYS AS IDENTITY: it can be inserted, and not updated."""


class TableFacts(Frozen):
    """What a table is, as far as a merge depends on it."""

    schema_: str = Field(alias="schema")
    name: str
    partitioned: bool = False
    columns: tuple[ColumnFacts, ...]
    key: tuple[str, ...]
    kinds: tuple[KeyKind, ...]
    """How each part of the key is ordered."""
    nullable: bool = False
    """A part of the key may be NULL."""

    model_config = Frozen.model_config | {"populate_by_name": True}

    @property
    def shown(self) -> str:
        return f"{self.schema_}.{self.name}"

    def is_integer(self, column: str) -> bool:
        """Whether a sequence's own values fill it."""
        found = {one.name: one.type for one in self.columns}
        return found.get(column) in ("smallint", "integer", "bigint")

    @property
    def written(self) -> tuple[str, ...]:
        """The columns of a row in the artifact: the key's first, none that the server computes."""
        others = (
            one.name for one in self.columns if not one.generated and one.name not in self.key
        )
        return (*self.key, *others)

    @property
    def updated(self) -> tuple[str, ...]:
        """What an overwritten row is given."""
        fixed = {one.name for one in self.columns if one.always}
        return tuple(name for name in self.written if name not in self.key and name not in fixed)


class Rows(Frozen):
    """A file of rows in the incident folder, named by its digest."""

    artifact: str = ""
    """Relative to the incident folder; empty where there are none."""
    count: int = 0


class ConflictShown(Frozen):
    """One row that both sides have with other values: only the columns that differ, safe to show."""

    key: Mapping[str, str]
    restored: Mapping[str, str | None]
    production: Mapping[str, str | None]

    def in_words(self) -> str:
        """In one line, cut where it is long."""
        key = ", ".join(f"{name} {value}" for name, value in self.key.items())
        apart = "; ".join(
            f"{name}: restored {_or_null(value)}, production {_or_null(self.production.get(name))}"
            for name, value in self.restored.items()
        )
        return plain(f"{key}: {apart}", 300)


def _or_null(value: str | None) -> str:
    return "NULL" if value is None else value


class TableProposal(Frozen):
    """What is proposed for one table."""

    table: TableFacts
    absent: bool = False
    """Production has no such table: it is made by hand from `definition` first."""
    missing: Rows = Rows()
    """Rows that production lacks: to be inserted."""
    left_out: int = 0
    """Rows that production lacks and does not get back, as the runbook says."""
    conflicts: Rows = Rows()
    """Rows that both have with other values: the restored one and production's, side by side."""
    extra: int = 0
    """Rows that only production has; never touched."""
    equal: int = 0
    unkeyed: int = 0
    """Rows of both sides together whose key is NULL in a part: nobody can tell which is which."""
    on_conflict: Policy = "keep"
    triggers: tuple[str, ...] = ()
    """Production's own triggers that a merge would fire, those of its partitions too."""
    always: tuple[str, ...] = ()
    """Of them those that fire although triggers are skipped."""
    rules: tuple[str, ...] = ()
    """Production's rules for INSERT and UPDATE; with them nothing is merged."""
    along: tuple[str, ...] = ()
    """Tables whose rows would follow (ON UPDATE) where what they refer to is put back with another value."""

    def in_words(self) -> str:
        said = [f"{counted(self.missing.count, 'row')} to insert"]
        if self.absent:
            said.append("production has no such table")
        if self.conflicts.count:
            what = {"keep": "kept", "restore": "put back", "ask": "to be decided"}
            said.append(f"{counted(self.conflicts.count, 'conflict')} ({what[self.on_conflict]})")
        if self.left_out:
            said.append(f"{counted(self.left_out, 'missing row')} left out")
        said.append(f"{counted(self.extra, 'row')} only in production")
        if self.unkeyed:
            said.append(f"{counted(self.unkeyed, 'row')} without a whole key, not compared")
        return f"{plain(self.table.shown, 130)}: {', '.join(said)}"


class Proposed(Frozen):
    """What the artifact of a proposal says; its digest names all rows too."""

    made_at: UtcTime
    source: Identity
    production: Identity
    """Who holds the rows now: production, or its stand-in in a drill."""
    stand_in: Target | None = None
    tables: tuple[TableProposal, ...]
    definition: str = ""
    """An artifact with SQL that makes the tables that production lacks; a person runs it."""

    def bytes(self) -> bytes:
        """The artifact: always the same bytes for the same proposal."""
        document = self.model_dump(mode="json", by_alias=True)
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


class Proposal(Frozen):
    """A proposal by the digest of its artifact, with what it says."""

    artifact: str = Field(pattern=r"^artifacts/[0-9a-f]{64}\.proposal\.json$")
    what: Proposed

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Itself, and every file that it names."""
        what = self.what
        rows = [
            name for one in what.tables for name in (one.missing.artifact, one.conflicts.artifact)
        ]
        return tuple(name for name in (self.artifact, *rows, what.definition) if name)

    @property
    def digest(self) -> str:
        return self.artifact.removeprefix("artifacts/").partition(".")[0]

    @property
    def true_to_itself(self) -> bool:
        """Whether what it says is what its digest names."""
        return hashlib.sha256(self.what.bytes()).hexdigest() == self.digest


@dataclass(frozen=True, slots=True)
class ProposalWish:
    """What is to be proposed: which tables, by which keys, and what becomes of conflicts."""

    tables: tuple[str, ...]
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    every: Policy = "keep"
    """For tables of which `policies` says nothing."""
    missing: Mapping[str, OnMissing] = field(default_factory=dict)
    all_missing: OnMissing = "restore"
    """For tables of which `missing` says nothing."""
    sample: int = 20
    """So many conflicts of a table are shown with both values."""

    def key(self, shown: str, given: str) -> tuple[str, ...]:
        return self.keys.get(given, self.keys.get(shown, ()))

    def policy(self, shown: str, given: str) -> Policy:
        return self.policies.get(given, self.policies.get(shown, self.every))

    def leaves_out(self, shown: str, given: str) -> bool:
        """Whether rows that production lacks are counted only."""
        said = self.missing.get(given, self.missing.get(shown, self.all_missing))
        return said == "leave"


@dataclass(frozen=True, slots=True)
class MergeWish:
    """How a proposal is merged."""

    login: DatabaseRef
    """Who writes; it leads to the database that was reviewed, or is refused."""
    triggers: Triggers = "fire"
    decided: Mapping[str, Policy] = field(default_factory=dict)
    lock_timeout: timedelta = timedelta(seconds=5)
    statement_timeout: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class MergeLook:
    """What a look at a merge that was cut off showed."""

    answer: Literal["happened", "did-not-happen", "unknown"]
    reason: str


@dataclass(frozen=True, slots=True)
class Review:
    """What people look at before a merge: the proposal, and of its conflicts as many as were asked for."""

    proposal: Proposal
    conflicts: Mapping[str, tuple[ConflictShown, ...]]


def ambiguous(what: Proposed, decided: Mapping[str, Policy]) -> tuple[str, ...]:
    """Names in a decision that several tables of the proposal have."""
    names = [one.table.name for one in what.tables]
    full = {one.table.shown for one in what.tables}
    return tuple(name for name in decided if names.count(name) > 1 and name not in full)


def undecided(what: Proposed, decided: Mapping[str, Policy]) -> tuple[str, ...]:
    """Tables whose conflicts somebody has to decide before anything is applied."""
    return tuple(
        one.table.shown
        for one in what.tables
        if one.conflicts.count and policy_of(one, decided) == "ask"
    )


def rows_to_write(what: Proposed, decided: Mapping[str, Policy]) -> int:
    """How many rows a merge would insert or put back; 0 where there is nothing to merge."""
    back = (one.conflicts.count for one in what.tables if policy_of(one, decided) == "restore")
    return sum(one.missing.count for one in what.tables) + sum(back)


def policy_of(one: TableProposal, decided: Mapping[str, Policy]) -> Policy:
    """How its conflicts are settled: as decided after the review, else as the runbook said before it."""
    return decided.get(one.table.shown, decided.get(one.table.name, one.on_conflict))


def parents_first(
    tables: Sequence[str], references: Sequence[tuple[str, str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tables in an order in which what is referred to comes first, and those that refer to each other in
    a circle, which come last in the order that was given. `references` are (from, to)."""
    left = list(tables)
    found: list[str] = []
    while left:
        free = [
            one
            for one in left
            if not any(child == one != parent and parent in left for child, parent in references)
        ]
        if not free:
            return (*found, *left), tuple(left)
        found += free
        left = [one for one in left if one not in free]
    return tuple(found), ()


def steps_past(last: int | None, start: int, increment: int, reached: int) -> int:
    """How many values have to be drawn from a sequence until all of them lie behind `reached`. `last` is the
    last one drawn, None where none was."""
    behind = last if last is not None else start - increment
    gap = (reached - behind) if increment > 0 else (behind - reached)
    return max(0, -(-gap // abs(increment)))
