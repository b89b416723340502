"""Statements of a dump, found wherever its chunks end, and nothing else taken for one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drbook.providers import sqltext
from drbook.providers.sqltext import without

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
