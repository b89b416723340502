"""YAML as bytes: what is refused before anything is built, and what plain scalars mean."""

import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from drbook.core.errors import Problem, RunbookInvalid
from drbook.core.values import Json
from drbook.language.check import Vocabulary
from drbook.language.load import load_file
from drbook.language.source import MAX_BYTES, parse, read_file, resolve

Problems = Callable[[str | bytes], tuple[Problem, ...]]

WHOLE: list[tuple[bytes, str]] = [
    (b"", "an empty file"),
    (b"   \n\n \t\n", "an empty file"),
    (b"\xef\xbb\xbf", "an empty file"),
    (b"a: \xff", "a byte that is not UTF-8 at offset 3"),
    ("a: ü".encode("latin-1"), "a byte that is not UTF-8 at offset 3"),
    ("drbook: 1".encode("utf-16"), "a byte that is not UTF-8 at offset 0"),
    (b"a: \xed\xa0\x80", "a byte that is not UTF-8"),
    (b"x" * (MAX_BYTES + 1), "1,048,577 bytes"),
]


@pytest.mark.parametrize(("data", "found"), WHOLE, ids=range(len(WHOLE)))
def test_the_file_as_a_whole(problems: Problems, data: bytes, found: str) -> None:
    (problem,) = problems(data)
    assert (problem.line, problem.column) == (0, 0)
    assert found in problem.found
    assert problem.expected
    assert str(problem).startswith("r.yaml: found ")


@pytest.mark.parametrize("byte", [0, 1, 7, 8, 0x0B, 0x0C, 0x1B, 0x1F, 0x7F])
def test_control_characters_are_refused(problems: Problems, byte: int) -> None:
    (problem,) = problems(b"drbook: 1\ntitle: a" + bytes([byte]) + b"b\n")
    assert "control character" in problem.expected
    assert bytes([byte]).decode() not in str(problem)


NOT_A_MAPPING: list[tuple[bytes, str, int, int]] = [
    (b"# only\n# comments\n", "nothing", 1, 1),
    (b"- a\n- b\n", "a list", 1, 1),
    (b"\n\n  hello\n", "the text 'hello'", 3, 3),
    (b"42", "the number 42", 1, 1),
    (b"true", "true", 1, 1),
    (b"---\n", "nothing", 2, 1),
    (b"~", "nothing", 1, 1),
]


@pytest.mark.parametrize(("data", "found", "line", "column"), NOT_A_MAPPING)
def test_not_a_mapping(problems: Problems, data: bytes, found: str, line: int, column: int) -> None:
    (problem,) = problems(data)
    assert (problem.found, problem.line, problem.column) == (found, line, column)
    assert problem.expected == "a mapping that starts with `drbook: 1`"


REFUSED: list[tuple[str, int, int, str]] = [
    ("a: &x 1\nb: 2", 1, 4, "the anchor &x"),
    ("a: &x {b: 1}\nc: *x", 2, 4, "the alias *x"),
    ("a: *nowhere", 1, 4, "the alias *nowhere"),
    ("a: !!python/object:os.system {}", 1, 4, "the tag tag:yaml.org,2002:python/object:os.system"),
    ("a: !!str 1", 1, 4, "the tag tag:yaml.org,2002:str"),
    ("a: !mine x", 1, 4, "the tag !mine"),
    ("&k a: 1", 1, 1, "a key with an anchor or a tag"),
    ("!!str a: 1", 1, 1, "a key with an anchor or a tag"),
    ("? [a]\n: 1", 1, 3, "a key that is not a text"),
    ("a: 1\nb: 2\na: 3", 3, 1, "`a` a second time"),
    ("x:\n  - k: 1\n    k: 2", 3, 5, "`k` a second time"),
    ("a: 1\n'a': 2", 2, 1, "`a` a second time"),
    ("a: 1\n---\nb: 2", 2, 1, "a second document"),
    ("a: 1\n...\n---\nb: 2", 3, 1, "a second document"),
    ("a:\n\tb: 1", 2, 1, "character that cannot start any token"),
    ("a: [1, 2", 2, 1, "did not find expected ',' or ']'"),
    ("a: 'open", 1, 9, "unexpected end of stream"),
    ("a: b: c", 1, 5, "mapping values are not allowed in this context"),
    ("a: 1\n b: 2", 2, 3, "mapping values are not allowed in this context"),
    ("a: @b", 1, 4, "character that cannot start any token"),
    ("%YAML 9.9\n---\na: 1", 1, 1, "incompatible YAML document"),
]


@pytest.mark.parametrize(("text", "line", "column", "found"), REFUSED)
def test_refused_with_its_place(text: str, line: int, column: int, found: str) -> None:
    try:
        found_problems = tuple(parse(text.encode(), "r.yaml").problems)
    except RunbookInvalid as error:
        found_problems = error.problems
    assert [(p.line, p.column, p.found) for p in found_problems if p.found == found] == [
        (line, column, found)
    ]


def test_a_second_key_names_the_line_of_the_first() -> None:
    (problem,) = parse(b"a: 1\nb: 2\na: 3", "r.yaml").problems
    assert problem.expected == "it once; the first is on line 1"
    assert problem.path == "a"


