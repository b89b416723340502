"""What is remembered of a value, and where its bounds are."""

import base64
import copy
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from drbook.providers.forms import LONGEST, SHORTEST
from drbook.providers.hiding import LETTERS, MASK, ODD, PIECE, TYPED, WORDY, Known, Secret


def masked(value: str, text: str) -> str:
    return Known([value]).scrub(text)


# --- what stands in a value -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "password"),
    [
        (r"host=h password='open\'sesame1'", "open'sesame1"),
        (r"host=h password='open\\sesame1'", r"open\sesame1"),
        ("host=h password='open sesame 1'", "open sesame 1"),
        ("host=h sslpassword=opensesame1", "opensesame1"),
        ("https://app:open%2Dsesame1@host/x", "open-sesame1"),
        ("https://app:open%2Dsesame1@host/x", "open%2Dsesame1"),
        ("https://app:alpha-1234@beta-4567/gamma-890@host/x", "alpha-1234@beta-4567/gamma-890"),
        ("https://app:alpha-1234@beta-4567/gamma-890@host/x", "alpha-1234"),
        ("https://app:alpha-1234@beta-4567/gamma-890@host/x", "beta-4567"),
        ("https://app:alpha-1234@beta-4567/gamma-890@host/x", "gamma-890"),
    ],
)
def test_a_password_in_a_value_is_masked_whole_where_it_stands_alone(
    value: str, password: str
) -> None:
    assert masked(value, f"({password})") == f"({MASK})"
    assert masked(value, f"({quote(password, safe='')})") == f"({MASK})"


@pytest.mark.parametrize(
    "value",
    [
        "first-line-1234\nsecond-line-567",
        "first-line-1234\r\n  second-line-567  \r\n",
        "-----BEGIN X-----\nsecond-line-567",
    ],
)
def test_each_line_of_a_value_is_masked_without_its_blanks(value: str) -> None:
    assert masked(value, "(second-line-567)") == f"({MASK})"


def test_a_line_is_masked_from_as_few_characters_on_as_a_value() -> None:
    assert masked("first-line-1234\n  k7Gz-q2L", "(k7Gz-q2L)") == f"({MASK})"


def test_the_blanks_around_a_value_are_none_of_it() -> None:
    value = "k7-" * LONGEST
    assert masked(f" {value}\n", f"({value})") == f"({MASK})"
    assert masked(f"first-line\n  {value}  \n", f"({value})") == f"({MASK})"


def test_of_two_values_the_longer_one_is_masked_whole() -> None:
    known = Known(["k7Gz-q2Lw", "zz-k7Gz-q2Lw", "k7Gz-q2Lw-77"])
    shown = known.scrub("(k7Gz-q2Lw-77) (zz-k7Gz-q2Lw) (k7Gz-q2Lw)")
    assert shown == f"({MASK}) ({MASK}) ({MASK})"


# --- how short, how long --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "always"),
    [
        ("k" * (ODD - 2) + "7", False),
        ("k" * (ODD - 1) + "7", True),
        ("k" * (LETTERS - 1), False),
        ("k" * LETTERS, True),
    ],
)
def test_what_may_be_a_word_is_only_looked_for_where_it_was_given(value: str, always: bool) -> None:
    assert (MASK in masked(value, f"({value})")) is always
    assert Known([value], words_too=True).scrub(f"({value})") == f"({MASK})"


def test_blanks_do_not_make_a_value_long_enough() -> None:
    words = "a b c d e"
    assert Known([words], words_too=True).scrub(words) == words
    assert Known(["a b c d e f"], words_too=True).scrub("(a b c d e f)") == f"({MASK})"


