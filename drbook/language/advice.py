"""What is allowed in a runbook and will hurt at night: remarks, never errors."""

from collections.abc import Callable, Mapping
from datetime import datetime

from drbook.core.approval import NAMESPACE
from drbook.core.errors import Problem
from drbook.core.points import Answer, FailureDomain
from drbook.core.reach import leaked_credentials
from drbook.core.runbook import Phase, Runbook
from drbook.core.signers import people, read_signers, same, unable
from drbook.core.values import format_duration, plain
from drbook.language.source import Where, did_you_mean, parse


def advice(runbook: Runbook) -> list[Problem]:
    """Remarks on a runbook that loaded, each with its place."""
    source = parse(runbook.source, runbook.file)
    document = runbook.document
    remarks: list[Problem] = []

    def say(where: Where, found: str, expected: str) -> None:
        remarks.append(source.problem(where, found, expected))

    for index, config in enumerate(runbook.sources):
        where: Where = ("backups", index)
        if config.domain.credentials is None:
            say(
                where,
                "no `domain.credentials`",
                "them: else this source never counts as independent",
            )
        for name in config.domain.credentials or ():
            if name not in document.credentials:
                say(where, f"the credential `{name}`", "where it is stored, under `credentials:`")
        if config.domain.account is None:
            say(
                where, "no `domain.account`", "it: else `account` is unknown unless the store tells"
            )
    for name in document.production.domain.credentials or ():
        if document.credentials and name not in document.credentials:
            say(
                ("production", "domain", "credentials"),
                f"the credential `{name}`",
                "where it is stored, under `credentials:`; else every copy is judged unknown"
                + did_you_mean(name, sorted(document.credentials)),
            )
    if runbook.sources and document.production.domain.credentials is None:
        say(
            ("production",),
            "no `domain.credentials`",
            "who can destroy production: the reach starts there",
        )
    _mirrors(runbook, say)
    if document.objectives.rpo is None or document.objectives.rto is None:
        say(
            (),
            "no objectives for rpo and rto",
            "both, so that the clocks have something to run against",
        )
    _approvals(runbook, say)
    does = {step.do for step in document.steps}
    _times(runbook, say)
    _deadlines(runbook, say)
    if "postgres.restore" in does and "postgres.verify" not in does:
        say(
            ("steps",), "a restore without `postgres.verify`", "a check before anybody relies on it"
        )
    if "postgres.restore" in does and document.production.database is None:
        say(
            ("production",),
            "no `database`",
            "it: a given server is refused while production is unknown",
        )
    for index, step in enumerate(document.steps):
        target = step.with_.get("target")
        if isinstance(target, Mapping) and target.get("kind") == "database":
            if document.baselines is None:
                say(
                    ("steps", index),
                    "a given server as target, and no `baselines`",
                    "them: while production does not answer, only a baseline tells the two apart",
                )
            elif not document.production.domain.named():
                say(
                    ("production",),
                    "no `domain.resource`",
                    "it: else a baseline taken through a socket or tunnel identifies no production",
                )
        if step.phase is Phase.CUTOVER and step.confirm is None:
            say(
                ("steps", index),
                "a cutover without `confirm`",
                "a typed name: it cannot be taken back",
            )
        if not step.why:
            say(("steps", index), "no `why`", "a sentence for whoever reads it at night")
    return remarks


def _times(runbook: Runbook, say: Callable[[Where, str, str], None]) -> None:
    """Inputs that the clocks run from, and that are not there or are no times."""
    inputs = runbook.document.inputs
    looks = any(step.do in ("backups.locate", "postgres.verify") for step in runbook.document.steps)
    if looks and "occurred" not in inputs:
        say(
            ("inputs",) if inputs else (),
            "no input `occurred`",
            "one of type time: else nobody can say how long the outage lasts and how much is lost",
        )
    for name in ("occurred", "detected", "declared"):
        if name in inputs and inputs[name].type != "time":
            say(
                ("inputs", name),
                f"an input `{name}` of type {inputs[name].type}",
                "the type `time`: else no clock runs from it",
            )


