"""A scenario led to its end without a screen, and held against what must come out of it."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from drbook.app.autopilot import run_unattended
from drbook.app.places import Home
from drbook.app.report import report
from drbook.app.session import Session, open_incident
from drbook.app.shipped import open_runbook
from drbook.core.errors import DrbookError, ExitCode
from drbook.core.events import Mode
from drbook.core.values import Json, format_time, plain
from drbook.demo.scenario import Scenario
from drbook.demo.story import Story
from drbook.demo.world import Tell, World, world


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one scenario."""

    story: Story
    outcome: str
    code: int
    unmet: tuple[str, ...]
    """What did not come out as it must, in words."""
    seconds: float
    report: Mapping[str, Json]

    @property
    def held(self) -> bool:
        return not self.unmet


def opened(made: World, *, keep: bool, mode: Mode = Mode.DRILL) -> Session:
    """Let the disaster happen, and open the world's runbook in it, as a rehearsal where nothing else is said.
    With `keep`, what it makes outlives it."""
    occurred = made.disaster()
    return open_incident(
        open_runbook(str(made.runbook())),
        mode,
        Home(made.folder / "drbook"),
        {"occurred": format_time(occurred)},
        environment={**os.environ, **made.environment()},
        keep_targets=keep,
    )


@contextmanager
def told(story: Story, rows: int, *, keep: bool, tell: Tell) -> Iterator[tuple[World, Session]]:
    """The scenario's world after its disaster, and the rehearsal of its runbook opened in it."""
    with world(rows, keep=keep, tell=tell, kind=story.world) as made:
        yield made, opened(made, keep=keep)


def answering(story: Story, made: World) -> Scenario:
    """The scenario's person."""
    return Scenario(story.answers, story.accepts, made.hand)


def play(story: Story, rows: int, *, keep: bool, tell: Tell) -> Played:
    """Build its world, lead it, and take all of it away. What cannot be led did not come out as it must."""
    begun = time.monotonic()
    try:
        with told(story, rows, keep=keep, tell=tell) as (made, session), session:
            session.passing = not keep  # one that must fail is never closed
            ended = run_unattended(session.driver, answering(story, made), lambda _: None)
            document = report(session.driver.snapshot, ended)
    except DrbookError as error:
        why, seconds = plain(error.what, 300), time.monotonic() - begun
        return Played(story, "not led", int(error.exit_code), (why,), seconds, {})
    unmet = tuple(story.expected.unmet(document))
    seconds = time.monotonic() - begun
    return Played(story, ended.word, int(ended.code), unmet, seconds, document)


def worst(played: list[Played]) -> ExitCode:
    """0 only where each came out as it must; one that must fail is as it must be where it failed so."""
    return ExitCode.DONE if all(one.held for one in played) else ExitCode.FAILED
