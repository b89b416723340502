"""Rows counted and needs noted while an archive is read: right, uncounted, or nothing; never wrong."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pg import COUNTS, Postgres, drain

from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings
from drbook.core.archiverows import expected_of
from drbook.core.comparison import compare
from drbook.core.ports import ProductionIdentity
from drbook.core.targets import LocalCopy
from drbook.providers import archive_read, pgsession, sqltext
from drbook.providers.archive_check import check_structure
from drbook.providers.archive_read import ArchiveReader
from drbook.providers.cancel import CancelToken
from drbook.providers.pgtools import PgTools
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget

TOP = b"""--
-- PostgreSQL database dump
--

\\restrict x'y

-- Dumped from database version 16.4 (Debian 16.4-1)
-- Dumped by pg_dump version 18.6

SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

"""


def read(text: bytes, size: int = 1 << 18) -> ArchiveFacts:
    reader = ArchiveReader()
    for at in range(0, len(text), size):
        reader.feed(text[at : at + size])
    return reader.facts()


BEGINS = (
    b"CREATE TABLE public.t (begin text);\nCREATE FUNCTION public.f() RETURNS text\n    LANGUAGE sql\n"
    b"    BEGIN ATOMIC\n SELECT t.begin\n    FROM public.t;\nEND;\n"
    b"COPY public.t (begin) FROM stdin;\n1\n\\.\nSELECT pg_catalog.lo_create('5');\n"
)


def test_a_text_that_ends_inside_of_a_body_was_not_followed() -> None:
    """What stood behind it is not known; that there is none would be untrue."""
    reader = ArchiveReader()
    reader.feed(TOP + BEGINS)
    facts = reader.facts()
    assert (facts.rows, facts.large_objects, facts.complete) == (None, None, False)
    assert "`begin` in a function's body" in facts.why_no_rows
    assert reader.lost == ""
    whole = read(TOP + BEGINS.replace(b"t.begin", b"t.b"))
    assert (whole.rows, whole.complete, whole.why_no_rows) == ({"public.t": 1}, True, "")


ENTRIES = b"""--
-- Name: a; Type: TABLE; Schema: public; Owner: odd; owner
--

CREATE TABLE public.a (id integer);

--
-- Name: a there; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.a
    ADD CONSTRAINT there NOT NULL id NOT VALID;

--
-- Name: f("odd; Type: x", integer); Type: FUNCTION; Schema: the app; Owner: -
--

CREATE FUNCTION "the app".f("odd; Type: x", integer) RETURNS integer LANGUAGE sql AS '
-- Name: no; Type: TABLE; Schema: public; Owner: -
';

--
-- Name: s; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA s;
"""


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_what_an_archive_lists(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entries by their comments, which are no comments of a function's body."""
    assert read(TOP + ENTRIES, size).objects == {
        "TABLE": (("public", "a"),),
        "NOT NULL CONSTRAINT": (("public", "a there"),),
        "FUNCTION": (("the app", 'f("odd; Type: x", integer)'),),
        "SCHEMA": (("", "s"),),
    }
    assert read(TOP, size).objects is None
    monkeypatch.setattr(archive_read, "MOST_LISTED", 3)
    assert read(TOP + ENTRIES, size).objects is None


def test_whose_schema_a_table_with_a_dot_in_its_name_is_in() -> None:
    odd = read(TOP + b'COPY "a.b".c (x) FROM stdin;\n\\.\nCOPY a."b.d" (x) FROM stdin;\n\\.\n')
    assert odd.lies_in == {"a.b.c": "a.b", "a.b.d": "a"}
    assert [odd.schema_of(one) for one in ("a.b.c", "a.b.d", "x.y")] == ["a.b", "a", "x"]


def test_which_database_was_dumped() -> None:
    made = b"CREATE DATABASE \"Odd name\" WITH TEMPLATE = template0 ENCODING = 'UTF8';\n"
    assert (read(TOP + made).database, read(TOP).database) == ("Odd name", "")


