"""Which credentials this process can read: its environment, and files by their known places and names.

Only regular files are read, links are not followed, nothing is executed, and files and bytes are bounded;
what was left out is said. A value is kept only until its fingerprint is made: eight hex digits of its
HMAC-SHA-256 under a key of this one search, so that equal values show within one report, and a
fingerprint tells nobody who guesses anything.
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from drbook.core.credentials import Found
from drbook.core.logins import Server
from drbook.core.values import plain
from drbook.providers import credparse
from drbook.providers.credplaces import (
    DOTENV,
    HOME_FILES,
    NAMED_FILES,
    Parser,
    parser_of,
    place,
    plain_text,
    text_of,
    whole_or_lines,
)
from drbook.providers.credvalues import ASKABLE, UNTOLD, Held, Spotted, variables
from drbook.providers.hiding import KNOWN, Secret

FILES = 5000
"""Names that are looked at below the given paths."""
LARGEST = 512 * 1024
"""Bytes of one file; of a longer one the end is read, where history is newest."""
ALL_BYTES = 32 * 1024 * 1024
MOST = 300
"""Credentials in one report."""
MORE = f"more than {MOST} credentials: the others are not listed"
LINE = 4096
"""Characters of a line."""
SKIPPED = frozenset({".git", "node_modules", ".venv", "venv", "__pycache__", ".tox"})
"""Folders below the given paths that are not looked into."""
ENVIRONMENT = "environment"


@dataclass(slots=True)
class Search:
    """One search; `found` and `left_out` are its result."""

    environment: Mapping[str, str]
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    found: list[Found] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    """Files that were read."""
    keep: bool = False
    """True where credentials will be asked about themselves: those that can be are held for it."""
    held: list[Held] = field(default_factory=list, repr=False)
    servers: list[Server] = field(default_factory=list)
    """What service files name, for entries of password files that leave the server open."""
    _values: list[str] = field(default_factory=list, repr=False)
    _bytes: int = 0
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def run(
        self,
        paths: Sequence[Path],
        here: Path,
        names: Sequence[str] = (),
        files: Sequence[Path] = (),
    ) -> None:
        """The environment, the known files of the home folder, dotenv files of the current folder, and
        the given paths. What it found is known as secret from then on, and masked everywhere.

        `names` are variables, `files` files that the runbook calls credentials, whatever they look like.
        """
        try:
            self._environment(names)
            home = self._home()
            if home is not None:
                for name, parser in HOME_FILES:
                    self._file(home / name, parser, below=home)
            for variable, parser in NAMED_FILES.items():
                if given := self.environment.get(variable):
                    self._file(place(given), parser)
            for config in filter(None, self.environment.get("KUBECONFIG", "").split(os.pathsep)):
                self._file(Path(config), credparse.kube)
            self._folder(here)
            for path in files:
                self._file(path, parser_of(path) or whole_or_lines)
            for path in paths:
                self._given(path)
        finally:
            KNOWN.add_all(self._values)
            self._values.clear()

    def print_of(self, value: str) -> str:
        """The fingerprint of a value in this search."""
        return hmac.new(
            self.key, value.encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()[:8]

    def read_reference(self, path: Path) -> str | None:
        """The value behind a runbook's `file:` reference, by this search's rules; None where they forbid it."""
        try:
            data, _ = _read(path)
        except (OSError, ValueError):
            return None
        return data.decode("utf-8-sig", "replace").rstrip("\r\n")

    def _home(self) -> Path | None:
        given = self.environment.get("HOME", "")
        if not os.path.isabs(given):
            self.left_out.append("the home folder: HOME does not name one")
            return None
        return Path(given)

    def _environment(self, names: Sequence[str]) -> None:
        short = {
            name: value
            for name, value in self.environment.items()
            if len(value) <= LARGEST and not name.startswith("BASH_FUNC_")
        }
        spotted = list(variables(short))
        seen = {one.name for one in spotted}
        spotted += [
            Spotted("secret of the runbook", name, short[name].strip(), scope=UNTOLD)
            for name in names
            if name not in seen and short.get(name, "").strip()
        ]
        for one in spotted:
            marks = (f"env:{one.name}", *one.marks)
            self._add(
                _for_any(one), ENVIRONMENT, "every process of this user, and what it starts", marks
            )

    # --- files -------------------------------------------------------------------------------

    def _given(self, path: Path) -> None:
        try:
            mode = path.lstat().st_mode
        except OSError as error:
            self._leave(path, error.strerror or "it cannot be looked at")
            return
        if not stat.S_ISDIR(mode):
            self._file(path, parser_of(path) or plain_text, must=True)
            return
        looked = 0
        for folder, names, files in os.walk(path, followlinks=False):
            names[:] = sorted(name for name in names if name not in SKIPPED)
            for name in sorted(files):
                looked += 1
                if looked > FILES:
                    self._leave(path, f"more than {FILES} files, the others were not looked at")
                    return
                one = Path(folder, name)
                if (parser := parser_of(one)) is not None:
                    self._file(one, parser, below=path)

    def _folder(self, here: Path) -> None:
        try:
            names = sorted(os.listdir(here))[:FILES]
        except OSError:
            return
        for name in names:
            if DOTENV.match(name):
                self._file(here / name, plain_text, below=here)

    def _file(
        self, path: Path, parser: Parser, below: Path | None = None, *, must: bool = False
    ) -> None:
        """One file. What is not there, or closed to this user, holds nothing that this user can read."""
        if below is not None and any(each.is_symlink() for each in _between(path, below)):
            self._leave(path, "it lies behind a link, which is not followed")
            return
        try:
            data, status = _read(path)
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            if must:
                self._leave(path, error.strerror or "it cannot be read")
            return
        except OSError as error:
            self._leave(path, error.strerror or "it cannot be read")
            return
        except ValueError:  # a NUL in a name that the environment gives
            self._leave(path, "this is no file's name")
            return
        self._bytes += len(data)
        if (status.st_dev, status.st_ino) in self._seen:
            return
        self._seen.add((status.st_dev, status.st_ino))
        if self._bytes > ALL_BYTES:
            self._leave(path, "the bound of all bytes was reached before it")
            return
        if status.st_size > len(data):
            self._leave(path, f"of {status.st_size} bytes only the last {len(data)} were read")
        self._parse(place(path), data, status, parser)

    def _parse(self, path: Path, data: bytes, status: os.stat_result, parser: Parser) -> None:
        text, odd = text_of(data)
        if odd:
            self._leave(path, odd)
        if parser is not credparse.railway and any(len(line) > LINE for line in text.splitlines()):
            self._leave(path, f"lines of more than {LINE} characters were read to there only")
            text = "\n".join(line[:LINE] for line in text.splitlines())
        shown = _path(path)
        self.read.append(shown)
        spotted: list[Spotted] = []
        try:
            for each in parser(text):
                spotted.append(each)
            if parser is credparse.services:
                self.servers += credparse.servers(text)
        except credparse.Broken as error:
            self._leave(path, str(error))
        except Exception as error:  # noqa: BLE001 - its message may quote the file, and others are left
            self._leave(path, f"it could not be understood ({type(error).__name__})")
            return
        for one in spotted:
            marks = [*one.marks]
            if len({each.value for each in spotted}) == 1:
                marks.append(f"file:{path}")
            if one.name:
                marks.append(f"file:{path}#{one.name}")
            self._add(one, shown, _readers(status), marks)

    def _add(self, one: Spotted, place: str, readers: str, marks: Sequence[str]) -> None:
        if len(self.found) >= MOST:
            if MORE not in self.left_out:
                self.left_out.append(MORE)
            return
        self._values.append(one.value)
        fingerprint = self.print_of(one.value)
        known = any(
            (each.fingerprint, each.login) == (fingerprint, one.login) for each in self.held
        )
        if self.keep and (one.kind in ASKABLE or one.login is not None) and not known:
            value, key_id, token = map(Secret, (one.value, one.key_id, one.token))
            self.held.append(Held(fingerprint, one.kind, value, key_id, token, one.login))
        if one.token:
            self._values.append(one.token)
        prints = [
            f"print:{fingerprint}",
            *([f"print:{self.print_of(one.key_id)}"] if one.key_id else ()),
        ]
        self.found.append(
            Found(
                kind=one.kind,
                name=_name(one.name),
                place=place,
                line=one.line,
                readers=readers,
                fingerprint=fingerprint,
                scope=one.scope,
                marks=frozenset([*marks, *prints]),
            )
        )

    def _leave(self, path: Path, why: str) -> None:
        if len(self.left_out) < MOST:
            self.left_out.append(f"{_path(path)}: {plain(why, 200)}")


def _between(path: Path, below: Path) -> Iterator[Path]:
    """The path and the folders above it, down to a folder that was named."""
    yield path
    for folder in path.parents:
        if folder == below:
            return
        yield folder


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    """The end of a regular file. Raises OSError for a link, a pipe, a device; never waits."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(0, "it is a link, or no regular file")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no regular file")
        if status.st_size > LARGEST:
            stream.seek(status.st_size - LARGEST)
        return stream.read(LARGEST), status


def _readers(status: os.stat_result) -> str:
    """By the mode bits alone: access lists, and folders above that are closed, are not looked at."""
    who = ["its owner" if status.st_uid == os.geteuid() else f"uid {status.st_uid}, its owner"]
    if status.st_mode & stat.S_IRGRP:
        who.append(f"group {status.st_gid}")
    if status.st_mode & stat.S_IROTH:
        who = ["everybody"]
    return " and ".join(who)


def _for_any(one: Spotted) -> Spotted:
    """libpq gives this process's `PGPASSWORD` to whatever server it opens, so any that is known may be it."""
    if one.name != "PGPASSWORD" or one.login is None:
        return one
    return replace(one, login=one.login.model_copy(update={"open": True}))


def _path(path: Path) -> str:
    return plain(os.fsencode(path).decode("utf-8", "backslashreplace"), 300)


def _name(text: str) -> str:
    """A name as variables and profiles have it; anything else may be a value in the wrong place."""
    return text if re.fullmatch(r"[A-Za-z_-][A-Za-z0-9_. -]{0,59}", text, re.ASCII) else ""
