"""Reading a structure: everything of one database but its rows, in the session's own snapshot.

A kind that cannot be read is named with its reason; it never looks like a kind that has nothing.
"""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Working
from drbook.core.structure import READING, DbObject, Orphans, SequenceState, Structure, digested
from drbook.core.targets import ADMIN, LOADER, READER
from drbook.providers.hiding import scrub
from drbook.providers.pgparts import KINDS, parts
from drbook.providers.pgrights import SETTINGS
from drbook.providers.pgsession import Connection, broke_off, said

LONGEST = 2000
"""Characters of a definition that are kept as they are."""

_LOGINS = (ADMIN, LOADER, READER)


def read_structure(
    connection: Connection, cancel: Cancel, *, ignore: Sequence[str] = (), sound: bool = False
) -> Working[Structure]:
    """Everything but the rows. With `sound` also what takes reading them: the greatest value of each
    column that a sequence fills, and rows whose foreign key nobody checked.

    Raises CouldNotVerify where the server goes away, Cancelled where somebody asked to stop.
    """
    connection.execute(MARK)
    objects: list[DbObject] = []
    unread: dict[str, str] = {}
    values = {
        "ignored": list(ignore),
        "settings": list(SETTINGS),
        "logins": _our_logins(connection, cancel),
    }
    queries = parts(connection.info.server_version)
    for number, (part, query) in enumerate(queries):
        yield Progress("read the structure", number, len(queries), "parts", part)
        cancel.raise_if_requested()
        try:
            found = connection.execute(query.encode(), values).fetchall()
        except psycopg.Error as error:
            _go_on(connection, error, cancel, part)
            unread |= dict.fromkeys(KINDS[part], said(error))
            continue
        finally:
            _back(connection)
        objects += (DbObject(kind=k, name=n, words=_kept(w or ""), flaw=f) for k, n, w, f in found)
    sequences: tuple[SequenceState, ...] = ()
    orphans: tuple[Orphans, ...] = ()
    try:
        sequences = yield from _sequences(connection, cancel, ignore, sound)
    except psycopg.errors.CharacterNotInRepertoire as error:
        unread |= _no_text(connection, error, "sequences")
    try:
        orphans = (yield from _orphans(connection, cancel, ignore)) if sound else ()
    except psycopg.errors.CharacterNotInRepertoire as error:
        unread |= _no_text(connection, error, "constraints")
    yield Progress("read the structure", len(queries), len(queries), "parts")
    return Structure(
        reading=READING,
        objects=tuple(sorted(objects, key=lambda one: (one.kind, one.name))),
        sequences=sequences,
        orphans=orphans,
        without_statistics=_unanalysed(connection, cancel, ignore) if sound else 0,
        unread=unread,
        left_unread=not sound,
    )


MARK = b"SAVEPOINT drbook_structure"
"""Gone back to after each query: an error ends there, and locks are given back, so that ten thousand
sequences fit into the server's table of locks."""


def _back(connection: Connection) -> None:
    if not connection.closed:
        connection.execute(b"ROLLBACK TO SAVEPOINT drbook_structure")


def _no_text(connection: Connection, error: psycopg.Error, part: str) -> dict[str, str]:
    """A name that is not UTF-8, in a database without an encoding: its kind is unread, not the rest."""
    _back(connection)
    return dict.fromkeys(KINDS[part], said(error))


def _kept(words: str) -> str:
    """A definition is production's own text, and may hold its password: then its digest stands for it."""
    return words if len(words) <= LONGEST and scrub(words) == words else digested(words)


def _our_logins(connection: Connection, cancel: Cancel) -> list[int]:
    """The logins that drbook makes in a cluster of its own, and whoever owns the database where it was
    made for the restore: their rights and roles say nothing about the backup."""
    try:
        rows = connection.execute(
            "SELECT oid::bigint FROM pg_roles WHERE rolname = ANY (%s)", (list(_LOGINS),)
        ).fetchall()
    except psycopg.Error as error:
        raise broke_off(connection, error, cancel, "listed its roles") from None
    return [row[0] for row in rows]


def _go_on(connection: Connection, error: psycopg.Error, cancel: Cancel, what: str) -> None:
    """Raises where the error is not of this one query alone."""
    broken = broke_off(connection, error, cancel, f"read its {what}")
    if connection.closed or cancel.requested:
        raise broken from None


