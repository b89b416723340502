"""How fast the screen is with a large incident, against an empty Textual application on the same terminal.

    python tests/benchmarks/screen.py                        # 1,000 steps, 100,000 records
    python tests/benchmarks/screen.py --steps 200 --records 5000 --starts 3 --keys 40

`drbook resume INCIDENT` and an application without anything in it are started in turn in a pseudo-terminal
of 120×40; the time to the first frame is from the start of the process to its first painted cells, and the
median of all starts is compared: both are slowed by whatever else the machine does. Then keys are pressed,
each timed until what it has to show is painted; at last a step is run whose provider hangs and hears no
cancelling, and keys are pressed again while it does.
"""

import argparse
import json
import math
import os
import pty
import re
import select
import shutil
import signal
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.large import Large, large, many, plug_in

FIRST_RATIO, CONTENT_SECONDS, KEY_MS, MEMORY_MIB = 1.3, 2.0, 50.0, 300.0
"""What must hold: against the empty application; after the first frame; at the 95th percentile; at its peak."""

EMPTY = "from textual.app import App\nclass Empty(App): pass\nEmpty().run()\n"
COLUMNS, ROWS = 120, 40
_ESCAPES = re.compile(
    rb"\x1b\[[0-9;:<>=?$]*[A-Za-z@`]|\x1b[()][A-Z0-9]|\x1b[=>78]|\x1b_[^\x1b]*\x1b\\"
)


@dataclass(frozen=True)
class Press:
    """Milliseconds from a key to what it shows, and how many of them were computed."""

    took: float
    computed: float


class Seat:
    """A process in a pseudo-terminal, and what it has painted."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.begun = time.monotonic()
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), dict(environment))
        ioctl(self._handle, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._raw = b""

    def read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._handle], [], [], seconds)
        if not ready:
            return False
        try:
            self._raw += os.read(self._handle, 1 << 16)
        except OSError:
            raise AssertionError(f"it has ended:\n{self.painted()[-2000:]}") from None
        return True

    def painted(self) -> str:
        """What was painted since `press`, without colours and places."""
        return _ESCAPES.sub(b"", self._raw).decode("utf-8", "replace")

    def until(self, seen: Callable[[str], bool], seconds: float = 60) -> float:
        """The moment at which that was painted."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not seen in {seconds} s:\n{self.painted()[-3000:]}")
            if self.read(min(left, 0.5)) and seen(self.painted()):
                return time.monotonic()

    def press(self, keys: str, seen: Callable[[str], bool]) -> "Press":
        """How long it took from a key to what it shows."""
        self.still()
        self._raw = b""
        computed, pressed = self._on_cores(), time.monotonic()
        os.write(self._handle, keys.encode())
        took = self.until(seen, 20) - pressed
        return Press(took * 1000, (self._on_cores() - computed) * 1000)

    def still(self) -> None:
        """Read what is still coming."""
        while self.read(0.02):
            continue

    def computed(self) -> float:
        """Seconds that its threads have computed; what others do on this machine does not count."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _on_cores(self) -> float:
        """The same as exactly as the kernel knows it, of the threads that are there."""
        total = 0
        for each in Path(f"/proc/{self.pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # it has ended
                total += int(each.read_text().split()[0])
        return total / 1e9

    def peak(self) -> float:
        """The most memory that it has held, in MiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def end(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self._handle)


