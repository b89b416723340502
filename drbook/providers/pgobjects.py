"""The catalogue queries behind a structure: each gives kind, name, words and flaw, in PostgreSQL's own
spelling. (PostgreSQL manual, chapter 53; `pg_get_*` of section 9.27.) Here: relations and what hangs on
them; `pgothers` has types, functions and the rest, `pgrights` owners, rights and the database itself.

What extensions own is theirs, and what lies in ignored schemas is not looked at. The session's search
path is `pg_catalog`, so that every name comes with its schema. Columns of the catalogue that came with a
later version are asked for from that version on.
"""

from drbook.core.structure import LACKS, NOT_VALID

OURS = (
    "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
    " AND n.nspname <> ALL (%(ignored)s)"
)


def own(catalogue: str, oid: str) -> str:
    """No member of an extension."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalogue}'::regclass"
        f" AND d.objid = {oid} AND d.deptype = 'e')"
    )


def since(version: int, first: int, expression: str) -> str:
    """An expression over what the catalogue has from version `first` on; before, nothing."""
    return expression if version >= first else "NULL"


def collation(oid: str) -> str:
    """Its name, with its schema where that is not the server's own."""
    return (
        "(SELECT CASE WHEN m.nspname <> 'pg_catalog' THEN quote_ident(m.nspname) || '.' ELSE '' END"
        " || quote_ident(l.collname) FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace"
        f" WHERE l.oid = {oid})"
    )


def in_order(options: str) -> str:
    """Options in an order of their own: a reload may write them in another."""
    return f"(SELECT string_agg(o, ', ' ORDER BY o) FROM unnest({options}) AS o)"


_PLAIN = (
    "host|hostaddr|port|dbname|database|schema|schema_name|table|table_name|column_name|filename|format"
    "|encoding|updatable|truncatable|fetch_size|batch_size|use_remote_estimate|extensions"
)


def foreign_options(options: str) -> str:
    """Options for another server. Any but the best known may hold a secret: it is there by its digest,
    which the server makes."""
    return (
        "(SELECT 'OPTIONS (' || string_agg(o.option_name || ' ' || CASE WHEN o.option_name ~"
        f" '^({_PLAIN})$' THEN quote_literal(o.option_value) ELSE 'sha256 '"
        " || encode(sha256(convert_to(o.option_name || ' ' || o.option_value, 'UTF8')), 'hex') END,"
        " ', ' ORDER BY o.option_name) || ')'"
        f" FROM pg_options_to_table({options}) AS o)"
    )


def state(enabled: str) -> str:
    """When something fires, where that is not the usual."""
    return (
        f"CASE {enabled} WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'ENABLE REPLICA'"
        " WHEN 'A' THEN 'ENABLE ALWAYS' END"
    )


def switched_off(enabled: str) -> str:
    return (
        f"CASE {enabled} WHEN 'D' THEN 'it is switched off'"
        " WHEN 'R' THEN 'it is switched off for everything but replication' ELSE '' END"
    )


NAMED = "format('%%I.%%I', n.nspname, c.relname)"
CLASS = f"""pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE {OURS} AND {own("pg_class", "c.oid")} AND c.relpersistence <> 't'"""
_HEIR = "EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)"

SCHEMAS = f"""
SELECT 'schema', quote_ident(n.nspname), '', ''
  FROM pg_namespace n WHERE {OURS} AND {own("pg_namespace", "n.oid")}
"""

