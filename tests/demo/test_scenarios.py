"""Scenarios led to their ends in worlds of their own, with the faults real: what must come out, and what would
come out if nobody did what the runbook asks for.

The others, and all of them by keys: `tests/campaigns/scenarios.py`.
"""

import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from drbook.app.audit import Order, audit
from drbook.app.autopilot import run_unattended
from drbook.app.inspect import Inspection
from drbook.app.model import Answer as Answered
from drbook.app.model import Command, Confirm, Run, SetInput, Snapshot
from drbook.app.places import Home
from drbook.app.report import report
from drbook.app.session import Session
from drbook.app.shipped import open_runbook
from drbook.core.engine import Outcome
from drbook.core.errors import ExitCode
from drbook.core.events import Mode
from drbook.core.points import Answer
from drbook.core.results import ProposeResult, read_result
from drbook.core.state import StepState
from drbook.core.values import format_time
from drbook.demo.living import LivingWorld
from drbook.demo.playing import answering, opened, told
from drbook.demo.scenario import Scenario
from drbook.demo.story import Story
from drbook.demo.world import World, world
from drbook.demo.worlds import story

ROWS = 2000


def quiet(_: object) -> None:
    """Nobody listens."""


@contextmanager
def after(name: str) -> Iterator[tuple[World, Session]]:
    """A scenario's world after its disaster, and its rehearsal, which is led and closed in the block."""
    with told(story(name), ROWS, keep=False, tell=quiet) as (made, session), session:
        yield made, session


def led(session: Session, responder: Scenario, again: tuple[str, ...] = ()) -> Outcome:
    return run_unattended(session.driver, responder, quiet, again=lambda _: again)


def texts(session: Session) -> str:
    return " ".join(str(record.event) for record in session.driver.snapshot.records)


def test_five_methods_have_failed_and_what_is_left_is_never_called_verified() -> None:
    """In calm times the audit would have told. Then each method fails in its own way, and the copy for staging
    goes live as what it is: not without a word, and never as verified."""
    one = story("wrong-host-wiped")
    with world(ROWS, keep=False, tell=quiet, kind=one.world) as made:
        runbook, environment = open_runbook(str(made.runbook())), made.environment()
        order = Order(runbook, environment, Home(made.folder / "home"), made.folder)
        looked = Inspection(runbook, {}, environment, quiet)
        lines = audit(order, looked, full=True).copies
        failed = " ".join(line.reason for line in lines if line.answer is Answer.FAIL)
        assert "it is a broken gzip stream" in failed

        with opened(made, keep=False) as session:
            silent = led(session, Scenario(one.answers, {}, made.hand))
            assert silent.code is ExitCode.COULD_NOT_VERIFY
            runs = session.driver.snapshot.state.steps
            assert runs["decide"].state is StepState.PENDING

            ended = led(session, answering(one, made))
            assert one.expected.unmet(report(session.driver.snapshot, ended)) == []
            said = texts(session)
            for each in ("bucket: 0 copies", "snapshots: 0 copies", "standby: not reachable"):
                assert each in said
            runs = session.driver.snapshot.state.steps
            assert runs["verify"].accepted == one.accepts["verify"]
            assert runs["decide"].answer == "degraded"


def test_made_up_rows_fail_and_the_older_copy_is_the_honest_one() -> None:
    """Once it is said when it really began, the copy of after that is none any more."""
    one = story("fabricated-rows")
    with after(one.name) as (made, session):
        ended = led(session, answering(one, made))
        told_of = report(session.driver.snapshot, ended)
        assert one.expected.unmet(told_of) == []
        tables: Any = told_of["tables"]
        assert {each["verdict"] for each in tables} == {"pass"}, "its counts and content are equal"

        began = format_time(made.now - timedelta(hours=5))
        session.driver.submit(SetInput("occurred", began)).result(timeout=60)
        for step in ("locate", "restore", "verify"):  # what used the other time
            ended = led(session, answering(one, made), again=(step,))
        told_of = report(session.driver.snapshot, ended)
        assert told_of["outcome"] == "pass"
        rejected: Any = told_of["rejected"]
        assert rejected[0]["verdict"] == "shared"
        assert "what happened is in it" in str(rejected[0]["reasons"])


def test_the_backup_server_purges_where_nobody_pauses_it() -> None:
    """With the job real, and the start as the runbook asks for it: the step before is what the copies live by.
    (With the pause: the campaign's short form.)"""
    one = story("purging-backup-server")
    with after(one.name) as (made, session):
        disk = made.folder / "backup-server" / "disk"
        assert len(list(disk.glob("*.dump"))) == 2

        def careless(step: str) -> None:
            if step != "pause":
                made.hand(step)

        ended = led(session, Scenario(one.answers, one.accepts, careless))
        assert list(disk.iterdir()) == []
        assert ended.code is ExitCode.FAILED
        assert session.driver.snapshot.state.steps["locate"].state is StepState.FAILED


