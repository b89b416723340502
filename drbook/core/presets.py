"""Rules for copies that have a name: what each requires of the one copy that is restored.

What it asks of all copies together is in `core.copyset`. A longer rule requires all that a shorter one
does (FACTS.md, section 3).
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from drbook.core.points import Criterion
from drbook.core.values import Json

_OFF_SITE = (Criterion.RESOURCE, Criterion.ACCOUNT, Criterion.CREDENTIAL)

PRESETS: Mapping[str, tuple[Criterion, ...]] = {
    "3-2-1": _OFF_SITE,
    "3-2-1-1-0": (*_OFF_SITE, Criterion.LOCKED, Criterion.BYTES),
}
"""Off-site: in another place and account, out of what leaked. Immutable: locked. No errors: its bytes are
those that were stored."""


def _criteria(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        raise ValueError(f"a list of criteria, or {' or '.join(PRESETS)}")
    return PRESETS[value]


_SCHEMA: dict[str, Json] = {
    "anyOf": [
        {"type": "array", "items": {"enum": [criterion.value for criterion in Criterion]}},
        {"enum": list(PRESETS)},
    ]
}

Requirement = Annotated[tuple[Criterion, ...], BeforeValidator(_criteria), WithJsonSchema(_SCHEMA)]
"""Criteria, or the name of a preset that stands for them."""
