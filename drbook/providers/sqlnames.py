"""Names in the SQL that pg_dump writes."""

import re

IDENTIFIER = r'(?:"(?:[^"]+|"")++"|[A-Za-z_][\w$]*)'
"""A name as pg_dump writes it."""
_NAMES_ROLES = re.compile(
    rf"\b(?:TO|FROM|FOR ROLE|MAPPING FOR|GRANTED BY|AUTHORIZATION) ({IDENTIFIER}(?:, {IDENTIFIER})*)",
    re.ASCII,
)
_NO_ROLES = {"PUBLIC", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE", "public"}


def bare(name: str) -> str:
    """A name without SQL's quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def roles_in(text: str) -> set[str]:
    """The roles that grants, policies and owners in this SQL name."""
    found: set[str] = set()
    for names in _NAMES_ROLES.findall(text):
        for name in re.findall(IDENTIFIER, names):
            role = bare(name)
            if role not in _NO_ROLES and not role.startswith("pg_"):
                found.add(role)
    return found
