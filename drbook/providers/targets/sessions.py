"""What still runs on a given server when a load is over that did not end well, and its end.

A server goes on with a statement whose client was killed, for as long as the archive's code likes:
it ends what it is asked to end. A login may end every session of its own. Ended are those in the very
database that this incident made, told by its number on that very server, and no others.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import sql

from drbook.core.baseline import Identity
from drbook.core.errors import DrbookError, Refused
from drbook.core.signals import Milestone, Working
from drbook.core.targets import DatabaseRef, Target
from drbook.core.values import counted, parse_duration, plain
from drbook.providers import pgsession
from drbook.providers.pgsession import Connection

T = TypeVar("T")

LONGEST = 8.0
"""Seconds for all of it; a step that was cancelled gets thirty to end."""
INSISTING = 4.0
"""Seconds in which what does not end is asked again."""
BY_ITSELF = 0.5
"""Seconds that a session gets to notice that its client is gone."""
ENOUGH = 3
"""Connections that a login must be allowed, so that holding one takes none from the load."""

_PREPARE = (
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false),"
    " pg_catalog.set_config('statement_timeout', '3s', false)",
    "SET ROLE NONE",  # options may have chosen a role that may not end its own login's sessions
)
_WHO = """
SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), r.rolname::text,
       r.rolconnlimit
  FROM pg_catalog.pg_roles r WHERE r.rolname = session_user
"""
_MINE = "a.usesysid = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = session_user)"
_THERE = """
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datid::bigint = %s AND a.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL
   AND a.backend_type IS DISTINCT FROM 'parallel worker'
"""
"""Workers end with the session that they work for; what the server does by itself has no user."""
_LOOK = f"SELECT a.pid, {_MINE}{_THERE}"
_END = f"SELECT a.pid, pg_catalog.pg_terminate_backend(a.pid){_THERE} AND {_MINE}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How it came out. `good` only where the server itself said that none is left."""

    good: bool
    words: str
    advice: str = ""
    """What to do where it is not good."""

    @property
    def sentence(self) -> str:
        """The words as a sentence, with the advice behind it."""
        return f"{self.words[0].upper()}{self.words[1:]}. {self.advice}".strip()

    def tell(self, error: DrbookError) -> None:
        """Let the error that ended the load say it too."""
        error.means = f"{self.words[0].upper()}{self.words[1:]}. {error.means}".strip()
        error.next = f"{self.advice} {error.next}".strip()


