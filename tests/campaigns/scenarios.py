"""Lead every scenario of the demo to its end, and hold what came out against what must.

    python tests/campaigns/scenarios.py                       # without a screen, each in its own world
    python tests/campaigns/scenarios.py --terminal            # by keys, in a terminal of 80 columns by 24 lines
    python tests/campaigns/scenarios.py --terminal NAME …     # some

By keys, nothing is known but what stands on the screen: a person is there who reads it, presses what the bottom
line says, answers as the scenario does, and does by hand, in the shell that `!` opens, what a step asks for.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.program import Drbook
from support.terminal import ENTER, ESCAPE, Terminal

from campaigns.ended import worlds
from drbook.app.shipped import open_runbook
from drbook.core.events import StepFinished
from drbook.core.results import RestoreResult, read_result
from drbook.demo.story import Story
from drbook.demo.worlds import MODULES, story
from drbook.journal.reader import read
from drbook.providers.pgtools import choose, find_tools

ROWS = 3000
PATIENCE = 240.0
"""Seconds in which a scenario is at its end."""
PROMPT = "ready> "
EARLIER = "5h ago"
"""When the rows were really made up, as somebody finds out who looks."""


@dataclass(frozen=True)
class Came:
    """How a scenario came out."""

    name: str
    unmet: list[str]
    seconds: float


def laid_out(bag: Path, baselines: Path) -> str:
    """What somebody types who has the go-bag and reads its README.txt."""
    name = f"$(unzip -p {bag} MANIFEST.json | jq -r .baseline)"
    return f"unzip -p {bag} baseline.json > {baselines}/{name}"


def on_production(world: Path, program: str, arguments: str) -> str:
    """One of PostgreSQL's programs on the world's production, of which the runbook says where it is."""
    (host,) = re.findall(r'host: "([^"]+)"', next(world.glob("*.yaml")).read_text())
    tools = choose(find_tools(), server=True)[0]
    return f"{tools.path(program)} -h {host} -U postgres -d rental {arguments}"


def kept(world: Path) -> str:
    """Production as it is, into the folder that the runbook looks into."""
    folder = world / "kept"
    return (
        f"mkdir -p {folder} && {on_production(world, 'pg_dump', f'-Fc -f {folder}/as-it-is.dump')}"
    )


def kept_with_wal(world: Path) -> str:
    """The same, and the last WAL; it is waited for as the instructions say."""
    switched = on_production(world, "psql", '-XAtc "SELECT pg_walfile_name(pg_switch_wal())"')
    waited = f"until [ -e {world}/wal/$segment ]; do sleep 0.1; done"
    return f"{kept(world)} && segment=$({switched}) && {waited}"


def made_again(world: Path) -> str:
    """The proposal's definition, run in the stand-in as its own login."""
    incident = next((world / "drbook" / "incidents").iterdir())
    (definition,) = [one for one in incident.glob("artifacts/*.sql") if ".undo" not in one.name]
    (key,) = world.glob("**/drbook_loader.key")
    (login,) = [
        found
        for one in read(incident / "journal.jsonl")
        if isinstance(one.event, StepFinished) and one.event.step == "stand_in"
        if (found := read_result(RestoreResult, one.event.result)) is not None
    ]
    psql = choose(find_tools(), server=True)[0].path("psql")
    where = f"-h {login.target.connect.host} -U drbook_loader -d rental"
    return f'PGPASSWORD="$(cat {key})" {psql} -Xq -v ON_ERROR_STOP=1 {where} -f {definition}'


HANDS: dict[tuple[str, str], Callable[[Path], str]] = {
    ("table-dropped", "keep"): kept_with_wal,
    ("table-dropped", "table_in_drill"): made_again,
    ("rows-overwritten", "keep"): kept,
    ("purging-backup-server", "pause"): lambda world: (
        f"touch {world}/backup-server/retention.paused"
    ),
    ("purging-backup-server", "start"): lambda world: f"sh {world}/backup-server/start",
    ("account-lost", "bag"): lambda world: laid_out(
        world / "stick/rental.zip", world / "baselines"
    ),
}
"""By scenario and step: what is typed in a shell before it is said to be done."""