CASES: dict[str, tuple[bytes, dict[str, int], set[str]]] = {
    # what stands in the dump, rows, what is uncounted
    "rows": (
        b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n1\n2\n\\.\n\n",
        {"public.t": 2},
        set(),
    ),
    "none": (
        b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n\\.\n\n",
        {"public.t": 0},
        set(),
    ),
    "rows that look like statements": (
        b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n"
        b"COPY public.u (a) FROM stdin;\n\\\\.\n'; $$\nINSERT INTO public.u VALUES (1);\n\\.\n\n",
        {"public.t": 4},
        set(),
    ),
    "a table without columns": (
        b"CREATE TABLE public.t (\n);\nCOPY public.t  FROM stdin;\n\n\n\n\\.\n",
        {"public.t": 3},
        set(),
    ),
    "a schema without a data entry": (b"CREATE TABLE public.t (a text);\n", {}, set()),
    "a procedure that is made of statements": (
        b"CREATE TABLE public.t (a text);\nCREATE PROCEDURE public.two()\n    LANGUAGE sql\n"
        b"    BEGIN ATOMIC\n INSERT INTO public.t (a)\n   VALUES (1);\n INSERT INTO public.t DEFAULT VALUES;\n"
        b" INSERT INTO public.t VALUES (1);\nEND;\nCOPY public.t (a) FROM stdin;\n1\n\\.\n",
        {"public.t": 1},
        set(),
    ),
    "a rule that is made of statements": (
        b"CREATE TABLE public.t (a text);\nCREATE RULE r AS\n    ON UPDATE TO public.t DO ALSO (\n"
        b" INSERT INTO public.t VALUES (1);\n INSERT INTO public.t VALUES (2);\n);\n"
        b"COPY public.t (a) FROM stdin;\n1\n\\.\n",
        {"public.t": 1},
        set(),
    ),
    "a function that speaks of COPY": (
        b"CREATE TABLE public.t (a text);\nCREATE FUNCTION public.f() AS $$\n"
        b"COPY public.t (a) FROM stdin;\n1\n\\.\n$$;\nCOPY public.t (a) FROM stdin;\n1\n\\.\n",
        {"public.t": 1},
        set(),
    ),
    "odd names": (
        b'CREATE TABLE "S ""x"".y"."t;" (a text);\nCOPY "S ""x"".y"."t;" (a) FROM stdin;\n1\n\\.\n',
        {'S "x".y.t;': 1},
        set(),
    ),
    "a dump of before 2018, with a search path": (
        b"SET search_path = shop, pg_catalog;\nCREATE TABLE t (a text);\n"
        b"COPY t (a) FROM stdin;\n1\n\\.\nSET search_path = public, pg_catalog;\n"
        b"CREATE TABLE t (a text);\nCOPY t (a) FROM stdin;\n1\n2\n\\.\n",
        {"shop.t": 1, "public.t": 2},
        set(),
    ),
    "partitions count as their table": (
        b"CREATE TABLE public.t (a int)\nPARTITION BY RANGE (a);\nCREATE TABLE public.t1 (a int);\n"
        b"CREATE TABLE public.t2 (a int)\nPARTITION BY RANGE (a);\nCREATE TABLE public.t21 (a int);\n"
        b"ALTER TABLE ONLY public.t ATTACH PARTITION public.t1 FOR VALUES FROM (1) TO (2);\n"
        b"ALTER TABLE ONLY public.t ATTACH PARTITION public.t2 FOR VALUES FROM (2) TO (9);\n"
        b"ALTER TABLE ONLY public.t2 ATTACH PARTITION public.t21 DEFAULT;\n"
        b"COPY public.t1 (a) FROM stdin;\n1\n\\.\nCOPY public.t21 (a) FROM stdin;\n2\n3\n\\.\n",
        {"public.t": 3},
        set(),
    ),
    "partitions as version 10 wrote them": (
        b"CREATE TABLE public.t (a int)\nPARTITION BY RANGE (a);\n"
        b"CREATE TABLE public.t1 PARTITION OF public.t\nFOR VALUES FROM (1) TO (2);\n"
        b"COPY public.t1 (a) FROM stdin;\n1\n\\.\n",
        {"public.t": 1},
        set(),
    ),
    "a partition without its data": (
        b"CREATE TABLE public.t (a int)\nPARTITION BY RANGE (a);\nCREATE TABLE public.t1 (a int);\n"
        b"CREATE TABLE public.t2 (a int);\n"
        b"ALTER TABLE ONLY public.t ATTACH PARTITION public.t1 FOR VALUES FROM (1) TO (2);\n"
        b"ALTER TABLE ONLY public.t ATTACH PARTITION public.t2 FOR VALUES FROM (2) TO (9);\n"
        b"COPY public.t1 (a) FROM stdin;\n1\n\\.\n",
        {},
        {"public.t"},
    ),
    "loaded by the root of the partitions": (
        b"CREATE TABLE public.t (a int)\nPARTITION BY RANGE (a);\nCREATE TABLE public.t1 (a int);\n"
        b"ALTER TABLE ONLY public.t ATTACH PARTITION public.t1 FOR VALUES FROM (1) TO (2);\n"
        b"COPY public.t (a) FROM stdin;\n1\n\\.\nCOPY public.t (a) FROM stdin;\n2\n\\.\n",
        {"public.t": 2},
        set(),
    ),
    "a partitioned table without partitions": (
        b"CREATE TABLE public.t (a int)\nPARTITION BY RANGE (a);\n",
        {"public.t": 0},
        set(),
    ),
    "data of an extension's own table": (
        b"CREATE EXTENSION postgis;\nCREATE TABLE public.t (a text);\n"
        b"COPY public.t (a) FROM stdin;\n1\n\\.\nCOPY public.spatial_ref_sys (a) FROM stdin;\n1\n\\.\n",
        {"public.t": 1, "public.spatial_ref_sys": 1},
        set(),
    ),
    "INSERT": (
        b"CREATE TABLE public.t (a text, b int);\nINSERT INTO public.t VALUES ('a;\n', 1);\n"
        b"INSERT INTO public.t (a, \"b\") VALUES (E'\\');', 1);\n"
        b"INSERT INTO public.t OVERRIDING SYSTEM VALUE VALUES ('x', 1);\n"
        b"INSERT INTO public.t DEFAULT VALUES;\n",
        {"public.t": 4},
        set(),
    ),
    "INSERT of several rows": (
        b"CREATE TABLE public.t (a int);\nINSERT INTO public.t VALUES\n\t(1),\n\t(2);\n"
        b"CREATE TABLE public.u (a int);\nINSERT INTO public.u VALUES (1);\n",
        {"public.u": 1},
        {"public.t"},
    ),
    "another format of COPY": (
        b"CREATE TABLE public.t (a int);\nCOPY public.t (a) FROM stdin WITH (FORMAT csv);\n1\n\\.\n",
        {},
        {"public.t"},
    ),
}


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
@pytest.mark.parametrize("name", CASES)
def test_rows(name: str, size: int) -> None:
    text, rows, uncounted = CASES[name]
    found = read(TOP + text, size)
    assert (found.rows, set(found.uncounted)) == (rows, uncounted)
    assert found.why_no_rows == ""
    assert found.text_bytes == len(TOP + text)
    assert (found.source_version, found.source_major) == ("16.4", 16)
    assert found.dump_version == "18.6"


