"""Looking again, at all that a source holds, where the part that it lists first held no independent copy."""

from collections.abc import Sequence
from dataclasses import replace

from drbook.actions.survey import Found, survey
from drbook.core.actions import StepContext
from drbook.core.points import SourceConfig, SourceFacts
from drbook.core.ports import Ports
from drbook.core.signals import Milestone, Working


def narrowed(
    configs: Sequence[SourceConfig], missing: Sequence[SourceFacts], ports: Ports
) -> list[SourceConfig]:
    """Sources that answered and listed a part only for speed; now they will list everything."""
    partial = {each.source for each in missing if each.reachable}
    return [each for each in configs if each.id in partial and ports.backups.widen(each.id)]


def again(
    narrow: Sequence[SourceConfig],
    found: Sequence[Found],
    missing: Sequence[SourceFacts],
    context: StepContext,
    ports: Ports,
) -> Working[tuple[list[Found], list[SourceFacts]]]:
    """The same with all that these sources hold. What was read of a copy stays known."""
    names = {each.id for each in narrow}
    yield Milestone(
        f"no independent copy in the part that was listed: everything in {', '.join(sorted(names))} is"
    )
    more, still = yield from survey(narrow, context, ports)
    read = {each.facts.point.bytes_key: each.facts.bytes for each in found if each.looked_at}
    for index, each in enumerate(more):
        if (fact := read.get(each.facts.point.bytes_key)) is not None and fact.state != "unread":
            facts = each.facts.model_copy(update={"bytes": fact})
            more[index] = replace(each, facts=facts)
    return (
        [each for each in found if each.config.id not in names] + more,
        [each for each in missing if each.source not in names] + still,
    )
