"""Statements of a dump, found wherever its chunks end, and nothing else taken for one."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drbook.providers import sqltext
from drbook.providers.archive_list import needy
from drbook.providers.archive_needs import Needs, needs_in
from drbook.providers.sqltext import without
from drbook.providers.targets.ground import Ground, Leaving, left_out
from drbook.providers.targets.psqltext import without_own_pair

TEXT = rb"""-- a comment; with ' and "
SET x = on;
DROP ME;
CREATE FUNCTION f() RETURNS int AS $body$ BEGIN; DROP ME; $b$ ; END $body$;
INSERT INTO "odd;""name" VALUES ('it''s; DROP ME;', E'\'; DROP ME;');
/* DROP ME; /* nested; */ DROP ME; */ SELECT 1;
COPY "a;b" (x) FROM stdin;
DROP ME;
it's \\. $$ ; -- /*
\.

DROP ME;
COPY (SELECT 1) TO stdout;
SELECT $1, a$b$c, 'end';
"""


def unwanted(statement: bytes) -> bool:
    return statement.strip() == b"DROP ME;"


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_only_whole_statements_are_left_out(size: int, newline: bytes) -> None:
    data = TEXT.replace(b"\n", newline)
    left = b"".join(without(pieces(data, size), unwanted))
    expected = data.replace(b"on;" + newline + b"DROP ME;", b"on;")
    expected = expected.replace(b"\\." + newline * 2 + b"DROP ME;", b"\\." + newline)
    assert left == expected


ATOMIC = b"""SELECT 1;
CREATE PROCEDURE two(n int DEFAULT (1)) LANGUAGE sql
BEGIN ATOMIC
 DROP ME;
 INSERT INTO t DEFAULT VALUES; -- END
 SELECT CASE WHEN n > 1 THEN 'END;' ELSE "begin;end" END, (begin_at) FROM x;
 DROP ME;
END;
DROP ME;
create or replace function begin_end(case_ int, "end" int) returns int as $$ BEGIN ATOMIC; $$ language sql;
DROP ME;
CREATE RULE r AS ON INSERT TO t DO ALSO ( UPDATE t SET begin = 1;
 DROP ME;
 DELETE FROM ";(" WHERE x = ')'; );
