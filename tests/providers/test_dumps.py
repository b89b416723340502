"""A known secret is masked in dumps of its bytes and where its characters are escaped one by one."""

import base64
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from drbook.providers.hiding import MASK, Known

SIMPLE = "bearer-Zq81-Typed-9w2e"
OTHER = "".join(chr(ord(each) + 1) for each in SIMPLE)
WIDE = "Zürich-k7Gz-€q2Lw9"
BEFORE, BEHIND = b"a line before it: ", b" and more behind it\n"


def rows(data: bytes, size: int = 16) -> Iterator[tuple[int, bytes]]:
    yield from ((at, data[at : at + size]) for at in range(0, len(data), size))


def shown(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


def in_groups(data: bytes, size: int, *, turned: bool = False) -> list[str]:
    groups = [data[at : at + size] for at in range(0, len(data), size)]
    return [(group.ljust(size, b"\0")[::-1] if turned else group).hex() for group in groups]


def hexdump_canonical(data: bytes) -> str:
    lines = [
        f"{at:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  |{shown(row)}|\n"
        for at, row in rows(data)
    ]
    return "".join(lines) + f"{len(data):08x}\n"


def python_hexdump(data: bytes) -> str:
    lines = [
        f"{at:08X}: {row[:8].hex(' ').upper():<23}  {row[8:].hex(' ').upper():<23}  {shown(row)}\n"
        for at, row in rows(data)
    ]
    return "".join(lines)


def wireshark(data: bytes) -> str:
    return "".join(f"{at:04x}  {row.hex(' '):<47}   |{shown(row)}\n" for at, row in rows(data))


def xxd(data: bytes, size: int = 16, group: int = 2) -> str:
    width = 2 * size + -(-size // group) - 1
    return "".join(
        f"{at:08x}: {' '.join(in_groups(row, group)):<{width}}  {shown(row)}\n"
        for at, row in rows(data, size)
    )


def xxd_include(data: bytes) -> str:
    lines = ("  " + ", ".join(f"0x{byte:02x}" for byte in row) for _, row in rows(data, 12))
    return "unsigned char a[] = {\n" + ",\n".join(lines) + "\n};\n"


def od(data: bytes, words: Callable[[bytes], list[str]]) -> str:
    lines = (f"{at:07o} {' '.join(words(row))}\n" for at, row in rows(data))
    return "".join(lines) + f"{len(data):07o}\n"


def od_characters(data: bytes) -> str:
    """`od -c` of ASCII."""
    named = {0: "\\0", 9: "\\t", 10: "\\n", 13: "\\r"}
    lines = (
        f"{at:07o}" + "".join(f"{named.get(byte, chr(byte)):>4}" for byte in row) + "\n"
        for at, row in rows(data)
    )
    return "".join(lines) + f"{len(data):07o}\n"


def in_numbers(row: bytes, how: str) -> list[str]:
    return [format(int(each, 16), how) for each in in_groups(row, 2, turned=True)]


def debugger(data: bytes) -> str:
    lines = (
        f"0x{0x7FFE5C00 + at:x}:\t" + "\t".join(f"0x{byte:02x}" for byte in row) + "\n"
        for at, row in rows(data, 8)
    )
    return "".join(lines)


DUMPS: dict[str, Callable[[bytes], str]] = {
    "hexdump -C": hexdump_canonical,
    "hexdump -C in JSON": lambda data: hexdump_canonical(data).replace("\n", "\\n"),
    "hexdump, prefixed": lambda data: re.sub("(?m)^", "out: ", hexdump_canonical(data)),
    "Python's hexdump": python_hexdump,
    "like Wireshark": wireshark,
    "xxd": xxd,
    "xxd -g 1": lambda data: xxd(data, group=1),
    "xxd -c 8": lambda data: xxd(data, 8),
    "xxd -c 32 -g 4": lambda data: xxd(data, 32, 4),
    "xxd -e": lambda data: "".join(
        f"{at:08x}: {' '.join(in_groups(row, 4, turned=True)):<35}  {shown(row)}\n"
        for at, row in rows(data)
    ),
    "xxd -u": lambda data: xxd(data).upper(),
    "xxd -p": lambda data: "\n".join(row.hex() for _, row in rows(data, 30)),
    "xxd -i": xxd_include,
    "xxd groups alone": lambda data: " ".join(in_groups(data, 2)),
    "xxd of UTF-16": lambda data: xxd(data.decode().encode("utf-16-le")),
    "od -t x1": lambda data: od(data, lambda row: in_groups(row, 1)),
    "od -x": lambda data: od(data, lambda row: in_groups(row, 2, turned=True)),
    "od -An -x": lambda data: "\n".join(
        " " + " ".join(in_groups(row, 2, turned=True)) for _, row in rows(data)
    ),
    "hexdump -x": lambda data: "".join(
        f"{at:07x}" + "".join(f"    {each}" for each in in_groups(row, 2, turned=True)) + "\n"
        for at, row in rows(data)
    ),
    "od -t x4": lambda data: od(data, lambda row: in_groups(row, 4, turned=True)),
    "od -t x8": lambda data: od(data, lambda row: in_groups(row, 8, turned=True)),
    "od -b": lambda data: od(data, lambda row: [f"{byte:03o}" for byte in row]),
    "od": lambda data: od(data, lambda row: in_numbers(row, "06o")),
    "od -c": od_characters,
    "od -t u1": lambda data: od(data, lambda row: [f"{byte:>3}" for byte in row]),
    "od -d": lambda data: od(data, lambda row: in_numbers(row, ">5")),
    "xxd -b": lambda data: "".join(
        f"{at:08x}: {' '.join(f'{byte:08b}' for byte in row):<53}  {shown(row)}\n"
        for at, row in rows(data, 6)
    ),
    "gdb": debugger,
    ".NET": lambda data: data.hex("-").upper(),
    "a list of numbers": lambda data: str(list(data)),
    "lines of numbers": lambda data: ",\n  ".join(map(str, data)),
}


@pytest.mark.parametrize("place", [0, 1, 2, 3, 7, 13, 100])
@pytest.mark.parametrize("dump", DUMPS)
def test_a_value_is_masked_in_a_dump_wherever_it_crosses_a_line(dump: str, place: int) -> None:
    """What is left is the same for another value: it tells nothing of either."""
    cleaned = []
    for value in (SIMPLE, OTHER):
        known = Known([value])
        made = DUMPS[dump](b"x" * place + BEFORE + value.encode() + BEHIND)
        cleaned.append(known.scrub(made))
        assert known.scrub(cleaned[-1]) == cleaned[-1]
        ordinary = DUMPS[dump](b"x" * place + BEFORE + BEHIND)
        assert known.scrub(ordinary) == ordinary
    assert MASK in cleaned[0]
    assert cleaned[0] == cleaned[1]


ESCAPES: dict[str, Callable[[str], str]] = {
    "\\x": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "\\X in a C string": lambda text: "".join(f"\\\\x{byte:02X}" for byte in text.encode()),
    "\\u": lambda text: "".join(
        f"\\u{text.encode('utf-16-be').hex()[at : at + 4]}"
        for at in range(0, 2 * len(text.encode("utf-16-be")), 4)
    ),
    "\\u{}": lambda text: "".join(f"\\u{{{ord(each):x}}}" for each in text),
    "\\U": lambda text: "".join(f"\\U{ord(each):08x}" for each in text),
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "HTML, decimal": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "URL": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "every other": lambda text: "".join(
        each if at % 2 else "".join(f"%{byte:02x}" for byte in each.encode())
        for at, each in enumerate(text)
    ),
    "mixed": lambda text: quote(text[0]) + text[1:4] + f"\\u{ord(text[4]):04x}" + text[5:],
    "over lines": lambda text: "\n".join(f"\\x{byte:02x}" for byte in text.encode()),
    "over lines in JSON": lambda text: "\\r\\n".join(f"\\x{byte:02x}" for byte in text.encode()),
    "colours": lambda text: "".join(f"\x1b[1;3{at % 8}m{each}" for at, each in enumerate(text)),
    "colours in JSON": lambda text: "\\u001b[0m".join(text),
    "colours as a pager shows them": lambda text: "^[[31m".join(text),
    "colours of a shell": lambda text: "\\033[0m".join(text),
    "colours in eight bits": lambda text: "\x9b31m".join(text),
    "colours in HTML": lambda text: "\x1b[0m".join(
        each.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace('"', "&quot;")
        .replace("'", "&apos;")
        for each in text
    ),
    "colours in quotes": lambda text: "\x1b[0m\x7f".join(
        f"\\{each}" if each in "\"'" else each for each in text
    ),
    "one title": lambda text: text[:7] + "\x1b]0;a title\x07" + text[7:],
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16")).decode(),
    "base64 of UTF-16, turned": lambda text: base64.b64encode(text.encode("utf-16-be")).decode(),
    "base64 of UTF-16, for URLs": lambda text: base64.urlsafe_b64encode(
        ("~" + text).encode("utf-16-le")
    ).decode(),
}


@pytest.mark.parametrize("value", [SIMPLE, WIDE, "\U0001f600-k7Gz-\"q2'&<w9"])
@pytest.mark.parametrize("form", ESCAPES)
def test_a_value_is_masked_where_its_characters_are_escaped(form: str, value: str) -> None:
    known = Known([value])
    text = f"before {ESCAPES[form](value)} behind"
    assert re.fullmatch(r"before (\x1b\[1;30m)?\[secret\] behind", known.scrub(text))
    other = f"before {ESCAPES[form]('an ordinary sentence')} behind"
    assert known.scrub(other) == other


@pytest.mark.parametrize("around", range(5))
def test_of_an_encoded_text_nothing_is_left_that_decodes_to_the_value(around: int) -> None:
    encoders: list[Callable[[str], bytes]] = [
        lambda text: base64.b32encode(text.encode()),
        lambda text: base64.b64encode(text.encode("utf-16-le")),
        lambda text: base64.b64encode(b"x" + text.encode("utf-16-be")),
    ]
    for encode in encoders:
        left = set()
        for value in (SIMPLE, OTHER):
            made = encode("1" * around + value + "2" * around).decode()
            broken = "\\n".join(made[at : at + 20] for at in range(0, len(made), 20))
            cleaned = Known([value]).scrub(f"k={made}. k={broken}.")
            assert cleaned.count(MASK) == 2
            left.add(cleaned)
        assert len(left) == 1


def test_a_piece_of_a_value_is_masked_in_a_line_of_a_dump() -> None:
    """As lines are shown while a program runs."""
    known = Known([SIMPLE])
    first, *others = xxd(SIMPLE.encode()).splitlines()
    assert known.scrub(first) == f"00000000: {MASK}  {MASK}"
    assert [known.scrub(each) for each in others] == others  # six characters are no piece
    wide = Known([WIDE]).scrub(xxd(WIDE.encode()).splitlines()[0])
    assert wide == f"00000000: {MASK}  {MASK}"


def test_lines_of_nothing_in_a_dump_are_passed_over() -> None:
    data = SIMPLE[:9].encode() + bytes(7 + 32) + SIMPLE[9:].encode()
    first, *nothing, last = Known([SIMPLE]).scrub(xxd(data)).splitlines()
    assert first == f"00000000: {MASK}00 0000 0000 0000  {MASK}"
    assert nothing == xxd(data).splitlines()[1:-1]
    assert re.fullmatch(r"00000030: \[secret\] +\[secret\]", last)


@pytest.mark.parametrize(
    "text",
    [
        '00000000: 7b22 6122 3a31 7d0a                      {"a":1}.\n',
        "deadbeef 00 11 22 and so on",
        "DEADBEEF 00 8 88 888888 AAAA FFFF 20202020 9999999999999999",
        "0000 000 00 0000 0 000000 777777 0xffff",
        "2026-11-26 17:49:16 0x0 100% \\u \\x5 &# &#; &#xffffff; &#9999999; \\u{} %5 %zz ^[ \x1b[",
        "a\\tb\\\\c \\ud83d \\udc00 \udc80 \ud800 &amp;&lt; caf\\xe9",
        "\x1b[31mred\x1b[0m",
        "[1, 2, 3, 255]",
    ],
)
def test_text_without_a_secret_stays(text: str) -> None:
    assert Known([SIMPLE, WIDE]).scrub(text) == text


def test_a_value_that_looks_escaped_itself_is_masked() -> None:
    for value in ("C:\\new\\x41%42-secret", "a%20b&#32;c-secret"):
        known = Known([value])
        coloured = "\x1b[0m".join((value[:-5], value[-5:]))
        for text in (value, coloured, ESCAPES["URL"](value), ESCAPES["\\x"](value)):
            assert known.scrub(f"({text})") == f"({MASK})"


def test_of_a_very_long_value_no_escape_is_undone() -> None:
    value = "k7-" * 400
    text = ESCAPES["\\x"](value)
    assert Known([value]).scrub(text) == text


HOSTILE = (
    "0", "00 ", "0x", "0x00, ", "00000000  62 65 ", "00000000: 6265 6172\n", "00000000 ", "\n00000000 a",
    "62", "98, 101, ", "98,", "\\", "\\x", "\\u00", "\\u0062", "%62", "&#", "&#98;", "&#0", "\x1b[",
    "\x1b[3", "\x1b]", "\x1b]a", "^[[", "MJSWC4TF", "YgBlAGEA", "b", "be\x1b[0m", "é",
)  # fmt: skip


@pytest.mark.parametrize("run", HOSTILE)
def test_no_text_makes_reading_hang(run: str) -> None:
    """Twice the text may take twice the time, and never more than a minute for a million characters."""
    known = Known([SIMPLE, WIDE, "k7Gz-q2Lw9-Tx4Rb-Long-One-0123456789ABCD"])
    texts = [start + run * (40_000 // len(run)) for start in ("", "62", "00000000  62 ", "b")]
    begun = time.process_time()
    for text in texts:
        known.scrub(text)
    took, whole = time.process_time() - begun, sum(map(len, texts))
    assert took < 60 * whole / 1_000_000, f"{took:.1f} s for {whole:,} characters"