class Person:
    """Somebody at the terminal, who knows the scenario's answers and reads the screen."""

    def __init__(self, seat: Terminal, told: Story, world: Path) -> None:
        self.seat = seat
        self.story = told
        self.world = world
        self.took_older = False
        self.steps = [one.id for one in open_runbook(told.world.file.removesuffix(".yaml")).steps]
        self.handed: set[str] = set()
        self.seen = ""
        """All that stood on the screen, one after the other."""

    def lead(self) -> None:
        until = time.monotonic() + PATIENCE
        while "CLOSED:" not in self.seat.text:
            assert time.monotonic() < until, f"it is not at its end:\n{self.seat.text}"
            self.seen += self.seat.text
            self._move(self.seat.text)
        self.seen += self.seat.text

    def _move(self, text: str) -> None:
        bottom = text.splitlines()[-1] if text.splitlines() else ""
        if "It ends as" in text:
            self.seat.press(ENTER)
        elif "Go on unverified" in text:
            self.seat.press(self.story.accepts["verify"] + ENTER)
        elif "Escape takes it back" in text:
            self.seat.read(0.5)
        elif found := re.search(r"Type  (\S+)  to go on", text):
            self.seat.press(found[1] + ENTER)
        elif "It is done" in text:
            self._done(text)
        elif self._asked(text):
            self.seat.press(self._asked(text))
        elif "go on unverified" in bottom:
            self.seat.press("d")
        elif "✗ failed" in text and not self.took_older:
            self._older()
        elif re.search(r"⏎ (run|run again|go to|answer|close)\b", bottom):
            self.seat.press(ENTER)
        else:
            self.seat.read(0.3)

    def _done(self, text: str) -> None:
        """What the step asks for is done by hand first, where that is more than to say so."""
        step = self._step(text)
        by_hand = HANDS.get((self.story.name, step))
        if by_hand is None or step in self.handed:
            self.seat.press("1")
            return
        self.handed.add(step)
        self.seat.press(ESCAPE)
        self.seat.press("!")
        self.seat.sees(PROMPT)
        self.seat.press(f"{by_hand(self.world)} && echo by $((40 + 2)) hand{ENTER}")
        self.seat.sees("by 42 hand")
        self.seat.press(f"exit{ENTER}")
        self.seat.sees("answer step")

    def _asked(self, text: str) -> str:
        """The key of the scenario's own answer, where a choice is asked for."""
        wanted = str(self.story.answers.get(self._step(text), ("", ""))[0])
        if not wanted:
            return ""
        found = re.search(rf"│\s+(\d)  {re.escape(wanted)}\s", text)
        return found[1] if found else ""

    def _step(self, text: str) -> str:
        """The step on the screen, by its number in the runbook; empty where none stands there."""
        number = re.search(r"│\s+(\d+) \S", text)
        return self.steps[int(number[1]) - 1] if number else ""

    def _older(self) -> None:
        """The restored copy is not true: it began before that copy. All that used the other time runs once
        more."""
        self.took_older = True
        self.seat.press("I")
        self.seat.sees("occurred")
        self.seat.press("1")
        self.seat.sees("When did it happen")
        self.seat.read(1.0)  # a dialog that has just come takes no Enter yet
        self.seat.press("\x15" + EARLIER)
        self.seat.sees("5 h 00 m ago")
        self.seat.press(ENTER)
        self.seat.sees("stale")


@contextmanager
def seated(told: Story, folder: Path, rows: int) -> Iterator[Person]:
    """The scenario's demo in a terminal, when its world is built."""
    drbook = Drbook(folder / "home")
    around = drbook.environment | {
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
        "PS1": PROMPT,
        "TMPDIR": str(folder),
    }
    arguments = ["demo", "--scenario", told.name, "--rows", str(rows)]
    seat = Terminal([*drbook.program, *arguments], around, folder)
    try:
        seat.sees("REHEARSAL", "run step 1", seconds=PATIENCE)
        (world,) = worlds(folder)
        yield Person(seat, told, world)
    finally:
        if not seat.child.closed:
            seat.vanishes()  # it takes its world away, which needs a moment


def by_keys(name: str, folder: Path, rows: int = ROWS) -> Came:
    """By keys to the end. A scenario whose verification must fail goes on with an older copy, to a pass."""
    told, begun = story(name), time.monotonic()
    with seated(told, folder, rows) as person:
        try:
            person.lead()
            unmet = [] if ended_right(told, person) else [f"it ended so:\n{person.seat.text}"]
            person.seat.press("q")
            code = person.seat.ends()
        except AssertionError as error:
            return Came(name, [str(error)], time.monotonic() - begun)
    wanted = 0 if told.expected.outcome == "fail" else int(told.expected.code)
    if code != wanted:
        unmet.append(f"exit code {code}, not {wanted}")
    if left := worlds(folder):
        unmet.append(f"left: {left}")
    return Came(name, unmet, time.monotonic() - begun)


def ended_right(told: Story, person: Person) -> bool:
    """By what stood on the screen: a copy that had to fail has failed, and the honest one passed."""
    if told.expected.outcome == "fail":
        return "✗ failed" in person.seen and "CLOSED: PASS" in person.seat.text
    return f"CLOSED: {told.expected.outcome.upper()}" in person.seat.text


def headless(name: str, folder: Path, rows: int = ROWS) -> Came:
    """By the demo's own person, as its report tells it."""
    told, begun = story(name), time.monotonic()
    arguments = ("demo", "--scenario", name, "--headless", "--json", "--rows", str(rows))
    ran = Drbook(folder / "home")(*arguments, timeout=PATIENCE, TMPDIR=str(folder))
    unmet = told.expected.unmet(json.loads(ran.out)) if ran.out else [ran.err[-500:]]
    if ran.code != told.expected.code:
        unmet.append(f"exit code {ran.code}, not {int(told.expected.code)}")
    if left := worlds(folder):
        unmet.append(f"left: {left}")
    return Came(name, unmet, time.monotonic() - begun)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("names", nargs="*", choices=[[], *MODULES], metavar="NAME")
    parser.add_argument("--terminal", action="store_true", help="by keys, in a terminal")
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    lead = by_keys if given.terminal else headless
    bad = 0
    for name in given.names or MODULES:
        with tempfile.TemporaryDirectory(prefix="drbook-scenario-") as folder:
            os.chmod(folder, 0o711)  # where servers run as `nobody`, they pass through
            came = lead(name, Path(folder), given.rows)
        bad += bool(came.unmet)
        print(f"{'ok ' if not came.unmet else 'BAD'} {name:24} {came.seconds:5.0f} s", flush=True)
        for one in came.unmet:
            print(f"    {one}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