NOT_COUNTED = {
    "names without a schema": b"CREATE TABLE t (a int);\nCOPY t (a) FROM stdin;\n1\n\\.\n",
    "strings of another kind": b"SET standard_conforming_strings = off;\n",
    "an INSERT that is not pg_dump's": b"INSERT INTO public.t SELECT 1;\nINSERT INTO x.y.z VALUES;",
}


@pytest.mark.parametrize("name", NOT_COUNTED)
def test_what_cannot_be_followed_is_no_number(name: str) -> None:
    found = read(TOP + NOT_COUNTED[name] + b"COPY public.t (a) FROM stdin;\n1\n\\.\n")
    if found.rows is None:
        assert found.why_no_rows
    else:
        assert "public.t" in found.uncounted
    assert found.complete
    assert found.text_bytes is not None


_MADE = b"SELECT pg_catalog.lo_create('%d');\n"
_HELD = (
    b"BEGIN;\n\nSELECT pg_catalog.lo_open('%d', 131072);\nSELECT pg_catalog.lowrite(0, '\\x3b');\n"
    b"SELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n"
)
_ROW = b"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n%b\\.\n"
OBJECTS: dict[str, tuple[bytes, int | None, str]] = {
    # what, its text, how many large objects, what is lost
    "none": (b"", 0, ""),
    "whole": (_MADE % 7 + _MADE % 8 + _ROW % b"1\n" + _HELD % 7 + _HELD % 8, 2, ""),
    "without the bytes of one": (
        _MADE % 7 + _MADE % 8 + _HELD % 8,
        None,
        "makes 2 large objects and holds the bytes of 1",
    ),
    "without the bytes of all": (
        _MADE % 7 + _ROW % b"",
        None,
        "makes 1 large object and holds the bytes of 0",
    ),
    "bytes of one that nobody makes": (
        _MADE % 7 + _HELD % 7 + _HELD % 8,
        None,
        "makes 1 large object and holds the bytes of 2",
    ),
    "the bytes of one twice": (
        _MADE % 7 + _MADE % 8 + _HELD % 7 + _HELD % 7,
        None,
        "makes 2 large objects and holds the bytes of 2, not all of them the same",
    ),
    "others with the same sum": (
        _MADE % 2 + _MADE % 5 + _HELD % 3 + _HELD % 4,
        None,
        "makes 2 large objects and holds the bytes of 2, not all of them the same",
    ),
    "in another order": (_MADE % 7 + _MADE % 8 + _HELD % 8 + _HELD % 7, 2, ""),
    "definitions alone": (b"CREATE TABLE public.t (a text);\n" + _MADE % 7 + _MADE % 8, None, ""),
    "a row that looks like one": (_ROW % (_MADE % 7), 0, ""),
    "a text that looks like one": (b"SELECT '\n" + _MADE.replace(b"'", b"''") % 7 + b"';\n", 0, ""),
}


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
@pytest.mark.parametrize("name", OBJECTS)
def test_large_objects(name: str, size: int) -> None:
    text, number, lost = OBJECTS[name]
    reader = ArchiveReader()
    for at in range(0, len(text), size):
        reader.feed(text[at : at + size])
    assert (reader.facts().large_objects, reader.lost) == (number, lost)


