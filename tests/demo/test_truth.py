"""The checker of surprises, on a true record and on seeded lies: each must be found out, and no truth be called
a lie."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from drbook.core import events as ev
from drbook.core.events import Event, StepEnd
from drbook.core.located import Located
from drbook.core.points import Verdict
from drbook.core.results import RestoreResult, VerifyResult
from drbook.core.values import format_time
from drbook.demo.surprised import whats_otherwise
from drbook.demo.truth import Copy, Judged, Truth, judge
from drbook.journal.reader import read

DRILL = Path(__file__).parents[1] / "pictures" / "drill" / "journal.jsonl"

Case = tuple[Truth, tuple[Event, ...]]


def true_case() -> Case:
    """The recorded drill, and a world in which all of it is so."""
    events = tuple(record.event for record in read(DRILL))
    located = Located.model_validate(_end(events, "locate").result)
    restored = RestoreResult.model_validate(_end(events, "restore").result)
    verified = VerifyResult.model_validate(_end(events, "verify").result)
    rows = {one.table: one.restored or 0 for one in verified.comparison.tables}
    assert restored.copy_used is not None
    copies = []
    for judgement in located.judgements:
        point, damaged = judgement.point, judgement.verdict is Verdict.DAMAGED
        chosen = point.key == restored.point.key
        copies.append(
            Copy(
                bucket=point.location.split("/")[2],
                key=point.id,
                version=point.version or "null",
                sha256=restored.copy_used.sha256 if chosen else "0" * 64,
                taken_at=format_time(point.taken_at),
                rows=None if damaged else rows,
            )
        )
    truth = Truth(tuple(copies), {restored.target.location: rows}, (), (), exit_code=0)
    return truth, events


def _end(events: tuple[Event, ...], step: str) -> ev.StepFinished:
    return next(one for one in events if isinstance(one, ev.StepFinished) and one.step == step)


def _restored() -> RestoreResult:
    return RestoreResult.model_validate(_end(true_case()[1], "restore").result)


def _chosen(truth: Truth, **changes: object) -> Truth:
    """The truth with another one of the copy that was restored."""
    key = (_restored().point.id, _restored().point.version)
    return replace(
        truth,
        copies=tuple(
            replace(one, **changes) if (one.key, one.version) == key else one  # type: ignore[arg-type]
            for one in truth.copies
        ),
    )


def _held(truth: Truth, change: Callable[[dict[str, int]], None]) -> Truth:
    """The truth with other rows in the target."""
    ((place, rows),) = truth.restored.items()
    held = dict(rows or {})
    change(held)
    return replace(truth, restored={place: held})


def _without(events: tuple[Event, ...], *kinds: type[Event], step: str = "") -> tuple[Event, ...]:
    return tuple(
        one
        for one in events
        if not (isinstance(one, kinds) and (not step or getattr(one, "step", "") == step))
    )


def _as(events: tuple[Event, ...], step: str, state: StepEnd, reason: str) -> tuple[Event, ...]:
    """The record with another end of that step, and nothing behind it."""
    found: list[Event] = []
    for one in events:
        if isinstance(one, ev.StepFinished) and one.step == step:
            return (
                *found,
                one.model_copy(update={"state": state, "reason": reason, "result": None}),
            )
        found.append(one)
    raise AssertionError(step)


def _one_less(rows: dict[str, int]) -> None:
    rows["public.payments"] -= 1


def _one_more_table(rows: dict[str, int]) -> None:
    rows["public.fabricated"] = 7


def _all_damaged(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The record with every copy called damaged."""
    end = _end(events, "locate")
    located = Located.model_validate(end.result)
    judgements = tuple(
        one.model_copy(update={"verdict": Verdict.DAMAGED}) for one in located.judgements
    )
    lying = located.model_copy(update={"judgements": judgements}).model_dump(mode="json")
    changed = end.model_copy(update={"result": lying})
    return tuple(changed if one is end else one for one in events)


def _newer(truth: Truth) -> Truth:
    taken = _restored().point.taken_at - timedelta(hours=5)
    return _chosen(truth, taken_at=format_time(taken))


