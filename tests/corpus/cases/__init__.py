"""All cases, by theme."""

from corpus.case import Case
from corpus.cases import damaged, rows

CASES: tuple[Case, ...] = (*damaged.CASES, *rows.CASES)
