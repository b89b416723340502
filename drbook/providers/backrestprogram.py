"""Running pgBackRest: only what reads a repository, and what its complaints mean.

Its options and complaints are those of 2.45 (Debian 12). Nothing here writes in a repository: `info`,
`repo-ls`, `repo-get`, `verify`, `restore` and `archive-get` do not, and their logs and locks are turned
away into a private folder. Secrets travel in the environment of the child.
"""

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from drbook.core.errors import Interrupted, StepFailed
from drbook.core.ports import Cancel
from drbook.core.signals import Signal, Working, finish
from drbook.core.values import plain
from drbook.providers import tool
from drbook.providers.child import Environment
from drbook.providers.hiding import Secret, scrub
from drbook.providers.pgtools import ENGLISH, installed
from drbook.providers.process import Completed, OnLine, Take, run
from drbook.providers.scratch import Scratch
from drbook.providers.secrets import Secrets
from drbook.providers.sources.pgbackrest import PgBackRestSource

ANSWER = timedelta(minutes=2)
"""For what reads little; pgBackRest itself waits a minute for a store that does not answer."""
LISTING = timedelta(minutes=15)
"""For the names of all archived segments."""
AS_OF = (2, 46)
"""The first version that reads a repository as it was (`--repo-target-time`)."""

_ERROR = re.compile(r"^(?:P\d+\s+)?ERROR: \[(\d+)\]: (.*)", re.MULTILINE)
_SAID = re.compile(r"^\[(\w+)\] (.*)")
_OPTIONS = {
    "restore": ("--lock-path={own}", "--spool-path={own}", "--reset-pg1-host"),
    "archive-get": ("--lock-path={own}", "--reset-pg1-host", "--no-archive-async"),
}
"""What a configuration file may say otherwise and must not here."""


class Failed(tool.Failed):
    """pgBackRest did not do what it was asked; `code` is its own exit code, where it ran."""

    def __init__(self, why: str, advice: str, code: int | None = None) -> None:
        super().__init__(why, advice)
        self.code = code


@dataclass(frozen=True, slots=True)
class Lies:
    """Where a repository lies, as far as its configuration says it."""

    kind: str
    """`posix`, `cifs`, `s3`, `azure`, `gcs`; `host` for one behind another host."""
    path: str
    bucket: str = ""

    @property
    def folder(self) -> Path | None:
        """A directory that this machine sees."""
        return Path(self.path) if self.kind in ("posix", "cifs") else None

    @property
    def resource(self) -> str | None:
        folder = self.folder
        return os.path.realpath(folder) if folder is not None else self.bucket or None

    def show(self) -> str:
        return self.path if self.folder is not None else f"{self.kind}://{self.bucket}{self.path}"


def lies_in(text: str, stanza: str, repo: int) -> Lies:
    """What pgBackRest's own configuration says of one repository; the stanza's section goes before the
    global one. Raises ValueError where the file is none."""
    parser = configparser.RawConfigParser(
        strict=False, delimiters="=", comment_prefixes="#", inline_comment_prefixes=None
    )
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(plain(str(error).splitlines()[0], 200)) from None

    def value(name: str, default: str = "") -> str:
        for section in (stanza, "global"):
            if parser.has_option(section, f"repo{repo}-{name}"):
                return parser.get(section, f"repo{repo}-{name}")
        return default

    kind = "host" if value("host") else value("type", "posix")
    bucket = value("host") or value("s3-bucket") or value("gcs-bucket") or value("azure-container")
    return Lies(kind, value("path", "/var/lib/pgbackrest"), bucket)


