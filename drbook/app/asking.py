"""Asking those that issued them what the credentials that were found may do: with `--ask`, and only by
reading."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drbook.core.bucketfacts import StoreFacts
from drbook.core.bucketfacts import power_of as power_at_store
from drbook.core.credentials import PRODUCTION, Might, Power, Thing
from drbook.core.iampowers import Simulated
from drbook.core.iampowers import power_of as power_in_bucket
from drbook.core.logins import Asked, Login, Production, Server, elsewhere, to_ask, worst
from drbook.core.logins import power_of as power_in_production
from drbook.core.points import Basis
from drbook.core.railwaypowers import Holder
from drbook.core.railwaypowers import power_of as power_in_railway
from drbook.core.runbook import Runbook
from drbook.providers.credfiles import Search
from drbook.providers.credvalues import Held
from drbook.providers.hiding import Secret
from drbook.providers.s3config import S3Place

MOST = 20
"""Credentials that are asked; each takes some requests."""
MOST_SESSIONS = 100
"""Sessions that are opened with logins of PostgreSQL; a server that does not answer costs one."""

AskAws = Callable[[Held, Sequence[S3Place]], Sequence[Simulated]]
AskStore = Callable[[Held, S3Place], StoreFacts]
AskRailway = Callable[[Secret, str], Holder]
AskPostgres = Callable[[Login, Secret], Asked]


def ask_aws(held: Held, stores: Sequence[S3Place]) -> Sequence[Simulated]:
    """What IAM simulates for each bucket."""
    from drbook.providers.iamask import open_asker
    from drbook.providers.s3client import STORE_ERRORS, explain

    try:
        asker = open_asker(held.key_id.reveal(), held.value.reveal(), held.token.reveal())
    except STORE_ERRORS as error:
        return [Simulated(account="", why=explain(error).reason) for _ in stores]
    return [asker.ask(store.bucket, store.prefix) for store in stores]


def ask_store(held: Held, store: S3Place) -> StoreFacts:
    """What a store of one's own says of its bucket."""
    from drbook.providers.bucketask import ask_store as ask

    return ask(held, store)


def ask_railway(token: Secret, kind: str) -> Holder:
    from drbook.providers.railwayask import who_is

    return who_is(token, kind)


def ask_postgres(login: Login, password: Secret) -> Asked:
    from drbook.providers.pgask import ask_login

    return ask_login(login, password)


@dataclass(frozen=True, slots=True)
class Askers:
    """Who is asked; tests give their own."""

    aws: AskAws = field(default_factory=lambda: ask_aws)
    store: AskStore = field(default_factory=lambda: ask_store)
    railway: AskRailway = field(default_factory=lambda: ask_railway)
    postgres: AskPostgres = field(default_factory=lambda: ask_postgres)


def asked_powers(
    search: Search, things: Sequence[Thing], runbook: Runbook, askers: Askers
) -> tuple[Mapping[tuple[str, str], Power], list[str]]:
    """Powers by fingerprint and thing, and what was not asked. AWS is asked about its own buckets with any
    key of AWS; another store only with the keys that the runbook opens it with."""
    stores: dict[str, S3Place] = {}
    for source in runbook.sources:
        if isinstance(source, S3Place):
            stores[source.id] = source
    at_aws = [one for one in things if one.id in stores and stores[one.id].endpoint is None]
    away = [one for one in things if one.id in stores and stores[one.id].endpoint is not None]
    found: dict[tuple[str, str], Power] = {}
    others = [one for one in search.held if one.login is None]
    for one in others[:MOST]:
        powers: list[Power | None] = []
        if one.kind.startswith("railway"):
            holder = askers.railway(one.value, one.kind)
            powers += [power_in_railway(thing.id, thing.domain, holder) for thing in things]
        elif one.key_id.reveal():
            if one.kind.startswith("aws") and at_aws:
                powers += _in_aws(one, at_aws, stores, askers)
            marks = _marks(search, one)
            powers += [
                power_at_store(
                    thing.id,
                    askers.store(one, stores[thing.id]),
                    versioned=thing.versioned,
                    lock=thing.lock,
                )
                for thing in away
                if marks & thing.uses
            ]
        found |= {(one.fingerprint, power.thing): power for power in powers if power is not None}
    more = len(others) - MOST
    return found, [f"{more} more credentials were not asked"] if more > 0 else []


def _in_aws(
    one: Held, things: Sequence[Thing], stores: Mapping[str, S3Place], askers: Askers
) -> list[Power]:
    simulated = askers.aws(one, [stores[thing.id] for thing in things])
    return [
        power_in_bucket(
            thing.id,
            each,
            account=thing.domain.account,
            versioned=thing.versioned,
            lock=thing.lock,
        )
        for thing, each in zip(things, simulated, strict=True)
    ]


def _marks(search: Search, held: Held) -> frozenset[str]:
    """By what the runbook may refer to the same value, wherever it lies."""
    return frozenset[str]().union(
        *(one.marks for one in search.found if one.fingerprint == held.fingerprint)
    )


# --- logins of PostgreSQL ------------------------------------------------------------------------


@dataclass(slots=True)
class Sessions:
    """The sessions of one audit. A server that did not answer is not asked again, nor more than MOST_SESSIONS."""

    ask: AskPostgres
    left: int = MOST_SESSIONS
    unasked: int = 0
    _silent: dict[str, str] = field(default_factory=dict)

    def open(self, login: Login, password: Secret) -> Asked:
        at = f"{login.host}:{login.port}"
        if at in self._silent:
            return Asked(login=login, outcome="unknown", why=self._silent[at])
        if self.left <= 0:
            self.unasked += 1
            why = f"no more than {MOST_SESSIONS} logins are; name fewer paths, and search again"
            return Asked(login=login, outcome="unasked", why=why)
        self.left -= 1
        asked = self.ask(login, password)
        if asked.outcome == "unknown" and asked.silent:
            self._silent[at] = asked.why
        return asked


def asked_logins(
    held: Sequence[Held],
    servers: Sequence[Server],
    known: Callable[[], Production],
    ask: AskPostgres,
) -> tuple[Mapping[tuple[str, str], Power], list[str]]:
    """What the found logins of PostgreSQL can do to production, by fingerprint, and what was not asked.
    `known` is asked only where a login is."""
    sessions, found = Sessions(ask), dict[str, list[Power]]()
    logins = [(one, *to_ask(one.login, servers)) for one in held if one.login is not None]
    production = known() if any(whole for _, whole, _ in logins) else Production()
    for one, whole, why in logins:
        powers = [_asked_login(each, one.value, production, sessions) for each in whole]
        if not whole:
            reason = f"not asked: {why}"
            powers = [Power(thing=PRODUCTION, might=Might.UNKNOWN, basis=Basis.NONE, reason=reason)]
        found.setdefault(one.fingerprint, []).extend(powers)
    told = {
        (fingerprint, PRODUCTION): power
        for fingerprint, powers in found.items()
        if (power := worst(powers)) is not None
    }
    more = sessions.unasked
    return told, [f"{more} more logins of PostgreSQL were not asked"] if more else []


def _asked_login(
    login: Login, password: Secret, production: Production, sessions: Sessions
) -> Power:
    asked = sessions.open(login, password)
    inside = elsewhere(asked, production)
    return power_in_production(
        asked, production, sessions.open(inside, password) if inside is not None else None
    )
