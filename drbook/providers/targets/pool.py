"""The servers of restored clusters: they live as long as drbook does, not as long as a step.

A server is started on nothing but what an incident made: the marker in its folder says so.
"""

import json
import threading
from pathlib import Path

from drbook.core.errors import CouldNotVerify
from drbook.core.ports import Cancel
from drbook.core.refusals import refused
from drbook.core.signals import Working
from drbook.core.targets import Target
from drbook.providers.pgidentity import system_identifier_in
from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgtools import PgTools

MARKER = "drbook-target.json"
"""The file that every cluster's folder gets when it is made, with the target's name and nonce."""


def marker_of(name: str, nonce: str) -> str:
    return json.dumps({"target": name, "nonce": nonce}) + "\n"


class ServerPool:
    """Running clusters by the name of their target."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[str, ClusterServer] = {}

    def add(self, name: str, server: ClusterServer) -> None:
        with self._lock:
            self._servers[name] = server

    def running(self, target: Target, tools: tuple[PgTools, ...], cancel: Cancel) -> Working[None]:
        """Make sure that a target's server runs; after a resume it is started again.

        Raises CouldNotVerify where its files are gone, Refused where they are another's.
        """
        with self._lock:
            server = self._servers.get(target.name)
        if server is not None and server.running:
            return
        folder = Path(target.location)
        try:
            major = int((folder / "data" / "PG_VERSION").read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            raise CouldNotVerify(
                f"The target {target.name} is not there any more: {folder} holds no cluster.",
                means="What was restored into it cannot be looked at.",
                next="Run the restore step again; it makes another target.",
                code="target-gone",
            ) from None
        fitting = [one for one in tools if one.has_server and one.major == major]
        if not fitting:
            raise CouldNotVerify(
                f"The target {target.name} is a cluster of PostgreSQL {major}, and this machine has "
                "no programs of that version.",
                next="Install them, or point DRBOOK_PG_BIN at their folder.",
                code="pg-tools",
            )
        _still_ours(target, folder)
        server = ClusterServer(fitting[0], folder, name=target.name, key=target.nonce)
        self.add(target.name, server)
        yield from server.start(cancel=cancel)

    def start_commands(self) -> dict[str, str]:
        """How each cluster is started for good, once drbook has ended."""
        with self._lock:
            return {name: server.start_command() for name, server in self._servers.items()}

    def close(self) -> None:
        """Stop all of them; their data stays."""
        with self._lock:
            servers = list(self._servers.values())
        for server in servers:
            server.stop()


def _still_ours(target: Target, folder: Path) -> None:
    """Before a server is started on it: it must be the cluster that was made. Raises Refused.

    Starting a server replays and writes WAL, so what its server would say comes too late.
    """
    links = [one for one in (folder, folder / "data") if one.is_symlink()]
    try:
        found = system_identifier_in(folder / "data")
        written = (folder / MARKER).read_text(encoding="utf-8")
        marked = written.strip() == marker_of(target.name, target.nonce).strip()
    except (OSError, ValueError):
        found, marked = "unknown", False
    if links or not marked or found != target.identity.system_identifier:
        raise refused(
            "target-changed",
            f"What lies at {folder} is not the cluster that this incident made.",
            compared=f"made was system identifier {target.identity.system_identifier}, found is "
            f"{found}; its mark is {'there' if marked else 'not there'}"
            + (f"; {links[0].name} is a link" if links else ""),
            means="No server was started on it.",
        )