@dataclass(frozen=True, slots=True)
class Remains:
    """The sessions of one login in one database that was made on a given server."""

    connect: DatabaseRef
    environment: Mapping[str, str]
    made: Identity
    shown: str
    """The server, for people."""

    def end(self, held: Connection | None = None) -> Ended:
        """End them, within LONGEST.

        `held` is a connection from before the archive had its say: its code may have changed the
        login's password since. Where there is none, or it is lost, another one is made. It is closed.
        """
        found: list[Ended] = []
        worker = threading.Thread(
            target=lambda: found.append(self._end(held)), name="end-sessions", daemon=True
        )
        worker.start()
        worker.join(LONGEST)
        if found:
            return found[0]
        late = worker.is_alive()
        return self.unknown(f"no answer within {LONGEST:.0f} s" if late else "drbook itself failed")

    def unknown(self, why: str) -> Ended:
        """Nobody could ask."""
        words = f"whether the archive's code still runs {self._where} is unknown: {plain(why, 400)}"
        return Ended(False, words, self._advice(""))

    def _end(self, held: Connection | None) -> Ended:
        why = ""
        for way in self._ways(held):
            try:
                with way() as connection:
                    return self._insist(connection)
            except psycopg.Error as error:
                why = pgsession.said(error)
            except DrbookError as error:  # of a secret
                why = error.what
        return self.unknown(why)

    def _ways(self, held: Connection | None) -> Iterator[Callable[[], Connection]]:
        """The archive's code could end the held one, and close the database that it was loaded into."""
        if held is not None:
            yield lambda: held
        soon = self.connect.model_copy(update={"connect_timeout": parse_duration("3s")})
        yield lambda: connected(soon, self.environment)
        other = soon.model_copy(update={"dbname": "postgres"})
        yield lambda: connected(other, self.environment)

    def _insist(self, connection: Connection) -> Ended:
        """Ask them to end until none is left. Raises psycopg.Error."""
        row = connection.execute(_WHO).fetchone()
        system, login = (row[0], row[1]) if row is not None else ("nobody", "")
        if system != self.made.system_identifier:
            return self.unknown(f"system identifier {plain(system, 30)} answers there now")
        asked: set[int] = set()
        begun = time.monotonic()
        while True:
            rows = connection.execute(_LOOK, (self.made.database_oid,)).fetchall()
            left = {pid for pid, mine in rows if mine}
            waited = time.monotonic() - begun
            if not left or waited > BY_ITSELF + INSISTING:
                return self._told(login, asked - left, left, len(rows) - len(left))
            if waited > BY_ITSELF:
                asked |= {
                    pid for pid, _ in connection.execute(_END, (self.made.database_oid,)).fetchall()
                }
            time.sleep(0.1)

    def _told(self, login: str, ended: set[int], left: set[int], others: int) -> Ended:
        words = f"no session of the load runs {self._where} any more"
        if ended:
            were = "was" if len(ended) == 1 else "were"
            words = (
                f"{counted(len(ended), 'session')} of the load still ran {self._where} and {were} "
                "ended; none is left"
            )
        if left:
            words = (
                f"{counted(len(left), 'session')} of the load could not be ended {self._where} "
                f"({len(ended):,} ended); the archive's code may still run there"
            )
        if others:
            words += f" (left alone: {counted(others, 'session')} of other logins)"
        return Ended(not left, words, self._advice(login) if left else "")

    @property
    def _where(self) -> str:
        return f"in {plain(self.made.database, 63)} on {plain(self.shown, 200)}"

    def _advice(self, login: str) -> str:
        """The statement for a person, who reaches that server in another way."""
        whose = sql.SQL(" AND usename = {}").format(sql.Literal(login)) if login else sql.SQL("")
        text = sql.SQL(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}{}"
            " AND pid <> pg_backend_pid();"
        ).format(sql.Literal(self.made.database), whose)
        return f"Run there, as the login that loaded: {plain(text.as_string(), 300)}"


def connected(ref: DatabaseRef, environment: Mapping[str, str]) -> Connection:
    """A connection that may end sessions of its own login. Raises psycopg.Error, UsageError."""
    connection = pgsession.connect(ref, environment, autocommit=True, read_only=False)
    for statement in _PREPARE:
        connection.execute(statement)
    return connection


class Sessions:
    """Those of one load; into a cluster of our own there are none that outlive its server."""

    def __init__(self, target: Target, environment: Mapping[str, str]) -> None:
        self._whole_server = target.whole_server
        self._remains = Remains(target.connect, environment, target.identity, target.location)
        self._begun = False
        self._held: Connection | None = None

    def begin(self) -> None:
        """Right before the archive's first statement: hold a connection, where the login may have
        enough of them."""
        if self._whole_server:
            return
        self._begun = True
        try:
            held = connected(self._remains.connect, self._remains.environment)
            row = held.execute(_WHO).fetchone()
        except psycopg.Error:
            return  # another one is made when it is needed, and that one says why it cannot be
        if row is None or 0 <= row[2] < ENOUGH:
            held.close()
        else:
            self._held = held

    def end(self) -> Ended | None:
        """End what is left; None where nothing of the archive was begun on a given server."""
        if not self._begun:
            return None
        held, self._held, self._begun = self._held, None, False
        return self._remains.end(held)

    def close(self) -> None:
        """Let go of the held connection, which `end` has not used."""
        if self._held is not None:
            self._held.close()
            self._held = None


def watched(work: Working[T], sessions: Sessions) -> Working[T]:
    """The same work; where it ends otherwise than well, its sessions end too, and that is said."""
    try:
        return (yield from work)
    except GeneratorExit:
        sessions.end()
        raise
    except Refused:
        raise  # by the first statement on that connection: nothing of the archive came behind it
    except BaseException as error:
        found = sessions.end()
        if found is not None:
            if isinstance(error, DrbookError):
                found.tell(error)
            yield Milestone(found.words, {"none_left": found.good})
        raise
    finally:
        sessions.close()