class PgBackRest:
    """pgBackRest with one repository. Raises UsageError where its secrets cannot be read."""

    def __init__(self, config: PgBackRestSource, secrets: Secrets, cancel: Cancel) -> None:
        self._config = config
        self.cancel = cancel
        self.env: Environment = {**ENGLISH, **_environment(config, secrets)}
        self._own: Scratch | None = None
        self._version: tuple[int, int] | None = None

    def close(self) -> None:
        if self._own is not None:
            self._own.cleanup()
            self._own = None

    @property
    def own(self) -> Path:
        """A private folder for what it would write elsewhere."""
        if self._own is None:
            self._own = Scratch("pgbackrest")
        return Path(self._own.name)

    @property
    def stanza(self) -> str:
        return self._config.stanza

    @property
    def repo(self) -> int:
        return self._config.repo

    def lies(self) -> Lies:
        """Raises Failed where the configuration file cannot be read."""
        if self._config.config is None:
            assert self._config.repository is not None
            if self._config.s3 is not None:
                return Lies("s3", self._config.repository, self._config.s3.bucket)
            return Lies("posix", str(Path(self._config.repository).expanduser()))
        path = Path(self._config.config).expanduser()
        try:
            return lies_in(path.read_text(encoding="utf-8"), self.stanza, self.repo)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Failed(
                f"pgBackRest's configuration {plain(str(path), 200)} cannot be read: {reason}",
                "Look at the file, and who may read it",
            ) from None

    def argv(self, command: str, *arguments: str, own: Path | None = None) -> list[str]:
        """`own` is a private folder in the place of this one's. Raises Failed where the program is not
        installed."""
        program = installed("pgbackrest")
        if program is None:
            raise Failed("unavailable: pgBackRest is not installed here", "Install pgbackrest")
        options = ["--log-level-file=off", "--log-level-console=off", "--no-log-timestamp"]
        own = own or self.own
        options += [f"--log-path={own}", f"--stanza={self.stanza}", f"--repo={self.repo}"]
        options += [each.format(own=own) for each in _OPTIONS.get(command, ())]
        return [program, *self._place(), *options, command, *arguments]

    def _place(self) -> list[str]:
        given = self._config
        if given.config is not None:
            found = [f"--config={Path(given.config).expanduser()}"]
        else:
            found = ["--no-config", f"--repo1-path={self.lies().path}"]
        if given.s3 is not None:
            host, port = given.s3.address
            style = "path" if given.s3.addressing == "path" else "host"
            found += ["--repo1-type=s3", f"--repo1-s3-bucket={given.s3.bucket}"]
            found += [f"--repo1-s3-endpoint={host}", f"--repo1-storage-port={port}"]
            found += [f"--repo1-s3-region={given.s3.region}", f"--repo1-s3-uri-style={style}"]
            if given.s3.ca_bundle is not None:
                found.append(f"--repo1-storage-ca-file={given.s3.ca_bundle}")
        if given.as_of is not None:
            moment = given.as_of.isoformat(sep=" ", timespec="seconds")
            found.append(f"--repo-target-time={moment}")
        return found

    def can_be_asked(self) -> None:
        """Raises Failed where it is missing, where its repository's folder is, or where it is too old for what
        it is asked for."""
        version = self.version()
        if self._config.as_of is not None and version < AS_OF:
            have, need = (".".join(map(str, each)) for each in (version, AS_OF))
            raise Failed(
                f"reading the repository as it was needs pgBackRest {need} or newer; here is {have}",
                "Install a newer pgbackrest",
            )
        folder = self.lies().folder
        if folder is not None and not folder.is_dir():
            raise Failed(
                f"there is no repository: {plain(str(folder), 300)} is not there",
                "Check its place, and whether it is mounted",
            )

    def version(self) -> tuple[int, int]:
        """Raises Failed."""
        if self._version is None:
            program = self.argv("version")[0]
            done = finish(self._run([program, "version"], timeout=ANSWER))
            match = re.search(r"pgBackRest (\d+)\.(\d+)", done.stdout)
            if match is None:
                raise Failed(
                    "what is installed as pgbackrest does not say its version",
                    "Look what it is, and install pgbackrest",
                )
            self._version = int(match[1]), int(match[2])
        return self._version

    def ask(self, command: str, *arguments: str, timeout: timedelta = ANSWER) -> bytes:
        """All that it prints. Raises Failed, Cancelled."""
        out = bytearray()
        argv = self.argv(command, "--log-level-stderr=warn", *arguments)
        finish(self.working(argv, take=out.extend, timeout=timeout))
        return bytes(out)

    def working(
        self,
        argv: list[str],
        *,
        take: Take | None = None,
        on_line: OnLine | None = None,
        timeout: timedelta | None = None,
        good: tuple[int, ...] = (0,),
    ) -> Working[Completed]:
        """Run it to its end. Raises Failed where it does not end well, Cancelled."""
        done = yield from self._run(argv, take=take, on_line=on_line, timeout=timeout)
        if done.exit_code not in good:
            raise complaint(done.exit_code, done.stderr)
        return done

    def _run(
        self,
        argv: list[str],
        *,
        timeout: timedelta | None,
        take: Take | None = None,
        on_line: OnLine | None = None,
    ) -> Working[Completed]:
        try:
            return (
                yield from run(
                    argv,
                    env=self.env,
                    cancel=self.cancel,
                    timeout=timeout,
                    take=take,
                    on_line=on_line or _unsaid,
                )
            )
        except StepFailed as error:
            self.cancel.raise_if_requested()
            if isinstance(error, Interrupted):
                raise Failed(error.what.rstrip("."), "Look at the repository's place") from None
            raise Failed(error.what.rstrip("."), error.next or "Install pgbackrest") from None


