"""Loading a dump into a target with PostgreSQL's own programs, on connections that are proven.

Into a cluster that this incident made, pg_restore connects itself: nothing else answers at that
private socket. Into a database on a given server everything goes through psql, whose first
statement, on the very connection that loads, fails on any other server or database.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from psycopg import conninfo

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.errors import StepFailed
from drbook.core.globals import Globals
from drbook.core.loading import PG_RESTORE, PSQL
from drbook.core.ports import Cancel
from drbook.core.signals import Milestone, Output, Signal, Working
from drbook.core.targets import LoadReport, Target
from drbook.core.values import plain
from drbook.providers import pgsession
from drbook.providers.archive import (
    Archive,
    Meter,
    Unreadable,
    feed_of,
)
from drbook.providers.archive_list import (
    Contents,
    contents,
    needs,
    needy,
    source_major_of_plain,
)
from drbook.providers.archive_needs import Needs, needs_in_plain
from drbook.providers.hiding import Secret
from drbook.providers.pgtools import ENGLISH, PgTools, choose, show_version
from drbook.providers.process import Completed, run
from drbook.providers.scratch import Scratch
from drbook.providers.sqltext import TooLong, without
from drbook.providers.targets.complaints import Complaints, check, tell
from drbook.providers.targets.copying import looking_on
from drbook.providers.targets.following import TABLE_DATA, Passing, Restoring
from drbook.providers.targets.ground import Ground, Leaving, left_out, make_ground
from drbook.providers.targets.lease import Guard, lease
from drbook.providers.targets.opening import loadable
from drbook.providers.targets.psqltext import knows_restrict, restricted
from drbook.providers.targets.roles import refuse_strong
from drbook.providers.targets.sessions import Sessions, watched
from drbook.providers.targets.tools import output_of, pieces_of, size_of


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
        self._complaints = Complaints(self._guard)
        self._sessions = Sessions(target, environment)
        self._globals: Globals | None = None
        self._held: ArchiveFacts | None = None

    def load(
        self,
        path: Path,
        first: Sequence[str],
        globals: Globals | None = None,
        held: ArchiveFacts | None = None,
    ) -> Working[LoadReport]:
        """`globals` are production's roles, and `held` is what the archive holds, where they are known."""
        self._globals, self._held = globals, held
        archive = loadable(path)
        load = self._load_plain if archive.kind == "plain" else self._load_archive
        try:
            return (yield from watched(load(archive, first), self._sessions))
        except (Unreadable, TooLong) as error:
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
        tools = yield from self._tools_for(
            listed.source_major or 0, through_psql=not self._target.whole_server
        )
        with Scratch("list") as scratch:
            wants = yield from self._needs_of(archive, listed, tools, Path(scratch))
            ground = yield from self._prepare(wants)
            leaving = left_out(listed.entries, wants, ground)
            reordered = bool(first) and not archive.needs_feed
            if first and not reordered:
                yield Milestone(
                    "a compressed archive is loaded in its own order: `first` is not used"
                )
            options = [*PG_RESTORE]
            entries = listed.ordered(first) if reordered else listed.entries
            kept = [line for line in entries if line not in leaving]
            if reordered or leaving:
                order = Path(scratch) / "order"
                order.write_text("\n".join(kept) + "\n", encoding="utf-8")
                options.append(f"--use-list={order}")
            if self._target.whole_server:
                done = yield from self._direct(archive, tools, options, kept, reordered)
            else:
                done = yield from self._through_psql(archive, tools, options, kept)
        warnings = yield from check(done, "pg_restore", self._target, self._complaints)
        left = tuple(plain(what, 200) for what in leaving.values() if what)
        yield from tell(left)
        return LoadReport(
            tool="pg_restore",
            tool_version=show_version(tools.version),
            archive_format=archive.show(),
            items=len(listed.entries) - len(leaving),
            roles_standing_in=ground.roles,
            roles_made=ground.made,
            rights_left=ground.rights_left,
            left_out=left,
            complaints=warnings,
            seconds=0,
        )

    def _needs_of(
        self, archive: Archive, listed: Contents, tools: PgTools, scratch: Path
    ) -> Working[Needs]:
        naming = needy(listed.entries)
        if not naming:
            return Needs()
        listing = scratch / "needy"
        listing.write_text("\n".join(naming) + "\n", encoding="utf-8")
        return (yield from needs(archive, listing, tools, self._cancel))

    def _prepare(self, wants: Needs) -> Working[Ground]:
        """Make what the archive needs; the schemas of extensions are no strangers from then on."""
        ground = yield from make_ground(
            self._target, wants, self._environment, self._cancel, self._globals
        )
        ignored = (*self._target.ignored, *sorted(ground.schemas))
        self._target = self._target.model_copy(update={"ignored": ignored})
        self._guard = Guard(self._target)
        self._complaints = Complaints(self._guard)
        return ground

    def _tools_for(self, source_major: int, *, through_psql: bool) -> Working[PgTools]:
        """The programs that load; raises StepFailed where only a psql is here that obeys a dump."""
        usable = self._all_tools
        if through_psql and not (
            usable := tuple(one for one in usable if knows_restrict(one.version))
        ):
            raise StepFailed(
                "Every psql here is older than August 2025, and obeys commands that stand in a dump.",
                means="A dump could start programs on this machine. Nothing was loaded.",
                next="Install current PostgreSQL programs or `pip install 'drbook[demo]'`, then run "
                "the step again.",
                code="psql-too-old",
            )
        tools, note = choose(
            usable,
            server=False,
            major=self._target.identity.server_version // 10000,
            at_least=source_major,
        )
        if note:
            yield Milestone(note)
        return tools

    def _direct(
        self,
        archive: Archive,
        tools: PgTools,
        options: list[str],
        entries: Sequence[str],
        reordered: bool,
    ) -> Working[Completed]:
        """pg_restore with a connection of its own, right after the lease was proven."""
        with lease(self._target, self._environment, self._cancel) as proven:
            connect, own = self._connection(proven)
        argv: list[str | Path] = [tools.path("pg_restore"), *options, f"--dbname={connect}"]
        meter: Meter | None = None
        if archive.kind == "directory" or reordered:
            argv.append(archive.path)
        else:
            meter = Meter("load", size_of(archive.path))
            argv.append("--format=c" if archive.kind == "custom" else "--format=t")
        with looking_on(self._target, self._environment) as look:
            restoring = Restoring(entries, self._held, look, meter)

            def seen(stream: str, line: str) -> Signal | None:
                if stream == "err" and self._complaints.hear(line):
                    return Output(plain(line, 300))
                return restoring(line)

            done = yield from run(
                argv,
                env=own,
                cancel=self._cancel,
                feed=feed_of(archive, meter) if meter is not None else None,
                on_line=seen,
                tick=restoring.tick,
            )
        if done.exit_code == 0 and (last := restoring.ended()) is not None:
            yield last
        return done

    def _through_psql(
        self, archive: Archive, tools: PgTools, options: list[str], entries: Sequence[str]
    ) -> Working[Completed]:
        """pg_restore writes SQL, psql runs it behind the guard statement, in one transaction."""
        meter = Meter("load", size_of(archive.path))
        argv: list[str | Path] = [tools.path("pg_restore"), *options, "--file=-"]
        if archive.needs_feed:
            argv.append("--format=c" if archive.kind == "custom" else "--format=t")
        else:
            argv.append(archive.path)

        def produce() -> Iterator[bytes]:
            feed = feed_of(archive, meter) if archive.needs_feed else None
            yield from output_of(argv, feed, self._complaints.hear)

        tables = sum(TABLE_DATA in line for line in entries)
        passing = Passing(self._held, meter, metered=archive.needs_feed, tables=tables)
        return (yield from self._psql(tools, produce, passing))

    # --- plain ------------------------------------------------------------------------------

    def _load_plain(self, archive: Archive, first: Sequence[str]) -> Working[LoadReport]:
        if first:
            yield Milestone("a plain dump is loaded in its own order: `first` is not used")
        tools = yield from self._tools_for(
            source_major_of_plain(archive.head) or 0, through_psql=True
        )
        wants = yield from needs_in_plain(archive, self._cancel)
        ground = yield from self._prepare(wants)
        leaving = Leaving(wants, ground)
        meter = Meter("load", size_of(archive.path))
        done = yield from self._psql(
            tools,
            lambda: without(pieces_of(archive, meter), leaving),
            Passing(self._held, meter, metered=True),
        )
        warnings = yield from check(done, "psql", self._target, self._complaints)
        left = tuple(plain(what, 200) for what in leaving.found)
        yield from tell(left)
        return LoadReport(
            tool="psql",
            tool_version=show_version(tools.version),
            archive_format=archive.show(),
            items=sum(1 for line in done.stdout.splitlines() if line.strip()),
            roles_standing_in=ground.roles,
            roles_made=ground.made,
            rights_left=ground.rights_left,
            left_out=left,
            complaints=warnings,
            seconds=0,
        )

    def _psql(
        self, tools: PgTools, produce: Callable[[], Iterable[bytes]], passing: Passing
    ) -> Working[Completed]:
        with lease(self._target, self._environment, self._cancel) as proven:
            connect, own = self._connection(proven)
        self._sessions.begin()
        argv: list[str | Path] = [tools.path("psql"), *PSQL]
        argv += [f"--dbname={connect}", "--file=-"]
        token = secrets.token_hex(16)

        def feed(stream: IO[bytes]) -> None:
            pieces = passing.pieces(produce())
            for piece in restricted(pieces, self._guard.statement(), token, tools.version):
                stream.write(piece)

        def told(stream: str, line: str) -> Signal | None:
            if stream == "out" or not line.strip():
                return None
            self._complaints.hear(line)
            return Output(plain(line, 300))

        return (
            yield from run(
                argv,
                env=own,
                cancel=self._cancel,
                feed=feed,
                on_line=told,
                tick=passing.tick,
            )
        )

    # --- connection -------------------------------------------------------------------------

    def _connection(self, proven: pgsession.Connection) -> tuple[str, dict[str, str | Secret]]:
        """libpq's parameters for a tool: the open ones as text, the password by its environment, which
        only its own user can read and which leaves no file behind.

        Address, port, database and user are those that the proven connection had: what a name, a
        service file or the environment means may be something else by now.
        """
        if not self._target.whole_server:  # the login of a given server may have got rights since
            refuse_strong(proven, f"target {self._target.name}")
        given, hidden = pgsession.parameters(
            self._target.loader or self._target.connect, self._environment
        )
        had = proven.info
        pins = {"host": had.host, "hostaddr": had.hostaddr, "port": str(had.port)}
        pins |= {"dbname": had.dbname, "user": had.user}
        given.update({name: value for name, value in pins.items() if value})
        own: dict[str, str | Secret] = {**ENGLISH}
        if "password" in hidden:
            own["PGPASSWORD"] = hidden["password"]
        for name in ("PGSERVICEFILE", "PGPASSFILE", "PGSYSCONFDIR"):
            if name in self._environment:
                own[name] = self._environment[name]
        return conninfo.make_conninfo("", application_name="drbook", **given), own
