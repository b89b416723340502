"""`postgres.propose`, `rehearse_reviewed` and `apply_reviewed`: what is asked of the door, and in which words."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError
from support.evidence import point
from support.identities import who

from drbook.actions.applying import Apply, ApplyParams, MergeParams, Rehearse
from drbook.actions.reviewed import Propose, ProposeParams
from drbook.core.actions import Finished, StepContext
from drbook.core.errors import CouldNotVerify, DrbookError, NotExercised
from drbook.core.events import Effect, Mode, StepEnd
from drbook.core.merged import Outcome, TableOutcome
from drbook.core.ports import Ports
from drbook.core.recovery import RecoveryAim, RecoveryReport
from drbook.core.results import ApplyResult, ProposeResult, RestoreResult
from drbook.core.reviewed import (
    ColumnFacts,
    MergeLook,
    MergeWish,
    Policy,
    Proposal,
    Proposed,
    Review,
    Rows,
    TableFacts,
    TableProposal,
)
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import finish
from drbook.core.targets import DatabaseRef, Target
from drbook.core.values import Json

NO_OUTPUTS: Mapping[str, Json] = {}
AT = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)
REF = DatabaseRef(host="/nowhere")
TARGET = Target(
    kind="cluster", name="restore-1", nonce="1", location="/x", connect=REF, identity=who(),
    proof="made here", whole_server=True, loader=DatabaseRef(host="/nowhere", user="loader"),
)  # fmt: skip
FACTS = TableFacts(
    schema="public", name="bookings", columns=(ColumnFacts(name="id", type="int"),),
    key=("id",), kinds=("integer",),
)  # fmt: skip
UNDO = f"artifacts/{'1' * 64}.undo.sql"


def context(mode: Mode = Mode.LIVE) -> StepContext:
    production = {
        "database": {"service": "rental-prod"},
        "domain": {"provider": "here", "account": "a", "resource": "vol-7", "credentials": ["c"]},
    }
    document = RunbookDocument.model_validate(
        {
            "drbook": 1,
            "title": "Lost",
            "production": production,
            "steps": [{"id": "v", "phase": "verify", "do": "note"}],
        }
    )
    return StepContext("i", mode, "v", 1, "v", AT, document)


def proposal(**more: Any) -> Proposal:
    fields = {"missing": Rows(artifact=f"artifacts/{'2' * 64}.rows", count=5)} | more
    stand_in = fields.pop("stand_in", None)
    table = TableProposal.model_validate({"table": FACTS, "triggers": ("audit",)} | fields)
    what = Proposed(
        made_at=AT, source=who("7"), production=who(), stand_in=stand_in, tables=(table,)
    )
    digest = hashlib.sha256(what.bytes()).hexdigest()
    return Proposal(artifact=f"artifacts/{digest}.proposal.json", what=what)


def outcome(**more: Any) -> Outcome:
    one = TableOutcome.model_validate(
        {"table": "public.bookings", "proposed": 5, "inserted": 5} | more
    )
    return Outcome(proposal=proposal().artifact, tables=(one,))


class Door:
    """`core.ports.Merges` that answers what a test says, and tells what it was asked."""

    def __init__(self, found: Any, look: MergeLook | None = None) -> None:
        self.found, self.seen, self.asked = found, look, list[Any]()

    def propose(self, *args: Any) -> Any:
        self.asked.append(args)
        return self.found
        yield

    def rehearse(self, *args: Any) -> Any:
        self.asked.append(args)
        return self.found
        yield

    apply = rehearse

    def undo(self, name: str) -> str:
        return UNDO

    def look(self, given: Proposal, wish: MergeWish, name: str) -> MergeLook:
        assert self.seen is not None
        return self.seen


def ports(door: Door) -> Ports:
    def reach(target: Target) -> Any:
        return target.connect
        yield

    return cast(Ports, SimpleNamespace(merges=door, targets=SimpleNamespace(reach=reach)))


def propose(
    found: Review, mode: Mode = Mode.LIVE, outputs: Mapping[str, Json] = NO_OUTPUTS, **more: Any
) -> tuple[Finished, Door]:
    door = Door(found)
    params = ProposeParams.model_validate({"target": TARGET, "tables": ("bookings",)} | more)
    there = replace(context(mode), outputs=outputs)
    Propose().plan(params, there)
    return finish(Propose().perform(params, there, ports(door))), door


STAND_IN = TARGET.model_copy(update={"name": "stand-in-1", "nonce": "2"})


def restored(target: Target, hours: float, **more: Any) -> Json:
    made = RestoreResult(point=point("kept", hours), target=target, **more)
    return json.loads(made.model_dump_json(by_alias=True))  # type: ignore[no-any-return]


def rolled(redo: str) -> RecoveryReport:
    return RecoveryReport(
        aim=RecoveryAim(end=True),
        stopped="",
        wal_files=1,
        isolation={},
        redo_done=redo,
        server_version=170000,
        seconds=1,
    )


COPIES: list[tuple[Json, Json, str]] = [
    (restored(TARGET, 5), restored(STAND_IN, 5), "stand-in-undamaged"),
    (
        restored(TARGET, 5, recovery=rolled("0/1")),
        restored(STAND_IN, 5, recovery=rolled("0/1")),
        "stand-in-undamaged",
    ),
    (
        restored(TARGET, 5, recovery=rolled("0/1")),
        restored(STAND_IN, 5, recovery=rolled("0/9")),
        "",
    ),
    (restored(TARGET, 5), restored(STAND_IN, -5), ""),
    (restored(TARGET, 5), None, ""),
]


@pytest.mark.parametrize(("ours", "theirs", "code"), COPIES)
def test_a_stand_in_of_the_target_s_own_copy_holds_no_loss(
    ours: Json, theirs: Json, code: str
) -> None:
    review, outputs = Review(proposal(), {}), {"restore": ours, "stand_in": theirs}
    if not code:
        ended, _ = propose(review, Mode.DRILL, outputs, stand_in=STAND_IN)
        assert ended.state is StepEnd.SUCCEEDED
        return
    with pytest.raises(CouldNotVerify) as caught:
        propose(review, Mode.DRILL, outputs, stand_in=STAND_IN)
    assert caught.value.code == code


def test_a_stand_in_that_lacks_nothing_or_is_of_before_the_loss_proves_nothing() -> None:
    ended, _ = propose(Review(proposal(missing=Rows()), {}), Mode.DRILL, stand_in=STAND_IN)
    assert ended.state is StepEnd.COULD_NOT_VERIFY
    assert "lacks no row" in ended.reason
    outputs = {"restore": restored(TARGET, 9), "stand_in": restored(STAND_IN, 5)}
    ended, _ = propose(Review(proposal(), {}), Mode.DRILL, outputs, stand_in=STAND_IN)
    assert ended.state is StepEnd.COULD_NOT_VERIFY
    assert "the loss was at" in ended.reason
    ended, _ = propose(Review(proposal(missing=Rows()), {}))
    assert ended.state is StepEnd.SUCCEEDED, "a production that lacks nothing is good news"


@pytest.mark.parametrize(
    ("what", "decide", "empty"),
    [
        ({"missing": Rows()}, {}, True),
        ({}, {}, False),
        ({"missing": Rows(), "conflicts": Rows(count=3)}, {}, True),
        ({"missing": Rows(), "conflicts": Rows(count=3)}, {"bookings": "restore"}, False),
    ],
)
def test_a_merge_of_nothing_is_not_exercised_in_a_drill(
    what: Mapping[str, Any], decide: Mapping[str, Policy], empty: bool
) -> None:
    given = proposal(stand_in=STAND_IN, **what)
    params = ApplyParams(proposal=given, decide=decide)
    assert ("has nothing to merge" in Apply().plan(params, context(Mode.DRILL)).does) is empty
    for action in (Rehearse(), Apply()):
        door = Door(outcome())
        work = action.perform(params, context(Mode.DRILL), ports(door))
        if not empty:
            assert finish(work).state is StepEnd.SUCCEEDED
            continue
        with pytest.raises(NotExercised) as caught:
            finish(work)
        assert (caught.value.code, door.asked) == ("nothing-to-merge", [])


def test_a_live_merge_of_nothing_says_so() -> None:
    params = ApplyParams(proposal=proposal(missing=Rows()))
    for action in (Rehearse(), Apply()):
        ended = finish(
            action.perform(params, context(), ports(Door(outcome(proposed=0, inserted=0))))
        )
        assert ended.state is StepEnd.SUCCEEDED
        assert ended.reason.startswith("nothing to merge; ")


def test_a_proposal_is_handed_on_with_its_files() -> None:
    review = Review(proposal(), {})
    ended, door = propose(review, on_conflict={"bookings": "ask"}, key={"bookings": ["id"]})
    assert ended.state is StepEnd.SUCCEEDED
    assert ended.reason.startswith("public.bookings: 5 rows to insert, 0 rows only in production")
    assert "deleted rightly since" in ended.reason
    assert isinstance(ended.result, ProposeResult)
    assert ended.artifacts == (review.proposal.artifact, f"artifacts/{'2' * 64}.rows")
    wish = door.asked[0][3]
    assert (wish.policy("public.bookings", "bookings"), wish.every) == ("ask", "keep")
    assert wish.key("public.bookings", "bookings") == ("id",)
    # What a later step is given is what this one handed back.
    again = MergeParams.model_validate({"proposal": ended.result.model_dump(mode="json", by_alias=True)["proposal"]})  # fmt: skip
    assert again.proposal == review.proposal


@pytest.mark.parametrize(
    ("said", "left"), [("restore", False), ("leave", True), ({"bookings": "leave"}, True)]
)
def test_missing_rows_that_were_deleted_rightly_are_left_out(said: Any, left: bool) -> None:
    found = proposal(missing=Rows(), left_out=5) if left else proposal()
    ended, door = propose(Review(found, {}), on_missing=said)
    assert door.asked[0][3].leaves_out("public.bookings", "bookings") is left
    assert ("5 missing rows left out" in ended.reason) is left
    assert ("deleted rightly" in ended.reason) is not left
    does = Apply().plan(ApplyParams(proposal=found), context()).does
    assert any("come back, too" in line for line in does) is not left
    assert ("public.bookings: leaves out 5 missing rows" in does) is left


def test_rows_that_nobody_can_tell_apart_are_unknown() -> None:
    ended, _ = propose(Review(proposal(unkeyed=2), {}))
    assert ended.state is StepEnd.COULD_NOT_VERIFY
    assert "2 rows could not be compared" in ended.reason


@pytest.mark.parametrize(
    ("mode", "more", "code"),
    [
        (Mode.LIVE, {"stand_in": TARGET}, "stand-in"),
        (Mode.LIVE, {"key": {"other": ["id"]}}, "unknown-table"),
        (Mode.LIVE, {"on_conflict": {"other": "keep"}}, "unknown-table"),
        (Mode.LIVE, {"on_missing": {"other": "leave"}}, "unknown-table"),
        (Mode.DRILL, {"stand_in": TARGET}, ""),
    ],
)
def test_what_would_go_unheard_is_an_error(mode: Mode, more: Mapping[str, Any], code: str) -> None:
    if not code:
        propose(Review(proposal(), {}), mode, **more)
        return
    with pytest.raises(DrbookError) as caught:
        propose(Review(proposal(), {}), mode, **more)
    assert caught.value.code == code


def test_no_table_is_no_wish() -> None:
    with pytest.raises(ValidationError):
        ProposeParams.model_validate({"target": TARGET, "tables": ()})


def test_the_name_is_typed_in_a_live_incident_whatever_the_runbook_says() -> None:
    params = ApplyParams(proposal=proposal(), rehearsal=outcome(changed=2))
    plan = Apply().plan(params, context())
    assert (plan.confirm, plan.cool_off_seconds) == ("vol-7", 10)
    assert plan.damage
    assert "2 changed by a trigger" in plan.does[0]
    assert "public.bookings: fires audit" in plan.does
    assert plan.into == "PRODUCTION (service rental-prod)"
    assert Apply.effect is Effect.ONCE
    drill = ApplyParams(proposal=proposal(stand_in=TARGET))
    assert Apply().plan(drill, context(Mode.DRILL)).confirm is None
    assert Apply().plan(drill, context(Mode.DRILL)).into == "the stand-in restore-1"


def test_the_plan_names_what_acts_besides() -> None:
    facts = {
        "triggers": ("audit", "late (always)"),
        "always": ("late (always)",),
        "rules": ("also",),
        "along": ("public.logins",),
        "conflicts": Rows(artifact=f"artifacts/{'3' * 64}.conflicts", count=3),
    }
    made = proposal(**facts)
    fires = Apply().plan(ApplyParams(proposal=made, decide={"bookings": "restore"}), context()).does
    skips = Apply().plan(ApplyParams(proposal=made, triggers="skip"), context()).does
    assert "public.bookings: fires audit, late (always)" in fires
    assert "public.bookings: is refused where its rules act: also" in fires
    assert "public.bookings: is refused where rows would follow (ON UPDATE): public.logins" in fires
    assert "public.bookings: fires late (always), although skipped" in skips
    assert "public.bookings: does not fire audit" in skips
    assert not any("follow" in one for one in skips)


CONFLICTS = {"conflicts": Rows(artifact=f"artifacts/{'3' * 64}.conflicts", count=3)}
ARGUMENTS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, ""),
    (CONFLICTS | {"on_conflict": "ask"}, {}, "merge-arguments"),
    (CONFLICTS | {"on_conflict": "ask"}, {"decide": {"bookings": "restore"}}, ""),
    ({}, {"decide": {"other": "keep"}}, "merge-arguments"),
    (CONFLICTS | {"on_conflict": "restore"}, {"triggers": "skip"}, "merge-arguments"),
    (CONFLICTS, {"triggers": "skip"}, ""),
    ({}, {"rehearsal": outcome()}, ""),
    ({}, {"rehearsal": outcome(suppressed=1, inserted=4)}, ""),
    ({}, {"rehearsal": outcome(present=1)}, "rehearsal"),
    ({}, {"rehearsal": outcome(), "triggers": "skip"}, "rehearsal"),
    ({"extra": 1}, {"rehearsal": outcome()}, "rehearsal"),
]


@pytest.mark.parametrize(("what", "more", "code"), ARGUMENTS)
def test_nothing_is_applied_that_nobody_decided(
    what: Mapping[str, Any], more: Mapping[str, Any], code: str
) -> None:
    door = Door(outcome())
    params = ApplyParams.model_validate({"proposal": proposal(**what)} | dict(more))
    Apply().plan(params, context())
    if code:
        with pytest.raises(DrbookError) as caught:
            finish(Apply().perform(params, context(), ports(door)))
        assert (caught.value.code, door.asked) == (code, [])
        return
    ended = finish(Apply().perform(params, context(), ports(door)))
    assert isinstance(ended.result, ApplyResult)
    assert (ended.result.undo, ended.artifacts) == (UNDO, (UNDO,))
    assert door.asked[0][2] == "v-i-1"


def test_a_stand_in_is_written_to_by_its_own_login() -> None:
    door = Door(outcome())
    params = MergeParams(proposal=proposal(stand_in=TARGET), login=DatabaseRef(host="/production"))
    finish(Rehearse().perform(params, context(Mode.DRILL), ports(door)))
    assert door.asked[0][1].login == TARGET.loader


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (outcome(), StepEnd.SUCCEEDED),
        (outcome(changed=1), StepEnd.SUCCEEDED),
        (outcome(orphans=1, inserted=0), StepEnd.FAILED),
    ],
)
def test_a_rehearsal_says_whether_it_could_be_applied(found: Outcome, state: StepEnd) -> None:
    params = MergeParams(proposal=proposal())
    Rehearse().plan(params, context())
    assert finish(Rehearse().perform(params, context(), ports(Door(found)))).state is state
    assert Rehearse().probe(params, context(), ports(Door(found))).answer == "did-not-happen"


@pytest.mark.parametrize("answer", ["happened", "did-not-happen", "unknown"])
def test_a_look_names_what_takes_it_back(answer: Any) -> None:
    door = Door(None, MergeLook(answer, "it says so"))
    seen = Apply().probe(ApplyParams(proposal=proposal()), context(), ports(door))
    assert seen.answer == answer
    assert (UNDO in seen.reason) is (answer != "did-not-happen")


def test_policies_are_words_of_the_reference() -> None:
    words: tuple[Policy, ...] = ("keep", "restore", "ask")
    for word in words:
        assert ProposeParams(target=TARGET, tables=("t",), on_conflict=word).on_conflict == word
