"""What a copy of a record leaves out, which record speaks to which clause, and what personal data is listed."""

from datetime import UTC, datetime, timedelta

import pytest
from support.identities import who

from drbook.core import events as ev
from drbook.core.baseline import Identity
from drbook.core.bundle import personal, ranges
from drbook.core.controls import CLAUSES, KINDS, ControlMap, control_map
from drbook.core.difference import Difference, RowDifference, TableDifference
from drbook.core.events import Effect, Mode, Plan, Record, StepEnd
from drbook.core.results import (
    COMPARE,
    PROPOSE,
    RESTORE,
    SQL,
    VERIFY,
    DifferenceResult,
    ProposeResult,
)
from drbook.core.reviewed import ConflictShown, Proposal, Proposed
from drbook.core.values import Json
from drbook.core.withheld import LEFT_OUT, actions_of, holds_rows, without_rows

AT = datetime(2026, 4, 24, 21, 19, tzinfo=UTC)


def records(*events: ev.Event, mode: Mode = Mode.DRILL) -> tuple[Record, ...]:
    opened = ev.IncidentOpened(
        incident="20260424-211912-shop-7f3a", mode=mode, title="t", runbook_sha256="0" * 64,
        runbook_file="r.yaml", drbook_version="1", steps=("a",),
    )  # fmt: skip
    return tuple(
        Record(
            seq=seq, at=AT + timedelta(seconds=seq), mono_ns=seq, mode=mode, actor="ops", host="h",
            event=event, prev="0" * 64,
        )
        for seq, event in enumerate((opened, *events), 1)
    )  # fmt: skip


def planned(step: str, action: str) -> ev.StepPlanned:
    return ev.StepPlanned(
        step=step, attempt=1, action=action, effect=Effect.NONE, params={}, plan=Plan(does=()), digest="d",
    )  # fmt: skip


def ended(step: str, state: StepEnd = StepEnd.SUCCEEDED, result: Json = None) -> ev.StepFinished:
    return ev.StepFinished(step=step, attempt=1, state=state, result=result, duration_ms=1)


def difference(*rows: RowDifference) -> Json:
    here = Identity(system_identifier="7", database="shop", database_oid=5)
    table = TableDifference(table="public.users", left=3, right=2, missing=1, sample=rows)
    found = Difference(left=here, right=here, tables=(table,))
    return DifferenceResult(difference=found).model_dump(mode="json")


CONFLICT = ConflictShown(
    key={"id": "4711"}, restored={"mail": "grace@example.com"}, production={"mail": "new"}
)


def proposed(*rows: ConflictShown) -> Json:
    what = Proposed(
        made_at=datetime(2026, 1, 1, tzinfo=UTC), source=who(), production=who(), tables=()
    )
    proposal = Proposal(artifact=f"artifacts/{'0' * 64}.proposal.json", what=what)
    found = ProposeResult(proposal=proposal, conflicts={"public.t": rows})
    return found.model_dump(mode="json", by_alias=True)


ROW = RowDifference(
    key={"id": "4711"}, change="missing", left={"mail": "grace@example.com", "x": None}
)
ASKED: Json = {"columns": ["n"], "rows": [["7"]], "value": "7", "count": 1, "truncated": False}
EMPTY: Json = {"columns": ["n"], "rows": [], "value": None, "count": 0, "truncated": False}


@pytest.mark.parametrize(
    ("action", "result", "gone"),
    [
        (SQL, ASKED, ("7",)),
        (SQL, EMPTY, ()),
        (SQL, {"a": [{"b": "grace"}], "c": 3}, ("grace",)),
        (COMPARE, difference(ROW), ("4711", "grace")),
        (COMPARE, difference(), ()),
        (COMPARE, {"other": "grace"}, ("grace",)),
        (PROPOSE, proposed(CONFLICT), ("4711", "grace", "new")),
        (PROPOSE, proposed(), ()),
        (PROPOSE, {"other": "grace"}, ("grace",)),
        (VERIFY, {"rows": [["7"]]}, ()),
        ("shell", {"stdout": "7"}, ()),
        (SQL, None, ()),
    ],
)
def test_rows_are_left_out_and_nothing_else(
    action: str, result: Json, gone: tuple[str, ...]
) -> None:
    event = ended("a", result=result)
    actions = actions_of(records(planned("a", action)))
    lean = without_rows(event, actions)
    assert holds_rows(event, actions) is bool(gone)
    assert (lean is event) is not bool(gone)
    text = lean.model_dump_json()
    assert (LEFT_OUT in text) is bool(gone)
    assert not [each for each in gone if f'"{each}' in text]


