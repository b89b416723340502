"""Secrets are taken out of texts in every usual encoding; words that merely look like one stay."""

import base64
import html
import json
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drbook.app.ledger import without_secrets
from drbook.core import events as ev
from drbook.core.errors import UsageError
from drbook.core.targets import DatabaseRef
from drbook.providers import pgsession
from drbook.providers.hiding import KNOWN, MASK, Known
from drbook.providers.secrets import resolve

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
    net, text = Known([SECRET]), FORMS[form](SECRET)
    cleaned = net.scrub(f"before {text} after")
    assert MASK in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")
    assert net.scrub(cleaned) == cleaned
    assert SECRET not in cleaned


@settings(deadline=None)
@example(value="\x0c00000000000000\x00", around="")
@example(value="1234\x0056\x00\x007890abcd", around="x")
@given(
    value=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=16),
    around=st.text(),
)
def test_any_long_value_is_taken_out(value: str, around: str) -> None:
    assert value not in Known([value]).scrub(around + value + around).replace(MASK, "") or (
        value.strip() == ""
    )


@pytest.mark.parametrize("word", ["rental", "postgres", "a1b2c3", "reservations", ""])
def test_a_value_that_cannot_be_told_from_a_word_damages_no_text(word: str) -> None:
    text = f"database rental on postgres: reservations, a1b2c3 {word}"
    assert Known([word]).scrub(text) == text


def test_where_exactly_this_value_was_given_even_a_short_one_is_taken_out() -> None:
    net = Known(["rental", ""], words_too=True)
    assert net.scrub("it is rental.") == f"it is {MASK}."


def test_lines_of_a_key_file_are_taken_out_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA1c7\n6fS0yR2mQ9vX8wZb\n-----END KEY-----\n"
    cleaned = Known([key]).scrub("read: 6fS0yR2mQ9vX8wZb")
    assert cleaned == f"read: {MASK}"


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
    assert cleaned.reason == f"the server said {MASK}"  # type: ignore[attr-defined]
    untouched = ev.NoteAdded(text="nothing")
    assert without_secrets(untouched) is untouched


def test_a_password_that_was_not_quoted_in_a_dsn_is_known() -> None:
    """libpq takes what stands behind the first `@` for the host, and quotes it."""
    dsn = "postgresql://app:pa55@w0rd-of-mine-77/x@db.example.com/shop"
    with suppress(UsageError):
        pgsession.parameters(DatabaseRef(dsn="env:D"), {"D": dsn})
    said = 'could not translate host name "w0rd-of-mine-77" to address'
    assert KNOWN.scrub(said) == f'could not translate host name "{MASK}" to address'
