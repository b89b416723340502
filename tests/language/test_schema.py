"""The JSON Schema: its structure, and that every reference in it leads somewhere."""

import json
from collections.abc import Iterator

from drbook.core.values import Json
from drbook.language.check import Vocabulary
from drbook.language.schema import schema


def _everything(value: Json) -> Iterator[Json]:
    yield value
    if isinstance(value, dict):
        for item in value.values():
            yield from _everything(item)
    elif isinstance(value, list):
        for item in value:
            yield from _everything(item)


def test_structure(vocabulary: Vocabulary) -> None:
    found = schema(vocabulary)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    definitions = found["$defs"]
    assert isinstance(definitions, dict)
    step = definitions["Step"]
    assert isinstance(step, dict)
    assert step["properties"]["do"]["enum"] == sorted(vocabulary.actions)
    assert len(step["allOf"]) == len(vocabulary.actions)
    assert set(step["properties"]) >= {"id", "phase", "with", "needs", "when", "confirm", "approve"}
    assert step["additionalProperties"] is False


def test_every_reference_leads_somewhere(vocabulary: Vocabulary) -> None:
    found = schema(vocabulary)
    definitions = found["$defs"]
    assert isinstance(definitions, dict)
    references = {
        str(value["$ref"])
        for value in _everything(found)
        if isinstance(value, dict) and "$ref" in value
    }
    assert references
    for reference in references:
        assert reference.startswith("#/$defs/")
        assert reference.removeprefix("#/$defs/") in definitions


def test_kinds_are_offered(vocabulary: Vocabulary) -> None:
    properties = schema(vocabulary)["properties"]
    assert isinstance(properties, dict)
    kinds = [one["properties"]["kind"] for one in properties["backups"]["items"]["oneOf"]]
    assert kinds == [{"const": "shelf"}]
    assert properties["baselines"]["oneOf"][0]["properties"]["kind"] == {"const": "drawer"}


def test_arguments_may_be_expressions(vocabulary: Vocabulary) -> None:
    definitions = schema(vocabulary)["$defs"]
    assert isinstance(definitions, dict)
    code = next(
        rule["then"]["properties"]["with"]
        for rule in definitions["Step"]["allOf"]
        if rule["if"]["properties"]["do"]["const"] == "code"
    )
    assert {"type": "string", "pattern": r"\$\{\{"} in code["properties"]["limit"]["anyOf"]
