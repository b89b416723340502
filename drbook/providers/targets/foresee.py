"""What can be known of a place before anything is made there: only looked at, never written to.

What cannot be read is None, and is judged as unknown.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import psycopg

from drbook.core.archivefacts import DatabaseSettings
from drbook.core.baseline import Identity
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.ports import ProductionIdentity
from drbook.core.preflight import PlaceFacts
from drbook.core.targets import DatabaseRef
from drbook.core.textsettings import settings_for
from drbook.providers import pgsession
from drbook.providers.pgserver import private_base, server_user
from drbook.providers.pgsession import Connection
from drbook.providers.pgtools import PgTools, choose
from drbook.providers.process import complete
from drbook.providers.targets.base import Workshop

_LONGEST = 64 * 1024
"""Bytes of an extension's control file that are read."""


def best_known(production: Sequence[ProductionIdentity]) -> Identity | None:
    """Who production is, its own word first: others' baselines may lie beside its own."""
    known = [one.identity for one in production if one.proves] + [
        one.identity for one in production
    ]
    return next((identity for identity in known if identity is not None), None)


def cluster_tools(
    workshop: Workshop, production: Sequence[ProductionIdentity]
) -> tuple[PgTools, str]:
    """The programs that a new cluster is made with: production's major version, never older than the
    archive's server. Raises StepFailed where none fits."""
    like = best_known(production)
    archive = workshop.like.source_major if workshop.like is not None else None
    return choose(
        workshop.tools(),
        server=True,
        major=like.server_version // 10000 if like is not None else None,
        at_least=archive or 0,
    )


def cluster_settings(workshop: Workshop, tools: PgTools) -> DatabaseSettings:
    """How a new cluster writes and sorts text: as the archive's database did, where that is possible."""
    return settings_for(
        workshop.like.settings if workshop.like is not None else None,
        tools.major,
        icu=_has_icu(tools),
        present=has_locale,
        linux=sys.platform == "linux",
    )


def cluster_place(workshop: Workshop, production: Sequence[ProductionIdentity]) -> PlaceFacts:
    """A cluster of our own on this host, before it is made."""
    wanted = workshop.folder / "targets"
    base = private_base(server_user(), wanted)
    common = PlaceFacts(
        whole_server=True,
        roles=(),
        free=workshop.free(base),
        record_free=workshop.free(workshop.folder),
        restore_version=max((one.version for one in workshop.tools()), default=0),
    )
    try:
        tools, _ = cluster_tools(workshop, production)
    except StepFailed:
        # None is new enough: the page says which there are.
        servers = [one.version for one in workshop.tools() if one.has_server]
        return common.model_copy(update={"server_version": max(servers, default=0)})
    return common.model_copy(
        update={
            "server_version": tools.version,
            "extensions": _installed(tools),
            "settings": cluster_settings(workshop, tools),
        }
    )


def server_place(workshop: Workshop, server: DatabaseRef) -> PlaceFacts:
    """A given server. Raises CouldNotVerify where it cannot be asked."""
    try:
        with pgsession.connect(server, workshop.environment) as connection:
            roles = tuple(
                str(row[0]) for row in connection.execute("SELECT rolname FROM pg_catalog.pg_roles")
            )
            extensions = {
                str(name): str(version or "")
                for name, version in connection.execute(
                    "SELECT name, default_version FROM pg_catalog.pg_available_extensions"
                )
            }
            found = connection.info.server_version
            connection.rollback()
    except psycopg.OperationalError as error:
        raise pgsession.no_connection(server, error) from None
    except psycopg.Error as error:
        raise CouldNotVerify(
            f"{server.show()} could not be asked what it has: {pgsession.said(error)}",
            means="Nothing was created.",
            next="Give a login that may read its catalogs, or restore into a fresh cluster.",
            code="target-unread",
        ) from None
    return PlaceFacts(
        server_version=found,
        roles=roles,
        extensions=extensions,
        record_free=workshop.free(workshop.folder),
        restore_version=max((one.version for one in workshop.tools()), default=0),
    )


@lru_cache(maxsize=256)
def has_locale(name: str) -> bool:
    """Whether this machine's C library knows a locale: asked in a process of its own, for it is a
    process's setting."""
    if name in ("C", "POSIX"):
        return True
    code = "import locale, sys; locale.setlocale(locale.LC_ALL, sys.argv[1])"
    return complete([sys.executable, "-I", "-c", code, name]).exit_code == 0


def _configured(tools: PgTools, option: str) -> str | None:
    """What `pg_config` says; None where there is none."""
    program = tools.bin / "pg_config"
    if not program.is_file():
        return None
    try:
        done = complete([program, option])
    except StepFailed:
        return None
    return done.stdout.strip() if done.exit_code == 0 else None


def _has_icu(tools: PgTools) -> bool | None:
    said = _configured(tools, "--configure")
    if said is None:
        return None
    # Version 16 has it unless it was built without (its release notes).
    return "--with-icu" in said or (tools.major >= 16 and "--without-icu" not in said)


def _installed(tools: PgTools) -> Mapping[str, str] | None:
    """The extensions that these programs can create, by their control files."""
    shared = _configured(tools, "--sharedir")
    folder = Path(shared) / "extension" if shared else None
    if folder is None or not folder.is_dir():
        return None
    found = {}
    for path in sorted(folder.glob("*.control")):
        try:
            with path.open(encoding="utf-8", errors="replace") as stream:
                text = stream.read(_LONGEST)
        except OSError:
            continue  # the server could not read it either
        match = re.search(r"^\s*default_version\s*=\s*'([^'\n]*)'", text, re.MULTILINE)
        found[path.name.removesuffix(".control")] = match[1] if match else ""
    return found


def settings_of(connection: Connection) -> DatabaseSettings:
    """How the connection's database writes and sorts text, as its server says."""
    major = connection.info.server_version // 10000
    locale = {15: "daticulocale", 16: "daticulocale"}.get(
        major, "datlocale" if major > 16 else "''"
    )
    provider = "datlocprovider::text" if major >= 15 else "'c'"
    rules = "daticurules" if major >= 16 else "''"
    row = connection.execute(
        f"SELECT pg_catalog.pg_encoding_to_char(encoding), {provider}, datcollate, datctype,"
        f" {locale}, {rules} FROM pg_catalog.pg_database"
        " WHERE datname = pg_catalog.current_database()".encode()
    ).fetchone()
    assert row is not None
    return DatabaseSettings.model_validate(
        {
            "encoding": row[0],
            "provider": {"c": "libc", "i": "icu", "b": "builtin"}.get(row[1], "libc"),
            "collate": row[2] or "",
            "ctype": row[3] or "",
            "locale": row[4] or "",
            "rules": row[5] or "",
        }
    )
