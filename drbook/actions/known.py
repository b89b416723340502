"""Everything that is known of who production is: asked now, and from its baselines."""

from pathlib import Path

from drbook.core.actions import StepContext
from drbook.core.baseline import Identity
from drbook.core.errors import CouldNotVerify
from drbook.core.freshness import of_this_production
from drbook.core.ports import Ports, ProductionIdentity
from drbook.core.signals import Milestone, Working

LOOKED_AT = 10
"""How many of the newest baselines are asked who production is."""


def known_production(context: StepContext, ports: Ports) -> Working[list[ProductionIdentity]]:
    """Everything that is known about production's identity: asked now, and from its baselines."""
    known: list[ProductionIdentity] = []
    production = context.document.production
    dialled = ""
    if production.database is not None:
        volume = Path(production.volume) if production.volume else None
        probe = ports.databases.probe(production.database, volume=volume)
        dialled = probe.dialled
        if probe.identity is not None:
            shown = f"{production.database.show()}, asked now"
            known.append(ProductionIdentity("live", shown, probe.identity))
        if probe.volume_place is not None:
            shown = f"production.volume {production.volume}"
            known.append(ProductionIdentity("declared", shown, directory=probe.volume_place))
    resource = production.domain.named()
    try:
        listed = ports.baselines.listed()[:LOOKED_AT]
    except CouldNotVerify as error:
        yield Milestone(f"no baseline says who production is: {error.what}")
        return known
    for name, _ in listed:
        try:
            identity = ports.baselines.load(name).counts.identity
        except CouldNotVerify as error:
            yield Milestone(f"a baseline does not say who production is: {error.what}")
            continue
        ours = of_this_production(identity, dialled, resource)
        if not any(one.basis == "baseline" and _alike(one, identity, ours) for one in known):
            known.append(ProductionIdentity("baseline", f"baseline {name}", identity, ours))
    return known


def _alike(known: ProductionIdentity, identity: Identity, ours: bool) -> bool:
    """Whether an older baseline says nothing new about who production is."""
    if known.identity is None or known.ours != ours:
        return False
    both = (known.identity, identity)
    first, second = ((one.system_identifier, one.started_at, one.place) for one in both)
    return first == second
