"""What the server that is restored into lacks or hides, and how it writes text."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.pg import drain

from corpus.case import BAD, GOOD, UNSURE, Case, Production, no_manifest
from corpus.cases.damaged import PLAIN
from corpus.world import Restored, World
from drbook.providers.pgserver import server_user
from drbook.providers.process import complete

SMALL = "CREATE TABLE a (id int PRIMARY KEY, name text); INSERT INTO a SELECT n, 'n' || n FROM generate_series(1, 100) n;"
UMLAUTS = Production(
    SMALL + "INSERT INTO a VALUES (1000, U&'\\00e4\\00f6\\00fc');",
    options=("-Fp",),
    made="ENCODING 'UTF8'",
)
LATIN = Production(
    "SET client_encoding = 'UTF8'; CREATE TABLE a (name text); INSERT INTO a VALUES (U&'\\00e4')",
    made="ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'",
)
ANY_ENCODING = Production(SMALL, made="LOCALE_PROVIDER libc LOCALE 'C'")
HIDDEN = Production(
    SMALL + "CREATE POLICY none ON a USING (false); ALTER TABLE a ENABLE ROW LEVEL SECURITY;"
    "ALTER TABLE a FORCE ROW LEVEL SECURITY"
)
C_LOCALE = Production(SMALL, made="LOCALE_PROVIDER libc LOCALE 'C'", options=("-Fp",))


def other_encoding(path: Path) -> None:
    """A tool that says LATIN1 of text that is UTF8."""
    data = path.read_bytes()
    assert data.count(b"SET client_encoding = 'UTF8';") == 1
    path.write_bytes(data.replace(b"client_encoding = 'UTF8'", b"client_encoding = 'LATIN1'"))


def needs_an_extension(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b"SET default_tablespace")
    statement = b"CREATE EXTENSION IF NOT EXISTS made_up WITH SCHEMA public;\n\n"
    path.write_bytes(data[:at] + statement + data[at:])


def needs_a_role(path: Path) -> None:
    data = path.read_bytes()
    assert b"TO app_user;" in data
    path.write_bytes(data.replace(b"TO app_user;", b"TO auditors;"))


@contextmanager
def cancelled_at(restored: Restored, table: str) -> Iterator[None]:
    """Whoever counts this table is cancelled there, as by a statement timeout."""
    done = threading.Event()

    def watch() -> None:
        with restored.connect() as other:
            while not done.is_set():
                other.execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database() AND pid <> pg_backend_pid()"
                )
                time.sleep(0.02)

    with restored.connect() as holder:
        holder.autocommit = False
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            yield
        finally:
            done.set()
            watching.join()
            holder.rollback()


def path_of(restored: Restored, table: str) -> Path:
    with restored.connect() as connection:
        row = connection.execute(f"SELECT pg_relation_filepath('{table}')".encode()).fetchone()
    assert row is not None
    return restored.server.data / str(row[0])


def stale_visibility(restored: Restored) -> None:
    """Rows are deleted, and the map of before comes back: an index-only count then says what was there, as
    PostgreSQL 17.10 and 18.4 left it after incremental restores (FACTS.md, section 7)."""
    restored.execute("VACUUM a")
    restored.execute("CHECKPOINT")
    path = path_of(restored, "a")
    kept = path.with_name(path.name + "_vm").read_bytes()
    restored.execute("DELETE FROM a WHERE id <= 50")
    restored.execute("CHECKPOINT")
    restored.server.stop()
    path.with_name(path.name + "_vm").write_bytes(kept)
    drain(restored.server.start({"autovacuum": "off"}))
    with restored.connect() as connection:
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        row = connection.execute("SELECT count(*) FROM a").fetchone()
    assert row == (100,), "the map is not stale: there is nothing to be found here"


Harm = Callable[[Restored], None]


def broken_page(*, checksums: bool, at: int = 100) -> Harm:
    """Hundred bytes of a table's first page are damaged on the disk, of a cluster whose pages carry checksums
    (as every new one's do since 18) or of one whose do not."""

    def harm(restored: Restored) -> None:
        path = path_of(restored, "b")
        restored.execute("CHECKPOINT")
        restored.server.stop()
        carry_checksums(restored, checksums)
        data = bytearray(path.read_bytes())
        data[at : at + 100] = b"\xff" * 100
        path.write_bytes(bytes(data))
        drain(restored.server.start())
        with restored.connect() as connection:
            said = connection.execute("SHOW data_checksums").fetchone()
        assert said == ("on" if checksums else "off",)

    return harm


def carry_checksums(restored: Restored, wanted: bool) -> None:
    """`pg_checksums`, on a server that stands; it refuses what is so already."""
    tools, data = restored.server.tools, restored.server.data
    control = complete(
        [tools.path("pg_controldata"), data], env={"LC_ALL": "C"}, run_as=server_user()
    )
    (version,) = re.findall(r"page checksum version: +(\d+)", control.stdout)
    if (version != "0") is not wanted:
        how = "--enable" if wanted else "--disable"
        done = complete(
            [tools.path("pg_checksums"), how, "--no-sync", "-D", data], run_as=server_user()
        )
        assert done.exit_code == 0, done.stderr


def index_of_before(restored: Restored) -> None:
    """The files of an index are older than those of its table: equal rows, equal definitions."""
    path = path_of(restored, "a_pkey")
    restored.execute("CHECKPOINT")
    kept = path.read_bytes()
    restored.execute(
        "UPDATE a SET id = id + 1000 WHERE id > 60; UPDATE a SET id = id - 1000 WHERE id > 1000"
    )
    restored.execute("CHECKPOINT")
    restored.server.stop()
    path.write_bytes(kept)
    drain(restored.server.start({"autovacuum": "off"}))


TWO = Production(SMALL + "CREATE TABLE b (id int); INSERT INTO b SELECT generate_series(1, 100);")


def two_majors(world: World) -> str:
    return "" if world.other is not None else "no older major version of PostgreSQL is here"


CASES = (
    Case("a role is missing on the server", BAD, ("roles-missing",), of=PLAIN, spoil=needs_a_role,
         signed=True),
    Case("an extension is not there", BAD, ("extensions-missing",), of=PLAIN, spoil=needs_an_extension,
         signed=True),
    Case("text was read in another encoding", BAD, ("content",), of=UMLAUTS, spoil=other_encoding,
         signed=True),
    Case("the database has another encoding", BAD, ("encoding",), of=ANY_ENCODING,
         harm="UPDATE pg_database SET encoding = 8 WHERE datname = current_database()"),
    Case("text sorts otherwise", UNSURE, ("locale",), bad=True, of=C_LOCALE),
    Case("the reader may not see a table", UNSURE, ("counted",), bad=True, of=TWO,
         harm="ALTER TABLE b OWNER TO postgres"),
    Case("row security hides rows", UNSURE, ("counted",), bad=True, of=HIDDEN),
    Case("a count is cancelled midway", UNSURE, ("counted",), bad=True, of=TWO,
         during=lambda restored: cancelled_at(restored, "b")),
    Case("a page is damaged on the disk", UNSURE, ("counted",), bad=True, of=TWO, target="cluster",
         harm=broken_page(checksums=True)),
    Case("a page without a checksum is damaged on the disk", BAD, ("rows",), of=TWO, target="cluster",
         harm=broken_page(checksums=False)),
    Case("a row of a page without a checksum is damaged on the disk", UNSURE, ("counted",), bad=True, of=TWO,
         target="cluster", harm=broken_page(checksums=False, at=8000)),
    Case("rows are gone, and a stale visibility map hides it", BAD, ("rows",), of=Production(SMALL),
         target="cluster", harm=stale_visibility),
    Case("rows are gone, and every page is read", BAD, ("rows", "pages"), of=Production(SMALL),
         target="cluster", pages=True, harm=stale_visibility),
    Case("a page is damaged on the disk, and every page is read", BAD, ("pages",), of=TWO,
         target="cluster", pages=True, harm=broken_page(checksums=True)),
    Case("a page without a checksum is damaged on the disk, and every page is read", BAD, ("rows",), of=TWO,
         target="cluster", pages=True, harm=broken_page(checksums=False)),
    Case("a row of a page without a checksum is damaged on the disk, and every page is read", BAD, ("pages",),
         of=TWO, target="cluster", pages=True, harm=broken_page(checksums=False, at=8000)),
    Case("an index has not all rows of its table", BAD, ("pages",), of=Production(SMALL),
         target="cluster", pages=True, harm=index_of_before),
    Case("pages are asked for, and the login may not read them", UNSURE, ("pages",), bad=False,
         of=Production(SMALL), pages=True),
    Case("a dump of a newer major than the server", BAD, ("server-older",), of=Production(SMALL),
         target="older database", needs=two_majors),
    # --- good ones that look odd
    Case("every page is read", GOOD, ("pages",), target="cluster", pages=True),
    Case("roles stand in", GOOD, ("role",), target="cluster"),
    Case("another encoding than UTF8", GOOD, of=LATIN),
    Case("restored into a newer major", GOOD, of=Production(SMALL, server="other major"), needs=two_majors),
    Case("every right, restored into a newer major", GOOD, needs=two_majors,
         of=Production(SMALL + "GRANT ALL ON a TO app_user", server="other major")),
    Case("restored into a newer major, which writes a view otherwise", UNSURE, ("view",), bad=False,
         of=Production(SMALL + "CREATE VIEW v AS SELECT id FROM a WHERE id > 5;", server="other major"),
         needs=two_majors),
    Case("no manifest, plain, rows as in the archive", GOOD, of=Production(SMALL, options=("-Fp",)),
         states=no_manifest, content=False),
)  # fmt: skip
