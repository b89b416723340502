"""What reading every page of a restored database showed, and what it counts for.

A dump is written anew by the server that loads it. What came back as files (a base backup, a snapshot
of a volume) may hold pages that no query touches for weeks: they are read on purpose, and rows, index
entries and visibility map are held against each other.
"""

from collections.abc import Iterator, Mapping

from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.values import Frozen, counted, plain, show_size

PAGES = "pages"
"""The `check` of these remarks."""


class PageFlaw(Frozen):
    """What is wrong with one relation, by one check."""

    relation: str
    check: str
    """`rows`, `index`, `visibility map` or `freezing`."""
    words: str


class PagesUnread(Frozen):
    """A relation, or `every table` and the like, that could not be looked at, and why."""

    relation: str
    why: str


class Pages(Frozen):
    """Of one database, its catalogue included."""

    tables: int
    """Tables, materialized views and places of long values whose pages were all read."""
    indexes: int
    bytes: int
    """How large what was read is."""
    flaws: tuple[PageFlaw, ...] = ()
    unread: tuple[PagesUnread, ...] = ()
    unknown_methods: Mapping[str, int] = {}
    """Indexes of which this server's programs cannot tell whether they are sound, by access method."""
    checksums: bool | None = None
    """Whether the cluster's pages carry checksums; None where it did not say."""
    checksum_failures: int = 0
    """Pages of this database that did not match theirs, since its statistics began."""


def page_remarks(pages: Pages) -> Iterator[Remark]:
    """A flaw fails; what could not be read could not be verified."""
    for flaw in pages.flaws:
        yield _remark(flaw.relation, TableVerdict.FAIL, f"{flaw.check}: {plain(flaw.words, 400)}")
    if pages.checksum_failures:
        yield _remark(
            "",
            TableVerdict.FAIL,
            f"{counted(pages.checksum_failures, 'page')} did not match their checksums",
        )
    for one in pages.unread:
        yield _remark(one.relation, TableVerdict.COULD_NOT_VERIFY, plain(one.why, 400))
    if not pages.tables and not pages.unread:
        yield _remark("", TableVerdict.COULD_NOT_VERIFY, "no table was found whose pages to read")
    if pages.tables:
        without = "; they carry no checksums" if pages.checksums is False else ""
        yield _remark(
            "",
            TableVerdict.PASS,
            f"every page of {counted(pages.tables, 'table')} and "
            f"{counted(pages.indexes, 'index', 'indexes')} "
            f"was read ({show_size(pages.bytes)}), the catalogue's included{without}",
        )


def not_read(pages: Pages) -> tuple[str, ...]:
    """What nobody here can look at, in words: it is in no verdict, and never called read."""
    return tuple(
        f"the pages of {counted(number, f'{plain(method, 63)} index', f'{plain(method, 63)} indexes')}: "
        "no program of this server tells whether they are sound (REINDEX makes them anew)"
        for method, number in sorted(pages.unknown_methods.items())
    )


def _remark(subject: str, verdict: TableVerdict, words: str) -> Remark:
    return Remark(
        question=Question.SOUNDNESS,
        check=PAGES,
        subject=plain(subject, 300),
        verdict=verdict,
        words=words,
    )
