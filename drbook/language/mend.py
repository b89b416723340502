"""A broken document without what is broken in it, so that the rest is judged in the same breath."""

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence
from typing import Any

from pydantic import ValidationError

from drbook.core.runbook import RunbookDocument
from drbook.language.problems import path_of
from drbook.language.source import Where

_ROUNDS = 8
"""A field that is taken out may be missing in the next round, and is filled in then."""
_FILLED: Mapping[str, Any] = {"drbook": 1, "title": "untitled", "phase": "detect", "do": "note"}


def mended(value: Any) -> tuple[RunbookDocument, frozenset[Where]] | None:
    """The document as far as it is right, and the places that say nothing any more.

    None where too little of it stands: without its ids, for one, every reference would look wrong.
    """
    trial, touched = copy.deepcopy(value), set[Where]()
    for _ in range(_ROUNDS):
        try:
            return RunbookDocument.model_validate(trial), frozenset(touched)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                where = path_of(detail["loc"], trial, detail["type"])
                if not _take_out(trial, where, missing=detail["type"] == "missing"):
                    return None
                touched.add(where)
                if where[-1] == "do":
                    touched.add((*where[:-1], "with"))
    return None


def _take_out(trial: Any, where: Where, *, missing: bool) -> bool:
    if not where or where[-1] == "id":
        return False
    parent = trial
    for part in where[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):
            return True  # taken out already, with what it was in
    last = where[-1]
    if isinstance(parent, MutableMapping):
        if not missing:
            parent.pop(last, None)
            return True
        if last in _FILLED:
            parent[last] = _FILLED[str(last)]
            return True
        return _take_out(trial, where[:-1], missing=False)
    return not isinstance(parent, MutableSequence)  # an item cannot go: the others would move
