"""What reading an archive to its end showed: its rows, and what it asks of the server that takes it."""

from collections.abc import Mapping
from typing import Literal

from drbook.core.values import Frozen

Provider = Literal["libc", "icu", "builtin"]


class DatabaseSettings(Frozen):
    """How a database writes and sorts text. An empty text is not known."""

    encoding: str = ""
    """As PostgreSQL spells it, like `UTF8`."""
    provider: Provider = "libc"
    collate: str = ""
    """libc's locale for sorting; with another provider it decides little."""
    ctype: str = ""
    locale: str = ""
    """The provider's own locale, where it is `icu` or `builtin`."""
    rules: str = ""
    """ICU's own rules, where there are any."""

    @property
    def sorting(self) -> str:
        """What decides the order of text, for people: `libc en_US.UTF-8`; empty where unknown."""
        name = self.collate if self.provider == "libc" else self.locale
        if not name:
            return ""
        kind = f" and {self.ctype}" if self.provider == "libc" and self.ctype != name else ""
        return f"{self.provider} {name}{kind}" + (" with rules" if self.rules else "")


class ArchiveFacts(Frozen):
    """What an archive holds and needs, found while it was read; none of it is proven by a digest.

    A mapping or a list holds what stands in the archive; what could not be told has its own field.
    """

    rows: Mapping[str, int] | None = None
    """`schema.name` → rows, names unquoted as in `TableCount`; None where its data was not read or
    could not be counted, which `why_no_rows` says. A partitioned table holds its partitions' rows.
    Tables without a data entry are not in it; those of an extension's tables are, of which a dump holds
    rows."""
    partitions: Mapping[str, int] = {}
    """Rows of each partition by itself, which its root's in `rows` hold too."""
    uncounted: Mapping[str, str] = {}
    """Tables whose rows could not be counted, and why."""
    why_no_rows: str = ""
    large_objects: int | None = None
    """None where not all of them are in it with their bytes, where its data was not read, and in what
    was read by a version that did not count them."""
    text_bytes: int | None = None
    """Bytes of SQL that it unpacks to, data included; None where its data was not read."""
    source_version: str = ""
    """The server that was dumped, as in `18.6`; and the program that dumped it."""
    dump_version: str = ""
    complete: bool = True
    """False where the reading stopped early: what is named below is then not all of it."""
    database: str = ""
    """The database that was dumped; empty where the archive does not say."""
    objects: Mapping[str, tuple[tuple[str, str], ...]] | None = None
    """What its entries are of, as pg_dump calls their types (`TABLE`, `FK CONSTRAINT`) → schema and name,
    both unquoted; None where that was not noted, or is more than is kept."""
    lies_in: Mapping[str, str] = {}
    """Of tables whose names have a further dot: the schema of each."""
    settings: DatabaseSettings | None = None
    """None where the archive does not say: a plain dump made without `--create`."""
    roles: tuple[str, ...] = ()
    """Named in grants and policies: without them the load stops."""
    owners: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    tablespaces: tuple[str, ...] = ()

    @property
    def source_major(self) -> int | None:
        major = self.source_version.split(".")[0]
        return int(major) if major.isdecimal() else None

    def schema_of(self, table: str) -> str:
        return self.lies_in.get(table) or table.split(".", 1)[0]

    @property
    def total_rows(self) -> int | None:
        return None if self.rows is None else sum(self.rows.values())
