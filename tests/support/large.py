"""A large incident on disk: many steps, many records, and a plug-in whose steps hang.

The journal is written by the codec itself, so its chain is whole and every record follows the rules.
"""

import hashlib
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from drbook.app.places import Home, make_folder
from drbook.app.stored import store
from drbook.core import events as ev
from drbook.core.events import Effect, Event, Mode, Plan, Question, Record, StepEnd
from drbook.journal.codec import FIRST, digest, encode

HANGING = "hang"
"""The action of the plug-in; its step comes first among those that are ready."""

_PHASES = ("preserve", "detect", "contain", "locate", "restore", "verify", "decide", "cutover")
_WORDS = (
    "snapshot",
    "volume",
    "seven",
    "region",
    "two",
    "owner",
    "asked",
    "console",
    "seen",
    "at",
    "once",
)

PLUG_IN = '''
"""A step whose provider hangs and hears no cancelling."""
import time
from drbook.core.actions import Action, Empty, Finished, Probed
from drbook.core.events import Effect, Plan

class Hang(Action[Empty]):
    name, title, params, result, effect = "hang", "Ask a provider that hangs", Empty, Empty, Effect.ONCE

    def plan(self, params, context):
        return Plan(does=("asks a provider that does not answer",))

    def perform(self, params, context, ports):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(60)  # hears nothing
        return Finished(Empty())
        yield

    def probe(self, params, context, ports):
        time.sleep(60)
        return Probed("unknown", "it did not answer")
'''


@dataclass(frozen=True)
class Large:
    """Where it lies, and what it holds."""

    home: Home
    folder: Path
    incident: str
    """One of its own: two on a machine with one id would be two writers of one incident."""
    steps: int
    records: int


def plug_in(folder: Path) -> Path:
    """A folder for PYTHONPATH that holds the plug-in as an installed package would be."""
    info = folder / "hanging-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[drbook.actions]\nhang = hanging:Hang\n")
    (folder / "hanging.py").write_text(PLUG_IN)
    return folder