def test_what_was_not_read_to_its_end_has_lost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_read, "_MOST", 100)
    reader = ArchiveReader()
    reader.feed(_MADE % 7 + _ROW % b"" + b"".join(b"CREATE ROLE r%d;\n" % n for n in range(9)))
    reader.feed(b"".join(b"CREATE TABLE public.t%d (a int);\n" % n for n in range(100)))
    found = reader.facts()
    assert (found.complete, found.large_objects, reader.lost) == (False, None, "")


def test_without_data_nobody_asks_for_large_objects() -> None:
    reader = ArchiveReader()
    reader.feed(_MADE % 7)
    assert reader.facts(data=False).large_objects is None


_END = b"--\n-- PostgreSQL database dump complete\n--\n\n"
_BEGIN = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n"
_LINE = b"\n-- PostgreSQL database dump complete\n"
ENDS: dict[str, tuple[bytes, bool | None]] = {
    "whole": (_BEGIN + _ROW % b"1\n" + b"\n\n" + _END, True),
    "with what newer versions put behind it": (
        _ROW % b"1\n" + _END + b"\\unrestrict abc\n\n",
        True,
    ),
    "without its last line break": (
        _ROW % b"1\n" + b"--\n-- PostgreSQL database dump complete",
        True,
    ),
    "with line breaks of another system": (_ROW % b"" + _END.replace(b"\n", b"\r\n"), True),
    "nothing but its end": (_END, True),
    "with a statement behind it": (_ROW % b"1\n" + _END + b"ANALYZE;\n", True),
    "two, one behind the other": (2 * (_BEGIN + _ROW % b"1\n" + _END), True),
    "cut": (_BEGIN + _ROW % b"1\n", False),
    "cut inside its last line": (_ROW % b"1\n" + _END[:20], False),
    "cut behind a row of INSERT that holds it": (
        b"INSERT INTO public.t VALUES (1, '-- PostgreSQL database dump complete');\n",
        False,
    ),
    "cut behind a text that holds it as a line": (
        b"INSERT INTO public.t VALUES (1, '" + _LINE + b"');\n",
        False,
    ),
    "cut inside such a text": (b"INSERT INTO public.t VALUES (1, '" + _LINE, False),
    "cut inside a long one": (
        b"INSERT INTO public.t VALUES (1, '" + b"x" * (3 << 20) + 2 * _LINE,
        False,
    ),
    "cut inside a function": (b"CREATE FUNCTION f() AS $$" + _LINE, False),
    "cut in COPY's data": (b"COPY public.t (a) FROM stdin;" + _LINE, False),
    "cut behind COPY's data": (b"COPY public.t (a) FROM stdin;" + _LINE + b"\\.\n\n", False),
    "the second of two cut": (_BEGIN + _END + _BEGIN + _ROW % b"1\n", False),
    "a word behind what looks like it": (_ROW % b"" + _LINE[:-1] + b" now\n", False),
    "strings of another kind": (b"SET standard_conforming_strings = off;\n" + _END, None),
}


