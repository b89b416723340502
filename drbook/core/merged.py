"""What a merge of reviewed rows came to, and how it differs from its rehearsal."""

from collections.abc import Mapping

from drbook.core.reviewed import Policy, Triggers
from drbook.core.values import Frozen, counted, plain


class TableOutcome(Frozen):
    """What a merge, or a rehearsal of one, did to one table."""

    table: str
    proposed: int
    """Rows that were to be inserted."""
    overwriting: int = 0
    """Rows that were to be put back."""
    present: int = 0
    """Of the first: rows whose key production has by now."""
    drifted: int = 0
    """Of the second: rows that production has changed or deleted since."""
    taken: int = 0
    """Rows that have a value which is unique and another row has."""
    orphans: int = 0
    """Rows that refer to a row which is not there."""
    inserted: int = 0
    updated: int = 0
    suppressed: int = 0
    """Rows that are not there afterwards, though nothing failed: a trigger or a rule."""
    changed: int = 0
    """Rows that are there with other values than were reviewed: a trigger."""
    identities: int = 0
    """Rows put back but for an identity that is GENERATED ALWAYS, which an UPDATE cannot set."""
    rows: str = ""
    """A digest of the rows as they are afterwards, where some of them are not as reviewed."""
    acting: Mapping[str, str] = {}
    """Digests of what acts on a write to the table, by kind: triggers with their functions, rules,
    constraints, unique indexes, columns and defaults."""
    failure: str = ""
    """What the server said when it refused; then it may not have come to the counts behind it."""

    @property
    def blocked(self) -> str:
        """Why it cannot be applied, whatever anybody accepts; empty where it can."""
        parts = [
            f"{counted(number, 'row')} {why}"
            for number, why in (
                (self.present, "in production by now under a key that was missing"),
                (self.drifted, "changed or deleted in production since the review"),
                (self.taken, "with a unique value that another row has"),
                (self.orphans, "referring to rows that are not there"),
            )
            if number
        ]
        if self.failure:
            parts.append(self.failure)
        return "; ".join(parts)

    @property
    def as_reviewed(self) -> bool:
        """Every row came out as it was reviewed."""
        return (
            not self.blocked
            and not self.suppressed
            and not self.changed
            and not self.identities
            and self.inserted == self.proposed
            and self.updated == self.overwriting
        )

    def in_words(self) -> str:
        said = [f"{self.inserted:,} of {counted(self.proposed, 'row')} inserted"]
        if self.overwriting:
            said.append(f"{self.updated:,} of {counted(self.overwriting, 'row')} put back")
        if self.suppressed:
            said.append(f"{self.suppressed:,} suppressed by a trigger or rule")
        if self.changed:
            said.append(f"{self.changed:,} changed by a trigger")
        if self.identities:
            said.append(
                f"{self.identities:,} put back but for an identity that only the server sets"
            )
        if self.blocked:
            said.append(self.blocked)
        return f"{plain(self.table, 130)}: {', '.join(said)}"


class SequenceMove(Frozen):
    """A sequence behind a column into which rows were inserted."""

    sequence: str
    past: str
    """The last of the inserted values, as text: it may exceed what JSON numbers hold."""
    steps: int = 0
    """How many values are drawn so that the next one is behind it."""
    seen: bool = True
    """False where its column holds more than its values (a text with a number in it): it was not looked at."""


class Outcome(Frozen):
    """A merge, or a rehearsal of one, in figures."""

    proposal: str
    """The artifact that was merged."""
    triggers: Triggers = "fire"
    decided: Mapping[str, Policy] = {}
    tables: tuple[TableOutcome, ...]
    sequences: tuple[SequenceMove, ...] = ()

    @property
    def blocked(self) -> str:
        return "; ".join(
            f"{plain(one.table, 130)}: {one.blocked}" for one in self.tables if one.blocked
        )

    @property
    def as_reviewed(self) -> bool:
        return all(one.as_reviewed for one in self.tables)

    def in_words(self) -> str:
        return "; ".join(one.in_words() for one in self.tables) or "nothing to do"


def departures(expected: Outcome, found: Outcome) -> str:
    """Where a merge came out otherwise than its rehearsal; empty where it did not."""
    before = {one.table: one for one in expected.tables}
    apart = [
        _apart(before[one.table], one)
        if one.table in before
        else f"{one.in_words()}; it was not rehearsed"
        for one in found.tables
        if before.get(one.table) != one
    ]
    merged = {one.table for one in found.tables}
    apart += [f"{plain(name, 130)} was rehearsed" for name in before if name not in merged]
    return " | ".join(apart)


def _apart(before: TableOutcome, one: TableOutcome) -> str:
    kinds = sorted(
        kind
        for kind in before.acting.keys() | one.acting.keys()
        if before.acting.get(kind) != one.acting.get(kind)
    )
    said = [f"{one.in_words()}; in the rehearsal: {before.in_words()}"]
    if kinds:
        said.append(f"its {', '.join(kinds)} are not those of the rehearsal")
    if before.rows != one.rows:
        said.append("rows came out with other values than in the rehearsal, or other rows did")
    return "; ".join(said)
