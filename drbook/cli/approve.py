"""`drbook approve`: another person signs what a step waits for."""

import sys
from pathlib import Path

import click

from drbook.app.approve import Hand, Waiting, hand, hand_in, read_block, signed, waiting_in
from drbook.app.places import find_incident, home
from drbook.cli.output import say, tell
from drbook.core import events as ev
from drbook.core.errors import Aborted, UsageError
from drbook.core.values import plain


@click.command("approve")
@click.argument("incident", required=False)
@click.argument("step", required=False)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="Your key: a private key's file, or a public one whose private half an agent holds. Absent: the one "
    "key in ~/.ssh that the incident's list knows.",
)
@click.option("--as", "name", metavar="NAME", help="Who you are in the incident's list.")
@click.option("--print", "only_print", is_flag=True, help="Print the signature, to be pasted.")
@click.option(
    "--from",
    "file",
    metavar="FILE",
    help="Hand in a signature that was made elsewhere; - reads it.",
)
@click.option(
    "--request", is_flag=True, help="Print the text that is to be signed, and nothing else."
)
def command(
    incident: str | None,
    step: str | None,
    key: Path | None,
    name: str | None,
    only_print: bool,
    file: str | None,
    request: bool,
) -> None:
    """Approve a step of INCIDENT (an id, the end of one, or a folder; absent: the newest) that waits for somebody
    else than the operator. Shows what is signed, asks, signs it with your SSH key and hands it in.

    Elsewhere, without drbook: `drbook approve INCIDENT STEP --request > text` on the recovery host; there
    `cat text`, `ssh-keygen -Y sign -n drbook-approval -f KEY text` and `cat text.sig`; paste that on the
    operator's screen, or hand it in with --from.

    Exit codes: 0 it is approved; 3 you said no; 4 the signature is refused, with its reason on record; 5 nobody
    said what came of it.
    """
    if sum((only_print, file is not None, request)) > 1 or ((file or request) and (key or name)):
        raise UsageError(
            "--print, --from and --request exclude each other; --key and --as are for signing.",
            means="Nothing was signed.",
        )
    folder = find_incident(home(), incident)
    if file is not None:
        _hand_in(folder, sys.stdin.read(64 * 1024) if file == "-" else read_block(Path(file)))
        return
    waiting = waiting_in(folder, step)
    if request:
        click.echo(waiting.text, nl=False)
        return
    own = hand(waiting, key, name)
    _ask(waiting, own)
    block = signed(waiting, own)
    if only_print:
        click.echo(block, nl=False)
        say(
            "Paste all of it on the operator's screen, or hand it in: drbook approve INCIDENT --from -"
        )
        return
    _hand_in(folder, block)


def _ask(waiting: Waiting, own: Hand) -> None:
    """Raises Aborted where the answer is another one than yes."""
    say("This is what you sign:\n")
    say(waiting.text)
    say(f"As {own.signer.person}, with {own.signer.key} ({plain(str(own.key), 300)}).")
    say("Your signature says that you are not the operator, and that this may be done.")
    say("Type yes to sign it:")
    if sys.stdin.readline(100).strip() != "yes":
        raise Aborted("Nothing was signed.", next="The step waits as before.")


def _hand_in(folder: Path, block: str) -> None:
    record = hand_in(folder, block, lambda: say("Handed in; whoever leads looks at it now."))
    event = record.event
    assert isinstance(event, ev.ApprovalGiven)  # what hand_in answers with
    tell(f"Approved: step {event.step}, by {event.by}; record {record.seq}.")
