"""What the README tells to type is typed here."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.shop import Shop
from support.terminal import ENTER

from drbook.cli.main import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(language: str, text: str = README) -> list[str]:
    """Fenced blocks of a language, without their indentation."""
    found = []
    for indent, kind, body in BLOCK.findall(text):
        if kind == language:
            found.append("\n".join(line.removeprefix(indent) for line in body.splitlines()))
    return found


def typed() -> Iterator[str]:
    """Every command line of drbook: in blocks, and between backticks in sentences."""
    for block in blocks("sh"):
        for line in block.splitlines():
            yield from re.findall(r"(?:^|&& )((?:\.venv/bin/)?drbook\b[^&]*)", line)
    yield from re.findall(r"`(drbook [^`]+)`", BLOCK.sub("", README))


COMMANDS = sorted({line.strip().removeprefix(".venv/bin/") for line in typed()})


def test_the_commands_are_found() -> None:
    assert len(COMMANDS) > 12
    assert "drbook demo --headless --json" in COMMANDS


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_option_exists(line: str) -> None:
    _, *arguments = shlex.split(line, comments=True)
    group: click.Command = cli
    context = click.Context(cli)
    while isinstance(group, click.Group):
        name, found, arguments = group.resolve_command(context, arguments)
        assert found is not None, name
        group, context = found, click.Context(found, parent=context)
    needs = {one.name for one in group.params if isinstance(one, click.Argument) and one.required}
    named = {one for one in needs if not arguments}  # a command that is only mentioned
    if not named:
        group.make_context(group.name, list(arguments))


SCRIPTS = re.findall(r"python (tests/\S+\.py)([^\n`]*)", README)


def test_the_scripts_are_found() -> None:
    assert {Path(script).stem for script, _ in SCRIPTS} >= {"crash", "kill", "canary", "mutants"}


@pytest.mark.parametrize(("script", "options"), SCRIPTS)
def test_every_script_and_its_options_exist(script: str, options: str) -> None:
    """The campaigns and the benchmark; their short forms run by themselves."""
    told = subprocess.run(
        [sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in re.findall(r"--[a-z-]+", options):
        assert re.search(rf"{option}\b", told.stdout), (script, option)


def test_the_two_commands_are_those_that_are_promised_and_the_second_is_what_ci_runs() -> None:
    install = "python3 -m venv .venv && .venv/bin/pip install"
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert f"{install} '.[demo]' && .venv/bin/drbook demo" in lines
    assert f"{install} -e '.[test]' && .venv/bin/python -m pytest" in lines
    script = (ROOT / ".ci" / "run").read_text()
    for part in ("-m venv", "pip\" install --quiet -e '.[test]'", 'python" -m pytest'):
        assert part in script


def test_the_five_minutes_as_they_are_written(drbook, shop: Shop, terminal, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The README's own runbook and commands; only the places are this machine's."""
    services = tmp_path / "services.conf"
    services.write_text(f"[shop-prod]\nhost={shop.server.socket}\nuser=postgres\ndbname=shop\n")
    (text,) = blocks("yaml")
    for theirs, ours in (
        ("/var/lib/drbook/baselines", str(tmp_path / "baselines")),
        ("bucket: shop-offsite", f"bucket: {shop.bucket}\n    endpoint: {shop.s3.endpoint}"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    (tmp_path / "shop.yaml").write_text(text)
    environment = shop.environment | {"PGSERVICEFILE": str(services)}
    del environment["PROD_DSN"]

    def run(line: str, *more: str):  # type: ignore[no-untyped-def]
        _, *arguments = shlex.split(line, comments=True)
        return drbook(*arguments, *more, cwd=tmp_path, **environment)

    section = README[
        README.index("## Five minutes") : README.index("### The record off the machine")
    ]
    lines = [line for block in blocks("sh", section) for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == [
        *("lint", "backups", "baseline", "rehearse", "rehearse", "run"),
        *("note", "incidents", "timeline", "journal"),
    ]
    lint, backups, capture, drill, dry, live, *after = lines
    shop.store("shop-20260424.dump", shop.dump("-Fc"))
    for line in (lint, backups, capture):
        ran = run(line)
        assert ran.code == 0, (line, ran.err)
    drilled = run(drill, "--headless")
    assert drilled.code == 0, drilled.err
    planned = run(dry, "--headless", "--json")
    assert planned.json()["mode"] == "dry-run"

    seat = terminal(*shlex.split(live)[1:], environment=environment)
    seat.sees("When did it happen")
    seat.press("now" + ENTER)
    seat.sees("LIVE", "run step 1")
    for step in (2, 3, 4):
        seat.press(ENTER)
        seat.sees(f"go to step {step}")
        seat.press(ENTER)
    seat.press(ENTER)
    seat.sees("close")
    seat.press(ENTER)
    seat.sees("It ends as PASS")
    seat.press(ENTER)
    seat.sees("CLOSED: PASS")
    seat.press("q")
    assert seat.ends() == 0

    for line in after:
        ran = run(line)
        assert ran.code == 0, (line, ran.err)
    page = (tmp_path / "timeline.html").read_text()
    assert "three customers at the counter" in page
    assert "LIVE" in page.upper()
