"""Kill the demo's incident with SIGKILL at moments that a seed decides, resume it, and hold the record
to what lies on disk and in the process table.

    python tests/campaigns/kill.py --kills 100 --seed 1

Half of the kills come a moment after a record was written, so that the short steps are hit as often
as the long ones; the others come at any time of the run, and a resumed run may be killed again. Behind
half of them everything that was started must end by itself first; behind the others the incident is
resumed at once, and at the moment when that is on record nothing of the life before may be alive. At
its end the incident has passed, and nothing exists that the record does not name.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from drbook.app.autopilot import failed_before, run_unattended
from drbook.app.model import Resolve, Snapshot
from drbook.app.places import JOURNAL, Home, listed
from drbook.app.session import Session, open_incident, resume_incident
from drbook.app.shipped import open_runbook
from drbook.core import events as ev
from drbook.core.errors import DrbookError
from drbook.core.events import Mode, Record, StepEnd
from drbook.core.fold import fold
from drbook.core.state import StepState
from drbook.core.values import format_time
from drbook.demo.scenario import Scenario
from drbook.demo.world import World, world
from drbook.journal.reader import read, verify
from drbook.providers.pgserver import sockets_of

ALONE = 40.0
"""Seconds in which everything that a killed run had started must have ended by itself."""
ONE_RUN = 240.0
AGAIN = 0.25
"""How often a resumed run is killed as well."""
AT_ONCE = 0.5
"""How often a killed run is resumed before what it had started can have ended by itself."""
DEAF = """
  - id: deaf
    phase: close
    title: A program that does not hear
    why: What ignores a stop is there until its launcher's grace is over, and must be waited for.
    do: shell
    with: {shell: "trap '' TERM; sleep 4", changes: nothing}
"""
"""The campaign's own last step: all others end so fast that no resume could come too early."""
OUTLIVED = "outlived"
"""A file in a home: what was alive that should not have been when a resume was on record."""


LEADING, WAITING = "--lead", "--wait-to-lead"


# --- the victim --------------------------------------------------------------------------------


def nothing(before: Snapshot) -> tuple[str, ...]:
    """A first life runs nothing again."""
    return ()


def lead(home: Path, runbook: Path, occurred: str) -> int:
    """Lead the incident of this home to its end: a new one, or the one that is there."""
    there = listed(Home(home))
    if there and (state := fold(read(there[0] / JOURNAL))).closed_at is not None:
        return 0 if state.outcome == "pass" else 1
    session = (
        resume_incident(there[0])
        if there
        else open_incident(
            open_runbook(str(runbook)),
            Mode.DRILL,
            Home(home),
            {"occurred": occurred},
            keep_targets=True,  # what the record says of them is held against what is there
        )
    )
    if there:
        keep_what_outlived(home)
    with session:
        for _ in range(10):
            ended = run_unattended(
                session.driver,
                Scenario(),
                lambda _: None,
                again=failed_before if there else nothing,
            )
            if ended.word != "in-doubt":
                print(ended.word, ended.reason)
                return 0 if ended.word == "pass" else 1
            _settle(session)
            there = [session.folder]
    return 1


def _settle(session: Session) -> None:
    """What an operator does: a restore that was cut short is never used; another attempt is made."""
    for run in session.driver.snapshot.state.steps.values():
        if run.state is StepState.IN_DOUBT:
            settled = Resolve(run.id, StepEnd.FAILED, "the kill campaign looked at it")
            done = session.driver.submit(settled).result(timeout=30)
            while session.driver.snapshot.state.seq < done:
                time.sleep(0.01)  # snapshots follow within a tenth of a second


def keep_what_outlived(home: Path) -> None:
    """Called the moment a resume is on record: everything of this home that does not come of us."""
    if left := processes_of(home, but=_tree_of(os.getpid())):
        with (home / OUTLIVED).open("a", encoding="utf-8") as stream:
            stream.writelines(f"{each}\n" for each in left)


def _tree_of(pid: int) -> frozenset[int]:
    ours = psutil.Process(pid)
    return frozenset({pid, *(each.pid for each in ours.children(recursive=True))})


# --- the judge ---------------------------------------------------------------------------------


@dataclass
class Findings:
    """What must stay at nought."""

    kills: int = 0
    at_once: int = 0
    """Of them, resumed at once."""
    counts: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    def found(self, kind: str, detail: str) -> None:
        self.counts[kind] += 1
        self.details.append(f"{kind}: {detail}")


KINDS = (
    "recorded as done and was not",
    "done without an intent",
    "run twice unasked",
    "orphan process",
    "alive when it was gone on with",
    "target or lock unaccounted for",
    "cannot be finished",
    "record not whole",
)


