"""Who the server behind a connection is: asked on that connection, and looked up in the kernel.

The answers cannot be forged by functions of the database: nothing outside `pg_catalog` is found while
they are asked. They come from one transaction, and so from one server even behind a pooler.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from drbook.core.baseline import Identity, Place
from drbook.core.freshness import Answer, FoundObject
from drbook.providers.pgcontrol import system_identifier_in
from drbook.providers.pgnames import shown
from drbook.providers.pgsession import Connection

BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity(connection: Connection) -> Identity:
    """Who is behind this very connection. Raises psycopg.Error where it does not say."""
    return answer(connection).identity


def answer(connection: Connection) -> Answer:
    """What this very connection says. Raises psycopg.Error where it does not say who it is."""
    with pinned(connection):
        row = connection.execute(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()), current_database(),"
            " (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),"
            " current_setting('server_version_num')::int, current_setting('cluster_name', true),"
            " pg_postmaster_start_time(), host(inet_server_addr()), inet_server_port(),"
            " pg_is_in_recovery(), pg_backend_pid()"
        ).fetchone()
        assert row is not None
        names = _databases(connection)
        directory = _data_directory(connection)
    system, database, oid, version, cluster, started, address, port, recovering, backend = row
    local = connection.info.host if (connection.info.host or "").startswith("/") else None
    place = server_place(connection, system, started)
    if address is not None:
        addresses: tuple[str, ...] = (f"{address}:{port}",)
    else:
        addresses = (f"{local}/.s.PGSQL.{connection.info.port}",) if local else ()
    found = Identity(
        system_identifier=system,
        database=database,
        database_oid=oid,
        addresses=addresses,
        dialled=dialled(connection.pgconn),
        data_directory=directory,
        directory_device=place.device if place else None,
        directory_inode=place.inode if place else None,
        directory_boot=place.boot if place else None,
        server_version=version,
        cluster_name=cluster or "",
        started_at=started,
        in_recovery=recovering,
    )
    return Answer(
        found,
        pooled=backend != connection.info.backend_pid,
        databases=names,
    )


@contextmanager
def pinned(connection: Connection) -> Iterator[None]:
    """One transaction, in which names are looked for in `pg_catalog` alone."""
    with connection.transaction():
        row = connection.execute("SELECT pg_catalog.current_setting('search_path')").fetchone()
        assert row is not None
        connection.execute("SELECT pg_catalog.set_config('search_path', '', true)")
        yield
        connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", (row[0],))


def dialled(pgconn: object) -> str:
    """What libpq was asked for, `host:port/database`, of a connection or of a failed one."""
    parts = []
    for name in ("host", "port", "db"):
        value = getattr(pgconn, name, None)
        parts.append(value.decode("utf-8", "replace") if isinstance(value, bytes) else "")
    host, port, database = parts
    return f"{host}:{port}/{database}" if host or database else ""


def _databases(connection: Connection) -> tuple[str, ...]:
    """Every database of the server. Their names are written in the encoding of whichever database they were
    made from: one that is no UTF-8 would make this answer unreadable here, so bytes are asked for."""
    name = "datname::text"
    if connection.info.parameter_status("server_encoding") in ("UTF8", "SQL_ASCII"):
        name = r"replace(datname::text, E'\\', E'\\\\')::bytea"
    rows = connection.execute(f"SELECT {name} FROM pg_database ORDER BY datname".encode())
    return tuple(shown(row[0]) for row in rows)


def _data_directory(connection: Connection) -> str | None:
    """Only members of pg_read_all_settings are told."""
    try:
        with connection.transaction():
            row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return str(row[0]) if row else None


# --- what the kernel says ----------------------------------------------------------------------


def server_place(connection: Connection, system: str, started: datetime) -> Place | None:
    """The data directory of the server at the other end of a Unix socket; None where it is not known.

    A path that a server names may be another directory here: it may run in a container, or its
    socket may be forwarded from another machine. So the kernel is asked who listens at the socket,
    and that process must be the postmaster of the directory that it works in: the one that
    `postmaster.pid` there names, started when the server says, with its system identifier.
    """
    pid = _listener(connection)
    boot = boot_id()
    if pid is None or not boot:
        return None
    home = Path(f"/proc/{pid}/cwd")
    try:
        lines = (home / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        found = os.stat(home)
        if int(lines[0]) not in _own_numbers(pid):
            return None
        if abs(datetime.fromtimestamp(int(lines[2]), UTC) - started).total_seconds() > 5:
            return None
        if system_identifier_in(home) != system:
            return None
    except (OSError, ValueError, IndexError, OverflowError):
        return (
            None  # another user's process, or not PostgreSQL: nothing is known, nothing is assumed
        )
    return Place(device=found.st_dev, inode=found.st_ino, boot=boot)


def _listener(connection: Connection) -> int | None:
    """The process at the other end of a Unix socket (SO_PEERCRED: who called listen)."""
    if sys.platform != "linux":
        return None
    with socket.socket(fileno=os.dup(connection.fileno())) as end:
        if end.family != socket.AF_UNIX:
            return None
        said = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid: int = struct.unpack("3i", said)[0]
    return pid if pid > 0 else None


def _own_numbers(pid: int) -> set[int]:
    """A process's numbers in its own and in every outer namespace."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("NSpid:"):
            return {int(number) for number in line.split()[1:]}
    return {pid}


