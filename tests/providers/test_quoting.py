"""A value that was quoted by one program after another, each in its own way, is masked all the same."""

import csv
import html
import io
import json
import re
import shlex
from collections.abc import Callable
from itertools import product
from urllib.parse import quote, quote_plus

import pytest

from drbook.providers.forms import LONGEST, written
from drbook.providers.hiding import MASK, Known
from drbook.providers.readings import as_said, undone, unescaped

VALUES = (
    "quo'te a \\ b + c word-7788",
    "p4ss'w\"rd+/&<x> =%41#k9Zq",
    "correct horse battery staple 42",
    "it's-ok1",
    "9f;6<rcc57t25c",
)


def _csv(text: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(["id", text])
    return out.getvalue()


QUOTES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "url": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "encodeURIComponent": lambda text: quote(text, safe="!'()*~"),
    "json": json.dumps,
    "repr": repr,
    "shell": shlex.quote,
    "printf %q": lambda text: re.sub(r"[^A-Za-z0-9_@%+=:,./-]", r"\\\g<0>", text),
    "$''": lambda text: "$'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "html": html.escape,
    "sql": lambda text: "'" + text.replace("'", "''") + "'",
    "conninfo": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "csv": _csv,
    "numbers": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "units": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    "bytes": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
}


def letters(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)


def parts(value: str) -> set[str]:
    """What must not be left: the letters of it, and each eight of them in a row."""
    told = letters(value)
    return {told, *(told[at : at + 8] for at in range(len(told) - 7))}


@pytest.mark.parametrize(("first", "second"), list(product(QUOTES, QUOTES)))
def test_two_programs_one_after_the_other(first: str, second: str) -> None:
    for value in VALUES:
        shown = Known([value]).scrub(f"before {QUOTES[second](QUOTES[first](value))} behind")
        assert not {each for each in parts(value) if each in letters(shown)}, (value, shown)
        assert shown.startswith("before ")
        assert shown.endswith(" behind")


@pytest.mark.parametrize("blank", [" ", "+", "%20", "%0a", "&#32;", "\\x20", "\\u0020", "\\ "])
@pytest.mark.parametrize("slash", ["\\", "\\\\", "%5c", "\\x5c", "&#92;", "\\u005c"])
@pytest.mark.parametrize("plus", ["+", "%2b", "\\x2b", "\\u002b", "&#43;", "\\+"])
def test_each_character_in_its_own_way(blank: str, slash: str, plus: str) -> None:
    value = VALUES[0]
    other = {" ": blank, "\\": slash, "+": plus, "'": "'\\''"}
    text = "".join(other.get(each, each) for each in value)
    assert Known([value]).scrub(f"<{text}>") == f"<{MASK}>"


def test_a_typed_text_is_read_in_the_same_ways() -> None:
    known = Known([VALUES[0]])
    for first in QUOTES.values():
        assert known.holds(f"it was {first(VALUES[0])}.")
    assert not known.holds("it was quo'te a \\ b, and no more")
    assert not Known([VALUES[3]]).holds(f"it was {VALUES[3]}, which is short")


@pytest.mark.parametrize(("value", "meant"), [("a-b-c-d-e-1", False), ("a-b-c-d-e-f1", True)])
def test_from_twelve_characters_on_a_typed_value_is_no_accident(value: str, meant: bool) -> None:
    known = Known([value])
    assert known.holds(value) is meant
    assert known.holds(value.replace("-", "%2d")) is meant
    assert known.holds(f"'{value[:5]}''{value[5:]}'") is meant


@pytest.mark.parametrize("word", ["o'connor's", "two words", "a-b", "x'y z"])
def test_a_word_is_not_looked_for_without_its_quotes(word: str) -> None:
    text = f"'{letters(word)}' and \"{letters(word)}\""
    assert Known([word], words_too=True).scrub(text) == text or word == "two words"


