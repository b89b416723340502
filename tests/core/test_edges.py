"""What the tables of the other files do not touch, each with why it matters."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from drbook.core import events as ev
from drbook.core.actions import Action, Probed
from drbook.core.engine import arguments
from drbook.core.errors import DrbookError, ExitCode, Problem, RunbookInvalid
from drbook.core.events import Effect, Event, IllegalEvent, Mode, Plan, Record
from drbook.core.expressions import Const, ExpressionError, Filter, Path, paths
from drbook.core.fold import evolve, fold
from drbook.core.points import RecoveryPoint
from drbook.core.results import read_result
from drbook.core.runbook import CompiledStep, Runbook, RunbookDocument
from drbook.core.state import IncidentState
from drbook.core.targets import DatabaseRef, TargetSpec
from drbook.core.values import Frozen, parse_time, show_size
from drbook.journal.codec import normal
from drbook.journal.reader import read

NOW = datetime(2026, 4, 24, 22, 0, tzinfo=UTC)


class Params(Frozen):
    pass


class Silent(Action[Params]):
    """An action that has no probe of its own."""

    name = "silent"
    params = Params

    def __init__(self, effect: Effect) -> None:
        self.effect = effect

    def plan(self, params: Params, context: Any) -> Plan:
        raise NotImplementedError

    def perform(self, params: Params, context: Any, ports: Any) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("effect", "answer"),
    [
        (Effect.NONE, "did-not-happen"),
        (Effect.IDEMPOTENT, "unknown"),
        (Effect.ONCE, "unknown"),
    ],
)
def test_an_action_that_cannot_look_knows_nothing_unless_it_changes_nothing(
    effect: Effect, answer: str
) -> None:
    nothing: Any = None
    found = Silent(effect).probe(Params(), nothing, nothing)
    assert isinstance(found, Probed)
    assert found.answer == answer


def record(seq: int, event: Event) -> Record:
    return Record(
        seq=seq, at=NOW, mono_ns=seq, mode=Mode.LIVE, actor="ops", host="h", event=event, prev=""
    )  # fmt: skip


OPENED = ev.IncidentOpened(
    incident="i",
    mode=Mode.LIVE,
    title="T",
    runbook_sha256="0" * 64,
    runbook_file="r",
    drbook_version="0",
    inputs={},
    steps=("a",),
)


class Strange(Event):
    pass


class StrangeStep(ev.StepEvent):
    pass


@pytest.mark.parametrize("event", [Strange(), StrangeStep(step="a")])
def test_an_event_that_nobody_knows_is_never_passed_over(event: Event) -> None:
    state = fold([record(1, OPENED)])
    with pytest.raises(IllegalEvent, match="nobody knows what it means"):
        evolve(state, record(2, event))


def test_arguments_that_are_no_mapping_are_an_error() -> None:
    document = RunbookDocument.model_validate(
        {"drbook": 1, "title": "T", "steps": [{"id": "a", "phase": "restore", "do": "x"}]}
    )
    step = CompiledStep(
        step=document.steps[0],
        arguments=Const("text"),
        when=None,
        confirm_type=None,
        needs=frozenset(),
        uses=frozenset(),
    )
    runbook = Runbook(document=document, sha256="0" * 64, file="r", source=b"", steps=(step,))
    with pytest.raises(ExpressionError, match="arguments of step a are not a mapping"):
        arguments(runbook, IncidentState(), "a")


def test_a_filter_without_an_argument_mentions_what_it_filters() -> None:
    inner = Path(("inputs", "day"))
    assert list(paths(Filter(inner, "count", None))) == [inner]


def test_problems_say_where_what_and_what_was_expected() -> None:
    one = Problem("a.yaml", 3, 5, "steps.0", "5", "a string")
    two = Problem("a.yaml", 0, 0, "", "nothing", "a runbook")
    assert str(one) == "a.yaml:3:5: steps.0: found 5; expected a string"
    assert str(two) == "a.yaml: found nothing; expected a runbook"
    assert RunbookInvalid([one]).what.startswith("The runbook has 1 problem:\n")
    both = RunbookInvalid([one, two])
    assert both.what == f"The runbook has 2 problems:\n{one}\n{two}"
    assert (both.exit_code, both.code) == (ExitCode.USAGE, "runbook-invalid")


def test_an_error_explains_itself_one_thought_a_line() -> None:
    assert DrbookError("It broke.").explain() == "It broke."
    whole = DrbookError("It broke.", means="It is broken.", next="Mend it.", code="c")
    assert whole.explain() == "It broke.\nWhat it means: It is broken.\nWhat to do: Mend it."
    assert (whole.code, DrbookError("x").code, str(whole)) == ("c", "internal", "It broke.")


@pytest.mark.parametrize(
    ("by", "late"), [("store", True), ("file", True), ("tool", False), ("manifest", False)]
)
def test_a_copy_dated_by_its_storing_is_older_than_its_date(by: Any, late: bool) -> None:
    point = RecoveryPoint(
        source="s", id="i", taken_at=NOW, taken_by=by, size=1, format="pg_dump", location="l"
    )
    assert point.dated_late is late


def test_a_recorded_result_of_another_shape_is_no_result() -> None:
    class Counted(Frozen):
        rows: int

    assert read_result(Counted, {"rows": 3}) == Counted(rows=3)
    assert read_result(Counted, {"lines": 3}) is None
    assert read_result(Counted, None) is None


def test_a_runbooks_version_is_a_number_and_no_truth() -> None:
    with pytest.raises(ValidationError, match="the number 1"):
        RunbookDocument.model_validate({"drbook": True, "title": "T", "steps": []})


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"service": "prod"}, "service prod"),
        ({"dsn": "env:DSN"}, "the DSN in env:DSN"),
        ({"dsn": "cmd:vault read marker"}, "the DSN in cmd:vault"),
        ({"host": "db", "port": 5433, "dbname": "rental", "user": "u"}, "db:5433/rental"),
        ({"host": "db", "user": "u"}, "db/u"),
        ({"host": "db"}, "db/postgres"),
    ],
)
def test_a_database_is_shown_without_its_secrets(fields: dict[str, Any], shown: str) -> None:
    assert DatabaseRef.model_validate(fields).show() == shown


@pytest.mark.parametrize(
    "fields", [{}, {"service": "a", "host": "b"}, {"dsn": "env:A", "host": "b"}]
)
def test_a_database_is_reached_one_way(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one of service, dsn or host"):
        DatabaseRef.model_validate(fields)


def test_a_kind_of_target_says_what_it_makes_and_touches() -> None:
    spec = TargetSpec(kind="cluster")
    assert spec.into("restore-1") == "new cluster restore-1"
    assert spec.making == "makes an empty cluster"
    assert spec.touches == "only the new cluster"


def test_a_time_as_utc_in_words() -> None:
    assert parse_time("2026-04-24 22:00 UTC") == NOW
    assert parse_time(" 2026-04-24T22:00:00Z ") == NOW


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (200 * 1024, "200 KiB"),
        (1024**2 - 1, "1024 KiB"),
        (1024**2, "1.0 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5 * 1024**4, "5.0 TiB"),
        (5000 * 1024**4, "5000 TiB"),
    ],
)
def test_sizes_have_a_unit(size: int, shown: str) -> None:
    assert show_size(size) == shown


def test_what_cannot_be_recorded_is_an_error_and_not_its_name() -> None:
    value: Any = {"x": [object()]}
    with pytest.raises(TypeError, match="object cannot be recorded"):
        normal(value)


def test_a_journal_that_cannot_be_read_is_not_a_missing_one(tmp_path: Any) -> None:
    with pytest.raises(DrbookError, match="cannot be read: Is a directory"):
        read(tmp_path)
    with pytest.raises(DrbookError, match="There is no journal at"):
        read(tmp_path / "journal.jsonl")