def boot_id() -> str:
    """This boot of this machine's kernel; empty where the system does not say."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def place_of(path: Path) -> Place | None:
    """A directory as the kernel knows it, links followed; None where it cannot be looked at."""
    boot = boot_id()
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Place(device=found.st_dev, inode=found.st_ino, boot=boot) if boot else None


# --- what a database holds ---------------------------------------------------------------------

CONTENTS = """
SELECT kind, schema, name, EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = x.catalog
                                   AND d.objid = x.oid AND d.deptype = 'e') AS of_extension
  FROM (
    SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence'
                WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END AS kind,
           n.nspname::text AS schema, c.relname::text AS name, 'pg_class'::regclass AS catalog, c.oid
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND n.nspname !~ '^pg_(toast|temp)'
    UNION ALL SELECT 'function', n.nspname, o.proname, 'pg_proc'::regclass, o.oid
      FROM pg_proc o JOIN pg_namespace n ON n.oid = o.pronamespace
    UNION ALL SELECT 'type', n.nspname, o.typname, 'pg_type'::regclass, o.oid
      FROM pg_type o JOIN pg_namespace n ON n.oid = o.typnamespace
     WHERE o.typrelid = 0 AND o.typcategory <> 'A' AND n.nspname !~ '^pg_(toast|temp)'
    UNION ALL SELECT 'operator', n.nspname, o.oprname, 'pg_operator'::regclass, o.oid
      FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
    UNION ALL SELECT 'operator family', n.nspname, o.opfname, 'pg_opfamily'::regclass, o.oid
      FROM pg_opfamily o JOIN pg_namespace n ON n.oid = o.opfnamespace
    UNION ALL SELECT 'collation', n.nspname, o.collname, 'pg_collation'::regclass, o.oid
      FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace
    UNION ALL SELECT 'conversion', n.nspname, o.conname, 'pg_conversion'::regclass, o.oid
      FROM pg_conversion o JOIN pg_namespace n ON n.oid = o.connamespace
    UNION ALL SELECT 'text search', n.nspname, o.cfgname, 'pg_ts_config'::regclass, o.oid
      FROM pg_ts_config o JOIN pg_namespace n ON n.oid = o.cfgnamespace
    UNION ALL SELECT 'text search', n.nspname, o.dictname, 'pg_ts_dict'::regclass, o.oid
      FROM pg_ts_dict o JOIN pg_namespace n ON n.oid = o.dictnamespace
    UNION ALL SELECT 'schema', NULL, o.nspname, 'pg_namespace'::regclass, o.oid
      FROM pg_namespace o WHERE o.nspname !~ '^pg_(toast|temp)'
    UNION ALL SELECT 'cast', NULL, format_type(o.castsource, NULL), 'pg_cast'::regclass, o.oid
      FROM pg_cast o
    UNION ALL SELECT 'language', NULL, o.lanname, 'pg_language'::regclass, o.oid FROM pg_language o
    UNION ALL SELECT 'access method', NULL, o.amname, 'pg_am'::regclass, o.oid FROM pg_am o
    UNION ALL SELECT 'event trigger', NULL, o.evtname, 'pg_event_trigger'::regclass, o.oid
      FROM pg_event_trigger o
    UNION ALL SELECT 'foreign-data wrapper', NULL, o.fdwname,
           'pg_foreign_data_wrapper'::regclass, o.oid FROM pg_foreign_data_wrapper o
    UNION ALL SELECT 'foreign server', NULL, o.srvname, 'pg_foreign_server'::regclass, o.oid
      FROM pg_foreign_server o
    UNION ALL SELECT 'publication', NULL, o.pubname, 'pg_publication'::regclass, o.oid
      FROM pg_publication o
    UNION ALL SELECT 'subscription', NULL, o.subname, 'pg_subscription'::regclass, o.oid
      FROM pg_subscription o
     WHERE o.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT 'large object', NULL, o.oid::text, 'pg_largeobject_metadata'::regclass, o.oid
      FROM pg_largeobject_metadata o
    UNION ALL SELECT 'default rights', n.nspname, 'of ' || pg_get_userbyid(o.defaclrole),
           'pg_default_acl'::regclass, o.oid
      FROM pg_default_acl o LEFT JOIN pg_namespace n ON n.oid = o.defaclnamespace
    UNION ALL SELECT 'setting', NULL, array_to_string(o.setconfig, ', '),
           'pg_db_role_setting'::regclass, 4294967295::oid
      FROM pg_db_role_setting o
     WHERE o.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  ) x
 WHERE x.oid >= 16384
    OR (kind = 'large object')
"""
"""Everything that initdb did not make: later objects have object ids from 16384 (FirstNormalObjectId,
PostgreSQL, `src/include/access/transam.h`). A large object's number may be chosen freely."""


def contents(connection: Connection) -> list[FoundObject]:
    """What the connected database holds beside what initdb made. Raises psycopg.Error."""
    with pinned(connection):
        rows = connection.execute(CONTENTS).fetchall()
    return [FoundObject(kind, schema, name, owned) for kind, schema, name, owned in rows]
