"""Reading every page of a database: rows by amcheck, index entries held against their rows, and the
visibility map by pg_visibility, as `pg_amcheck --heapallindexed` and `pg_check_visible` do.

Both extensions are the server's own. Where the database has them not, they are made in a transaction
that ends with a rollback: nothing of it stays. (PostgreSQL, appendix F: amcheck, pg_visibility.)
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
from psycopg import sql

from drbook.core.pages import PageFlaw, Pages, PagesUnread
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Working
from drbook.core.values import plain
from drbook.providers.hiding import scrub
from drbook.providers.pgsession import Connection, broke_off, prepare, said

SCHEMA = "drbook_pages"
"""Where the extensions are made until the rollback."""
EVERY = "every table and index"
_EXTENSIONS = ("amcheck", "pg_visibility")


@dataclass(frozen=True, slots=True)
class _Check:
    """One function of the extensions on one relation, which answers how much is wrong, and an example."""

    what: str
    function: str
    """Its signature, which is looked for."""
    query: str
    """`{}` is its name."""


_ROWS = _Check(
    "rows",
    "verify_heapam(regclass, boolean, boolean, text, bigint, bigint)",
    "SELECT count(*), (array_agg(format('block %%s, line %%s: %%s', blkno, offnum, msg)"
    " ORDER BY blkno, offnum))[1] FROM {}(%s::oid::regclass, false, true, 'none', NULL, NULL)",
)
_TIDS = (
    "SELECT count(*), min('of the row at ' || t_ctid::text || '{words}')"
    " FROM {{}}(%s::oid::regclass)"
)
_VISIBLE = _Check(
    "visibility map",
    "pg_check_visible(regclass)",
    _TIDS.format(words=", which not everybody sees, it says that everybody does"),
)
_FROZEN = _Check(
    "freezing",
    "pg_check_frozen(regclass)",
    _TIDS.format(words=", which is not frozen, the map says that it is"),
)
_TABLE = ((_ROWS,), (_VISIBLE,), (_FROZEN,))
_INDEX: Mapping[str, tuple[_Check, ...]] = {
    "btree": (
        _Check(
            "index",
            "bt_index_check(regclass, boolean, boolean)",
            "SELECT 0, NULL FROM {}(%s::oid::regclass, true, true)",
        ),
        _Check(
            "index",
            "bt_index_check(regclass, boolean)",
            "SELECT 0, NULL FROM {}(%s::oid::regclass, true)",
        ),
    ),
    "gin": (
        _Check("index", "gin_index_check(regclass)", "SELECT 0, NULL FROM {}(%s::oid::regclass)"),
    ),
}
"""By access method, the most thorough first. Each also holds the index against its rows, but `gin`."""

# Exactly the extension's own functions: somebody else's of the same name would run with our rights.
_FUNCTIONS = """
SELECT p.proname || '(' || oidvectortypes(p.proargtypes) || ')', n.nspname::text, p.proname::text
  FROM pg_extension e
  JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  JOIN pg_proc p ON p.oid = d.objid
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE e.extname = ANY (%s)
   AND p.prolang = (SELECT l.oid FROM pg_language l WHERE l.lanname = 'c')
"""
_RELATIONS = """
SELECT c.oid::bigint, c.relkind = 'i', m.amname::text, pg_relation_size(c.oid),
       CASE WHEN t.oid IS NULL THEN c.oid::regclass::text
            ELSE 'long values of ' || t.oid::regclass::text END
  FROM pg_class c
  JOIN pg_am m ON m.oid = c.relam
  LEFT JOIN pg_index i ON i.indexrelid = c.oid
  LEFT JOIN pg_class t ON t.reltoastrelid = coalesce(i.indrelid, c.oid)
 WHERE c.relkind IN ('r', 'm', 't', 'i') AND c.relpersistence <> 't'
   AND coalesce(i.indisready AND i.indisvalid, true)
 ORDER BY 4 DESC, 5, 1
