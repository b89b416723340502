"""A runbook file to a `Runbook`: every problem at once, each with its place, or none at all."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath

from pydantic import ValidationError

from drbook.core.errors import Problem, RunbookInvalid
from drbook.core.runbook import Runbook, RunbookDocument
from drbook.language.check import Checker, Vocabulary, unknown_action
from drbook.language.mend import mended
from drbook.language.problems import from_validation
from drbook.language.source import Source, describe, parse, read_file


def load_file(path: FilePath, vocabulary: Vocabulary) -> Runbook:
    """Read and check a runbook. Raises RunbookInvalid with all problems."""
    return load(read_file(path), str(path), vocabulary)


def load(data: bytes, file: str, vocabulary: Vocabulary) -> Runbook:
    """Check a runbook's bytes. Raises RunbookInvalid with all problems."""
    source = parse(data, file)
    problems = list(source.problems)
    if not isinstance(source.value, Mapping):
        found = describe(source.value)
        problems.append(source.problem((), found, "a mapping that starts with `drbook: 1`"))
        raise RunbookInvalid(problems)
    try:
        document = RunbookDocument.model_validate(source.value)
    except ValidationError as error:
        problems += from_validation(error, source, (), source.value, RunbookDocument)
        problems += _rest(source, vocabulary)
        raise RunbookInvalid(_sorted(problems)) from None
    checker = Checker(source, document, vocabulary, problems)
    sources, store = checker.backups(), checker.baselines()
    mirrors, notify = checker.mirrors(), checker.notify()
    checker.deadlines()
    checker.inputs()
    steps = checker.steps()
    if problems:
        raise RunbookInvalid(_sorted(problems))
    return Runbook(
        document=document,
        sha256=hashlib.sha256(data).hexdigest(),
        file=file,
        source=data,
        steps=steps,
        sources=sources,
        baseline_store=store,
        mirrors=mirrors,
        notify=notify,
    )


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(set(problems), key=lambda problem: (problem.line, problem.column, problem.path))


def _rest(source: Source, vocabulary: Vocabulary) -> list[Problem]:
    """What else is wrong in a document that does not validate as a whole."""
    right = mended(source.value)
    if right is None:
        return list(_unknown_actions(source, vocabulary))
    document, touched = right
    found: list[Problem] = []
    checker = Checker(source, document, vocabulary, found)
    checker.backups(), checker.baselines(), checker.mirrors(), checker.steps()
    checker.notify()
    checker.deadlines()
    checker.inputs()
    silent = [source.problem(where, "", "").path for where in touched]
    return [one for one in found if not any(_lies_in(one.path, path) for path in silent)]


def _lies_in(path: str, above: str) -> bool:
    return path == above or path.startswith((f"{above}.", f"{above}["))


def _unknown_actions(source: Source, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Worth naming even where nothing else can be judged."""
    value = source.value
    steps = value.get("steps") if isinstance(value, Mapping) else None
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        do = step.get("do") if isinstance(step, Mapping) else None
        if isinstance(do, str) and do not in vocabulary.actions:
            yield unknown_action(source, index, do, vocabulary)
