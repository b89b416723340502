"""The short form: cases that between them make every comparison speak, and some others by a seed."""

import random
from collections.abc import Sequence

from corpus.case import Case
from corpus.cases import CASES

NEEDED: tuple[str, ...] = ()
"""Without one of these a comparison could be taken away and nobody would notice
(`tests/corpus/run.py --without` says who notices which)."""


def chosen(seed: int, more: int = 8) -> Sequence[Case]:
    """The needed ones, and `more` others."""
    others = [case for case in CASES if case.name not in NEEDED]
    extra = {case.name for case in random.Random(seed).sample(others, more)}
    return [case for case in CASES if case.name in NEEDED or case.name in extra]
