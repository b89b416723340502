"""A dump from the very snapshot that was counted, with a manifest that says what it holds.

The command is the operator's; it is started as a list of arguments, under the launcher, while the
session that exported the snapshot is held open. What it writes gets its own name only once it is whole:
until then it lies in a private folder with a dotted name, which no backup source reads.
"""

import hashlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from psycopg import conninfo

from drbook.core.baseline import Manifest, TableCounts
from drbook.core.errors import DrbookError, StepFailed, UsageError
from drbook.core.ports import Cancel
from drbook.core.signals import Milestone, Progress, Signal, Working
from drbook.core.values import plain
from drbook.providers.download import sync_folder
from drbook.providers.hiding import Secret, scrub
from drbook.providers.naming import MANIFEST
from drbook.providers.pgsession import SECRET_PARAMETERS, Connection
from drbook.providers.pgtools import PgTools, choose
from drbook.providers.process import Completed, run

PLACES = ("{snapshot}", "{output}", "{connect}")
_OWN = frozenset({"client_encoding", "application_name"})
"""Parameters of our own session: a dump keeps the database's encoding."""
_TOC = "toc.dat"

Tools = Callable[[], tuple[PgTools, ...]]


class DumpRun:
    """One command and its output. Made by `dump_into`, which leaves nothing behind that is not whole."""

    def __init__(
        self, argv: tuple[str, ...], output: Path, scratch: Path, tools: Tools, cancel: Cancel
    ) -> None:
        self._argv = argv
        self._output = output
        self._made = scratch / output.name
        self._tools = tools
        self._cancel = cancel

    def alongside(self, leader: Connection, snapshot: str) -> Working[None]:
        """Run it with the snapshot. Raises StepFailed where it fails or makes no file."""
        values = {
            "{snapshot}": snapshot,
            "{output}": str(self._made),
            "{connect}": connect_string(leader),
        }
        argv = [_filled(part, values) for part in self._argv]
        argv[0] = self._program(argv[0], leader.info.server_version // 10000)
        yield Milestone(f"dumping the counted snapshot with {plain(Path(argv[0]).name, 100)}")
        password = leader.info.password
        done = yield from run(
            argv,
            env={"PGPASSWORD": Secret(password)} if password else {},
            cancel=self._cancel,
            tick=self._grown,
        )
        self._check(done)

    def _program(self, name: str, major: int) -> str:
        """A bare `pg_dump` means one that knows this server; anything else is looked for on PATH."""
        if name != "pg_dump":
            return name
        return str(choose(self._tools(), server=False, major=major, at_least=major)[0].path(name))

    def _grown(self) -> Signal | None:
        try:
            size = sum(each.lstat().st_size for each in _files(self._made))
        except OSError:
            return None  # it is not there yet, or a file of it was just renamed
        return Progress("dump", size, None, "bytes")

    def _check(self, done: Completed) -> None:
        name = plain(Path(self._argv[0]).name, 100)
        if done.exit_code != 0:
            tail = plain(scrub(" ".join(done.stderr.split())[-400:]), 400)
            raise StepFailed(
                f"{name} failed with exit code {done.exit_code}: {tail or 'it said nothing'}",
                means="No dump and no manifest were kept, and nothing was captured.",
                next="Run the command by hand without `--snapshot` to see what it lacks.",
                code="dump",
            )
        try:
            files = _files(self._made)
            whole = bool(files) and sum(each.lstat().st_size for each in files) > 0
        except OSError as error:
            raise _not_kept(self._output, error) from None
        if not whole:
            raise StepFailed(
                f"{name} ended well and wrote nothing to the place of `{{output}}`.",
                means="There is no dump, so no manifest was written and nothing was captured.",
                next="Give `{output}` where the command takes its file, like `-f {output}`.",
                code="dump",
            )

    def keep(self, counts: TableCounts) -> Manifest:
        """Give the dump its name, with its manifest beside it; neither replaces what is there.

        A directory's digest is that of the lines `SHA256  NAME` of its files, in their order. Raises
        StepFailed.
        """
        try:
            digest, size = _digest(self._made)
            manifest = Manifest(
                name=self._output.name,
                size=size,
                sha256=digest,
                taken_at=counts.taken_at,
                counts=counts,
            )
            beside = manifest_of(self._output)
            _write(beside, manifest.model_dump_json().encode() + b"\n")
            try:
                _name(self._made, self._output)
            except OSError:
                beside.unlink()
                raise
            sync_folder(self._output.parent)
        except OSError as error:
            raise _not_kept(self._output, error) from None
        return manifest


@contextmanager
def dump_into(command: str, output: Path, *, tools: Tools, cancel: Cancel) -> Iterator[DumpRun]:
    """A command that will dump to `output`, which is there afterwards only where `keep` was called.

    Raises UsageError for a command without its places, or an output that exists.
    """
    argv = parsed(command)
    output = output.absolute()
    for path in (output, manifest_of(output)):
        if os.path.lexists(path):
            raise UsageError(
                f"{plain(str(path), 300)} exists, and nothing is overwritten.",
                means="Nothing was captured.",
                next="Name a file that does not exist, with the time in its name.",
            )
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise UsageError(
            f"Nothing can be written to {plain(str(output.parent), 300)}: {error.strerror}.",
            means="Nothing was captured.",
            next="Make the folder, or name another with `--output`.",
        ) from None
    try:
        yield DumpRun(argv, output, scratch, tools, cancel)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def parsed(command: str) -> tuple[str, ...]:
    """The command's arguments. Raises UsageError where it cannot make this dump."""
    try:
        argv = tuple(shlex.split(command))
    except ValueError as error:
        raise _usage(f"The command cannot be read: {plain(str(error), 100)}.") from None
    if not argv:
        raise _usage("The command is empty.")
    for place in ("{snapshot}", "{output}"):
        if not any(place in part for part in argv[1:]):
            raise _usage(f"The command does not say {place}.")
    return argv


def _usage(what: str) -> UsageError:
    return UsageError(
        what,
        means="The dump would not be of the counted snapshot, or could not be found. Nothing was "
        "captured.",
        next="Write it like --run 'pg_dump -Fc --snapshot={snapshot} -f {output} {connect}'.",
    )


def _filled(part: str, values: Mapping[str, str]) -> str:
    """One argument with its places filled, once: what is put in is not looked at again."""
    pieces, rest = [], part
    while rest:
        at, place = min(
            ((rest.find(one), one) for one in values if one in rest), default=(len(rest), "")
        )
        pieces += [rest[:at], values.get(place, "")]
        rest = rest[at + len(place) :]
    return "".join(pieces)


def connect_string(connection: Connection) -> str:
    """How this very server is reached, for libpq, without a secret in it."""
    info = connection.info
    # What is as libpq has it anyway is not said: the libpq of an older pg_dump may not know its name.
    usual = {one.keyword: one.compiled for one in connection.pgconn.info}
    usual[b"sslcertmode"] = b"allow"  # filled in later than the others (libpq 16, fe-connect.c)
    given = {
        name: value
        for name, value in info.get_parameters().items()
        if name not in SECRET_PARAMETERS | _OWN | {"service"}
        and usual.get(name.encode()) != value.encode()
    }
    # Of several hosts, the one that answered; the others may be other servers.
    given |= {"host": info.host, "port": str(info.port), "dbname": info.dbname, "user": info.user}
    given.pop("hostaddr", None)
    if info.hostaddr and not info.host.startswith("/"):
        given["hostaddr"] = info.hostaddr
    return conninfo.make_conninfo("", **given)


def manifest_of(output: Path) -> Path:
    return output.with_name(output.name + MANIFEST)


def _files(path: Path) -> list[Path]:
    """The file itself, or the files of a directory-format dump. A link is neither."""
    if path.is_symlink():
        return []
    if path.is_dir():
        inside = [each for each in sorted(path.iterdir()) if each.is_file()]
        return inside if (path / _TOC) in inside else []
    return [path] if path.is_file() else []


def _digest(path: Path) -> tuple[str, int]:
    """Digest and size; everything is synced to the disk first."""
    found = []
    size = 0
    for each in _files(path):
        with each.open("rb") as stream:
            os.fsync(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size += os.fstat(stream.fileno()).st_size
        each.chmod(0o600)
        found.append((digest, each.name))
    if not path.is_dir():
        return found[0][0], size
    sync_folder(path)
    lines = "".join(f"{digest}  {name}\n" for digest, name in found)
    return hashlib.sha256(lines.encode()).hexdigest(), size


def _name(made: Path, output: Path) -> None:
    """Give it its name, where nothing has that name yet."""
    if not made.is_dir():
        os.link(made, output)
        return
    os.mkdir(output, 0o700)
    try:
        os.rename(made, output)  # in place of the empty folder, and of nothing else
    except OSError:
        os.rmdir(output)
        raise


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _not_kept(output: Path, error: OSError) -> DrbookError:
    return StepFailed(
        f"The dump was not kept as {plain(str(output), 300)}: {error.strerror or error}.",
        means="It is gone with its folder, no manifest was written, and nothing was captured.",
        next="Look at the disk and the folder's rights, then capture again.",
        code="dump",
    )