# --- sequences -------------------------------------------------------------------------------

_SEQUENCES = """
SELECT n.nspname, c.relname, s.seqincrement::text, o.columns, CASE WHEN s.seqcycle THEN '' WHEN s.seqincrement > 0 THEN s.seqmax::text
                            ELSE s.seqmin::text END
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
    WITH u AS (
        SELECT d.refobjid AS relid, d.refobjsubid AS num FROM pg_depend d
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
           AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
        UNION
        SELECT e.adrelid, e.adnum FROM pg_depend d JOIN pg_attrdef e ON e.oid = d.objid
         WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
           AND d.refobjid = c.oid)
    SELECT json_agg(json_build_array(format('%%I.%%I.%%I', m.nspname, t.relname, a.attname),
                    m.nspname, t.relname, a.attname, t.relkind = 'p')
                    ORDER BY m.nspname, t.relname, a.attname) AS columns
      FROM u JOIN pg_class t ON t.oid = u.relid JOIN pg_namespace m ON m.oid = t.relnamespace
      JOIN pg_attribute a ON a.attrelid = u.relid AND a.attnum = u.num
     WHERE t.relkind IN ('r', 'p')
       AND NOT (t.relispartition AND EXISTS (
             SELECT FROM u AS v JOIN pg_class w ON w.oid = v.relid WHERE NOT w.relispartition))
       AND EXISTS (
       WITH RECURSIVE base (oid) AS (SELECT a.atttypid UNION SELECT y.typbasetype FROM base
                                       JOIN pg_type y ON y.oid = base.oid AND y.typtype = 'd')
       SELECT FROM base WHERE base.oid IN (20, 21, 23, 1700))) AS o ON true
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND n.nspname <> ALL (%(ignored)s) AND c.relpersistence <> 't'
   AND (NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
        OR EXISTS (SELECT FROM pg_extension x WHERE c.oid = ANY (x.extconfig)))
 ORDER BY 1, 2
"""
"""Each with all columns that it fills, also those of a domain; of partitions only where their table has
another default."""


def _sequences(
    connection: Connection, cancel: Cancel, ignore: Sequence[str], sound: bool
) -> Working[tuple[SequenceState, ...]]:
    try:
        listed = connection.execute(_SEQUENCES.encode(), {"ignored": list(ignore)}).fetchall()
    except psycopg.errors.CharacterNotInRepertoire:
        raise
    except psycopg.Error as error:
        raise broke_off(connection, error, cancel, "listed its sequences") from None
    found = []
    for number, row in enumerate(listed):
        if number % 50 == 0:
            yield Progress("look at sequences", number, len(listed), "sequences")
            cancel.raise_if_requested()
        found.append(_sequence(connection, cancel, row, sound))
    return tuple(found)


def _sequence(
    connection: Connection, cancel: Cancel, row: Sequence[object], sound: bool
) -> SequenceState:
    schema, name, step, columns, limit = row
    assert columns is None or isinstance(columns, list)
    shown = f"{_quoted(schema)}.{_quoted(name)}"
    last, called, why = None, False, ""
    try:
        state = connection.execute(
            sql.SQL("SELECT last_value::text, is_called FROM {}").format(
                sql.Identifier(str(schema), str(name))
            )
        ).fetchone()
        last, called = state if state else (None, False)
    except psycopg.Error as error:
        _go_on(connection, error, cancel, "sequences")
        why = said(error)
    finally:
        _back(connection)
    up = int(str(step)) > 0
    tops: list[tuple[int, str]] = []
    for column, *of in (columns or ()) if sound and last is not None else ():
        try:
            top = _top(connection, up, *of)
            if top is not None and not top.lstrip("-").isdecimal():
                why = f"{column} holds {top}"
            elif top is not None:
                tops.append((int(top), column))
        except psycopg.Error as error:
            _go_on(connection, error, cancel, "sequences")
            why = f"the rows of {column} could not be looked at: {said(error)}"
        finally:
            _back(connection)
    furthest = (max if up else min)(tops, default=None)
    return SequenceState(
        name=shown,
        last=last,
        called=called,
        increment=str(step),
        limit=str(limit),
        column=furthest[1] if furthest else columns[0][0] if columns else "",
        top=str(furthest[0]) if furthest else None,
        why_unknown=why,
    )


