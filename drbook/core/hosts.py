"""`hosts:` of a runbook: which addresses a request may go to, and which of them speak GraphQL.

An entry is `HOST` or `HOST:PORT`; without a port every port of the host is meant. An entry
`graphql://HOST[:PORT]/PATH` says besides that a GraphQL API answers at exactly that path, so that a
query there is known to read although it is sent with POST.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

_ENTRY = re.compile(
    r"(?P<graphql>graphql://)?"
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s/?#@:\[\]\\%]+))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^\s?#\\]*)?"
)


@dataclass(frozen=True, slots=True)
class Host:
    """One entry."""

    name: str
    """In small letters, without brackets."""
    port: int | None
    """None stands for all."""
    graphql: str | None = None
    """The path of its GraphQL endpoint."""

    def covers(self, names: frozenset[str], port: int) -> bool:
        """Whether a request to a host of these names (as written, and in ASCII) goes here."""
        return self.name in names and self.port in (None, port)


def parse_host(text: str) -> Host:
    """Raises ValueError for what is no entry."""
    match = _ENTRY.fullmatch(text)
    if match is None or bool(match["graphql"]) != bool(match["path"]):
        raise ValueError("expected HOST, HOST:PORT or graphql://HOST/PATH")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError("expected a port from 1 to 65535")
    return Host((match["six"] or match["host"]).lower(), port, match["path"])


def _checked(text: str) -> str:
    parse_host(text)
    return text


HostEntry = Annotated[str, AfterValidator(_checked)]
