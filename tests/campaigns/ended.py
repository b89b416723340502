"""End the demo by a signal at moments that a seed decides, some of them twice, and look what it leaves.

    python tests/campaigns/ended.py --endings 40 --seed 1

Each signal that ends a program comes right behind one of the lines that the demo says, from the first server to
the last step; to half of the runs it comes a second time while they clean up. Each must end with exit code 3,
none of its processes may be left, and nothing of its world.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from support.program import Drbook

from drbook.providers.pgserver import server_user

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOMENTS = (
    "Starting PostgreSQL", "Ninety days", "backup off site", "baseline captured", "loss: started",
    "locate: started", "restore: started", "verify: started", "cutover: confirmed",
)  # fmt: skip
"""What stands in a line behind which it is ended."""
LONGEST_PAUSE = 2.0
ROWS = 4000


@dataclass(frozen=True)
class Ending:
    how: signal.Signals
    behind: str
    again: float | None = None
    """Seconds after which the same signal comes once more."""

    def __str__(self) -> str:
        twice = "" if self.again is None else f", again after {self.again:.2f} s"
        return f"{self.how.name} behind `{self.behind}`{twice}"


def scratch_in(base: Path) -> Path:
    """A TMPDIR of its own, so that what is left over can be seen."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir=base))
    if server_user() == "nobody":
        folder.chmod(0o711)
    return folder


@contextmanager
def short_scratch() -> Iterator[Path]:
    """One right below the temporary folder: the name of a server's socket in a world in it has to be short."""
    with tempfile.TemporaryDirectory(prefix="t-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if server_user() == "nobody":
            folder.chmod(0o711)
        yield folder


def worlds(folder: Path) -> list[Path]:
    return sorted(folder.glob("drbook-*"))


def family(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def alive(processes: list[psutil.Process], within: float = 30) -> list[psutil.Process]:
    """Those that have not gone by then."""
    _, left = psutil.wait_procs(processes, timeout=within)
    return [one for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def what_is_left(drbook: Drbook, scratch: Path, ending: Ending) -> list[str]:
    """End one demo so; in words what it should not have left or said. Nothing where all is well."""
    with drbook.start(*("demo", "--headless", "--rows", str(ROWS)), TMPDIR=str(scratch)) as process:
        assert process.stderr is not None
        if not any(ending.behind in line for line in process.stderr):
            return [f"it never said `{ending.behind}`"]
        servers = family(process)
        if not servers and ending.behind != MOMENTS[0]:
            return ["none of its servers was seen"]
        process.send_signal(ending.how)
        if ending.again is not None:
            time.sleep(ending.again)
            if process.poll() is None:
                process.send_signal(ending.how)
        process.communicate(timeout=60)
    found = [] if process.returncode == 3 else [f"exit code {process.returncode}"]
    found += [f"process {one.pid} is left" for one in alive(servers)]
    return found + [f"{one} is left" for one in worlds(scratch)]


def endings(count: int, seed: int) -> list[Ending]:
    chance = random.Random(seed)
    return [
        Ending(
            chance.choice(SIGNALS),
            chance.choice(MOMENTS),
            chance.random() * LONGEST_PAUSE if chance.random() < 0.5 else None,
        )
        for _ in range(count)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--endings", type=int, default=40)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(2)))
    given = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="drbook-ended-") as name:
        base = Path(name)
        base.chmod(0o711)
        for ending in endings(given.endings, given.seed):
            found = what_is_left(Drbook(base / "home"), scratch_in(base), ending)
            bad += bool(found)
            print(f"{'; '.join(found) or 'nothing left'}: {ending}", flush=True)
    print(f"seed {given.seed}: {given.endings} endings, {bad} of them not clean")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
