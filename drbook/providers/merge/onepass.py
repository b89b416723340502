"""One pass of a merge: everything but the commit, with what stands against it in numbers."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from drbook.core.errors import Refused, StepFailed
from drbook.core.merged import Outcome, SequenceMove, TableOutcome
from drbook.core.mergeguard import REVIEW_AGAIN
from drbook.core.ports import Cancel
from drbook.core.reviewed import (
    Policy,
    Proposal,
    Rows,
    TableFacts,
    TableProposal,
    Triggers,
    parents_first,
    policy_of,
    steps_past,
)
from drbook.core.signals import Progress, Working
from drbook.core.values import counted, plain
from drbook.providers.artifacts import ArtifactFolder
from drbook.providers.merge.describe import Described, Drawn, fits
from drbook.providers.merge.lease import Limits, MergeSession
from drbook.providers.merge.references import Reference
from drbook.providers.pgsession import said

MOST_DRAWN = 10_000_000
"""Values of a sequence that are drawn to move it; a longer way is left to a person."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What is merged, and how."""

    proposal: Proposal
    folder: ArtifactFolder
    limits: Limits
    cancel: Cancel
    triggers: Triggers = "fire"
    decided: Mapping[str, Policy] = field(default_factory=dict)

    def overwrites(self, one: TableProposal) -> bool:
        return bool(one.conflicts.count) and policy_of(one, self.decided) == "restore"


@dataclass(slots=True)
class At:
    """One table at work."""

    number: int
    what: TableProposal
    described: Described
    overwrites: bool
    outcome: TableOutcome

    @property
    def rows(self) -> str:
        return f"drbook_rows_{self.number}"

    @property
    def back(self) -> str:
        return f"drbook_back_{self.number}"

    @property
    def gone(self) -> str:
        return f"drbook_gone_{self.number}"

    def found(self, **more: object) -> None:
        self.outcome = self.outcome.model_copy(update=more)


@dataclass(slots=True)
class Pass:
    """What one pass came to: its figures, and its tables in the order in which they were written."""

    tables: list[At] = field(default_factory=list)
    moves: list[tuple[Drawn, SequenceMove]] = field(default_factory=list)

    def outcome(self, merge: Merge) -> Outcome:
        return Outcome(
            proposal=merge.proposal.artifact,
            triggers=merge.triggers,
            decided=merge.decided,
            tables=tuple(at.outcome for at in self.tables),
            sequences=tuple(move for _, move in self.moves),
        )


def one_pass(session: MergeSession, merge: Merge) -> Working[Pass]:
    """Everything but the commit."""
    run = Pass()
    for number, what in enumerate(merge.proposal.what.tables):
        described = _as_reviewed(session, what)
        overwrites = merge.overwrites(what)
        outcome = TableOutcome(
            table=what.table.shown,
            proposed=what.missing.count,
            overwriting=what.conflicts.count if overwrites else 0,
        )
        run.tables.append(At(number, what, described, overwrites, outcome))
    run.tables = _in_order(run.tables)
    for at in run.tables:
        yield Progress("stage", at.number, len(run.tables), "tables", plain(at.outcome.table, 130))
        _stage(session, merge, at)
    blocked = ""
    for at in run.tables:
        merge.cancel.raise_if_requested()
        yield Progress("merge", at.number, len(run.tables), "tables", plain(at.outcome.table, 130))
        if blocked:
            at.found(failure=f"not tried: {blocked} cannot be merged")
            continue
        _look(session, merge, at)
        if not at.outcome.blocked:
            _write(session, at)
        if at.outcome.blocked:
            blocked = plain(at.outcome.table, 130)
    if not blocked and _constraints_hold(session, run):
        for at in run.tables:
            _look_back(session, at)
        run.moves = list(_moves(session, run))
    return run


def _as_reviewed(session: MergeSession, what: TableProposal) -> Described:
    """The table, which must still be the one that was reviewed. Raises StepFailed."""
    found = session.describe(what.table)
    why = "it is not there" if found is None else fits(what.table, found.facts)
    if found is not None and not why:
        return found
    next_ = REVIEW_AGAIN
    if found is None:
        next_ = "Make it from the proposal's definition first (read it, then `psql -f` it); then run the step again."
    raise StepFailed(
        f"{plain(what.table.shown, 130)} is not as it was reviewed: {why}.",
        means="Nothing was changed.",
        next=next_,
        code="table-changed",
    )


