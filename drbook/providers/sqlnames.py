"""Names in the SQL that pg_dump writes."""

import re

IDENTIFIER = r'(?:"(?:[^"]+|"")++"|[A-Za-z_][\w$]*)'
"""A name as pg_dump writes it."""
_TOKEN = re.compile(
    rf"(?P<text>'(?:[^']|'')*+(?:'|\Z))|(?P<name>{IDENTIFIER})|(?P<sign>[(),])|\s++|.",
    re.ASCII | re.DOTALL,
)
_BEFORE_ROLES = {"TO", "FROM", "AUTHORIZATION", "FOR ROLE", "MAPPING FOR", "GRANTED BY"}
"""What pg_dump writes before the names of roles; its keywords are in capitals, and its names are not,
or quoted."""
_NO_ROLES = {"PUBLIC", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE", "public"}


def bare(name: str) -> str:
    """A name without SQL's quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def roles_in(statement: str) -> set[str]:
    """The roles that a statement about rights, policies or owners names, outside of its parentheses:
    in those stand columns, arguments and conditions, which have a FROM of their own."""
    found: set[str] = set()
    depth, before, listing, expected = 0, "", False, False
    for token in _TOKEN.finditer(statement):
        kind, text = token.lastgroup, token[0]
        if kind == "sign":
            depth = max(0, depth + {"(": 1, ")": -1}.get(text, 0))
            expected = listing and text == "," and depth == 0
        elif kind == "name" and depth == 0:
            if expected:
                if text not in _NO_ROLES:  # in quotes they are names like others
                    found.add(bare(text))
                expected = False
            else:
                listing = expected = not _BEFORE_ROLES.isdisjoint((text, f"{before} {text}"))
            before = text
    return {role for role in found if not role.startswith("pg_")}