def test_figures_of_a_difference_stay() -> None:
    actions = actions_of(records(planned("a", COMPARE)))
    lean = without_rows(ended("a", result=difference(ROW)), actions)
    assert isinstance(lean, ev.StepFinished)
    table = DifferenceResult.model_validate(lean.result).difference.tables[0]
    assert (table.left, table.right, table.missing) == (3, 2, 1)
    assert table.sample[0].key == {"id": LEFT_OUT}
    assert table.sample[0].left == {"mail": LEFT_OUT, "x": LEFT_OUT}


def mapped(*events: ev.Event, mode: Mode = Mode.DRILL) -> ControlMap:
    return control_map(
        records(*events, mode=mode), {"gap": "reconcile", "save": "protect"}, "f" * 64
    )


def _of(found: ControlMap, clause: str) -> tuple[list[tuple[int, str, str]], str]:
    line = next(one for one in found.clauses if one.clause == clause)
    return [(one.seq, one.kind, one.state) for one in line.records], " ".join(line.not_covered)


def test_a_restore_that_did_not_succeed_is_a_record_and_no_success() -> None:
    for state in (
        StepEnd.FAILED,
        StepEnd.NOT_EXERCISED,
        StepEnd.COULD_NOT_VERIFY,
        StepEnd.IN_DOUBT,
    ):
        said, lacks = _of(mapped(planned("a", RESTORE), ended("a", state)), "CIS 11.5")
        assert said == [(1, "rehearsed", ""), (3, "restored", state.value)]
        assert "None that succeeded: a copy was restored" in lacks
        assert "No record: the restored data" in lacks


def test_what_succeeded_and_what_went_stale() -> None:
    good = (planned("a", VERIFY), ended("a"))
    said, lacks = _of(mapped(*good), "CIS 11.5")
    assert said[-1] == (3, "verified", "succeeded")
    assert "the restored data" not in lacks
    said, lacks = _of(mapped(*good, ev.StepInvalidated(step="a", because="x")), "CIS 11.5")
    assert said[-1] == (3, "verified", "succeeded, stale since")
    assert "None that succeeded: the restored data" in lacks


def test_a_persons_word_is_marked_as_one() -> None:
    elsewhere = ev.StepDoneElsewhere(
        step="gap", attempt=1, state=StepEnd.SUCCEEDED, reason="by hand"
    )
    said, _ = _of(mapped(elsewhere), "DORA 12(7)")
    assert said == [(2, "reconciled", "succeeded, by a person's word")]


def test_a_live_incident_is_no_rehearsal() -> None:
    assert _of(mapped(mode=Mode.LIVE), "NIS2 4.2.6")[0] == [(1, "live", "")]
    assert _of(mapped(), "SOC 2 CC7.5")[0] == []
    assert "was opened" in _of(mapped(), "SOC 2 CC7.5")[1]


def test_every_clause_says_what_no_incident_can_show() -> None:
    assert all(clause.beyond and set(clause.kinds) <= KINDS.keys() for clause in CLAUSES)
    assert len({clause.id for clause in CLAUSES}) == len(CLAUSES)


def test_personal_data_by_kind() -> None:
    found = records(
        planned("a", SQL),
        ended("a", result=ASKED),
        ev.NoteAdded(text="x"),
        ev.HandedOver(to="Grace"),
        ev.ApprovalGiven(step="a", attempt=1, by="Ada"),
        ev.ProcessStarted(step="a", attempt=1, pid=1, started=1, argv=("x",)),
        ev.ExternalFileTaken(name="log", sha256="0" * 64, artifacts=(), entries=1),
        ev.ExternalEntryAdded(
            happened_at=datetime(2026, 4, 24, tzinfo=UTC), author="Eve", text="x", source="log",
            file="0" * 64, line=1, digest="0" * 64,
        ),
    )  # fmt: skip
    listed = personal(found, rows=True, contacts=False, artifacts=True)
    said = {one.what.split(",")[0].split(":")[0]: one.records for one in listed}
    assert said == {
        "names of operators": "1-9",
        "inputs of the incident": "1-2",
        "rows of databases": "3",
        "notes": "4",
        "who it was handed over to": "5",
        "who approved": "6",
        "command lines": "7",
        "what other systems' files said": "8-9",
        "files that were kept as evidence; nobody looked into them": "artifacts/",
    }
    without = personal(found, rows=False, contacts=False, artifacts=False)
    assert not [one for one in without if one.what.startswith("rows")]


@pytest.mark.parametrize(
    ("numbers", "said"), [((), ""), ((3,), "3"), ((1, 2, 3), "1-3"), ((1, 3, 4, 9), "1, 3-4, 9")]
)
def test_ranges(numbers: tuple[int, ...], said: str) -> None:
    assert ranges(numbers) == said
