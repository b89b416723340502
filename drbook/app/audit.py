"""The audit of a runbook in calm times: its copies, and the credentials that lie on this machine.

Wires the judgements of `core.audit` and `core.credentials` to what they need. It only reads; a server is
asked about its role only where that is wished.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drbook.actions.locate import Locate
from drbook.app.asking import Askers, asked_logins, asked_powers
from drbook.app.exposure import address_of, credentials_of, referred, things_of
from drbook.app.inspect import Inspection, baselines
from drbook.app.locks import known
from drbook.app.opensample import open_samples
from drbook.app.packrecord import bag_of, now_of
from drbook.app.places import Home
from drbook.app.proved import proved
from drbook.core.audit import audit_copies
from drbook.core.auditreport import Report
from drbook.core.copyset import Facts
from drbook.core.credentials import (
    PRODUCTION,
    Might,
    Power,
    Stated,
    expose,
    gaps,
    undecided,
    unstated,
)
from drbook.core.errors import DrbookError
from drbook.core.gobag import bag_line
from drbook.core.kills import kills
from drbook.core.located import Located
from drbook.core.lockproofs import LockPlan, LockProof, line_of, unplanned
from drbook.core.logins import Production, Server
from drbook.core.points import Answer, Basis
from drbook.core.presets import PRESETS
from drbook.core.roles import QUERY, RoleFacts, power_of
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.providers.credfiles import Search
from drbook.providers.hiding import scrub


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be audited, and where."""

    runbook: Runbook
    environment: Mapping[str, str]
    home: Home
    here: Path
    paths: Sequence[Path] = ()
    ask: bool = False
    open_sample: bool = False
    """Whether each source's own key is tried on a sample of what it holds."""
    tried: Sequence[LockProof] = ()
    """What attempts on locks showed just now."""
    not_tried: Sequence[LockPlan] = ()
    """Places in which none was made."""
    askers: Askers = field(default_factory=Askers)


def audit(order: Order, inspection: Inspection, *, full: bool) -> Report:
    """Look, and say. Raises DrbookError where the sources cannot be asked at all."""
    now = datetime.now(UTC)
    located = _located(order.runbook, inspection, now, full=full)
    current = now_of(order.runbook, order.environment)
    bag = bag_line(bag_of(order.runbook, order.home), current)
    judged = audit_copies(_facts(order, located, now), _preset(order.runbook))
    tried = (*map(line_of, order.tried), *map(unplanned, order.not_tried))
    copies = (*judged, *tried, bag)
    search = Search(order.environment, keep=order.ask)
    search.run(order.paths, order.here, *referred(order.runbook))
    things = things_of(order.runbook, located, search)
    told, not_asked = asked_powers(search, things, order.runbook, order.askers)
    address = address_of(order.runbook.document.production.database, search)
    servers = ([address] if address is not None else []) + search.servers
    logins, more = asked_logins(
        search.held, servers, lambda: _production(address, inspection), order.askers.postgres
    )
    search.held.clear()
    stated = Stated(
        things=things,
        told={**told, **logins},
        credentials=credentials_of(order.runbook),
        asked=_asked(order, inspection) if order.ask else None,
    )
    exposed = expose(search.found, stated)
    unknown = [f"{line.name}: {line.reason}" for line in copies if line.answer is Answer.UNKNOWN]
    unknown += [one for one in (undecided(exposed),) if one] + gaps(stated)
    if stated.asked is not None and stated.asked.might is Might.UNKNOWN:
        unknown.append(f"production's login: {stated.asked.reason}")
    unknown += [f"not read: {one}" for one in search.left_out]
    samples = open_samples(order.runbook, order.environment) if order.open_sample else None
    unknown += [
        f"{one.source}: {one.reason}" for one in samples or () if one.answer is Answer.UNKNOWN
    ]
    unknown += not_asked + more
    unknown += known(order.home).doubts
    return Report(
        title=order.runbook.title,
        at=now,
        copies=copies,
        credentials=exposed,
        kills=kills(exposed, stated),
        things=tuple(thing.id for thing in stated.things),
        asked=stated.asked,
        unstated=tuple(unstated(exposed, stated.credentials)),
        left_out=tuple(search.left_out),
        files=tuple(search.read),
        unknown=tuple(unknown),
        samples=samples,
        locks=tuple(order.tried),
    )


def _preset(runbook: Runbook) -> str:
    """The preset that the runbook's own locate step names; empty where it lists criteria."""
    asked = (
        step.step.with_.get("require") for step in runbook.steps if step.step.do == Locate.name
    )
    return next((one for one in asked if isinstance(one, str) and one in PRESETS), "")


def _located(runbook: Runbook, inspection: Inspection, now: datetime, *, full: bool) -> Located:
    if not runbook.sources:
        return Located(point=None, asked_at=now)
    found = inspection.locate(full=full).result
    assert isinstance(found, Located)
    return found


def _facts(order: Order, located: Located, now: datetime) -> Facts:
    document = order.runbook.document
    proofs, unread = proved(order.home)
    dates, silent = _baselines(order)
    return Facts(
        located=located,
        production=document.production.domain,
        domains={source.id: source.domain for source in order.runbook.sources},
        rpo=document.objectives.rpo,
        now=now,
        proofs=proofs,
        unread=unread,
        baselines=dates,
        no_baselines=silent,
    )


def _baselines(order: Order) -> tuple[list[datetime], str]:
    try:
        return [at for _, at in baselines(order.runbook, order.environment).listed()], ""
    except DrbookError as error:
        return [], f"captures cannot be listed: {error.what}"


# --- what production's server says -------------------------------------------------------------


def _production(address: Server | None, inspection: Inspection) -> Production:
    """Who production is, asked now and by its own baselines; where nobody says it, nothing."""
    try:
        known = inspection.identities()
    except DrbookError:
        return Production(address=address)
    live = next((one.identity for one in known if one.basis == "live"), None)
    own = [one.identity for one in known if one.proves and one.identity is not None]
    return Production(live=live, proven=tuple(own), address=address)


def _asked(order: Order, inspection: Inspection) -> Power | None:
    """What the login of the runbook may do in production; read-only, and only where it was wished."""
    database = order.runbook.document.production.database
    if database is None:
        return None
    try:
        answered = inspection.query(database, QUERY, timedelta(seconds=30))
        facts = RoleFacts.read(answered.columns, answered.rows)
    except (DrbookError, ValueError) as error:
        why = plain(scrub(getattr(error, "what", "its answer is none")), 300)
        return Power(
            thing=PRODUCTION, might=Might.UNKNOWN, basis=Basis.NONE, reason=f"asked, and: {why}"
        )
    return power_of(facts)
