"""The servers of restored clusters: they live as long as drbook does, not as long as a step."""

import threading
from pathlib import Path

from drbook.core.errors import CouldNotVerify
from drbook.core.ports import Cancel
from drbook.core.signals import Working
from drbook.core.targets import Target
from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgtools import PgTools


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

        Raises CouldNotVerify where its files are gone.
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