@pytest.mark.parametrize("size", [7, 1 << 18])
@pytest.mark.parametrize("name", ENDS)
def test_where_a_plain_dump_ends(name: str, size: int) -> None:
    text, ended = ENDS[name]
    reader = ArchiveReader()
    for at in range(0, len(text), size):
        reader.feed(text[at : at + size])
    reader.facts()
    assert reader.ended is ended


def test_where_it_ends_is_not_known_of_what_was_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_read, "_MOST", 100)
    reader = ArchiveReader()
    reader.feed(b"".join(b"CREATE TABLE public.t%d (a int);\n" % n for n in range(100)) + _END)
    reader.facts()
    assert reader.ended is None


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (_END, "structure"),
        (b"SET standard_conforming_strings = off;\n" + _END, "structure"),
        (b"SET standard_conforming_strings = off;\n", "damaged"),
        (b"INSERT INTO public.t VALUES ('-- PostgreSQL database dump complete');\n", "damaged"),
    ],
)
def test_a_plain_dump_without_its_end_is_damaged(tmp_path: Path, text: bytes, state: str) -> None:
    path = tmp_path / "a.sql"
    path.write_bytes(_BEGIN + text)
    fact = drain(check_structure(path, (), CancelToken()))
    assert fact.state == state
    assert ("cut short" in fact.reason) is (state == "damaged")


def test_a_statement_without_end_stops_the_counting_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqltext, "MOST", 1 << 20)
    text = TOP + b"SELECT '" + b"x" * (3 << 20)
    found = read(text)
    assert found.rows is None
    assert "statement" in found.why_no_rows
    assert not found.complete
    assert found.text_bytes == len(text)


def test_more_names_than_any_dump_has_stop_the_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_read, "_MOST", 2000)
    text = b"".join(b"CREATE TABLE public.t%d (a int);\n" % n for n in range(1000))
    found = read(TOP + text)
    assert found.why_no_rows == "it names more than any dump does"
    assert not found.complete


def test_a_long_row_is_one_row() -> None:
    body = b"INSERT INTO public.t VALUES ('" + b"x" * (3 << 20) + b"');\n"
    text = b"CREATE TABLE public.t (a text);\n" + body * 2
    assert read(TOP + text).rows == {"public.t": 2}


