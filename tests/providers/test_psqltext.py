"""psql's own commands in a dump: its own restriction is taken out, ours stands around what is left."""

import pytest

from drbook.providers.targets.psqltext import KEPT, knows_restrict, restricted, without_own_pair

DUMP = b"-- PostgreSQL database dump\n\\restrict abc\nSELECT 1;\n%s\n\\unrestrict abc\n-- end\n"
FIRST = b"\\restrict abc\n"
LAST = b"\\unrestrict abc\n"


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize("body", [b"", b"x" * 50_000 + b"\n"])
def test_a_dumps_own_restriction_is_taken_out_wherever_chunks_end(size: int, body: bytes) -> None:
    data = DUMP % body
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    text = b"".join(without_own_pair(pieces))
    assert text == b"-- PostgreSQL database dump\nSELECT 1;\n%s\n-- end\n" % body


@pytest.mark.parametrize("size", [1, 4096, KEPT - 1, KEPT, KEPT + 1, 1 << 20])
def test_the_pair_is_looked_for_as_far_from_the_ends_as_is_said_and_no_further(size: int) -> None:
    def passed(before: int, after: int) -> bytes:
        lead, tail = b"-" * (before - 1) + b"\n", b"\n" + b"-" * (after - 1)
        data = lead + FIRST + b"b" * 3 * KEPT + b"\n" + LAST + tail
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        return b"".join(without_own_pair(pieces))

    within = passed(KEPT - len(FIRST), KEPT - len(LAST))
    assert b"restrict" not in within
    assert b"\\restrict" in passed(KEPT + 1, 1)
    assert b"\\unrestrict" in passed(1, KEPT + 1)


@pytest.mark.parametrize("length", [0, KEPT - 1, KEPT, KEPT + 1, 3 * KEPT])
@pytest.mark.parametrize("size", [1, 1000, KEPT, 1 << 20])
def test_a_text_without_a_pair_is_passed_on_whole(length: int, size: int) -> None:
    data = bytes(at % 251 for at in range(length))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert b"".join(without_own_pair(pieces)) == data


def test_only_one_pair_is_a_dumps_own() -> None:
    assert b"".join(without_own_pair([FIRST * 3 + b"b" * 3 * KEPT + b"\n" + LAST * 3])) == (
        FIRST * 2 + b"b" * 3 * KEPT + b"\n" + LAST * 2
    )


ROW = b"COPY t (a, b) FROM stdin;\n1\tx\n\\restrict abc the rest\t2\n\\unrestrict abc\t3\n\\.\n\n"
"""Two values that begin with a carriage return and a line feed's neighbour, as COPY writes them."""


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("lead", [b"", b"-- PostgreSQL database dump\n\n", b"-- one\r\n\t\n--\n"])
@pytest.mark.parametrize("tail", [b"", b"\n-- PostgreSQL database dump complete\n--\n\n"])
def test_a_row_that_looks_like_one_is_a_row(size: int, lead: bytes, tail: bytes) -> None:
    for data, expected in (
        (lead + ROW + tail, lead + ROW + tail),
        (lead + FIRST + ROW + tail + LAST, lead + ROW + tail),
        (lead + FIRST + ROW + LAST + tail, lead + ROW + tail),
        (lead + FIRST + ROW + tail, lead + ROW + tail),
        (lead + ROW + LAST + tail, lead + ROW + LAST + tail),  # psql refuses it
        (lead + FIRST + ROW + b"\\unrestrict abcd\n", lead + ROW + b"\\unrestrict abcd\n"),
        (lead + FIRST + ROW + b"x" + LAST, lead + ROW + b"x" + LAST),
        (lead + FIRST + ROW + b"\\unrestrict abc", lead + ROW),
        (lead + FIRST + ROW + LAST + ROW + b"SELECT 2;\n", lead + ROW + ROW + b"SELECT 2;\n"),
        (lead + FIRST + ROW + LAST + ROW + LAST, lead + ROW + LAST + ROW),
        (lead + FIRST + ROW + LAST + b"\\unrestrict abcd\n", lead + ROW + b"\\unrestrict abcd\n"),
        (lead + b"x;\n" + FIRST + ROW, lead + b"x;\n" + FIRST + ROW),
    ):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert b"".join(without_own_pair(pieces)) == expected


def test_little_is_held_back_of_a_long_dump() -> None:
    taken = 0

    def pieces() -> object:
        nonlocal taken
        for _ in range(100):
            taken += 1000
            yield b"x" * 1000

    given = 0
    for piece in without_own_pair(pieces()):  # type: ignore[arg-type]
        given += len(piece)
        assert taken - given <= KEPT
    assert given == 100_000


def test_what_a_dump_hides_in_its_middle_stays_behind_our_restriction() -> None:
    body = b"x" * 20_000 + b"\n\\unrestrict abc\n\\! touch /tmp/never\n" + b"y" * 20_000
    text = b"".join(restricted([DUMP % body], "SELECT 'guard';\n", "token", 180006))
    assert text.startswith(b"\\restrict token\nSELECT 'guard';\n")
    assert text.endswith(b"\n\\unrestrict token\n")
    assert b"\n\\unrestrict abc\n\\!" in text


@pytest.mark.parametrize(
    ("version", "known"),
    [
        (90624, False),
        (120022, False),
        (120099, False),
        (130021, False),
        (130022, True),
        (140018, False),
        (140019, True),
        (150013, False),
        (150014, True),
        (150018, True),
        (160009, False),
        (160010, True),
        (170005, False),
        (170006, True),
        (180000, True),
        (190000, True),
    ],
)
def test_which_versions_know_the_restriction(version: int, known: bool) -> None:
    assert knows_restrict(version) is known
    text = b"".join(restricted([b"SELECT 1;"], "guard;\n", "token", version))
    assert (b"\\restrict" in text) is known
    assert b"guard;\n" in text
    assert text.endswith(b"\\unrestrict token\n" if known else b"guard;\nSELECT 1;")