"""
"""Indexes that are not valid are told by the look at the structure, and would be refused here."""
_ALWAYS_FIRING = "SELECT evtname::text FROM pg_event_trigger WHERE evtenabled IN ('A', 'R') LIMIT 1"
_CHECKSUMS = """
SELECT current_setting('data_checksums') <> 'off',
       (SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database())
"""

MARK = b"SAVEPOINT drbook_pages"
_BACK = b"ROLLBACK TO SAVEPOINT drbook_pages"


@dataclass(frozen=True, slots=True)
class _Relation:
    oid: int
    is_index: bool
    method: str
    size: int
    name: str


@dataclass(slots=True)
class _Found:
    tables: int = 0
    indexes: int = 0
    bytes: int = 0
    flaws: list[PageFlaw] = field(default_factory=list)
    unread: list[PagesUnread] = field(default_factory=list)
    methods: dict[str, int] = field(default_factory=dict)


def read_pages(connection: Connection, cancel: Cancel) -> Working[Pages]:
    """Everything of the connected database. The connection commits by itself and may write; whatever
    this does is rolled back.

    Raises CouldNotVerify where the server goes away, Cancelled where somebody asked to stop.
    """
    with _rolled_back(connection):
        # An index of a terabyte takes its time: the step's own bounds it.
        prepare(connection, timedelta(0))
        if unsafe := _unsafe(connection.info.server_version):
            return Pages(
                tables=0, indexes=0, bytes=0, unread=(PagesUnread(relation=EVERY, why=unsafe),)
            )
        try:
            unmade = _make_extensions(connection)
            functions = _functions(connection)
            relations = [_Relation(*row) for row in connection.execute(_RELATIONS).fetchall()]
            connection.execute(MARK)
        except psycopg.Error as error:
            raise broke_off(connection, error, cancel, "prepared reading its pages") from None
        found = _Found()
        lacking = _lacking(functions, {one.method for one in relations})
        if unmade or lacking:
            found.unread.append(PagesUnread(relation=EVERY, why=unmade or lacking))
        look = _Look(connection, cancel, functions, found)
        total, done = sum(one.size for one in relations), 0
        for one in relations:
            yield Progress("read pages", done, total, "bytes", one.name)
            cancel.raise_if_requested()
            look.at(one)
            done += one.size
        yield Progress("read pages", total, total, "bytes")
        checksums, failures = _checksums(connection, cancel)
    return Pages(
        tables=found.tables,
        indexes=found.indexes,
        bytes=found.bytes,
        flaws=tuple(found.flaws),
        unread=tuple(found.unread),
        unknown_methods=found.methods,
        checksums=checksums,
        checksum_failures=failures,
    )


_MENDED = {11: 16, 12: 11, 13: 7, 14: 3}
"""The minor version of each major one in which amcheck calls the functions of an index with its owner's
rights and no longer with the reader's (CVE-2022-1552); all later major ones do."""


def _unsafe(version: int) -> str:
    major, minor = divmod(version, 10000)
    if major > max(_MENDED) or minor >= _MENDED.get(major, 10000):
        return ""
    return (
        f"PostgreSQL {major}.{minor} would call functions of the restored database with the reader's "
        "rights (CVE-2022-1552): restore into a later minor version"
    )


@contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    connection.execute(b"BEGIN")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(b"ROLLBACK")


def _make_extensions(connection: Connection) -> str:
    """Those that are missing; why not, where it is not possible. The restored database's event triggers
    must not run with our rights: in the role of a replica only those fire that always do."""
    rows = connection.execute("SELECT extname::text FROM pg_extension").fetchall()
    missing = [name for name in _EXTENSIONS if (name,) not in rows]
    if not missing:
        return ""
    names = " and ".join(missing)
    trigger = connection.execute(_ALWAYS_FIRING).fetchone()
    if trigger is not None:
        return (
            f"{names} must be made first, and the event trigger {trigger[0]}, which always fires, "
            "would run then: disable it, or make them by hand"
        )
    connection.execute(MARK)
    try:
        connection.execute(b"SET LOCAL session_replication_role = replica")
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
        for name in missing:
            connection.execute(
                sql.SQL("CREATE EXTENSION {} WITH SCHEMA {}").format(
                    sql.Identifier(name), sql.Identifier(SCHEMA)
                )
            )
        connection.execute(b"SET LOCAL session_replication_role = origin")
    except psycopg.Error as error:
        if connection.closed:
            raise
        connection.execute(_BACK)
        return f"{names} could not be made for it: {said(error)}"
    return ""


