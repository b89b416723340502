"""No secret outside the places that the README lists: the canary campaign's short form, and the proof
that its detector finds a marker that is planted in any channel."""

import base64
import html
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from campaigns.canary import campaign, failures, listed, open_to_others, workplace
from support.canary import (
    Detector,
    Ledger,
    Markers,
    Watcher,
    look_at_events,
    look_at_files,
    owner_of_environment,
)


def test_whole_incidents_with_a_marker_as_every_secret() -> None:
    with workplace() as folder:
        run = campaign(folder, rows=1000, short=True)
        assert failures(run) == []
    assert run.ledger.hits == set()
    missing = {
        f"environment of `{program}`"
        for program in ("restic", "borg", "pgbackrest")
        if not shutil.which(program)
    }
    seen = set(run.ledger.allowed) | missing
    assert seen == listed(), "the README's table is not what was seen"
    assert len(run.markers.known) >= 32


@pytest.fixture
def markers() -> Markers:
    return Markers()


@pytest.fixture
def ledger(markers: Markers) -> Ledger:
    return Ledger(Detector(markers))


FORMS: list[Callable[[str], str]] = [
    str,
    lambda text: text[: len(text) // 2],
    lambda text: text[len(text) // 2 :],
    lambda text: text[:5] + "\n" + text[5:],
    lambda text: json.dumps({"a": json.dumps(text[:4] + "\r\n" + text[4:])}),
    lambda text: "".join(f"\x1b[31m{each}\x1b[0m" for each in text),
    lambda text: text.encode("utf-16-le").decode("latin-1"),
    lambda text: quote(text, safe=""),
    json.dumps,
    html.escape,
    lambda text: text.encode().hex(),
    lambda text: text.encode().hex(" ").upper(),
    *(
        lambda text, before=before, encode=encode: encode((before + text + "z").encode()).decode()
        for before in ("", "x", "xy", "user:")
        for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes)
    ),
]


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_the_detector_finds_every_form(
    form: Callable[[str], str], hard: bool, markers: Markers, ledger: Ledger
) -> None:
    marker = markers.new("one", hard=hard)
    text = f"before {form(marker)} behind"
    assert ledger.look("here", "there", text)
    assert not ledger.look("here", "there", "before nothing behind")
    assert not Ledger(Detector(Markers())).look("here", "there", text)


PLACES = {
    "state/incidents/one/journal.jsonl": "journal",
    "state/incidents/one/runbook.yaml": "stored runbook",
    "state/incidents/one/errors.log": "errors.log and last-error.log",
    "state/last-error.log": "errors.log and last-error.log",
    "state/incidents/one/inbox/1.json": "inbox",
    "state/incidents/one/artifacts/ab.txt": "artifacts and fetched copies",
    "state/incidents/one/copies/x.dump": "artifacts and fetched copies",
    "state/incidents/one/targets/r/server.log": "restored clusters and their logs",
    "exports/a.md": "export md",
    "exports/a.html": "export html",
    "exports/a.json": "export json",
    "exports/a.csv": "export csv",
    "tmp/anything": "other files",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_marker_planted_in_a_file_is_found(
    place: str, tmp_path: Path, markers: Markers, ledger: Ledger
) -> None:
    for other in PLACES:
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text("clean")
    (tmp_path / place).write_text(f'{{"a": "{markers.new("one")}"}}')
    look_at_files(ledger, tmp_path)
    assert [(hit.channel, hit.where) for hit in ledger.hits] == [
        (PLACES[place], str(tmp_path / place))
    ]
    assert set(ledger.looked) >= set(PLACES.values())


def test_a_marker_in_the_name_of_a_file_is_found(
    tmp_path: Path, markers: Markers, ledger: Ledger
) -> None:
    (tmp_path / markers.new("one")).write_text("clean")
    look_at_files(ledger, tmp_path)
    assert [hit.channel for hit in ledger.hits] == ["names of files"]


CHILD = """
import os, sys
with open(sys.argv[1], "w+") as stream:
    os.unlink(sys.argv[1])
    stream.write(os.environ.get("HELD", ""))
    stream.flush()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("channel", ["argv", "environment", "deleted"])
def test_a_marker_in_a_process_is_found(
    channel: str, tmp_path: Path, markers: Markers, ledger: Ledger
) -> None:
    marker = markers.new("one")
    child = CHILD if channel == "deleted" else CHILD.replace('os.environ.get("HELD", "")', '""')
    argv = [sys.executable, "-c", child, str(tmp_path / "file")]
    argv += [marker] if channel == "argv" else []
    around = dict(os.environ) | ({"HELD": marker} if channel != "argv" else {})
    with subprocess.Popen(
        argv, env=around, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        watcher = Watcher(ledger, os.getpid())
        watcher.poll()
        watcher.end()
        process.kill()
    found = {hit.channel for hit in ledger.hits}
    if channel == "argv":
        assert found == {"argv of every process (/proc)"}
    elif channel == "environment":
        assert [name for name in ledger.allowed if name not in listed()] != []
    else:
        assert found == {"deleted files still open"}
    assert watcher.core_limits


def test_a_marker_in_what_the_probe_saw_is_found(
    tmp_path: Path, markers: Markers, ledger: Ledger
) -> None:
    marker = markers.new("one")
    events = [
        {"argv": ["psql", f"--dbname=password={marker}"], "env": {}},
        {"argv": ["psql"], "env": {"PGPASSWORD": marker}},
        {"argv": ["curl"], "env": {"TOKEN": marker}},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    (tmp_path / "removed").mkdir()
    (tmp_path / "removed" / "0-scratch").write_text(marker)
    look_at_events(ledger, tmp_path)
    assert {hit.channel for hit in ledger.hits} == {
        "argv of drbook's children (audit)",
        "temporary files, before they were removed",
    }
    assert set(ledger.allowed) - listed() == {"NOT LISTED: environment of curl"}
    assert set(ledger.allowed) & listed() == {"environment of `pg_restore` and `psql`"}


def test_a_process_of_no_row_is_named() -> None:
    assert owner_of_environment([b"/usr/bin/uname", b"-p"], False).startswith("NOT LISTED")
    behind = [b"python", b"-I", b"/x/launcher.py", b"3", b"TERM", b"5", b"self", b"--", b"/bin/env"]
    assert owner_of_environment(behind, False) == "NOT LISTED: environment of env"


def test_an_open_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    path = tmp_path / "private" / "file"
    path.touch(mode=0o600)
    assert open_to_others(tmp_path) == []
    path.chmod(0o640)
    assert open_to_others(tmp_path) == [f"{path} has mode 640"]