DROP ME;
CREATE TABLE begin (n int);
DROP ME;
"""


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1 << 20])
def test_a_body_of_statements_is_one_statement(size: int) -> None:
    """From PostgreSQL 14 a function may hold them without quotes, and a rule always could."""
    left = b"".join(without(pieces(ATOMIC, size), unwanted))
    outside = [b"END;\nDROP ME;", b"sql;\nDROP ME;", b"); );\nDROP ME;", b"(n int);\nDROP ME;"]
    outside[2] = b"x = ')'; );\nDROP ME;"
    expected = ATOMIC
    for each in outside:
        assert each in expected
        expected = expected.replace(each, each.removesuffix(b"\nDROP ME;"))
    assert left == expected
    assert left.count(b"DROP ME;") == 3


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"'",
                b'"',
                b"$$",
                b"$a$",
                b"--",
                b"\n",
                b"/*",
                b"*/",
                b";",
                b"\\",
                b"E'",
                b"\\.\n",
                b"COPY t FROM stdin;\n",
                b"x",
                b" ",
                b"DROP ME;",
                b"\xff",
            ]
        ),
        max_size=30,
    ).map(b"".join),
    st.integers(1, 9),
)
def test_what_is_not_left_out_passes_byte_for_byte(data: bytes, size: int) -> None:
    assert b"".join(without(pieces(data, size), lambda statement: False)) == data
    whole = b"".join(without([data], unwanted))
    assert b"".join(without(pieces(data, size), unwanted)) == whole


def test_a_long_statement_passes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqltext, "LONGEST", 1000)
    data = b"SELECT '" + b"y" * 50_000 + b"'; DROP ME;"
    seen: list[int] = []

    def look(statement: bytes) -> bool:
        seen.append(len(statement))
        return unwanted(statement)

    assert b"".join(without(pieces(data, 700), look)) == data.removesuffix(b" DROP ME;")
    assert max(seen) < 2000


# --- comments before COPY ------------------------------------------------------------------------

LEADS = {
    "nothing": b"",
    "a blank line": b"\n \t\n",
    "lines": b"-- one ' ;\n--\n\n-- two $$\n",
    "a comment": b"/* ; ' */ ",
    "nested ones": b"/* a /* b */ ; /* c */ */\n-- d\n/**/",
    "many": b"/**/" * 60,
}


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
@pytest.mark.parametrize("name", LEADS)
def test_copy_is_known_behind_comments(name: str, size: int) -> None:
    data = b"SELECT 1;" + LEADS[name] + b"COPY t FROM stdin;\nDROP ME;\n\\.\nDROP ME;"
    left = b"".join(without(pieces(data, size), unwanted))
    assert left == data.removesuffix(b"DROP ME;")


@pytest.mark.parametrize(
    "before", [b"x /* c */", b"'a' -- b\n", b"E'a' -- b\n", b'"q" /* c */', b"$$ $$ /* c */"]
)
def test_copy_behind_anything_else_is_no_copy(before: bytes) -> None:
    data = before + b"COPY t FROM stdin;\nDROP ME;\n\\.\n"
    assert b"".join(without([data], unwanted)) == data.replace(b"\nDROP ME;", b"")


# --- text that was made to take long -------------------------------------------------------------

_MANY = 1024 * 1024
HOSTILE = {
    "short comments": b"/**/" * 60 + b"SELECT 1;\n",
    "nothing but comments": b"/**/" * (_MANY // 4),
    "comments that are not closed": b"/*" * (_MANY // 2),
    "line comments": b"--\n" * (_MANY // 3) + b"x;",
    "blank space": b" \n" * (_MANY // 2) + b"x;",
    "statements of nothing": b";" * _MANY,
    "an escaped string": b"SELECT E'" + b"a" * 4 * _MANY,
    "an escaped string of quotes": b"SELECT E'" + b"''" * _MANY,
    "an escaped string of backslashes": b"SELECT E'" + b"\\\\" * _MANY,
    "escaped strings": b"E'" * (_MANY // 2),
    "quotes": b"'\"" * (_MANY // 4),
    "dollars": b"$a$b" * (_MANY // 4),
    "a dollar's name": b"$" + b"a" * _MANY,
    "copies": b"COPY FROM stdin " * (_MANY // 16) + b";",
    "the ends of copies": b"COPY t FROM stdin;\n" + b"\n\\." * (_MANY // 3),
    "what comes from": b"COPY " + b" FROM " * (_MANY // 8) + b";",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_longer_than_its_length_asks_for(name: str) -> None:
    """Each of these took minutes to years where a search goes back over what it has seen."""
    began = time.monotonic()
    left = b"".join(without(pieces(HOSTILE[name], 256 * 1024), lambda statement: False))
    assert left == HOSTILE[name]
    assert time.monotonic() - began < 60


QUOTED = '"' + 'a""' * 400_000
STATEMENTS = {
    "a name without an end": f"GRANT x TO {QUOTED}",
    "a long name": f'GRANT x TO {QUOTED}";',
    "many names": "GRANT x TO a" + ", a" * 200_000 + ', "',
    "many beginnings": 'GRANT x TO "' * 100_000,
    "quotes between": 'GRANT x TO """ ' * 100_000,
    "extensions without an end": 'CREATE EXTENSION "a\n' * 50_000,
    "schemas without an end": 'CREATE EXTENSION a WITH SCHEMA "\n' * 30_000,
    "publications without an end": 'CREATE PUBLICATION "\n' * 50_000,
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_nor_does_finding_what_a_dump_needs(name: str) -> None:
    began = time.monotonic()
    needs_in(STATEMENTS[name])
    assert time.monotonic() - began < 60


OWNERS = [
    b"ALTER " + b" OWNER TO " * 400_000,
    b"ALTER " + b"\tOWNER\t\t\tTO\t\t" * 300_000 + b'"',
    b"ALTER " + b' OWNER TO "' * 300_000,
    b'ALTER TABLE x OWNER TO "' + b'""' * 2000 + b";",
    (b" " * 20 + b"--\n") * 50_000 + b"-x",
    b'CREATE SCHEMA "' + b'""' * 500_000,
]


@pytest.mark.parametrize("number", range(len(OWNERS)))
def test_nor_does_asking_whether_a_statement_is_left_out(number: int) -> None:
    leaving = Leaving(Needs(), Ground())
    began = time.monotonic()
    for _ in range(20):
        leaving(OWNERS[number])
    assert time.monotonic() - began < 60


def test_nor_does_a_dump_s_own_restriction() -> None:
    began = time.monotonic()
    for text in (b"\\restrict " + b"a" * _MANY, b"\\restrict" + b" \t" * _MANY, b"\n" * _MANY):
        assert len(b"".join(without_own_pair(pieces(text, 256 * 1024)))) >= _MANY - 10_000
    assert time.monotonic() - began < 60


def test_nor_does_an_archive_s_list() -> None:
    began = time.monotonic()
    lines = ["1; 2 3 " + "COMMENT x " * 100_000, "1" * _MANY, " PUBLICATION" * 100_000]
    needy(lines)
    assert left_out(lines, Needs(), Ground()) == {}
    assert time.monotonic() - began < 60