def _unsaid(stream: str, line: str) -> Signal | None:
    return None


def _environment(config: PgBackRestSource, secrets: Secrets) -> Mapping[str, Secret | str]:
    """The variables that pgBackRest reads its secrets from (its manual, "Configuration")."""
    prefix = f"PGBACKREST_REPO{config.repo}"
    found: dict[str, Secret | str] = {}
    if config.cipher_password is not None:
        found[f"{prefix}_CIPHER_TYPE"] = "aes-256-cbc"
        found[f"{prefix}_CIPHER_PASS"] = secrets(config.cipher_password)
    if config.s3 is not None:
        found[f"{prefix}_S3_KEY"] = secrets(config.s3.access_key)
        found[f"{prefix}_S3_KEY_SECRET"] = secrets(config.s3.secret_key)
        if config.s3.session_token is not None:
            found[f"{prefix}_S3_TOKEN"] = secrets(config.s3.session_token)
    return found


# --- what it says ------------------------------------------------------------------------------------


def complaint(code: int, text: str) -> Failed:
    """What its exit code and its words on standard error mean."""
    found = _ERROR.findall(text)
    words = found[-1][1] if found else (text.strip().splitlines() or [""])[-1]
    words = plain(scrub(words), 300).rstrip(". ") or f"pgBackRest ended with exit code {code}"
    why = f"pgBackRest says: {words}" if found else words
    return Failed(why, "Look at the repository's place, its network and its keys", code)


def status(code: int, message: str, *, encrypted: bool) -> Failed | None:
    """What the status of a stanza means (pgBackRest's `info`); None where it can be listed."""
    if code in (0, 2):
        return None
    known = {
        1: ("the repository holds no such stanza", "Check the stanza's name and the place"),
        3: (
            "the stanza's folder is there and its backup.info is not",
            "Keep what is left of it as it is, and take another copy",
        ),
        4: ("its repositories do not agree", "Name one of them by `repo`"),
        5: ("its backups and its archive are of different clusters", "Ask who upgraded it"),
        6: ("the backup that was asked for is not there", "Look again"),
    }
    if code in known:
        return Failed(*known[code])
    return _other(message, encrypted)


def _other(message: str, encrypted: bool) -> Failed:
    """Status 99 quotes what it read, which may be a megabyte of what nobody can read."""
    match = _SAID.match(message)
    kind, words = (match[1], match[2]) if match else ("", message.partition("\n")[0])
    words = plain(scrub(words), 300).rstrip(": .")
    if "Salted__" in message and not encrypted:
        return Failed(
            "the repository is encrypted, and no password is given",
            "Give its password as `cipher_password`",
        )
    if encrypted and kind in ("CryptoError", "FormatError"):
        return Failed(
            "the repository does not open with this password: it is another one's, or the repository is "
            "not encrypted, or its list of backups is damaged",
            "Look where this repository's password is kept",
        )
    if "Permission denied" in message:
        return Failed(f"{words}: permission denied", "Run drbook as a user who may read it")
    return Failed(
        f"pgBackRest says: {words or 'nothing'}",
        "Look at the repository's place, its network and its keys",
    )
