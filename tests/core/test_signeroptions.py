"""The options of `allowed_signers`, held to what ssh-keygen itself does with them."""

import io
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.approving import People

from drbook.core.approval import NAMESPACE
from drbook.core.signatures import Standing
from drbook.core.signeroptions import read_options
from drbook.core.signers import read_signers, unable
from drbook.providers.sshsign import Asked, check

AT = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)
TAKEN = {
    "": "",
    'valid-before="20300101"': "",
    'VALID-BEFORE="20300101Z",namespaces="dr*"': "",
    'valid-after="202604241903",valid-before="20260424190500"': "",
    'valid-before="20260424190400"': "",
    'namespaces="file,drbook-approval"': "",
    'valid-before="tomorrow"': '"tomorrow" is no time',
    'valid-before="20261301"': '"20261301" is no time',
    'valid-before="2030010112"': "is no time",
    'valid-before="20260424190359"': "expired at 2026-04-24 19:03:59 UTC",
    'valid-after="20260424190401"': "not yet valid",
    'valid-after="20250101",valid-before="20240101"': "not behind its valid-after",
    'valid-after="20250101",valid-after="20250102"': "twice",
    'valid-before="20300101",': "cannot be read",
    "valid-before=20300101": "cannot be read",
    "foo": "cannot be read",
    'namespaces="file"': 'namespaces="file" leaves out drbook-approval',
    'namespaces=""': "leaves out",
    'namespaces="!drbook-approval,*"': "leaves out",
    'namespaces="[d]rbook-approval"': "leaves out",
}


@pytest.mark.parametrize("options", TAKEN)
def test_why_nothing_is_taken(options: str) -> None:
    why = read_options(options).not_at(AT, NAMESPACE)
    assert TAKEN[options] in why
    assert bool(why) == bool(TAKEN[options])


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing")
def test_ssh_keygen_agrees_and_names_no_path(tmp_path: Path) -> None:
    keys = People(tmp_path)
    keys.key("maria")
    signature = keys.sign("maria", "text").encode()
    for options, wrong in TAKEN.items():
        asked = Asked(keys.line("maria", options=options).encode() + b"\n", "maria", AT)
        found = check(io.BytesIO(b"text"), signature, NAMESPACE, asked, timedelta(seconds=15))
        wanted = Standing.REFUSED if wrong else Standing.GOOD
        assert found.standing is wanted, (options, found)
        assert "/" not in found.why, found.why


def test_one_good_key_of_two_is_enough(tmp_path: Path) -> None:
    keys = People(tmp_path)
    old = 'valid-before="20200101"'
    lines = [keys.line("maria", "a", old), keys.line("maria", "b"), keys.line("ben", options=old)]
    signers = read_signers("\n".join(lines))
    assert list(unable(signers, NAMESPACE, AT)) == ["ben"]
    assert unable(signers, NAMESPACE) == {}


@pytest.mark.parametrize("line", ['"', '""', '" "'])
def test_a_line_without_a_word_is_told_like_any_other(line: str) -> None:
    with pytest.raises(ValueError, match="one person's name"):
        read_signers(line)