WAYS: dict[str, Callable[[str], str]] = {
    "hexadecimal": lambda text: text.encode().hex(),
    "dotted numbers": lambda text: ".".join(str(each) for each in text.encode()),
    "quoted numbers": lambda text: str([str(each) for each in text.encode()]),
    "numbers behind a stroke": lambda text: "".join(f"\\{each:d}" for each in text.encode()),
    "numbers": lambda text: " ".join(str(each) for each in text.encode()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "URL": lambda text: "".join(f"%{each:02x}" for each in text.encode()),
    "shell": lambda text: "'" + text.replace("'", "'\\''") + "'",
    "SQL in JSON": lambda text: text.replace("'", "\\u0027\\u0027"),
    "coloured": lambda text: text[:9] + "\x1b[0m" + text[9:],
    "a piece": lambda text: text[100:500],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length", [LONGEST, LONGEST + 1])
def test_up_to_which_length_a_value_is_looked_for_in_other_forms(way: str, length: int) -> None:
    value = ("k7Gz-q2L'w9Tx4Rb" * LONGEST)[:length]
    text = WAYS[way](value)
    assert (MASK in masked(value, text)) is (length == LONGEST)
    assert masked(value, f"({value})") == f"({MASK})"


@pytest.mark.parametrize("value", ["k7Gz-q", "k7GzLq"])
def test_the_shortest_value_is_read_in_every_way(value: str) -> None:
    assert len(value) == SHORTEST
    known = Known([value], words_too=True)
    for way in set(WAYS) - {"a piece", "shell", "SQL in JSON", "coloured"}:
        assert MASK in known.scrub(WAYS[way](value)), way
    assert known.scrub(f"({value[:2]}\x1b[0m{value[2:]})") == f"({MASK})"


def test_what_is_left_of_a_value_may_be_too_short_to_be_looked_for() -> None:
    """Without its quotes it is five letters, and would be found in every other text."""
    value = "''''ab'cde"
    known = Known([value], words_too=True)
    assert known.scrub("'abcde'") == "'abcde'"
    assert known.scrub(f"({value})") == f"({MASK})"


@pytest.mark.parametrize(
    ("value", "alone"),
    [
        ("abcdefgh'ijklmno", False),
        ("abcdefgh'ijklmnop", True),
        ("ab'cd7", False),
        ("ab'cde7", True),
        ("a-'bcdef", True),
    ],
)
def test_how_long_it_must_be_without_what_quotes(value: str, alone: bool) -> None:
    known = Known([value], words_too=True)
    bare = value.replace("'", "")
    assert (MASK in known.scrub(f'"{bare}"')) is alone


def test_a_value_that_nobody_has_to_quote_is_not_looked_for_between_quotes() -> None:
    assert masked("k7Gz2Lw9x", "k7G'z2Lw9x") == "k7G'z2Lw9x"
    assert masked("k7G-z2Lw9x", "k7G'-z2Lw9x") == MASK


def test_letters_that_only_blanks_part_are_a_value_between_quotes_too() -> None:
    known = Known(["correct horse bat"], words_too=True)
    assert known.scrub("(correct'+'horse'+'bat)") == f"({MASK})"


def test_a_value_of_bytes_that_are_no_text_is_masked() -> None:
    value = "k7Gz\udcff-q2Lw9\udc80x"
    data = value.encode("utf-8", "surrogateescape")
    assert masked(value, f"({value})") == f"({MASK})"
    assert masked(value, "".join(f"\\x{each:02x}" for each in data)) == MASK
    assert masked(value, base64.b64encode(data).decode()) == MASK


# --- what a value looks like itself ---------------------------------------------------------------


@pytest.mark.parametrize("value", ["ab%41cd7x", "ab&#65;cd7x", "ab\\x41cd7x"])
def test_a_value_that_looks_escaped_is_found_in_a_dump_and_where_its_escape_was_undone(
    value: str,
) -> None:
    data = b"." * 12 + value.encode() + b"." * 12
    rows = [data[at : at + 16] for at in range(0, len(data), 16)]
    dump = "".join(
        f"{at:06x}0  {row.hex(' '):<48} |{row.decode()}|\n" for at, row in enumerate(rows)
    )
    shown = masked(value, dump)
    assert value[:4] not in shown
    assert data.hex(" ")[36:47] not in shown
    assert masked(value, "(a'b'A'cd7x)") == f"({MASK})"
    assert masked(value, f"({value[:1]}\x1b[0m{value[1:]})") == f"({MASK})"
    assert masked(value, "(a\x1b[0mbAcd7x)") == f"({MASK})"


# --- typed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["k7Gzq2Lw9Tx4", "k7Gz-q2Lw9-Tx", "ab%41cd-7x-99"])
def test_a_typed_text_holds_a_value_however_it_is_written(value: str) -> None:
    assert len(value) >= TYPED
    known = Known([value])
    percent = "".join(f"%{each:02x}" for each in value.encode())
    quoted = f"'{value[:5]}''{value[5:]}'"
    texts = [value, percent, percent.replace("%", "\\x")]
    if not value.isalnum():  # nobody quotes what needs no quotes
        texts += [quoted, quoted.replace("'", "%27")]
    for text in texts:
        assert known.holds(f"it was {text}, then"), text
    for text in (value[:-1], percent[:-3], "", "it was nothing"):
        assert not known.holds(text), text


def test_a_typed_text_holds_a_very_long_value_as_it_stands() -> None:
    value = "k7-" * LONGEST
    assert Known([value]).holds(f"it was {value}")
    assert not Known([value]).holds(f"it was {value[:-2]}")


# --- pieces ---------------------------------------------------------------------------------------


def test_one_value_that_has_no_pieces_keeps_no_other_from_having_them() -> None:
    """The longest come first: what is too long, and a DSN, whose host is no secret."""
    dsn = "host=db.internal.example.com sslmode=disable"
    known = Known([dsn, "k7Gz-q2Lw9-Tx4Rb", "x-" * LONGEST])
    assert known.scrub("(q2Lw9-Tx)") == f"({MASK})"


def test_a_piece_is_masked_as_far_as_it_goes_at_both_ends_of_a_text() -> None:
    value = "k7Gz-q2Lw9-Tx4Rb"
    assert masked(value, value[3 : 3 + PIECE]) == MASK
    assert masked(value, value[3 : 3 + PIECE - 1]) == value[3 : 3 + PIECE - 1]
    assert masked(value, value[2:-1]) == MASK
    assert masked(value, f"({value[2:-1]})") == f"({MASK})"


def test_pieces_of_letters_alone_are_longer_than_others() -> None:
    """Of one value there are both: eight characters with a digit in them, ten without."""
    value = "abcdefghijklmno-7"
    assert masked(value, f"({value[-PIECE:]})") == f"({MASK})"
    assert masked(value, f"({value[:WORDY]})") == f"({MASK})"
    assert masked(value, f"({value[: WORDY - 1]})") == f"({value[: WORDY - 1]})"
    both = "-abcdefghijklmno7"  # both begin with the dash
    assert masked(both, f"({both[:WORDY]})") == f"({MASK})"


def test_a_piece_with_blanks_in_it_is_a_piece_of_the_value_as_it_stands() -> None:
    value = "k7 Gz q2 Lw9 Tx4 Rb"
    assert masked(value, "(Gz q2 Lw)") == f"({MASK})"
    assert masked(value, "(Gzq2Lw9T)") == f"({MASK})"


# --- around an encoded value ----------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "=", "a/", "key: ", "x" * 40])
def test_of_what_stands_around_an_encoded_value_only_its_own_characters_are_masked(
    before: str,
) -> None:
    value = "k7Gz-q2Lw9-Tx4Rb"
    for front in ("", "u", "us", "use", "user:"):
        text = base64.b64encode(f"{front}{value}{front}".encode()).decode()
        shown = masked(value, f"{before} {text} behind")
        assert shown.startswith(f"{before} ")
        assert shown.endswith(" behind")
        left = shown[len(before) + 1 : -len(" behind")].replace(MASK, "")
        whole = re.sub(r"=+$", "", text)
        # As many characters as hold a part of the value, and no more than three on each side.
        assert len(whole) - len(left) <= 4 * len(value) / 3 + 6, shown


def test_an_encoded_value_at_the_beginning_of_a_text_is_masked_whole() -> None:
    value = "k7Gz-q2Lw9-Tx4Rb"
    for front in ("", "u", "us"):
        assert masked(value, base64.b64encode(f"{front}{value}".encode()).decode()) == MASK


@pytest.mark.parametrize("broken", ["\n", "\r\n", " ", "\\n", "\\r\\n", "\\r", "\t"])
def test_an_encoded_value_is_masked_over_lines(broken: str) -> None:
    text = base64.b64encode(b"k7Gz-q2Lw9-Tx4Rb").decode()
    shown = masked("k7Gz-q2Lw9-Tx4Rb", f"({broken.join((text[:7], text[7:15], text[15:]))})")
    assert shown == f"({MASK})"


def test_a_secret_is_the_same_object_in_a_copy() -> None:
    secret = Secret("k7Gz-q2Lw9-Tx4Rb-copied")
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
