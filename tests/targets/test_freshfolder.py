"""Rule 2 for folders as tables."""

import pytest
from support.identities import ELSEWHERE, FAR, HERE, live, who

from drbook.core.errors import Refused
from drbook.core.freshfolder import FolderFacts, prove_fresh_folder
from drbook.core.ports import ProductionIdentity


def folder(**changed: object) -> FolderFacts:
    facts = {"path": "/incident/targets/restore-1", "kind": "absent", "parent": "private"}
    return FolderFacts(**(facts | changed))  # type: ignore[arg-type]


FOLDERS = {
    "absent": (folder(), ""),
    "empty": (folder(kind="empty", place=ELSEWHERE), "target-exists"),
    "full": (folder(kind="full", place=ELSEWHERE), "target-exists"),
    "a file": (folder(kind="file"), "target-exists"),
    "a link": (folder(kind="link"), "target-link"),
    "a dangling link": (folder(kind="dangling"), "target-link"),
    "mounted": (folder(kind="empty", place=ELSEWHERE, mounted=True), "target-mounted"),
    "bind mount of production": (
        folder(kind="full", place=HERE, mounted=True), "target-inside-production",
    ),
    "bind mount of production, not seen as one": (
        folder(kind="full", place=HERE), "target-inside-production",
    ),
    "inside production": (folder(above=(FAR, HERE), clusters=(HERE,)), "target-inside-production"),
    "inside another cluster": (folder(above=(FAR,), clusters=(FAR,)), "target-inside-production"),
    "what lies above a mount of its disk is hidden": (
        folder(hidden=(FAR, ELSEWHERE)), "target-inside-production",
    ),
    "what lies above a mount of another disk is hidden": (
        folder(hidden=(ELSEWHERE.model_copy(update={"device": 6}),)), "",
    ),
    "what lay above one before the machine started": (
        folder(hidden=(FAR,)), "",
    ),
    "beside production": (folder(above=(ELSEWHERE,)), ""),
    "a server runs in it": (folder(kind="full", server="runs"), "target-has-server"),
    "a server ran in it, or runs elsewhere": (folder(kind="full", server="ran"), "target-has-server"),
    "its parent is a link": (folder(parent="link"), "target-parent"),
    "its parent is shared": (folder(parent="shared"), "target-parent"),
    "its parent is unseen": (folder(parent="unseen"), "target-unseen"),
    "unseen": (folder(kind="unseen"), "target-unseen"),
}  # fmt: skip


@pytest.mark.parametrize("basis", ["live", "declared", "baseline"])
def test_a_number_that_a_new_folder_got_after_production_was_gone(basis: str) -> None:
    """A baseline knows a number only; what was read now stands for the folder itself."""
    known = {
        "live": live(who()),
        "declared": ProductionIdentity("declared", "v", directory=HERE),
        "baseline": ProductionIdentity("baseline", "b", identity=who(), ours=True),
    }[basis]
    facts = folder(above=(FAR, HERE))
    if basis == "baseline":
        assert "made exclusively" in prove_fresh_folder(facts, [known])
        return
    with pytest.raises(Refused):
        prove_fresh_folder(facts, [known])


def test_production_s_own_path_is_refused_whatever_lies_there() -> None:
    known = ProductionIdentity(
        "baseline", "b", who().model_copy(update={"data_directory": "/var/lib/pg"}), ours=True
    )
    for path in ("/var/lib/pg", "/var/lib/pg/incident/targets/r"):
        with pytest.raises(Refused) as caught:
            prove_fresh_folder(folder(path=path), [known])
        assert caught.value.code == "target-inside-production"
    assert prove_fresh_folder(folder(path="/var/lib/pg2/targets/r"), [known])


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("basis", ["live", "declared"])
def test_a_folder(name: str, basis: str) -> None:
    facts, expected = FOLDERS[name]
    known = live(who()) if basis == "live" else ProductionIdentity("declared", "v", directory=HERE)
    if not expected:
        assert "made exclusively" in prove_fresh_folder(facts, [known])
        return
    with pytest.raises(Refused) as caught:
        prove_fresh_folder(facts, [known])
    assert caught.value.code == expected


FOLDER_SAID = {
    "empty": ("it is an empty folder", "what stands there"),
    "full": ("it holds something", "what stands there"),
    "a file": ("it is a file", "what stands there"),
    "a link": ("is a symbolic link", "it leads somewhere else; it was not followed"),
    "a dangling link": ("is a symbolic link", "it leads nowhere; it was not followed"),
    "mounted": ("Something is mounted", "device 5 inode 200"),
    "bind mount of production": ("or lies inside it", "device 5 inode 100 (v)"),
    "inside another cluster": (
        "inside a PostgreSQL data directory", "`PG_VERSION` in device 5 inode 200. It may be production's",
    ),
    "what lies above a mount of its disk is hidden": (
        "may lie inside production's data directory", "device 5 inode 200 (v)",
    ),
    "a server runs in it": ("A PostgreSQL server runs in /incident", "its postmaster.pid"),
    "a server ran in it, or runs elsewhere": (
        "A PostgreSQL server ran, or runs in another container, in /incident", "its postmaster.pid",
    ),
    "its parent is a link": ("is a link.", "link"),
    "its parent is shared": ("can be written by others.", "shared"),
    "unseen": ("cannot be looked at", "the system refused the look"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDER_SAID)
def test_what_a_refusal_of_a_folder_says(name: str) -> None:
    facts, _ = FOLDERS[name]
    what, compared = FOLDER_SAID[name]
    known = ProductionIdentity("declared", "v", directory=HERE)
    with pytest.raises(Refused) as caught:
        prove_fresh_folder(facts, [known])
    assert what in caught.value.what
    assert f"Compared: {compared}" in caught.value.means


def test_a_folder_s_path_is_shown_plainly() -> None:
    with pytest.raises(Refused) as caught:
        prove_fresh_folder(folder(path="/x\x1b[2J" + "y" * 500, kind="full"), [])
    assert "\x1b" not in caught.value.what
    assert len(caught.value.what) < 500


def test_a_production_whose_directory_nobody_knows_is_nowhere() -> None:
    """Two that are unknown are not the same."""
    assert prove_fresh_folder(folder(), [live(who(place=None))])
    assert prove_fresh_folder(folder(), [ProductionIdentity("declared", "v")])


@pytest.mark.parametrize("known", [[], [live(who(place=None))]])
def test_inside_a_data_directory_while_production_s_is_not_known(
    known: list[ProductionIdentity],
) -> None:
    with pytest.raises(Refused) as caught:
        prove_fresh_folder(folder(above=(FAR, HERE), clusters=(HERE,)), known)
    assert caught.value.code == "target-inside-production"
    assert prove_fresh_folder(folder(hidden=(HERE,)), known)
