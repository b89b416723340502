"""`postgres.verify`: what it asks, in which words it ends, and what it never calls verified."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.evidence import located
from support.identities import who

from drbook.actions.verify import Verify, VerifyParams
from drbook.core.actions import Finished, StepContext
from drbook.core.assertions import Assertion
from drbook.core.baseline import TableCount, TableCounts
from drbook.core.errors import Cancelled, CouldNotVerify, DrbookError, StepFailed, UsageError
from drbook.core.events import Mode, StepEnd
from drbook.core.pages import PageFlaw, Pages, PagesUnread
from drbook.core.ports import Ports
from drbook.core.remarks import Question, TableVerdict
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Working, finish
from drbook.core.targets import DatabaseRef, QueryResult, Target

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


def counted(*tables: TableCount) -> TableCounts:
    return TableCounts(identity=who(), taken_at=AT, tables=tables)


def verified(
    answers: Sequence[QueryResult | DrbookError],
    assertions: Sequence[dict[str, Any]],
    cancelled: bool = False,
    pages: Pages | None = None,
    unread: DrbookError | None = None,
) -> Finished:
    """`pages` are those that the target has, where they are asked for; `unread` is why its backup's
    manifest is not."""
    left = list(answers)

    def count(target: Target, **_: object) -> Working[TableCounts]:
        yield from ()
        return counted(TableCount(table="public.t", rows=1))

    def reach(target: Target) -> Working[DatabaseRef]:
        yield from ()
        return REF

    def query(*_: object, **__: object) -> QueryResult:
        answer = left.pop(0)
        if isinstance(answer, DrbookError):
            raise answer
        return answer

    def read_pages(target: Target) -> Working[Pages]:
        assert pages is not None
        yield from ()
        return pages

    def raise_if_requested() -> None:
        if cancelled and len(left) < len(answers):
            raise Cancelled("Stopped.")

    def manifest(_: object) -> None:
        assert unread is not None
        raise unread

    ports = SimpleNamespace(
        backups=SimpleNamespace(manifest=manifest),
        targets=SimpleNamespace(count=count, reach=reach, pages=read_pages),
        databases=SimpleNamespace(query=query),
        cancel=SimpleNamespace(raise_if_requested=raise_if_requested),
    )
    document = RunbookDocument.model_validate(
        {"drbook": 1, "title": "Lost", "steps": [{"id": "v", "phase": "verify", "do": "note"}]}
    )
    context = StepContext("i", Mode.DRILL, "v", 1, "v", AT, document)
    params = VerifyParams(
        target=TARGET,
        baseline=None,
        point=located().point if unread is not None else None,
        pages=pages is not None,
        assertions=tuple(Assertion.model_validate(one) for one in assertions),
    )
    return finish(Verify().perform(params, context, cast("Ports", ports)))


def said(value: str | None) -> QueryResult:
    return QueryResult(columns=("a",), rows=((value,),))


ONE = {"name": "one", "sql": "SELECT 1", "equals": 1}
TWO = {"name": "two", "sql": "SELECT 2", "min": 2}


def verdicts(found: Finished) -> list[tuple[str, TableVerdict]]:
    comparison = cast("Any", found.result).comparison
    return [(one.subject, one.verdict) for one in comparison.of(Question.ASSERTION)]


def test_assertions_are_asked_and_decide() -> None:
    good, fail, unsure = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY
    found = verified([said("1"), said("1")], [ONE, TWO])
    assert verdicts(found) == [("two", fail), ("one", good)]
    assert found.state is StepEnd.FAILED
    assert "assertion two: 1, less than 2" in found.reason
    # One that does not run to its end is not verified, and does not stop the others.
    broken = StepFailed("The query failed: no such table", code="sql")
    found = verified([broken, said("2")], [ONE, TWO])
    assert verdicts(found) == [("one", unsure), ("two", good)]
    gone = verified([CouldNotVerify("The server went away."), said("2")], [ONE, TWO])
    assert verdicts(gone)[0] == ("one", unsure)


def test_without_anything_to_compare_with_good_assertions_do_not_verify_the_rows() -> None:
    found = verified([said("1")], [ONE])
    assert found.state is StepEnd.COULD_NOT_VERIFY
    assert "0 tables are equal" in found.reason


def test_a_manifest_that_could_not_be_asked_for_is_said_first_and_nothing_else_is_advised() -> None:
    found = verified([], [], unread=UsageError("The secret env:KEY cannot be read."))
    assert found.state is StepEnd.COULD_NOT_VERIFY
    assert found.reason.startswith("the manifest could not be read: The secret env:KEY")
    assert "recorded decision" not in found.next
    assert "run this step again" in found.next


def test_damaged_pages_fail_it_and_pages_that_could_not_be_read_are_not_verified() -> None:
    sound = Pages(tables=3, indexes=2, bytes=8192, checksums=True)
    flaw = PageFlaw(relation="public.t", check="index", words="lacks matching index tuple")
    unread = PagesUnread(relation="public.t", why="permission denied")
    found = verified([], [], pages=sound.model_copy(update={"flaws": (flaw,)}))
    assert found.state is StepEnd.FAILED
    assert "pages public.t: index: lacks matching index tuple" in found.reason
    found = verified([], [], pages=sound.model_copy(update={"unread": (unread,)}))
    assert found.state is StepEnd.COULD_NOT_VERIFY
    assert "pages public.t: permission denied" in found.reason


def test_pages_are_read_only_where_it_is_asked_for_and_the_plan_says_so() -> None:
    document = RunbookDocument.model_validate(
        {"drbook": 1, "title": "Lost", "steps": [{"id": "v", "phase": "verify", "do": "note"}]}
    )
    context = StepContext("i", Mode.DRILL, "v", 1, "v", AT, document)
    for asked in (True, False):
        plan = Verify().plan(VerifyParams(target=TARGET, pages=asked), context)
        assert any("every page" in one for one in plan.does) is asked
    unknown = Pages(tables=3, indexes=2, bytes=8192, unknown_methods={"gist": 1})
    found = verified([], [], pages=unknown)
    left = cast("Any", found.result).comparison.not_compared
    assert any(one.startswith("the pages of 1 gist index") for one in left)
    found = verified([], [])  # without pages, asking for them would fail here
    assert not any(one.check == "pages" for one in cast("Any", found.result).comparison.remarks)


def test_a_cancel_between_assertions_is_none_of_their_answers() -> None:
    with pytest.raises(Cancelled):
        verified([StepFailed("canceling statement"), said("2")], [ONE, TWO], cancelled=True)


def test_their_queries_are_in_the_plan_by_name_and_hold_no_expressions() -> None:
    assert Verify.literal == ("assertions",)
    params = VerifyParams(target=TARGET, assertions=(Assertion.model_validate(ONE),))
    document = RunbookDocument.model_validate(
        {"drbook": 1, "title": "Lost", "steps": [{"id": "v", "phase": "verify", "do": "note"}]}
    )
    plan = Verify().plan(params, StepContext("i", Mode.DRILL, "v", 1, "v", AT, document))
    assert "asks: one" in plan.does
