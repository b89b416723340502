"""What a Railway token can destroy, by what the token itself is told when it asks who it is.

Pure. Tokens have no rights per action: whoever may see a project with one may delete its volumes, and the
backups of a volume go with it (FACTS.md, section 2). A token that is none of an account, a workspace or a
project is unknown.
"""

from collections.abc import Sequence
from typing import Literal

from drbook.core.credentials import Might, Power
from drbook.core.points import Basis, FailureDomain
from drbook.core.reach import same_name
from drbook.core.values import Frozen, plain


class Project(Frozen):
    id: str
    name: str


class Holder(Frozen):
    """Who a token is."""

    kind: Literal["account", "workspace", "project", "unknown"]
    name: str = ""
    projects: tuple[Project, ...] = ()
    whole: bool = False
    """True where the list of projects is complete."""
    environment: str = ""
    """Of a project token: the one environment that it acts in."""
    why: str = ""
    """Why it is not known."""


_WHO = {
    "account": "an account's token, which can do all that its user can",
    "workspace": "a workspace's token, which can do everything in it",
    "project": "a project's token, which can do everything in its environment",
}


def power_of(thing: str, domain: FailureDomain, holder: Holder) -> Power | None:
    """None where the thing is not Railway's: a token destroys nothing elsewhere by itself."""
    if domain.provider is None or same_name(domain.provider) != "railway":
        return None
    might, reason = _judged(domain, holder)
    basis = Basis.NONE if might is Might.UNKNOWN else Basis.OBSERVED
    return Power(thing=thing, might=might, basis=basis, reason=plain(reason, 400))


def _judged(domain: FailureDomain, holder: Holder) -> tuple[Might, str]:
    if holder.kind == "unknown":
        return Might.UNKNOWN, f"Railway was asked, and: {holder.why or 'it told nothing'}"
    who = f"Railway says it is {_WHO[holder.kind]}"
    if domain.project is None:
        return Might.UNKNOWN, f"{who}; the runbook does not state the project to compare"
    found = _named(domain.project, holder.projects)
    if found is not None:
        with_backups = ": its volumes, and their backups with them"
        if holder.kind != "project":
            return Might.DESTROYS, f"{who}, and it sees project {found.name}{with_backups}"
        where = f" in environment {holder.environment}"
        return Might.DESTROYS, f"{who}, and that is project {found.name}{where}{with_backups}"
    if not holder.whole:
        return Might.UNKNOWN, f"{who}; it sees more projects than were told"
    return Might.CANNOT, f"{who}, and project {domain.project} is not among those that it sees"


def _named(project: str, projects: Sequence[Project]) -> Project | None:
    wanted = same_name(project)
    return next(
        (one for one in projects if wanted in (same_name(one.id), same_name(one.name))), None
    )