TABLES = f"""
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                      WHEN 'f' THEN 'foreign table' ELSE 'table' END,
       {NAMED},
       concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
         'OF ' || format_type(nullif(c.reloftype, 0), NULL),
         CASE WHEN c.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END,
         CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
         (SELECT 'INHERITS ' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
            FROM pg_inherits i WHERE i.inhrelid = c.oid),
         (SELECT 'USING ' || quote_ident(m.amname) FROM pg_am m
           WHERE m.oid = c.relam AND m.amname <> 'heap'),
         CASE WHEN c.relrowsecurity THEN 'ROW SECURITY' END,
         CASE WHEN c.relforcerowsecurity THEN 'FORCED' END,
         CASE WHEN c.relkind IN ('r', 'p', 'm') THEN CASE c.relreplident
           WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'n' THEN 'REPLICA IDENTITY NOTHING'
           WHEN 'i' THEN (SELECT 'REPLICA IDENTITY ' || quote_ident(x.relname) FROM pg_index i
             JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) END END,
         {in_order("c.reloptions")},
         (SELECT 'TOAST ' || string_agg(o, ', ' ORDER BY o) FROM pg_class x, unnest(x.reloptions) AS o
           WHERE x.oid = c.reltoastrelid),
         CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
         (SELECT concat_ws(' ', 'SERVER ' || quote_ident(s.srvname), {foreign_options("f.ftoptions")})
            FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid),
         CASE WHEN c.relkind IN ('r', 'p', 'f') AND NOT {_HEIR} THEN
           (SELECT 'COLUMNS (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')'
              FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) END),
       CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'never filled' ELSE '' END
  FROM {CLASS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
"""The order of columns is that of the table's making; an heir's may change by a reload."""


def columns(version: int) -> str:
    """What a column has from a parent by inheritance it has in another way after a reload: how it is
    stored is left out there."""
    generated = since(version, 120000, "nullif(a.attgenerated::text, '')")
    unsure = since(
        version,
        180000,
        "(SELECT nullif(concat_ws(' ', CASE WHEN NOT k.convalidated THEN 'NOT VALID' END,"
        " CASE WHEN k.connoinherit THEN 'NO INHERIT' END), '') FROM pg_constraint k"
        " WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum])",
    )
    compression = since(version, 140000, "nullif(a.attcompression::text, '')")
    return f"""
SELECT 'column', {NAMED} || '.' || quote_ident(a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
         CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || {collation("a.attcollation")} END,
         CASE WHEN a.attnotnull THEN concat_ws(' ', 'NOT NULL', {unsure}) END,
         CASE a.attidentity WHEN 'a' THEN 'IDENTITY ALWAYS' WHEN 'd' THEN 'IDENTITY' END,
         CASE WHEN {generated} IS NOT NULL
              THEN 'GENERATED (' || pg_get_expr(e.adbin, e.adrelid) || ')'
                || CASE {generated} WHEN 'v' THEN ' VIRTUAL' ELSE '' END
              WHEN e.adbin IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(e.adbin, e.adrelid) END,
         CASE WHEN c.relkind IN ('r', 'p', 'm', 'f') AND (a.attinhcount = 0 OR c.relispartition)
              THEN nullif(concat_ws(' ',
                CASE WHEN a.attstorage <> t.typstorage THEN 'STORAGE ' || a.attstorage::text END,
                'COMPRESSION ' || {compression}), '') END,
         CASE WHEN c.relkind NOT IN ('v', 'c') THEN 'STATISTICS ' || nullif(a.attstattarget, -1) END,
         {in_order("a.attoptions")},
         CASE WHEN c.relkind = 'f' THEN {foreign_options("a.attfdwoptions")} END),
       ''
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum,
       {CLASS} AND c.relkind IN ('r', 'p', 'f', 'c', 'm', 'v')
   AND a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
