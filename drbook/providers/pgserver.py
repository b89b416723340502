"""A PostgreSQL cluster of our own: made, started on a private socket, stopped when we end.

PostgreSQL refuses to run as root. There, its server runs in a user namespace of its own; where that
is forbidden, as `nobody`, from a folder and with programs that `nobody` can reach.
"""

import os
import secrets
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from drbook.core.archivefacts import DatabaseSettings
from drbook.core.errors import StepFailed
from drbook.core.ports import Cancel
from drbook.core.refusals import refused
from drbook.core.signals import Signal, Working
from drbook.core.targets import DatabaseRef
from drbook.core.textsettings import usual
from drbook.core.values import plain, plain_lines
from drbook.providers.child import Child, RunAs
from drbook.providers.hiding import scrub
from drbook.providers.launcher import NOBODY
from drbook.providers.pgtools import PgTools
from drbook.providers.process import complete, run

SUPERUSER = "postgres"
PORT = 5432
START_SECONDS = 120.0
"""A start that replays WAL may take long; after this it is called failed."""
RECOVERY_SECONDS = 1800.0
"""How long a recovery may show no sign of life: the checkpoint at its end writes all that it has changed."""
CONFIG = "postgresql.conf"
"""In the folder of a cluster whose data directory came from elsewhere: its own settings have no say."""

Look = Callable[[], Signal | None]
"""How far something has come; None where that is still the same."""


@cache
def server_user(forced: str = "") -> RunAs:
    """How a server is run here: as ourselves, in a user namespace, or as `nobody`."""
    if forced in ("self", "namespace", "nobody"):
        return forced  # type: ignore[return-value]
    if os.geteuid() != 0:
        return "self"
    # Containers usually forbid it.
    return "namespace" if _runs(["/bin/sh", "-c", "exit 0"], "namespace") else "nobody"


def _runs(argv: Sequence[str | Path], run_as: RunAs) -> bool:
    try:
        return complete(argv, run_as=run_as).exit_code == 0
    except StepFailed:
        return False