def _in_order(tables: list[At]) -> list[At]:
    """What is referred to before what refers to it."""
    by_name = {at.outcome.table: at for at in tables}
    references = [
        (name, f"{one.schema}.{one.table}")
        for name, at in by_name.items()
        for one in at.described.refers
    ]
    ordered, _ = parents_first(tuple(by_name), references)
    return [by_name[name] for name in ordered]


def _stage(session: MergeSession, merge: Merge, at: At) -> None:
    facts = at.what.table
    sets = [(at.rows, at.what.missing, False)]
    if at.overwrites:
        sets.append((at.back, at.what.conflicts, True))
    for name, rows, both in sets:
        lines = lines_of(merge.folder.folder(), rows)
        if session.stage(name, facts, lines, both=both) != rows.count:
            raise _altered(rows)


def lines_of(folder: Path, rows: Rows) -> Iterator[bytes]:
    """The rows that a proposal names. Raises Refused where their bytes are others by now."""
    if not rows.artifact:
        return
    digest = hashlib.sha256()
    try:
        with (folder / rows.artifact).open("rb") as stream:
            for line in stream:
                digest.update(line)
                yield line
    except OSError:
        raise _altered(rows) from None
    if rows.artifact.partition("/")[2].partition(".")[0] != digest.hexdigest():
        raise _altered(rows)


def _altered(rows: Rows) -> Refused:
    return Refused(
        f"The rows in {plain(rows.artifact, 100)} are missing, or not what was reviewed.",
        means="Their digest is another. Nothing was changed in production.",
        next=REVIEW_AGAIN,
        code="merge-digest",
    )


def _look(session: MergeSession, merge: Merge, at: At) -> None:
    """What stands against it, in numbers, before anything is written."""
    facts, described = at.what.table, at.described
    others = [one for one in described.unique if one and set(one) != set(facts.key)]
    usable = [one for one in others if set(one) <= set(facts.written)]
    refers = [one for one in described.refers if _seen(facts, one)]
    hold = merge.triggers == "skip"
    at.found(
        present=session.present(at.rows, facts),
        drifted=session.drifted(at.back, facts) if at.overwrites else 0,
        taken=sum(session.taken(at.rows, facts, one) for one in usable),
        orphans=sum(session.orphans(at.rows, facts, one, hold=hold) for one in refers),
    )
    # Rows to put back are held by now: nobody comes to refer to them any more.
    at.found(failure=_acts_besides(session, merge, at))


def _seen(facts: TableFacts, one: Reference) -> bool:
    """Whether staged rows show what it refers to: what the server computes is not in them."""
    written = set(facts.written)
    return set(one.here) <= written and (not one.itself or set(one.there) <= written)


def _acts_besides(session: MergeSession, merge: Merge, at: At) -> str:
    """What would write rows that nobody reviewed, and does not show in the rows that were: rules, and other
    tables' rows that follow a changed key. Empty where there is nothing."""
    skipped = merge.triggers == "skip"
    rules = [
        one.name
        for one in at.described.acts.rules
        if (one.fires_skipped if skipped else one.fires) and (at.overwrites or not one.on_update)
    ]
    if rules:
        return (
            f"it has the rules {', '.join(rules)}, which rewrite what is written here or write elsewhere: "
            "disable them for the time of the merge (ALTER TABLE … DISABLE RULE …), and do by hand what "
            "they would have done"
        )
    keys = [
        *at.described.acts.keys,
        *(
            f"({', '.join(plain(name, 63) for name in one.here)})"
            for one in at.described.refers
            if not _seen(at.what.table, one)
        ),
    ]
    if skipped and keys:
        return (
            "with triggers skipped nobody checks foreign keys of its partitions alone, nor those that lead "
            f"from or to what the server computes: {', '.join(keys)}; let triggers fire"
        )
    told = []
    if at.overwrites and not at.what.table.updated:
        told.append(
            "its rows differ in the key alone (in how it is written), or in what the server computes, and no "
            "UPDATE can set that: `keep` the conflicts of this table"
        )
    for one in at.described.referred if at.overwrites else ():
        if one.follows and (count := session.along(at.back, at.what.table, one)):
            told.append(
                f"{counted(count, 'row')} to put back would change "
                f"({', '.join(plain(name, 63) for name in one.there)}), and rows of "
                f"{plain(f'{one.schema}.{one.table}', 130)} that refer to that would change along "
                "(ON UPDATE): `keep` the conflicts of this table, and put these rows back by hand"
            )
    return "; ".join(told)