@dataclass
class Outcome:
    """All figures of one run."""

    empty: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    content: list[float] = field(default_factory=list)
    """Seconds after the first frame."""
    computed: list[tuple[float, float, float]] = field(default_factory=list)
    """Seconds of computing: the empty application to its first frame, drbook to its own, to its content."""
    keys: dict[str, list[Press]] = field(default_factory=dict)
    """By what the key does."""
    hanging: list[Press] = field(default_factory=list)
    home: list[Press] = field(default_factory=list)
    """At home, while all its incidents are read."""
    peak: float = 0.0

    @property
    def ratio(self) -> float:
        return statistics.median(self.first) / statistics.median(self.empty)

    @property
    def all_keys(self) -> list[Press]:
        return [each for times in self.keys.values() for each in times]

    def shortfalls(self) -> list[str]:
        checks = [
            ("first frame", self.ratio, FIRST_RATIO),
            ("content", statistics.median(self.content), CONTENT_SECONDS),
            ("keys", percentile(took(self.all_keys), 95), KEY_MS),
            ("keys while a provider hangs", percentile(took(self.hanging), 95), KEY_MS),
            ("keys at home while it is read", percentile(took(self.home), 95), KEY_MS),
            ("memory", self.peak, MEMORY_MIB),
        ]
        return [f"{name}: {found:.2f}, of {most}" for name, found, most in checks if found > most]


