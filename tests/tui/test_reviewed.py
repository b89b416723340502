"""What is shown of a merge: both values of a conflict, what came out otherwise, and how to take it back."""

import io
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from support.identities import who

from drbook.core.results import ApplyResult, ProposeResult
from drbook.core.reviewed import (
    ColumnFacts,
    ConflictShown,
    Outcome,
    Proposal,
    Proposed,
    Rows,
    SequenceMove,
    TableFacts,
    TableOutcome,
    TableProposal,
)
from drbook.tui.reviewed import merged, proposed_rows

FACTS = TableFacts(
    schema="public", name="bookings", columns=(ColumnFacts(name="id", type="int"),),
    key=("id",), kinds=("integer",),
)  # fmt: skip


def text(shown: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=120, color_system=None).print(shown)
    return out.getvalue()


def proposed(rows: int) -> ProposeResult:
    table = TableProposal(
        table=FACTS,
        missing=Rows(count=5),
        conflicts=Rows(count=rows),
        triggers=("audit",),
        rules=("also",),
        along=("public.logins",),
    )
    what = Proposed(
        made_at=datetime(2026, 1, 1, tzinfo=UTC), source=who("7"), production=who(), tables=(table,),
        definition="artifacts/x.sql",
    )  # fmt: skip
    conflict = ConflictShown(
        key={"id": "7"},
        restored={"note": "[red]old", "price": None},
        production={"note": "new", "price": "1"},
    )
    return ProposeResult(
        proposal=Proposal(artifact=f"artifacts/{'0' * 64}.proposal.json", what=what),
        conflicts={"public.bookings": (conflict,) * rows},
    )


def test_a_conflict_has_both_values_and_no_markup() -> None:
    shown = text(proposed_rows(proposed(1), 30))
    assert "? public.bookings: 5 rows to insert, 1 conflict (kept), 0 rows only" in shown
    assert "triggers: audit" in shown
    assert "rules, which stand against a merge: also" in shown
    assert "rows that follow a changed key: public.logins" in shown
    assert "note: restored [red]old · production new" in shown
    assert "price: restored NULL · production 1" in shown
    assert "to be read and run first: artifacts/x.sql" in shown


def test_what_does_not_fit_is_said() -> None:
    assert "more lines in the record" in text(proposed_rows(proposed(9), 6))


def test_a_merge_tells_what_came_out_otherwise_and_what_takes_it_back() -> None:
    good = TableOutcome(table="public.a", proposed=2, inserted=2)
    bad = TableOutcome(table="public.b", proposed=2, inserted=1, suppressed=1)
    moved = SequenceMove(sequence="public.s", past="60", steps=60)
    outcome = Outcome(proposal="p", tables=(good, bad), sequences=(moved,))
    shown = text(merged(ApplyResult(outcome=outcome, undo="artifacts/x.undo.sql"), 30))
    assert "✓ public.a: 2 of 2 rows inserted" in shown
    assert "✗ public.b: 1 of 2 rows inserted, 1 suppressed by a trigger or rule" in shown
    assert "sequence public.s: 60 on, past 60" in shown
    assert "psql -X -f artifacts/x.undo.sql" in shown
    assert "psql" not in text(merged(outcome, 30))
