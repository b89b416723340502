"""What a bucket's own policy says to one caller: read as AWS evaluates it, as far as it can be read for sure.

Pure: the policy's text in, a ruling for each action out. An explicit Deny stands above every Allow; whatever
hangs on a condition, on a variable, on a part of the objects or on something that is not understood is
*unknown* (AWS, "Policy evaluation logic"; Amazon S3 user guide, "Bucket policies").
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from drbook.core.values import Frozen, plain

Json = object
"""What `json.loads` gives; each is looked at before it is used."""
_FIELDS = frozenset({"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"}) | {
    "Resource",
    "NotResource",
    "Condition",
}
_NO_TLS = {"Bool": {"aws:SecureTransport": "false"}}
"""The usual denial of what comes without TLS, which stops nobody who comes with it."""


class Effect(StrEnum):
    ALLOWED = "allowed"
    DENIED = "denied"
    SILENT = "silent"
    """Neither: other policies decide."""
    UNKNOWN = "unknown"


class Caller(Frozen):
    """Who asks, as STS says it; empty where nobody says it."""

    account: str = ""
    arns: tuple[str, ...] = ()
    """A user's; or a role's and its session's."""


class Ruling(Frozen):
    """What the policy says of one action."""

    action: str
    effect: Effect
    everybody: bool = False
    """True where it says it to every principal."""
    why: str = ""


def rulings(
    text: str,
    caller: Caller,
    bucket: str,
    prefix: str,
    actions: Sequence[str],
    partition: str = "aws",
) -> tuple[Ruling, ...]:
    """Of each action: on all objects under the prefix, or on the bucket. Never raises."""
    try:
        document = json.loads(text)
        found = document["Statement"]
    except (ValueError, TypeError, KeyError, RecursionError):
        found = None
    statements = [found] if isinstance(found, dict) else found
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        why = "the bucket's policy cannot be read"
        return tuple(Ruling(action=one, effect=Effect.UNKNOWN, why=why) for one in actions)
    there = f"arn:{partition}:s3:::{bucket}"
    return tuple(_ruling(one, statements, caller, there, prefix) for one in actions)


def _ruling(
    action: str,
    statements: Sequence[Mapping[str, Json]],
    caller: Caller,
    there: str,
    prefix: str,
) -> Ruling:
    on_objects = "Object" in action or "Governance" in action
    at: dict[tuple[str, bool | None], Mapping[str, Json]] = {}
    for one in statements:
        effect = one.get("Effect")
        if effect not in ("Allow", "Deny"):
            why = "a statement of the bucket's policy is not understood"
            return Ruling(action=action, effect=Effect.UNKNOWN, why=why)
        applies = _applies(one, action, caller, there, prefix if on_objects else None)
        key = (str(effect), applies)
        if key not in at or one.get("Principal") in ("*", {"AWS": "*"}):
            at[key] = one
    for effect, applies, ruled in (
        ("Deny", True, Effect.DENIED),
        ("Deny", None, Effect.UNKNOWN),
        ("Allow", True, Effect.ALLOWED),
        ("Allow", None, Effect.UNKNOWN),
    ):
        found = at.get((effect, applies))
        if found is not None:
            return _said(action, ruled, effect, found)
    return Ruling(action=action, effect=Effect.SILENT)


def _said(action: str, ruled: Effect, effect: str, statement: Mapping[str, Json]) -> Ruling:
    sid = statement.get("Sid")
    named = f" “{plain(sid, 60)}”" if isinstance(sid, str) and sid else ""
    verb = {"Allow": "allows", "Deny": "denies"}[effect]
    if ruled is not Effect.UNKNOWN:
        why = f"statement{named} of the bucket's policy {verb} it"
    elif statement.get("Condition"):
        why = f"statement{named} of the bucket's policy {verb} it under a condition"
    else:
        why = f"whether statement{named} of the bucket's policy {verb} it cannot be told"
    everybody = ruled is not Effect.UNKNOWN and statement.get("Principal") in ("*", {"AWS": "*"})
    return Ruling(action=action, effect=ruled, everybody=everybody, why=why)


