"""Reading `pg_dumpall --globals-only`: the roles that a dump does not hold. Nothing of it is run.

Its statements are read one by one, in the forms in which pg_dumpall writes them; whatever else stands
there is counted and left. Passwords, hashed or not, are passed over and never kept.
"""

import hashlib
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from drbook.core.errors import StepFailed
from drbook.core.globals import GlobalRole, Globals, Membership
from drbook.core.values import plain
from drbook.providers.archive import Meter, Unreadable, chunks, decompressed, open_archive
from drbook.providers.sqlnames import IDENTIFIER, bare
from drbook.providers.sqltext import Scanner, TooLong

LONGEST = 16 * 1024 * 1024
"""Bytes of text; ten thousand roles with their grants take about four million."""
_HEAD = re.compile(r"^-- PostgreSQL database cluster dump\s*$", re.MULTILINE)
_LEAD = re.compile(r"(?:\s++|--[^\n]*+(?:\n|\Z)|\\[^\n]*+(?:\n|\Z))*+")
_PIECE = 64 * 1024
_LONGEST = 64 * 1024
"""Characters of one statement about a role; a longer one, and one that does not end, is not read."""
_STRING = r"E?'(?:[^'\\]|''|\\.)*+'"
_CREATE = re.compile(rf"CREATE ROLE ({IDENTIFIER});\Z")
_ALTER = re.compile(rf"ALTER ROLE ({IDENTIFIER}) WITH (.*);\Z", re.DOTALL)
_SET = re.compile(
    rf"ALTER ROLE ({IDENTIFIER})(?: IN DATABASE ({IDENTIFIER}))? SET (.+?)(?: TO | = |=)(.*);\Z",
    re.DOTALL,
)
_GRANT = re.compile(rf"GRANT ({IDENTIFIER}) TO ({IDENTIFIER})( WITH | GRANTED BY |;\Z)")
_ADMIN = re.compile(r"\bADMIN (?:OPTION|TRUE)\b")
_COMMENT = re.compile(r"(?:COMMENT|SECURITY LABEL)\b.*\bON ROLE ", re.DOTALL)
_OPTION = re.compile(
    rf"\s*(?:PASSWORD (?P<password>{_STRING}|NULL)|VALID UNTIL (?P<until>{_STRING})"
    r"|CONNECTION LIMIT (?P<limit>-?\d+)|(?P<word>[A-Z]+))(?=\s|\Z)"
)
_WORDS = ("LOGIN", "SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS", "NOINHERIT")


