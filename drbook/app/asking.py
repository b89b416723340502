"""Asking AWS and Railway what the credentials that were found may do: with `--ask`, and only by reading."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drbook.core.credentials import Power, Thing
from drbook.core.iampowers import Simulated
from drbook.core.iampowers import power_of as power_in_bucket
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


@dataclass(frozen=True, slots=True)
class Askers:
    """Who is asked; tests give their own."""

    aws: AskAws = field(default_factory=lambda: ask_aws)
    railway: AskRailway = field(default_factory=lambda: ask_railway)


def asked_powers(
    held: Sequence[Held], things: Sequence[Thing], runbook: Runbook, askers: Askers
) -> tuple[Mapping[tuple[str, str], Power], list[str]]:
    """Powers by fingerprint and thing, and what was not asked. Only buckets at AWS itself are asked about
    with an AWS key: another store knows no IAM."""
    buckets = _at_aws(runbook)
    there = [thing for thing in things if thing.id in buckets]
    found: dict[tuple[str, str], Power] = {}
    for one in held[:MOST]:
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
    more = len(held) - MOST
    return found, [f"{more} more credentials were not asked"] if more > 0 else []


def _at_aws(runbook: Runbook) -> dict[str, S3Place]:
    found: dict[str, S3Place] = {}
    for source in runbook.sources:
        if isinstance(source, S3Place) and source.endpoint is None:
            found[source.id] = source
    return found
