"""Pausing a standby's replay: what is asked, how it is asked back, and what is said when it does not stand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from support.pg import signals_of

from drbook.actions.replay import PauseParams, PauseReplay, PauseResult
from drbook.core.actions import Finished, StepContext
from drbook.core.errors import CouldNotVerify
from drbook.core.events import Effect, Mode, StepEnd
from drbook.core.ports import Ports
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone
from drbook.core.standby import PAUSE, RESUME, Replay

LOSS = datetime(2026, 11, 27, 3, 0, 9, tzinfo=UTC)
PARAMS = PauseParams(source="late")


def replay(pause: str | None, place: str = "0/4000", **more: object) -> Replay:
    fields: dict[str, object] = {
        "replayed": place, "moment": LOSS - timedelta(hours=1), "asked_at": LOSS, "pause": pause,
        "delay_ms": 3_600_000, "receiver": "streaming", "server_version": 180006,
    }  # fmt: skip
    return Replay.model_validate(fields | more)


@dataclass
class Late:
    """Answers one look after the other, the last one again and again; each takes a second."""

    looks: Sequence[Replay]
    asked: list[str] = field(default_factory=list)
    now: float = 0.0

    def look(self, source: str) -> Replay:
        self.asked.append("look")
        self.now += 1
        return self.looks[min(self.asked.count("look"), len(self.looks)) - 1]

    def pause(self, source: str) -> None:
        self.asked.append("pause")

    def monotonic(self) -> float:
        return self.now


def context(occurred: datetime | None = LOSS) -> StepContext:
    return StepContext(
        incident="i", mode=Mode.LIVE, step="a", attempt=1, title="", occurred=occurred,
        document=cast("RunbookDocument", None),
    )  # fmt: skip


def paused(late: Late, occurred: datetime | None = LOSS) -> tuple[Finished, list[str]]:
    cancel = SimpleNamespace(wait=lambda time: False, raise_if_requested=lambda: None)
    ports = cast("Ports", SimpleNamespace(standbys=late, clock=late, cancel=cancel))
    done, said = signals_of(PauseReplay().perform(PARAMS, context(occurred), ports))
    return done, [each.text for each in said if isinstance(each, Milestone)]


NOT, ASKED, PAUSED = (replay(each) for each in ("not paused", "pause requested", "paused"))
MOVED = replay("pause requested", "0/3000")


@pytest.mark.parametrize(
    ("looks", "state", "words"),
    [
        ([NOT, PAUSED], StepEnd.SUCCEEDED, "is paused, at 0/4000"),
        ([NOT, ASKED], StepEnd.SUCCEEDED, "pauses before the next commit"),
        ([replay("not paused", "0/2000"), MOVED, ASKED, ASKED], StepEnd.SUCCEEDED, "at 0/4000"),
        ([NOT, NOT, NOT, PAUSED], StepEnd.SUCCEEDED, "is paused"),
        ([NOT], StepEnd.COULD_NOT_VERIFY, "does not say that it stands: not paused"),
        ([replay(None)], StepEnd.COULD_NOT_VERIFY, "it cannot say"),
        (
            [replay("not paused", delay_ms=0), replay("pause requested", delay_ms=0)],
            StepEnd.COULD_NOT_VERIFY,
            "pause requested",
        ),
        (
            [NOT, replay("paused", moment=LOSS)],
            StepEnd.SUCCEEDED,
            "too late: it has replayed up to",
        ),
    ],
)
def test_it_is_asked_back_until_it_stands(looks: list[Replay], state: StepEnd, words: str) -> None:
    late = Late(looks)
    done, said = paused(late)
    assert done.state is state
    assert words in done.reason
    assert late.asked[:2] == ["look", "pause"]
    assert late.asked.count("pause") == 1
    assert any(RESUME in line for line in said)  # on record before anything is asked
    assert said[-1].startswith("asked back: ")
    assert cast("PauseResult", done.result).undo == RESUME
    assert bool(done.next) is (state is StepEnd.COULD_NOT_VERIFY)


def test_the_clock_is_said_before_it_is_paused() -> None:
    _, said = paused(Late([NOT, PAUSED]))
    assert "the loss reaches this standby at 2026-11-27 04:00:09" in said[1]


def test_one_that_stands_already_is_left_alone() -> None:
    late = Late([PAUSED])
    done, _ = paused(late, None)
    assert late.asked == ["look"]
    assert "somebody had paused it before" in done.reason


@pytest.mark.parametrize(
    ("found", "answer"),
    [(PAUSED, "happened"), (ASKED, "happened"), (NOT, "did-not-happen"), (replay(None), "unknown")],
)
def test_after_a_crash_it_is_looked_at(found: Replay, answer: str) -> None:
    ports = cast("Ports", SimpleNamespace(standbys=Late([found])))
    assert PauseReplay().probe(PARAMS, context(), ports).answer == answer


def test_one_that_does_not_answer_after_a_crash_is_unknown() -> None:
    def silent(source: str) -> Replay:
        raise CouldNotVerify("It could not be asked.")

    ports = cast("Ports", SimpleNamespace(standbys=SimpleNamespace(look=silent)))
    assert PauseReplay().probe(PARAMS, context(), ports).answer == "unknown"


def test_the_plan_says_the_statement_and_its_undo() -> None:
    plan = PauseReplay().plan(PARAMS, context())
    assert plan.runs == (PAUSE,)
    assert RESUME in " ".join(plan.does)
    assert "disk" in plan.touches
    assert PauseReplay().effect is Effect.IDEMPOTENT
