"""How each table's rows are hashed: decided from the catalogue, for all tables at once.

`hash_record_extended` sums the types' own hash functions. Rows are hashed as text instead where a type
has no hash function, where a value is a number of this server's own (enums by the oid of their label,
`regclass`, access lists), where its hash follows a collation of the ICU library's version, where values
that are written differently count as equal (intervals), where the function overlooks what makes two values
different (the shape of arrays, the nesting of jsonb), or where it is an extension's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from drbook.core.hashes import CHAR, RECORD, TEXT
from drbook.providers.pgcatalog import Method
from drbook.providers.pgnames import as_asked, is_text, shown
from drbook.providers.pgsession import Connection

_TABLES = sql.SQL("""
SELECT a.attrelid::bigint, array_agg({name} ORDER BY a.attname),
       array_agg(DISTINCT a.atttypid::bigint),
       coalesce(bool_or(NOT l.collisdeterministic), false)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
 WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND NOT c.relispartition
   AND c.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY 1
""").format

_INNER = """
    SELECT CASE WHEN t.typcategory = 'A' THEN t.typelem END WHERE t.typtype = 'b'
    UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
    UNION ALL SELECT c.atttypid FROM pg_attribute c
               WHERE t.typtype = 'c' AND c.attrelid = t.typrelid AND c.attnum > 0 AND NOT c.attisdropped
"""
_LOOSE = """
    EXISTS (SELECT FROM pg_attribute c JOIN pg_collation l ON l.oid = c.attcollation
             WHERE t.typtype = 'c' AND c.attrelid = t.typrelid AND NOT l.collisdeterministic)
    OR EXISTS (SELECT FROM pg_range r JOIN pg_collation l ON l.oid = r.rngcollation
                WHERE r.rngtypid = t.oid AND NOT l.collisdeterministic)
"""
_HASHED = """
    EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'hash'
              JOIN pg_amproc p ON p.amprocfamily = o.opcfamily AND p.amproclefttype = o.opcintype
                              AND p.amprocrighttype = o.opcintype AND p.amprocnum = 2
             WHERE o.opcdefault AND (o.opcintype = t.oid OR EXISTS (
                   SELECT FROM pg_cast k WHERE k.castsource = t.oid AND k.casttarget = o.opcintype
                      AND k.castmethod = 'b' AND k.castcontext = 'i')))
"""

_TYPES = f"""
WITH RECURSIVE used (type) AS (
    SELECT DISTINCT a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384
       AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT i.inner_type FROM used u JOIN pg_type t ON t.oid = u.type
     CROSS JOIN LATERAL ({_INNER}) AS i (inner_type)
     WHERE i.inner_type <> 0
)
SELECT t.oid::bigint, CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname ELSE '' END,
       t.typtype::text, t.typnamespace = 'pg_catalog'::regnamespace,
       ARRAY (SELECT i.inner_type::bigint FROM ({_INNER}) AS i (inner_type) WHERE i.inner_type <> 0),
       ({_LOOSE}), t.typtype <> 'b' OR {_HASHED}
  FROM used u JOIN pg_type t ON t.oid = u.type
"""
"""Every type that is stored in a table, and those inside them."""

_AS_TEXT = frozenset({"aclitem", "interval", "jsonb"})
"""Built-in types that have a hash function and are hashed as text: the first hashes the oids of roles,
`1 month` hashes like `30 days`, and `{"a": {"b": 1, "c": 2}}` like `{"a": {"b": 1}, "c": 2}`. So are
arrays, for `{{1,2}}` hashes like `{1,2}`."""


@dataclass(frozen=True, slots=True)
class Type:
    """One type, as far as hashing its values goes."""

    name: str
    """Of a built-in one."""
    kind: str
    """`pg_type.typtype`: b(ase), c(omposite), d(omain), e(num), r(ange), m(ultirange)."""
    built_in: bool
    inner: tuple[int, ...]
    loose: bool
    """It holds text under a collation that is not deterministic."""
    hashed: bool
    """It has a hash function; of what is made of others, those are asked."""

    @property
    def as_text(self) -> bool:
        """By itself, without what is inside."""
        if self.kind in ("e", "m") or self.loose:
            return True
        if self.kind != "b":
            return False
        return (
            not self.built_in
            or not self.hashed
            or self.name.startswith("reg")
            or self.name in _AS_TEXT
            or bool(self.inner)
        )


def methods(connection: Connection, version: int) -> Mapping[int, Method]:
    """By table: the method and its traits. Raises psycopg.Error."""
    encoding = frozenset({_encoding(connection)} - {"UTF8"})
    types = {
        oid: Type(name, kind, built_in, tuple(inner), loose, hashed)
        for oid, name, kind, built_in, inner, loose, hashed in connection.execute(_TYPES)
    }
    found: dict[int, Method] = {}
    query = _TABLES(name=sql.SQL(as_asked(connection, "a.attname")))
    for oid, columns, kinds, loose in connection.execute(query):
        inside = reached(types, kinds)
        text = loose or version < 140000 or any(each.as_text for each in inside)
        char = any(each.built_in and each.name == "char" for each in inside)
        traits = encoding | ({CHAR} if text and char else frozenset())
        found[oid] = Method(
            TEXT if text else RECORD, traits, tuple(map(shown, columns)), is_text(columns)
        )
    return found


def reached(types: Mapping[int, Type], start: list[int]) -> list[Type]:
    """These types and all inside them, each once."""
    found: dict[int, Type] = {}
    waiting = list(start)
    while waiting:
        oid = waiting.pop()
        if oid in types and oid not in found:
            found[oid] = types[oid]
            waiting += types[oid].inner
    return list(found.values())


def _encoding(connection: Connection) -> str:
    row = connection.execute("SELECT current_setting('server_encoding')").fetchone()
    assert row is not None
    return str(row[0])
