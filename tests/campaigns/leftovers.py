"""Kill a drill behind each of its records, then resume it or clean up behind it: nothing may be left.

    python tests/campaigns/leftovers.py                  # every boundary, both ways
    python tests/campaigns/leftovers.py --boundaries 6

The drill dies by SIGKILL the moment a record is on disk, before anything that the record announces. Its processes are
then told by the environment that they have from it, and everything that it makes lies in places of its own: the
folder of its record, TMPDIR, the sockets of its targets, and the claims on incidents.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.pattern import create
from support.pg import drain
from support.program import Drbook, Ran

from drbook.app.places import JOURNAL, Home, listed
from drbook.core import events as ev
from drbook.core.events import Record
from drbook.core.fold import fold
from drbook.journal.reader import read, verify
from drbook.journal.writer import Writer
from drbook.providers.pgserver import ClusterServer, server_user, sockets_of
from drbook.providers.pgtools import find_tools
from drbook.providers.process import complete

DIES_BEHIND = "CAMPAIGN_DIES_BEHIND"
"""The number of the record behind which the victim kills itself."""
ALONE = 40.0
"""Seconds in which everything of a cleaned drill must be gone."""
WAYS = ("resume", "clean")
RUNBOOK = """
drbook: 1
title: Drill that is killed
production:
  domain: {provider: here, account: prod, resource: vol-1}
backups:
  - id: offsite
    kind: directory
    path: {dumps}
    domain: {provider: elsewhere, account: backups, resource: shelf}
steps:
  - {id: locate, phase: locate, do: backups.locate, with: {require: [resource]}}
  - id: restore
    phase: restore
    do: postgres.restore
    with: {point: "${{ steps.locate.point }}", target: {kind: cluster}, first: [orders]}
  - id: verify
    phase: verify
    do: sql
    with: {target: "${{ steps.restore.target }}", sql: "SELECT count(*) FROM orders"}
"""


def victim(arguments: Sequence[str]) -> int:
    """drbook, which dies behind the record of that number."""
    from drbook.cli.main import main

    number, append = int(os.environ[DIES_BEHIND]), Writer.append

    def dying(self: Writer, actor: str, event: ev.Event) -> Record:
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        record = append(self, actor, event)
        if record.seq == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return record

    Writer.append = dying  # type: ignore[method-assign]
    return main(list(arguments))


@dataclass
class Findings:
    kills: int = 0
    left: list[str] = field(default_factory=list)
    behind: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)
    """What `drill clean` said that it removed, by kind."""


@dataclass
class Place:
    """One drill's own: state directory, TMPDIR, claims."""

    base: Path
    runbook: Path

    def __post_init__(self) -> None:
        for name in ("t", "state", "home"):
            (self.base / name).mkdir(mode=0o711)
        self.drbook = Drbook(self.base / "home")
        self.drbook.environment |= {
            "TMPDIR": str(self.base / "t"),
            "XDG_STATE_HOME": str(self.base / "state"),
        }

    @property
    def folder(self) -> Path:
        return listed(Home(self.drbook.home))[0]

    def killed(self, number: int) -> Ran:
        program, self.drbook.program = self.drbook.program, [sys.executable, __file__]
        try:
            return self.drbook(
                "rehearse", str(self.runbook), "--headless", **{DIES_BEHIND: str(number)}
            )
        finally:
            self.drbook.program = program

    def resumed(self) -> Ran:
        ran = self.drbook("resume", "--headless")
        if ran.code == 6:
            settled = ("--settle", "restore=did-not-happen", "--because", "the campaign looked")
            ran = self.drbook("resume", "--headless", *settled)
        return ran

    def cleaned(self) -> Ran:
        return self.drbook("drill", "clean", self.folder.name, "--yes", "--json")

    def left(self) -> list[str]:
        """Everything of it that is still there, in words."""
        found = [f"process {each}" for each in self._processes()]
        found += [f"in TMPDIR: {one.name}" for one in (self.base / "t").iterdir()]
        found += [f"claim {one.name}" for one in (self.base / "state").rglob("*") if one.is_file()]
        targets = self.folder / "targets"
        found += [f"target {one}" for one in targets.glob("*")]
        for record in _records(self.folder):
            if isinstance(record.event, ev.ResourceIntended):
                places = (Path(record.event.location), sockets_of(record.event.nonce))
                found += [f"{one} is there" for one in places if os.path.lexists(one)]
        found += [f"part {one}" for one in (self.folder / "copies").rglob("*.part*")]
        return found

    def _processes(self) -> Iterator[str]:
        mine = f"TMPDIR={self.base / 't'}".encode()
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                variables = Path("/proc", name, "environ").read_bytes().split(b"\0")
                state = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mine in variables and state != "Z":
                yield name