def _applies(
    statement: Mapping[str, Json], action: str, caller: Caller, there: str, prefix: str | None
) -> bool | None:
    """Whether a statement holds for this call; None where that cannot be told."""
    parts = [
        _one_of(statement, "Action", lambda text: _matches(text.lower(), action.lower())),
        _one_of(statement, "Resource", lambda text: _covers(text, there, prefix)),
        _principal(statement, caller),
        _condition(statement),
        True if statement.keys() <= _FIELDS else None,
    ]
    if False in parts:
        return False
    return None if None in parts else True


def _condition(statement: Mapping[str, Json]) -> bool | None:
    condition = statement.get("Condition")
    if not condition:
        return True if condition in (None, {}) else None
    bare = {"Bool": {"aws:SecureTransport": ["false"]}}, {"Bool": {"aws:SecureTransport": False}}
    if condition != _NO_TLS and condition not in bare:
        return None
    # A denial of what comes without TLS stops nobody; who is allowed it may come so.
    return False if statement.get("Effect") == "Deny" else None


def _one_of(
    statement: Mapping[str, Json], name: str, matches: Callable[[str], bool | None]
) -> bool | None:
    """`name` or its `Not…`, a text or a list of texts. The one must be there, and not both."""
    other = f"Not{name}"
    if (name in statement) is (other in statement):
        return None
    given = statement.get(name, statement.get(other))
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        return None
    found = [matches(text) if isinstance(text, str) else None for text in texts]
    one = True if True in found else None if None in found else False
    if name in statement or one is None:
        return one
    return not one


def _principal(statement: Mapping[str, Json], caller: Caller) -> bool | None:
    given = statement.get("Principal")
    if "NotPrincipal" in statement or given is None:
        return None
    if given == "*":
        return True
    if not isinstance(given, dict):
        return None
    found: list[bool | None] = []
    for kind, names in given.items():
        texts = [names] if isinstance(names, str) else names
        if not isinstance(texts, list):
            return None
        if kind == "Service":
            found.append(False)
            continue
        if kind != "AWS":
            found.append(None)
            continue
        allow = statement.get("Effect") == "Allow"
        found += [_is_caller(one, caller, allow=allow) for one in texts]
    return True if True in found else None if None in found or not found else False


def _is_caller(name: Json, caller: Caller, *, allow: bool) -> bool | None:
    if name == "*":
        return True
    if not isinstance(name, str) or not caller.arns:
        return None
    if name in caller.arns:
        return True
    account = re.fullmatch(r"(?:arn:aws[a-z-]*:iam::)?([0-9]{12})(?::root)?", name)
    if account is not None:
        # An account that is allowed hands the decision on to its own policies.
        return (None if allow else True) if account[1] == caller.account else False
    if "*" in name or "?" in name or not name.startswith("arn:"):
        return None
    last = name.rpartition("/")[2]
    if any(":role/" in each and each.rpartition("/")[2] == last for each in caller.arns):
        return None  # a role's path is not in its session's name
    return False


# --- patterns ------------------------------------------------------------------------------------


def _matches(pattern: str, text: str) -> bool | None:
    if "${" in pattern:
        return None
    words = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(words, text, re.DOTALL) is not None if pattern.count("*") <= 8 else None


def _covers(pattern: str, there: str, prefix: str | None) -> bool | None:
    """Whether a pattern holds for the bucket, or for every object under the prefix; None for some of them."""
    if prefix is None:
        return _matches(pattern, there)
    if "${" in pattern or pattern.count("*") > 8:
        return None
    objects = f"{there}/{prefix}"
    if pattern.endswith("*"):
        before = pattern[:-1]
        if any(_matches(before, objects[:at]) for at in range(len(objects) + 1)):
            return True
    for have, want in zip(pattern, objects, strict=False):
        if have == "*":
            return None
        if have not in ("?", want):
            return False
    return None if len(pattern) > len(objects) else False
