"""Single values: is this a credential, by the name of its variable or by its own shape, and of what kind?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from drbook.core.logins import Login
from drbook.providers.hiding import Secret
from drbook.providers.pgplaces import login_in, login_of_variables


@dataclass(frozen=True, slots=True)
class Spotted:
    """One value in a text."""

    kind: str
    name: str
    value: str = field(repr=False)
    line: int | None = None
    scope: str = ""
    key_id: str = field(default="", repr=False)
    """The access key id that goes with a secret key."""
    marks: tuple[str, ...] = ()
    token: str = field(default="", repr=False)
    """The session token that goes with a secret key."""
    login: Login | None = None
    """Of a password of PostgreSQL: which server and user it is for, as far as its place says it."""


ASKABLE = frozenset(
    {
        "aws long-lived key",
        "aws session key",
        "rclone remote",
        "s3 key",
        "railway account or workspace token",
        "railway login",
        "railway project token",
    }
)
"""Kinds that can be asked about themselves."""


@dataclass(frozen=True, slots=True)
class Held:
    """A credential that is kept for as long as it is asked about itself. Nothing of it is ever shown."""

    fingerprint: str
    kind: str
    value: Secret = field(repr=False)
    key_id: Secret = field(repr=False)
    token: Secret = field(repr=False)
    login: Login | None = None


UNTOLD = "its shape does not tell what it may do"

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}", re.ASCII)
_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:\w*pass(?:word|wd|phrase)?|pgpassword|pwd|secrets?|tokens?|credentials?|dsn|pat|jwt"
    r"|api_?key|access_?key|\w*secretaccesskey|secret_?key|private_?key|auth_?key|account_?key|encryption_?key|key)$",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"PWD|OLDPWD|SSH_ASKPASS|GIT_ASKPASS|(?-i:key)|(?:.*[_.-])?(?:public|cache|primary|foreign|sort|partition)"
    r"[_.-]?keys?",
    re.DOTALL | re.ASCII | re.IGNORECASE,
)
"""Names that end like those of secrets and are none; a bare `key` is a cache's in CI files."""
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,30})://[^\s/?#:@'\"]*:([^\s'\"]{1,512})@([^\s/?#'\"@]{0,255})", re.I
)
_POSTGRES = ("postgres", "postgresql")
_IN_QUERY = re.compile(
    r"\bpostgres(?:ql)?://([^\s'\"?]{0,512})\?(?:[^\s'\"]{0,512}&)?password=([^\s&'\"]{1,512})",
    re.I,
)
"""libpq takes every parameter behind the `?` of a URL, a password too."""
_CONNINFO = re.compile(r"\bpassword\s*=\s*('(?:[^'\\]|\\.)*'|[^\s'\"]+)", re.IGNORECASE)
_HOST = re.compile(r"\bhost\s*=\s*'?([^\s'\"]+)", re.IGNORECASE)
_AWS_ID = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}", re.ASCII)
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}", re.ASCII), "github token"),
    (re.compile(r"glpat-[A-Za-z0-9_-]{15,}", re.ASCII), "gitlab token"),
    (re.compile(r"[sr]k_live_[A-Za-z0-9]{10,}", re.ASCII), "stripe live key"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "private key"),
    (re.compile(r"\bAccountKey=[A-Za-z0-9+/=]{20,}", re.ASCII), "azure storage key"),
)
_PLACEHOLDER = re.compile(r"^(?:\$.*|<.*>|\*+|x+|true|false|null|none|\d{1,3})$", re.I)


def is_placeholder(value: str) -> bool:
    """Whether it stands for a value that is elsewhere, or for none."""
    return _PLACEHOLDER.match(value) is not None or "${{" in value


def aws_kind(key_id: str) -> tuple[str, str]:
    """What AWS's own prefixes tell: AKIA is of a user or root and lasts, ASIA is of a session and ends."""
    if key_id.startswith("ASIA"):
        return (
            "aws session key",
            "ends with its session; what it may do until then its shape does not tell",
        )
    if key_id.startswith("AKIA"):
        return "aws long-lived key", f"lasts until somebody deletes it; {UNTOLD}"
    return "s3 key", UNTOLD


RAILWAY: Mapping[str, tuple[str, str]] = {
    "RAILWAY_TOKEN": (
        "railway project token",
        "by convention of one environment of one project, where it can do everything; the token's "
        "shape does not tell",
    ),
    "RAILWAY_API_TOKEN": (
        "railway account or workspace token",
        "by convention of an account or a workspace: all that its user can do; the shape does not "
        "tell which",
    ),
}
_BY_NAME: Mapping[str, str] = {
    "PGPASSWORD": "postgres password",
    "POSTGRES_PASSWORD": "postgres password",
    "RESTIC_PASSWORD": "restic password",
    "BORG_PASSPHRASE": "borg passphrase",
}


