"""Loading a dump into a target with PostgreSQL's own programs, on connections that are proven.

Into a cluster that this incident made, pg_restore connects itself: nothing else answers at that
private socket. Into a database on a given server everything goes through psql, whose first
statement, on the very connection that loads, fails on any other server or database.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from psycopg import conninfo, sql

from drbook.core.errors import StepFailed
from drbook.core.ports import Cancel
from drbook.core.refusals import refused
from drbook.core.signals import Milestone, Output, Signal, Working
from drbook.core.targets import LoadReport, Target
from drbook.core.values import counted, plain
from drbook.providers import pgsession
from drbook.providers.archive import Archive, Meter, Unreadable, feed_of, open_archive
from drbook.providers.archive_list import (
    Contents,
    contents,
    grants,
    roles,
    roles_in_plain,
    source_major_of_plain,
)
from drbook.providers.hiding import Secret, scrub
from drbook.providers.pgtools import PgTools, choose, show_version
from drbook.providers.process import Completed, run
from drbook.providers.targets.lease import Guard, lease
from drbook.providers.targets.psqltext import restricted
from drbook.providers.targets.tools import Entries, advice, is_error, output_of, pieces_of, size_of


class Loader:
    """Loads one archive into one target."""

    def __init__(
        self,
        target: Target,
        environment: Mapping[str, str],
        cancel: Cancel,
        tools: tuple[PgTools, ...],
    ) -> None:
        self._target = target
        self._environment = environment
        self._cancel = cancel
        self._all_tools = tools
        self._guard = Guard(target)

    def load(self, path: Path, first: Sequence[str]) -> Working[LoadReport]:
        try:
            archive = open_archive(path)
        except OSError as error:
            raise StepFailed(
                f"The copy {plain(path.name, 200)} cannot be read: {error.strerror or error}.",
                means="Nothing was loaded.",
                next="Run the locate step again: it fetches what is missing.",
                code="archive",
            ) from None
        if archive.kind in ("unknown", "empty"):
            raise StepFailed(
                f"The copy {path.name} is no pg_dump archive.",
                means="Nothing was loaded.",
                next="Choose another recovery point.",
                code="archive",
            )
        try:
            if archive.kind == "plain":
                return (yield from self._load_plain(archive, first))
            return (yield from self._load_archive(archive, first))
        except Unreadable as error:
            raise StepFailed(
                f"The copy could not be read to its end: {error}",
                means=f"The target {self._target.name} is not whole. It is never used again.",
                next="Run the locate step again: it passes over copies that are damaged.",
                code="archive",
            ) from None

    # --- custom, tar, directory -------------------------------------------------------------

    def _load_archive(self, archive: Archive, first: Sequence[str]) -> Working[LoadReport]:
        reader, _ = choose(self._all_tools, server=False)
        listed = yield from contents(archive, reader, self._cancel)
        tools, note = choose(
            self._all_tools,
            server=False,
            major=self._target.identity.server_version // 10000,
            at_least=listed.source_major or 0,
        )
        if note:
            yield Milestone(note)
        with tempfile.TemporaryDirectory(prefix="drbook-list-") as scratch:
            named = yield from self._roles_of(archive, listed, tools, Path(scratch))
            standing_in = yield from self._stand_in(named)
            order = Path(scratch) / "order"
            selective = bool(first) and not archive.needs_feed
            if first and not selective:
                yield Milestone(
                    "a compressed archive is loaded in its own order: `first` is not used"
                )
            order.write_text("\n".join(listed.ordered(first)) + "\n", encoding="utf-8")
            options = ["--exit-on-error", "--no-owner", "--verbose"]
            if selective:
                options.append(f"--use-list={order}")
            if self._target.whole_server:
                done = yield from self._direct(archive, tools, options, listed)
            else:
                done = yield from self._through_psql(archive, tools, options)
        yield from self._check(done, "pg_restore")
        return LoadReport(
            tool="pg_restore",
            tool_version=show_version(tools.version),
            archive_format=archive.show(),
            items=len(listed.entries),
            roles_standing_in=standing_in,
            seconds=0,
        )

    def _roles_of(
        self, archive: Archive, listed: Contents, tools: PgTools, scratch: Path
    ) -> Working[frozenset[str]]:
        naming = grants(listed.entries)
        if not naming:
            return frozenset()
        listing = scratch / "grants"
        listing.write_text("\n".join(naming) + "\n", encoding="utf-8")
        return (yield from roles(archive, listing, tools, self._cancel))

    def _direct(
        self, archive: Archive, tools: PgTools, options: list[str], listed: Contents
    ) -> Working[Completed]:
        """pg_restore with a connection of its own, right after the lease was proven."""
        with lease(self._target, self._environment, self._cancel) as proven:
            connect, own = self._connection(proven)
        argv: list[str | Path] = [tools.path("pg_restore"), *options, f"--dbname={connect}"]
        seen = Entries(len(listed.entries))
        if archive.kind == "directory" or any(one.startswith("--use-list") for one in options):
            argv.append(archive.path)
            return (
                yield from run(argv, env=own, cancel=self._cancel, on_line=seen, tick=seen.tick)
            )
        meter = Meter("load", size_of(archive.path))
        argv.append("--format=c" if archive.kind == "custom" else "--format=t")
        return (
            yield from run(
                argv,
                env=own,
                cancel=self._cancel,
                feed=feed_of(archive, meter),
                on_line=seen,
                tick=meter.signal,
            )
        )

    def _through_psql(
        self, archive: Archive, tools: PgTools, options: list[str]
    ) -> Working[Completed]:
        """pg_restore writes SQL, psql runs it behind the guard statement, in one transaction."""
        meter = Meter("load", size_of(archive.path))
        argv: list[str | Path] = [tools.path("pg_restore"), *options, "--file=-"]
        if archive.needs_feed:
            argv.append("--format=c" if archive.kind == "custom" else "--format=t")
        else:
            argv.append(archive.path)

        def produce() -> Iterator[bytes]:
            yield from output_of(argv, feed_of(archive, meter) if archive.needs_feed else None)

        return (yield from self._psql(tools, produce, meter))

    # --- plain ------------------------------------------------------------------------------

    def _load_plain(self, archive: Archive, first: Sequence[str]) -> Working[LoadReport]:
        if first:
            yield Milestone("a plain dump is loaded in its own order: `first` is not used")
        tools, note = choose(
            self._all_tools,
            server=False,
            major=self._target.identity.server_version // 10000,
            at_least=source_major_of_plain(archive.head) or 0,
        )
        if note:
            yield Milestone(note)
        named = yield from roles_in_plain(archive, self._cancel)
        standing_in = yield from self._stand_in(named)
        meter = Meter("load", size_of(archive.path))
        done = yield from self._psql(tools, lambda: pieces_of(archive, meter), meter)
        yield from self._check(done, "psql")
        return LoadReport(
            tool="psql",
            tool_version=show_version(tools.version),
            archive_format=archive.show(),
            items=sum(1 for line in done.stdout.splitlines() if line.strip()),
            roles_standing_in=standing_in,
            seconds=0,
        )

    def _psql(
        self, tools: PgTools, produce: Callable[[], Iterable[bytes]], meter: Meter
    ) -> Working[Completed]:
        with lease(self._target, self._environment, self._cancel) as proven:
            connect, own = self._connection(proven)
        argv: list[str | Path] = [tools.path("psql"), "-X", "--single-transaction"]
        argv += ["-v", "ON_ERROR_STOP=1", f"--dbname={connect}", "--file=-"]
        token = secrets.token_hex(16)

        def feed(stream: IO[bytes]) -> None:
            for piece in restricted(produce(), self._guard.statement(), token, tools.version):
                stream.write(piece)

        def told(stream: str, line: str) -> Signal | None:
            return Output(plain(line, 300)) if stream == "err" and line.strip() else None

        return (
            yield from run(
                argv,
                env=own,
                cancel=self._cancel,
                feed=feed,
                on_line=told,
                tick=meter.signal,
            )
        )

    # --- roles, connection, errors ----------------------------------------------------------

    def _stand_in(self, named: frozenset[str]) -> Working[tuple[str, ...]]:
        """NOLOGIN roles for those that the dump names and the server lacks; reported, never secret.

        Roles belong to a whole server: on a given one nothing is added, and their lack is an error.
        """
        if not named:
            return ()
        with lease(self._target, self._environment, self._cancel) as connection:
            present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            missing = tuple(sorted(named - present))
            if missing and not self._target.whole_server:
                raise StepFailed(
                    "The dump speaks of roles that the server does not have: "
                    + ", ".join(plain(name, 63) for name in missing[:10])
                    + ".",
                    means="Loading would stop at the first grant to one of them. Nothing was loaded.",
                    next="Create them there (NOLOGIN is enough), or restore into a fresh cluster.",
                    code="roles-missing",
                )
            for name in missing:
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
        if missing:
            shown = ", ".join(plain(name, 63) for name in missing[:10])
            yield Milestone(f"roles stand in without login, to be replaced: {shown}")
        return missing

    def _connection(self, proven: pgsession.Connection) -> tuple[str, dict[str, str | Secret]]:
        """libpq's parameters for a tool: the open ones as text, the password by its environment, which
        only its own user can read and which leaves no file behind.

        Address, port, database and user are those that the proven connection had: what a name, a
        service file or the environment means may be something else by now.
        """
        given, hidden = pgsession.parameters(self._target.connect, self._environment)
        had = proven.info
        pins = {"host": had.host, "hostaddr": had.hostaddr, "port": str(had.port)}
        pins |= {"dbname": had.dbname, "user": had.user}
        given.update({name: value for name, value in pins.items() if value})
        own: dict[str, str | Secret] = {}
        if "password" in hidden:
            own["PGPASSWORD"] = hidden["password"]
        for name in ("PGSERVICEFILE", "PGPASSFILE", "PGSYSCONFDIR"):
            if name in self._environment:
                own[name] = self._environment[name]
        return conninfo.make_conninfo("", application_name="drbook", **given), own

    def _check(self, done: Completed, tool: str) -> Working[None]:
        """All of the tool's errors, kept; raises where there was one."""
        if done.exit_code == 0:
            return
        if self._guard.complained(done.stderr):
            raise refused(
                "target-changed",
                f"What answers {tool} as target {self._target.name} is not what this incident "
                "created, or it is not empty any more.",
                compared="the first statement of the load asked on its own connection for system "
                "identifier, database oid, mark and contents",
            )
        lines = [line for line in done.stderr.splitlines() if is_error(line)]
        errors = [plain(scrub(line), 500) for line in lines] or [
            f"{tool} exit code {done.exit_code}"
        ]
        yield Milestone(
            f"{tool} reported {counted(len(errors), 'error')}", {"errors": errors[:200]}
        )
        raise StepFailed(
            f"{tool} could not load the archive: {errors[0]}",
            means=f"The target {self._target.name} is half-filled. It is never used again.",
            next=advice(done.stderr),
            code="load",
        )
