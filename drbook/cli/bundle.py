"""`drbook bundle`: the evidence of an incident as one file; and what checking one prints."""

from pathlib import Path

import click

from drbook.app.bundle import Done, write_bundle
from drbook.app.bundlecheck import verify_bundle
from drbook.app.places import find_incident, home
from drbook.cli.output import print_json, say, tell
from drbook.core.approval import Checked
from drbook.core.bundle import OPEN, Looked, Manifest, on_word
from drbook.core.errors import CouldNotVerify, ExitCode, UsageError
from drbook.core.signatures import Signature, Standing
from drbook.core.values import Json, counted, plain, show_size
from drbook.providers.sshsign import Asked


@click.command("bundle")
@click.argument("incident", required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The new FILE.zip."
)
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="Sign it with this SSH key, into FILE.zip.sig: a private key's file, or a public one whose "
    "private half an agent holds.",
)
@click.option("--rows", is_flag=True, help="Leave the rows of databases in it.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(incident: str | None, output: Path, key: Path | None, rows: bool, as_json: bool) -> int:
    """Write the evidence of INCIDENT (an id, the end of one, or a folder; absent: the newest), open, aborted
    and failed ones too: the record, the runbook as it was run, artifacts, exports and a control map.

    `drbook journal verify FILE.zip` checks it. Exit code 1 where something is lacking.
    """
    done = write_bundle(find_incident(home(), incident), output.absolute(), key=key, rows=rows)
    code = ExitCode.FAILED if done.manifest.lacks else ExitCode.DONE
    if as_json:
        print_json(
            {
                "path": str(done.path),
                "sha256": done.sha256,
                "signature": str(done.signature) if done.signature else None,
                "manifest": done.manifest.model_dump(mode="json"),
                "exit_code": int(code),
            }
        )
    else:
        _print(done)
    return int(code)


def _print(done: Done) -> None:
    manifest = done.manifest
    for name, one in manifest.files.items():
        tell(f"{show_size(one.size):>10}  {name}")
    tell(f"sha256  {done.sha256}")
    state = "STILL OPEN" if manifest.outcome == OPEN else plain(manifest.outcome, 60)
    say(f"Incident {manifest.incident}, {manifest.mode.value}: {state}.")
    say("Personal data in it:")
    for each in manifest.personal:
        say(f"  {each.what} ({each.records})")
    if manifest.journal.withheld:
        say(f"Rows are left out of records {manifest.journal.withheld}; --rows leaves them in.")
    for said in manifest.lacks:
        say(f"LACKING: {said}")
    if done.signature is None:
        say("NOT SIGNED: nobody could tell it from one that was written anew (--sign KEY).")
    else:
        say(f"Signed: {plain(str(done.signature), 500)}")
    say(f"Written and read again: {plain(str(done.path), 500)}")


# --- checking one ------------------------------------------------------------------------------


def is_bundle(path: str | None) -> bool:
    """A file that is called one, or begins like one."""
    if path is None or not Path(path).is_file():
        return False
    if path.lower().endswith(".zip"):
        return True
    try:
        with Path(path).open("rb") as stream:
            return stream.read(2) == b"PK"
    except OSError:
        return False  # the journal's own reader says why


def check_bundle(
    path: Path, head: str | None, signers: Path | None, identity: str | None, *, as_json: bool
) -> int:
    """Check, print, and answer the exit code."""
    if identity is not None and signers is None:
        raise UsageError(
            "--identity is a name in a list of signers.",
            next="Name the list: --signers ALLOWED_SIGNERS.",
        )
    looked, signature = verify_bundle(path, Asked(_signers(signers), identity or ""))
    problems = list(looked.problems)
    if head is not None and looked.manifest is not None and head not in looked.digests:
        problems.append(f"no line of its journal has the digest {head[:16]}…")
    code = _code(looked, problems, signature)
    if as_json:
        print_json(_document(path, looked, problems, signature, head, code))
    else:
        _say(looked, problems, signature, head, code)
    return int(code)


def _code(looked: Looked, problems: list[str], signature: Signature) -> ExitCode:
    """The gravest of all of it; what is certain comes before what could not be verified."""
    if looked.unread:
        return ExitCode.COULD_NOT_VERIFY
    if problems:
        return ExitCode.FAILED
    if signature.code is ExitCode.DONE and (looked.unverified or looked.approvals.unchecked):
        return ExitCode.COULD_NOT_VERIFY
    return signature.code


def _signers(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise CouldNotVerify(
            f"The list of signers {plain(str(path), 300)} cannot be read: {error.strerror or error}.",
            means="Whose signature it is was not checked. Nothing else was looked at.",
            next="Name a file in the format of ssh-keygen(1), ALLOWED SIGNERS.",
            code="bundle-signers",
        ) from None


def _document(
    path: Path,
    looked: Looked,
    problems: list[str],
    signature: Signature,
    head: str | None,
    code: ExitCode,
) -> Json:
    manifest = looked.manifest
    return {
        "path": str(path),
        "whole": False if problems else None if looked.unread or looked.unverified else True,
        "unread": looked.unread,
        "problems": problems,
        "unverified": list(looked.unverified),
        "on_word": list(on_word(manifest)) if manifest is not None else [],
        "head_checked": head is not None,
        "signature": {
            "standing": signature.standing.name.lower(),
            "identity": signature.identity,
            "key": signature.key,
            "why": signature.why,
        },
        "approvals": approvals_document(looked.approvals),
        "manifest": manifest.model_dump(mode="json") if manifest is not None else None,
        "exit_code": int(code),
    }


def approvals_document(found: Checked) -> Json:
    return {
        "signed": found.signed,
        "typed": found.typed,
        "break_glass": found.broken,
        "problems": list(found.problems),
        "unchecked": found.unchecked,
    }


def say_counted(found: Checked) -> None:
    """What the approvals rest on; nothing where there are none."""
    if words := found.in_words():
        tell(f"approvals: {words}")


def say_approvals(found: Checked) -> None:
    """Nothing where there are none."""
    say_counted(found)
    if found.unchecked:
        tell(f"COULD NOT VERIFY the approvals: {found.unchecked}")


def _say(
    looked: Looked, problems: list[str], signature: Signature, head: str | None, code: ExitCode
) -> None:
    """The verdict comes first: what is whole in itself and signed for other bytes is not called whole."""
    for said in problems:
        tell(f"NOT WHOLE: {said}")
    if looked.unread:
        say(f"Could not be checked: {looked.unread}.")
        return
    if signature.code is not ExitCode.DONE:
        _say_signature(signature)
    for said in looked.unverified:
        tell(f"COULD NOT VERIFY: {said}")
    if looked.approvals.unchecked:
        tell(f"COULD NOT VERIFY the approvals: {looked.approvals.unchecked}")
    if looked.manifest is not None and not problems:
        _say_content(looked.manifest, head, code)
    say_counted(looked.approvals)
    if signature.code is ExitCode.DONE:
        _say_signature(signature)


def _say_content(manifest: Manifest, head: str | None, code: ExitCode) -> None:
    chain = manifest.journal
    verdict = "whole" if code is ExitCode.DONE else "in itself"
    fits = "" if code is ExitCode.DONE else "digests and chain hold: "
    tell(
        f"{verdict}: {fits}{counted(len(manifest.files), 'file')}, {counted(chain.records, 'record')} of "
        f"incident {plain(manifest.incident, 100)} ({manifest.mode.value}, "
        f"{plain(manifest.outcome, 60)}), head {chain.head}"
    )
    for said in manifest.lacks:
        tell(f"lacks {said}")
    if chain.withheld:
        say(
            f"Records {chain.withheld} stand without their rows: the chain holds their digest, not "
            "what is left of them; a signature holds both."
        )
    if head is not None:
        say("The given head is in the chain.")
    say(f"The word of whoever made it: {'; '.join(on_word(manifest))}.")


def _say_signature(found: Signature) -> None:
    why = f": {found.why}" if found.why else ""
    key = f" ({found.key})" if found.key else ""
    if found.standing is Standing.GOOD:
        tell(f"signed by {found.identity}{key}")
    elif found.standing is Standing.ANYBODY:
        tell(f"signed{key}, and nobody said whose key that is")
        say("Whoever writes a bundle anew signs it with a key of their own: name --signers.")
    elif found.standing is Standing.NONE:
        tell("not signed: a whole rewritten bundle cannot be told")
    elif found.standing is Standing.UNCHECKED:
        tell(f"COULD NOT VERIFY the signature{why}")
    else:
        tell(f"REFUSED: {found.standing.value}{key}{why}")
