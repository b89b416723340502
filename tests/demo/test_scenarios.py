"""Scenarios led to their ends in worlds of their own, with the faults real: what must come out, and what would
come out if nobody did what the runbook asks for.

The others, and all of them by keys: `tests/campaigns/scenarios.py`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from drbook.app.audit import Order, audit
from drbook.app.autopilot import run_unattended
from drbook.app.inspect import Inspection
from drbook.app.model import ChoosePoint
from drbook.app.places import Home
from drbook.app.report import report
from drbook.app.session import Session
from drbook.app.shipped import open_runbook
from drbook.cli.demo import _clean
from drbook.core.engine import Outcome
from drbook.core.errors import ExitCode
from drbook.core.points import Answer
from drbook.core.state import StepState
from drbook.demo.playing import answering, told
from drbook.demo.scenario import Scenario
from drbook.demo.world import World, world
from drbook.demo.worlds import story

ROWS = 2000


def quiet(_: object) -> None:
    """Nobody listens."""


@contextmanager
def after(name: str) -> Iterator[tuple[World, Session]]:
    """A scenario's world after its disaster, and its rehearsal, which is led and closed in the block."""
    with told(story(name), ROWS, keep=False, tell=quiet) as (made, session):
        try:
            with session:
                yield made, session
        finally:
            _clean(session, made)


def led(session: Session, responder: Scenario, again: tuple[str, ...] = ()) -> Outcome:
    return run_unattended(session.driver, responder, quiet, again=lambda _: again)


def texts(session: Session) -> str:
    return " ".join(str(record.event) for record in session.driver.snapshot.records)


def test_five_methods_have_failed_and_what_is_left_is_never_called_verified() -> None:
    """In calm times the audit would have told; after it, each method fails in its own way, and the copy for
    staging goes live as what it is."""
    one = story("wrong-host-wiped")
    with world(ROWS, keep=False, tell=quiet, kind=one.world) as made:
        runbook, environment = open_runbook(str(made.runbook())), made.environment()
        order = Order(runbook, environment, Home(made.folder / "home"), made.folder)
        with_secrets = Inspection(runbook, {}, environment, quiet)
        lines = audit(order, with_secrets, full=True).copies
        failed = " ".join(line.reason for line in lines if line.answer is Answer.FAIL)
        assert "it is a broken gzip stream" in failed
        assert "20 B" in failed or "dumps" in failed

    with after(one.name) as (made, session):
        ended = led(session, answering(one, made))
        assert one.expected.unmet(report(session.driver.snapshot, ended)) == []
        said = texts(session)
        for each in ("bucket: 0 copies", "snapshots: 0 copies", "standby: not reachable"):
            assert each in said
        runs = session.driver.snapshot.state.steps
        assert runs["verify"].accepted == one.accepts["verify"]
        assert runs["decide"].answer == "degraded"


def test_nobody_goes_on_without_a_word_about_what_is_missing() -> None:
    """The same without the recorded decision: it ends where verify could not."""
    one = story("wrong-host-wiped")
    with after(one.name) as (made, session):
        ended = led(session, Scenario(one.answers, {}, made.hand))
        assert ended.code is ExitCode.COULD_NOT_VERIFY
        assert session.driver.snapshot.state.steps["decide"].state is StepState.PENDING


def test_made_up_rows_fail_and_the_older_copy_is_the_honest_one() -> None:
    one = story("fabricated-rows")
    with after(one.name) as (made, session):
        ended = led(session, answering(one, made))
        told_of = report(session.driver.snapshot, ended)
        assert one.expected.unmet(told_of) == []
        tables: Any = told_of["tables"]
        assert {each["verdict"] for each in tables} == {"pass"}, "its counts and content are equal"

        older = [
            each["copy"]
            for each in told_of["rejected"]  # type: ignore[union-attr]
            if "older than the chosen copy" in str(each)  # type: ignore[index]
        ]
        assert len(older) == 2
        located = session.driver.snapshot.state.steps["locate"].result
        assert isinstance(located, Mapping)
        point: Any = located["judgements"][1]["point"]  # type: ignore[index, call-overload]
        choice = ChoosePoint(
            "locate", point["source"], point["id"], point["version"], "from before it"
        )
        session.driver.submit(choice).result(timeout=60)
        ended = led(session, answering(one, made), again=("restore",))
        told_of = report(session.driver.snapshot, ended)
        assert ended.code is ExitCode.DONE
        assert told_of["choice"]["break_glass"] is False  # type: ignore[index, call-overload]


@pytest.mark.parametrize("paused", [True, False], ids=["paused", "not paused"])
def test_the_backup_server_purges_where_nobody_pauses_it(paused: bool) -> None:
    """Both ways, with the job real: the step is what the copies live by."""
    one = story("purging-backup-server")
    with after(one.name) as (made, session):
        disk = made.folder / "backup-server" / "disk"
        assert len(list(disk.glob("*.dump"))) == 2

        def careless(step: str) -> None:
            if step != "pause":
                made.hand(step)

        scenario = Scenario(one.answers, one.accepts, made.hand if paused else careless)
        ended = led(session, scenario)
        unmet = one.expected.unmet(report(session.driver.snapshot, ended))
        if paused:
            assert unmet == []
            assert len(list(disk.glob("*.dump"))) == 2
        else:
            assert list(disk.iterdir()) == []
            assert ended.code is ExitCode.FAILED
            assert session.driver.snapshot.state.steps["locate"].state is StepState.FAILED


def test_without_the_go_bag_nobody_knows_what_was_lost() -> None:
    """The account is gone with production and its baselines: left out, the loss cannot be told."""
    one = story("account-lost")
    with after(one.name) as (made, session):

        def empty_handed(step: str) -> None:
            """Says that it was done, and has no go-bag."""

        ended = led(session, Scenario(one.answers, one.accepts, empty_handed))
        assert ended.code is not ExitCode.DONE
        assert "the loss cannot be told" in texts(session)
