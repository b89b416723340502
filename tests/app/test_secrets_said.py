"""What a step says and what a person types, where it holds a secret that this process knows."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drbook.actions.outside import HttpParams
from drbook.app import model as cmd
from drbook.core.actions import Finished, StepContext
from drbook.core.errors import RunbookInvalid, StepFailed, UsageError
from drbook.core.ports import Ports
from drbook.core.signals import Milestone, Output, ResourceIntended, Working
from drbook.core.state import StepState
from drbook.core.targets import DatabaseRef
from drbook.core.values import Frozen
from drbook.language.load import load
from drbook.providers.hiding import MASK, Secret
from drbook.providers.pgsession import parameters

if TYPE_CHECKING:
    from support.incident import World

VALUE = "hunter2hunter2-7f3a9c51"
ONE = "  - {id: a, phase: restore, do: none}\n"


def test_what_a_step_says_is_masked_and_what_later_steps_use_is_not(world: "World") -> None:
    Secret(VALUE)

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield Output(f"printed {VALUE}")
        yield Milestone(f"reached {VALUE}", {"errors": [f"bad {VALUE}"]})
        yield ResourceIntended("cluster", VALUE, "nonce", "/here")
        raise StepFailed(f"failed with {VALUE}", means=f"means {VALUE}", next=f"next {VALUE}")

    world.none.courses["a"] = course
    world.start(ONE)
    world.ask(cmd.Run("a"))
    ended = world.reaches("a", StepState.FAILED)
    run = ended.state.steps["a"]
    assert run.milestones == (f"reached {MASK}",)
    assert (run.reason, run.means) == (f"failed with {MASK}", f"means {MASK}")
    assert [each.name for each in ended.state.resources] == [VALUE]
    shown = [line for one in world.snapshots for live in one.live.values() for line in live.output]
    assert all(VALUE not in line for line in shown)
    lines = world.journal.read_text().splitlines()
    assert [line for line in lines if VALUE in line and "ResourceIntended" not in line] == []


def test_a_defect_leaves_a_traceback_without_the_secret(world: "World") -> None:
    Secret(VALUE)

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        held = VALUE
        raise RuntimeError(f"cannot use {held!r}") from KeyError(held)
        yield

    world.none.courses["a"] = course
    world.start(ONE)
    world.ask(cmd.Run("a"))
    reason = world.reaches("a", StepState.FAILED).state.steps["a"].reason
    log = (world.folder / "errors.log").read_text()
    assert f"cannot use '{MASK}'" in reason
    assert f"cannot use '{MASK}'" in log
    assert f"KeyError: '{MASK}'" in log
    assert VALUE not in log


@pytest.mark.parametrize(
    "typed",
    [
        cmd.WriteNote(f"it was {VALUE}"),
        cmd.Answer("a", VALUE),
        cmd.Answer("a", "done", f"with {VALUE}"),
        cmd.Skip("a", VALUE),
        cmd.Abort(f"{VALUE} leaked"),
        cmd.SetInput("day", VALUE),
    ],
)
def test_a_typed_secret_is_refused_and_not_recorded(world: "World", typed: cmd.Command) -> None:
    Secret(VALUE)
    world.start("  - {id: a, phase: contain, do: manual, with: {instructions: [Do it.]}}\n")
    world.ask(cmd.Run("a"))
    with pytest.raises(UsageError) as caught:
        world.ask(typed)
    assert caught.value.code == "secret-typed"
    assert VALUE not in caught.value.explain()
    assert VALUE not in world.journal.read_text()
    world.ask(cmd.Answer("a", "done", "without it"))


def test_a_name_that_must_be_typed_may_be_a_password_too(world: "World") -> None:
    Secret("rental-production")
    world.start(
        "  - {id: a, phase: cutover, do: once, confirm: {type: rental-production, cool_off: 0s}}\n"
    )
    world.ask(cmd.Run("a"))
    world.ask(cmd.Confirm("a", "rental-production"))
    world.reaches("a", StepState.SUCCEEDED)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2hunter2@example.com/",
        "https://token@example.com/",
        "https://example.com/?a=1&access_token=hunter2hunter2",
        "https://example.com/?X-Amz-Signature=hunter2hunter2",
    ],
)
def test_an_address_with_a_secret_in_it_is_an_error_that_does_not_show_it(url: str) -> None:
    from drbook.app.vocabulary import vocabulary

    text = f"drbook: 1\ntitle: T\nsteps: [{{id: a, phase: detect, do: http, with: {{url: '{url}'}}}}]\n"
    with pytest.raises(RunbookInvalid) as caught:
        load(text.encode(), "r.yaml", vocabulary())
    assert "hunter2" not in caught.value.explain()
    assert "secret_headers" in caught.value.explain()
    assert HttpParams(url="https://example.com/?page=2").url


@pytest.mark.parametrize(
    "dsn",
    ["postgresql://app:ab/hunter-1@host/db", "postgresql://app:a@hunter-1@host/db"],
)
def test_a_password_that_was_taken_for_a_host_is_not_asked_for(dsn: str) -> None:
    with pytest.raises(UsageError) as caught:
        parameters(DatabaseRef(dsn="env:DSN"), {"DSN": dsn})
    assert caught.value.code == "dsn"
    assert "hunter" not in caught.value.explain()


def test_the_password_is_no_text_before_the_call_that_needs_it(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(VALUE)
    refs = (
        DatabaseRef(dsn="env:DSN"),
        DatabaseRef(host="db", password=f"file:{tmp_path / 'pw'}"),
    )
    for ref in refs:
        given, hidden = parameters(ref, {"DSN": f"postgresql://app:{VALUE}@db:5432/x"})
        assert given["host"] == "db"
        assert VALUE not in str(given) + str(hidden)
        assert hidden["password"].reveal() == VALUE
