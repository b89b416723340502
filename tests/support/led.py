"""A live incident as a person leads it, without a screen: what is ready runs, and names are typed.

    python led.py RUNBOOK HOME OCCURRED [after]

With the last word the process kills itself right behind the commit of its merge, when nobody has recorded
that it happened.
"""

import os
import queue
import signal
import sys
from pathlib import Path

from drbook.app.model import Confirm, RunOn, Snapshot
from drbook.app.places import Home
from drbook.app.session import open_incident
from drbook.app.vocabulary import vocabulary
from drbook.core.events import Mode
from drbook.core.state import StepState
from drbook.language.load import load_file
from drbook.providers.merge.lease import MergeSession

BAD = (StepState.FAILED, StepState.REFUSED, StepState.COULD_NOT_VERIFY, StepState.IN_DOUBT)


def killed() -> None:
    """Let the commit be the last thing that this process does."""
    commit = MergeSession.commit

    def last(session: MergeSession) -> None:
        commit(session)
        os.kill(os.getpid(), signal.SIGKILL)

    MergeSession.commit = last  # type: ignore[method-assign]


def main(runbook: str, home: str, occurred: str, when: str = "") -> int:
    if when == "after":
        killed()
    said: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
    session = open_incident(
        load_file(Path(runbook), vocabulary()), Mode.LIVE, Home(Path(home)), {"occurred": occurred}
    )
    with session:
        session.driver.subscribe(said.put)
        session.driver.submit(RunOn()).result()
        typed: set[str] = set()
        while True:
            snapshot = said.get()
            runs = snapshot.state.steps
            for run in runs.values():
                if run.state in BAD:
                    print(f"{run.id}: {run.state}: {run.reason}")
                    return 1
            if all(run.state is StepState.SUCCEEDED for run in runs.values()):
                return 0
            for step in snapshot.decision.awaiting:
                plan = runs[step].plan
                if step not in typed and plan is not None and plan.confirm:
                    typed.add(step)
                    print(f"{step}: {plan.confirm}: {plan.does[0]}")
                    session.driver.submit(Confirm(step, plan.confirm)).result()
                    session.driver.submit(RunOn()).result()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
