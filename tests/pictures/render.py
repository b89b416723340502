"""Render the README's pictures into assets/, from the recorded drill.

python tests/pictures/render.py               the README's pictures
python tests/pictures/render.py --snapshots   what the tests hold every screen to, too
python tests/pictures/render.py --anew        lead the demo again first, and record it
python tests/pictures/render.py --look DIR    every scene, size and theme as SVG, to be looked at
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pictures.drawn import told
from pictures.scenes import SCENES, Scene
from pictures.studio import SIZES, THEMES, Size, paint, seen

ASSETS = Path(__file__).parents[2] / "assets"
SNAPSHOTS = Path(__file__).with_name("snapshots")
BY_NAME = {scene.name: scene for scene in SCENES}

PICTURES: dict[str, tuple[Scene, Size]] = {
    "home.svg": (BY_NAME["home"], (120, 40)),
    "incident.svg": (BY_NAME["incident"], (120, 40)),
    "backups.svg": (BY_NAME["backups"], (120, 40)),
    "restoring.svg": (BY_NAME["restoring"], (120, 40)),
    "tables.svg": (BY_NAME["tables"], (120, 40)),
    "confirmation.svg": (BY_NAME["confirmation"], (120, 40)),
    "small.svg": (BY_NAME["beside"], (80, 24)),
}
"""By file: what it shows and on how large a terminal."""


def picture(name: str) -> str:
    scene, size = PICTURES[name]
    return paint(scene, size, THEMES[:1])[THEMES[0]]


def snapshot_file(scene: Scene, size: Size) -> Path:
    return SNAPSHOTS / f"{scene.name}-{size[0]}x{size[1]}.txt"


def write_snapshots() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for old in SNAPSHOTS.glob("*.txt"):
        old.unlink()
    for scene in SCENES:
        for size in SIZES:
            snapshot_file(scene, size).write_text(told(seen(scene, size)), encoding="utf-8")


def write_all(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        for size in SIZES:
            for theme, svg in paint(scene, size).items():
                (folder / f"{scene.name}-{size[0]}-{theme}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--anew", action="store_true", help="lead the demo again, and record it")
    parser.add_argument("--snapshots", action="store_true", help="rewrite the snapshots, too")
    parser.add_argument(
        "--look", type=Path, metavar="DIR", help="write every picture there instead"
    )
    given = parser.parse_args()
    if given.anew:
        from pictures.recording import record

        record()
    if given.look is not None:
        write_all(given.look)
        return
    for name in PICTURES:
        (ASSETS / name).write_text(picture(name), encoding="utf-8")
    if given.snapshots:
        write_snapshots()


if __name__ == "__main__":
    main()
