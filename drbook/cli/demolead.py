"""`drbook demo-lead`: the process in which a demo's incident is led without a screen, so that it can be killed."""

import click

from drbook.app.model import Resolve
from drbook.app.places import home, listed
from drbook.app.session import open_incident, resume_incident
from drbook.app.shipped import open_runbook
from drbook.cli.lead import lead
from drbook.core.events import Mode
from drbook.core.state import in_doubt


@click.command("demo-lead", hidden=True)
@click.argument("runbook")
@click.argument("occurred")
@click.option("--goes", is_flag=True, help="The world is removed right after.")
def command(runbook: str, occurred: str, goes: bool) -> int:
    """Open the incident of this state directory as a drill, or go on with the one that is there.

    The scenario answers. A step that was cut off is settled as not having happened, as an operator would do
    who has looked: what it made is left alone, and another attempt makes its own.
    """
    from drbook.demo.scenario import Scenario

    there = listed(home())
    if there:
        session = resume_incident(there[0])
    else:
        # The target is looked into when this process has ended, by the one who knows what is true.
        session = open_incident(
            open_runbook(runbook), Mode.DRILL, home(), {"occurred": occurred}, keep_targets=True
        )
    settle = [
        Resolve(step, "failed", "it was cut off; what it made is left alone (scenario)")
        for step in in_doubt(session.driver.state)
    ]
    return lead(
        session, headless=True, as_json=False, responder=Scenario(), settle=settle, goes=goes
    )
