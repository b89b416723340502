"""Pieces of Markdown that hold text from outside: nothing in it becomes markup, a link or an HTML tag."""

import re
from collections.abc import Iterable, Sequence

from drbook.core.values import plain

_SPECIAL = re.compile(
    r"://|www\.|@|#(?=\d)|[!%](?=[\w\"])|(?<![a-z0-9])gh(?=-\d)|:(?=[0-9_+-]*[a-z][a-z0-9_+-]*:)"
    r"|[\\`*_{}\[\]<>()#|~&$]|^[-+=]|(?<=^\d)\.",
    re.IGNORECASE,
)
_LINKS = {"://": "&#58;//", "@": "&#64;<!-- -->", ":": ":<!-- -->"}
"""What Markdown makes a link of, people of and pictures of, although nobody marked it as one (GitHub's,
section 6.9). Addresses are looked for in the source, where an entity hides them; names behind an @,
numbers behind a # or GH-, and words between colons in what was made of it, where only something between
the two does. GitLab's numbers behind ! % & $ ~ are none where a backslash stands before the sign."""


def text(value: object) -> str:
    """Text from outside in a paragraph or a cell: no markup, no HTML, no links, no line breaks."""
    return _SPECIAL.sub(_escaped, plain(str(value)))


def _escaped(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in _LINKS:
        return _LINKS[sign]
    if sign == "#" and found.string[found.end() : found.end() + 1].isdigit():
        return "\\#<!-- -->"
    if sign.lower() == "gh":
        return f"{sign}<!-- -->"
    return f"{sign[:-1]}&#46;" if len(sign) > 1 else f"\\{sign}"


def lines(value: str) -> str:
    """Several lines in one of Markdown's; what indents them stays."""
    found = []
    for line in value.splitlines():
        bare = line.lstrip(" ")
        found.append("&nbsp;" * (len(line) - len(bare)) + text(bare))
    return "<br>".join(found)


def fenced(lines: Sequence[str]) -> str:
    """Lines as they are: nothing in them is markup, nor ends the block (CommonMark 4.5: a fence ends with
    at least as many backticks as it begins with)."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


class Markdown(str):
    """Text that is Markdown already."""


def grid(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table; its cells are text from outside, its header is not. `right` names columns of numbers."""
    marks = ["---:" if index in right else "---" for index in range(len(header))]
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join(marks) + " |"]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: str) -> str:
    return value if isinstance(value, Markdown) else text(value)
