"""Credentials in texts: variables, INI sections, `.pgpass`, JSON, YAML by lines, and shell history.

Each parser takes a text and yields what it spotted. They understand as much of a format as says where a
value is; for a text of which they understand a part only they raise Broken behind that, and none quotes it.
"""

import json
import re
from collections.abc import Iterator, Mapping

from drbook.core.logins import Server
from drbook.providers.credvalues import (
    NAME,
    UNTOLD,
    Spotted,
    aws_kind,
    in_url,
    is_placeholder,
    variables,
)
from drbook.providers.pgplaces import login_of_entry, login_of_fields

_ASSIGNED = re.compile(
    r"^\s*(?:export\s+|-\s+)?[\"']?([A-Za-z_][A-Za-z0-9_.-]{0,79})[\"']?\s*[=:]\s*(.*?)\s*$",
    re.ASCII,
)
_FLOW = re.compile(
    r"[{,]\s*[\"']?([A-Za-z_][A-Za-z0-9_.-]{0,79})[\"']?\s*:\s*('[^']*'|\"(?:[^\"\\]|\\.)*\"|[^\s,}]+)",
    re.ASCII,
)
"""A YAML mapping in one line."""
_BLOCK = re.compile(r"[>|][+-]?")


class Broken(Exception):
    """A part of a text that was not understood, in words that quote nothing of it."""


def assignments(text: str) -> Iterator[Spotted]:
    """`NAME=value` and `NAME: value` by lines, as dotenv and CI files have them."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    under, deep = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        if under and (indent > deep or not line.strip()):
            values[under] = f"{values[under]} {line.strip()}".strip()
            continue
        under = ""
        flow = {name: _unquoted(value) for name, value in _FLOW.findall(line)}
        yield from variables(flow, dict.fromkeys(flow, number))
        assigned = _ASSIGNED.match(line)
        if assigned is None:
            if not flow and (found := in_url(line, "", number)) is not None:
                yield found
            continue
        name, value = assigned.group(1), _unquoted(assigned.group(2))
        if name in values:  # what was said before is still readable there
            yield from variables({name: values[name]}, lines)
        if flow and value.startswith("{"):
            continue
        if _BLOCK.fullmatch(value):  # YAML: it follows in the lines below
            under, deep, value = name, indent, ""
        values[name], lines[name] = value, number
    yield from variables(values, lines)


_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"?|'([^']*)'?")


def _unquoted(text: str) -> str:
    """A value without its quotes and a comment behind it; an open quote goes to the line's end."""
    found = _QUOTED.match(text)
    if found is None:
        return text.split(" #")[0].strip()
    double, single = found.groups()
    return single if double is None else re.sub(r"\\(.)", r"\1", double)


def ini(text: str) -> Iterator[tuple[str, Mapping[str, str], Mapping[str, int]]]:
    """Sections with their fields and lines. (`configparser` would quote lines in its errors.)"""
    section: str = ""
    fields: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith("[") and "]" in bare:
            yield section, fields, lines
            section, fields, lines = bare[1 : bare.index("]")].strip(), {}, {}
        elif "=" in bare and not bare.startswith(("#", ";")):
            name, _, value = bare.partition("=")
            fields[name.strip()], lines[name.strip()] = value.strip(), number
    yield section, fields, lines


def aws(text: str) -> Iterator[Spotted]:
    """`~/.aws/credentials` and `~/.aws/config`: a credential for each profile."""
    for section, fields, lines in ini(text):
        secret = fields.get("aws_secret_access_key", "")
        if secret:
            profile = section.removeprefix("profile ").strip()
            kind, scope = aws_kind(fields.get("aws_access_key_id", ""))
            yield Spotted(
                kind,
                profile,
                secret,
                lines["aws_secret_access_key"],
                scope,
                fields.get("aws_access_key_id", ""),
                (f"profile:{profile}",),
                fields.get("aws_session_token", ""),
            )


def services(text: str) -> Iterator[Spotted]:
    """`pg_service.conf`."""
    for section, fields, lines in ini(text):
        if fields.get("password"):
            host = fields.get("host", "").lower()
            marks = (f"service:{section}", *((f"pg:{host}",) if host else ()))
            line, login = lines["password"], login_of_fields(fields)
            yield Spotted(
                "postgres password", section, fields["password"], line, UNTOLD, "", marks, "", login
            )


def servers(text: str) -> Iterator[Server]:
    """The servers that `pg_service.conf` names, with a password or without."""
    for section, fields, _ in ini(text):
        login = login_of_fields(fields)
        if login.host:
            yield Server(name=section, **login.model_dump(exclude={"open"}))


