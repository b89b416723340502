"""`drbook demo`: the promise of the first command, kept, and cleaned up however it ends."""

import contextlib
import hashlib
import json
import os
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from campaigns.ended import Ending, family, short_scratch, what_is_left, worlds

ROWS = "4000"


@pytest.fixture
def scratch() -> Iterator[Path]:
    with short_scratch() as folder:
        yield folder


def listening(process: psutil.Process) -> list[str]:
    """The addresses that one listens on; a server's short-lived helper may be gone by now."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [
            connection.laddr.ip
            for connection in process.net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        ]
    return []


def test_headless_prints_one_document_that_holds_the_whole_story(drbook, scratch) -> None:  # type: ignore[no-untyped-def]
    ran = drbook("demo", "--headless", "--json", "--keep", "--rows", ROWS, TMPDIR=str(scratch))
    assert ran.code == 0, ran.err
    told = ran.json()
    assert told["outcome"] == "pass"
    assert told["mode"] == "drill"
    assert told["incident"]
    (command,) = (line for line in ran.err.splitlines() if "drbook drill clean" in line)
    kept = Path(command.rpartition("drbook drill clean ")[2])
    assert kept.is_absolute()
    assert (kept / "journal.jsonl").samefile(told["journal"]["path"])

    # The newest independent copy is the one of 26 hours ago, and everything newer was rejected.
    assert told["rpo"]["objective_seconds"] == 24 * 3600
    assert 26 * 3600 <= told["rpo"]["measured_seconds"] < 26 * 3600 + 600
    assert told["rto"]["objective_seconds"] == 4 * 3600
    assert 0 < told["rto"]["measured_seconds"] < 600
    assert told["chosen"]["point"]["source"] == "offsite"
    assert told["chosen"]["verdict"] == "independent"
    rejected = {(one["source"], one["verdict"]): one for one in told["rejected"]}
    assert ("app", "shared") in rejected
    assert ("offsite", "damaged") in rejected
    assert ("volume", "destroyed") in rejected
    assert "cut short" in " ".join(rejected[("offsite", "damaged")]["reasons"])
    assert all(one["reasons"] for one in told["rejected"])

    tables = {one["table"]: one for one in told["tables"]}
    assert {"public.reservations", "public.payments", "public.legacy_import"} <= set(tables)
    for one in tables.values():
        assert one["expected"] == one["restored"]
        assert one["verdict"] == "pass"
    assert tables["public.reservations"]["lost"] > 0
    assert tables["public.legacy_import"]["restored"] == 0

    # The journal it names is there (--keep), and its head is the SHA-256 of its last line.
    journal = Path(told["journal"]["path"])
    last = journal.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)[-1]
    assert hashlib.sha256(last).hexdigest() == told["journal"]["head"]
    checked = drbook("journal", "verify", str(journal), "--head", told["journal"]["head"])
    assert checked.code == 0, checked.err
    confirmed = [
        record
        for record in map(json.loads, journal.read_text().splitlines())
        if record["event"] in ("AnswerGiven", "ConfirmationGiven")
    ]
    assert {record["actor"] for record in confirmed} == {"scenario"}
    said, began = commands(journal)
    for program in ("initdb", "postgres", "pg_restore"):
        assert said[program] <= began[program], program
    assert len(worlds(scratch)) == 1

    # And the drill that the pictures are drawn from is still this one, step by step.
    recorded = Path(__file__).parents[1] / "pictures" / "drill" / "journal.jsonl"
    stale = "`python tests/pictures/render.py --anew --snapshots` leads the demo again"
    assert course(recorded) == course(journal), stale


def commands(journal: Path) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The options of each program, as the plan of the restore told them and as they were given."""
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    plans = [r["data"]["plan"] for r in records if r["event"] == "StepPlanned"]
    told = [shlex.split(line, comments=True) for plan in plans for line in plan.get("runs", ())]
    begun = [r["data"]["argv"] for r in records if r["event"] == "ProcessStarted"]
    return options(told), options(begun)


