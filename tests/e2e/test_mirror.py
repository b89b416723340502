"""The record off the machine, typed as the README types it: two machines, one bucket."""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.program import Drbook, Ran
from support.shop import Shop, occurred

from drbook.cli.main import main
from drbook.providers.life import this_life

STEPS = """
steps:
  - {id: noted, phase: detect, do: note, with: {text: "it is gone"}}
  - {id: change, phase: restore, do: shell, with: {shell: "echo begun; sleep 600", changes: outside}}
  - {id: revoke, phase: contain, needs: [], do: manual}
"""


class Site:
    """A bucket, a runbook that mirrors into it, and the machines that lead by it."""

    def __init__(self, s3: Any, folder: Path, locked: bool = True) -> None:
        self.s3 = s3
        self.folder = folder
        self.bucket = s3.bucket("record", locked=locked)
        self.runbook = folder / "r.yaml"
        key, secret = s3.keys()
        self.keys = {"MIRROR_KEY": key, "MIRROR_SECRET": secret}
        self.aws = {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_ENDPOINT_URL": s3.endpoint,
            "AWS_REGION": "us-east-1",
        }
        self.place = f"s3://{self.bucket}/incidents"
        self.write(STEPS)

    def mirrors(self) -> str:
        return (
            "mirrors:\n"
            f"  - {{kind: s3, bucket: {self.bucket}, prefix: incidents/, endpoint: '{self.s3.endpoint}',"
            " region: us-east-1, access_key: env:MIRROR_KEY, secret_key: env:MIRROR_SECRET,"
            " retain: 2d}\n"
        )

    def write(self, steps: str) -> None:
        self.runbook.write_text(f"drbook: 1\ntitle: Gone\n{self.mirrors()}{steps}")

    def machine(self, name: str) -> Drbook:
        made = Drbook(self.folder / name)
        made.environment |= self.keys | self.aws | {"DRBOOK_OPERATOR": name}
        made.environment["HOME"] = str(self.folder / f"home of {name}")
        return made

    def names(self, incident: str) -> list[str]:
        pages = self.s3.client().get_paginator("list_objects_v2")
        prefix = f"incidents/{incident}/"
        return [
            each["Key"].removeprefix(prefix)
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix)
            for each in page.get("Contents", ())
        ]


@pytest.fixture
def site(s3_server: Any, tmp_path: Path) -> Site:
    return Site(s3_server, tmp_path)


Typed = Callable[..., Ran]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    """The command line of a machine, in this process: a start costs more than what it does."""

    def run(machine: Drbook, *arguments: str, **environment: str) -> Ran:
        capsys.readouterr()
        name = machine.environment.get("DRBOOK_OPERATOR", "")  # they are named alike
        life = this_life().model_copy(update={"boot": f"boot of {name}"})
        with (
            patch.dict(os.environ, machine.environment | environment),
            patch("socket.gethostname", lambda: name),
            patch("drbook.app.onewriter.PREFIX", f"drbook-test-{os.getpid()}-{name}-"),
            patch("drbook.app.session.this_life", lambda: life),
            patch("drbook.app.takeover.this_life", lambda: life),
            patch("drbook.app.aftermath.this_life", lambda: life),
            # A limit of this process could not be raised again for the tests behind this one.
            patch("drbook.cli.main._no_memory_on_disk", lambda: None),
        ):
            code = main(arguments)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def running() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(machine: Drbook, *arguments: str) -> "subprocess.Popen[str]":
        started.append(machine.start(*arguments))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def folder_of(machine: Drbook) -> Path:
    (found,) = (machine.home / "incidents").iterdir()
    return found


def wait_for(what: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)


def records_of(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in text]


def in_the_step(machine: Drbook, site: Site, step: str = "change") -> str:
    """Wait until the sleeping step runs and all that is on record is in the bucket."""
    wait_for(
        lambda: (
            (machine.home / "incidents").exists() and any((machine.home / "incidents").iterdir())
        )
    )
    folder = folder_of(machine)

    def so_far() -> bool:
        try:
            records = records_of(folder)
        except (OSError, ValueError):
            return False
        there = [name for name in site.names(folder.name) if name.startswith("records/")]
        last = records[-1] if records else {"event": "", "data": {}}
        begun = last["event"] == "ProcessStarted" and last["data"]["step"] == step
        return begun and len(there) == len(records)

    wait_for(so_far)
    return folder.name


