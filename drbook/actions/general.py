"""Actions for people and for small checks: manual, ask, choose, assert, note, wait."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from drbook.core.actions import Action, Empty, Finished, StepContext
from drbook.core.errors import StepFailed, VerificationFailed
from drbook.core.events import Plan, Question, StepEnd
from drbook.core.ports import Ports
from drbook.core.signals import Progress, Working
from drbook.core.values import (
    Duration,
    Frozen,
    Json,
    format_time,
    parse_time,
    show_duration,
)


class ManualParams(Frozen):
    instructions: tuple[str, ...] | str = ()
    """What the person does, one sentence each."""
    irreversible: str = ""
    """What cannot be undone, in one sentence."""


class ManualResult(Frozen):
    done: bool
    comment: str = ""


class Manual(Action[ManualParams]):
    """A person does it, outside drbook, and says whether it is done."""

    name = "manual"
    title = "Do it by hand"
    params = ManualParams
    result = ManualResult

    def plan(self, params: ManualParams, context: StepContext) -> Plan:
        lines = params.instructions
        if isinstance(lines, str):
            lines = tuple(line.strip() for line in lines.splitlines() if line.strip())
        return Plan(
            does=lines or (context.title,),
            touches="whatever you touch by hand",
            damage=params.irreversible,
            asks=Question(kind="done", prompt="Is it done?", choices=("done", "not-done")),
        )

    def perform(
        self, params: ManualParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        if context.answer == "done":
            return Finished(
                ManualResult(done=True, comment=context.comment),
                reason=context.comment or "done by hand",
            )
        return Finished(
            ManualResult(done=False, comment=context.comment),
            StepEnd.FAILED,
            f"It could not be done: {context.comment or 'no reason given'}.",
            means="The steps that need it stay blocked, unless somebody skips it.",
            next="Run it again once it can be done. Skipped with a reason, it holds nothing back any more.",
        )
        yield  # makes this a generator; nothing is signalled


class AskParams(Frozen):
    prompt: str = Field(min_length=1)
    type: Literal["text", "time", "number", "boolean"] = "text"


class AskResult(Frozen):
    value: Json


class Ask(Action[AskParams]):
    """A question whose answer later steps use."""

    name = "ask"
    title = "Answer a question"
    params = AskParams
    result = AskResult

    def plan(self, params: AskParams, context: StepContext) -> Plan:
        question = Question(kind="text", prompt=params.prompt, type=params.type)
        return Plan(does=(f"asks: {params.prompt}",), touches="nothing", asks=question)

    def perform(self, params: AskParams, context: StepContext, ports: Ports) -> Working[Finished]:
        value = read_answer(context.answer, params.type)
        return Finished(AskResult(value=value), reason=f"answered: {value}")
        yield  # makes this a generator; nothing is signalled


class ChooseParams(Frozen):
    prompt: str = Field(min_length=1)
    choices: tuple[str, ...] = Field(min_length=2)
    stop_on: tuple[str, ...] = ()
    """Choices that end the step as failed, like `no-go`."""


class ChooseResult(Frozen):
    choice: str
    comment: str = ""


class Choose(Action[ChooseParams]):
    """One of several ways to go on."""

    name = "choose"
    title = "Decide"
    params = ChooseParams
    result = ChooseResult

    def plan(self, params: ChooseParams, context: StepContext) -> Plan:
        question = Question(kind="choice", prompt=params.prompt, choices=params.choices)
        shown = " or ".join(params.choices)
        return Plan(does=(f"asks you to choose: {shown}",), touches="nothing", asks=question)

    def perform(
        self, params: ChooseParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        choice = str(context.answer)
        if choice not in params.choices:
            raise StepFailed(
                f"{choice!r} is none of the choices.",
                next="Choose: " + ", ".join(params.choices) + ".",
            )
        result = ChooseResult(choice=choice, comment=context.comment)
        reason = f"chosen: {choice}" + (f" ({context.comment})" if context.comment else "")
        if choice in params.stop_on:
            return Finished(
                result,
                StepEnd.FAILED,
                reason,
                means="The steps that need this decision stay blocked.",
                next="Run the step again (r) to decide anew; it cannot be skipped. Abort (a), or skip what "
                "comes after it, where this is the end.",
            )
        return Finished(result, reason=reason)
        yield  # makes this a generator; nothing is signalled


class AssertParams(Frozen):
    that: bool
    message: str = ""
    """What is wrong where it does not hold."""


class AssertResult(Frozen):
    holds: bool


class Assert(Action[AssertParams]):
    """A condition that must hold before anything after it starts."""

    name = "assert"
    title = "Check a condition"
    params = AssertParams
    result = AssertResult

    def plan(self, params: AssertParams, context: StepContext) -> Plan:
        return Plan(does=(f"checks: {params.message or context.title}",), touches="nothing")

    def perform(
        self, params: AssertParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        if not params.that:
            raise VerificationFailed(
                params.message or "The condition does not hold.",
                means="What the runbook relies on from here is not so.",
                next="Look at the steps it is computed from; run them again, or skip this with a reason.",
            )
        return Finished(AssertResult(holds=True), reason="holds")
        yield  # makes this a generator; nothing is signalled


class NoteParams(Frozen):
    text: str = Field(min_length=1)


class Note(Action[NoteParams]):
    """A sentence for the record, with values that only the incident knows."""

    name = "note"
    title = "Write into the record"
    params = NoteParams
    result = Empty

    def plan(self, params: NoteParams, context: StepContext) -> Plan:
        return Plan(does=(f"records: {params.text}",), touches="only the record")

    def perform(self, params: NoteParams, context: StepContext, ports: Ports) -> Working[Finished]:
        return Finished(Empty(), reason=params.text)
        yield  # makes this a generator; nothing is signalled


_TICK = timedelta(milliseconds=500)


class WaitParams(Frozen):
    for_: Duration = Field(alias="for")


class Wait(Action[WaitParams]):
    """A pause that can be cancelled."""

    name = "wait"
    title = "Wait"
    params = WaitParams
    result = Empty

    def plan(self, params: WaitParams, context: StepContext) -> Plan:
        return Plan(does=(f"waits {show_duration(params.for_)}",), touches="nothing")

    def perform(self, params: WaitParams, context: StepContext, ports: Ports) -> Working[Finished]:
        begun = ports.clock.monotonic()
        total = params.for_.total_seconds()
        while (waited := ports.clock.monotonic() - begun) < total:
            yield Progress("waiting", int(waited), int(total), "seconds")
            ports.cancel.wait(min(params.for_, _TICK))
            ports.cancel.raise_if_requested()
        return Finished(Empty(), reason=f"waited {show_duration(params.for_)}")


def read_answer(answer: Json, kind: Literal["text", "time", "number", "boolean"]) -> Json:
    """An answer in the type that was asked for. Raises StepFailed where it is not of that type."""
    text = str(answer).strip() if answer is not None else ""
    try:
        if not text:
            raise ValueError("there is no answer")
        if kind == "time":
            return format_time(parse_time(text))
        if kind == "number":
            return int(text)
        if kind == "boolean":
            return {"yes": True, "true": True, "no": False, "false": False}[text.lower()]
        return text
    except (ValueError, KeyError):
        expected = {
            "time": "a time like 2026-04-24T19:04:00Z",
            "number": "a whole number",
            "boolean": "yes or no",
            "text": "a text",
        }[kind]
        raise StepFailed(f"{text!r} is not {expected}.", next=f"Answer with {expected}.") from None
