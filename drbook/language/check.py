"""What a validated document must also hold: kinds, actions, expressions, needs, each with its place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from drbook.core.actions import Actions, AnyAction
from drbook.core.clocks import PROMPTS
from drbook.core.errors import Problem
from drbook.core.expressions import Const, Expr, Filter, Join, Path, Tree, paths
from drbook.core.notify import NOTIFIERS, NotifyConfig
from drbook.core.points import SourceConfig
from drbook.core.runbook import CompiledStep, Input, MirrorConfig, RunbookDocument, Step
from drbook.core.values import Frozen, Json, parse_moment, plain
from drbook.language.compile import CannotCompile, compile_text, compile_tree, has_expression
from drbook.language.problems import Later, from_validation
from drbook.language.source import Source, Where, describe, did_you_mean

K = TypeVar("K", bound=Frozen)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What runbooks may say beyond the language itself: actions and kinds, passed in."""

    actions: Actions
    sources: Mapping[str, type[SourceConfig]]
    baseline_stores: Mapping[str, type[Frozen]]
    mirrors: Mapping[str, type[MirrorConfig]] = field(default_factory=dict)


def unknown_action(source: Source, index: int, do: str, vocabulary: Vocabulary) -> Problem:
    """The problem of a `do` that nobody offers, with the nearest name that somebody does."""
    known = sorted(vocabulary.actions)
    return source.problem(
        ("steps", index, "do"),
        f"the unknown action `{plain(do, 60)}`",
        "one of: " + ", ".join(known) + did_you_mean(do, known),
    )


