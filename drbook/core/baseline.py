"""Baselines and manifests: what was known good, of which server, at which time.

A count that could not be taken is `None` with a reason.
"""

import hashlib
import json
from collections.abc import Collection, Mapping

from pydantic import Field

from drbook.core.ranges import Ranges
from drbook.core.structure import Structure
from drbook.core.values import Frozen, UtcTime


class Place(Frozen):
    """A directory as the kernel knows it. Only numbers of one boot of one machine can be compared."""

    device: int
    inode: int
    boot: str
    """The kernel's boot id, which the containers of one machine share."""


class Identity(Frozen):
    """What tells one PostgreSQL server and database from another.

    Without a system identifier there is no identity. A physical copy shares it; there the data
    directory's device and inode decide.
    """

    system_identifier: str = Field(pattern=r"^[1-9][0-9]{0,19}$")
    """`pg_control_system()`, as text: it exceeds what JSON numbers hold."""
    database: str
    database_oid: int
    addresses: tuple[str, ...] = ()
    """Addresses and ports the server answers at, or its socket directory."""
    dialled: str = ""
    """What was asked for to reach it, `host:port/database`; two of them may reach one server."""
    resource: str = ""
    """The volume or instance that the runbook declared it to be, where it did."""
    data_directory: str | None = None
    directory_device: int | None = None
    directory_inode: int | None = None
    directory_boot: str | None = None
    """Where device and inode were read; these three are known together or not at all."""
    server_version: int = 0
    """As `server_version_num`, like 180003."""
    cluster_name: str = ""
    started_at: UtcTime | None = None
    in_recovery: bool | None = None
    """True for a standby, which takes no writes of its own."""

    @property
    def place(self) -> Place | None:
        """The data directory; None where any part of it is unknown."""
        device, inode, boot = self.directory_device, self.directory_inode, self.directory_boot
        if device is None or inode is None or not boot:
            return None
        return Place(device=device, inode=inode, boot=boot)


LARGE_OBJECTS = "large objects"
"""The kind and the name of the entry for all of them; no table's name is without a dot."""


class TableCount(Frozen):
    """One table in one place at one moment."""

    table: str
    """`schema.name`, as PostgreSQL spells it, unquoted."""
    rows: int | None
    """Exact count; None where it could not be taken."""
    newest: UtcTime | None = None
    """The largest value of `newest_column`."""
    newest_column: str | None = None
    content: str | None = None
    """Order-independent hash of the rows with its method, like `hash_record_extended/2:123`; what may
    be compared with what, `core.hashes` says."""
    generated: tuple[str, ...] | None = None
    """Columns that the server computes from others, and a restore from a dump anew; None in documents that
    are older than that question."""
    content_given: str | None = None
    """The same hash without these columns; None where there are none, or no others."""
    ranges: Ranges | None = None
    """Where its rows lie, in the same snapshot; None for a table without a column for it, for a tiny
    one, and where its content was not hashed."""
    why_unknown: str = ""
    kind: str = "table"
    """`table`, `partitioned table`, `unlogged table`, `materialized view` or `large objects`."""
    note: str = ""
    """What else is to be known of what was counted, in a sentence; empty for an ordinary table."""
    lies_in: str = ""
    """Its schema, where that is not plain from `table`: a name may have a dot of its own."""

    def schema_of(self) -> str:
        """Its schema; in documents of before that was noted, of a name with further dots the first part."""
        return self.lies_in or self.table.split(".", 1)[0]


OF_AN_EXTENSION = "It belongs to the extension "
"""How the reason begins why an extension's own table was not counted."""


class Aside(Frozen):
    """A relation that was not counted on purpose: its rows live elsewhere, or it has none."""

    name: str
    kind: str
    why: str


class TableCounts(Frozen):
    """All tables of one database in one snapshot."""

    identity: Identity
    taken_at: UtcTime
    tables: tuple[TableCount, ...]
    aside: tuple[Aside, ...] = ()
    """What was not counted on purpose, each with its reason."""
    covers: tuple[str, ...] = ()
    """The kinds that were looked for. Where it is empty, the document is older than that question:
    only tables were counted, and of materialized views and large objects it says nothing."""
    ignored: tuple[str, ...] = ()
    """Schemas that were not looked at, as the runbook said then."""
    read_from: str = ""
    """The standby that was read in production's place; empty for the server of `identity`."""
    database_bytes: int | None = None
    """What the database took on its server's disk, with indexes and dead rows (`pg_database_size`); None
    in documents that are older than that question."""
    structure: Structure | None = None
    """Everything beside the rows, in the same snapshot; None where nobody read it."""

    def by_name(self) -> Mapping[str, TableCount]:
        return {count.table: count for count in self.tables}

    def lies_in(self, one: TableCount) -> str:
        """The schema of one of these tables. Documents of before that was noted say it by their structure."""
        if one.lies_in or self.structure is None or one.table.count(".") < 2:
            return one.schema_of()
        return self.structure.schema_of(one.table) or one.schema_of()

    def without(self, schemas: Collection[str], *, structure: Collection[str]) -> "TableCounts":
        """The same without the tables of these schemas, and without what else lies in those."""
        tables = tuple(
            one
            for one in self.tables
            if one.kind == LARGE_OBJECTS or self.lies_in(one) not in schemas
        )
        rest = self.structure.without(structure) if self.structure and structure else self.structure
        return self.model_copy(update={"tables": tables, "structure": rest})


class Baseline(Frozen):
    """Known-good figures of production, captured in calm times and stored away from it."""

    drbook_baseline: int = 1
    captured_at: UtcTime
    counts: TableCounts
    drbook_version: str = ""
    suspect: tuple[str, ...] = ()
    """What dropped against the newest good one before it, table by table."""
    accepted: str = ""
    """Why it is good all the same, in the words of whoever said so."""

    def sealed(self) -> bytes:
        """The document's exact bytes: its own JSON plus the digest of it, in two lines."""
        body = self.model_dump_json().encode()
        return (
            body + b"\n" + json.dumps({"sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n"
        )

    @classmethod
    def unseal(cls, document: bytes) -> "Baseline":
        """Read what `sealed` wrote. Raises ValueError where the bytes do not match their digest."""
        lines = document.split(b"\n")
        if len(lines) != 3 or lines[2]:
            raise ValueError("it does not have the two lines of a sealed baseline")
        try:
            stated = json.loads(lines[1])["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError("its second line holds no digest") from error
        if stated != hashlib.sha256(lines[0]).hexdigest():
            raise ValueError("its bytes do not match their digest")
        return cls.model_validate_json(lines[0])


class Manifest(Frozen):
    """What a backup says it holds; stored beside it as `<key>.manifest.json`."""

    drbook_manifest: int = 1
    name: str
    size: int
    sha256: str
    taken_at: UtcTime
    format: str = "pg_dump"
    counts: TableCounts | None = None
