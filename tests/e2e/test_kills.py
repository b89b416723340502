"""The kill campaign's short form, and the proof that it finds what it looks for."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns.kill import (
    Findings,
    hold,
    hold_resumes,
    hold_sockets,
    hunting,
    keep_what_outlived,
    processes_of,
)

from drbook.app.places import Home, listed
from drbook.core import events as ev
from drbook.core.events import StepEnd
from drbook.journal.codec import FIRST, digest, encode
from drbook.journal.reader import read
from drbook.providers.pgserver import sockets_of

pytestmark = pytest.mark.xdist_group("kills")
"""One worker: what is killed once serves all of them."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Findings]:
    """Three killed incidents, and the folder of one that nobody killed."""
    base = tmp_path_factory.mktemp("kills")
    with hunting(rows=2000, seed=4) as hunt:
        hunt.measure(base / "whole")
        number = 0
        while hunt.findings.kills < 3:
            number += 1
            hunt.run(base / str(number))
    return listed(Home(base / "whole"))[0], hunt.findings


def test_what_three_kills_leave_is_on_record(ended: tuple[Path, Findings]) -> None:
    found = ended[1]
    assert found.kills >= 3
    assert found.details == []


def _one_target(folder: Path) -> Path:
    (target,) = (folder / "targets").iterdir()
    return target


def _damage_copies(folder: Path) -> None:
    copies = [path for path in (folder / "copies").rglob("*") if path.is_file()]
    assert copies, list(folder.iterdir())
    for path in copies:
        _damage(path)


def _damage(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.write(b"x")


def _restored_twice(folder: Path) -> None:
    """A second attempt behind one that succeeded, which nobody asked for."""
    records = list(read(folder / "journal.jsonl"))
    last = next(
        at
        for at, record in enumerate(records)
        if isinstance(record.event, ev.StepFinished)
        and record.event.step == "restore"
        and record.event.state is StepEnd.SUCCEEDED
    )
    planned = next(
        record.event
        for record in records
        if isinstance(record.event, ev.StepPlanned) and record.event.step == "restore"
    )
    again = [planned.model_copy(update={"attempt": 2}), ev.StepStarted(step="restore", attempt=2)]
    previous, written = FIRST, b""
    events = [*(record.event for record in records[: last + 1]), *again]
    for number, event in enumerate(events, 1):
        record = records[0].model_copy(update={"seq": number, "event": event, "prev": previous})
        previous = digest(encode(record))
        written += encode(record) + b"\n"
    (folder / "journal.jsonl").write_bytes(written)


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a target that nobody intended": (
        lambda folder: (folder / "targets" / "another").mkdir(),
        "done without an intent",
    ),
    "a cluster that is not there": (
        lambda folder: shutil.rmtree(_one_target(folder) / "data"),
        "recorded as done and was not",
    ),
    "a copy that is not what was loaded": (
        _damage_copies,
        "recorded as done and was not",
    ),
    "a damaged record": (lambda folder: _damage(folder / "journal.jsonl"), "record not whole"),
    "a restore that ran twice": (_restored_twice, "run twice unasked"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_campaign_finds_a_planted_fault(ended: tuple[Path, Findings], name: str) -> None:
    whole = ended[0]
    kept = whole.with_name("kept")
    shutil.move(whole, kept)  # the record names places: the damage is done where they are
    try:
        shutil.copytree(kept, whole, symlinks=True)
        found = Findings()
        hold(whole, found, ended=True)
        assert found.details == []
        damage, kind = FAULTS[name]
        damage(whole)
        hold(whole, found, ended=True)
        assert set(found.counts) == {kind}, found.details
    finally:
        shutil.rmtree(whole)
        shutil.move(kept, whole)


def test_the_campaign_sees_a_process_that_stayed(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as process:
        assert [line.split()[0] for line in processes_of(tmp_path)] == [str(process.pid)]
        process.kill()
    assert processes_of(tmp_path) == []


def test_the_campaign_sees_what_is_alive_when_it_is_gone_on_with(tmp_path: Path) -> None:
    """What comes of the resumed run itself is its own."""
    found = Findings()
    script = 'sleep 60 & echo; exec sleep 60 "$0"'
    with (
        subprocess.Popen(["sleep", "60"], cwd=tmp_path) as ours,
        subprocess.Popen(
            ["/bin/sh", "-c", f"(setsid sh -c '{script}' &); sleep 0.3"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
        ) as gone,
    ):
        assert gone.stdout is not None
        gone.stdout.readline()
        gone.wait()
        keep_what_outlived(tmp_path)
        ours.kill()
    left = [line.split()[0] for line in processes_of(tmp_path)]
    for pid in left:
        os.kill(int(pid), signal.SIGKILL)
    hold_resumes(tmp_path, found)
    assert set(found.counts) == {"alive when it was gone on with"}
    assert all(pid in found.details[0] for pid in left)
    assert str(ours.pid) not in found.details[0]
    hold_resumes(tmp_path, found)
    assert found.counts.total() == 1


def test_the_campaign_sees_a_sockets_folder_that_stayed(ended: tuple[Path, Findings]) -> None:
    nonce = next(
        record.event.nonce
        for record in read(ended[0] / "journal.jsonl")
        if isinstance(record.event, ev.ResourceIntended)
    )
    found = Findings()
    sockets_of(nonce).mkdir(mode=0o700)
    try:
        hold_sockets(ended[0], found)
    finally:
        sockets_of(nonce).rmdir()
    assert set(found.counts) == {"target or lock unaccounted for"}
