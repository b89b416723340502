"""How a request and a command end: done, failed, or in doubt where nobody was told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from drbook.actions.outside import Http, HttpParams, Shell, ShellParams, Sql
from drbook.core.actions import Finished, StepContext
from drbook.core.events import Mode, StepEnd
from drbook.core.ports import Ports
from drbook.core.runbook import RunbookDocument
from drbook.core.targets import HttpResult, ProcessResult

CONTEXT = StepContext(
    incident="20260424-x-7f3a",
    mode=Mode.LIVE,
    step="revoke",
    attempt=1,
    title="Revoke it",
    occurred=datetime(2026, 4, 24, tzinfo=UTC),
    document=RunbookDocument.model_validate(
        {"drbook": 1, "title": "T", "steps": [{"id": "a", "phase": "detect", "do": "x"}]}
    ),
    answer=None,
    comment="",
)


def ended(work: Iterator[Any]) -> Finished:
    with pytest.raises(StopIteration) as end:
        next(work)
    return cast("Finished", end.value.value)


def requested(status: int, **params: Any) -> Finished:
    http = SimpleNamespace(send=lambda *_, **__: HttpResult(status=status, seconds=1, body=""))
    given = HttpParams.model_validate({"url": "https://api.example/x", **params})
    return ended(Http().perform(given, CONTEXT, cast("Ports", SimpleNamespace(http=http))))


def ran(code: int, **params: Any) -> Finished:
    def run(*_: object, **__: object) -> Iterator[Any]:
        yield from ()
        return ProcessResult(argv=("sh",), exit_code=code, seconds=1, stdout="", stderr="oh")

    given = ShellParams.model_validate({"shell": "x", **params})
    ports = cast("Ports", SimpleNamespace(processes=SimpleNamespace(run=run)))
    return ended(Shell().perform(given, CONTEXT, ports))


@pytest.mark.parametrize(
    ("method", "status", "state"),
    [
        ("POST", 201, StepEnd.SUCCEEDED),
        ("POST", 101, StepEnd.IN_DOUBT),
        ("POST", 302, StepEnd.IN_DOUBT),
        ("PUT", 303, StepEnd.IN_DOUBT),
        ("GET", 303, StepEnd.FAILED),
        ("POST", 401, StepEnd.FAILED),
        ("POST", 407, StepEnd.FAILED),
        ("POST", 408, StepEnd.IN_DOUBT),
        ("POST", 409, StepEnd.FAILED),
        ("POST", 429, StepEnd.FAILED),
        ("POST", 499, StepEnd.FAILED),
        ("POST", 500, StepEnd.IN_DOUBT),
        ("POST", 501, StepEnd.FAILED),
        ("DELETE", 502, StepEnd.IN_DOUBT),
        ("PUT", 503, StepEnd.IN_DOUBT),
        ("PATCH", 504, StepEnd.IN_DOUBT),
        ("POST", 505, StepEnd.FAILED),
        ("POST", 599, StepEnd.IN_DOUBT),
        ("GET", 504, StepEnd.FAILED),
        ("HEAD", 500, StepEnd.FAILED),
    ],
)
def test_an_answer_that_does_not_say_leaves_a_change_in_doubt(
    method: str, status: int, state: StepEnd
) -> None:
    found = requested(status, method=method)
    assert found.state is state
    assert f"answered {status}" in found.reason
    assert ("settle it" in found.next) is (state is StepEnd.IN_DOUBT)
    assert bool(found.means) is (state is not StepEnd.SUCCEEDED)


def test_an_expected_answer_is_well_whatever_it_is() -> None:
    assert requested(504, method="POST", expect=[504]).state is StepEnd.SUCCEEDED
    other = requested(200, method="POST", expect=[201])
    assert other.state is StepEnd.IN_DOUBT
    assert other.reason.startswith(
        "POST https://api.example/x answered 200, not 201: that does not"
    )
    refused = requested(409, method="POST", expect=[201])
    assert (refused.state, refused.reason) == (
        StepEnd.FAILED,
        "POST https://api.example/x answered 409, not 201.",
    )


@pytest.mark.parametrize(
    ("changes", "code", "state"),
    [
        ("outside", 0, StepEnd.SUCCEEDED),
        ("outside", 1, StepEnd.FAILED),
        ("outside", 128, StepEnd.FAILED),
        ("outside", 129, StepEnd.IN_DOUBT),
        ("target", 137, StepEnd.IN_DOUBT),
        ("outside", 192, StepEnd.IN_DOUBT),
        ("outside", 193, StepEnd.FAILED),
        ("outside", 255, StepEnd.FAILED),
        ("nothing", 137, StepEnd.FAILED),
    ],
)
def test_a_command_that_a_signal_ended_is_in_doubt(changes: str, code: int, state: StepEnd) -> None:
    found = ran(code, changes=changes)
    assert found.state is state
    assert f"exit code {code}" in found.reason
    assert (f"signal {code - 128}" in found.reason) is (state is StepEnd.IN_DOUBT)


def test_a_command_may_be_meant_to_end_so() -> None:
    assert ran(143, expect=[0, 143]).state is StepEnd.SUCCEEDED


@pytest.mark.parametrize(
    ("action", "params", "runs"),
    [
        (
            Sql(),
            {
                "sql": "SELECT count(*) FROM t WHERE day = %(day)s\n",
                "params": {"day": "2026-04-24"},
            },
            ("SELECT count(*) FROM t WHERE day = %(day)s", 'day = "2026-04-24"'),
        ),
        (
            Shell(),
            {"shell": 'lsof "$1"', "args": ["/srv/a b"], "secrets": {"TOKEN": "env:TOKEN"}},
            (
                "/bin/sh -c 'lsof \"$1\"' drbook '/srv/a b'",
                "with TOKEN=env:TOKEN in its environment",
            ),
        ),
        (Shell(), {"shell": "sync"}, ("/bin/sh -c sync",)),
        (
            Http(),
            {
                "url": "https://api.example.com/tokens/7",
                "method": "DELETE",
                "secret_headers": {"X-Key": "env:KEY"},
            },
            ("curl --request DELETE --header 'X-Key: <env:KEY>' https://api.example.com/tokens/7",),
        ),
        (
            Http(),
            {
                "url": "https://api.example.com/x",
                "method": "POST",
                "body": {"a": 1},
                "secret_body": {"auth.password": "file:/k"},
            },
            (
                "curl --request POST --header 'Content-Type: application/json' "
                "--data '{\"a\": 1}' https://api.example.com/x"
                "   # and in the body auth.password = <file:/k>",
            ),
        ),
    ],
)
def test_the_plan_says_exactly_what_runs_with_secrets_as_references(  # type: ignore[no-untyped-def]
    action, params, runs
) -> None:
    plan = action.plan(action.params.model_validate(params), CONTEXT)
    assert plan.runs == runs
