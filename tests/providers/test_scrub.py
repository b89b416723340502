"""Secrets are taken out of texts in every usual encoding; words that merely look like one stay."""

import base64
import copy
import html
import json
import logging
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drbook.app.ledger import without_secrets
from drbook.core import events as ev
from drbook.core.errors import UsageError
from drbook.core.targets import DatabaseRef
from drbook.providers import pgsession
from drbook.providers.scrub import HIDDEN, KNOWN, Scrubber
from drbook.providers.secrets import Secret, resolve

SECRET = 'k7/+ "q"&<Zürich>\'9'

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda v: v,
    "in a URL": lambda v: quote(v, safe=""),
    "in a path": quote,
    "in a form": quote_plus,
    "in JSON": lambda v: json.dumps({"k": v}),
    "in JSON as it is": lambda v: json.dumps([v], ensure_ascii=False),
    "in HTML": html.escape,
    "as Python shows it": lambda v: f"Illegal header value {v.encode()!r}",
    "in hex": lambda v: v.encode().hex(),
    "in HEX": lambda v: v.encode().hex().upper(),
    "basic auth": lambda v: base64.b64encode(f"user:{v}".encode()).decode(),
    "base64, off by one": lambda v: base64.b64encode(f"u:{v}!".encode()).decode(),
    "base64, off by two": lambda v: base64.b64encode(f"us:{v}!!".encode()).decode(),
    "base64 for URLs": lambda v: base64.urlsafe_b64encode(v.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_encoding_is_taken_out(form: str) -> None:
    net, text = Scrubber([SECRET]), FORMS[form](SECRET)
    assert net.touches(f"before {text} after")
    cleaned = net.clean(f"before {text} after")
    assert HIDDEN in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")
    assert not net.touches(cleaned)
    assert SECRET not in cleaned


@given(
    value=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=16),
    around=st.text(),
)
def test_any_long_value_is_taken_out(value: str, around: str) -> None:
    assert value not in Scrubber([value]).clean(around + value + around).replace(HIDDEN, "") or (
        value.strip() == ""
    )


@pytest.mark.parametrize("word", ["rental", "postgres", "a1b2c3", "reservations", ""])
def test_a_value_that_cannot_be_told_from_a_word_damages_no_text(word: str) -> None:
    text = f"database rental on postgres: reservations, a1b2c3 {word}"
    assert Scrubber([word]).clean(text) == text


def test_where_exactly_this_value_was_given_even_a_short_one_is_taken_out() -> None:
    net = Scrubber(["abc", ""], however_short=True)
    assert net.clean("it is abc.") == f"it is {HIDDEN}."


def test_lines_of_a_key_file_are_taken_out_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA1c7\n6fS0yR2mQ9vX8wZb\n-----END KEY-----\n"
    cleaned = Scrubber([key]).clean("read: 6fS0yR2mQ9vX8wZb")
    assert cleaned == f"read: {HIDDEN}"


def test_events_lose_secrets_in_every_field() -> None:
    value = "s3cr3t-of-the-ledger"
    resolve("env:X", {"X": value})
    event = ev.StepFinished(
        step="a",
        attempt=1,
        state=ev.StepEnd.FAILED,
        result={"rows": [[value, None, 3]], f"key {value}": True},
        reason=f"the server said {value}",
        duration_ms=1,
    )
    cleaned = without_secrets(event)
    assert value not in cleaned.model_dump_json()
    assert cleaned.reason == f"the server said {HIDDEN}"  # type: ignore[attr-defined]
    untouched = ev.NoteAdded(text="nothing")
    assert without_secrets(untouched) is untouched


@dataclass
class Holder:
    secret: Secret


SHOWN: dict[str, Callable[[Secret], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda s: f"{s} {s:>40} {s!r}",
    "percent": lambda s: "%s" % s,  # noqa: UP031
    "asdict": lambda s: asdict(Holder(s)),
    "exception": lambda s: ValueError(s),
    "copy": lambda s: (copy.copy(s), copy.deepcopy([s])),
    "log": lambda s: logging.LogRecord("n", 1, "p", 1, "%s", (s,), None).getMessage(),
}


@pytest.mark.parametrize("way", SHOWN)
def test_a_secret_shows_nothing(way: str) -> None:
    secret = Secret("opaque-value-1")
    assert "opaque-value-1" not in repr(SHOWN[way](secret))
    assert "opaque" not in str(SHOWN[way](secret))


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, vars])
def test_a_secret_is_written_nowhere(write: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        write(Secret("opaque-value-1"))
    assert Secret("x") != "x"
    assert not isinstance(Secret("x"), str)


def test_a_password_that_was_not_quoted_in_a_dsn_is_known() -> None:
    """libpq takes what stands behind the first `@` for the host, and quotes it."""
    dsn = "postgresql://app:pa55@w0rd-of-mine-77/x@db.example.com/shop"
    with suppress(UsageError):
        pgsession.parameters(DatabaseRef(dsn="env:D"), {"D": dsn})
    said = 'could not translate host name "w0rd-of-mine-77" to address'
    assert KNOWN.clean(said) == f'could not translate host name "{HIDDEN}" to address'