ERROR = (
    "The journal cannot be written.\nWhat it means: nothing was started.\nWhat to do: free room."
)

LIES: dict[str, tuple[Callable[[Truth, tuple[Event, ...]], Case], str]] = {
    "verified over a target that lacks a row": (
        lambda truth, events: (_held(truth, _one_less), events),
        "the target holds other rows than its copy: public.payments",
    ),
    "verified over a table that the copy has not": (
        lambda truth, events: (_held(truth, _one_more_table), events),
        "public.fabricated: 7 and not nothing",
    ),
    "verified over an empty target": (
        lambda truth, events: (_held(truth, dict.clear), events),
        "the target holds other rows",
    ),
    "verified over a target that is not there": (
        lambda truth, events: (replace(truth, restored={}), events),
        "is not there",
    ),
    "verified over a target that nobody could count": (
        lambda truth, events: (
            replace(truth, restored=dict.fromkeys(truth.restored)),
            events,
        ),
        "nobody could count",
    ),
    "counts that are not the copy's": (
        lambda truth, events: (_chosen(truth, rows={"public.payments": 1}), events),
        "the record says other rows than its copy",
    ),
    "restored from a damaged copy": (
        lambda truth, events: (_chosen(truth, rows=None), events),
        "was chosen, and is damaged",
    ),
    "restored from other bytes": (
        lambda truth, events: (_chosen(truth, sha256="f" * 64), events),
        "restored from other bytes",
    ),
    "restored from a copy that never was": (
        lambda truth, events: (replace(truth, copies=()), events),
        "restored from other bytes",
    ),
    "a copy dated later than it is": (
        lambda truth, events: (_newer(truth), events),
        "said to be newer",
    ),
    "sound copies called damaged": (
        lambda truth, events: (truth, _all_damaged(events)),
        "was called damaged, and is sound",
    ),
    "passed without a verification": (
        lambda truth, events: (truth, _without(events, ev.StepFinished, step="verify")),
        "without a verification",
    ),
    "passed though the verification failed": (
        lambda truth, events: (
            truth,
            (*_as(events, "verify", StepEnd.FAILED, "rows are missing"), events[-1]),
        ),
        "verify ended failed",
    ),
    "exit code 0 and an open record": (
        lambda truth, events: (truth, _without(events, ev.IncidentClosed)),
        "was not closed as passed",
    ),
    "closed as passed and another exit code": (
        lambda truth, events: (replace(truth, exit_code=1), events),
        "the exit code is 1",
    ),
    "something written in production's place": (
        lambda truth, events: (
            replace(truth, written_to_production=whats_otherwise({}, {"data": "there"})),
            events,
        ),
        "production's place was changed: data: nothing, now there",
    ),
    "an object that nobody put there": (
        lambda truth, events: (replace(truth, strange_in_store=("s3://b/k is new",)), events),
        "the store was changed",
    ),
    "a record that was changed": (
        lambda truth, events: (replace(truth, record="line 7"), events),
        "the record is not whole",
    ),
    "a run that never ended": (
        lambda truth, events: (replace(truth, exit_code=None), events[:10]),
        "did not end",
    ),
    "a failure without a word": (
        lambda truth, events: (replace(truth, exit_code=1), events[:10]),
        "without a word",
    ),
    "a failure that only its progress was said of": (
        lambda truth, events: (
            replace(truth, exit_code=1, said=f"10:00:01 restore started\n{ERROR}"),
            events[:10],
        ),
        "without a word",
    ),
    "a failure of which only the screen's end is known": (
        lambda truth, events: (
            replace(truth, exit_code=1, said="it was left at the screen with exit code 1"),
            (),
        ),
        "without a word",
    ),
    "a step that failed without a reason": (
        lambda truth, events: (
            replace(truth, exit_code=1),
            _as(events, "restore", StepEnd.FAILED, ""),
        ),
        "without a word",
    ),
    "closed, and said to wait for a person": (
        lambda truth, events: (
            replace(truth, exit_code=7),
            (*events[:10], ev.IncidentClosed(outcome="fail", exit_code=1)),
        ),
        "without a word",
    ),
    "a defect of drbook's own": (
        lambda truth, events: (replace(truth, exit_code=70, said="failed: KeyError"), events[:10]),
        "a defect of its own",
    ),
}


