"""Which server, database and user a found password of PostgreSQL is for: URLs, connection strings, service
sections, variables and entries of a password file. No password is in what comes out.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, unquote

from drbook.core.logins import Login

OPTIONS = frozenset({"sslmode", "sslrootcert", "channel_binding", "sslnegotiation"})
"""What is taken over of a place's own parameters: all about TLS. Others could run something else in the
session, or read other secrets."""
_URL = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^\s/?#:@'\"]*)(?::(?P<password>[^\s/?#@'\"]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#:@'\",\[]*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/(?P<database>[^\s/?#@'\"]*))?(?:\?(?P<query>[^\s#@'\"]*))?(?=[\s#'\"]|$)",
    re.IGNORECASE,
)
"""Nothing else than one host: a bare @ or / in a password would make a host of a part of it."""
_FIELD = re.compile(r"\b([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s'\"]+)", re.IGNORECASE)
_PORT = re.compile(r"[0-9]{1,5}")


def login_in(text: str) -> Login | None:
    """Of a URL or a libpq connection string; None for one that cannot be told apart for sure."""
    url = _URL.match(text)
    if url is not None:
        fields = {name: value for name, value in parse_qsl(url["query"] or "") if value}
        host = unquote((url["host"] or "").strip("[]"))
        given = {"host": host, "port": url["port"], "user": unquote(url["user"] or "")}
        given["dbname"] = unquote(url["database"] or "")
        return login_of_fields(fields | {name: value for name, value in given.items() if value})
    if "://" in text:
        return None
    fields = {
        name.lower(): re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith("'") else value
        for name, value in _FIELD.findall(text)
    }
    return login_of_fields(fields) if "host" in fields or "hostaddr" in fields else None


def login_of_fields(fields: Mapping[str, str]) -> Login:
    """By libpq's names of parameters (PostgreSQL's manual, 32.1.2). Several hosts are none."""
    host, port = fields.get("host") or fields.get("hostaddr", ""), fields.get("port", "")
    if "," in host or (port and not _PORT.fullmatch(port)):
        host = ""
    return Login(
        host=host,
        port=port,
        database=fields.get("dbname", ""),
        user=fields.get("user", ""),
        options={name: value for name, value in fields.items() if name in OPTIONS},
    )


_NAMES = {
    "PGPASSWORD": ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER"),
    "POSTGRES_PASSWORD": ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER"),
}


def login_of_variables(name: str, values: Mapping[str, str]) -> Login | None:
    """Of the variables beside a password, by libpq's names and those of PostgreSQL's container image."""
    names = _NAMES.get(name)
    if names is None:
        return None
    fields = dict(zip(("host", "port", "dbname", "user"), map(values.get, names), strict=True))
    mode = values.get("PGSSLMODE", "")
    given = {key: value.strip() for key, value in fields.items() if value and value.strip()}
    return login_of_fields(given | ({"sslmode": mode} if mode else {}))


def login_of_entry(fields: Sequence[str]) -> Login:
    """Of `host:port:database:user` in a password file, where `*` is anything (PostgreSQL's manual, 32.16)."""
    host, port, database, user = ("" if each == "*" else each for each in fields)
    return Login(host=host, port=port, database=database, user=user, open=True)
