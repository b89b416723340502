"""What an amendment of the runbook may change while its incident is led: steps not yet started."""

from dataclasses import dataclass

from drbook.core.errors import UsageError
from drbook.core.runbook import CompiledStep, Runbook, RunbookDocument
from drbook.core.state import IncidentState, has_begun


@dataclass(frozen=True, slots=True)
class Amendment:
    """The difference between two runbooks, by step ids."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.added, *self.removed, *self.changed)

    def in_words(self) -> str:
        parts = (("added", self.added), ("removed", self.removed), ("changed", self.changed))
        return "; ".join(f"{word} {', '.join(ids)}" for word, ids in parts if ids)


def amendment(old: Runbook, new: Runbook, state: IncidentState) -> Amendment:
    """What `new` changes. Raises UsageError where that is more than steps that have not started.

    What ran before was judged by the rest of the runbook (its production, backups, credentials), so
    the rest stays as it is for the whole incident.
    """
    _same_outside_steps(old.document, new.document)
    before = {step.id: step for step in old.steps}
    after = {step.id: step for step in new.steps}
    removed = tuple(name for name in before if name not in after)
    changed = tuple(
        name for name in before if name in after and _said(before[name]) != _said(after[name])
    )
    fixed = [name for name in (*removed, *changed) if has_begun(state.steps[name])]
    if fixed:
        raise UsageError(
            f"The amended runbook changes {', '.join(fixed)}, which the record already speaks of.",
            means="Nothing was amended: what ran must stay what the record says.",
            next="Leave those steps as they were. Add what you need as new steps under other ids, and "
            "skip what they replace, with a reason.",
            code="amend-started",
        )
    found = Amendment(tuple(name for name in after if name not in before), removed, changed)
    if not found.all and tuple(before) == tuple(after):
        raise UsageError(
            "The amended runbook has the same steps as the stored one.",
            means="Nothing was amended.",
            next="Leave --amend away to go on with the stored runbook.",
            code="amend-nothing",
        )
    return found


def _same_outside_steps(old: RunbookDocument, new: RunbookDocument) -> None:
    different = [
        name
        for name in RunbookDocument.model_fields
        if name != "steps" and getattr(old, name) != getattr(new, name)
    ]
    if different:
        raise UsageError(
            f"The amended runbook changes {', '.join(f'`{name}`' for name in different)}.",
            means="Nothing was amended: only steps that have not started may change, since what ran "
            "was judged by the rest.",
            next="Put that back as it was, or open a new incident with the changed runbook.",
            code="amend-outside-steps",
        )


def _said(step: CompiledStep) -> tuple[object, ...]:
    """What makes two steps the same one: what is written, and what it waits for."""
    return (step.step, step.needs)