def _records(folder: Path) -> Sequence[Record]:
    return read(folder / JOURNAL)


@contextmanager
def world() -> Iterator[Path]:
    """A folder with a dump and the runbook that restores it."""
    with tempfile.TemporaryDirectory(prefix="d-") as name:
        base = Path(name)
        base.chmod(0o711 if server_user() == "nobody" else 0o700)
        dumps = base / "dumps"
        dumps.mkdir()
        tools = next(one for one in find_tools() if one.origin == "extra")
        server = ClusterServer(tools, base / "production", name="campaign")
        server.make_folder()
        create(server)
        drain(server.start({"fsync": "off"}))
        try:
            connect = f"host={server.socket} user=postgres dbname=postgres"
            sql = "CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 2000) n"
            for argv in (
                [tools.path("psql"), "-d", connect, "-c", sql],
                [tools.path("pg_dump"), "-Fc", "-d", connect, "-f", dumps / "shop.dump"],
            ):
                assert complete(argv).exit_code == 0
        finally:
            server.stop()
        shutil.rmtree(server.folder)
        (base / "r.yaml").write_text(RUNBOOK.replace("{dumps}", str(dumps)), encoding="utf-8")
        yield base


def length(base: Path, name: str = "whole") -> int:
    """How many records a drill has, its targets' removal among them."""
    place = Place(_made(base / name), base / "r.yaml")
    ran = place.drbook("rehearse", str(place.runbook), "--headless")
    assert ran.code == 0, ran.err
    assert place.left() == []
    records = _records(place.folder)
    assert fold(records).closed_at is not None
    return len(records)


def _made(path: Path) -> Path:
    path.mkdir(mode=0o711)
    return path


def one_kill(base: Path, number: int, way: str, found: Findings) -> None:
    place = Place(_made(base / f"{number}-{way}"), base / "r.yaml")
    told = place.killed(number)
    where = f"behind record {number}, {way}"
    if told.code != -signal.SIGKILL:
        found.left.append(f"{where}: it ended with {told.code}: {told.err[-300:]}")
        return
    found.kills += 1
    records = _records(place.folder)
    last = records[-1].event if records else None
    found.behind[type(last).__name__ if last is not None else "nothing on record"] += 1
    over = last is None or fold(records).closed_at is not None  # there is nothing to resume
    ran = place.cleaned() if way == "clean" or over else place.resumed()
    if ran.code != 0:
        found.left.append(f"{where}: exit {ran.code}: {ran.err.strip()[-500:]}")
    elif way == "clean" or over:
        found.cleaned.update(one["kind"] for one in ran.json()["removed"])
    until = time.monotonic() + ALONE
    while (left := place.left()) and time.monotonic() < until:
        time.sleep(0.2)
    found.left += [f"{where}: {one}" for one in left]
    checked = verify(place.folder / JOURNAL) if records else None
    if checked is not None and (checked.problem or checked.torn):
        found.left.append(f"{where}: record not whole: {checked.problem}")
    shutil.rmtree(place.base)


def campaign(boundaries: int | None, *, base: Path) -> Findings:
    """Every boundary by each way; or that many, spread over the drill, in turn."""
    found = Findings()
    last = length(base)
    if boundaries is None:
        for number in range(last + 1):
            for way in WAYS:
                one_kill(base, number, way, found)
        return found
    for turn in range(boundaries):
        number = round(turn * last / max(1, boundaries - 1))
        one_kill(base, number, WAYS[turn % len(WAYS)], found)
    return found


def main() -> int:
    if DIES_BEHIND in os.environ:
        return victim(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--boundaries", type=int, help="How many of them; all where absent.")
    given = parser.parse_args()
    begun = time.monotonic()
    with world() as base:
        found = campaign(given.boundaries, base=base)
    print(f"{found.kills} kills in {time.monotonic() - begun:.0f} s, behind")
    for kind, times in found.behind.most_common():
        print(f"  {times:4} {kind}")
    print("drill clean removed:", dict(found.cleaned.most_common()))
    print(f"left: {len(found.left)}")
    for line in found.left[:40]:
        print(f"  {line}")
    return int(bool(found.left))


if __name__ == "__main__":
    sys.exit(main())