def took(presses: Sequence[Press]) -> list[float]:
    return [each.took for each in presses]


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that so many of a hundred do not exceed."""
    return sorted(values)[math.ceil(share / 100 * len(values)) - 1]


def environment_of(home: Path, plug: Path) -> dict[str, str]:
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return known | {
        "DRBOOK_HOME": str(home),
        "DRBOOK_OPERATOR": "alice",
        "PYTHONPATH": str(plug),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }


def first_cells(painted: str) -> bool:
    """Whether more was painted than the names of modes: a line of the screen at least."""
    return len(painted) >= COLUMNS


class Bench:
    def __init__(self, made: Large, folder: Path) -> None:
        self.made = made
        self.folder = folder
        self.plug = plug_in(folder / "plug")
        self.empty = folder / "empty.py"
        self.empty.write_text(EMPTY)
        self.outcome = Outcome()
        self.computed = (0.0, 0.0)

    def start(self) -> Seat:
        """`drbook resume` of a copy: each start puts a record behind."""
        home = self.folder / "copy"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.made.home.path, home)
        command = [str(Path(sys.executable).with_name("drbook")), "resume", self.made.incident]
        return Seat(command, environment_of(home, self.plug))

    def opened(self) -> Seat:
        seat = self.start()
        first = seat.until(lambda painted: first_cells(painted) and "reading the" in painted)
        to_first = seat.computed()
        content = seat.until(lambda painted: self.title(self.here) in painted)
        self.computed = (to_first, seat.computed() - to_first)
        self.outcome.first.append(first - seat.begun)
        self.outcome.content.append(content - first)
        return seat

    @property
    def here(self) -> int:
        """The number of the step that is selected at first: the one that hangs."""
        return self.made.steps // 2 + 1

    def title(self, number: int) -> str:
        return f"{number}  Bring back part {number} of"

    def starts(self, count: int) -> None:
        environment = environment_of(self.folder, self.plug)
        for _ in range(count):
            empty = Seat([sys.executable, str(self.empty)], environment)
            self.outcome.empty.append(empty.until(first_cells) - empty.begun)
            computed = empty.computed()
            empty.end()
            self.opened().end()
            self.outcome.computed.append((computed, *self.computed))

    def press_keys(self, seat: Seat, count: int, into: Callable[[str, Press], None]) -> None:
        """Up and down through the steps, and through the screens and back."""
        here, last = self.here, self.made.steps
        for turn in range(count):
            down = turn % 10 < 5
            here = min(last, here + 1) if down else max(1, here - 1)
            wanted = self.title(here)
            into("step", seat.press("j" if down else "k", lambda text, w=wanted: w in text))
            if turn % 5 == 4:
                self.screens(seat, here, into)

    def screens(self, seat: Seat, here: int, into: Callable[[str, Press], None]) -> None:
        for key, heading in (("b", "BACKUPS"), ("v", "ROW COUNTS"), ("t", "TIMELINE")):
            into(heading.lower(), seat.press(key, lambda text, h=heading: h in text))
            if key == "t":
                seat.still()
                for page in ("\x1b[5~", "\x1b[5~", "\x1b[6~"):
                    into("page", seat.press(page, lambda text: text.count("\n") + len(text) > 1500))
            into("back", seat.press("q", lambda text: self.title(here) in text))

    def keys(self, count: int) -> None:
        seat = self.opened()
        try:
            time.sleep(1)
            self.press_keys(
                seat, count, lambda name, took: self.outcome.keys.setdefault(name, []).append(took)
            )
            self.outcome.peak = seat.peak()
        finally:
            seat.end()

    def hang(self, count: int) -> None:
        """Run the step whose provider hangs; press keys until it would have come back."""
        seat = self.opened()
        try:
            time.sleep(1)
            seat.press("\r", lambda text: "running" in text)
            self.press_keys(seat, count, lambda _, took: self.outcome.hanging.append(took))
        finally:
            seat.end()

    def at_home(self, incidents: int, most: int) -> None:
        """Type and take back at home, from its first row on, while its incidents are read."""
        home = many(self.folder / "many", incidents)
        seat = Seat(
            [str(Path(sys.executable).with_name("drbook"))],
            environment_of(home.path, self.plug),
        )
        try:
            seat.until(lambda painted: "▌" in painted)
            for _ in range(most // 2):
                for key, wanted in (("m", "filter: m"), ("\x7f", "Type to filter")):
                    self.outcome.home.append(seat.press(key, lambda text, w=wanted: w in text))
        finally:
            seat.end()


def measure(steps: int, records: int, starts: int, keys: int, incidents: int) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="drbook-screen-") as folder:
        bench = Bench(large(Path(folder), steps, records), Path(folder))
        bench.starts(starts)
        bench.keys(keys)
        bench.hang(keys)
        bench.at_home(incidents, keys)
        return bench.outcome


def show(outcome: Outcome) -> None:
    middle = statistics.median
    print(f"{'':28} {'median':>9} {'fastest':>9} {'slowest':>9}")
    for name, values in (
        ("empty application, first", outcome.empty),
        ("drbook, first frame", outcome.first),
        ("drbook, content after it", outcome.content),
    ):
        print(f"{name:28} {middle(values):8.2f}s {min(values):8.2f}s {max(values):8.2f}s")
    computed = " / ".join(f"{middle(each):.2f}" for each in zip(*outcome.computed, strict=True))
    print(f"{'of these, computing':28} {computed} s (medians)")
    print(f"{'first frame, ratio':28} {outcome.ratio:8.2f}×   (must be at most {FIRST_RATIO})\n")
    print(f"{'key to painted':28} {'p50':>9} {'p95':>9} {'p99':>9}  {'computing':>12}  presses")
    rows = [*outcome.keys.items(), ("all", outcome.all_keys)]
    rows += [("all, a provider hangs", outcome.hanging), ("home, while it is read", outcome.home)]
    for name, presses in rows:
        shares = " ".join(f"{percentile(took(presses), share):6.1f} ms" for share in (50, 95, 99))
        computed = percentile([each.computed for each in presses], 95)
        print(f"{name:28} {shares}  {computed:6.1f} ms p95  {len(presses)}")
    print(f"\nmost memory: {outcome.peak:.0f} MiB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--starts", type=int, default=7, help="of each of the two applications")
    parser.add_argument("--keys", type=int, default=200, help="moves; screens come on top")
    parser.add_argument("--incidents", type=int, default=500, help="of the home that is opened")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON document")
    given = parser.parse_args()
    outcome = measure(given.steps, given.records, given.starts, given.keys, given.incidents)
    if given.json:
        print(json.dumps(asdict(outcome)))
    else:
        show(outcome)
    shortfalls = outcome.shortfalls()
    for each in shortfalls:
        print(f"DOES NOT HOLD  {each}", file=sys.stderr)
    return 1 if shortfalls else 0


if __name__ == "__main__":
    sys.exit(main())
