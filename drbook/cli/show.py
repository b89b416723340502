"""`drbook show`: a runbook as drbook understands it."""

import click

from drbook.app.pages import page_lines, page_of
from drbook.app.planning import title_of
from drbook.app.shipped import open_runbook
from drbook.app.vocabulary import vocabulary
from drbook.cli.output import print_json
from drbook.core.runbook import CompiledStep, Runbook
from drbook.core.values import Json, format_duration, plain, show_duration


@click.command("show")
@click.argument("runbook")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--page", is_flag=True, help="Only its first page: what it is for, and who is called."
)
def command(runbook: str, as_json: bool, page: bool) -> None:
    """Show phases, steps, needs, sources and objectives. Nothing is contacted."""
    loaded = open_runbook(runbook)
    if as_json:
        print_json(_document(loaded))
        return
    if page:
        for line in page_of(loaded):
            click.echo(line)
        return
    document = loaded.document
    _tell(loaded.title)
    if document.description:
        click.echo()
        for line in page_lines(document.description):
            _tell(f"  {line}".rstrip())
        click.echo()
    _tell(f"  file     {loaded.file}")
    _tell(f"  sha256   {loaded.sha256}")
    objectives = document.objectives
    rpo = show_duration(objectives.rpo) if objectives.rpo else "not stated"
    rto = show_duration(objectives.rto) if objectives.rto else "not stated"
    _tell(f"  RPO {rpo} · RTO {rto}")
    if document.updates:
        every = format_duration(document.updates.every)
        _tell(f"  updates  for {document.updates.audience}, every {every}")
    for due in document.deadlines:
        _tell(f"  deadline {due.name}: within {format_duration(due.after)} of {due.from_}")
    for one in document.contacts:
        said = ", ".join(each for each in (one.role, one.phone, one.reach) if each)
        _tell(f"  contact  {one.name}: {said}")
    if document.pack:
        _tell(
            f"  go-bag   {document.pack.path}, at most {format_duration(document.pack.max_age)} old"
        )
    if document.production.database:
        _tell(f"  protects {document.production.database.show()}")
    for source in loaded.sources:
        _tell(f"  backups  {source.id} ({source.kind}, {source.format})")
    for mirror in loaded.mirrors:
        _tell(f"  mirror   {mirror.place}")
    for told in loaded.notify:
        modes = ", ".join(mode.value for mode in told.modes)
        _tell(f"  notifies {told.place} of {', '.join(told.on)} ({modes})")
    for name, definition in document.inputs.items():
        _tell(f"  input    {name} ({definition.type}) {definition.prompt}")
    phase = None
    for number, step in enumerate(loaded.steps, 1):
        if step.step.phase is not phase:
            phase = step.step.phase
            click.echo(f"\n{phase.value.upper()}")
        for line in _lines(loaded, number, step):
            _tell(line)


def _tell(line: str) -> None:
    """A runbook's words are shown as plain text: a title may hold what a terminal obeys."""
    click.echo(plain(line, 2000))


def _lines(runbook: Runbook, number: int, step: CompiledStep) -> list[str]:
    title = title_of(runbook, vocabulary().actions, step.id)
    needs = ", ".join(sorted(step.needs)) or "nothing"
    extra = f"; type {step.step.confirm.type!r}" if step.step.confirm else ""
    if step.step.timeout:
        extra += f"; at most {format_duration(step.step.timeout)}"
    lines = [f"  {number:>2}  {title}", f"        {step.id}: {step.step.do}; after {needs}{extra}"]
    return [*lines, f"        {step.step.why}"] if step.step.why else lines


def _document(runbook: Runbook) -> Json:
    document = runbook.document
    return {
        "title": runbook.title,
        "description": document.description,
        "file": runbook.file,
        "sha256": runbook.sha256,
        "objectives": document.objectives.model_dump(mode="json"),
        "updates": document.updates.model_dump(mode="json") if document.updates else None,
        "deadlines": [one.model_dump(mode="json", by_alias=True) for one in document.deadlines],
        "contacts": [one.model_dump(mode="json") for one in document.contacts],
        "pack": document.pack.model_dump(mode="json") if document.pack else None,
        "notify": [one.model_dump(mode="json") for one in runbook.notify],
        "sources": [source.model_dump(mode="json") for source in runbook.sources],
        "inputs": {
            name: definition.model_dump(mode="json") for name, definition in document.inputs.items()
        },
        "steps": [
            {
                "id": step.id,
                "phase": step.step.phase.value,
                "title": title_of(runbook, vocabulary().actions, step.id),
                "do": step.step.do,
                "needs": sorted(step.needs),
                "uses": sorted(step.uses),
            }
            for step in runbook.steps
        ],
    }
