"""`drbook serve`: an incident's screen in a browser, for those who have no terminal here."""

import ipaddress
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drbook.app.places import JOURNAL, find_incident, home
from drbook.cli.output import say
from drbook.core.errors import UsageError
from drbook.core.values import plain
from drbook.journal.reader import records

if TYPE_CHECKING:
    from drbook.cli.webserver import IncidentServer


@click.command("serve")
@click.argument("incident", required=False)
@click.option(
    "--writable",
    is_flag=True,
    help="Lead it from the browser, as `drbook resume` does; without it, it is only watched.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="The port."
)
def command(incident: str | None, writable: bool, host: str, port: int) -> None:
    """Show INCIDENT (the newest where absent) in a browser, read-only, until Ctrl-C.

    Nobody is asked for a password, so it listens on this machine alone; from elsewhere, reach it
    through a tunnel: ssh -L 8000:127.0.0.1:8000 THIS-HOST. Nothing is loaded from the internet.
    """
    folder = find_incident(home(), incident)
    title = _title(folder)
    server = _server(folder, writable, host, port, title)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    say(f"{title}: {'led' if writable else 'watched, read-only,'} at {url}  (Ctrl-C ends it)")
    if not is_loopback(host):
        say(
            f"WARNING: whoever reaches {host}:{port} can {'LEAD' if writable else 'read'} this incident. "
            "There is no password and no encryption. Listen on 127.0.0.1 and use an ssh tunnel instead."
        )
    try:
        server.serve()
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be listened at: {error.strerror or error}.",
            means="Nothing is served.",
            next="Give another --port, or end what listens there.",
            code="serve-listen",
        ) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it; a name other than localhost may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _title(folder: Path) -> str:
    first = next((record for record, _ in records(folder / JOURNAL)), None)
    return plain(str(getattr(first.event, "title", "")), 120) if first else folder.name


def _server(folder: Path, writable: bool, host: str, port: int, title: str) -> "IncidentServer":
    try:
        from drbook.cli.webserver import IncidentServer
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("textual_serve", "aiohttp"):
            raise
        raise UsageError(
            "The browser's part of drbook is not installed.",
            means="Nothing is served. `drbook watch` follows an incident in a terminal without it.",
            next="pip install 'drbook[serve]'",
            code="serve-parts",
        ) from None
    what = "resume" if writable else "watch"
    # -P: a folder named drbook where this was started must not be taken for the program.
    words = [sys.executable, "-P", "-m", "drbook", what, str(folder)]
    return IncidentServer(shlex.join(words), host, port, title, only_here=is_loopback(host))