"""


INDEXES = f"""
SELECT 'index', {NAMED}, concat_ws(' ', pg_get_indexdef(c.oid),
         CASE WHEN i.indisclustered THEN 'CLUSTER' END,
         (SELECT 'STATISTICS ' || string_agg(a.attnum || ': ' || a.attstattarget, ', ' ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0)),
       CASE WHEN NOT i.indisvalid AND c.relkind = 'I' THEN '{LACKS}'
            WHEN NOT i.indisvalid THEN '{NOT_VALID}'
            WHEN NOT i.indisready THEN 'it is not kept up to date' ELSE '' END
  FROM pg_index i, {CLASS} AND c.oid = i.indexrelid
"""

_DERIVED = """(WITH RECURSIVE up AS (SELECT k.conname, k.conrelid, k.conparentid
         UNION ALL SELECT p.conname, p.conrelid, p.conparentid FROM up JOIN pg_constraint p
             ON p.oid = up.conparentid)
     SELECT format('%%I of %%s to %%s', up.conname, up.conrelid::regclass, k.confrelid::regclass)
       FROM up WHERE up.conparentid = 0)"""
"""A foreign key that the server made for a partition: its own name is made up in the order in which
partitions came, so that it is called after the key that it was made from."""

CONSTRAINTS = f"""
SELECT 'constraint', {NAMED} || '.' || CASE WHEN k.contype = 'f' AND k.conparentid <> 0
         THEN {_DERIVED} ELSE quote_ident(k.conname) END, pg_get_constraintdef(k.oid),
       CASE WHEN pg_get_constraintdef(k.oid) ~ ' NOT ENFORCED$'
            THEN 'no row is checked against it (NOT ENFORCED)'
            WHEN NOT k.convalidated THEN 'the rows were never checked against it (NOT VALID)'
            WHEN EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid
                          AND g.tgenabled IN ('D', 'R')) THEN 'it is switched off' ELSE '' END
  FROM pg_constraint k, {CLASS} AND c.oid = k.conrelid AND k.contype IN ('c', 'f', 'p', 'u', 'x')
UNION ALL
SELECT 'constraint', {NAMED} || '.' || quote_ident(a.attname) || ' NOT NULL',
       pg_get_constraintdef(k.oid), 'the rows were never checked against it (NOT VALID)'
  FROM pg_constraint k, pg_attribute a, {CLASS} AND c.oid = k.conrelid AND k.contype = 'n'
   AND NOT k.convalidated AND a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
UNION ALL
SELECT 'constraint', format('%%I.%%I.%%I', n.nspname, t.typname, k.conname), pg_get_constraintdef(k.oid),
       CASE WHEN NOT k.convalidated THEN 'no value was ever checked against it (NOT VALID)' ELSE '' END
  FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE {OURS} AND {own("pg_type", "t.oid")} AND k.contype = 'c'
"""
"""That a column is NOT NULL stands with the column, for its constraint's name is the server's; where the
rows were never held to it, it is a constraint with that flaw as well."""

SEQUENCES = f"""
SELECT 'sequence', {NAMED},
       concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
         format_type(s.seqtypid, NULL), 'START', s.seqstart, 'INCREMENT', s.seqincrement,
         'FROM', s.seqmin, 'TO', s.seqmax, 'CACHE', s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' END,
         (SELECT format('OWNED BY %%I.%%I.%%I', m.nspname, t.relname, a.attname) FROM pg_depend d
            JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace m ON m.oid = t.relnamespace
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
           WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
             AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))),
       ''
  FROM pg_sequence s, {CLASS} AND c.oid = s.seqrelid
"""

TRIGGERS = f"""
SELECT 'trigger', {NAMED} || '.' || quote_ident(g.tgname),
       concat_ws(' ', pg_get_triggerdef(g.oid), {state("g.tgenabled")}), {switched_off("g.tgenabled")}
  FROM pg_trigger g, {CLASS} AND c.oid = g.tgrelid AND NOT g.tgisinternal
"""

RULES = f"""
SELECT 'rule', {NAMED} || '.' || quote_ident(r.rulename),
       concat_ws(' ', pg_get_ruledef(r.oid), {state("r.ev_enabled")}), {switched_off("r.ev_enabled")}
  FROM pg_rewrite r, {CLASS} AND c.oid = r.ev_class AND r.rulename <> '_RETURN'
"""

POLICIES = f"""
SELECT 'policy', {NAMED} || '.' || quote_ident(y.polname),
       concat_ws(' ', CASE WHEN y.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, 'FOR',
         y.polcmd, 'TO', (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE r::regrole::text END, ', '
                              ORDER BY r::regrole::text COLLATE "C") FROM unnest(y.polroles) AS r),
         'USING (' || pg_get_expr(y.polqual, y.polrelid) || ')',
         'CHECK (' || pg_get_expr(y.polwithcheck, y.polrelid) || ')'), ''
  FROM pg_policy y, {CLASS} AND c.oid = y.polrelid
"""
