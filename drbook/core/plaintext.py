"""Text from outside made safe to show. It imports next to nothing: the command line and the first frame
need it before anything else."""

import re
import unicodedata

INCIDENT_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9-]{1,40}", re.ASCII)
"""An incident's id, which also names its folder, here and in mirrors."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 table`, `2 tables`, `1,200 copies`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


_MARKS = 4
"""Combining marks on one letter; no script's spelling needs more."""


def plain(text: str, limit: int = 2000) -> str:
    """Text from outside made safe for a terminal line: no control, bidi or line-breaking characters.

    Such characters, and marks piled up on one letter, are shown as `\\x1b`-like escapes, so that
    nothing is hidden; what is longer than `limit` characters is cut and says so.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    length = marks = 0
    for character in text[: limit + 1]:
        category = unicodedata.category(character)
        marks = marks + 1 if category[0] == "M" else 0
        if category[0] == "C" or category in ("Zl", "Zp") or marks > _MARKS:
            piece = character.encode("unicode_escape", "backslashreplace").decode("ascii")
        else:
            piece = character
        length += len(piece)
        if length > limit:  # an escape is longer than what it stands for
            return "".join(shown) + f" … ({len(text)} characters)"
        shown.append(piece)
    return "".join(shown)


def plain_lines(text: str, limit: int = 2000) -> str:
    """Like `plain`, but line breaks stay."""
    return "\n".join(plain(line, limit) for line in text.splitlines())
