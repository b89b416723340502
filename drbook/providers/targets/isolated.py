"""A recovered server made reachable for us alone, and asked whether it keeps to itself.

It reads none of the settings that came with the copy, archives nothing, replicates from nobody and loads no
library: whatever production told it to do at its start, it does not do here.
"""

import hashlib
import hmac
import os
import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from drbook.core.archivefacts import DatabaseSettings
from drbook.core.errors import StepFailed
from drbook.core.isolation import forced
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import ResourceCreated, Working
from drbook.core.targets import ADMIN, READER, Target
from drbook.core.values import plain
from drbook.providers import pgsession, private
from drbook.providers.launcher import NOBODY
from drbook.providers.pgserver import CONFIG, ClusterServer, server_user
from drbook.providers.pgsession import Connection
from drbook.providers.targets.alone import must_keep_to_itself
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.cluster import ours
from drbook.providers.targets.foresee import best_known, settings_of
from drbook.providers.targets.lease import asked
from drbook.providers.targets.roles import login, make_reader

_CONFIG = """# Written by drbook. What came with the copy, in data/postgresql.conf, has no say here.
{alone}hba_file = {hba}
ident_file = {ident}
drbook.target = {nonce}
max_prepared_transactions = 1000
max_locks_per_transaction = 256
wal_level = replica
hot_standby = off
max_wal_size = '4GB'
"""
NOBODY_YET = "local all all reject\n"
BY_PASSWORD = "local all all scram-sha-256\n"


def owner() -> tuple[int, int]:
    """The user and group that a server here runs as."""
    return (NOBODY, NOBODY) if server_user() == "nobody" else (os.geteuid(), os.getegid())


def configure(server: ClusterServer, nonce: str, hba: str) -> None:
    """The files that the server reads in the place of those that came with the copy. What production runs at
    each login is not run, where the version can be told so (17)."""
    home = server.folder
    alone = forced(server.tools.major)
    files = {
        CONFIG: _CONFIG.format(
            alone="".join(f"{name} = {_quoted(value)}\n" for name, value in alone.items()),
            hba=_quoted(home / "pg_hba.conf"),
            ident=_quoted(home / "pg_ident.conf"),
            nonce=_quoted(nonce),
        ),
        "pg_hba.conf": hba,
        "pg_ident.conf": "",
    }
    for name, text in files.items():
        with private.replace(home / name) as stream:
            stream.write(text)
        os.chown(home / name, *owner())


def open_for_us(
    shop: Workshop,
    server: ClusterServer,
    name: str,
    nonce: str,
    wanted: str | None,
    production: Sequence[ProductionIdentity],
) -> Working[tuple[Target, Mapping[str, str]]]:
    """Give a recovered server, which does not run, logins of its own, start it and ask it: the target, and the
    settings that keep it to itself as it answered. `wanted` is the database that counts, where that is said.

    Raises StepFailed where it is not isolated, or which database counts is not known; then it does not run.
    """
    try:
        return (yield from _opened(shop, server, name, nonce, wanted, production))
    except BaseException:
        server.stop()
        raise


def _opened(
    shop: Workshop,
    server: ClusterServer,
    name: str,
    nonce: str,
    wanted: str | None,
    production: Sequence[ProductionIdentity],
) -> Working[tuple[Target, Mapping[str, str]]]:
    key = server.make_key(ADMIN).read_text(encoding="ascii").strip()
    yield from server.single(_admin(scram(key)), shop.cancel)
    configure(server, nonce, BY_PASSWORD)
    yield from server.start(forced(server.tools.major), shop.cancel)
    shop.pool.add(name, server)
    like = best_known(production)
    with _session(server, "template1", shop) as connection:
        isolation = _kept_to_itself(connection)
        dbname = _database(connection, wanted, like.database if like else "")
    admin = login(server, ADMIN, dbname)
    with _session(server, dbname, shop) as connection:
        answer = asked(connection, admin.show())
        ours(answer, server)
        settings: DatabaseSettings | None = settings_of(connection)
    make_reader(server, dbname, shop.environment)
    identity = answer.identity
    yield ResourceCreated("cluster", name, str(server.folder), identity.model_dump(mode="json"))
    target = Target(
        kind="cluster",
        name=name,
        nonce=nonce,
        location=str(server.folder),
        connect=login(server, READER, dbname),
        admin=admin,
        identity=identity,
        settings=settings,
        marked="setting",
        proof="made by this incident in an empty folder out of a physical copy, on a private socket; "
        "it archives nothing and follows nobody",
        whole_server=True,
    )
    return target, isolation


@contextmanager
def _session(server: ClusterServer, dbname: str, shop: Workshop) -> Iterator[Connection]:
    """Raises StepFailed where the recovered server does not answer as it should."""
    try:
        with pgsession.connect(login(server, ADMIN, dbname), shop.environment) as connection:
            yield connection
            connection.rollback()
    except psycopg.Error as error:
        raise StepFailed(
            f"The recovered server does not answer in {plain(dbname, 63)}: {pgsession.said(error)}",
            means="It was recovered; nothing was read from it.",
            next="See server.log in the target's folder, then run the step again.",
            code="target-unread",
        ) from None


def scram(password: str) -> str:
    """What a server stores instead of a password (RFC 5803), so that the password is in no log."""
    salt, rounds = secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    checked = hmac.digest(salted, b"Server Key", "sha256")
    shown = [b64encode(each).decode() for each in (salt, stored, checked)]
    return f"SCRAM-SHA-256${rounds}:{shown[0]}${shown[1]}:{shown[2]}"


def _admin(verifier: str) -> tuple[str, ...]:
    """It may be there already, where production itself was once restored by drbook."""
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{ADMIN}') "
        f"THEN CREATE ROLE {ADMIN}; END IF; END $$",
        f"ALTER ROLE {ADMIN} RESET ALL",
        f"ALTER ROLE {ADMIN} SUPERUSER LOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity' "
        f"PASSWORD '{verifier}'",
    )


def _kept_to_itself(connection: Connection) -> Mapping[str, str]:
    """Raises StepFailed where the server is not set as it was told to be."""
    must_keep_to_itself(connection)
    return forced(connection.info.server_version // 10000)


def _database(connection: Connection, wanted: str | None, known: str) -> str:
    """The database that counts: as the runbook says, else as production's is called, else the only one."""
    rows = connection.execute(
        "SELECT datname::text FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate"
        " ORDER BY 1"
    ).fetchall()
    names = [str(row[0]) for row in rows]
    own = [name for name in names if name != "postgres"]
    for name in (wanted, known):
        if name and name in names:
            return name
    if not wanted and len(own) == 1:
        return own[0]
    missing = f"has no database {plain(wanted, 63)}" if wanted else "has several databases"
    raise StepFailed(
        f"The recovered server {missing}; it has: {', '.join(plain(name, 63) for name in names)}.",
        means="All of them were recovered; which one is production's is not known.",
        next="Name it in the runbook as `target: {kind: cluster, dbname: NAME}`, then run the step again.",
        code="target-database",
    )


def _quoted(value: Path | str) -> str:
    """A text in postgresql.conf."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
