"""Lost rows, found by holding a restored database against one that is alive; both are only read.

Each table is read once on both sides, in one snapshot and in the order of its key, and merged row by row:
nothing of it is kept in memory, and what is proposed goes straight into the incident folder.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from drbook.core.baseline import Identity
from drbook.core.errors import CouldNotVerify, UsageError
from drbook.core.freshness import Answer, prove_same_target
from drbook.core.merging import NULL, Pair, fields, merge, rows_of, text_of
from drbook.core.ports import Cancel
from drbook.core.reviewed import (
    ConflictShown,
    Proposal,
    ProposalWish,
    Proposed,
    Review,
    Rows,
    TableFacts,
    TableProposal,
)
from drbook.core.signals import Progress, Working
from drbook.core.targets import DatabaseRef, Target
from drbook.core.values import plain
from drbook.providers.artifacts import ArtifactFolder, Draft
from drbook.providers.hiding import scrub
from drbook.providers.merge import statements as made
from drbook.providers.merge.describe import Described, describe, fits, names_of
from drbook.providers.pgidentity import answer
from drbook.providers.pgsession import Connection, broke_off, guarded

SHOWN = 200
"""Characters of one value that are shown."""
_TELL = 20_000
"""Rows between two signs of progress."""


@dataclass(frozen=True, slots=True)
class Between:
    """The two databases."""

    target: Target
    restored: DatabaseRef
    living: DatabaseRef
    stand_in: Target | None
    environment: Mapping[str, str]
    cancel: Cancel
    timeout: timedelta
    refuse_strong: bool


Definition = Callable[[Connection, Sequence[TableFacts]], Working[str]]
"""Writes SQL that makes these tables, and returns its artifact."""


def propose(
    between: Between, wanted: ProposalWish, folder: ArtifactFolder, definition: Definition
) -> Working[Review]:
    """Every table that is asked for. Raises CouldNotVerify where one of them cannot be compared: what nobody
    compared is not proposed."""
    with ExitStack() as stack:
        left = stack.enter_context(_session(between, between.restored))
        right = stack.enter_context(_session(between, between.living))
        source, production = _answers(between, left, right)
        found: list[TableProposal] = []
        conflicts: dict[str, tuple[ConflictShown, ...]] = {}
        for name in wanted.tables:
            between.cancel.raise_if_requested()
            try:
                table = _Table(between, wanted, folder, left, right)
                found.append((yield from table.run(name)))
                conflicts[found[-1].table.shown] = tuple(table.sample)
            except psycopg.Error as error:
                gone = left if left.closed else right
                raise broke_off(
                    gone, error, between.cancel, f"compared {plain(name, 130)}"
                ) from None
        absent = [one.table for one in found if one.absent]
        text = (yield from definition(left, absent)) if absent else ""
    what = Proposed(
        made_at=datetime.now(UTC),
        source=source,
        production=production,
        stand_in=between.stand_in,
        tables=tuple(found),
        definition=text,
    )
    proposal = Proposal(artifact=folder.keep(what.bytes(), ".proposal.json"), what=what)
    return Review(proposal, conflicts)


@contextmanager
def _session(between: Between, ref: DatabaseRef) -> Iterator[Connection]:
    with guarded(
        ref,
        between.environment,
        between.cancel,
        timeout=between.timeout,
        refuse_strong=between.refuse_strong,
    ) as connection:
        # One of them waits while the other is read.
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield connection


def _answers(between: Between, left: Connection, right: Connection) -> tuple[Identity, Identity]:
    """Who they are. Raises Refused where the target is another by now, CouldNotVerify for a standby."""
    try:
        source, living = answer(left), answer(right)
    except psycopg.Error as error:
        raise broke_off(right, error, between.cancel, "said who it is") from None
    prove_same_target(between.target, Answer(source.identity, pooled=False))
    if between.stand_in is not None:
        prove_same_target(between.stand_in, Answer(living.identity, pooled=False))
    if living.identity.in_recovery is not False:
        raise CouldNotVerify(
            f"{plain(between.living.show(), 200)} is a standby, or does not say whether it is one.",
            means="It may lack what production holds now. Nothing was proposed.",
            next="Give the primary's address under `production.database`.",
            code="standby",
        )
    return source.identity, living.identity


class _Table:
    """One table at work."""

    def __init__(
        self,
        between: Between,
        wanted: ProposalWish,
        folder: ArtifactFolder,
        left: Connection,
        right: Connection,
    ) -> None:
        self._between = between
        self._wanted = wanted
        self._folder = folder
        self._left = left
        self._right = right
        self._equal = self._extra = self._missing = self._conflicts = 0
        self._leaves_out = False
        self.sample: list[ConflictShown] = []

    def run(self, name: str) -> Working[TableProposal]:
        """Raises CouldNotVerify, UsageError, psycopg.Error."""
        ours, theirs = self._described(name)
        facts = ours.facts
        self._leaves_out = self._wanted.leaves_out(facts.shown, name)
        with self._folder.draft(".rows") as missing, self._folder.draft(".conflicts") as conflicts:
            for number, pair in enumerate(self._pairs(facts, theirs)):
                self._take(facts, pair, missing, conflicts)
                if number % _TELL == 0:
                    self._between.cancel.raise_if_requested()
                    yield Progress("compare", number, None, "rows", plain(facts.shown, 130))
        unkeyed = self._unkeyed(ours, theirs)
        acts = (theirs or ours).acts
        return TableProposal(
            table=facts,
            absent=theirs is None,
            missing=Rows()
            if self._leaves_out
            else Rows(artifact=missing.name, count=self._missing),
            left_out=self._missing if self._leaves_out else 0,
            conflicts=Rows(artifact=conflicts.name, count=self._conflicts),
            extra=self._extra,
            equal=self._equal,
            unkeyed=unkeyed,
            on_conflict=self._wanted.policy(facts.shown, name),
            triggers=acts.triggers,
            always=acts.always,
            rules=tuple(one.name for one in acts.rules),
            along=_along(theirs),
        )

    def _described(self, name: str) -> tuple[Described, Described | None]:
        held = names_of(self._left, name)
        if held is None:
            raise UsageError(
                f"The restored database has no table {plain(name, 130)}.",
                means="Nothing can be proposed for it.",
                next="Write the table's name as `schema.name`; or restore to a moment when it was there.",
                code="no-such-table",
            )
        key = self._wanted.key(f"{held[0]}.{held[1]}", name)
        ours = describe(self._left, *held, key)
        there = names_of(self._right, ours.facts.shown)
        if there is None:
            return ours, None
        theirs = describe(self._right, *there, key)
        if why := fits(ours.facts, theirs.facts):
            raise CouldNotVerify(
                f"{plain(ours.facts.shown, 130)} is another table in production by now: {why}.",
                means="The restored rows do not fit into it. Nothing was proposed.",
                next="Change the restored copy as production was changed since (the same migration), then run "
                "the step again; or leave the table out of `tables` and merge it by hand.",
                code="columns",
            )
        return ours, theirs

    def _pairs(self, facts: TableFacts, theirs: Described | None) -> Iterator[Pair]:
        left = rows_of(_lines(self._left, facts), facts.kinds, "left")
        right = rows_of(
            _lines(self._right, theirs.facts if theirs else None, facts), facts.kinds, "right"
        )
        return merge(left, right)

    def _take(self, facts: TableFacts, pair: Pair, missing: Draft, conflicts: Draft) -> None:
        if pair.equal:
            self._equal += 1
        elif pair.left is None:
            self._extra += 1
        elif pair.right is None:
            self._missing += 1
            if not self._leaves_out:
                missing.write(pair.left.line + b"\n")
        else:
            self._conflicts += 1
            conflicts.write(pair.left.line + b"\t" + pair.right.line + b"\n")
            if len(self.sample) < self._wanted.sample:
                self.sample.append(shown_conflict(facts, pair.left.line, pair.right.line))

    def _unkeyed(self, ours: Described, theirs: Described | None) -> int:
        count = 0
        for connection, one in ((self._left, ours), (self._right, theirs)):
            if one is not None and one.facts.nullable:
                row = connection.execute(made.without_key(one.facts)).fetchone()
                count += row[0] if row is not None else 0
        return count


def _along(theirs: Described | None) -> tuple[str, ...]:
    """Tables whose rows follow where an overwritten row changes what they refer to."""
    found = {
        f"{one.schema}.{one.table}"
        for one in (theirs.referred if theirs is not None else ())
        if one.follows and theirs is not None and made.moves(theirs.facts, one, "n") is not None
    }
    return tuple(plain(one, 130) for one in sorted(found))


def _lines(
    connection: Connection, facts: TableFacts | None, row: TableFacts | None = None
) -> Iterator[bytes]:
    """Every row as a line of COPY; none of a table that is not there. With `row`, its values come in that
    table's order, whatever the order here is."""
    if facts is None:
        return
    if row is not None:
        facts = row.model_copy(update={"partitioned": facts.partitioned})
    query = made.ordered(facts, connection.info.server_version)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for data in copy:
            yield bytes(data)


def shown_conflict(facts: TableFacts, left: bytes, right: bytes) -> ConflictShown:
    """A row that both sides have: its key, and the values that differ."""
    ours, theirs = fields(left), fields(right)
    apart = [
        (name, one, other)
        for name, one, other in zip(facts.written, ours, theirs, strict=True)
        if one != other
    ]
    key = zip(facts.key, ours, strict=False)
    return ConflictShown(
        key={plain(name, 63): _shown(one) or "NULL" for name, one in key},
        restored={plain(name, 63): _shown(one) for name, one, _ in apart},
        production={plain(name, 63): _shown(other) for name, _, other in apart},
    )


def _shown(field_: bytes) -> str | None:
    if field_ == NULL:
        return None
    return plain(scrub((text_of(field_) or b"").decode("utf-8", "replace")), SHOWN)
