"""The short form: cases that between them make every comparison speak, and some others by a seed."""

import random
from collections.abc import Sequence

from corpus.case import Case
from corpus.cases import CASES

NEEDED: tuple[str, ...] = (
    "truncated, with a manifest",
    "truncated, without a manifest",
    "zero bytes",
    "plain, cut at a row",
    "directory, a data file is gone",
    "bit flipped, gzip, without a manifest",
    "bit flipped, a zstd stream, with a manifest",
    "a zstd stream without its last bytes",
    "bit flipped, uncompressed, without a manifest",
    "an lz4 stream, which nothing here unpacks",
    "a table is missing",
    "a table too many",
    "production's reader could not count a table",
    "half the rows deleted after the load",
    "half the rows, older baseline, no manifest",
    "one row changed",
    "timestamps shifted, counts alone",
    "a generated column is computed anew",
    "a generated column is computed anew, and another one changed",
    "older than its time claims, as many rows",
    "not even the baseline counted a table",
    "an archive that cannot be counted, as in the baseline",
    "an assertion does not hold",
    "an assertion cannot be asked",
    "a sequence is behind its column, no manifest",
    "a sequence is behind what the backup held",
    "a sequence behind what production issued later",
    "rows replaced since the backup, as many as before",
    "another database's dump, its own manifest, production's baseline",
    "a table dropped before the backup",
    "an index is missing",
    "an index is not valid, no manifest",
    "a constraint is missing",
    "a trigger is missing",
    "a partition is detached",
    "a grant is missing",
    "an extension is missing",
    "a sequence counts otherwise",
    "an operator class too many",
    "much that is rare is gone",
    "default grants and a foreign table are gone",
    "an empty schema too many",
    "a comment is gone",
    "how somebody logs in elsewhere, which only a superuser sees",
    "rights on the database itself",
    "everything that is rare",
    "a foreign key that production never checked either",
    "the owner is another one",
    "the database has settings of its own",
    "another server's settings, roles and memberships",
    "production's collation had another version",
    "the database has another encoding",
    "text sorts otherwise",
    "the reader may not see a table",
    "what only a superuser could make is left out",
    "an index has not all rows of its table",
    "pages are asked for, and the login may not read them",
    "a lock that the place repeats and does not enforce",
    "a lock that nobody tried, where it must be observed",
    "rows of before the backup are not in it, younger baseline, no manifest",
    "older rows than those of before the backup, younger baseline, no manifest",
    "hardly any row, younger baseline, no manifest",
    "what the archive lists is gone, no manifest and no baseline",
    "a publication is gone that was loaded",
    "rights on an extension's function, which the load could not give",
    "an extension lies in another schema",
    "a sequence is nearly used up",
)
"""Without one of these a comparison could be taken away and nobody would notice
(`tests/corpus/run.py --without` says who notices which)."""


def chosen(seed: int, more: int = 8) -> Sequence[Case]:
    """The needed ones, and `more` others."""
    others = [case for case in CASES if case.name not in NEEDED]
    extra = {case.name for case in random.Random(seed).sample(others, more)}
    return [case for case in CASES if case.name in NEEDED or case.name in extra]
