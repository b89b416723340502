"""The short form of `tamper.py`, and that it can fail: a bundle that nobody looks into, and a deaf recipe."""

import io
import shutil
from pathlib import Path

import pytest
from support.bundles import incident

from campaigns import tamper
from campaigns.tamper import Findings, Sealed, campaign, flip, sealed
from drbook.app.bundlecheck import look_in
from drbook.core.bundle import Looked
from drbook.providers import plainzip

pytestmark = pytest.mark.skipif(
    any(shutil.which(one) is None for one in ("ssh-keygen", "jq", "unzip")),
    reason="ssh-keygen, jq or unzip is missing",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    folder = tmp_path_factory.mktemp("tamper")
    return sealed(folder, incident(folder), mebibytes=1)


def test_a_file_of_other_systems_is_in_it(bundle: Sealed) -> None:
    with bundle.path.open("rb") as stream:
        sizes = [one.size for one in plainzip.members(stream) if one.name.startswith("artifacts/")]
        assert look_in(stream).problems == ()
    assert len(sizes) == 2
    assert max(sizes) > 1_000_000


def test_every_kind_of_change_is_found(bundle: Sealed) -> None:
    found = campaign(bundle, small=0, sample=4, every=13)
    assert found.unseen == []
    assert found.flips > 100
    assert found.changes > 10


def test_what_an_insider_signs_is_found_by_what_the_record_says(
    bundle: Sealed, tmp_path: Path
) -> None:
    """The accepted key signs it, the journal is true: only making everything again finds it."""
    data, unseen = bundle.path.read_bytes(), []
    for name, changed in tamper.forged(tmp_path / "forged.zip", data):
        if name.startswith("insider: ") and not look_in(io.BytesIO(changed)).problems:
            unseen.append(name)
    assert unseen == []


def test_a_check_that_passes_everything_is_found_out(
    bundle: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tamper, "look_in", lambda stream: Looked())
    found = Findings()
    flip(bundle.path.read_bytes(), range(0, 500, 100), found)
    assert len(found.unseen) == found.flips == 5


def test_a_recipe_that_says_yes_is_found_out(
    bundle: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tamper, "recipe", lambda folder: True)
    found = Findings()
    data = bundle.path.read_bytes()
    tamper.try_change(bundle, "cut", data[:-1], found, thrice=False)
    bundle.path.write_bytes(data)
    assert found.unseen == ["cut, under the given signature, by the recipe"]
    assert look_in(io.BytesIO(data)).problems == ()