def options(lines: list[list[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for argv in lines:
        named = {one for one in argv[1:] if one.startswith("-") and "dbname" not in one}
        found.setdefault(Path(argv[0]).name, set()).update(named)
    return found


COURSE = {
    "StepPlanned", "AnswerGiven", "ConfirmationGiven", "StepStarted", "ResourceIntended",
    "ResourceCreated", "StepFinished",
}  # fmt: skip


def course(journal: Path) -> dict[str, list[str]]:
    """What happened to each step, in order; when and in which order between steps says nothing."""
    found: dict[str, list[str]] = {}
    for record in map(json.loads, journal.read_text().splitlines()):
        if record["event"] in COURSE:
            state = record["data"].get("state", "")
            found.setdefault(record["data"]["step"], []).append(
                f"{record['event']} {state}".strip()
            )
    return found


SETTINGS = {
    "PGPORT": "5433", "PGSERVICE": "foo", "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGHOST": "db.example.com", "PGSSLMODE": "verify-full", "AWS_PROFILE": "nope",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
}  # fmt: skip


def test_two_worlds_at_once_and_nothing_is_left(drbook, scratch) -> None:  # type: ignore[no-untyped-def]
    """The settings of this machine, which the second one has, do not reach its world."""
    begun = [
        drbook.start(
            *("demo", "--headless", "--json", "--rows", ROWS), TMPDIR=str(scratch), **settings
        )
        for settings in ({}, SETTINGS)
    ]
    incidents = set()
    for process in begun:
        out, err = process.communicate(timeout=180)
        assert process.returncode == 0, err
        incidents.add(json.loads(out)["incident"])
    assert len(incidents) == 2
    assert worlds(scratch) == []


@pytest.mark.parametrize(
    "ending",
    [
        Ending(signal.SIGTERM, "Ninety days"),
        Ending(signal.SIGHUP, "loss: started"),
        Ending(signal.SIGINT, "loss: started", again=0.5),
    ],
    ids=str,
)
def test_a_demo_that_is_ended_cleans_up(drbook, scratch, ending: Ending) -> None:  # type: ignore[no-untyped-def]
    """The campaign's short form: each signal, while the world is built, while it is led, and once more while it
    cleans up."""
    assert what_is_left(drbook, scratch, ending) == []


def test_a_timeline_that_could_not_be_written_is_said_before_anything_starts(
    drbook, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "there.html").touch()
    for path in (tmp_path / "no" / "x.html", tmp_path / "there.html"):
        ran = drbook("demo", "--headless", "--timeline", str(path))
        assert ran.code == 2
        assert "Nothing was started" in ran.err
        assert "Starting PostgreSQL" not in ran.err


def test_a_demo_that_is_killed_leaves_no_process(drbook, scratch) -> None:  # type: ignore[no-untyped-def]
    """Its world it cannot take away, and the campaign sees that."""
    found = what_is_left(drbook, scratch, Ending(signal.SIGKILL, "backup off site"))
    assert found == ["exit code -9", *(f"{one} is left" for one in worlds(scratch))]
    assert len(found) == 2


def test_servers_listen_on_loopback_or_private_sockets_only(drbook, scratch) -> None:  # type: ignore[no-untyped-def]
    with drbook.start("demo", "--headless", "--rows", ROWS, TMPDIR=str(scratch)) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "backup off site" in line:
                break
        addresses = [address for one in family(process) for address in listening(one)]
        folder = worlds(scratch)[0]
        mode = folder.stat().st_mode & 0o777
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert addresses
    assert set(addresses) == {"127.0.0.1"}
    assert mode == (0o700 if os.geteuid() else mode & 0o711)


def test_without_a_terminal_it_says_how_to_run(drbook) -> None:  # type: ignore[no-untyped-def]
    begun = time.monotonic()
    ran = drbook("demo")
    assert ran.code == 2
    assert ran.out == ""
    assert "drbook demo --headless" in ran.err
    assert time.monotonic() - begun < 10