def _top(
    connection: Connection, up: bool, schema: str, table: str, column: str, parted: bool
) -> str | None:
    """The value of a column that is furthest in a sequence's way; None where it has none. Raises
    psycopg.Error."""
    query = sql.SQL("SELECT {}({})::numeric::text FROM {}{}").format(
        sql.SQL("max" if up else "min"),
        sql.Identifier(column),
        sql.SQL("" if parted else "ONLY "),
        sql.Identifier(schema, table),
    )
    row = connection.execute(query).fetchone()
    return row[0].split(".")[0] if row is not None and row[0] is not None else None


def _quoted(name: object) -> str:
    """As `quote_ident` writes it, for names that need it."""
    text = str(name)
    plain_name = text.isascii() and text.replace("_", "a").isalnum() and text == text.lower()
    return text if plain_name and not text[0].isdigit() else '"' + text.replace('"', '""') + '"'


# --- rows that nobody held to their constraints ------------------------------------------------

_UNCHECKED = """
SELECT format('%%I.%%I.%%I', n.nspname, c.relname, k.conname), n.nspname, c.relname, c.relkind = 'p',
       m.nspname, r.relname, r.relkind = 'p',
       (SELECT array_agg(a.attname::text ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY
          AS u (num, place) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num),
       (SELECT array_agg(a.attname::text ORDER BY u.place) FROM unnest(k.confkey) WITH ORDINALITY
          AS u (num, place) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num)
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace m ON m.oid = r.relnamespace
 WHERE k.contype = 'f' AND n.nspname <> ALL (%(ignored)s) AND k.conparentid = 0
   AND (NOT k.convalidated OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid
                                       AND g.tgenabled IN ('D', 'R')))
 ORDER BY 1
"""


def _orphans(
    connection: Connection, cancel: Cancel, ignore: Sequence[str]
) -> Working[tuple[Orphans, ...]]:
    """Rows that refer to nothing, counted by an anti-join, for the foreign keys that nobody checked."""
    try:
        listed = connection.execute(_UNCHECKED.encode(), {"ignored": list(ignore)}).fetchall()
    except psycopg.errors.CharacterNotInRepertoire:
        raise
    except psycopg.Error as error:
        raise broke_off(connection, error, cancel, "listed its foreign keys") from None
    found = []
    for number, row in enumerate(listed):
        yield Progress("look for orphans", number, len(listed), "foreign keys", row[0])
        cancel.raise_if_requested()
        try:
            counted = connection.execute(_anti_join(*row[1:])).fetchone()
            found.append(Orphans(constraint=row[0], rows=counted[0] if counted else None))
        except psycopg.Error as error:
            _go_on(connection, error, cancel, "foreign keys")
            found.append(Orphans(constraint=row[0], rows=None, why_unknown=said(error)))
        finally:
            _back(connection)
    return tuple(found)


def _anti_join(
    schema: str,
    table: str,
    parted: bool,
    of_schema: str,
    of_table: str,
    of_parted: bool,
    columns: Sequence[str],
    of_columns: Sequence[str],
) -> sql.Composed:
    """A key with a NULL in it refers to nothing on purpose (MATCH SIMPLE)."""
    there = sql.SQL(" AND ").join(
        sql.SQL("a.{} IS NOT NULL").format(sql.Identifier(c)) for c in columns
    )
    same = sql.SQL(" AND ").join(
        sql.SQL("a.{} = b.{}").format(sql.Identifier(one), sql.Identifier(other))
        for one, other in zip(columns, of_columns, strict=True)
    )
    return sql.SQL(
        "SELECT count(*) FROM {}{} a WHERE {} AND NOT EXISTS (SELECT FROM {}{} b WHERE {})"
    ).format(
        sql.SQL("" if parted else "ONLY "),
        sql.Identifier(schema, table),
        there,
        sql.SQL("" if of_parted else "ONLY "),
        sql.Identifier(of_schema, of_table),
        same,
    )


_UNANALYSED = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.reltuples < 0 AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND n.nspname <> ALL (%(ignored)s)
"""


def _unanalysed(connection: Connection, cancel: Cancel, ignore: Sequence[str]) -> int:
    try:
        row = connection.execute(_UNANALYSED.encode(), {"ignored": list(ignore)}).fetchone()
    except psycopg.Error as error:
        raise broke_off(connection, error, cancel, "listed its statistics") from None
    return int(row[0]) if row else 0