def _write(session: MergeSession, at: At) -> None:
    try:
        at.found(inserted=session.insert(at.rows, at.what.table))
        if at.overwrites:
            at.found(updated=session.update(at.back, at.what.table))
    except psycopg.Error as error:
        at.found(failure=_failure(session, error))


def _constraints_hold(session: MergeSession, run: Pass) -> bool:
    try:
        session.check_constraints()
    except psycopg.Error as error:
        failure = _failure(session, error)
        names = [at for at in run.tables if at.what.table.name == error.diag.table_name]
        (names or run.tables)[-1].found(failure=failure)
        return False
    return True


def _failure(session: MergeSession, error: psycopg.Error) -> str:
    """What the server said, as an answer; a lost server, or an operator's stop, is none. Its detail would
    quote values of a row."""
    if session.lost or isinstance(error, psycopg.errors.QueryCanceled):
        raise error
    constraint = error.diag.constraint_name
    return f"the server refused: {said(error)}" + (
        f" (constraint {plain(constraint, 63)})"
        if constraint and constraint not in said(error)
        else ""
    )


def _look_back(session: MergeSession, at: At) -> None:
    """Whether every row came out as it was reviewed: triggers may change it, or keep it from being written.
    What acts is asked now: while rows are written, triggers and rules can neither come nor go."""
    sets = [(at.rows, at.outcome.proposed)]
    if at.overwrites:
        sets.append((at.back, at.outcome.overwriting))
    gone = changed = identities = 0
    for name, count in sets:
        there, same, but_fixed = session.came_out(name, at.what.table)
        kept = but_fixed - same if name == at.back else 0
        gone += count - there
        changed += there - same - kept
        identities += kept
    digest = hashlib.sha256()
    if gone or changed:
        for name, _ in sets:
            digest.update(name.encode())
            for line in session.fingerprints(name, at.what.table):
                digest.update(line)
    at.found(
        suppressed=gone,
        changed=changed,
        identities=identities,
        rows=digest.hexdigest() if gone or changed else "",
        acting=session.acting(at.what.table),
    )


def _moves(session: MergeSession, run: Pass) -> Iterator[tuple[Drawn, SequenceMove]]:
    """Sequences that have to be behind what was inserted."""
    for at in run.tables:
        for drawn in at.described.sequences:
            if drawn.column not in at.what.table.written or not at.outcome.inserted:
                continue
            if not at.what.table.is_integer(drawn.column):
                # 'INV-' || nextval('numbers'): which of its values stands in a row, nobody can tell here.
                yield drawn, SequenceMove(sequence=_sequence(drawn), past="", seen=False)
                continue
            reached = session.reached(at.rows, at.what.table, drawn)
            if reached is None:
                continue
            last = session.last_drawn(drawn)
            steps = steps_past(last, drawn.start, drawn.increment, reached)
            if steps > MOST_DRAWN or (drawn.cycles and steps):
                raise StepFailed(
                    f"The sequence {_sequence(drawn)} is {steps:,} values behind "
                    f"{reached}, the last one to be inserted"
                    + (", and it cycles." if drawn.cycles else "."),
                    means="The next rows would get numbers that are taken. Nothing was changed.",
                    next="Move it there by hand (`SELECT setval(…)`), then run the step again.",
                    code="sequence-behind",
                )
            yield drawn, SequenceMove(sequence=_sequence(drawn), past=str(reached), steps=steps)


def _sequence(drawn: Drawn) -> str:
    return plain(f"{drawn.schema}.{drawn.name}", 130)