def test_a_true_record_is_honest() -> None:
    judged = judge(*true_case())
    assert judged == Judged("verified", "every step is done and every check passed")


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found_out(name: str) -> None:
    lie, words = LIES[name]
    judged = judge(*lie(*true_case()))
    assert not judged.honest
    assert any(words in one for one in judged.false), judged.false


def test_a_failure_that_says_why_is_honest() -> None:
    truth, events = true_case()
    failed = _as(events, "restore", StepEnd.FAILED, "the server was killed")
    judged = judge(replace(truth, exit_code=1, restored={}), failed)
    assert judged == Judged("failed", "restore failed: the server was killed")


def test_a_verification_that_passed_is_held_to_the_truth_though_the_run_failed_later() -> None:
    truth, events = true_case()
    failed = _as(events, "cutover", StepEnd.FAILED, "the proxy refused")
    assert judge(replace(truth, exit_code=1), failed).honest
    judged = judge(replace(_held(truth, _one_less), exit_code=1), failed)
    assert judged.ended == "failed"
    assert not judged.honest


def test_a_copy_whose_bytes_came_otherwise_may_be_called_damaged() -> None:
    truth, events = true_case()
    keys = frozenset(one.key for one in truth.copies)
    assert judge(replace(truth, flipped=keys), _all_damaged(events)).honest


def test_a_newer_sound_copy_that_was_passed_over_is_told() -> None:
    """No lie, where nobody could read it; and that is what it cost."""
    truth, events = true_case()
    end = _end(events, "locate")
    located = Located.model_validate(end.result)
    newest = max(located.judgements, key=lambda one: one.point.taken_at)
    rest = tuple(one for one in located.judgements if one is not newest)
    unknown = newest.model_copy(update={"verdict": Verdict.UNKNOWN})
    changed = located.model_copy(update={"judgements": (unknown, *rest)}).model_dump(mode="json")
    record = tuple(
        one.model_copy(update={"result": changed}) if one is end else one for one in events
    )
    judged = judge(truth, record)
    assert judged.honest
    assert judged.passed_over == (f"{newest.point.location} is sound, and was unknown",)


@pytest.mark.parametrize("code", [137, -9])
def test_who_is_killed_behind_the_close_is_held_to_the_record_alone(code: int) -> None:
    truth, events = true_case()
    judged = judge(replace(truth, exit_code=code, killed=True), events)
    assert judged == Judged("verified", "every step is done and every check passed")
    lying = judge(replace(_held(truth, _one_less), exit_code=code, killed=True), events)
    assert not lying.honest


def test_who_is_killed_for_good_has_nothing_to_say() -> None:
    truth, events = true_case()
    assert judge(replace(truth, exit_code=137, killed=True), events[:10]).honest


def test_a_full_disk_may_end_the_record() -> None:
    truth, events = true_case()
    told = replace(truth, exit_code=70, said=ERROR, out_of_room=True)
    assert judge(told, events[:10]) == Judged("failed", "The journal cannot be written.")


def test_who_could_open_no_incident_says_why_in_an_error() -> None:
    truth, _ = true_case()
    judged = judge(replace(truth, exit_code=4, restored={}, said=f"Reading\n{ERROR}"), ())
    assert judged == Judged("failed", "The journal cannot be written.")


def test_whoever_leaves_it_open_says_that_a_person_is_needed() -> None:
    truth, events = true_case()
    judged = judge(replace(truth, exit_code=7), events[:10])
    assert judged == Judged("failed", "left open, for a person to go on with")


def test_a_close_tells_why() -> None:
    truth, events = true_case()
    closed = ev.IncidentClosed(outcome="aborted", exit_code=3, reason="it is no drill")
    assert judge(replace(truth, exit_code=3), (*events[:10], closed)) == Judged(
        "failed", "it is no drill"
    )
