"""Is a restored database sound in itself? Nothing here needs to know what the backup held, but what was
flawed there already is not blamed on the restore."""

from collections.abc import Iterator

from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.structure import LACKS, DbObject, Orphans, SequenceState, Structure
from drbook.core.values import counted, plain

GOOD, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY


def flaws(
    restored: Structure,
    held: Structure | None,
    before: Structure | None = None,
    *,
    same_rows: bool = False,
) -> Iterator[Remark]:
    """What is wrong with the restored database itself. Without what the backup held, `before` says what
    production had already. `same_rows`: the content of every table is proven to be the backup's."""
    origin = held or before
    was = {(one.kind, one.name): one for one in origin.objects} if origin else {}
    for one in restored.objects:
        if one.flaw:
            yield _flaw(one, was.get((one.kind, one.name)), known=origin is not None)
    stood = {one.name: one for one in held.sequences} if held else {}
    before_it = {one.name: one for one in origin.sequences} if origin else {}
    issued = {one.name: one for one in before.sequences} if before else {}
    for sequence in restored.sequences:
        yield from _sequence(sequence, stood.get(sequence.name), same_rows)
        yield from _ahead(sequence, stood.get(sequence.name), issued.get(sequence.name))
        if _exhausted(sequence):
            yield _at_its_end(sequence, before_it.get(sequence.name), known=held is not None)
    for orphans in restored.orphans:
        yield from _orphans(orphans, origin, same_rows)
    if restored.without_statistics:
        yield _remark(
            "analysis",
            "",
            GOOD,
            f"{counted(restored.without_statistics, 'table')} without planner statistics: run "
            "ANALYZE before users come",
        )


def _orphans(now: Orphans, origin: Structure | None, same_rows: bool) -> Iterator[Remark]:
    if now.rows is None:
        why = plain(now.why_unknown, 300) or "not counted"
        yield _remark("orphans", now.constraint, UNSURE, why)
        return
    if not now.rows:
        return
    words = counted(now.rows, "row refers to nothing", "rows refer to nothing")
    known = {one.constraint: one.rows for one in origin.orphans} if origin else {}
    unchecked = origin is not None and _flawed(origin, now.constraint)
    if known.get(now.constraint) == now.rows or (unchecked and same_rows):
        yield _remark("orphans", now.constraint, GOOD, words + ", as in the backup")
    elif origin is None or (origin.left_unread and unchecked):
        # A capture does not count them: production may have had the same ones.
        words += "; whether production's did too, nobody counted"
        yield _remark("orphans", now.constraint, UNSURE, words)
    else:
        yield _remark("orphans", now.constraint, FAIL, words)


def _flawed(origin: Structure, constraint: str) -> bool:
    return any(
        one.flaw for one in origin.objects if (one.kind, one.name) == ("constraint", constraint)
    )


def _flaw(one: DbObject, was: DbObject | None, *, known: bool) -> Remark:
    """A flaw that production had as well is no fault of the restore, and still worth knowing. A dump
    brings everything back as it was, but an index, which it builds: so without anything to compare with
    nobody can tell."""
    if was is not None and was.flaw == one.flaw:
        return _remark(one.kind, one.name, GOOD, f"{one.flaw}, as in the backup")
    if one.kind == "collation version":
        return _remark(one.kind, one.name, UNSURE, one.flaw)
    if (one.kind != "index" or one.flaw == LACKS) and not known:
        words = f"{one.flaw}; nothing says whether production's was so too"
        return _remark(one.kind, one.name, UNSURE, words)
    return _remark(one.kind, one.name, FAIL, one.flaw)


def _sequence(now: SequenceState, held: SequenceState | None, same_rows: bool) -> Iterator[Remark]:
    if now.last is None:
        why = plain(now.why_unknown, 300) or "nobody may look"
        yield _remark("sequence", now.name, UNSURE, f"where it stands is unknown: {why}")
        return
    if now.why_unknown:
        yield _remark("sequence", now.name, UNSURE, plain(now.why_unknown, 300))
    if held is not None and held.last is not None and _earlier(now, held):
        yield Remark(
            question=Question.FIDELITY,
            check="sequence",
            subject=now.name,
            verdict=FAIL,
            words=f"the backup held {held.last}, it stands at {now.last}",
        )
    if now.top is not None and _behind(now, int(now.top)):
        verdict, since = _collides(now, held, same_rows)
        words = f"stands at {now.last}, and {now.column} holds {now.top} already"
        yield _remark("sequence", now.name, verdict, words + since)