@dataclass(slots=True)
class Checker:
    """Checks what pydantic cannot see: kinds, actions, expressions, needs."""

    source: Source
    document: RunbookDocument
    vocabulary: Vocabulary
    problems: list[Problem]
    ids: dict[str, int] = field(default_factory=dict)

    def backups(self) -> tuple[SourceConfig, ...]:
        found: list[SourceConfig] = []
        seen: dict[str, int] = {}
        for index, entry in enumerate(self.document.backups):
            where: Where = ("backups", index)
            config = self._kind(entry, where, self.vocabulary.sources)
            if config is None:
                continue
            if config.id in seen:
                self._say((*where, "id"), f"`{config.id}` a second time", "a name of its own")
            seen[config.id] = index
            found.append(config)
        return tuple(found)

    def baselines(self) -> Frozen | None:
        entry = self.document.baselines
        if entry is None:
            return None
        return self._kind(entry, ("baselines",), self.vocabulary.baseline_stores)

    def deadlines(self) -> None:
        seen: dict[str, int] = {}
        for index, deadline in enumerate(self.document.deadlines):
            name = deadline.name.casefold()
            if name in seen:
                line = self.source.place(("deadlines", seen[name], "name"))[0]
                self._say(
                    ("deadlines", index, "name"),
                    f"`{plain(deadline.name, 80)}` a second time",
                    f"a name of its own; the first is on line {line}",
                )
            seen.setdefault(name, index)

    def inputs(self) -> None:
        """A default of another type would be found out only by whoever opens an incident."""
        for name, declared in self.document.inputs.items():
            if declared.default is not None and (wanted := _unfit(declared)):
                where = ("inputs", name, "default")
                self._say(where, describe(declared.default), wanted)

    def mirrors(self) -> tuple[MirrorConfig, ...]:
        found: list[MirrorConfig] = []
        for index, entry in enumerate(self.document.mirrors):
            config = self._kind(entry, ("mirrors", index), self.vocabulary.mirrors)
            if config is None:
                continue
            if any(config.place == other.place for other in found):
                self._say(("mirrors", index), f"{config.place} a second time", "another place")
            found.append(config)
        return tuple(found)

    def notify(self) -> tuple[NotifyConfig, ...]:
        found = []
        for index, entry in enumerate(self.document.notify):
            config = self._kind(entry, ("notify", index), NOTIFIERS)
            if config is not None:
                found.append(config)
        return tuple(found)

    def _kind(
        self, entry: Mapping[str, Json], where: Where, kinds: Mapping[str, type[K]]
    ) -> K | None:
        kind = entry.get("kind")
        if not isinstance(kind, str) or kind not in kinds:
            known = sorted(kinds)
            if "kind" not in entry:
                self._say(where, "no `kind`", "one of: " + ", ".join(known))
            else:
                hint = did_you_mean(str(kind), known)
                self._say((*where, "kind"), describe(kind), "one of: " + ", ".join(known) + hint)
            return None
        model = kinds[kind]
        try:
            return model.model_validate(entry)
        except ValidationError as error:
            self.problems += from_validation(error, self.source, where, entry, model)
            return None

    def steps(self) -> tuple[CompiledStep, ...]:
        for index, step in enumerate(self.document.steps):
            if step.id in self.ids:
                line = self.source.place(("steps", self.ids[step.id], "id"))[0]
                self._say(
                    ("steps", index, "id"),
                    f"`{step.id}` a second time",
                    f"a name of its own; the first is on line {line}",
                )
            else:
                self.ids[step.id] = index
        compiled = tuple(self._step(index, step) for index, step in enumerate(self.document.steps))
        self._cycles(compiled)
        return compiled

    def _step(self, index: int, step: Step) -> CompiledStep:
        where: Where = ("steps", index)
        action = self.vocabulary.actions.get(step.do)
        if action is None:
            self.problems.append(unknown_action(self.source, index, step.do, self.vocabulary))
        arguments = self._compile(dict(step.with_), (*where, "with"))
        when = self._when(step, (*where, "when"))
        confirm = None
        if step.confirm is not None:
            confirm = self._compile_scalar(step.confirm.type, (*where, "confirm", "type"))
        if action is not None:
            self._arguments(action, step, (*where, "with"))
        uses: set[str] = set()
        cannot_lack: set[str] = set()
        inputs: set[str] = set()
        for tree, place in ((arguments, "with"), (when, "when"), (confirm, "confirm")):
            if tree is not None:
                for path in paths(tree):
                    uses |= self._path(path, step, (*where, place))
                    inputs |= _inputs_of(path)
                cannot_lack |= {
                    path.parts[1]
                    for path in paths(tree, needed=True)
                    if path.parts[0] == "steps" and len(path.parts) > 1
                }
        needs = self._needs(index, step, where)
        return CompiledStep(
            step=step,
            arguments=arguments,
            when=when,
            confirm_type=confirm,
            needs=frozenset(needs | uses),
            uses=frozenset(uses),
            inputs=frozenset(inputs),
            may_lack=frozenset(uses - cannot_lack),
        )

    def _needs(self, index: int, step: Step, where: Where) -> set[str]:
        if step.needs is None:
            return {self.document.steps[index - 1].id} if index else set()
        for position, need in enumerate(step.needs):
            if need not in self.ids:
                hint = did_you_mean(need, list(self.ids))
                self._say((*where, "needs", position), f"`{need}`", f"the id of a step{hint}")
        return {need for need in step.needs if need in self.ids}

    def _compile(self, value: Json, where: Where) -> Tree:
        for place, text in _texts(value, where):
            self._compile_scalar(text, place)
        try:
            return compile_tree(value)
        except CannotCompile:
            return Const(None)  # said above, at its own place

    def _compile_scalar(self, text: str, where: Where) -> Expr:
        try:
            return compile_text(text)
        except CannotCompile as error:
            self._say(where, error.found, error.expected)
            return Const(None)

    def _when(self, step: Step, where: Where) -> Expr | None:
        if step.when is None:
            return None
        if isinstance(step.when, bool):
            return Const(step.when)
        if not has_expression(step.when):
            self._say(where, describe(step.when), "true, false, or `${{ … }}`")
            return None
        compiled = self._compile_scalar(step.when, where)
        if never := _never_boolean(compiled):
            self._say(where, never, "true, false, or a comparison")
        return compiled

    def _arguments(self, action: AnyAction, step: Step, where: Where) -> None:
        for name in action.literal:
            for place, text in _texts(step.with_.get(name), (*where, name)):
                if has_expression(text):
                    self._say(place, "an expression inside code", "`params` or `args` for values")
        later = frozenset(
            place[len(where) :]
            for place, text in _texts(dict(step.with_), where)
            if has_expression(text)
        )
        data = _with_placeholders(dict(step.with_))
        try:
            action.params.model_validate(data)
        except ValidationError as error:
            base = where if step.with_ else where[:-1]
            self.problems += from_validation(error, self.source, base, data, action.params, later)

    def _path(self, path: Path, step: Step, where: Where) -> set[str]:
        """Check that a name exists; the steps that it refers to."""
        root, rest = path.parts[0], path.parts[1:]
        if root == "steps" and rest:
            return self._step_path(path, step, where)
        allowed: dict[str, Sequence[str]] = {
            "inputs": list(self.document.inputs),
            "incident": ["id", "mode", *PROMPTS],
            "runbook": ["title", "sha256"],
        }
        if root not in allowed:
            names = ["inputs", "steps", "incident", "runbook"]
            hint = did_you_mean(root, names)
            self._say(where, f"the undefined name `{path}`", "one of: " + ", ".join(names) + hint)
        elif not rest or rest[0] not in allowed[root]:
            known = ", ".join(allowed[root]) or f"nothing: no {root} are declared"
            hint = did_you_mean(rest[0], allowed[root]) if rest else ""
            self._say(where, f"the undefined name `{path}`", f"`{root}` with one of: {known}{hint}")
        return set()

    def _step_path(self, path: Path, step: Step, where: Where) -> set[str]:
        name = path.parts[1]
        if name not in self.ids:
            hint = did_you_mean(name, list(self.ids))
            self._say(where, f"the undefined step `{path}`", f"the id of a step{hint}")
            return set()
        if name == step.id:
            self._say(where, f"`{path}`, the step itself", "another step")
            return set()
        if len(path.parts) > 2:
            action = self.vocabulary.actions.get(self.document.steps[self.ids[name]].do)
            if action is not None:
                self._result_path(path, action.result, where)
        return {name}

    def _result_path(self, path: Path, result: type[BaseModel], where: Where) -> None:
        fields = [info.alias or key for key, info in result.model_fields.items()]
        if fields and path.parts[2] not in fields:
            hint = did_you_mean(path.parts[2], fields)
            self._say(where, f"the undefined name `{path}`", "one of: " + ", ".join(fields) + hint)

    def _cycles(self, steps: Sequence[CompiledStep]) -> None:
        if len(self.ids) < len(steps):
            return  # with two steps of one name nobody can say who needs whom
        needs = {step.id: set(step.needs) for step in steps}
        left = set(needs)
        while True:
            # A step without needs cannot be in a circle, nor one that nobody needs.
            wanted = {need for name in left for need in needs[name]}
            outside = {name for name in left if not needs[name] & left or name not in wanted}
            if not outside:
                break
            left -= outside
        if left:
            first = next(name for name in needs if name in left)
            circle = ", ".join(sorted(left))
            self._say(
                ("steps", self.ids[first]),
                f"a circle of needs: {circle}",
                "steps that can be put in an order",
            )

    def _say(self, where: Where, found: str, expected: str) -> None:
        self.problems.append(self.source.problem(where, found, expected))


