"""Runbooks that are none: each a clear message, exit code 2, and nothing begun."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.program import hurried

GOOD = "drbook: 1\ntitle: T\nsteps:\n  - {id: a, phase: close, do: note, with: {text: x}}\n"

BAD = {
    "missing": (None, "no such file"),
    "empty": ("", "empty"),
    "only a comment": ("# nothing yet\n", "found nothing"),
    "a list": ("- a\n- b\n", "mapping"),
    "a word": ("hello\n", "mapping"),
    "anchors": (GOOD + "description: &a x\n", "anchor"),
    "aliases": ("drbook: 1\na: &x [1]\nb: *x\n", "anchor"),
    "a tag": (GOOD + "description: !!python/object:os.system x\n", "tag"),
    "deep nesting": (GOOD + "description: " + "[" * 5000 + "]" * 5000 + "\n", "deep"),
    "an unknown action": (GOOD.replace("note", "notes"), "Did you mean `note`"),
    "wrong types": (GOOD.replace("title: T", "title: [1]"), "title"),
    "an undefined variable": (GOOD.replace("text: x", 'text: "${{ steps.nope.x }}"'), "nope"),
    "an unknown field": (GOOD + "stepz: []\n", "stepz"),
    "not UTF-8": (GOOD.encode() + b"description: \xff\xfe\n", "UTF-8"),
    "bytes": (bytes(range(256)) * 16, "UTF-8"),
    "a duplicate key": (GOOD + "title: again\n", "a second time"),
}


@pytest.mark.parametrize("command", [("lint",), ("run", "--headless")])
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_runbook(drbook, tmp_path: Path, name: str, command: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    content, said = BAD[name]
    path = tmp_path / "bad.yaml"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    ran = drbook(command[0], str(path), *command[1:])
    told = ran.err + ran.out
    assert ran.code == 2, told
    assert said.lower() in told.lower(), told
    assert "Traceback" not in told
    assert len(told) < 8000
    assert not list(drbook.home.glob("incidents/*"))


def test_a_pipe_is_read_and_a_silent_one_is_not_waited_for(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ran = hurried(drbook, "drbook.language.source:PIPE_SECONDS=2")("lint", str(pipe), timeout=30)
    assert ran.code == 2
    assert "nothing came out of it for 2 s" in ran.err + ran.out
    shell = f"exec {sys.executable} -m drbook lint <(printf 'drbook: 1\\ntitle: T\\nsteps: []\\n')"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "at least 1 item" in done.stdout + done.stderr


def test_fifty_megabytes_are_refused_without_being_read(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "huge.yaml"
    with path.open("w") as stream:
        stream.write(GOOD + "description: |\n")
        for _ in range(50):
            stream.write("  " + "x" * 1023 + "\n" * 1)
            stream.write(("  " + "y" * 1021 + "\n") * 1023)
    assert path.stat().st_size > 50_000_000
    begun = time.monotonic()
    ran = drbook("lint", str(path))
    assert ran.code == 2
    assert "1 MiB" in ran.err + ran.out
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("place", ["a folder", "unreadable"])
def test_a_place_that_holds_no_file(drbook, tmp_path: Path, place: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "place"
    if place == "a folder":
        path.mkdir()
    else:
        path.symlink_to(path)  # a loop: nobody can read it, not even root
    ran = drbook("lint", str(path), timeout=30)
    assert ran.code == 2
    assert "What to do" in ran.err + ran.out or "place" in ran.err + ran.out
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lint",), "Missing argument"),
        (("rnu", "x.yaml"), "did you mean"),
        (("run", "x.yaml", "--nope"), "--nope"),
        (("timeline", "nope"), "no incident"),
        (("watch", "nope"), "no incident"),
        (("journal", "verify", "/nope/journal.jsonl"), "/nope"),
        (("demo",), "no terminal"),
    ],
)
def test_a_command_that_cannot_be(drbook, arguments: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    ran = drbook(*arguments)
    assert ran.code == 2, ran.err
    assert said in ran.err, ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("given", "said"),
    [((), "is missing"), (("occurred=yesterday",), "not a time"), (("nope=1",), "no input")],
)
def test_inputs_that_are_not_complete(drbook, tmp_path: Path, given, said: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "r.yaml"
    path.write_text(GOOD + "inputs: {occurred: {type: time, prompt: When?}}\n")
    options = [part for one in given for part in ("--set", one)]
    ran = drbook("run", str(path), "--headless", *options)
    assert ran.code == 2
    assert said in ran.err
    assert not list(drbook.home.glob("incidents/*"))