def test_as_often_as_it_was_escaped_up_to_three_times() -> None:
    texts = ["a b\u00e9-77"]
    for _ in range(4):
        texts.append(quote(texts[-1], safe=""))
    for times, found in ((1, 1), (2, 2), (3, 3), (4, 3)):
        readings = list(undone(texts[times]))
        assert len(readings) == found
        assert (readings[-1].said == "ab\u00c3\u00a9-77") is (times < 4)
        assert list(readings[-1].spans((0, len(readings[-1].said)))) == [(0, len(texts[times]))]


MEANT = [
    ("a\\/b", "a/b"),
    ("a\\\\'b", "a'b"),
    ("a&AMP;b&lt;c", "a&b<c"),
    ("a!b\x7fc d\x1f", "a!bcd"),
    ("\u0080", "\xc2\x80"),
    ("a\udc80b\udcff", "a\x80b\xff"),
    ("\udc7f\udd00\ud800", "\xed\xb1\xbf\xed\xb4\x80\xed\xa0\x80"),
    ("&#1114111;", "\xf4\x8f\xbf\xbf"),
    ("a&#1114112;b&#x110000;c", "abc"),
    ("\\ud83d\\ude00", "\xf0\x9f\x98\x80"),
    ("\\u{0000041}\\U00000042\\103\\x44%45", "ABCDE"),
]


@pytest.mark.parametrize(("text", "said"), MEANT)
def test_what_a_text_says(text: str, said: str) -> None:
    assert unescaped(text).said == said


@pytest.mark.parametrize(
    ("value", "said"),
    [("a!b\x7fc d\x1f", "a!bcd"), ("\u0080\udcff", "\xc2\x80\xff"), ("%41", "%41")],
)
def test_what_a_value_says_as_it_stands(value: str, said: str) -> None:
    assert as_said(value) == said


WRITTEN: list[tuple[str, str, bool]] = [
    ("a-b", "a-b", True),
    ("a-b", "a \n\x00-\\r\\n\\tb", True),
    ("a-b", "a-c", False),
    ("a-b", "a-b ", False),
    ("a\x00b", "ab", True),
    ("\x00", "\x00", True),
    ("a&b", "a&amp;b", True),
    ("a<b", "a&lt;b", True),
    ("a>b", "a&gt;b", True),
    ('a"b', "a&quot;b", True),
    ('a"b', 'a""b', True),
    ("a'b", "a&apos;b", True),
    ("a'b", "a&#x27;b", True),
    ("a'b", "a''b", True),
    ("a'b", "a'\\''b", True),
    ("a'b", "a'\"'\"'b", True),
    ("a\u00e9b", "a\\xE9b", True),
    ("a\u00ffb", "a\\xffb", True),
    ("a\u0100b", "a\\x100b", False),
    ("a\u007fb", "a\\x7fb", False),
    ("a\u0080b", "a\\x80b", True),
    ("a b", "a  b", True),
    ("a b", "a+\x00\\n\\\\\\\\ \n\tb", True),
    ("a b", "ab", False),
    ("a b", "a" + " " * 100 + "b", True),
    ("a b", "a" + " " * 101 + "b", False),
    (" a-b ", "a-b", True),
    ("a\\b", "a\\\\\\\\b", True),
    ("a\\b", "a\\\\\\\\\\b", False),
    ("a\\b", "ab", False),
    ("X\\X", "X\\\\X", True),
    ("a\\\\b", "a\\b", False),
    ("a\\nb", "a\\nb", True),
    ("a\\\\b", "a" + "\\" * 8 + "b", True),
    ("\\\\", "\\\\", True),
    ("\\\\", "\\\\\\", False),
    (" ", " ", True),
    (" ", "  ", False),
    ("a-" * (LONGEST // 2), "a -" * (LONGEST // 2), True),
    ("a-" * (LONGEST // 2) + "a", "a -" * (LONGEST // 2) + "a", False),
    ("a-" * LONGEST, "a-" * LONGEST, True),
]


@pytest.mark.parametrize(("value", "text", "meant"), WRITTEN)
def test_the_pattern_of_a_value(value: str, text: str, meant: bool) -> None:
    assert (re.fullmatch(written(value), text) is not None) is meant