SETTINGS: dict[str, tuple[bytes, DatabaseSettings | None]] = {
    "version 12": (
        b"CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'LATIN1'"
        b" LC_COLLATE = 'de_DE' LC_CTYPE = 'de_DE';",
        DatabaseSettings(encoding="LATIN1", collate="de_DE", ctype="de_DE"),
    ),
    "version 14": (
        b"CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C.UTF-8';",
        DatabaseSettings(encoding="UTF8", collate="C.UTF-8", ctype="C.UTF-8"),
    ),
    "ICU": (
        b"CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu"
        b" LOCALE = 'en_US.UTF-8' ICU_LOCALE = 'en-US' ICU_RULES = '&a<''x''';",
        DatabaseSettings(
            encoding="UTF8", provider="icu", collate="en_US.UTF-8", ctype="en_US.UTF-8",
            locale="en-US", rules="&a<'x'",
        ),
    ),
    "builtin": (
        b"CREATE DATABASE \"odd db\" WITH TEMPLATE = template0 ENCODING = 'UTF8'"
        b" LOCALE_PROVIDER = builtin LOCALE = 'C' BUILTIN_LOCALE = 'C.UTF-8';\n"
        b"\\connect \"odd'db\"\n",
        DatabaseSettings(
            encoding="UTF8", provider="builtin", collate="C", ctype="C", locale="C.UTF-8"
        ),
    ),
    "only the text's encoding": (b"", DatabaseSettings(encoding="UTF8")),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_how_the_database_wrote_and_sorted_text(name: str) -> None:
    text, settings = SETTINGS[name]
    more = b"\nCREATE TABLE public.t (a int);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n"
    found = read(TOP + text + more)
    assert found.settings == settings
    assert found.rows == {"public.t": 1}


def test_what_an_archive_needs() -> None:
    found = read(
        TOP + b"CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;\n"
        b"SET default_tablespace = '';\nSET default_tablespace = \"fast disk\";\n"
        b"ALTER TABLE public.t OWNER TO \"The Boss\";\nGRANT SELECT ON TABLE public.t TO app;\n"
        b"CREATE POLICY p ON public.t TO auditor USING ((a IN (SELECT b FROM accounts)));\n"
        b"ALTER DEFAULT PRIVILEGES FOR ROLE maker GRANT SELECT ON TABLES TO reader;\n"
        b"COMMENT ON TABLE public.t IS 'GRANT ALL ON x TO nobody; ALTER TABLE a OWNER TO b;';\n"
    )  # fmt: skip
    assert found.extensions == ("hstore",)
    assert found.tablespaces == ("fast disk",)
    assert found.owners == ("The Boss",)
    assert found.roles == ("app", "auditor", "maker", "reader")


# --- real dumps ------------------------------------------------------------------------------

_SCHEMA = r"""
CREATE TABLE plain (id int PRIMARY KEY, t text);
INSERT INTO plain SELECT n, E'line\nbreak\\.\n''quoted'' $$ ; -- ' || n FROM generate_series(1, 700) n;
CREATE TABLE bare ();
INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES;
CREATE UNLOGGED TABLE fleeting (id int); INSERT INTO fleeting VALUES (1), (NULL);
CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2), (3);
CREATE TABLE parts (id int, k text) PARTITION BY LIST (k);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b') PARTITION BY RANGE (id);
CREATE TABLE parts_b1 PARTITION OF parts_b FOR VALUES FROM (1) TO (100);
INSERT INTO parts VALUES (1, 'a'), (2, 'a'), (3, 'b');
CREATE TABLE no_parts (id int) PARTITION BY HASH (id);
CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (1) STORED);
INSERT INTO made DEFAULT VALUES;
CREATE TABLE big (t text); INSERT INTO big SELECT repeat('x', 3000000);
CREATE SCHEMA "We;ird"; CREATE TABLE "We;ird"."COPY t (a) FROM stdin;" (id int);
INSERT INTO "We;ird"."COPY t (a) FROM stdin;" VALUES (1);
CREATE MATERIALIZED VIEW summed AS SELECT count(*) FROM plain;
CREATE FUNCTION shown() RETURNS text LANGUAGE sql AS $$
SELECT 'COPY public.plain (id) FROM stdin;
1
\.
INSERT INTO public.plain VALUES (9999);'
$$;
SELECT lo_from_bytea(0, 'a large object; COPY');
"""


@pytest.fixture(scope="module")
def varied(postgres: Postgres) -> Iterator[str]:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE \"varied 'db'\"")
    with postgres.connect("varied 'db'") as connection:
        connection.execute(_SCHEMA.encode())
    yield "varied 'db'"
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE \"varied 'db'\"")


