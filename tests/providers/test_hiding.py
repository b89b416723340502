"""A known secret is masked in every way that text from outside quotes one; other text stays."""

import base64
import html
import json
import re
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from drbook.providers.forms import FARTHEST
from drbook.providers.hiding import MASK, Known, Secret, scrub, scrub_json
from drbook.providers.postgres import SHOWN, _text
from drbook.providers.secrets import know

SIMPLE = "hunter2hunter2-7f3a9c51"
PASSPHRASE = "correct horse battery staple 42"
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
    re.escape,
    lambda text: json.dumps(re.escape(text)),
    lambda text: re.sub(r"[^A-Za-z0-9_@%+=:,./-]", r"\\\g<0>", text),  # bash's `printf %q`
    lambda text: re.sub(r"\W", r"\\\g<0>", text),  # Perl's quotemeta
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


@pytest.mark.parametrize("value", [SIMPLE, HARD, PASSPHRASE])
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


def test_a_servers_name_in_a_dsn_is_no_piece_of_a_secret() -> None:
    for before in ("host", "hostaddr ", "user", "dbname", "service"):
        for rest in ("", " sslmode=disable application_name=nightly"):
            known = Known([f"{before}=db.internal.example{rest}"])
            for piece in ("db.internal.example", "application_name"):
                assert known.scrub(f"no route to {piece}") == f"no route to {piece}"


def test_blanks_do_not_make_a_value_long() -> None:
    assert Secret("a b c d").short
    assert not Secret("abcdef").short


@pytest.mark.parametrize("value", ["hunter", "hunter2"])
def test_a_short_value_is_masked_in_base64_for_whoever_was_given_it(value: str) -> None:
    known = Known([value], words_too=True)
    for before in ("", "x", "ad", "admin:"):
        for encode in (base64.b64encode, base64.b32encode):
            text = encode(f"{before}{value}{before}".encode()).decode()
            assert MASK in known.scrub(f"Authorization: {text}"), (before, encode)
    assert known.scrub("an ordinary text about nothing") == "an ordinary text about nothing"


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


# --- pieces: the bound that the README promises ---------------------------------------------------


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("k7Gz-q2Lw9-Tx4Rb", 8),  # 16 characters: 8 of them
        ("k7Gz-q2Lw9-Tx4Rb-Mn8Qs", 8),  # 22: a third is 8
        ("k7Gz-q2Lw9-Tx4Rb-Mn8Qs-Yv6Hd-Pc3J", 11),
        ("correcthorsebatterystaple", 10),  # letters alone: 10 may stand for nothing else
        ("k7Gz-q2Lw9-Tx4R", 15),  # 15 characters are looked for as a whole
    ],
)
def test_a_piece_is_masked_from_exactly_so_many_characters_on(value: str, bound: int) -> None:
    known = Known([value])
    for at in range(len(value) - bound + 1):
        assert known.scrub(f"> {value[at : at + bound]}") == f"> {MASK}"
        short = value[at : at + bound - 1]
        assert known.scrub(f"> {short}") == f"> {short}"
    tail = value[-(bound - 1) :]
    assert known.scrub(f"> {tail}") == f"> {tail}"
    folded = "> ".join(["", *(value[at : at + bound] + "\n" for at in range(0, len(value), bound))])
    assert known.scrub(folded).startswith(f"> {MASK}\n")


def test_a_word_in_a_longer_value_is_no_piece_of_it() -> None:
    known = Known(["rental-customer-4711", "x" * 5 + "://db.example.com/password-of-nobody"])
    assert known.scrub("customer rental db.example.com") == "customer rental db.example.com"


# --- hostile text ---------------------------------------------------------------------------------

VALUES = [
    "host=db1 user=app password=Zx81-Qw2e-Rt5y dbname=shop",
    "k7Gz-q2Lw9-Tx4Rb-Long-One-0123456789ABCD",
    "a b c d e f g h i j k l m",
    "a + + + b \\n\\n \\t c d7-e8",
    "\\n\\n\\n\\n-pass-\\r\\n word",
    "n7r4-t0a2-0x5c-20d9",
    "c7 %20 &#32; d7-e8",
]
STARTS = (
    "",
    "host=db1",
    "k7Gz",
    "a ",
    "a +",
    "a + + + b",
    "\\n",
    "-pass-",
    "Signature",
    "6b",
    "x host=",
)
RUNS = (
    " ",
    "\n",
    "+",
    "\\n",
    "\\",
    "%20",
    "%0a",
    "&#32;",
    "&#0",
    "0",
    "=",
    " :",
    "A",
    "a ",
    "\x00",
    "'",
    "%5c",
)


@pytest.mark.parametrize("run", RUNS)
def test_no_text_makes_the_mask_hang(run: str) -> None:
    """A quarter of a megabyte behind each beginning of a value, and the beginnings over and over; with
    patterns that go back over what they read, a thousand blanks took a quarter of a minute."""
    known = Known(VALUES)
    size = 20_000
    texts = [start + run * (size // len(run)) for start in STARTS]
    texts += [(start + run * 50) * (size // (len(start) + 50 * len(run))) for start in STARTS]
    begun = time.process_time()
    for text in texts:
        known.scrub(text)
    took, whole = time.process_time() - begun, sum(map(len, texts))
    assert took < 60 * whole / 1_000_000, f"{took:.1f} s for {whole:,} characters"


@pytest.mark.parametrize("value", VALUES[:-1])
def test_what_could_hang_is_masked_all_the_same(value: str) -> None:
    known = Known([value])
    written = (value, quote(value), quote_plus(value), json.dumps(value), "\n".join(value))
    for text in (*written, value.replace(" ", "  \n ")):
        shown = known.scrub(f"before {text}. behind").replace('"', "")
        assert re.fullmatch(r"before (\\|%5C|n|\s|\[secret\])*\[secret\]\. behind", shown), shown


def test_a_value_may_be_broken_at_one_place_by_so_much_and_no_more() -> None:
    known = Known(["n7Gz-q2Lw9-Tx4"])
    assert known.scrub("n7Gz-" + " " * FARTHEST + "q2Lw9-Tx4") == MASK
    assert MASK not in known.scrub("n7Gz-" + " " * (FARTHEST + 1) + "q2Lw9-Tx4")


@pytest.mark.parametrize(
    "value", ["\\n\\r\\t \\n\\n", "\\\\\\\\\\\\\\\\", "pa\\ new-pass", "C:\\nsecret-\\\\t1"]
)
def test_backslashes_of_a_value_are_its_own(value: str) -> None:
    known = Known([value])
    assert known.scrub(f"({value})") == f"({MASK})"


def test_of_a_long_value_of_a_query_no_more_is_searched_than_is_kept() -> None:
    Secret(SIMPLE)
    begun = time.process_time()
    shown = _text(b"x" * (SHOWN - 5) + SIMPLE.encode() + b"a " * 5_000_000) or ""
    assert time.process_time() - begun < 5
    assert shown.startswith("x" * (SHOWN - 5) + MASK[:5])
    assert shown.endswith(
        f" … ({10_000_000 + SHOWN - 5 + len(MASK):,} characters)".replace(",", "")
    )
    assert _text(None) is None
    assert _text(b"x" * SHOWN) == "x" * SHOWN


def test_a_very_long_value_is_looked_for_as_it_stands() -> None:
    value = "k7-" * 400
    known = Known([value])
    assert known.scrub(f"({value})") == f"({MASK})"
    assert MASK not in known.scrub("\n".join(value))
    assert known.scrub(value[:500]) == value[:500]