class ClusterServer:
    """One cluster. `folder` is its home: `data`, `server.log`; made exclusively by `create`."""

    def __init__(
        self,
        tools: PgTools,
        folder: Path,
        *,
        name: str,
        key: str | None = None,
        run_as: RunAs | None = None,
        superuser: str = SUPERUSER,
        passwords: bool = False,
    ) -> None:
        """`key` is a random text of which the socket's folder is named, so that it can be found again.

        With `passwords`, every login needs its own, also on the private socket: what runs inside the
        server reaches that socket too.
        """
        self.folder = folder
        self.name = name
        self._key = (key or secrets.token_hex(8))[:16]
        self._run_as: RunAs = run_as or server_user()
        self._superuser = superuser
        self._passwords = passwords
        self._tools = tools
        self._sockets: Path | None = None
        self._child: Child | None = None

    @property
    def tools(self) -> PgTools:
        return self._tools

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        """The private folder of its socket, while it runs."""
        if self._sockets is None:
            raise StepFailed(f"The server of {self.name} is not running.", code="server")
        return self._sockets

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.popen.poll() is None

    def ref(self, dbname: str) -> DatabaseRef:
        return DatabaseRef(
            host=str(self.socket),
            port=PORT,
            user=self._superuser,
            dbname=dbname,
            ignore_environment=True,
        )

    def make_folder(self, within: int | None = None) -> None:
        """The exclusive step of creation; `within` is the open folder that will hold it, and then nothing is in
        it, else its path is walked. Raises FileExistsError where something is there."""
        os.mkdir(self.folder if within is None else self.folder.name, 0o700, dir_fd=within)
        if self._run_as == "nobody":
            os.chown(self.folder, NOBODY, NOBODY)
        if within is None:
            self.bring_programs()

    def bring_programs(self) -> None:
        """Its programs where its own user can run them."""
        if self._run_as == "nobody":
            self._tools = _reachable(self._tools, self.folder)

    def key_file(self, role: str) -> Path:
        """Where a role's password lies: beside the data, for us and the server's own user only."""
        return self.folder / f"{role}.key"

    def make_key(self, role: str) -> Path:
        """A new password for a role, in its file. Raises OSError."""
        path = self.key_file(role)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as stream:
            if self._run_as == "nobody":
                os.fchown(stream.fileno(), NOBODY, NOBODY)
            stream.write(secrets.token_urlsafe(32) + "\n")
        return path

    def create(
        self, cancel: Cancel | None = None, settings: DatabaseSettings | None = None
    ) -> Working[None]:
        """initdb, with everything that it would otherwise take from the surroundings said explicitly;
        it removes what it made where it fails. Raises StepFailed `initdb`."""
        argv: list[str | Path] = [self._tools.path("initdb"), "-D", self.data]
        argv += ["-U", self._superuser]
        if self._tools.major >= 14:
            argv.append("--no-instructions")  # how to start it is not the operator's business
        # Only the private socket answers, and only we and the server itself can reach it.
        if self._passwords:
            key = self.key_file(self._superuser)
            if not key.exists():  # a first try with other settings made it
                self.make_key(self._superuser)
            argv += ["--auth-local=scram-sha-256", "--pwfile", key]
        else:
            argv.append("--auth-local=trust")
        text = settings or usual(self._tools.major, linux=sys.platform == "linux")
        argv += ["--auth-host=reject", *_text_options(text, self._tools.major)]
        done = yield from run(argv, cancel=cancel, cwd=self.folder, run_as=self._run_as)
        if done.exit_code != 0:
            raise StepFailed(
                f"A new cluster could not be made in {self.folder}: "
                f"{plain(done.stderr.strip()[-400:], 400)}",
                means="Nothing was restored.",
                next="Mend what it says (often the disk is full), and run the step again: it makes "
                "another target.",
                code="initdb",
            )

    def start(
        self,
        settings: Mapping[str, str] | None = None,
        cancel: Cancel | None = None,
        watch: Look | None = None,
    ) -> Working[None]:
        """Start it on a private socket and wait until it answers. With `watch` it recovers, and may take as
        long as it shows signs of life."""
        if self.running:
            return
        self._sockets = self._socket_folder()
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "cluster_name": self.name[:60],
            "archive_mode": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
            "logging_collector": "off",
            "max_connections": "40",
            **(settings or {}),
        }
        argv: list[str | Path] = [self._tools.path("postgres"), "-D", self.data, *self._own_files()]
        for key, value in options.items():
            argv += ["-c", f"{key}={value}"]
        with (self.folder / "server.log").open("ab") as log:
            self._child = Child(
                argv,
                cwd=self.folder,
                run_as=self._run_as,
                stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown
                grace=20.0,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield self._child.started()  # on record when we are asked for more
        except BaseException:
            self.stop()
            raise
        self._child.go()
        yield from self._wait_ready(cancel, watch)

    def _own_files(self) -> list[str | Path]:
        """Which files it takes its settings from, where those in its data directory are another server's."""
        config = self.folder / CONFIG
        return ["-c", f"config_file={config}"] if config.is_file() else []

    def single(self, statements: Sequence[str], cancel: Cancel | None = None) -> Working[None]:
        """Statements, one on a line, by the one who needs no login, while the server does not run.
        Raises StepFailed `single-user`."""
        argv: list[str | Path] = [self._tools.path("postgres"), "--single", "-D", self.data]
        argv += [*self._own_files(), "-c", "lc_messages=C", "-c", "exit_on_error=on", "template1"]
        text = "".join(f"{statement}\n" for statement in statements).encode()
        done = yield from run(
            argv,
            cancel=cancel,
            cwd=self.folder,
            run_as=self._run_as,
            feed=lambda stream: _write(stream, text),
            on_line=lambda stream, line: None,
        )
        if done.exit_code != 0:
            bad = [line for line in done.stderr.splitlines() if "ERROR" in line or "FATAL" in line]
            why = plain(scrub("; ".join(bad) or f"exit code {done.exit_code}"), 300)
            raise StepFailed(
                f"The roles of {self.name} could not be made: {why}.",
                means="Its data is there; nobody can log in to it.",
                next="Mend what it says, and run the step again: it makes another target.",
                code="single-user",
            )

    def stop(self) -> None:
        """A fast shutdown; the data stays."""
        if self._child is not None:
            self._child.close()
            self._child = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    def log_tail(self) -> str:
        """The end of the server's log, safe to show."""
        try:
            with (self.folder / "server.log").open("rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - 2000))
                return plain_lines(stream.read().decode("utf-8", "replace"), 300)
        except OSError as error:
            return f"(no log: {error.strerror or error})"

    def start_command(self) -> str:
        """How a person starts it for good. PostgreSQL refuses to run as root: root's data is copied
        to where the server's own user can reach it."""
        program = shlex.quote(str(self._tools.bin / "pg_ctl"))
        data = shlex.quote(str(self.data))
        if (self.folder / CONFIG).is_file():
            return self._start_copied(program)
        if self._run_as == "self":
            return f"{program} -D {data} -l restored.log start"
        return (
            f"cp -a {data} /srv/restored && chown -R postgres: /srv/restored && "
            f"su postgres -c '{program} -D /srv/restored -l /srv/restored/restored.log start'"
        )

    def _start_copied(self, program: str) -> str:
        """Of a copy of another server's files: with their own settings it would archive where that did."""
        home = self.folder if self._run_as == "self" else Path("/srv/restored")
        options = f"-c config_file={home}/{CONFIG}"
        if self._run_as != "self":
            options += f" -c hba_file={home}/pg_hba.conf -c ident_file={home}/pg_ident.conf"
        start = f"{program} -D {home}/data -o {shlex.quote(options)} -l {home}/restored.log start"
        if self._run_as == "self":
            return start
        return (
            f"cp -a {shlex.quote(str(self.folder))} {home} && chown -R postgres: {home} && "
            f"su postgres -c {shlex.quote(start)}"
        )

    def _socket_folder(self) -> Path:
        """A folder of our own in a place with a short path: a socket's must stay under 108 bytes."""
        folder = sockets_of(self._key)
        owner = NOBODY if self._run_as == "nobody" else os.geteuid()
        try:
            folder.mkdir(mode=0o700)
            os.chown(folder, owner, -1)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
                raise refused(
                    "socket-folder",
                    f"{folder} exists already, and is not a private folder of ours.",
                    compared=f"mode {stat.filemode(found.st_mode)}, owner {found.st_uid}",
                    means="A server's socket in it could be somebody else's.",
                ) from None
        return folder

    def _wait_ready(self, cancel: Cancel | None, watch: Look | None) -> Working[None]:
        assert self._child is not None
        silence = RECOVERY_SECONDS if watch is not None else START_SECONDS
        until = time.monotonic() + silence
        while time.monotonic() < until:
            if watch is not None and (moved := watch()) is not None:
                until = time.monotonic() + silence
                yield moved
            if cancel is not None and cancel.requested:
                self.stop()
                cancel.raise_if_requested()
            if self._child.popen.poll() is not None:
                break
            if self._status() == "ready":
                return
            time.sleep(0.03)
        tail = self.log_tail()
        self.stop()
        raise StepFailed(
            f"The server of {self.name} did not start. Its log ends:\n{tail}",
            means=f"Its files are in {self.folder}.",
            next="Mend what the log says, and run the step again: it makes another target.",
            code="server",
        )

    def _status(self) -> str:
        """The last line of postmaster.pid, where the server says `ready` (as pg_ctl reads it)."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return ""
        return lines[7].strip() if len(lines) > 7 else ""


def _write(stream: IO[bytes], text: bytes) -> None:
    stream.write(text)
    stream.flush()


def _text_options(text: DatabaseSettings, major: int) -> list[str]:
    """initdb's options for how text is written and sorted; messages and formats stay C."""
    options = [f"--encoding={text.encoding}", "--locale=C"]
    options += [f"--lc-collate={text.collate}", f"--lc-ctype={text.ctype}"]
    if major >= 15:
        options.append(f"--locale-provider={text.provider}")
    if text.provider == "icu":
        options.append(f"--icu-locale={text.locale}")
        options += [f"--icu-rules={text.rules}"] if text.rules else []
    if text.provider == "builtin":
        options.append(f"--builtin-locale={text.locale}")
    return options


def sockets_of(key: str) -> Path:
    """Where the server with this key has its socket."""
    base = Path("/tmp") if os.access("/tmp", os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    return base / f"drbook-{key[:16]}"


def private_base(run_as: RunAs, wanted: Path) -> Path:
    """Where a cluster's folder may lie: as wanted, or where `nobody` can reach it."""
    if run_as != "nobody":
        return wanted
    base = Path(tempfile.gettempdir())
    return base if os.stat(base).st_mode & 0o001 else wanted


def _reachable(tools: PgTools, folder: Path) -> PgTools:
    """The programs where `nobody` can run them: as they are, or copied beside the cluster."""
    if _runs([tools.path("postgres"), "--version"], "nobody"):
        return tools
    home = tools.bin.parent
    copied = folder / "programs"
    shutil.copytree(home, copied, symlinks=True)
    for path in (copied, *copied.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return PgTools(copied / "bin", tools.version, tools.origin)