SKIPPED = 1000
"""Values that a sequence may well be further: those that sessions keep (CACHE), that its log is ahead (32),
and that production took while it was dumped."""
MOST, SOME = 90, 10
"""Per cent of all values that were left."""


def _ahead(
    now: SequenceState, held: SequenceState | None, issued: SequenceState | None
) -> Iterator[Remark]:
    """A sequence that is much further than the backup held it, and than production is known to have been:
    each value is there once. A dump reads it later than a manifest, so that some are no flaw."""
    if held is None or held.last is None or now.last is None or _exhausted(now):
        return
    if _passed(now, held) <= SKIPPED:
        return
    if issued is not None and issued.last is not None and _passed(now, issued) <= SKIPPED:
        return
    skipped = _passed(now, held)
    words = f"stands at {now.last}, where the backup held {held.last}: {skipped} values are skipped"
    verdict = GOOD
    if now.limit:
        left = abs(int(now.limit) - _following(held)) // abs(int(now.increment)) + 1
        share = skipped * 100 // left
        if share >= SOME:
            verdict = FAIL if share >= MOST else UNSURE
            words += f", {share} % of all that were left"
    yield Remark(
        question=Question.FIDELITY,
        check="sequence",
        subject=now.name,
        verdict=verdict,
        words=words,
    )


def _passed(now: SequenceState, other: SequenceState) -> int:
    """How many values it is further; negative where it is behind."""
    further = _following(now) - _following(other)
    step = int(now.increment)
    return further // step if further * step >= 0 else -1


def _collides(
    now: SequenceState, held: SequenceState | None, same_rows: bool
) -> tuple[TableVerdict, str]:
    """What it means that a column is ahead of its sequence. Where both are as the backup held them it was
    so in production: ids that somebody chose, or a sequence that goes round."""
    if held is None or held.last is None or _earlier(now, held):
        return FAIL, ": the next rows collide"
    if same_rows:
        return GOOD, ", as in the backup"
    return (
        UNSURE,
        "; it stands where the backup held it, and whether its rows are the same is unproven",
    )


def _exhausted(one: SequenceState) -> bool:
    """Whether the next value is beyond its last one: whoever asks for it gets an error."""
    if one.last is None or not one.limit:
        return False
    following, limit = _following(one), int(one.limit)
    return following > limit if int(one.increment) > 0 else following < limit


def _at_its_end(now: SequenceState, was: SequenceState | None, *, known: bool) -> Remark:
    """`was`: in the backup, or where nobody knows that, in the baseline; it may have gone on since."""
    words = f"stands at {now.last}, its last value: the next row gets an error"
    if was is not None and _exhausted(was.model_copy(update={"limit": was.limit or now.limit})):
        return _remark("sequence", now.name, GOOD, f"{words}, as in the backup")
    if not known:
        words += "; nothing says whether production's was so too"
        return _remark("sequence", now.name, UNSURE, words)
    return _remark("sequence", now.name, FAIL, words)


def reissued(restored: Structure, before: Structure) -> Iterator[Remark]:
    """Sequences that would hand out again what production is known to have handed out: those numbers
    may stand in mails, at a payment provider, in other systems."""
    stood = {one.name: one for one in before.sequences}
    for now in restored.sequences:
        was = stood.get(now.name)
        if was is None or was.last is None or now.last is None or not was.called:
            continue
        if _behind(now, int(was.last)):
            yield Remark(
                question=Question.LOSS,
                check="sequence",
                subject=now.name,
                verdict=GOOD,
                words=f"stands at {now.last}, and production had handed out {was.last}: set it beyond "
                "that before users come, or numbers that they know are given to other rows",
            )


def _following(one: SequenceState) -> int:
    """The value that it hands out next. It is known where it stands."""
    assert one.last is not None
    return int(one.last) + (int(one.increment) if one.called else 0)


def _earlier(now: SequenceState, held: SequenceState) -> bool:
    """Whether it goes on before the point where the backup held it. Somewhat beyond is
    well: sequences belong to no snapshot, so a dump reads them a moment later than a manifest."""
    if int(now.increment) > 0:
        return _following(now) < _following(held)
    return _following(now) > _following(held)


def _behind(now: SequenceState, known: int) -> bool:
    """Whether the next value would be one up to `known`."""
    return _following(now) <= known if int(now.increment) > 0 else _following(now) >= known


def _remark(check: str, subject: str, verdict: TableVerdict, words: str) -> Remark:
    return Remark(
        question=Question.SOUNDNESS, check=check, subject=subject, verdict=verdict, words=words
    )