def read_globals(path: Path, check: Callable[[], None] = lambda: None) -> Globals:
    """The roles in a file, plain or compressed. `check` is called between pieces and may raise. Raises
    StepFailed where it cannot be read, or is no globals file."""
    digest, text = hashlib.sha256(), bytearray()
    try:
        _need_file(path)
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                check()
                digest.update(piece)
        with decompressed(path, open_archive(path).compression) as reading:
            for piece in chunks(reading, Meter("read", 0)):
                check()
                text += piece
                if len(text) > LONGEST:
                    raise Unreadable(f"it is longer than {LONGEST // 2**20} MiB")
        decoded = text.decode("utf-8")
        if not _HEAD.search(decoded[:4096]):
            raise Unreadable("it does not begin as pg_dumpall's files do")
        found = _read(_statements(_cut(text, check)), check)
    except OSError as error:
        raise _unread(path, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise _unread(path, "it is not UTF-8") from None
    except (Unreadable, TooLong) as error:
        raise _unread(path, str(error)) from None
    return found.model_copy(
        update={"location": plain(str(path), 300), "sha256": digest.hexdigest()}
    )


def without_secrets(path: Path) -> tuple[bytes, int]:
    """The file's text as `pg_dumpall --no-role-passwords` would write it, and how many statements were
    changed or left out: passwords, hashed or not, and values of settings that are not PostgreSQL's own
    (`app.token`). A statement about a role that is not understood is left out. Raises StepFailed."""
    read_globals(path)
    kept: list[str] = []
    count = 0
    try:
        with decompressed(path, open_archive(path).compression) as reading:
            text = b"".join(chunks(reading, Meter("read", 0)))
        for raw in _statements(_cut(bytearray(text), lambda: None)):
            said = _told(raw)
            count += said != raw
            kept.append(said)
    except OSError as error:
        raise _unread(path, error.strerror or str(error)) from None
    except (Unreadable, TooLong, UnicodeDecodeError) as error:
        raise _unread(path, str(error)) from None
    return "".join(kept).encode(), count


def _told(raw: str) -> str:
    """A statement without what is secret in it; a remark in the place of one that is left out."""
    lead, statement = raw[: _lead(raw)], raw[_lead(raw) :].rstrip()
    head = " ".join(statement.split()[:2]).upper()
    if head not in ("ALTER ROLE", "CREATE ROLE", "ALTER USER", "CREATE USER"):
        return raw
    if _CREATE.match(statement):
        return raw
    found = _SET.match(statement)
    if found is not None and "." not in found[3]:
        return raw
    altered = _ALTER.match(statement)
    if altered is not None and _attributes(altered[2]) is not None:
        bare_ = _PASSWORD.sub("", altered[2])
        return (
            raw if bare_ == altered[2] else f"{lead}ALTER ROLE {altered[1]} WITH {bare_.strip()};"
        )
    return f"{lead}-- a statement about a role was left out here"


_PASSWORD = re.compile(rf"\s*PASSWORD (?:{_STRING}|NULL)(?=\s|\Z)")


def _unread(path: Path, why: str) -> StepFailed:
    return StepFailed(
        f"The globals file {plain(str(path), 300)} cannot be read: {plain(why, 200)}.",
        means="Which roles production had is not known from it. Nothing was created.",
        next="Give a file that `pg_dumpall --globals-only` wrote, or leave `globals` out: roles then "
        "stand in without login.",
        code="globals",
    )


def _cut(text: bytearray, check: Callable[[], None]) -> Iterable[bytes]:
    for at in range(0, len(text), _PIECE):
        check()
        yield bytes(text[at : at + _PIECE])


def _statements(pieces: Iterable[bytes]) -> Iterable[str]:
    scanner = Scanner()
    for piece in pieces:
        for text, _ in scanner.feed(piece):
            yield text.decode("utf-8")
    for text, _ in scanner.finish():
        yield text.decode("utf-8")


def _need_file(path: Path) -> None:
    """Raises OSError: nobody may ever write to a pipe."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "it is no regular file")


def _read(statements: Iterable[str], check: Callable[[], None]) -> Globals:
    attributes: dict[str, tuple[str, ...]] = {}
    settings: dict[str, list[str]] = defaultdict(list)
    memberships: dict[tuple[str, str], bool] = {}
    others: dict[str, None] = {}
    for raw in statements:
        check()
        statement = raw[_lead(raw) :].rstrip()
        if not statement or re.match(r"SET |SELECT pg_catalog\.set_config", statement):
            continue
        if len(statement) > _LONGEST or not statement.endswith(";"):
            others.setdefault(plain(" ".join(statement[:200].split()[:3]), 80))
        elif made := _CREATE.match(statement):
            attributes.setdefault(bare(made[1]), ())
        elif (altered := _ALTER.match(statement)) and (said := _attributes(altered[2])) is not None:
            attributes[bare(altered[1])] = said
        elif found := _SET.match(statement):
            where = f" in {bare(found[2])}" if found[2] else ""
            settings[bare(found[1])].append(f"{bare(found[3])}{where}")
        elif granted := _GRANT.match(statement):
            key = (bare(granted[1]), bare(granted[2]))
            options = statement[granted.end() :].partition(" GRANTED BY ")[0]
            admin = granted[3] == " WITH " and _ADMIN.search(options) is not None
            memberships[key] = memberships.get(key, False) or admin
        elif not _COMMENT.match(statement):
            others.setdefault(plain(" ".join(statement.split()[:3]), 80))
    roles = [
        GlobalRole(name=name, attributes=said, settings=tuple(settings.get(name, ())))
        for name, said in attributes.items()
    ]
    return Globals(
        location="",
        sha256="",
        roles=tuple(roles),
        memberships=tuple(
            Membership(group=group, member=member, admin=admin)
            for (group, member), admin in memberships.items()
        ),
        others=tuple(list(others)[:50]),
    )


def _lead(text: str) -> int:
    found = _LEAD.match(text)
    return found.end() if found else 0


def _attributes(options: str) -> tuple[str, ...] | None:
    """What stands behind WITH, or None where it is written in no form that is known."""
    found: list[str] = []
    at = 0
    while at < len(options):
        option = _OPTION.match(options, at)
        if option is None:
            return None if options[at:].strip() else tuple(found)
        at = option.end()
        if option["word"] in _WORDS:
            found.append(option["word"])
        elif option["limit"] not in (None, "-1"):
            found.append(f"CONNECTION LIMIT {option['limit']}")
        elif option["until"] is not None:
            found.append(f"VALID UNTIL {option['until']}")
        elif option["password"] not in (None, "NULL"):
            found.append("a password")
    return tuple(found)