def _deadlines(runbook: Runbook, say: Callable[[Where, str, str], None]) -> None:
    """Deadlines that count from a time which nobody is asked for."""
    inputs = runbook.document.inputs
    for index, deadline in enumerate(runbook.document.deadlines):
        base = deadline.from_
        if base != "declared" and base not in inputs:
            say(
                ("deadlines", index),
                f"a deadline that counts from `{base}`, and no input of that name",
                "one of type time: else only the latest moment is known, counted from the declaration",
            )


def _mirrors(runbook: Runbook, say: Callable[[Where, str, str], None]) -> None:
    """A copy of the record that goes with production, or that nobody can ever delete."""
    document = runbook.document
    production = document.production.domain
    reach = leaked_credentials(production, document.credentials)
    for index, mirror in enumerate(runbook.mirrors):
        where: Where = ("mirrors", index)
        domain = mirror.domain
        if domain == FailureDomain():
            say(
                where,
                "no `domain`",
                "it: else nobody can tell whether the record outlives the event",
            )
        for name in ("resource", "project", "account"):
            mine, theirs = getattr(domain, name), getattr(production, name)
            if mine is not None and mine == theirs:
                say(
                    (*where, "domain", name),
                    f"production's own {name}, `{plain(mine, 60)}`",
                    "another: what destroys production would take the record along",
                )
        answer, reason = reach.judge(domain.credentials)
        if answer is Answer.FAIL:
            say(
                (*where, "domain", "credentials"),
                f"a credential that leaks with production's ({reason})",
                "one of its own, which can create objects there and not delete them",
            )
        elif answer is Answer.UNKNOWN and domain != FailureDomain():
            say(
                where,
                reason,
                "it stated: else nobody can tell whether the record outlives the event",
            )
        if mirror.retention is not None:
            say(
                (*where, "retain"),
                f"records that nobody can delete for {format_duration(mirror.retention)}",
                "a reason to keep them that long: they hold personal data (names of operators, notes, "
                "answers, names of tables), and no request and no mistake can take them back",
            )


def _approvals(runbook: Runbook, say: Callable[[Where, str, str], None]) -> None:
    """Who is asked and cannot sign, as far as the runbook itself tells."""
    stated = runbook.document.approvers
    asking = [(n, one.approve) for n, one in enumerate(runbook.document.steps) if one.approve]
    listed = None
    if stated is not None and stated.lines:
        signers = read_signers(stated.text)
        never = unable(signers, NAMESPACE)
        listed = [one for one in people(signers) if one not in never]
    for index, approve in asking:
        where: Where = ("steps", index, "approve", "by")
        if isinstance(approve.by, int):
            if stated is None:
                say(
                    where,
                    "a number of people, and no `approvers`",
                    "them: a typed name proves nothing",
                )
            elif listed is not None and len(listed) < approve.needed:
                say(where, f"{approve.who}, and fewer `approvers`", "more of them")
        elif listed is not None and not any(same(approve.by, one) for one in listed):
            say(
                where,
                f"`{plain(approve.by, 60)}`, who is none of the `approvers`",
                "one of them, or how many people in all" + did_you_mean(approve.by, sorted(listed)),
            )


def unsigning(runbook: Runbook, at: datetime, text: str = "") -> list[Problem]:
    """Whoever is listed under `approvers` and can approve nothing, with the reason; `text` is what stands in the
    file that it names, where that is a file."""
    stated = runbook.document.approvers
    if stated is None:
        return []
    source = parse(runbook.source, runbook.file)
    signers = read_signers(text or stated.text)
    where: Where = ("approvers", "file" if stated.file else "lines")
    return [
        source.problem(where, f"`{name}`, who can sign nothing: {why}", "a key that may sign now")
        for name, why in unable(signers, NAMESPACE, at).items()
    ]


def unlisted(runbook: Runbook, problem: str) -> Problem:
    """A list of approvers that cannot be used as it is."""
    source = parse(runbook.source, runbook.file)
    return source.problem(
        ("approvers", "file"),
        f"a list that nobody can approve by: {problem}",
        "one that can be read, before an incident is opened",
    )