def test_a_billion_laughs_are_refused_quickly(problems: Problems) -> None:
    lines = ["a0: &a0 [lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    begun = time.monotonic()
    found = problems("\n".join(lines))
    assert time.monotonic() - begun < 2
    assert any(p.found == "the alias *a10" for p in found)


def nested(depth: int) -> bytes:
    """A document whose innermost value is that many levels deep."""
    return b"[" * (depth - 1) + b"1" + b"]" * (depth - 1)


def test_fifty_levels_are_allowed() -> None:
    assert parse(nested(50), "r.yaml").problems == []


@pytest.mark.parametrize("depth", [51, 100, 1000])
def test_more_levels_are_not(depth: int) -> None:
    with pytest.raises(RunbookInvalid) as caught:
        parse(nested(depth), "r.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (1, 51)
    assert problem.found == "nesting deeper than 50 levels"


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"{" * 100_000,
        b"a: " + b"[" * 100_000,
        b"? " * 100_000,
        b"- " * 100_000,
        b"[[" * 50_000 + b"]" * 100_000,
        b"\n".join(b" " * n + b"a:" for n in range(1000)),
        b"!x " * 50_000,
        b"&x " * 50_000,
        b'"' + b"\\" * 99_999,
        b"a" * 100_000 + b":",
        b"{a: " * 50_000,
    ],
    ids=range(12),
)
def test_hostile_nesting_is_refused_quickly(problems: Problems, data: bytes) -> None:
    begun = time.monotonic()
    assert problems(data)
    assert time.monotonic() - begun < 3


SCALARS: list[tuple[str, Json]] = [
    ("no", "no"),
    ("No", "No"),
    ("yes", "yes"),
    ("on", "on"),
    ("off", "off"),
    ("y", "y"),
    ("22:30", "22:30"),
    ("1:20:30", "1:20:30"),
    ("2026-04-24", "2026-04-24"),
    ("2026-04-24T19:04:00Z", "2026-04-24T19:04:00Z"),
    ("0o17", 15),
    ("017", 17),
    ("0x1F", 31),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("+12", 12),
    ("-0", 0),
    ("12e03", 12000.0),
    ("1.5", 1.5),
    (".5", 0.5),
    ("5.", 5.0),
    ("1e999", "1e999"),
    (".inf", ".inf"),
    ("-.inf", "-.inf"),
    (".nan", ".nan"),
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("tRUE", "tRUE"),
    ("false", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("nULL", "nULL"),
    ("<<", "<<"),
    ("=", "="),
    ("٣", "٣"),
    ("1" * 31, "1" * 31),
    ("9" * 30, int("9" * 30)),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_plain_scalars_follow_yaml_1_2(text: str, value: Json) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("style", ["'{}'", '"{}"', "|-\n  {}", ">-\n  {}"])
@pytest.mark.parametrize("text", ["true", "12", "null", "0o17"])
def test_a_quoted_scalar_is_a_text(style: str, text: str) -> None:
    assert parse(f"a: {style.format(text)}".encode(), "r.yaml").value == {"a": text}


def test_a_merge_key_is_an_ordinary_key() -> None:
    assert parse(b"<<: {a: 1}", "r.yaml").value == {"<<": {"a": 1}}


def test_places_of_values_and_keys() -> None:
    source = parse(b"a: 1\nsteps:\n  - id: x\n    with: {p:   [7, 8]}\n", "r.yaml")
    assert source.place(("steps", 0, "id")) == (3, 9)
    assert source.place(("steps", 0, "id"), key=True) == (3, 5)
    assert source.place(("steps", 0, "with", "p", 1)) == (4, 21)
    assert source.place(("steps", 0, "with", "missing", 3)) == (4, 11)


# --- files --------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path: Path, vocabulary: Vocabulary) -> None:
    with pytest.raises(RunbookInvalid) as caught:
        load_file(tmp_path / "none.yaml", vocabulary)
    (problem,) = caught.value.problems
    assert problem.found == "no such file"
    assert problem.file.endswith("none.yaml")
    assert int(caught.value.exit_code) == 2


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(RunbookInvalid) as caught:
        read_file(tmp_path)
    assert caught.value.problems[0].found == "Is a directory"


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunbookInvalid):
        read_file(tmp_path / "file" / "r.yaml")


def test_a_path_that_cannot_be_one() -> None:
    with pytest.raises(RunbookInvalid):
        read_file(Path("a\0b"))
    with pytest.raises(RunbookInvalid):
        read_file(Path("x" * 5000))


def test_a_circle_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(RunbookInvalid):
        read_file(tmp_path / "a")


def test_a_large_file_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    path = tmp_path / "sparse.yaml"
    with path.open("wb") as stream:
        os.truncate(stream.fileno(), 50 * 1024 * 1024)
    tracemalloc.start()
    try:
        with pytest.raises(RunbookInvalid) as caught:
            read_file(path)
        assert tracemalloc.get_traced_memory()[1] < 512 * 1024
    finally:
        tracemalloc.stop()
    assert caught.value.problems[0].found == "52,428,800 bytes"


def test_a_file_that_never_ends() -> None:
    with pytest.raises(RunbookInvalid) as caught:
        read_file(Path("/dev/zero"))
    assert caught.value.problems[0].found == "more than 1 MiB"


def test_exactly_one_mebibyte_is_read(tmp_path: Path) -> None:
    path = tmp_path / "full.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert len(read_file(path)) == MAX_BYTES
