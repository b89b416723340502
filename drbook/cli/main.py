"""The entry point: finds the command, and turns every end into an exit code and words.

Commands are loaded when they are called, so that `drbook --help` pays for none of them.
"""

import errno
import importlib
import logging
import os
import resource
import sys
import traceback
from collections.abc import Mapping, Sequence

import click

from drbook import __version__
from drbook.cli import streams
from drbook.core.errors import DrbookError, ExitCode
from drbook.core.plaintext import plain

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run", "Open an incident and lead through it."),
    "rehearse": ("rehearse", "The same as a drill, or as a dry run."),
    "resume": ("resume", "Go on with an incident after a crash or a closed terminal."),
    "note": ("note", "Write a note into an incident's record."),
    "approve": ("approve", "Sign what a step waits for, as somebody else than the operator."),
    "watch": ("watch", "Follow an incident, read-only."),
    "serve": ("serve", "The same screen in a browser."),
    "backups": ("backups", "Every recovery point, its verdict and the reasons."),
    "audit": ("audit", "Readiness: copies, their age, and the credentials on this machine."),
    "pack": ("pack", "The go-bag: what one needs when everything else is gone."),
    "baseline": ("baseline", "Capture, show or compare known-good figures."),
    "notify": ("notify", "Who is told how an unattended run ended; try it."),
    "drills": ("drills", "How past rehearsals went, and whether the newest is worse."),
    "drill": ("drill", "Take away what drills left behind."),
    "incidents": ("incidents", "The incidents of this machine."),
    "timeline": ("timeline", "Export an incident: html, md, json or csv; check an export."),
    "bundle": ("bundle", "The evidence of an incident as one file, signed."),
    "review": ("review", "Draft a post-incident review from the record."),
    "status": ("status", "Draft a status text for customers."),
    "journal": ("journal", "Check a record for tampering."),
    "lint": ("lint", "Check runbooks; every problem at once."),
    "show": ("show", "A runbook as drbook understands it."),
    "schema": ("schema", "The runbook language as JSON Schema."),
    "runbooks": ("runbooks", "The runbooks that are installed."),
    "doctor": ("doctor", "What this machine has for a restore."),
    "demo": ("demo", "A disposable world with a disaster in it."),
}

UNLISTED: Mapping[str, str] = {"demo-lead": "demolead"}
"""Commands that drbook starts itself, by their modules."""


class Lazy(click.Group):
    """A group that imports a command's module when it is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        found = COMMANDS[name][0] if name in COMMANDS else UNLISTED.get(name)
        if found is None:
            return None
        module = importlib.import_module(f"drbook.cli.{found}")
        command: click.Command = module.command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and args[0] not in UNLISTED:
            from drbook.language.source import did_you_mean

            near = did_you_mean(args[0], list(COMMANDS))
            raise click.UsageError(f"There is no command {args[0]!r}{near or '.'}", context)
        return super().resolve_command(context, args)


@click.group(
    cls=Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="drbook")
@click.pass_context
def cli(context: click.Context) -> None:
    """Lead an on-call engineer through disaster recovery, one recorded step at a time.

    Start with `drbook demo`: a rental business loses its database, and you get it back.

    Exit codes: 0 done and verified, 1 failed, 2 usage or invalid runbook, 3 aborted,
    4 refused by a guard, 5 could not verify, 6 in doubt, 7 needs a human,
    8 another rehearsal of the runbook runs, 70 internal error.
    """
    if context.invoked_subcommand is None:
        from drbook.cli.home import show_home

        show_home(context)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code. A traceback is never shown; it is kept in a file."""
    os.umask(0o077)
    _no_memory_on_disk()
    streams.prepare()
    # What libraries warn of is no sentence for an operator, and may quote a request.
    logging.lastResort = None
    try:
        result = cli.main(
            list(arguments) if arguments is not None else None,
            prog_name="drbook",
            standalone_mode=False,
        )
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return int(ExitCode.USAGE)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped by the operator.", err=True)
        return int(ExitCode.ABORTED)
    except streams.OutputLost as lost:
        if lost.unread:
            return int(ExitCode.DONE)
        click.echo(lost.explain(), err=True)
        return int(lost.exit_code)
    except DrbookError as error:
        click.echo(_scrubbed(error.explain()), err=True)
        return int(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        return _internal(error)
    return result if isinstance(result, int) else int(ExitCode.DONE)


def _scrubbed(text: str) -> str:
    from drbook.providers.hiding import scrub

    return scrub(text)


def _no_memory_on_disk() -> None:
    """No core dump of this process or its children: their memory holds secrets.

    On Linux a limit of 1 byte, unlike 0, also stops dumps that are piped to a program (core(5)).
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 0 if sys.platform != "linux" or most == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


def _internal(error: Exception) -> int:
    from drbook.app.places import home
    from drbook.providers import private

    text = _scrubbed("".join(traceback.format_exception(error)))
    where = "It could not be kept in a file."
    try:
        folder = home().path
        private.folders(folder)
        path = folder / "last-error.log"
        with private.replace(path) as stream:
            stream.write(text)
        where = f"The details are in {path}."
    except OSError as problem:
        where = f"The details could not be kept: {problem}."
    means, next_ = "this is a defect of drbook", ""
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        means, next_ = "a disk takes no more", "Make room there. "
    click.echo(
        f"drbook itself failed: {type(error).__name__}: {_scrubbed(plain(str(error), 500))}\n"
        f"What it means: {means}; what was recorded before is on disk.\n"
        f"What to do: {next_}`drbook resume` goes on with an open incident. {where}",
        err=True,
    )
    return int(ExitCode.INTERNAL)


if __name__ == "__main__":
    sys.exit(main())