def _functions(connection: Connection) -> Mapping[str, sql.Identifier]:
    """Signature → its name with its schema."""
    rows = connection.execute(_FUNCTIONS, (list(_EXTENSIONS),)).fetchall()
    return {row[0]: sql.Identifier(row[1], row[2]) for row in rows}


def _checksums(connection: Connection, cancel: Cancel) -> tuple[bool | None, int]:
    try:
        row = connection.execute(_CHECKSUMS).fetchone()
    except psycopg.Error as error:
        raise broke_off(connection, error, cancel, "asked for its checksums") from None
    return (row[0], int(row[1] or 0)) if row else (None, 0)


def _lacking(functions: Mapping[str, sql.Identifier], methods: set[str]) -> str:
    """What an older server's extensions, or older extensions, cannot look at: said once, of all."""
    ways = [*_TABLE, *(_INDEX[one] for one in methods & {"btree"})]
    lacking = [way[0].what for way in ways if _chosen(way, functions) is None]
    return f"the extensions here cannot look at: {', '.join(lacking)}" if lacking else ""


def _chosen(way: tuple[_Check, ...], functions: Mapping[str, sql.Identifier]) -> _Check | None:
    return next((one for one in way if one.function in functions), None)


_DAMAGED = (
    psycopg.errors.DataCorrupted,
    psycopg.errors.IndexCorrupted,
    psycopg.errors.UndefinedFile,
)


@dataclass(frozen=True, slots=True)
class _Look:
    """At one relation after the other, each check behind the savepoint: its error is its own."""

    connection: Connection
    cancel: Cancel
    functions: Mapping[str, sql.Identifier]
    found: _Found

    def at(self, one: _Relation) -> None:
        """By every check that there is for it."""
        ways = (_INDEX.get(one.method, ()),) if one.is_index else _TABLE
        checks = [_chosen(way, self.functions) for way in ways]
        found = self.found
        if one.is_index and checks == [None] and one.method != "btree":
            found.methods[one.method] = found.methods.get(one.method, 0) + 1
            return
        read = [check is not None and self._read(one, check) for check in checks]
        if all(read):
            found.bytes += one.size
            found.tables += not one.is_index
            found.indexes += one.is_index

    def _read(self, one: _Relation, check: _Check) -> bool:
        """Whether all of it was read: what an error of damage tells was."""
        row: tuple[int, str | None] | None
        try:
            query = sql.SQL(check.query).format(self.functions[check.function])
            row = self.connection.execute(query, (one.oid,)).fetchone()
        except psycopg.Error as error:
            if not isinstance(error, _DAMAGED):
                self._go_on(one, error)
                self.found.unread.append(
                    PagesUnread(relation=one.name, why=f"{check.what}: {said(error)}")
                )
                return False
            row = (1, said(error))
        self.connection.execute(_BACK)
        if row is not None and row[0]:
            more = f" (and {row[0] - 1:,} more)" if row[0] > 1 else ""
            self.found.flaws.append(
                PageFlaw(relation=one.name, check=check.what, words=scrub(row[1] or "") + more)
            )
        return True

    def _go_on(self, one: _Relation, error: psycopg.Error) -> None:
        """Raises where the error is not of this one check alone."""
        broken = broke_off(
            self.connection, error, self.cancel, f"read the pages of {plain(one.name, 200)}"
        )
        if self.connection.closed or self.cancel.requested:
            raise broken from None
        self.connection.execute(_BACK)