def runbook_of(steps: int, *, hanging: bool = True) -> bytes:
    """Steps in eight phases; every twentieth begins a branch of its own, some have a condition."""
    lines = ["drbook: 1", "title: A large recovery", "objectives: {rpo: 24h, rto: 4h}"]
    lines += ["inputs: {careful: {type: boolean, default: true}}", "steps:"]
    for number in range(1, steps + 1):
        phase = _PHASES[(number - 1) * len(_PHASES) // steps]
        lines.append(f"  - id: step_{number:04}")
        lines.append(f"    phase: {phase}")
        lines.append(f"    title: Bring back part {number} of the platform and look at it twice")
        lines.append("    why: Others wait for it, and nobody has done it before.")
        hangs = hanging and number == steps // 2 + 1
        if hangs or number % 20 == 1:
            lines.append("    needs: []")
        elif number % 20 == 10:
            lines.append(f"    needs: [step_{number - 1:04}, step_{number - 2:04}]")
        if number % 25 == 5:
            lines.append('    when: "${{ inputs.careful }}"')
        if hangs:
            lines.append("    do: hang")
        else:
            lines.append("    do: manual")
            lines.append(
                f"    with: {{instructions: [Open the console of part {number}, Press start, Read]}}"
            )
    return ("\n".join(lines) + "\n").encode()


def events_of(
    steps: int, records: int, sha256: str, incident: str = "20260424-190400-large-7f3a"
) -> Iterator[Event]:
    """Half of the steps are done, some of them at the third try; the rest of the record is milestones
    and notes, as of an incident that many people wrote into."""
    names = tuple(f"step_{number:04}" for number in range(1, steps + 1))
    yield ev.IncidentOpened(
        incident=incident,
        mode=Mode.DRILL,
        title="A large recovery",
        runbook_sha256=sha256,
        runbook_file="large.yaml",
        drbook_version="0",
        inputs={"careful": True},
        rpo_seconds=86400,
        rto_seconds=14400,
        steps=names,
    )
    written = 1
    chance = random.Random(7)
    done = names[: steps // 2]
    for index, step in enumerate(done):
        until = 1 + (records - 1) * (index + 1) // len(done)
        attempts = 3 if index % 7 == 3 else 1
        for attempt in range(1, attempts + 1):
            for event in _begun(step, attempt):
                yield event
                written += 1
            if attempt == attempts:
                while written < until - 1:
                    yield _between(chance, step, attempt, written)
                    written += 1
            good = attempt == attempts
            yield ev.StepFinished(
                step=step,
                attempt=attempt,
                state=StepEnd.SUCCEEDED if good else StepEnd.FAILED,
                result={"done": good, "comment": ""},
                reason="done by hand" if good else "It could not be done: the console was gone.",
                duration_ms=41_000 + index,
            )
            written += 1


def _begun(step: str, attempt: int) -> Iterator[Event]:
    asks = Question(kind="done", prompt="Is it done?", choices=("done", "not-done"))
    yield ev.StepPlanned(
        step=step,
        attempt=attempt,
        action="manual",
        effect=Effect.NONE,
        params={"instructions": ["Open the console", "Press start", "Read"], "irreversible": ""},
        plan=Plan(does=("Open the console", "Press start", "Read"), asks=asks),
        digest="5" * 64,
    )
    yield ev.AnswerGiven(step=step, attempt=attempt, answer="done")
    yield ev.StepStarted(step=step, attempt=attempt)


def _between(chance: random.Random, step: str, attempt: int, number: int) -> Event:
    text = " ".join(chance.choices(_WORDS, k=12))
    if number % 2:
        return ev.MilestoneReached(step=step, attempt=attempt, text=f"{text} ({number})")
    return ev.NoteAdded(text=f"{text} ({number})", step=step if number % 4 else None)


def write(path: Path, events: Iterator[Event], mode: Mode = Mode.DRILL) -> int:
    """The events as a journal; returns how many records it holds."""
    prev, count = FIRST, 0
    at = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)
    lines = []
    for count, event in enumerate(events, 1):
        record = Record(
            seq=count,
            at=at + timedelta(milliseconds=137 * count),
            mono_ns=137_000_000 * count,
            mode=mode,
            actor="alice" if count % 3 else "bob",
            host="recovery-1",
            event=event,
            prev=prev,
        )
        line = encode(record)
        prev = digest(line)
        lines.append(line)
    path.write_bytes(b"\n".join(lines) + b"\n")
    return count


def large(
    folder: Path, steps: int = 1000, records: int = 100_000, *, hanging: bool = True
) -> Large:
    """An open incident in a state directory of its own under `folder`."""
    home = Home(folder / "home")
    incident = f"20260424-190400-large-{secrets.token_hex(4)}"
    place = home.folder(incident)
    make_folder(place)
    source = runbook_of(steps, hanging=hanging)
    store(place / "runbook.yaml", source)
    sha256 = hashlib.sha256(source).hexdigest()
    count = write(place / "journal.jsonl", events_of(steps, records, sha256, incident))
    (place / "journal.jsonl").chmod(0o600)
    return Large(home, place, incident, steps, count)


def many(folder: Path, incidents: int = 500, records: int = 200) -> Home:
    """A state directory with that many incidents, of which every tenth was left open."""
    home = Home(folder / "home")
    source = runbook_of(20, hanging=False)
    sha256 = hashlib.sha256(source).hexdigest()
    begun = datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(incidents):
        at = begun + timedelta(hours=7 * number)
        incident = f"{at:%Y%m%d-%H%M%S}-many-{number:04x}"
        place = home.folder(incident)
        make_folder(place)
        store(place / "runbook.yaml", source)
        events = events_of(20, records, sha256, incident)
        closed = ev.IncidentClosed(outcome="aborted", exit_code=6, reason="it was a rehearsal")
        write(place / "journal.jsonl", events if number % 10 == 0 else chain(events, [closed]))
        (place / "journal.jsonl").chmod(0o600)
    return home
