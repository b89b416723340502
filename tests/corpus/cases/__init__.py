"""All cases, by theme."""

from corpus.case import Case
from corpus.cases import damaged, odd, rows, servers, stores, structure

CASES: tuple[Case, ...] = (
    *damaged.CASES,
    *rows.CASES,
    *structure.CASES,
    *servers.CASES,
    *odd.CASES,
    *stores.CASES,
)

assert len({case.name for case in CASES}) == len(CASES)
