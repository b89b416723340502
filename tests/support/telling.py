"""Records of one incident, written down by a test, and the timeline of them."""

from datetime import UTC, datetime, timedelta

from drbook.core import events as ev
from drbook.core.events import Effect, Event, Mode, Plan, Record, StepEnd
from drbook.core.values import Json
from drbook.timeline.build import build
from drbook.timeline.model import JournalFacts, Timeline

T0 = datetime(2026, 4, 24, 19, 19, tzinfo=UTC)
HEAD = "ab" * 32
EVIL = "<script>alert(1)</script> | **x** `y` [z](javascript:0)\x1b[2J\u202e =cmd()"


def records(*events: tuple[int, Event], mode: Mode = Mode.LIVE, actor: str = "ops") -> list[Record]:
    """Records at the given seconds after the declaration."""
    return [
        Record(
            seq=number,
            at=T0 + timedelta(seconds=at),
            mono_ns=at * 10**9,
            mode=mode,
            actor=actor,
            host="recovery-1",
            event=event,
            prev="0" * 64,
        )
        for number, (at, event) in enumerate(events, 1)
    ]


def opened(title: str = "Production lost", **more: object) -> ev.IncidentOpened:
    fields: dict[str, object] = {
        "incident": "20260424-191900-production-7f3a",
        "mode": Mode.LIVE,
        "title": title,
        "runbook_sha256": "cd" * 32,
        "runbook_file": "shop.yaml",
        "drbook_version": "0.1",
        "occurred": T0 - timedelta(minutes=15),
        "rpo_seconds": 24 * 3600,
        "rto_seconds": 3600,
        "steps": ("loss", "locate", "verify"),
    }
    return ev.IncidentOpened.model_validate(fields | more)


def attempt(
    step: str, action: str, at: int, took: int, result: Json = None, **end: object
) -> list[tuple[int, Event]]:
    """Planned, started and finished."""
    finished: dict[str, object] = {
        "step": step, "attempt": 1, "state": StepEnd.SUCCEEDED, "result": result,
        "reason": "well", "duration_ms": took * 1000,
    }  # fmt: skip
    return [
        (at, ev.StepPlanned(step=step, attempt=1, action=action, effect=Effect.NONE, params=None,
                            plan=Plan(does=("looks",)), digest="ef" * 32)),
        (at, ev.StepStarted(step=step, attempt=1)),
        (at + took, ev.StepFinished.model_validate(finished | end)),
    ]  # fmt: skip


def timeline(*events: tuple[int, Event], mode: Mode = Mode.LIVE, actor: str = "ops") -> Timeline:
    facts = JournalFacts("/var/lib/drbook/journal.jsonl", HEAD, intact=True)
    phases = {"loss": "detect", "locate": "locate", "verify": "verify"}
    return build(records(*events, mode=mode, actor=actor), journal=facts, phases=phases)


BOOK = """
drbook: 1
title: T
updates: {every: 30m, audience: customers}
deadlines:
  - {name: GDPR notification, after: 72h, from: detected}
  - {name: Board, after: 1h, from: declared}
steps:
  - {id: loss, phase: detect, do: once}
"""


def told(text: str, happened: datetime | None = None) -> ev.NoteAdded:
    return ev.NoteAdded(text=text, kind=ev.NoteKind.MESSAGE, happened_at=happened)