@pytest.mark.parametrize(
    "options",
    [
        ("-Fc",),
        ("-Fc", "--inserts"),
        ("-Fd",),
        ("-Ft",),
        ("-Fp",),
        ("-Fp", "--create"),
        ("-Fp", "--inserts"),
        ("-Fp", "--column-inserts", "--on-conflict-do-nothing"),
        ("-Fc", "--load-via-partition-root"),
    ],
)
def test_an_archive_holds_what_the_database_held(
    postgres: Postgres,
    tools: tuple[PgTools, ...],
    reader: PostgresReader,
    varied: str,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    path = tmp_path / "dump"
    argv: list[str | Path] = [postgres.tools.path("pg_dump"), *options, f"--file={path}"]
    argv += [f"--host={postgres.server.socket}", "--username=postgres", f"--dbname={varied}"]
    assert complete(argv).exit_code == 0
    held = drain(check_structure(path, tools, CancelToken())).held
    assert held is not None
    there = drain(reader.count(postgres.ref.model_copy(update={"dbname": varied}))).tables
    aside = ("materialized view", "large objects")  # an archive holds no rows of these
    assert held.large_objects == 1
    assert held.rows == {row.table: row.rows for row in there if row.kind not in aside}
    assert held.uncounted == {}
    assert held.source_major == postgres.tools.major
    assert held.settings is not None
    if "-Fp" not in options or "--create" in options:
        assert held.settings.sorting == "builtin C.UTF-8"


def test_several_rows_in_an_insert_are_not_counted(
    postgres: Postgres, tools: tuple[PgTools, ...], tmp_path: Path
) -> None:
    path = postgres.dump(tmp_path / "dump", "-Fc", "--rows-per-insert=100")
    held = drain(check_structure(path, tools, CancelToken())).held
    assert held is not None
    assert held.rows == {"public.nothing_yet": 0} or held.rows == {}
    assert "public.bookings" in held.uncounted


# --- held to it ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-Fc", "-Fp"])
def test_a_restore_is_held_to_the_rows_of_its_archive(
    postgres: Postgres,
    targets: FreshTargets,
    production: list[ProductionIdentity],
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    option: str,
) -> None:
    path = postgres.dump(tmp_path / "copies" / "dump", option)
    held = drain(check_structure(path, tools, CancelToken())).held
    copy = LocalCopy(name="copies/dump", size=1, sha256="", checked="structure", held=held)
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    drain(targets.load(target, copy))
    verdicts = []
    for statement in (None, "DELETE FROM public.bookings WHERE id = 7", "DROP TABLE nothing_yet"):
        if statement is not None:
            assert target.loader is not None
            with pgsession.connect(target.loader, os.environ, read_only=False) as connection:
                connection.execute(statement.encode())
                connection.commit()
        counts = drain(targets.count(target))
        found = compare(counts, None, None, archive=expected_of(copy.held, counts))
        verdicts.append(
            (found.verdict, {row.table for row in found.tables if row.verdict != "pass"})
        )
    assert verdicts == [
        ("pass", set()),
        ("fail", {"public.bookings"}),
        ("fail", {"public.bookings", "public.nothing_yet"}),
    ]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (("-t", "customers"), {"public.customers": 500}),
        (("--section=data",), COUNTS | {"public.events_2026": 7}),
        (("--exclude-table-data=bookings",), {k: n for k, n in COUNTS.items() if "book" not in k}),
        (("--schema-only",), {}),
    ],
)
def test_parts_of_a_database(
    postgres: Postgres,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    options: tuple[str, ...],
    rows: dict[str, int],
) -> None:
    path = postgres.dump(tmp_path / "dump", "-Fc", *options)
    fact = drain(check_structure(path, tools, CancelToken()))
    assert fact.state == "structure"
    assert fact.held is not None
    found = dict(fact.held.rows or {})
    if options == ("--section=data",):
        del rows["public.events"]  # which table is whose partition is not in the data
    if options == ("--schema-only",):
        assert set(fact.held.uncounted) == {"public.events"}
    assert found == rows


NAMES = ", ".join(f"shipping_address_line_{number}" for number in range(20)).encode()
HOSTILE: dict[str, bytes] = {
    "columns with a line break behind": b"INSERT INTO public.t (" + NAMES + b")\nVALUES (1);",
    "one long column": b"INSERT INTO public.t (" + b"a" * 100_000 + b"\n) VALUES (1);",
    "columns without commas": b"INSERT INTO public.t (" + b"a " * 100_000 + b") VALUES (1);",
    "quotes": b'INSERT INTO "' + b'""' * 100_000 + b'" (' + b'"a""b", ' * 10_000 + b");",
    "parentheses": b"COPY public.t (" + b") " * 100_000 + b" FROM nowhere;",
    "blanks": b"COPY public.t" + b" " * 200_000 + b"FROM nowhere;",
    "owners": b"ALTER TABLE x" + b" OWNER TO a" * 20_000 + b" ;",
    "comments": b"-- \n" * 100_000 + b"INSERT INTO t;",
    "partitions": b"CREATE TABLE t (" + b") " * 50_000 + b" PARTITION BY RANGE;",
    "roles": b"GRANT SELECT ON t TO " + b"a, " * 50_000 + b";",
    "a body": b"CREATE FUNCTION f() " + b"BEGIN CASE ( ; " * 30_000 + b";",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_statement_takes_longer_than_its_length_asks_for(name: str) -> None:
    """A search that does not come back stops the whole program: nobody could cancel it."""
    begun = time.process_time()
    found = read(TOP + b"CREATE TABLE public.t (a text);\n" + HOSTILE[name] + b"\n")
    assert time.process_time() - begun < 3
    assert found.source_version == "16.4"


def test_an_insert_of_another_form_makes_its_rows_uncounted() -> None:
    text = b"CREATE TABLE public.t (a text);\n" + HOSTILE["columns with a line break behind"]
    assert set(read(TOP + text).uncounted) == {"public.t"}
