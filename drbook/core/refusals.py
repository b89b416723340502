"""Every refusal of a target: its stable code, what was compared, and how to get a fresh one instead.

The README's table is this one. Nothing passes a refusal: no option, runbook key or variable is read
where it is decided, and what was refused is neither used again nor removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drbook.core.errors import Refused

AGAIN = "Run the step again (`r`): another attempt makes another target, under another name."
CLUSTER = (
    "Restore into a fresh cluster instead: write `target: {kind: cluster}` in the step. That one is "
    "proven by being made here."
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to refuse."""

    when: str
    """What was found, for the table."""
    compared: str
    """The facts that decide, for the table."""
    instead: str
    """The way to a fresh target."""


REFUSALS: Mapping[str, Rule] = {
    "target-is-production": Rule(
        "it is production's own database, under whatever name it was reached",
        "system identifier, start time, data directory, database oid",
        CLUSTER,
    ),
    "target-in-production-cluster": Rule(
        "it is another database of production's own server, which shares its fate",
        "system identifier, start time, data directory",
        CLUSTER,
    ),
    "target-may-be-production": Rule(
        "it has production's system identifier, and nobody knows that it is another data directory "
        "now; or only a baseline knows production, and it holds a database of production's name",
        "system identifier; device and inode of both data directories, both read now; the names of its "
        "databases",
        CLUSTER,
    ),
    "target-is-standby": Rule(
        "it is a standby",
        "`pg_is_in_recovery()`",
        CLUSTER,
    ),
    "target-behind-pooler": Rule(
        "a pooler lies in between, so that the next statement may reach another server",
        "the backend's process number, as the protocol and as the server say it",
        "Give the server's own address instead of the pooler's. " + CLUSTER,
    ),
    "target-identity-unknown": Rule(
        "it does not say who it is",
        "`pg_control_system()`, `pg_is_in_recovery()`",
        "Give a login that may ask it. " + CLUSTER,
    ),
    "production-identity-unknown": Rule(
        "production does not answer, and no baseline is known to be its own",
        "every identity that is known, and how production is reached",
        CLUSTER,
    ),
    "target-changed": Rule(
        "something else answers, or lies there, than this incident made",
        "system identifier, database oid, data directory, the mark of this attempt",
        AGAIN,
    ),
    "target-not-empty": Rule(
        "it holds something already, beside what extensions own and ignored schemas hold",
        "every kind of object, large objects, event triggers, publications, settings, default rights",
        AGAIN,
    ),
    "target-exists": Rule(
        "something exists under its name, empty or not",
        "the name in its folder, or among the server's databases",
        AGAIN,
    ),
    "target-link": Rule(
        "a symbolic link stands in its place, whether or not it leads anywhere",
        "the name itself, not followed",
        AGAIN,
    ),
    "target-mounted": Rule(
        "something is mounted in its place",
        "the mount table, device and inode",
        AGAIN,
    ),
    "target-has-server": Rule(
        "a server runs in it, or ran and was not shut down",
        "`postmaster.pid`",
        AGAIN,
    ),
    "target-inside-production": Rule(
        "it is production's data directory or lies inside it, by bind mounts and overlays too; or inside "
        "any other data directory or any server's tablespace; or nobody can see here what lies above a "
        "mount of production's disk",
        "device and inode of it and of every folder above it, in its own file system; `PG_VERSION` there, "
        "and the folder that a server makes in a tablespace",
        "Keep incidents elsewhere (`DRBOOK_HOME`), away from production's volume.",
    ),
    "target-parent": Rule(
        "the folder that would hold it is a link, or others may write there",
        "kind, owner and mode of that folder",
        "Mend that folder, or keep incidents elsewhere (`DRBOOK_HOME`), then run the step again.",
    ),
    "target-unseen": Rule(
        "its place cannot be looked at",
        "what the system says of it",
        "Mend the permissions, then run the step again.",
    ),
    "target-superuser": Rule(
        "the login that would load the archive has, or can get, more than CREATEDB: it is a superuser, has "
        "CREATEROLE, REPLICATION or BYPASSRLS, is a member of a role that has or of a predefined role "
        "(`pg_…`), or may change the server's settings",
        "its own rights, those of every role that it is a member of in any form, rights on settings",
        "Make a login for restores there (`CREATE ROLE restorer LOGIN CREATEDB PASSWORD '…'`) and name "
        "it. " + CLUSTER,
    ),
    "target-name": Rule(
        "its name could lie outside the incident's folder",
        "the name",
        AGAIN,
    ),
    "socket-folder": Rule(
        "the folder of its private socket exists and is not a private one of ours",
        "kind, owner and mode of that folder",
        "Remove that folder, then run the step again.",
    ),
}


def refused(
    code: str, what: str, *, compared: str, means: str = "Nothing was written to it."
) -> Refused:
    """The refusal with that code; `compared` holds the figures of this case."""
    return Refused(
        what, means=f"Compared: {compared}. {means}", next=REFUSALS[code].instead, code=code
    )