def processes_of(folder: Path, but: frozenset[int] = frozenset()) -> list[str]:
    """Processes that were started for this incident: they name its folder, or work in it."""
    found = []
    for process in psutil.process_iter():
        try:
            argv, where = process.cmdline(), process.cwd()
            of_it = str(folder) in " ".join(argv) or where.startswith(str(folder))
            # Who leads is killed or ends; one may wait already to go on.
            ours = process.pid == os.getpid() or process.pid in but or WAITING in argv
            if of_it and not ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(argv)[:120]}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def hold(folder: Path, findings: Findings, *, ended: bool) -> None:
    """Hold the record to the disk. Before the end a torn last line is no finding: a resume mends it."""
    name = folder.name
    try:
        checked = verify(folder / JOURNAL)
    except DrbookError as error:
        findings.found("record not whole", f"{name}: {error.what}")
        return
    if checked.problem or (ended and checked.torn):
        findings.found("record not whole", f"{name}: {checked.problem or 'torn at its end'}")
        return
    records = read(folder / JOURNAL)
    _hold_targets(folder, records, findings)
    _hold_results(folder, records, findings)
    _hold_attempts(name, records, findings)


def _hold_targets(folder: Path, records: tuple[Record, ...], findings: Findings) -> None:
    events = [record.event for record in records]
    intended = {event.location for event in events if isinstance(event, ev.ResourceIntended)}
    created = {event.location for event in events if isinstance(event, ev.ResourceCreated)}
    there = {str(path) for path in (folder / "targets").glob("*")}
    for location in there - intended:
        findings.found("done without an intent", f"{location} is not on record")
    for location in created:
        if not (Path(location) / "data" / "PG_VERSION").is_file():
            findings.found("recorded as done and was not", f"{location} holds no cluster")


def hold_resumes(home: Path, findings: Findings) -> None:
    """What a resume found alive when it was on record; each is said once."""
    file = home / OUTLIVED
    if file.exists():
        findings.found(
            "alive when it was gone on with", "; ".join(file.read_text("utf-8").splitlines())
        )
        file.unlink()


def hold_sockets(folder: Path, findings: Findings) -> None:
    """A run that ended by itself leaves no socket's folder outside the incident's own."""
    for event in (record.event for record in read(folder / JOURNAL)):
        if isinstance(event, ev.ResourceIntended) and sockets_of(event.nonce).exists():
            findings.found("target or lock unaccounted for", f"{sockets_of(event.nonce)} is left")


def _hold_results(folder: Path, records: tuple[Record, ...], findings: Findings) -> None:
    for event in (record.event for record in records):
        if not isinstance(event, ev.StepFinished) or event.state is not StepEnd.SUCCEEDED:
            continue
        copy = event.result.get("copy_used") if isinstance(event.result, dict) else None
        if copy is None:
            continue
        file = folder / str(copy["name"])
        if not file.is_file() or _sha256(file) != copy["sha256"]:
            findings.found("recorded as done and was not", f"{file} is not what was loaded")


def _hold_attempts(name: str, records: tuple[Record, ...], findings: Findings) -> None:
    """An attempt with an effect follows another only where that one is known to have failed."""
    effects: dict[str, ev.Effect] = {}
    last: dict[str, str] = {}
    for event in (record.event for record in records):
        if isinstance(event, ev.StepPlanned):
            effects[event.step] = event.effect
        elif isinstance(event, ev.StepStarted):
            before = last.get(event.step, "")
            if effects[event.step] is not ev.Effect.NONE and before in ("started", "succeeded"):
                findings.found("run twice unasked", f"{name}: {event.step} after {before}")
            last[event.step] = "started"
        elif isinstance(event, ev.StepFinished | ev.StepResolved):
            last[event.step] = event.state.value


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- the campaign ------------------------------------------------------------------------------


