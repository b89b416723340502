"""Every built-in type with a value, and relations of every kind that a dump can hold."""

VALUES = {
    "bool": "t", "bytea": r"\x00ff", "char": "x", "name": "a name", "int8": "-9223372036854775808",
    "int2": "7", "int2vector": "1 2", "int4": "-7", "regproc": "now", "text": "ä€𝄞", "oid": "4294967295",
    "tid": "(1,2)", "xid": "5", "cid": "6", "oidvector": "3 4", "json": '{"b": 1, "a": [2]}',
    "xml": "<a>1</a>", "xid8": "77", "point": "(1.5,2)", "lseg": "[(0,0),(1,1)]", "path": "[(0,0),(1,2)]",
    "box": "(2,2),(0,0)", "polygon": "((0,0),(1,1),(1,0))", "line": "{1,2,3}", "float4": "1.1",
    "float8": "0.30000000000000004", "circle": "<(1,2),3>", "money": "12.34",
    "macaddr": "08:00:2b:01:02:03", "inet": "10.0.0.1/8", "cidr": "10.0.0.0/8",
    "macaddr8": "08:00:2b:01:02:03:04:05", "aclitem": "postgres=r/postgres", "bpchar": "ab ",
    "varchar": "v", "date": "2026-04-24", "time": "04:05:06.789", "timestamp": "2026-04-24 19:04:00.5",
    "timestamptz": "2026-04-24 19:04:00.5+02", "interval": "1 mon 2 days 00:00:03.5",
    "timetz": "04:05:06+02", "bit": "1", "varbit": "10101", "numeric": "123456789.123456789000",
    "refcursor": "c", "regprocedure": "now()", "regoper": "pg_catalog.||/", "regoperator": "+(int4,int4)",
    "regclass": "pg_class", "regcollation": '"C"', "regtype": "int4", "regrole": "postgres",
    "regnamespace": "pg_catalog", "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "pg_lsn": "16/B374D848",
    "tsvector": "a:1 fat:2 cat:3", "tsquery": "'fat' & 'cat'", "regconfig": "simple",
    "regdictionary": "simple", "jsonb": '{"b": 1, "a": [2]}', "jsonpath": "$.a[*] ? (@ > 1)",
    "txid_snapshot": "10:20:10,14", "pg_snapshot": "10:20:10,14", "int4range": "[1,5)",
    "numrange": "[1.1,2.2)", "tsrange": "[2026-01-01,2026-02-01)", "tstzrange": "[2026-01-01,2026-02-01)",
    "daterange": "[2026-01-01,2026-02-01)", "int8range": "[1,5)", "int4multirange": "{[1,3),[5,9)}",
    "nummultirange": "{[1.5,2.5)}", "tsmultirange": "{[2026-01-01,2026-02-01)}",
    "tstzmultirange": "{[2026-01-01,2026-02-01)}", "datemultirange": "{[2026-01-01,2026-02-01)}",
    "int8multirange": "{[1,3)}",
}  # fmt: skip

NO_INPUT = frozenset(
    {
        "pg_node_tree",
        "gtsvector",
        "pg_ndistinct",
        "pg_dependencies",
        "pg_mcv_list",
        "pg_brin_bloom_summary",
        "pg_brin_minmax_multi_summary",
    }
)
"""Types whose values nobody can write: only the server makes them, in its own catalogues."""

ASKED = """
SELECT typname FROM pg_type
 WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typelem = 0
    OR typnamespace = 'pg_catalog'::regnamespace AND typname IN ('int2vector', 'oidvector', 'point',
       'lseg', 'box', 'line', 'name')
"""
"""The server's own list; what has elements and no name of its own are arrays of these."""

KINDS = r"""
CREATE TABLE parted (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE parted_26 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
INSERT INTO parted SELECT n, '2025-12-01'::date + n FROM generate_series(1, 200) n;
CREATE TABLE parent (id int); CREATE TABLE child (more text) INHERITS (parent);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 'x');
CREATE UNLOGGED TABLE fleeting (id int); INSERT INTO fleeting VALUES (1);
CREATE MATERIALIZED VIEW derived AS SELECT count(*) AS rows FROM parted;
CREATE TABLE nothing_in_it ();
CREATE TABLE hidden (id int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
INSERT INTO hidden VALUES (1);
CREATE TABLE "od.d ""name"" %s" (id int); INSERT INTO "od.d ""name"" %s" VALUES (1);
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN amount AS numeric CHECK (VALUE >= 0);
CREATE TYPE pair AS (a int, m mood);
CREATE TABLE made (m mood, a amount, p pair, ms mood[]);
INSERT INTO made VALUES ('ok', 3.50, '(1,sad)', '{sad,ok}');
SELECT lo_from_bytea(77, 'a picture');
"""


def every_type(*, xml: bool = True) -> str:
    """A table for each type: the value, an array of it, and NULL. Without `xml`, which a server may be
    built without, that table has only NULL."""
    made = []
    for name, value in VALUES.items():
        if name == "xml" and not xml:
            made.append("CREATE TABLE type_xml (id int PRIMARY KEY, a xml, b xml[]);")
            continue
        literal = "'" + value.replace("'", "''") + "'"
        kind = f'pg_catalog."{name}"'
        made.append(
            f"CREATE TABLE type_{name} (id int PRIMARY KEY, a {kind}, b {kind}[]);"
            f"INSERT INTO type_{name} VALUES (1, {literal}, ARRAY[{literal}::{kind}]), (2, NULL, NULL);"
        )
    return "\n".join(made)


def plain_tables(number: int) -> str:
    """So many ordinary tables with a few rows."""
    return "\n".join(
        f"CREATE TABLE plain_{n} (id int PRIMARY KEY, name text, created_at timestamptz);"
        f"INSERT INTO plain_{n} SELECT i, 'row ' || i, '2026-01-01Z'::timestamptz + i * interval '1 h'"
        f" FROM generate_series(1, {n % 7}) i;"
        for n in range(number)
    )
