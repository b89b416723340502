"""What the reader asks for, how far it reads, and what an error of a query is taken for; no server."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from support.pg import drain

from drbook.core.capture import Pace
from drbook.core.difference import Wish
from drbook.core.errors import Cancelled, CouldNotVerify, StepFailed
from drbook.core.signals import Working
from drbook.core.targets import DatabaseRef
from drbook.providers import postgres as reading
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import KNOWN
from drbook.providers.postgres import Deadline, PostgresReader

REF, OTHER = DatabaseRef(host="left"), DatabaseRef(host="right")
ENVIRONMENT: Mapping[str, str] = {"A": "b"}
TOKEN = CancelToken()
MINUTE = timedelta(minutes=1)


def reader(strong: bool = False) -> PostgresReader:
    return PostgresReader(ENVIRONMENT, TOKEN, refuse_strong=strong)


def handed(*given: object) -> Working[Any]:
    yield from ()
    return given


# --- what is asked for --------------------------------------------------------------------------


def test_a_count_asks_for_what_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "count_all", handed)
    pace, work = Pace(jobs=7), SimpleNamespace()
    what, alongside = drain(
        reader(strong=True).count(
            REF, ignore_schemas=["s"], content=True, structure="names", pace=pace,
            alongside=work, ranges=True,  # type: ignore[arg-type]
        )
    )  # fmt: skip
    assert alongside is work
    assert what == reading.Counting(REF, ENVIRONMENT, TOKEN, ["s"], True, pace, True, "names", True)
    what, alongside = drain(reader().count(REF))
    assert alongside is None
    assert what == reading.Counting(
        REF, ENVIRONMENT, TOKEN, (), False, Pace(), False, "none", False
    )


@pytest.mark.parametrize("strong", [True, False])
def test_a_comparison_asks_both_sides(monkeypatch: pytest.MonkeyPatch, strong: bool) -> None:
    monkeypatch.setattr(reading, "pair_differences", handed)
    wish = Wish(sample=3)
    (what,) = drain(reader(strong).differences(REF, OTHER, wish, ignore_schemas=["s"]))
    timeout = Pace().statement_timeout
    assert what == reading.Pairing(REF, OTHER, ENVIRONMENT, TOKEN, ["s"], wish, timeout, strong)
    (what,) = drain(reader(strong).differences(REF, OTHER, wish))
    assert what.ignore == ()


class Sessions:
    """Stands where guarded sessions are made, and keeps what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, connection: object = None) -> None:
        self.connection = connection
        self.asked: list[object] = []
        monkeypatch.setattr(reading, "guarded", self.guarded)

    @contextmanager
    def guarded(self, *given: object, **named: object) -> Iterator[object]:
        self.asked.append((given, named))
        yield self.connection


@pytest.mark.parametrize("strong", [True, False])
def test_stretches_are_read_in_one_session(monkeypatch: pytest.MonkeyPatch, strong: bool) -> None:
    sessions = Sessions(monkeypatch, "a connection")
    monkeypatch.setattr(reading, "in_stretches", handed)
    found = drain(reader(strong).stretches(REF, {}, ignore_schemas=["s"]))
    assert found == ("a connection", {}, ["s"], TOKEN)
    assert drain(reader(strong).stretches(REF, {}))[2] == ()
    named = {"timeout": Pace().statement_timeout, "refuse_strong": strong}
    assert sessions.asked == [((REF, ENVIRONMENT, TOKEN), named)] * 2


# --- a query and its errors ---------------------------------------------------------------------


def asked(reader: PostgresReader, sql: str = "SELECT 1", **params: str) -> object:
    return reader.query(REF, sql, params, limit=3, timeout=MINUTE)


@pytest.mark.parametrize("strong", [True, False])
def test_a_query_has_a_session_of_its_own(monkeypatch: pytest.MonkeyPatch, strong: bool) -> None:
    sessions = Sessions(monkeypatch, "a connection")
    seen: list[object] = []
    monkeypatch.setattr(reading, "_behind_cursor", lambda *given: seen.extend(given) or "rows")
    assert asked(reader(strong), a="b") == "rows"
    named = {"timeout": MINUTE, "refuse_strong": strong, "own_path": True}
    assert sessions.asked == [((REF, ENVIRONMENT, TOKEN), named)]
    assert seen[:4] == ["a connection", b"SELECT 1", {"a": "b"}, 3]


