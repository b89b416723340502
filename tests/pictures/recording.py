"""Lead the demo's drill by keys and keep its record: what every picture is drawn from.

The drill is real: the demo's world, its servers, the screen's own keys. Only what names this machine
is neutral: its host, its kernel, its user and the place of the world. Progress is shown and never
recorded, so what the restore showed is kept beside the record.
"""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from unittest import mock

from support.screen import shown
from textual.pilot import Pilot

from drbook.app.model import LiveStep, Snapshot
from drbook.app.places import JOURNAL, RUNBOOK, Home
from drbook.app.session import Session, open_incident
from drbook.app.shipped import open_runbook
from drbook.cli.demo import _alone
from drbook.core.events import Life, Mode
from drbook.core.state import StepState
from drbook.core.values import format_time
from drbook.demo.world import world
from drbook.journal.codec import FIRST
from drbook.tui.app import IncidentApp
from drbook.tui.dialogs import ChoiceDialog

DRILL = Path(__file__).with_name("drill")
LIVE = "live.json"
OPERATOR, HOST, PLACE = "ana", "recovery-1", Path("/tmp/demo")
KERNEL = os.uname_result(("Linux", HOST, "6.1.0", "#1", "x86_64"))
LIFE = Life(token="0" * 32, boot="", pids="")
ROWS = 400_000
"""Enough that the restore shows how far it is."""


def record(rows: int = ROWS, into: Path = DRILL) -> None:
    """Build the demo's world, lead its drill to the end, and write down what was recorded."""
    _alone()
    with _neutral(), world(rows, keep=False, tell=print) as made:
        occurred = format_time(made.disaster())
        session = open_incident(
            open_runbook(str(made.runbook())),
            Mode.DRILL,
            Home(made.folder / "drbook"),
            {"occurred": occurred},
            environment={**os.environ, **made.environment()},
        )
        seen: list[LiveStep] = []
        with session:
            session.driver.subscribe(lambda snapshot: _see(snapshot, seen))
            asyncio.run(_lead(session))
        _keep(session.folder, seen, into)


@contextmanager
def _neutral() -> Iterator[None]:
    """Nothing of this machine in what is recorded."""
    PLACE.mkdir(exist_ok=True)
    with ExitStack() as stack:
        put = stack.enter_context
        put(mock.patch.dict(os.environ, {"DRBOOK_OPERATOR": OPERATOR, "TMPDIR": str(PLACE)}))
        put(mock.patch.object(tempfile, "tempdir", str(PLACE)))
        put(mock.patch.object(socket, "gethostname", return_value=HOST))
        put(mock.patch.object(os, "uname", return_value=KERNEL))
        put(mock.patch("drbook.app.session.this_life", return_value=LIFE))
        yield
    shutil.rmtree(PLACE, ignore_errors=True)


def _see(snapshot: Snapshot, seen: list[LiveStep]) -> None:
    """In the driver's thread: keep everything that the running restore shows."""
    if "restore" in snapshot.live and snapshot.state.steps["restore"].state is StepState.STARTED:
        seen.append(snapshot.live["restore"])


async def _lead(session: Session) -> None:
    """The whole drill, by keys."""
    app = IncidentApp(session.driver)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:

        async def reaches(step: str, state: StepState) -> None:
            for _ in range(600):
                if session.driver.snapshot.state.steps[step].state is state:
                    await pilot.pause(0.4)
                    return
                await pilot.pause(0.05)
            raise AssertionError(f"{step} is not {state.value}:\n{shown(app)}")

        await pilot.pause(1)
        await pilot.press("enter")
        await reaches("loss", StepState.SUCCEEDED)
        await pilot.press("enter")  # to the next step
        await _answer(pilot, "Both are revoked. Ben watched me do it.")
        await reaches("revoke", StepState.SUCCEEDED)
        await _note(pilot)
        for step in ("locate", "restore", "verify"):
            await pilot.press("g", "enter")
            await reaches(step, StepState.SUCCEEDED)
        await pilot.press("g")
        await _answer(pilot, "Every table equals what the backup held. Ben agrees.")
        await reaches("decide", StepState.SUCCEEDED)
        await pilot.press("g", "enter")
        await pilot.pause(0.6)
        await pilot.press(*"rental", "enter")
        await pilot.pause(0.6)
        await _answered(pilot, "The old address answers nobody; the application is restarted.")
        await reaches("cutover", StepState.SUCCEEDED)
        await pilot.press("g", "enter")
        await reaches("gap", StepState.SUCCEEDED)
        await pilot.press("x")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await pilot.pause(1)
        if session.driver.snapshot.state.outcome != "pass":
            raise AssertionError(f"it ended as {session.driver.snapshot.state.outcome!r}")


async def _type(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*("space" if letter == " " else letter for letter in text))
    await pilot.pause()


async def _answer(pilot: Pilot[None], comment: str) -> None:
    """Enter opens the question; the comment first, then the first answer."""
    await pilot.press("enter")
    await _answered(pilot, comment)


async def _answered(pilot: Pilot[None], comment: str) -> None:
    """The dialog comes, maybe after a cooling-off."""
    for _ in range(200):
        if isinstance(pilot.app.screen, ChoiceDialog):
            break
        await pilot.pause(0.05)
    await pilot.pause(0.3)
    await pilot.press("tab")
    await _type(pilot, comment)
    await pilot.press("shift+tab", "1")
    await pilot.pause(0.6)


async def _note(pilot: Pilot[None]) -> None:
    await pilot.press("n")
    await pilot.pause(0.4)
    await _type(pilot, "Three customers at the counter cannot book.")
    await pilot.press("ctrl+k", "enter")
    await pilot.pause(0.4)


def _keep(folder: Path, seen: list[LiveStep], into: Path) -> None:
    into.mkdir(exist_ok=True)
    world_of = str(folder.parents[2])
    runbook = (folder / RUNBOOK).read_bytes()
    placed = _placed(runbook, world_of)
    renamed = (hashlib.sha256(runbook).hexdigest(), hashlib.sha256(placed).hexdigest())
    lines = []
    prev = FIRST
    for written in (folder / JOURNAL).read_bytes().splitlines():
        document = json.loads(
            _placed(written, world_of).replace(*(one.encode() for one in renamed))
        )
        line = json.dumps(
            document | {"prev": prev}, ensure_ascii=False, separators=(",", ":")
        ).encode()
        prev = hashlib.sha256(line).hexdigest()
        lines.append(line + b"\n")
    (into / RUNBOOK).write_bytes(placed)
    (into / JOURNAL).write_bytes(b"".join(lines))
    best = min(seen, key=_from_the_middle)
    text = json.dumps(asdict(best), indent=1, ensure_ascii=False)
    (into / LIVE).write_bytes(_placed(text.encode(), world_of) + b"\n")


def _placed(text: bytes, world_of: str) -> bytes:
    """The same with places that name no machine; the chain is made anew, so that it still holds."""
    for here, there in ((world_of, "/srv/demo"), (str(PLACE), "/srv"), (sys.prefix, "/opt/drbook")):
        text = text.replace(here.encode(), there.encode())
    return text


def _from_the_middle(live: LiveStep) -> float:
    """How far the load is from two fifths, where tables are loaded; the farthest before it begins."""
    last = live.progress[-1] if len(live.progress) > 1 else None
    return abs(last.done / last.total - 0.4) if last is not None and last.total else 9.0
