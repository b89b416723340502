"""The README's examples of drills that run by themselves: real units, a real workflow, real commands."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from drbook.app.vocabulary import vocabulary
from drbook.cli.main import cli
from drbook.language.load import load
from drbook.providers.secrets import named

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README[
    README.index("### Drills that run by themselves") : README.index("## What it costs")
]
SHOP = README[README.index("## Five minutes") : README.index("### The record off the machine")]


def blocks(language: str, text: str = SECTION) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing"
)
UNITS = {Path(block.splitlines()[0].lstrip("# ")).name: block for block in blocks("ini")}
(WORKFLOW,) = blocks("yml")
(CRON,) = blocks("cron")
(NOTIFY,) = blocks("text")


def started(unit: str) -> list[str]:
    return re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)


def steps() -> list[dict[str, Any]]:
    # The base loader leaves `on` a text, which GitHub does, too.
    job = yaml.load(WORKFLOW, yaml.BaseLoader)["jobs"]["drill"]
    found: list[dict[str, Any]] = job["steps"]
    return found


def commands() -> list[str]:
    by_cron = [part for line in CRON.splitlines() for part in line.split(None, 5)[5].split("&&")]
    by_systemd = started(UNITS["drbook-shop.service"])
    return [*by_cron, *by_systemd, *(step["run"] for step in steps() if "run" in step)]


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """The command's name and its parameters, as click reads them."""
    program, *arguments = shlex.split(line)
    assert Path(program).name == "drbook"
    context = click.Context(cli)
    name, found, rest = cli.resolve_command(context, arguments)
    assert found is not None
    assert name is not None
    return name, found.make_context(name, rest, parent=context).params


def test_every_way_rehearses_and_compares() -> None:
    done = [parsed(line) for line in commands()]
    assert [name for name, _ in done] == ["rehearse", "drills"] * 3
    for name, given in done:
        assert Path(given["runbook"]).name == "shop.yaml"
        if name == "rehearse":
            assert given["headless"]
            assert given["junit"] is not None
            assert given["settings"] == ("occurred=now",)  # what the README's own runbook asks for
        else:
            assert given["limit"] == 1.5


@pytest.mark.parametrize("line", ["drbook rehearse --no-such", "drbook rehears shop.yaml"])
def test_the_check_of_commands_finds_wrong_ones(line: str) -> None:
    with pytest.raises(click.UsageError):
        parsed(line)


def test_the_units_belong_to_each_other() -> None:
    assert set(UNITS) == {"drbook-shop.service", "drbook-shop.timer"}
    read = {}
    for name, text in UNITS.items():
        read[name] = configparser.ConfigParser(strict=False, interpolation=None)
        read[name].optionxform = str  # type: ignore[assignment, method-assign]
        read[name].read_string(text)
    service, timer = read["drbook-shop.service"], read["drbook-shop.timer"]
    assert set(service) == {"DEFAULT", "Unit", "Service"}
    assert service["Service"]["Type"] == "oneshot"  # which may have several ExecStart
    assert set(timer) == {"DEFAULT", "Unit", "Timer", "Install"}
    assert timer["Install"]["WantedBy"] == "timers.target"
    home = service["Service"]["Environment"].removeprefix("DRBOOK_HOME=")
    assert home == f"/var/lib/{service['Service']['StateDirectory']}"
    assert parsed(started(UNITS["drbook-shop.service"])[0])[1]["junit"].parent == Path(home)


def complaints(folder: Path, units: dict[str, str]) -> str:
    """What systemd says of them, with a drbook that is there."""
    for name, text in units.items():
        here = text.replace("/opt/drbook/bin/drbook", str(Path(sys.executable)))
        (folder / name).write_text(here)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(folder / name) for name in units)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@needs_systemd
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    assert complaints(tmp_path, UNITS) == ""


@needs_systemd
def test_the_check_of_units_finds_wrong_ones(tmp_path: Path) -> None:
    wrong = {
        "drbook-shop.service": UNITS["drbook-shop.service"].replace("KillMode", "KillMood"),
        "drbook-shop.timer": UNITS["drbook-shop.timer"].replace("Sun 03:15", "Sunny 03:15"),
    }
    told = complaints(tmp_path, wrong)
    assert "KillMood" in told
    assert "drbook-shop.timer" in told


def test_the_workflow_gives_secrets_by_the_environment_alone() -> None:
    whole = yaml.load(WORKFLOW, yaml.BaseLoader)
    assert set(whole) == {"name", "on", "permissions", "concurrency", "jobs"}
    assert whole["on"]["schedule"] == [{"cron": CRON.split(" drbook")[0]}]
    assert whole["permissions"] == {"contents": "read"}
    given = {}
    for step in steps():
        assert ("run" in step) is not ("uses" in step)
        assert "${{" not in step.get("run", "")
        given |= step.get("env", {})
    assert given == {name: f"${{{{ secrets.{name} }}}}" for name in given}
    # What the README's runbook and its notifications refer to, and nothing else.
    (shop,) = (block for block in re.findall(r"```yaml\n(.*?)```", SHOP, re.DOTALL))
    wanted = {*named(shop.replace("env:PROD_DSN", "")), *named(NOTIFY)} - {"HOOK_TOKEN"}
    assert set(given) == wanted


def test_the_example_of_notifications_is_one() -> None:
    steps = "steps: [{id: a, phase: detect, do: note, with: {text: t}}]\n"
    loaded = load(f"drbook: 1\ntitle: T\n{NOTIFY}{steps}".encode(), "r.yaml", vocabulary())
    assert [one.kind for one in loaded.notify] == ["slack", "pagerduty", "http"]


def test_no_command_line_holds_a_secret() -> None:
    for line in commands():
        assert not re.search(r"env:|secret|token|key|hooks\.", line, re.IGNORECASE), line