NOT_RUN = (
    "sql-refused",
    "The query was not run: w",
    "Only one reading query is possible here: it runs behind a cursor in a read-only transaction. "
    "Nothing was changed.",
    "Mend the query in the runbook, or do what it was for by hand.",
)
NOT_MADE = (
    "sql",
    "The query could not be put together: w\\x1b.",
    "Nothing was asked.",
    "Write each value as `%(name)s`, and give it under `params`.",
)
ERRORS: dict[str, tuple[Exception, tuple[str, ...]]] = {
    "syntax": (psycopg.errors.SyntaxError("w"), NOT_RUN),
    "writing": (psycopg.errors.ReadOnlySqlTransaction("w"), NOT_RUN),
    "a value without a name": (TypeError("w\x1b"), NOT_MADE),
    "half a character": (UnicodeError("w\x1b"), NOT_MADE),
    "no such table": (psycopg.errors.UndefinedTable("w"), ("sql", "The query failed: w")),
    "the server": (
        psycopg.errors.DivisionByZero("w"),
        ("sql", "The server refused while it ran the query: w"),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_an_error_of_a_query_is_taken_for(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    error, told = ERRORS[name]
    Sessions(monkeypatch, SimpleNamespace(closed=False))
    monkeypatch.setattr(reading, "_behind_cursor", raising(error))
    with pytest.raises(StepFailed) as caught:
        asked(reader())
    found = (caught.value.code, caught.value.what, caught.value.means, caught.value.next)
    assert found[: len(told)] == told


def test_a_server_that_went_away_answered_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Sessions(monkeypatch, SimpleNamespace(closed=True))
    monkeypatch.setattr(reading, "_behind_cursor", raising(psycopg.OperationalError("w")))
    with pytest.raises(CouldNotVerify, match="went away while it ran the query: w"):
        asked(reader())


def test_a_word_of_the_library_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    Sessions(monkeypatch)
    monkeypatch.setattr(reading, "_behind_cursor", raising(TypeError("w" * 300)))
    with pytest.raises(StepFailed, match=r": w{200} … \(300 characters\)\."):
        asked(reader())


def raising(error: Exception) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("sql", ["SELECT 1 \0", "SELECT '\ud800'"])
def test_a_query_that_the_server_would_read_in_part_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    sessions = Sessions(monkeypatch)
    with pytest.raises(StepFailed) as caught:
        asked(reader(), sql)
    assert caught.value.code == "sql-refused"
    assert "(NUL, or half a surrogate pair)" in caught.value.what
    assert "Nothing was asked" in caught.value.means
    assert "Take the character out" in caught.value.next
    assert sessions.asked == []


# --- how far it reads ---------------------------------------------------------------------------


class Cursor:
    """A cursor over rows that are there, and what was fetched of them."""

    def __init__(
        self, rows: list[tuple[bytes | None, ...]], names: tuple[bytes | None, ...]
    ) -> None:
        self.rows, self.names = rows, names
        self.fetched: list[int] = []
        self.executed: list[object] = []
        self.named = ""
        self.pgresult: object = None

    def cursor(self, name: str) -> "Cursor":
        self.named = name
        return self

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        self.named += ", closed"

    def execute(self, sql: bytes, params: object) -> None:
        self.executed = [sql, params]

    def fetchmany(self, size: int) -> None:
        self.fetched.append(size)
        some, self.rows = self.rows[:size], self.rows[size:]
        self.pgresult = SimpleNamespace(
            ntuples=len(some),
            nfields=len(self.names),
            fname=lambda column: self.names[column],
            get_value=lambda row, column: some[row][column],
        )


def read(
    rows: list[tuple[bytes | None, ...]],
    limit: int,
    names: tuple[bytes | None, ...] = (b"n",),
    **params: str,
) -> tuple[Any, Cursor]:
    cursor = Cursor(rows, names)
    deadline = Deadline(MINUTE, CancelToken())
    found = reading._behind_cursor(cursor, b"SELECT", params, limit, deadline)  # type: ignore[arg-type]
    assert cursor.named == "drbook, closed"
    return found, cursor


def test_values_and_names_are_safe_text() -> None:
    found, cursor = read([(b"1", None, b"\xff\x1b")], 9, (b"n\x1b", None, b"\xff" + b"x" * 300))
    assert found.columns == ("n\\x1b", "", "�" + "x" * 199 + " … (301 characters)")
    assert found.rows == (("1", None, "�\\x1b"),)
    assert not found.truncated
    assert cursor.executed == [b"SELECT", None]


def test_values_of_places_are_given_beside_the_text() -> None:
    _, cursor = read([], 9, a="b")
    assert cursor.executed == [b"SELECT", {"a": "b"}]
    assert cursor.fetched == [1]


@pytest.mark.parametrize(("there", "cut"), [(2, False), (3, False), (4, True), (9, True)])
def test_a_row_more_than_the_limit_is_asked_for(there: int, cut: bool) -> None:
    found, cursor = read([(b"%d" % row,) for row in range(there)], 3)
    assert found.rows == tuple((str(row),) for row in range(min(there, 3)))
    assert found.truncated == cut
    assert cursor.fetched == [1, 3]


def test_one_row_is_enough_to_be_too_many() -> None:
    found, cursor = read([(b"1",), (b"2",)], 0)
    assert (found.rows, found.truncated, cursor.fetched) == ((), True, [1])


def test_wide_rows_are_fetched_few_at_a_time() -> None:
    """About a megabyte at a time, by what the rows before were wide, NULLs and cut values included."""
    wide = (b"x" * 2**17, None, b"y" * 2**17)
    found, cursor = read([wide] * 20, 15, (b"a", b"b", b"c"))
    assert cursor.fetched == [1, 4, 4, 4, 3]
    assert len(found.rows) == 15
    assert found.truncated
    _, cursor = read([(b"x" * 2**21,)] * 5, 15)
    assert cursor.fetched == [1, 1, 1, 1, 1, 1]
    _, cursor = read([(None,)] * 5, 15)
    assert cursor.fetched == [1, 15]


def test_what_is_shown_of_all_rows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is shown, and not by what was read."""
    monkeypatch.setattr(reading, "RESULT", 10)
    found, _ = read([(b"12345", None)] * 3, 9, (b"a", b"b"))
    assert (len(found.rows), found.truncated) == (2, True)
    found, _ = read([(b"12345", None)] * 2, 9, (b"a", b"b"))
    assert (len(found.rows), found.truncated) == (2, False)
    assert found.columns == ("a", "b")


def test_no_result_is_larger_than_a_record_should_be() -> None:
    found, _ = read([(b"x" * 2000,)] * 2200, 9999)
    assert (len(found.rows), found.truncated) == (4 * 1024 * 1024 // 2000, True)


@pytest.mark.parametrize("length", [1999, 2000, 2001, 6095, 6096, 6097, 9000])
def test_a_long_value_is_cut_and_says_how_long_it_was(length: int) -> None:
    text = reading._text(b"x" * length)
    assert text == ("x" * length if length <= 2000 else "x" * 2000 + f" … ({length} characters)")


def test_no_more_is_searched_than_is_shown_and_the_mask_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[int] = []
    monkeypatch.setattr(reading, "scrub", lambda text: searched.append(len(text)) or text)
    reading._text(b"x" * 9000)
    assert searched == [2000 + reading.MARGIN]


def test_a_secret_across_the_cut_leaves_no_beginning() -> None:
    KNOWN.add("marker-of-a-value")
    text = reading._text(b"x" * 1990 + b"marker-of-a-value" + b"y" * 5000)
    assert text is not None
    assert text.startswith("x" * 1990 + "[secret]")
    assert "marker" not in text


def test_every_row_is_asked_for_time_and_for_a_stop() -> None:
    asked: list[int] = []
    deadline = SimpleNamespace(check=lambda: asked.append(1))
    cursor = Cursor([(b"1",)] * 5, (b"n",))
    reading._behind_cursor(cursor, b"", {}, 9, deadline)  # type: ignore[arg-type]
    assert len(asked) == 5


def test_a_time_that_is_over_keeps_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    deadline = Deadline(MINUTE, CancelToken())
    now = 159.0
    deadline.check()
    now = 161.0
    with pytest.raises(StepFailed) as caught:
        deadline.check()
    assert caught.value.code == "timeout"
    assert "did not arrive, and were not read, within 1 m 00 s." in caught.value.what
    assert caught.value.means == "Nothing was changed; no row is kept."
    assert "a longer `timeout`" in caught.value.next


def test_a_stop_is_heard_while_rows_are_read() -> None:
    token = CancelToken()
    deadline = Deadline(MINUTE, token)
    deadline.check()
    token.request("cancel")
    with pytest.raises(Cancelled):
        deadline.check()
