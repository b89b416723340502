"""A known secret is masked in every way that text from outside quotes one; other text stays."""

import base64
import html
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from drbook.providers.hiding import MASK, Known, Secret, scrub, scrub_json
from drbook.providers.secrets import know

SIMPLE = "hunter2hunter2-7f3a9c51"
HARD = "p4ss'w\"rd+/&<é> \\n=%41"

FORMS: list[Callable[[str], str]] = [
    str,
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: quote(text, safe="").lower() if text.islower() else quote(text, safe="~()*!"),
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps({"a": json.dumps({"b": text})}),
    html.escape,
    lambda text: html.escape(text, quote=False),
    lambda text: "".join(each if each.isalnum() else f"&#x{ord(each):x};" for each in text),
    lambda text: "".join(each if each.isalnum() else f"&#0{ord(each)};" for each in text),
    repr,
    lambda text: repr(text.encode()),
    shlex.quote,
    lambda text: "'" + text.replace("'", "'\\''") + "'",
    lambda text: "'" + text.replace("'", "''") + "'",
    lambda text: '"' + text.replace('"', '""') + '"',
    lambda text: text.encode().hex(),
    lambda text: text.encode().hex(" ").upper(),
    lambda text: text[:9] + "\n" + text[9:],
    lambda text: "\n".join(text),
    lambda text: "\x00".join(text),
    lambda text: json.dumps("\r\n".join((text[:5], text[5:11], text[11:]))),
    *(
        lambda text, before=before, encode=encode: encode(
            (before + text + "after").encode()
        ).decode()
        for before in ("", "x", "xy", "user:")
        for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes)
    ),
]


@pytest.mark.parametrize("value", [SIMPLE, HARD])
@pytest.mark.parametrize("form", FORMS)
def test_masked_in_every_form(form: Callable[[str], str], value: str) -> None:
    known = Known()
    known.add(value)
    text = f"before {form(value)} behind"
    shown = known.scrub(text)
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" behind")
    assert form(value)[3:-3] not in shown
    assert Known().scrub(text) == text  # nothing is masked that is not known


def test_of_a_base64_text_nothing_is_left_that_decodes_to_the_value() -> None:
    Secret(SIMPLE)
    for before in ("", "x", "xy"):
        shown = scrub(base64.b64encode((before + SIMPLE).encode()).decode())
        assert len(shown.replace(MASK, "")) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "nothing of it",
        "the database rental is not there",
        "hunter2",  # a part of it, shorter than a third
        "postgresql://user@host/db",
        "",
    ],
)
def test_other_text_stays(text: str) -> None:
    Secret(SIMPLE)
    assert scrub(text) == text


def test_pieces_of_a_long_value_are_masked_too() -> None:
    """As a command prints it half on one stream and half on the other."""
    Secret("0123456789abcdefghijklmnop")
    assert scrub("out: 0123456789abc") == f"out: {MASK}"
    assert scrub("err: defghijklmnop.") == f"err: {MASK}."
    assert scrub("01234") == "01234"


def test_a_short_value_is_not_looked_for_and_says_so() -> None:
    secret = Secret("abcde")
    assert secret.short
    assert scrub("abcde") == "abcde"
    assert not Secret("abcdef").short


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://app:opensesame1@db.example/rental",
        "postgresql://app:open%73esame1@db.example/rental?sslmode=require",
        "host=db.example password=opensesame1 user=app",
        "host=db.example password='opensesame1'",
        "https://app:opensesame1@example.com/hook",
    ],
)
def test_the_password_in_a_dsn_or_url_is_known_by_itself(dsn: str) -> None:
    Secret(dsn)
    assert scrub("FATAL: opensesame1 is wrong") == f"FATAL: {MASK} is wrong"
    assert scrub("app at db.example") == "app at db.example"


def test_each_line_of_a_key_file_is_known() -> None:
    Secret("-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----")
    assert scrub("line 2: hkiG9w0BAQEFAASC!") == f"line 2: {MASK}!"
    assert scrub("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


def test_signatures_of_requests_are_masked() -> None:
    signed = "AWS4-HMAC-SHA256 Credential=AKIA/2026/x, Signature=" + "0a" * 32
    assert scrub(signed).endswith(f"Signature={MASK}")
    assert scrub("?X-Amz-Signature=" + "0a" * 32 + "&x=1") == f"?X-Amz-Signature={MASK}&x=1"


def test_documents_are_masked_and_keep_their_shape() -> None:
    Secret(SIMPLE)
    document = {"errors": [f"a {SIMPLE}", "b"], "rows": 3, "none": None}
    assert scrub_json(document) == {"errors": [f"a {MASK}", "b"], "rows": 3, "none": None}


def test_typed_text_is_held_against_long_values_only() -> None:
    known = Known()
    known.add("rental")
    assert not known.holds("rental is back")
    known.add(SIMPLE)
    assert known.holds(f"the password was {SIMPLE}")


def test_references_to_the_environment_are_known_before_they_are_used() -> None:
    know("access_key: env:KEY_ID, x: env:NOT_SET", {"KEY_ID": SIMPLE, "OTHER": "something-else"})
    assert scrub(f"{SIMPLE} something-else") == f"{MASK} something-else"
