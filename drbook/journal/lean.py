"""A copy of a journal that leaves rows out, and how its chain is checked.

A line without its rows says the digest of the line as it was written, and the chain goes on from that: each
record keeps its place, and whoever holds the journal can hold each line against it. What such a line still
says is not proven by the chain; a signature over the copy is what vouches for it.
"""

import re
from collections.abc import Iterable, Iterator

from drbook.core.errors import JournalError
from drbook.core.events import Record, StepFinished, StepResolved
from drbook.core.values import plain
from drbook.core.withheld import LEFT_OUT
from drbook.journal.codec import FIRST, decode, digest, encode

_MARK = re.compile(rb',"withheld":"([0-9a-f]{64})"\}\Z')


def lean(record: Record, written: str) -> bytes:
    """The line of a record whose rows were taken out, without its end; `written` is the digest of the line
    in the journal."""
    return encode(record)[:-1] + f',"withheld":"{written}"}}'.encode()


def chained(lines: Iterable[bytes]) -> Iterator[tuple[Record, str, bool]]:
    """Each record, the digest of its line as it was written, and whether its rows are left out.

    Raises JournalError at the first line that is damaged, unfinished or out of the chain.
    """
    head = FIRST
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            raise _broken(number, "it is not finished")
        body, withheld = line[:-1], ""
        if marked := _MARK.search(body):
            withheld, body = marked[1].decode(), body[: marked.start()] + b"}"
        try:
            record = decode(body)
        except JournalError as error:
            raise _broken(number, plain(error.what, 200)) from None
        if record.seq != number or record.prev != head:
            raise _broken(number, "it does not follow the line before it")
        if withheld and not _may_be_lean(record, body):
            raise _broken(number, "it is marked as one without its rows, and has none to leave out")
        head = withheld or digest(body)
        yield record, head, bool(withheld)


def _may_be_lean(record: Record, body: bytes) -> bool:
    ends = isinstance(record.event, StepFinished | StepResolved)
    return ends and LEFT_OUT.encode() in body and encode(record) == body


def _broken(number: int, why: str) -> JournalError:
    return JournalError(
        f"journal.jsonl, line {number}: {why}.",
        means="From this line on the record was changed or damaged after it was written.",
        code="journal-damaged",
    )