def test_a_killed_machines_incident_goes_on_on_another(
    site: Site, running: Any, typed: Typed
) -> None:
    lost, spare = site.machine("lost"), site.machine("spare")
    process = running(lost, "run", str(site.runbook), "--headless")
    incident = in_the_step(lost, site)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = records_of(folder_of(lost))
    asked = typed(
        spare, "resume", "--from", site.place, "--take-over", "lost is gone", "--headless"
    )
    assert asked.code == 2
    assert incident in asked.err
    where = f"{site.place}/{incident}"
    take = ("resume", "--from", where, "--take-over", "lost is gone", "--headless", "--json")
    unread = typed(spare, *take)
    assert unread.code == 4
    assert "Nothing but the mirror vouches for the runbook" in unread.err
    assert "1 run commands" in unread.err
    assert not any(name.startswith("fence/") for name in site.names(incident))
    taken = spare(*take, "--runbook", str(site.runbook))
    assert taken.code == 6, taken.err  # the step that ran is in doubt: nobody here saw it
    assert f"Taken over from {before[0]['host']}: {len(before)} records" in taken.err
    assert "is not known here" in taken.err
    (mirror,) = taken.json()["mirrors"]
    assert (mirror["behind"], mirror["standing"]) == (0, "copying")
    after = records_of(folder_of(spare))
    assert after[: len(before)] == before
    event = after[len(before)]
    assert event["event"] == "IncidentTakenOver"
    assert event["actor"] == "spare"
    assert event["data"]["vouched"] == ["runbook"]
    assert event["data"]["reason"] == "lost is gone"
    assert "fence/00000001.json" in site.names(incident)
    same = typed(spare, "journal", "verify", "--against", site.place, "--mirrors", "--json")
    assert same.code == 0, same.out
    assert [one["verdict"] for one in same.json()["mirrors"]] == ["same", "same"]
    told = typed(spare, "timeline", "--format", "md")
    assert "taken over from" in told.out
    back = typed(lost, "resume", incident, "--headless")
    assert back.code == 4, back.err
    assert "spare on " in back.err
    assert "Traceback" not in back.err
    wrong = typed(lost, "resume", incident, "--headless", "--trust-mirror")
    assert wrong.code == 2
    assert "go with --from" in wrong.err
    left = typed(lost, "journal", "verify", "--mirrors")
    # Both were one machine by name, so that it may be one's own journal with its end cut off.
    assert left.code == 5, left.out
    assert "taken-over-here" in left.out


def test_a_machine_that_lives_stops_by_itself(site: Site, running: Any, typed: Typed) -> None:
    old, spare = site.machine("old"), site.machine("spare")
    process = running(old, "run", str(site.runbook), "--headless")
    incident = in_the_step(old, site)
    events = [record["data"] for record in records_of(folder_of(old))]
    child = next(data["pid"] for data in events if "pid" in data and "argv" in data)
    taken = typed(
        spare,
        "resume",
        "--from",
        f"{site.place}/{incident}",
        "--take-over",
        "cannot reach it",
        "--trust-mirror",
        "--headless",
    )
    assert taken.code == 6, taken.err
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "Another machine has taken over this incident: spare on " in err
    assert "cannot reach it" in err
    assert "What to do: Go on there." in err
    wait_for(lambda: not Path(f"/proc/{child}").exists())
    assert typed(spare, "journal", "verify", "--mirrors").code == 0


def test_tampering_is_found_where_the_chain_alone_does_not(site: Site, typed: Typed) -> None:
    site.write("steps:\n  - {id: a, phase: close, do: note, with: {text: one}}\n")
    machine = site.machine("here")
    done = typed(machine, "run", str(site.runbook), "--headless", "--json")
    assert done.code == 0, done.err
    folder = folder_of(machine)
    journal = folder / "journal.jsonl"
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)

    def verify(*more: str, **environment: str) -> Ran:
        return typed(machine, "journal", "verify", *more, "--json", **environment)

    assert verify("--mirrors").code == 0
    assert verify("--against", f"{site.place}/{folder.name}").code == 0
    journal.write_bytes(b"".join(lines[:-1]))
    assert verify().code == 0  # the chain alone does not know
    cut = verify("--mirrors")
    assert (cut.code, cut.json()["mirrors"][0]["verdict"]) == (1, "cut")
    journal.write_bytes(_written_anew(lines))
    assert verify().code == 0
    anew = verify("--mirrors")
    assert (anew.code, anew.json()["mirrors"][0]["verdict"]) == (1, "different")
    assert "Record 2 is another one" in anew.json()["mirrors"][0]["problem"]
    journal.write_bytes(whole)
    for keys in ({"MIRROR_SECRET": "wrong"}, {"MIRROR_KEY": "nobody"}):
        unread = verify("--mirrors", **keys)
        assert (unread.code, unread.json()["mirrors"][0]["verdict"]) == (5, "unreadable")
    empty = verify("--against", f"s3://{site.bucket}/elsewhere")
    assert (empty.code, empty.json()["mirrors"][0]["verdict"]) == (5, "empty")
    client = site.s3.client()
    key = f"incidents/{folder.name}/records/00000002.jsonl"
    client.delete_object(Bucket=site.bucket, Key=key)  # hides it: below, it is locked
    assert "hidden by a delete marker" in verify("--mirrors").json()["mirrors"][0]["remarks"][0]
    assert verify("--mirrors").code == 0