def variable(name: str, value: str, line: int | None = None) -> Spotted | None:
    """One variable, where its name or its value's shape says that it is a secret."""
    value = value.strip()
    if len(value) < 3 or _NO_SECRET.fullmatch(name) or is_placeholder(value):
        return None
    if name in RAILWAY:
        kind, scope = RAILWAY[name]
        return Spotted(kind, name, value, line, scope)
    if name in _BY_NAME:
        return Spotted(_BY_NAME[name], name, value, line, UNTOLD)
    if (found := in_url(value[:4096], name, line)) is not None:
        return found
    for shape, kind in _SHAPES:
        if shape.search(value):
            return Spotted(kind, name, value, line, UNTOLD)
    if _AWS_ID.fullmatch(value) or not _SECRET_NAME.search(name):
        return None
    if "pass" not in name.lower() and len(value) < 8:
        return None
    return Spotted("secret by its name", name, value, line, UNTOLD)


_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,20000}")


def private_keys(text: str) -> Iterator[Spotted]:
    """PEM blocks, wherever they stand."""
    for found in _PEM.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Spotted("private key", "", found.group(), line, UNTOLD)


def in_url(text: str, name: str, line: int | None) -> Spotted | None:
    """A password in a URL or a libpq connection string."""
    url = _URL.search(text)
    if url is not None:
        scheme, password, host = url.groups()
        postgres = scheme.lower() in _POSTGRES
        kind = "postgres password" if postgres else "password in a URL"
        # With a bare @ in the password, what looks like the host is a part of it, so it is only compared.
        bare = (host.rpartition(":")[0] or host).lower()
        marks = (f"pg:{bare}" if postgres else f"host:{host.lower()}",) if bare else ()
        login = login_in(text[url.start() :]) if postgres else None
        value = unquote(password)
        return Spotted(kind, name, value, line, UNTOLD, marks=marks, login=login)
    query = _IN_QUERY.search(text)
    if query is not None:
        login = login_in(text[query.start() :])
        host = login.host.lower() if login is not None else ""
        marks = (f"pg:{host}",) if host else ()
        value = unquote(query.group(2))
        return Spotted("postgres password", name, value, line, UNTOLD, marks=marks, login=login)
    conninfo, host_is = _CONNINFO.search(text), _HOST.search(text)
    if conninfo is not None and host_is is not None:
        password = conninfo.group(1).strip("'")
        marks = (f"pg:{host_is.group(1).lower()}",)
        login = login_in(text)
        return Spotted("postgres password", name, password, line, UNTOLD, "", marks, login=login)
    return None


def variables(
    values: Mapping[str, str], lines: Mapping[str, int] | None = None
) -> Iterator[Spotted]:
    """All variables of one place; an access key id makes one credential with its secret."""
    at = lines or {}
    for name, value in values.items():
        found = variable(name, value, at.get(name))
        if found is None:
            continue
        key_id = _key_id(name, values)
        if key_id:
            kind, scope = aws_kind(key_id)
            token = _session_token(name, values)
            found = Spotted(kind, name, found.value, found.line, scope, key_id, token=token)
        elif found.kind == "postgres password" and found.login is None:
            found = replace(found, login=login_of_variables(name, values))
        yield found


def _session_token(name: str, values: Mapping[str, str]) -> str:
    """The session token beside a secret key, by AWS's names."""
    for ending, other in (
        ("SECRET_ACCESS_KEY", "SESSION_TOKEN"),
        ("secret_access_key", "session_token"),
    ):
        if name.endswith(ending):
            return values.get(name.removesuffix(ending) + other, "").strip()
    return ""


def _key_id(name: str, values: Mapping[str, str]) -> str:
    """The access key id beside a secret: by AWS's names, and by those that differ in the same way."""
    for ending, other in (
        ("SECRET_ACCESS_KEY", "ACCESS_KEY_ID"),
        ("SECRET_KEY", "ACCESS_KEY"),
        ("SECRET", "KEY_ID"),
        ("secret_access_key", "access_key_id"),
    ):
        if name.endswith(ending):
            beside = values.get(name.removesuffix(ending) + other, "").strip()
            if beside:
                return beside
    return ""
