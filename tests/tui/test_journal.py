"""The journal's lines: every event says something, and what went past a protection stands out."""

from datetime import UTC, datetime, timedelta

import pytest

from drbook.cli.describe import describe
from drbook.core import events as ev
from drbook.core.events import Event, Mode, Record, StepEnd
from drbook.timeline.told import told
from drbook.tui.colours import URGENT
from drbook.tui.journal import words

T0 = datetime(2026, 4, 24, 22, 41, tzinfo=UTC)


def record(event: Event) -> Record:
    return Record(
        seq=2, at=T0, mono_ns=0, mode=Mode.LIVE, actor="ops", host="h", event=event, prev="0" * 64
    )


GLASS = ev.PointChosen(
    step="l", source="app", id="k", reason="all that is left", break_glass=True, typed="app"
)
SAID: list[tuple[Event, str, bool]] = [
    (GLASS, "BREAK-GLASS", True),
    (GLASS.model_copy(update={"break_glass": False}), "ops chose", False),
    (
        ev.StepDoneElsewhere(step="a", attempt=1, state=StepEnd.SUCCEEDED, reason="console"),
        "by hand",
        False,
    ),
    (
        ev.StepDoneElsewhere(
            step="a", attempt=1, state=StepEnd.FAILED, reason="r", without=("approval by CTO",)
        ),
        "WITHOUT approval by CTO",
        True,
    ),
    (ev.HandedOver(to="carla", comment="end of shift"), "to carla. end of shift", False),
    (ev.ShellOpened(step="a"), "left for a shell", False),
    (ev.ShellClosed(duration_ms=123_000, exit_code=3), "2 m 03 s (exit 3)", False),
    (
        ev.ExternalFileTaken(name="log.csv", sha256="0" * 64, artifacts=(), entries=2),
        "from log.csv",
        False,
    ),
    (
        ev.ExternalEntryAdded(
            happened_at=T0,
            author="bot",
            text="gone",
            source="rail",
            file="0" * 64,
            line=2,
            digest="",
        ),
        "EXTERNAL, rail",
        False,
    ),
    (
        ev.NotificationIntended(number=1, kind="slack", host="hooks.slack.com", outcome="fail"),
        "notifying slack at hooks.slack.com: fail",
        False,
    ),
    (
        ev.NotificationEnded(
            number=1, kind="http", host="h", delivery="unknown", tries=4, said="s"
        ),
        "http at h was sent, and whether it was taken is unknown after 4 tries: s",
        False,
    ),
    (
        ev.NotificationEnded(number=1, kind="http", host="h", delivery="not-accepted", status=404),
        "WAS NOT ACCEPTED (404)",
        False,
    ),
    (ev.NoteAdded(text="a\nb", kind=ev.NoteKind.HYPOTHESIS), "hypothesis (ops): a / b", False),
    (ev.NoteAdded(text="n", happened_at=T0 - timedelta(minutes=5)), "22:36", False),
    (ev.InputChanged(name="day", value="friday"), "input day is now friday", False),
    (ev.StepInvalidated(step="a", because="input day changed"), "stale", False),
]


@pytest.mark.parametrize(("event", "part", "urgent"), SAID)
def test_what_people_did_is_said_everywhere(event: Event, part: str, urgent: bool) -> None:
    text, style = words(record(event))
    assert part in text
    assert (style == URGENT) is urgent
    assert part in describe(record(event))
    found = told(record(event))
    assert isinstance(event, ev.PointChosen) or found is not None