def held(made: World, what: str) -> Any:
    """What production itself says, asked past drbook."""
    with made.connected() as connection:
        row = connection.execute(f"SELECT {what}".encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_living_production_gets_its_dropped_table_back_and_nothing_else() -> None:
    """The shipped runbook live, with a person who types the name: what was dropped is there again to the cent,
    the desks have booked all the while, and the undo script on record takes exactly that back."""
    one = story("table-dropped")
    with world(ROWS, keep=False, tell=quiet, kind=one.world) as made:
        assert isinstance(made, LivingWorld)
        payments = "(SELECT count(*) || ' of ' || sum(amount_cents) FROM payments)"
        before, booked = held(made, payments), held(made, "(SELECT max(id) FROM reservations)")
        with opened(made, keep=True, mode=Mode.LIVE) as session:
            assert held(made, "to_regclass('payments')") is None
            by_a_person(session, one, made)
            runs = session.driver.snapshot.state.steps
            assert runs["stand_in"].state is runs["table_in_drill"].state is StepState.SKIPPED
            assert held(made, payments) == before
            undo = session.folder / json.loads(json.dumps(runs["apply"].result))["undo"]
            made.desk.close()
            assert made.desk.bookings == held(
                made, f"(SELECT max(id) - {booked} FROM reservations)"
            )
            made.do("psql", "-X", "-q", "-f", undo)
            assert held(made, "(SELECT count(*) FROM payments)") == 0
            assert made.desk.bookings == held(
                made, f"(SELECT max(id) - {booked} FROM reservations)"
            )


def by_a_person(session: Session, one: Story, made: World) -> None:
    """Live, to the last step: questions are answered as the scenario does, after it was done; names are typed."""
    said: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
    session.driver.subscribe(said.put)
    said.put(session.driver.snapshot)
    done = 0

    def do(command: Command) -> int:
        return session.driver.submit(command).result(timeout=60)

    while True:
        snapshot = said.get(timeout=60)
        if snapshot.state.seq < done:
            continue  # taken before the last command was carried out
        runs, decision = snapshot.state.steps, snapshot.decision
        ill = [run for run in runs.values() if run.state in (StepState.FAILED, StepState.REFUSED)]
        assert not ill, ill
        if all(run.state in (StepState.SUCCEEDED, StepState.SKIPPED) for run in runs.values()):
            return
        waiting = [step for step in decision.awaiting if step not in snapshot.cooling]
        if waiting:
            (step, *_) = waiting
            plan = runs[step].plan
            assert plan is not None
            if step in one.answers:
                made.hand(step)
                done = do(Answered(step, *one.answers[step]))
            else:
                assert plan.confirm == "rental"
                done = do(Confirm(step, plan.confirm))
        elif decision.ready and not decision.running and not snapshot.cooling:
            done = do(Run(decision.ready[0]))


def test_overwritten_rows_are_decided_by_table_and_production_is_only_read() -> None:
    """Merged into the stand-in; what the other answer would come to is told, too."""
    one = story("rows-overwritten")
    with after(one.name) as (made, session):
        assert isinstance(made, LivingWorld)
        customers = "(SELECT count(*) FROM customers WHERE email LIKE '%@import.example')"
        wrong = held(made, customers)
        ended = led(session, answering(one, made))
        told_of = report(session.driver.snapshot, ended)
        assert one.expected.unmet(told_of) == []
        assert held(made, customers) == wrong > 0, "a drill writes nothing to production"
        runs = session.driver.snapshot.state.steps
        found = read_result(ProposeResult, runs["propose"].result)
        assert found is not None
        shown = found.conflicts["public.reservations"]
        assert {one.restored["state"] for one in shown} == {"confirmed"}
        assert {one.production["state"] for one in shown} == {"picked_up"}
        by_table: Any = told_of["merged"]
        back = next(t["updated"] for t in by_table[0]["tables"] if t["table"] == "public.customers")
        between = int(str(json.loads(json.dumps(runs["between"].result))["value"]))
        assert back + between == wrong, "who came between the copy and the migration is told of"


def test_a_drill_in_which_nobody_dumped_production_proves_nothing() -> None:
    """The newest copy is then the undamaged one, and what stands for production is as good as the target."""
    one = story("rows-overwritten")
    with after(one.name) as (_, session):
        ended = led(session, Scenario(one.answers, one.accepts))
        assert ended.code is ExitCode.COULD_NOT_VERIFY
        runs = session.driver.snapshot.state.steps
        assert runs["propose"].state is StepState.COULD_NOT_VERIFY
        assert "restored from the target's own copy" in runs["propose"].reason
        assert runs["apply"].state is StepState.PENDING


def test_without_the_stick_no_copy_opens() -> None:
    """The account is gone with the keys in it; where the one on the stick is not at hand, nobody knows what
    there is."""
    one = story("account-lost")
    with after(one.name) as (made, session):
        (made.folder / "stick" / "vault").unlink()
        ended = led(session, answering(one, made))
        assert ended.code is ExitCode.COULD_NOT_VERIFY
        assert session.driver.snapshot.state.steps["locate"].state is StepState.COULD_NOT_VERIFY
        assert "vault: not reachable" in texts(session)