_ANY_DAY = datetime(2026, 4, 24, tzinfo=UTC)


def _unfit(declared: Input) -> str:
    """What a default should be where it is not of its type, as an operator's answer is read; empty where it is."""
    text = str(declared.default)
    if declared.type == "time":
        try:
            parse_moment(text, _ANY_DAY)
        except (ValueError, OverflowError):
            return "a time like 2026-04-24T19:04:00Z, `now` or `20m ago`"
    if declared.type == "number":
        try:
            int(text)
        except ValueError:
            return "a whole number"
    if declared.type == "boolean" and text.lower() not in ("true", "yes", "false", "no"):
        return "true or false"
    return ""


def _inputs_of(path: Path) -> set[str]:
    """The input that a path refers to, if any."""
    if path.parts[0] == "incident" and path.parts[1:2] and path.parts[1] in PROMPTS:
        return {path.parts[1]}
    return {path.parts[1]} if path.parts[0] == "inputs" and len(path.parts) > 1 else set()


def _never_boolean(tree: Expr) -> str:
    """What a condition is that cannot be true or false; empty where it may be."""
    match tree:
        case Join():
            return "a text with an expression in it"
        case Const(value) if not isinstance(value, bool) and value is not None:
            return describe(value)
        case Filter(_, name, _) if name != "default":
            return "a value that is never true or false"
    return ""


def _texts(value: Json, where: Where) -> Iterator[tuple[Where, str]]:
    """Every text in a value with its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*where, key))
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from _texts(item, (*where, index))


def _with_placeholders(value: Json) -> object:
    """The value with a `Later` where an expression stands."""
    if isinstance(value, str):
        return Later() if has_expression(value) else value
    if isinstance(value, Mapping):
        return {key: _with_placeholders(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_with_placeholders(item) for item in value]
    return value
