"""What is shown of a merge: both values of a conflict, what came out otherwise, and how to take it back."""

import io
import json
from datetime import UTC, datetime, timedelta

from rich.console import Console, RenderableType
from support.evidence import table
from support.folded import T0, ended, planned, records_of, snapshot_of
from support.identities import who

from drbook.app.shipped import open_runbook
from drbook.core import events as ev
from drbook.core.clocks import outage
from drbook.core.events import Event, Mode
from drbook.core.merged import Outcome, SequenceMove, TableOutcome
from drbook.core.remarks import TableVerdict
from drbook.core.results import ApplyResult, ProposeResult, RehearseResult
from drbook.core.reviewed import (
    ColumnFacts,
    ConflictShown,
    Proposal,
    Proposed,
    Rows,
    TableFacts,
    TableProposal,
)
from drbook.core.state import StepState as S
from drbook.core.values import Frozen
from drbook.tui.asking import lost_tables, standing
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


BOOK = open_runbook("rows-overwritten")


def decided(*events: tuple[float, Event]) -> str:
    """What a decision of that runbook rests on, as its dialog says it."""
    given = {"occurred": "2026-04-24T19:04:00Z"}
    records = records_of(BOOK, *events, inputs=given, mode=Mode.LIVE)
    return "\n".join(line.plain for line in standing(snapshot_of(BOOK, records)))


def came(step: str, action: str, result: Frozen, at: float) -> list[tuple[float, Event]]:
    value = json.loads(result.model_dump_json(by_alias=True))
    return [
        (at, planned(step, action)),
        (at, ev.StepStarted(step=step, attempt=1)),
        (at + 1, ended(step, S.SUCCEEDED, result=value)),
    ]


def test_a_decision_tells_of_the_proposal_and_of_its_rehearsal() -> None:
    assert "nothing is proposed yet" in decided()
    proposal = came("propose", "postgres.propose", proposed(3), 60)
    before = decided(*proposal)
    assert "public.bookings: 5 rows to insert, 3 conflicts (kept), 0 rows only" in before
    assert "public.bookings, id 7: note: restored [red]old, production new" in before
    assert "price: restored NULL, production 1" in before
    assert "deleted rightly since" in before
    assert "In no copy" in before
    assert "of data" not in before, "nothing of a production that lives on is lost with the copy"
    outcome = Outcome(
        proposal="p", tables=(TableOutcome(table="public.bookings", proposed=5, inserted=5),)
    )
    rehearsal = came(
        "rehearse", "postgres.rehearse_reviewed", RehearseResult(rehearsal=outcome), 90
    )
    after = decided(*proposal, *rehearsal)
    assert "Rehearsed  public.bookings: 5 of 5 rows inserted" in after
    assert "5 rows to insert" in after


def test_more_rows_than_before_are_not_lost_ones() -> None:
    rows = (
        table("public.customers", 900, 900, 800, TableVerdict.PASS, ""),
        table("public.payments", 7, 7, 9, TableVerdict.PASS, ""),
    )
    assert lost_tables(rows) == "2 of public.payments"
    assert lost_tables(rows[:1]) == ""


def test_a_production_that_lives_on_has_no_outage() -> None:
    records = records_of(BOOK, inputs={"occurred": "2026-04-24T19:04:00Z"}, mode=Mode.LIVE)
    state = snapshot_of(BOOK, records).state
    assert state.occurred is not None
    assert outage(state, BOOK, T0 + timedelta(hours=1)) is None
    assert outage(state, open_runbook("instance-destroyed"), T0 + timedelta(hours=1)) is not None
