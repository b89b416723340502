"""Asking those that issued them what the credentials that were found may do: with `--ask`, and only by
reading."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drbook.core.credentials import PRODUCTION, Might, Power, Thing
from drbook.core.iampowers import Simulated
from drbook.core.iampowers import power_of as power_in_bucket
from drbook.core.logins import Asked, Login, Production, Server, elsewhere, to_ask, worst
from drbook.core.logins import power_of as power_in_production
from drbook.core.points import Basis
from drbook.core.railwaypowers import Holder
from drbook.core.railwaypowers import power_of as power_in_railway
from drbook.core.runbook import Runbook
from drbook.providers.credvalues import Held
from drbook.providers.hiding import Secret
from drbook.providers.s3config import S3Place

MOST = 20
"""Credentials that are asked; each takes some requests."""

AskAws = Callable[[Held, Sequence[S3Place]], Sequence[Simulated]]
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
    railway: AskRailway = field(default_factory=lambda: ask_railway)
    postgres: AskPostgres = field(default_factory=lambda: ask_postgres)


def asked_powers(
    held: Sequence[Held], things: Sequence[Thing], runbook: Runbook, askers: Askers
) -> tuple[Mapping[tuple[str, str], Power], list[str]]:
    """Powers by fingerprint and thing, and what was not asked. Only buckets at AWS itself are asked about
    with an AWS key: another store knows no IAM."""
    buckets = _at_aws(runbook)
    there = [thing for thing in things if thing.id in buckets]
    found: dict[tuple[str, str], Power] = {}
    others = [one for one in held if one.login is None]
    for one in others[:MOST]:
        if one.kind.startswith("railway"):
            holder = askers.railway(one.value, one.kind)
            powers = [power_in_railway(thing.id, thing.domain, holder) for thing in things]
        elif there and one.key_id.reveal():
            simulated = askers.aws(one, [buckets[thing.id] for thing in there])
            powers = [
                power_in_bucket(
                    thing.id,
                    each,
                    account=thing.domain.account,
                    versioned=thing.versioned,
                    lock=thing.lock,
                )
                for thing, each in zip(there, simulated, strict=True)
            ]
        else:
            continue
        found |= {(one.fingerprint, power.thing): power for power in powers if power is not None}
    more = len(others) - MOST
    return found, [f"{more} more credentials were not asked"] if more > 0 else []


def _at_aws(runbook: Runbook) -> dict[str, S3Place]:
    found: dict[str, S3Place] = {}
    for source in runbook.sources:
        if isinstance(source, S3Place) and source.endpoint is None:
            found[source.id] = source
    return found


# --- logins of PostgreSQL ------------------------------------------------------------------------


@dataclass(slots=True)
class Sessions:
    """The sessions of one audit. A server that did not answer is not asked again, nor more than MOST."""

    ask: AskPostgres
    left: int = MOST
    unasked: int = 0
    _silent: dict[str, str] = field(default_factory=dict)

    def open(self, login: Login, password: Secret) -> Asked:
        at = f"{login.host}:{login.port}"
        if at in self._silent:
            return Asked(login=login, outcome="unknown", why=self._silent[at])
        if self.left <= 0:
            self.unasked += 1
            return Asked(login=login, outcome="unknown", why=f"only {MOST} logins are asked")
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
