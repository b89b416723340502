"""Let surprises come over the demo's incident, seed after seed, and hold what drbook says to what is true.

    python tests/campaigns/surprises.py --seeds 0-99

All seeds share one world, whose store is put back behind each; every incident has a state directory of its
own. A row tells what came, how drbook ended, and every claim that did not hold. A run that does not end is a
claim that did not hold.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.kill import processes_of
from drbook.cli.surprised import remove_targets
from drbook.core.values import format_time
from drbook.demo.shelf import Shelf
from drbook.demo.surprised import Surprised, Trial, unseen
from drbook.demo.surprises import Plan, plan, read_names
from drbook.demo.world import World, world
from drbook.providers.pgtools import choose, find_tools

ROWS = 4000
LONGEST = timedelta(minutes=4)
"""For one life of one incident; more is a hang."""
ALONE = 30.0
"""Seconds in which everything of an incident that has ended must be gone."""


@dataclass
class Field:
    """One world in which incidents are led one after the other."""

    made: World
    occurred: str
    heard: list[str] = field(default_factory=list)
    """What the last run said, line by line."""
    left: list[str] = field(default_factory=list)
    """Processes of the last incident that should have gone by themselves, before anything else ended them."""

    def run(self, planned: Plan) -> Surprised:
        """One incident to its end; the store is as before afterwards."""
        home = Path(tempfile.mkdtemp(prefix="home-", dir=self.made.folder))
        home.chmod(0o711)
        self.heard.clear()
        trial = Trial(
            self.made,
            self.occurred,
            planned,
            lead=unseen(self.heard.append, LONGEST),
            again=lambda folder: True,
            tell=self.heard.append,
            home=home,
            begin=lambda runbook: ["demo-lead", str(runbook), self.occurred],
            resume=lambda folder: ["demo-lead", str(folder / "runbook.yaml"), self.occurred],
        )
        try:
            ended = trial.run()
            self.left = self._left(ended)
        finally:
            remove_targets(home, {**os.environ, **self.made.environment()}, self.heard.append)
        shelf = Shelf(self.made.store, choose(find_tools(), server=True)[0], self.made.folder)
        shelf.undo(ended.copies)
        return ended

    def _left(self, ended: Surprised) -> list[str]:
        if ended.folder is None:
            return []
        until = time.monotonic() + ALONE
        while (left := processes_of(ended.folder)) and time.monotonic() < until:
            time.sleep(0.1)
        return left


@contextmanager
def a_field(rows: int = ROWS) -> Iterator[Field]:
    """A world after its disaster."""
    with world(rows, keep=False, tell=lambda line: None) as made:
        yield Field(made, format_time(made.disaster()))


def row(ended: Surprised, seconds: float, left: Sequence[str]) -> str:
    each = [
        f"{one.fault.surprise.value} {one.fault.moment}{'' if one.done else ' (not done)'}"
        for one in ended.injected
    ]
    came = "; ".join(
        f"{one} ×{each.count(one)}" if each.count(one) > 1 else one for one in dict.fromkeys(each)
    )
    verdict = "honest" if ended.judged.honest and not left else "NOT HONEST"
    code = ended.life.exit_code
    return (
        f"{ended.plan.seed:>5}  {verdict:<10}  {ended.judged.ended:<8}  {code!s:>4}  {ended.lives}  "
        f"{seconds:5.1f} s  {came}\n       {ended.judged.why[:240]}"
        + "".join(f"\n       FALSE: {one}" for one in ended.judged.false)
        + "".join(f"\n       PASSED OVER: {one}" for one in ended.judged.passed_over)
        + "".join(f"\n       LEFT: {one}" for one in left)
    )


def campaign(plans: Sequence[Plan], rows: int, tell: Callable[[str], None]) -> int:
    """How many of them were not honest, or left something."""
    bad = 0
    tell(" seed  verdict     ended     code  lives  time  what came")
    with a_field(rows) as there:
        for planned in plans:
            begun = time.monotonic()
            ended = there.run(planned)
            tell(row(ended, time.monotonic() - begun, there.left))
            if ended.folder is not None:
                shutil.rmtree(ended.folder.parents[1])  # a hundred clusters fill a disk
            if there.left or not ended.judged.honest:
                bad += 1
                tell("\n".join(f"         | {line}" for line in there.heard[-25:]))
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--seeds", default="0-29", help="like 0-99, or one")
    parser.add_argument("--surprises", default="", help="only these kinds, as for drbook demo")
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    plans = [plan(seed, read_names(given.surprises)) for seed in seeds]
    bad = campaign(plans, given.rows, lambda line: print(line, flush=True))
    print(f"{len(plans)} incidents, {bad} of them not honest")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
