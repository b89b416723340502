"""Somebody else's entries: what is taken, what is refused with its line, and what is the same entry."""

from datetime import UTC, datetime

import pytest

from drbook.core.errors import UsageError
from drbook.core.external import External, read_external, unknown_of

NOW = datetime(2026, 4, 25, tzinfo=UTC)
AT = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)
ONE = External(2, AT, "bot", "volume deleted", "railway")
TAKEN = [
    ("a.csv", "time,actor,text\n2026-04-24T19:04:00Z,bot,volume deleted\n"),
    ("a.csv", "time;actor;text;source\n2026-04-24T19:04:00Z;bot;volume deleted;railway\n"),
    ("a.csv", "\ufefftime\tactor\ttext\n2026-04-24T19:04:00Z\tbot\tvolume deleted\n"),
    ("a.csv", "time,actor,text,source\n2026-04-24T19:04:00Z,bot,volume deleted,railway\n"),
    (
        "a.csv",
        "\ufeffSource,Text,Actor,Time,id\r\nrailway,volume deleted,bot,2026-04-24 21:04+02:00,7",
    ),
    ("a.CSV", "time,actor,text\n2026-04-24 19:04:00 UTC,bot,volume deleted\n"),
    (
        "a.jsonl",
        '\n{"time": "2026-04-24T19:04:00Z", "actor": "bot", "text": "volume deleted", "source": null}\n',
    ),
]


@pytest.mark.parametrize(("name", "text"), TAKEN)
def test_what_is_taken(name: str, text: str) -> None:
    (found,) = read_external(text.encode(), name, NOW, "railway")
    assert found == ONE
    assert found.digest == ONE.digest


REFUSED = [
    ("a.csv", b"time,actor,text,source\n2026-04-24T19:04:00,a,b,c\n", "line 2: .*no zone"),
    ("a.csv", b"time,actor,text,source\n2026-04-24,a,b,c\n", "line 2: .*no zone"),
    ("a.csv", b"time,actor,text,source\n1777057440,a,b,c\n", "line 2: .*no time"),
    ("a.csv", b"time,actor,text,source\n2026-04-26T00:00:00Z,a,b,c\n", "has not come yet"),
    ("a.csv", b"time,actor,text,source\n2026-04-24T19:04:00Z,a,,\n", "text and source is empty"),
    ("a.csv", b"time,actor,text,source\n2026-04-24T19:04:00Z,a\n", "line 2: it has 2 cells"),
    ("a.csv", b'time,actor,text,source\n2026-04-24T19:04:00Z,"a"b,c,d\n', "line 2: it is no CSV"),
    ("a.csv", b"when,who,what\n", "columns: time, text, source missing; there is when, who, what"),
    ("a.csv", b"time,time,actor,text,source\n", "columns: time stands there more than once"),
    ("a.csv", b"time,actor,text\n", "columns: source missing; there is .*; --source names one"),
    ("a.csv", b"time;actor;source\n", "columns: text missing; there is time, actor, source"),
    ("a.csv", b"", "holds no entry"),
    ("a.csv", b"\xff\xfe", "not UTF-8"),
    ("a.txt", b"x", "its name ends"),
    ("a.jsonl", b'{"time": 5, "text": "x", "source": "s"}', "line 1: time is no text"),
    ("a.jsonl", b"[1]\n{", "(?s)line 1: it is no JSON object.*line 2: it is no JSON"),
    ("a.jsonl", b"[" * 100_000, "line 1: it is no JSON"),
    ("a.jsonl", b"[]\n" * 12, "and 2 more problems"),
    ("a.csv", b"x" * (8 * 1024 * 1024 + 1), "at most 8,388,608"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "why"), REFUSED)
def test_what_is_refused_is_refused_whole(name: str, data: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        read_external(data, name, NOW)
    assert caught.value.means == "Nothing was recorded."


def test_an_entry_is_entered_once() -> None:
    again = External(9, AT, "bot", "volume deleted", "railway")
    other = External(3, AT, "bot", "volume deleted", "chat")
    assert unknown_of([ONE, again, other], frozenset()) == (
        [(ONE.digest, ONE), (other.digest, other)],
        1,
    )
    assert unknown_of([ONE, other], frozenset({ONE.digest})) == ([(other.digest, other)], 1)


def test_what_is_too_long_is_cut_and_says_so() -> None:
    line = f'{{"time": "2026-04-24T19:04:00Z", "text": "{"x" * 5000}", "source": "s"}}'
    (found,) = read_external(line.encode(), "a.json", NOW)
    assert found.text.endswith("… (5,000 characters; the file has them all)")
    assert found.author == ""


def test_a_file_without_actors_is_taken_as_lines_without_them_are() -> None:
    (found,) = read_external(b"time,text\n2026-04-24T19:04:00Z,alert\n", "a.csv", NOW, "pager")
    assert (found.author, found.text, found.source) == ("", "alert", "pager")
