"""Who production and a target are, for tables of rule 2."""

from datetime import UTC, datetime

from drbook.core.baseline import Identity, Place
from drbook.core.ports import ProductionIdentity

THEN = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
HERE = Place(device=5, inode=100, boot="boot-1")
ELSEWHERE = Place(device=5, inode=200, boot="boot-1")
FAR = Place(device=5, inode=200, boot="boot-2")


def who(
    system: str = "7000000000000000001",
    *,
    oid: int = 16384,
    database: str = "rental",
    place: Place | None = HERE,
    started: datetime | None = THEN,
    recovering: bool | None = False,
    dialled: str = "db:5432/rental",
    resource: str = "aws/1/vol-1",
) -> Identity:
    return Identity(
        system_identifier=system,
        database=database,
        database_oid=oid,
        directory_device=place.device if place else None,
        directory_inode=place.inode if place else None,
        directory_boot=place.boot if place else None,
        started_at=started,
        in_recovery=recovering,
        dialled=dialled,
        resource=resource,
    )


def live(identity: Identity) -> ProductionIdentity:
    return ProductionIdentity("live", "asked now", identity)


def recorded(identity: Identity, ours: bool = True) -> ProductionIdentity:
    return ProductionIdentity("baseline", "baseline 1", identity, ours)
