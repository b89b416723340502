"""The runbook language as a JSON Schema (2020-12), for editors and for `drbook schema`."""

from collections.abc import Mapping

from pydantic import BaseModel

from drbook.core.notify import NOTIFIERS
from drbook.core.runbook import RunbookDocument
from drbook.core.values import Json
from drbook.language.check import Vocabulary

_EXPRESSION: dict[str, Json] = {"type": "string", "pattern": r"\$\{\{"}

Schema = dict[str, Json]


def schema(vocabulary: Vocabulary) -> Schema:
    """One document: the language, every action's arguments and every kind's fields."""
    document = _schema_of(RunbookDocument)
    definitions = _mapping(document.setdefault("$defs", {}))
    step = _mapping(definitions["Step"])
    properties = _mapping(step["properties"])
    properties["do"] = {"enum": sorted(vocabulary.actions), "description": "The action."}
    step["allOf"] = [
        {
            "if": {"properties": {"do": {"const": name}}},
            "then": {"properties": {"with": _inline(action.params, f"{name}.", definitions, True)}},
        }
        for name, action in sorted(vocabulary.actions.items())
    ]
    top = _mapping(document["properties"])
    top["backups"] = {
        "type": "array",
        "items": {
            "oneOf": [
                _of_kind(kind, model, "backups.", definitions)
                for kind, model in sorted(vocabulary.sources.items())
            ]
        },
    }
    top["baselines"] = {
        "oneOf": [
            _of_kind(kind, model, "baselines.", definitions)
            for kind, model in sorted(vocabulary.baseline_stores.items())
        ]
    }
    top["mirrors"] = {
        "type": "array",
        "maxItems": 8,
        "items": {
            "oneOf": [
                _of_kind(kind, model, "mirrors.", definitions)
                for kind, model in sorted(vocabulary.mirrors.items())
            ]
        },
    }
    top["notify"] = {
        "type": "array",
        "maxItems": 8,
        "items": {
            "oneOf": [
                _of_kind(kind, model, "notify.", definitions)
                for kind, model in sorted(NOTIFIERS.items())
            ]
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": "drbook runbook",
    }


def _of_kind(kind: str, model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    found = _inline(model, f"{prefix}{kind}.", definitions, False)
    properties = _mapping(found.setdefault("properties", {}))
    properties["kind"] = {"const": kind}
    return found


def _schema_of(model: type[BaseModel]) -> Schema:
    return dict(model.model_json_schema(by_alias=True))


def _inline(model: type[BaseModel], prefix: str, definitions: Schema, expressions: bool) -> Schema:
    """A model's schema whose own definitions moved, under a prefix, to the document's."""
    found = _schema_of(model)
    own = _mapping(found.pop("$defs", {}))
    for name, definition in own.items():
        definitions[prefix + name] = _rewrite(definition, prefix, expressions)
    return _mapping(_rewrite(found, prefix, expressions))


def _rewrite(value: Json, prefix: str, expressions: bool) -> Json:
    if isinstance(value, list):
        return [_rewrite(item, prefix, expressions) for item in value]
    if not isinstance(value, dict):
        return value
    result: Schema = {}
    for key, item in value.items():
        if key == "discriminator":
            continue  # OpenAPI's, not JSON Schema's; `kind` is a constant in each branch anyway
        if key == "$ref" and isinstance(item, str):
            result[key] = item.replace("#/$defs/", f"#/$defs/{prefix}")
        elif key == "properties" and expressions and isinstance(item, Mapping):
            result[key] = {
                name: {"anyOf": [_rewrite(inner, prefix, expressions), _EXPRESSION]}
                for name, inner in item.items()
            }
        else:
            result[key] = _rewrite(item, prefix, expressions)
    return result


def _mapping(value: Json) -> Schema:
    if not isinstance(value, dict):
        raise TypeError("a JSON Schema that pydantic made is not a mapping here")
    return value
