"""Photographs the portal as people meet it: `python -m tests.screenshots`, or `make screenshots`.

The scenes of `tests/scenes.py` that name a picture become `screenshots/<picture>-desktop.png` (1280 px wide) and
`<picture>-phone.png` (390 px), some in the dark and on paper too; git ignores the folder. The same scene gives the
same picture, but for references, which are drawn by lot. `--whole` keeps whole pages instead of what one sees first,
`--all` every scene, for whoever looks for faults; `--docs` renews the few in `docs/screenshots/`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser_tools import ARGUMENTS, chromium
from tests.live import ROOT
from tests.scenes import SCENES, Scene
from tests.stage import Stage, Theatre

FOLDER = ROOT / "screenshots"
SHOWN = ROOT / "docs" / "screenshots"
DESKTOP = (1280, 900)  # CSS pixels
PHONE = (390, 844)
PAPER = (816, 1056)  # US letter at 96 to the inch
PAPER_MARGIN = "0.45in"  # what the stylesheet asks of a printer
TALLEST = 1600  # a phone's picture shows two screens; no picture is taller
FORCED = "forced"


class Camera:
    """Takes pictures of whatever stands on the stage."""

    def __init__(self, folder: Path, *, whole: bool) -> None:
        self.folder, self.whole = folder, whole
        self.taken: list[Path] = []

    def take(self, stage: Stage, name: str, *more: str) -> None:
        """At a desk and on a phone; with "dark", "forced" or "print" that way too."""
        for way in ("", *(way for way in more if way != "print")):
            ending = f"-{way}" if way else ""
            stage.page.emulate_media(
                color_scheme="dark" if way == "dark" else "light",
                forced_colors="active" if way == FORCED else "none",
            )
            self._keep(stage, f"{name}{ending}-desktop", DESKTOP, DESKTOP[1])
            self._keep(stage, f"{name}{ending}-phone", PHONE, TALLEST)
        stage.page.emulate_media(color_scheme="light", forced_colors="none")
        if "print" in more:
            stage.page.emulate_media(media="print")
            stage.page.evaluate(f"document.documentElement.style.padding = '{PAPER_MARGIN}'")
            self._keep(stage, f"{name}-print", PAPER, PAPER[1])

    def _keep(self, stage: Stage, name: str, size: tuple[int, int], tall: int) -> None:
        page = stage.page
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.evaluate("window.scrollTo(0, 0)")
        height = int(page.evaluate("document.documentElement.scrollHeight"))
        file = self.folder / f"{name}.png"
        clip = {"x": 0, "y": 0, "width": size[0], "height": height if self.whole else min(height, tall)}
        page.screenshot(path=file, full_page=True, clip=clip)  # type: ignore[arg-type]
        self.taken.append(file)


def name_of(scene: Scene) -> str:
    """What its picture is called."""
    return scene.pictures[0] if scene.pictures else re.sub(r"[^a-z0-9]+", "-", scene.name.lower()).strip("-")


def main() -> None:
    """Take every picture; prints what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    parser.add_argument("--whole", action="store_true", help="whole pages, however tall")
    parser.add_argument("--all", action="store_true", help="every scene, not only those that name a picture")
    parser.add_argument("--docs", action="store_true", help="renew the pictures that the documentation shows")
    parser.add_argument("--only", default="", help="scenes whose name holds these words")
    chosen = parser.parse_args()
    browser_path = chromium()
    if browser_path is None:
        sys.exit("no Chromium here: apt-get install chromium")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    camera = Camera(chosen.folder, whole=chosen.whole)
    scenes = [each for each in SCENES if (each.pictures or chosen.all) and chosen.only in each.name]
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        Theatre.open(Path(folder)) as house,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        # The guide is typeset when it is first asked for; from then on the page offers it with its size.
        Stage(house, browser).as_professional().page.request.get("/prescribers/guide.pdf")
        for scene in scenes:
            house.set_back()
            stage = Stage(house, browser)
            scene.act(stage)
            camera.take(stage, name_of(scene), *scene.pictures[1:])
            stage.close()
        browser.close()
    if chosen.docs:
        for file in SHOWN.glob("*.png"):
            if (new := chosen.folder / file.name) in camera.taken:
                shutil.copy(new, file)
    size = sum(file.stat().st_size for file in camera.taken)
    sys.stdout.write(f"{len(camera.taken)} pictures, {size / 2**20:.1f} MB, in {chosen.folder}\n")


if __name__ == "__main__":
    main()
