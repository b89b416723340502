"""What is allowed in a runbook and will hurt at night: remarks, never errors."""

from collections.abc import Mapping

from drbook.core.errors import Problem
from drbook.core.runbook import Phase, Runbook
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
    if document.objectives.rpo is None or document.objectives.rto is None:
        say(
            (),
            "no objectives for rpo and rto",
            "both, so that the clocks have something to run against",
        )
    does = {step.do for step in document.steps}
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