@dataclass
class Hunt:
    """One world, whose incident is led and killed over and over, each in a home of its own."""

    made: World
    occurred: str
    chance: random.Random
    findings: Findings
    seconds: float = 6.0
    records: int = 40

    def start(self, home: Path, *, waits: bool = False) -> "subprocess.Popen[str]":
        """Lead the incident of this home; one that `waits` is ready, and does so when it is told to."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [sys.executable, str(Path(__file__).resolve()), WAITING if waits else LEADING]
        return subprocess.Popen(
            [*command, str(home), str(self.made.folder), self.occurred],
            env={**os.environ, **self.made.environment(), "DRBOOK_OPERATOR": "campaign"},
            cwd=home,  # what it starts works there too, and is known by it
            stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def measure(self, home: Path) -> None:
        """One run that nobody kills tells how long it is."""
        begun = time.monotonic()
        with self.start(home) as process:
            said = process.communicate(timeout=ONE_RUN)[0]
        self._finished(home, process.returncode, said)
        self.seconds = time.monotonic() - begun
        self.records = len(read(listed(Home(home))[0] / JOURNAL)) if listed(Home(home)) else 40

    def run(self, home: Path) -> None:
        """Kill one incident, once or more, and bring it to its end."""
        going = self.start(home)
        while True:
            ready = self.start(home, waits=True) if self.chance.random() < AT_ONCE else None
            if not self._killed(home, going):
                if ready is not None:
                    ready.communicate("")
                break
            if ready is not None:
                self._behind(home)
                self.findings.at_once += 1
                _tell(ready)
            else:
                self._afterwards(home)
            going = ready or self.start(home)
            if self.chance.random() > AGAIN:
                break
        said = going.communicate(timeout=ONE_RUN)[0]
        if not listed(Home(home)):  # killed before anything was opened, it begins anew
            going = self.start(home)
            said = going.communicate(timeout=ONE_RUN)[0]
        self._finished(home, going.returncode, said)

    def _killed(self, home: Path, process: "subprocess.Popen[str]") -> bool:
        """Kill it; False where it had ended before."""
        if self.chance.random() < 0.5:
            self._wait_for_record(home, self.chance.randint(1, self.records), process)
            time.sleep(self.chance.random() * 0.05)
        else:
            time.sleep(self.chance.random() * self.seconds)
        if process.poll() is not None:
            return False
        process.send_signal(signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        self.findings.kills += 1
        return True

    def _wait_for_record(self, home: Path, number: int, process: "subprocess.Popen[str]") -> None:
        until = time.monotonic() + ONE_RUN
        while process.poll() is None and time.monotonic() < until:
            there = listed(Home(home))
            if there and (there[0] / JOURNAL).read_bytes().count(b"\n") >= number:
                return
            time.sleep(0.005)

    def _afterwards(self, home: Path) -> None:
        """Everything that it had started must end by itself."""
        self._behind(home)
        there = listed(Home(home))
        if not there:
            return
        until = time.monotonic() + ALONE
        while left := processes_of(home):
            if time.monotonic() > until:
                self.findings.found("orphan process", "; ".join(left))
                break
            time.sleep(0.1)
        hold(there[0], self.findings, ended=False)

    def _behind(self, home: Path) -> None:
        """Count behind which record it was killed."""
        there = listed(Home(home))
        records = _readable(there[0]) if there else ()
        if not records:
            self.findings.moments["before anything was opened"] += 1
            return
        last = records[-1].event
        step = getattr(last, "step", "")
        self.findings.moments[f"{type(last).__name__} {step}".strip()] += 1

    def _finished(self, home: Path, code: int, said: str) -> None:
        there = listed(Home(home))
        hold_resumes(home, self.findings)
        if code != 0 or not there:
            kind = (
                "target or lock unaccounted for"
                if "Another drbook" in said
                else "cannot be finished"
            )
            self.findings.found(kind, f"{home.name}: exit {code}: {said.strip()[-600:]}")
            return
        hold(there[0], self.findings, ended=True)
        if left := processes_of(home):
            self.findings.found("orphan process", "; ".join(left))
        if said:  # one that was killed behind its own close has nobody who tidies up
            hold_sockets(there[0], self.findings)


def _tell(ready: "subprocess.Popen[str]") -> None:
    assert ready.stdin is not None
    ready.stdin.write("go\n")
    ready.stdin.close()
    ready.stdin = None  # `communicate` would close it again


def _readable(folder: Path) -> tuple[Record, ...]:
    try:
        return read(folder / JOURNAL)
    except DrbookError:
        return ()


@contextmanager
def hunting(rows: int, seed: int) -> Iterator[Hunt]:
    """A world after its disaster, and the hunt in it."""
    with world(rows, keep=False, tell=lambda _: None) as made:
        occurred = format_time(made.disaster())
        runbook = made.runbook()
        runbook.write_text(runbook.read_text(encoding="utf-8") + DEAF, encoding="utf-8")
        yield Hunt(made, occurred, random.Random(seed), Findings())


def campaign(kills: int, seed: int, rows: int = 20_000) -> Findings:
    """That many kills, each incident brought to its end."""
    with hunting(rows, seed) as hunt, tempfile.TemporaryDirectory(prefix="drbook-kill-") as name:
        hunt.measure(Path(name) / "0")
        number = 0
        while hunt.findings.kills < kills:
            number += 1
            home = Path(name) / str(number)
            hunt.run(home)
            subprocess.run(["rm", "-rf", str(home)], check=True)
        return hunt.findings


def main() -> int:
    if sys.argv[1:2] in ([LEADING], [WAITING]):
        home, folder, occurred = sys.argv[2:5]
        if sys.argv[1] == WAITING and not sys.stdin.readline():
            return 0
        return lead(Path(home), Path(folder) / "rental-business.yaml", occurred)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(2)))
    parser.add_argument("--rows", type=int, default=20_000)
    given = parser.parse_args()
    begun = time.monotonic()
    findings = campaign(given.kills, given.seed, given.rows)
    print(
        f"seed {given.seed}: {findings.kills} kills in {time.monotonic() - begun:.0f} s, "
        f"{findings.at_once} of them resumed at once, behind"
    )
    for moment, times in findings.moments.most_common():
        print(f"  {times:4} {moment}")
    for kind in KINDS:
        print(f"{kind + ':':<32}{findings.counts[kind]}")
    print(json.dumps(findings.details[:20], indent=1) if findings.details else "nothing found")
    return int(bool(findings.details))


if __name__ == "__main__":
    sys.exit(main())
