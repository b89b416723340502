"""What the runbook states of a place held against what the place answers. A disagreement is a finding of its
own: either the runbook is wrong, or what was looked into is not what it means."""

from collections.abc import Callable

from drbook.core.case import Case
from drbook.core.holding import Disagreement
from drbook.core.points import Observed
from drbook.core.reach import same_account, same_name
from drbook.core.values import Json, plain

_CLAIMS = {
    "versioned": "versioning",
    "lock_default": "Object Lock",
    "deletes_replicated": "replication of deletes",
    "policy_limits_deletes": "a policy that limits deletes",
}
"""Yes-or-no facts of `SourceFacts` that a runbook may state, and how they are called."""


def held_against(case: Case) -> tuple[tuple[Disagreement, ...], tuple[str, ...]]:
    """Where the two disagree, and the names of the facts in which they agree. What either does not say is in
    neither."""
    found: list[Disagreement] = []
    agreed: list[str] = []
    for fact, stated, observed, alike, words in _pairs(case):
        if stated is None or observed is None:
            continue
        if alike:
            agreed.append(fact)
        else:
            found.append(Disagreement(fact=fact, stated=stated, observed=observed, words=words))
    return tuple(found), tuple(agreed)


_Pair = tuple[str, Json, Json, bool, str]


def _pairs(case: Case) -> list[_Pair]:
    source, declared = case.source, case.declared
    pairs = [
        _named("account", declared.account, _text(source.account), same_account),
        _named("region", declared.region, _text(source.region), same_name),
    ]
    resource = source.resource
    # A path is no name of a volume or a bucket, and a folder may be reached by another path.
    if resource and declared.resource and "/" not in resource + declared.resource:
        pairs.append(_named("resource", declared.resource, resource, same_name))
    for fact, words in _CLAIMS.items():
        pairs.append(_yes_no(fact, words, getattr(case.stated.states, fact), getattr(source, fact)))
    pairs.append(_days(case.stated.states.expires_after_days, source.expires_after_days))
    if case.facts.point.encrypted is False and case.stated.keys:
        names = ", ".join(plain(name, 60) for name in case.stated.keys)
        words = (
            f"key: the runbook says that it needs {names}, its place says that it is not encrypted"
        )
        pairs.append(("key", list(case.stated.keys), "not encrypted", False, words))
    return pairs


def _text(fact: Observed) -> str | None:
    value = fact.value if fact.known else None
    return value if isinstance(value, str) and value.strip() else None


def _named(
    fact: str, stated: str | None, observed: str | None, form: Callable[[str], str]
) -> _Pair:
    shown = plain(stated or "", 100), plain(observed or "", 100)
    words = f"{fact}: the runbook says {shown[0]}, its place answers {shown[1]}"
    alike = form(stated or "") == form(observed or "")
    return fact, stated or None, observed, alike, words


def _yes_no(fact: str, words: str, stated: bool | None, found: Observed) -> _Pair:
    observed = found.value if found.known and isinstance(found.value, bool) else None
    said, answered = ("there is", "there is none") if stated else ("there is no", "there is")
    text = f"{fact}: the runbook says that {said} {words}, its place answers that {answered}"
    return fact, stated, observed, stated is observed, text


def _days(stated: int | None, found: Observed) -> _Pair:
    """A place without a rule agrees with a job that removes copies: it cannot know of one."""
    days = found.value if found.known else None
    observed = days if isinstance(days, int) and not isinstance(days, bool) else None
    words = f"expires_after_days: the runbook says {stated}, its place answers {observed}"
    return "expires_after_days", stated, observed, stated == observed, words