def pgpass(text: str) -> Iterator[Spotted]:
    """`host:port:database:user:password`, where `\\` quotes `:` and `\\`."""
    odd = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            continue
        odd = odd or (number if line.strip() and len(re.findall(r"(?<!\\):", line)) < 4 else 0)
        fields = re.split(r"(?<!\\):", line, maxsplit=4)
        if len(fields) == 5 and fields[4]:
            password = re.sub(r"\\(.)", r"\1", fields[4])
            marks = (f"pg:{fields[0].lower()}",) if fields[0] else ()
            login = login_of_entry([re.sub(r"\\(.)", r"\1", each) for each in fields[:4]])
            yield Spotted("postgres password", "", password, number, UNTOLD, "", marks, "", login)
    if odd:
        raise Broken(f"line {odd} is no entry of a password file, and was not understood")


def netrc(text: str) -> Iterator[Spotted]:
    """`machine HOST login USER password WORD`, over lines or in one."""
    host = ""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        for at, word in enumerate(words[:-1]):
            if word == "machine":
                host = words[at + 1]
            elif word == "password":
                marks = (f"host:{host.lower()}",) if host else ()
                yield Spotted("netrc password", "", words[at + 1], number, UNTOLD, "", marks)


def rclone(text: str) -> Iterator[Spotted]:
    """A remote's secrets; rclone only obscures its passwords (a fixed key), so they count as readable."""
    for section, fields, lines in ini(text):
        for name in ("secret_access_key", "pass", "password", "token", "key", "client_secret"):
            value = fields.get(name, "")
            if value:
                key_id = fields.get("access_key_id", "") if name == "secret_access_key" else ""
                scope = aws_kind(key_id)[1]
                yield Spotted("rclone remote", section, value, lines[name], scope, key_id)


_KUBE = re.compile(r"^\s*(?:-\s+)?(token|password|client-key-data|id-token|refresh-token):\s*(\S+)")


def kube(text: str) -> Iterator[Spotted]:
    for number, line in enumerate(text.splitlines(), 1):
        found = _KUBE.match(line)
        if found is not None:
            value = _unquoted(found.group(2))
            yield Spotted("kubernetes login", found.group(1), value, number, UNTOLD)


_CLI = "the login of the CLI's user: all that this user can do"
_JSON_TOKEN = re.compile(r'"([A-Za-z_]{0,40}token)"\s*:\s*"([^"\\]{8,})"', re.ASCII | re.IGNORECASE)


def railway(text: str) -> Iterator[Spotted]:
    """Railway's CLI keeps the login of its user in JSON, whatever the fields around it are called."""
    try:
        waiting: list[object] = [json.loads(text)]
    except (ValueError, RecursionError):
        for name, value in _JSON_TOKEN.findall(text):
            yield Spotted("railway login", name, value, None, _CLI)
        raise Broken("it is no whole JSON, so there may be more in it") from None
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            for name, value in one.items():
                if isinstance(value, str) and value and name.lower().endswith("token"):
                    shown = name if NAME.fullmatch(name) else ""
                    yield Spotted("railway login", shown, value, None, _CLI)
                else:
                    waiting.append(value)
        elif isinstance(one, list):
            waiting += one


_TYPED = re.compile(
    r"(?:^|[\s;&(])([A-Za-z_][A-Za-z0-9_]{0,79})=('[^']*'|\"[^\"]*\"|[^\s;&|]+)", re.ASCII
)
_OPTION = re.compile(
    r"--?(password|passwd|pass|token|secret|api-key|secret-key)[= ]('[^']*'|\"[^\"]*\"|[^\s;&|]+)",
    re.I,
)
_BEARER = re.compile(r"\bauthorization:\s*(?:bearer|basic|token)\s+([^\s'\"]{8,})", re.IGNORECASE)
_CONFIGURED = re.compile(r"\baws\s+configure\s+set\s+\S*(secret\w*|session_token)\s+(\S{8,})")
_MYSQL = re.compile(r"\bmysql(?:dump)?\s(?:[^|;&]*\s)?-p('[^']+'|\"[^\"]+\"|[^\s'\"|;&]{3,})")


def history(text: str) -> Iterator[Spotted]:
    """Lines that were typed with a value in them."""
    for number, line in enumerate(text.splitlines(), 1):
        if (url := in_url(line, "", number)) is not None:
            yield url
        typed = {name: _unquoted(value) for name, value in _TYPED.findall(line)}
        for found in variables(typed, dict.fromkeys(typed, number)):
            if url is None or found.value != url.value:
                yield found
        options = [(f"--{option.lower()}", value) for option, value in _OPTION.findall(line)]
        options += [("authorization", value) for value in _BEARER.findall(line)]
        options += _CONFIGURED.findall(line)
        options += [("-p", value) for value in _MYSQL.findall(line)]
        for name, value in options:
            if not is_placeholder(_unquoted(value)):
                yield Spotted("secret in a command", name, _unquoted(value), number, UNTOLD)
