"""`drbook demo --surprise`: faults come over the demo, and what drbook said is held to what is true."""

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drbook.app.cleaning import Tell, clean, drill
from drbook.app.exports import write_timeline
from drbook.app.places import Home, listed
from drbook.cli.output import print_json, say
from drbook.core.errors import DrbookError, ExitCode, UsageError
from drbook.core.values import counted, plain
from drbook.demo.surprises import Plan, plan, read_names

if TYPE_CHECKING:
    from drbook.demo.faults import Prey
    from drbook.demo.surprised import Ground, Life, Surprised

SEEDS = 1_000_000
"""Seeds that are drawn where none is given: short enough to be typed again."""
_SCREEN_BACK = "\x1b[?1049l\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m"
"""What a screen that was killed could not send: the other page, mouse, pasting, cursor and colours as before
(xterm's control sequences)."""


def plan_of(surprise: bool, seed: int | None, names: str | None) -> Plan | None:
    """The plan that the options ask for, said; None where they ask for none. Raises UsageError."""
    if not surprise:
        if seed is not None or names is not None:
            raise UsageError(
                "--seed and --surprises go with --surprise.",
                means="Nothing was started.",
                next="Add --surprise, or leave them out.",
            )
        return None
    made = plan(secrets.randbelow(SEEDS) if seed is None else seed, read_names(names or ""))
    again = f" --surprises {names}" if names else ""
    say(f"Seed {made.seed} (again with: --surprise --seed {made.seed}{again})")
    for fault in made.faults:
        say(f"  {fault}")
    return made


def surprised(
    ground: "Ground",
    occurred: str,
    made: Plan,
    *,
    headless: bool,
    as_json: bool,
    keep: bool,
    output: Path | None,
) -> int:
    """Lead the incident of this world while the plan's faults come; 0 where every claim was true."""
    from drbook.demo.surprised import Trial, unseen

    home = ground.folder / "drbook"
    goes = [] if keep else ["--goes"]
    trial = Trial(
        ground,
        occurred,
        made,
        lead=unseen(say) if headless else _at_the_screen,
        again=_goes_on if headless else _asked,
        tell=say if headless else lambda line: None,
        home=home,
        begin=lambda runbook: (
            ["demo-lead", str(runbook), occurred, *goes]
            if headless
            else ["rehearse", str(runbook), "--keep", "--set", f"occurred={occurred}"]
        ),
        resume=lambda folder: (
            ["demo-lead", str(folder / "runbook.yaml"), occurred, *goes]
            if headless
            else ["resume", str(folder)]
        ),
    )
    try:
        ended = trial.run()
        if output is not None and ended.folder is not None:
            write_timeline(ended.folder, output)
            say(f"Written: {output}")
    finally:
        if not keep:
            remove_targets(home, {**os.environ, **ground.environment()}, say)
    if as_json:
        print_json(ended.document())
    else:
        for line in lines(ended):
            click.echo(line)
    return int(ExitCode.DONE if ended.judged.honest else ExitCode.FAILED)


def lines(ended: "Surprised") -> list[str]:
    """What came, what was said, and whether it was true, for a person."""
    from drbook.demo.truth import sentence

    found = [plain(line, 600) for line in ended.life.printed.splitlines()]
    found += ["", f"seed           {ended.plan.seed}"]
    for number, one in enumerate(ended.injected):
        label = "surprises" if number == 0 else ""
        done = "" if one.done else "NOT DONE, "
        found.append(f"{label:<15}{one.fault.surprise.value}: {done}{plain(one.where, 300)}")
    lives = f" in {counted(ended.lives, 'life', 'lives')}" if ended.lives > 1 else ""
    code = "none" if ended.life.exit_code is None else ended.life.exit_code
    found.append(f"drbook said    exit code {code}{lives}: {plain(ended.judged.why, 500)}")
    found.append(f"the truth      {sentence(ended.judged)}")
    found += [f"               {plain(one, 500)}" for one in ended.judged.false]
    return found + [f"passed over    {plain(one, 500)}" for one in ended.judged.passed_over]


def remove_targets(home: Path, environment: Mapping[str, str], tell: Tell) -> None:
    """What the incidents of this state directory made and left, where it is proven to be theirs: restored
    clusters lie outside the world's folder where root's servers run as `nobody`. What stays is told."""
    for folder in listed(Home(home)):
        try:
            found = drill(folder, environment)
            if found is None:
                continue
            if found.led or found.problem:
                why = found.problem or f"it is led by {found.led}"
                tell(f"Not cleaned: {plain(str(folder), 300)}: {plain(why, 300)}")
            elif found.leftovers:
                for one in clean(found, environment, tell, kept_too=True).stayed:
                    tell(f"STAYS {one.kind} {plain(one.place, 300)}: {plain(one.reason, 300)}")
        except DrbookError as error:
            tell(f"Not cleaned: {plain(str(folder), 300)}: {error.explain()}")


def _goes_on(folder: Path | None) -> bool:
    say("drbook was killed; the demo goes on with its incident.")
    return True


def _at_the_screen(
    arguments: Sequence[str], environment: Mapping[str, str], prey: "Prey"
) -> "Life":
    """The operator leads, on this terminal."""
    from drbook.demo.surprised import Life
    from drbook.providers.foreground import own_environment, program

    def begun(pid: int) -> None:
        prey.pids = lambda: [pid]

    left = program(
        [sys.executable, "-m", "drbook", *arguments], {**own_environment(), **environment}, begun
    )
    prey.pids = tuple
    if prey.killed:
        sys.stdout.write(_SCREEN_BACK)
        sys.stdout.flush()
    return Life(left.exit_code, f"it was left at the screen with exit code {left.exit_code}")


def _asked(folder: Path | None) -> bool:
    """Say how to go on, and wait for it. Whoever would rather not ends the demo with Ctrl-D."""
    say("drbook was killed. Its incident is still open, and its world still runs.")
    if folder is None:
        say("It had recorded nothing yet; Enter begins again.")
    else:
        say("Enter goes on with it here; Ctrl-D ends the demo.")
    try:
        input()
    except EOFError:
        return False
    return True
