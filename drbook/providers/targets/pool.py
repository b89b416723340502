"""The servers of restored clusters: they live as long as drbook does, not as long as a step.

A server is started on nothing but what an incident made: the marker in its folder says so.
"""

import json
import threading
from pathlib import Path

from drbook.core.errors import CouldNotVerify
from drbook.core.isolation import forced
from drbook.core.ports import Cancel
from drbook.core.refusals import refused
from drbook.core.signals import Working
from drbook.core.targets import DatabaseRef, Target
from drbook.providers.pgcontrol import system_identifier_in
from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgtools import PgTools

MARKER = "drbook-target.json"
"""The file that every cluster's folder gets when it is made, with the target's name and nonce, and the mode that
it was made in."""


def marker_of(name: str, nonce: str, mode: str = "") -> str:
    return json.dumps({"target": name, "nonce": nonce, "mode": mode}) + "\n"


def mode_marked(written: str, name: str, nonce: str) -> str | None:
    """The mode that a marker tells, empty where it tells none, as those of earlier versions; None where it is not
    this target's."""
    try:
        document = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    if (document.get("target"), document.get("nonce")) != (name, nonce):
        return None
    return str(document.get("mode", ""))


class ServerPool:
    """Running clusters by the name of their target."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[str, ClusterServer] = {}

    def add(self, name: str, server: ClusterServer) -> None:
        with self._lock:
            self._servers[name] = server

    def found(self, target: Target, folder: Path) -> Target:
        """The target where it lies now: an incident's folder may have been moved since it was made.

        What the kernel called its old place says nothing about a new one; the mark and the system
        identifier, which are held against it before its server starts, do.
        """
        moved = folder / target.name
        if str(moved) == target.location or not (moved / MARKER).is_file():
            return target
        unknown = dict.fromkeys(("directory_device", "directory_inode", "directory_boot"))
        identity = target.identity.model_copy(update=unknown)
        return target.model_copy(update={"location": str(moved), "identity": identity})

    def running(
        self, target: Target, tools: tuple[PgTools, ...], cancel: Cancel
    ) -> Working[Target]:
        """Make sure that a target's server runs, and return the target with the ways to it; after a
        resume it is started again.

        Raises CouldNotVerify where its files are gone, Refused where they are another's.
        """
        with self._lock:
            server = self._servers.get(target.name)
        if server is not None and server.running:
            return _reached(target, server)
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
        yield from server.start(forced(fitting[0].major), cancel)
        return _reached(target, server)

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


def _reached(target: Target, server: ClusterServer) -> Target:
    """The target with its logins by this server's socket and key files."""
    found: dict[str, DatabaseRef] = {}
    for name in ("connect", "loader", "admin"):
        ref: DatabaseRef | None = getattr(target, name)
        if ref is not None:
            key = f"file:{server.key_file(ref.user)}" if ref.user and ref.password else ref.password
            found[name] = ref.model_copy(update={"host": str(server.socket), "password": key})
    return target.model_copy(update=found)


def _still_ours(target: Target, folder: Path) -> None:
    """Before a server is started on it: it must be the cluster that was made. Raises Refused.

    Starting a server replays and writes WAL, so what its server would say comes too late.
    """
    links = [one for one in (folder, folder / "data") if one.is_symlink()]
    try:
        found = system_identifier_in(folder / "data")
        written = (folder / MARKER).read_text(encoding="utf-8")
        marked = mode_marked(written, target.name, target.nonce) is not None
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