def test_another_incidents_record_in_its_place_is_found(site: Site, typed: Typed) -> None:
    """Its own mirror holds it too, and would call it the same."""
    site.write("steps:\n  - {id: a, phase: close, do: manual}\n")
    machine = site.machine("here")
    for _ in range(2):
        assert typed(machine, "run", str(site.runbook), "--headless").code == 7
    first, second = sorted((machine.home / "incidents").iterdir())
    journal = first / "journal.jsonl"
    own = journal.read_bytes()
    journal.write_bytes((second / "journal.jsonl").read_bytes())
    for more in ((), ("--mirrors",), ("--against", site.place)):
        found = typed(machine, "journal", "verify", first.name, *more, "--json")
        assert found.code == 1
        assert f"of incident {second.name}, not of {first.name}" in found.json()["problem"]
        assert [one["verdict"] for one in found.json()["mirrors"]] == ["different"] * bool(more)
    refused = typed(machine, "resume", first.name, "--headless")
    assert refused.code == 70
    assert "Another incident's journal was put in its place" in refused.err
    moved = first.rename(machine.home / "evidence of the second")
    named = typed(machine, "journal", "verify", str(moved))
    assert named.code == 0
    assert f"It is the record of incident {second.name}." in named.err
    (moved / "journal.jsonl").write_bytes(own)


def _written_anew(lines: list[bytes]) -> bytes:
    """The same record with another text in its second line, every digest after it made to fit."""
    previous, made = hashlib.sha256(lines[0][:-1]).hexdigest(), lines[:1]
    for line in lines[1:]:
        document = json.loads(line)
        document["prev"] = previous
        document["actor"] = "somebody else"
        made.append(
            json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        )
        previous = hashlib.sha256(made[-1][:-1]).hexdigest()
    return b"".join(made)


def test_a_mirror_that_is_down_stops_nothing_and_is_brought_up_to_date(
    site: Site, typed: Typed
) -> None:
    site.write("steps:\n  - {id: a, phase: close, do: note, with: {text: one}}\n")
    machine = site.machine("here")
    done = typed(machine, "run", str(site.runbook), "--headless", "--json", MIRROR_SECRET="wrong")
    assert done.code == 0, done.err
    (mirror,) = done.json()["mirrors"]
    assert mirror["standing"] == "down"
    assert mirror["behind"] == len(records_of(folder_of(machine)))
    assert "secret key is wrong" in mirror["error"]
    assert "drbook journal mirror" in done.err
    assert typed(machine, "journal", "mirror", "--wait", "1s", MIRROR_SECRET="wrong").code == 5
    assert typed(machine, "journal", "verify", "--mirrors").code == 5
    brought = typed(machine, "journal", "mirror")
    assert brought.code == 0, brought.out
    assert "up to date" in brought.out
    assert typed(machine, "journal", "verify", "--mirrors").code == 0


def test_a_restored_cluster_of_the_lost_machine_is_not_pretended_to_be_here(
    shop: Shop, site: Site, running: Any, typed: Typed
) -> None:
    """Its path even exists here, as it would on a shared disk."""
    shop.store("20260420.dump", shop.dump("--format=custom"))
    there = site.folder / "there"
    held = f"test -e {there} || sleep 600"
    hold = (
        f"  - {{id: hold, phase: decide, do: shell, with: {{shell: '{held}', changes: nothing}}}}\n"
    )
    text = shop.runbook.read_text().replace("steps:\n", f"{site.mirrors()}steps:\n")
    site.runbook.write_text(text.replace("  - id: verify\n", f"{hold}  - id: verify\n"))
    lost, spare = site.machine("lost"), site.machine("spare")
    for machine in (lost, spare):
        machine.environment |= shop.environment
    process = running(lost, "rehearse", str(site.runbook), "--headless", "--set", occurred())
    incident = in_the_step(lost, site, "hold")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    there.touch()
    taken = typed(
        spare,
        "resume",
        "--from",
        f"{site.place}/{incident}",
        "--take-over",
        "gone",
        "--trust-mirror",
        "--headless",
        "--json",
    )
    assert taken.code == 5, taken.err
    assert Path(taken.json()["target"]["location"]).is_dir()
    assert "This machine took over from that one" in taken.err
    folder = spare.home / "incidents" / incident
    ended = [one["data"] for one in records_of(folder) if one["event"] == "StepFinished"]
    assert (ended[-1]["step"], ended[-1]["code"]) == ("verify", "target-elsewhere")
