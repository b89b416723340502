"""`postgres.difference` and the places in `postgres.verify`: what is asked, and in which words it ends."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.identities import who

from drbook.actions.difference import CompareRows, DifferenceParams
from drbook.actions.verify import Verify, VerifyParams
from drbook.core.actions import Finished, StepContext
from drbook.core.baseline import Baseline, TableCount, TableCounts
from drbook.core.difference import Difference, TableDifference, Wish
from drbook.core.errors import Cancelled, CouldNotVerify, DrbookError
from drbook.core.events import Mode, StepEnd
from drbook.core.ports import Ports
from drbook.core.ranges import Ranges, Stretch
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone, Working, finish
from drbook.core.targets import DatabaseRef, Target

AT = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)
REF = DatabaseRef(host="/nowhere")
TARGET = Target(
    kind="cluster",
    name="restore-1",
    nonce="1",
    location="/x",
    connect=REF,
    identity=who(),
    proof="made here",
    whole_server=True,
)


def context(production: Mapping[str, Any] | None = None) -> StepContext:
    document = RunbookDocument.model_validate(
        {
            "drbook": 1,
            "title": "Lost",
            "steps": [{"id": "v", "phase": "verify", "do": "note"}],
            **({"production": production} if production else {}),
        }
    )
    return StepContext("i", Mode.DRILL, "v", 1, "v", AT, document)


PRODUCTION = {
    "database": {"service": "rental-prod"},
    "domain": {"provider": "here", "account": "a", "resource": "r", "credentials": ["c"]},
    "ignore_schemas": ["cache"],
}


def compared(*tables: TableDifference) -> tuple[Finished, list[Any]]:
    asked: list[Any] = []

    def differences(
        left: DatabaseRef, right: DatabaseRef, wish: Wish, *, ignore_schemas: tuple[str, ...]
    ) -> Working[Difference]:
        yield from ()
        asked.extend([left, right.service, wish, ignore_schemas])
        return Difference(left=who(), right=who(), tables=tables)

    def reach(target: Target) -> Working[DatabaseRef]:
        yield from ()
        return REF

    ports = SimpleNamespace(
        targets=SimpleNamespace(reach=reach), databases=SimpleNamespace(differences=differences)
    )
    params = DifferenceParams(
        target=TARGET, tables=("public.a",), sample=3, show={"public.a": ("id",)}
    )
    found = finish(CompareRows().perform(params, context(PRODUCTION), cast("Ports", ports)))
    return found, asked


def table(name: str, missing: int = 0, why: str = "") -> TableDifference:
    return TableDifference(table=name, left=9, right=9 - missing, missing=missing, why_unknown=why)


def test_it_asks_for_what_the_runbook_says() -> None:
    _, asked = compared(table("public.a"))
    wish = Wish(tables=("public.a",), sample=3, show={"public.a": ("id",)})
    assert asked == [REF, "rental-prod", wish, ("cache",)]


def test_differences_are_the_answer_and_no_failure() -> None:
    found, _ = compared(table("public.a"), table("public.b", 2), table("public.c", 5))
    assert found.state is StepEnd.SUCCEEDED
    assert found.reason == (
        "2 of 3 tables differ, 1 are equal: public.c: 5 rows missing; public.b: 2 rows missing"
    )


def test_a_table_that_was_not_compared_is_unknown() -> None:
    found, _ = compared(table("public.a"), table("public.b", why="its columns are not the same"))
    assert found.state is StepEnd.COULD_NOT_VERIFY
    assert found.reason.startswith(
        "1 table could not be compared; 0 of 2 tables differ, 1 are equal"
    )
    assert "its columns are not the same" in found.reason
    nothing, _ = compared()
    assert nothing.state is StepEnd.COULD_NOT_VERIFY


def test_its_plan_says_what_is_read_and_what_is_shown() -> None:
    tables = tuple(f"public.t{n}" for n in range(7))
    params = DifferenceParams(target=TARGET, tables=tables, show={"public.t1": ("id", "total")})
    plan = CompareRows().plan(params, context(PRODUCTION))
    assert "public.t4 and 2 more of restore-1" in plan.does[0]
    assert plan.does[-1] == "shows of public.t1: id, total"
    assert "rental-prod" in plan.source
    assert "every table" in CompareRows().plan(DifferenceParams(target=TARGET), context()).does[0]


# --- the places in a verification ----------------------------------------------------------------


def stretches(*rows: int) -> Ranges:
    parts = tuple(
        Stretch(at=n, rows=each, content=str(each)) for n, each in enumerate(rows) if each
    )
    return Ranges(column="id", kind="integer", width=10, parts=parts)


def verified(
    answer: Mapping[str, Ranges] | DrbookError, *, cancelled: bool = False
) -> tuple[Any, list[str]]:
    """A table of 20 rows in the baseline, 15 of which came back."""
    baseline = TableCounts(
        identity=who(),
        taken_at=AT,
        tables=(TableCount(table="public.t", rows=20, ranges=stretches(10, 10)),),
    )

    def count(target: Target, **_: object) -> Working[TableCounts]:
        yield from ()
        return TableCounts(
            identity=who(), taken_at=AT, tables=(TableCount(table="public.t", rows=15),)
        )

    def reach(target: Target) -> Working[DatabaseRef]:
        yield from ()
        return REF

    def asked(_: DatabaseRef, wanted: Mapping[str, Ranges], **__: object) -> Any:
        yield from ()
        assert list(wanted) == ["public.t"]
        if isinstance(answer, DrbookError):
            raise answer
        return answer

    def raise_if_requested() -> None:
        if cancelled:
            raise Cancelled("Stopped.")

    ports = SimpleNamespace(
        targets=SimpleNamespace(count=count, reach=reach),
        databases=SimpleNamespace(stretches=asked),
        baselines=SimpleNamespace(
            listed=lambda: [("one", AT)],
            load=lambda _: Baseline(captured_at=AT, counts=baseline),
        ),
        cancel=SimpleNamespace(raise_if_requested=raise_if_requested),
    )
    work = Verify().perform(
        VerifyParams(target=TARGET, baseline="one"), context(), cast("Ports", ports)
    )
    said = []
    while True:
        try:
            signal = next(work)
        except StopIteration as end:
            return end.value.result.comparison.tables[0], said
        if isinstance(signal, Milestone):
            said.append(signal.text)


def test_lost_rows_have_a_place() -> None:
    row, _ = verified({"public.t": stretches(10, 5)})
    assert (row.lost, row.lost_where, row.where) == (5, ("id 10 to 19: 5 rows fewer",), ())


def test_that_nobody_could_look_is_said_and_changes_nothing() -> None:
    row, said = verified(CouldNotVerify("The server went away."))
    assert (row.lost, row.lost_where) == (5, ())
    assert said[-1] == "where the tables differ, could not be looked at: The server went away."
    left_out, _ = verified({})
    assert left_out == row


def test_a_cancel_is_no_missing_answer() -> None:
    with pytest.raises(Cancelled):
        verified(CouldNotVerify("canceling statement"), cancelled=True)
