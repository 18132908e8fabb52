"""`python -m bench.lighthouse`: the public pages as Lighthouse sees them on a phone, each as the median of three.

The pages are those of the sitemap, the searches, and three behind the gate. Lighthouse is fetched by npm into
`.tools/lighthouse`, as pinned in `bench/tools`; it drives Debian's Chromium against a portal of its own on loopback.
Prints a table and ends with status 1 when a score is below 100. The pages behind the gate, and lists of what was
found, are kept from search engines on purpose, so there it is not asked whether they may be listed. `--runs 1` and
`--only /newsletter` are for a first look; a busy machine costs points of performance and of nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.browser_tools import ARGUMENTS, TOOLS, chromium
from tests.live import ROOT, Live

WANTED = ROOT / "bench" / "tools"
HOME = TOOLS / "lighthouse"
CLI = HOME / "node_modules" / "lighthouse" / "cli" / "index.js"
RUNS = 3
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
# What the sitemap does not list: what was searched for, and behind the gate.
UNLISTED = ("/search?q=opioids", "/es/buscar?q=cirugia")
GATED = ("/prescribers", "/prescribers/evidence", "/prescribers/prescription", "/prescribers/dosing")


def install() -> None:
    """Fetch what is pinned, where it is not there yet."""
    if CLI.exists():
        return
    HOME.mkdir(parents=True, exist_ok=True)
    for file in WANTED.glob("*.json"):
        shutil.copy(file, HOME)
    flags = ("--ignore-scripts", "--no-audit", "--no-fund")
    subprocess.run(["npm", "ci", "--prefix", str(HOME.resolve()), *flags], check=True)


def look(url: str, browser: str, report: Path) -> dict[str, Any]:
    """One run; its report."""
    command = [
        *("node", str(CLI), url, "--quiet", "--output=json", f"--output-path={report}"),
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags=--headless {' '.join(ARGUMENTS)}",
        *(["--skip-audits=is-crawlable"] if url.endswith((*UNLISTED, *GATED)) else []),
        f"--extra-headers={json.dumps({'Cookie': 'professional=yes'})}",
    ]
    for tries_left in (2, 1, 0):  # now and then it records nothing, and asks to be run again
        done = subprocess.run(
            command, env={**os.environ, "CHROME_PATH": browser}, cwd=report.parent, check=False
        )
        if done.returncode == 0:
            break
        if not tries_left:
            sys.exit(f"Lighthouse failed at {url}")
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def listed(base: str) -> list[str]:
    """The paths in the sitemap."""
    with urllib.request.urlopen(f"{base}/sitemap.xml") as answer:
        return [
            re.sub(r"^https?://[^/]+", "", at)
            for at in re.findall(r"<loc>(.*?)</loc>", answer.read().decode())
        ]


def main() -> None:
    """Look at every page and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", default="", help="pages whose path holds this")
    chosen = parser.parse_args()
    browser = chromium()
    if browser is None or not shutil.which("npm"):
        sys.exit("needs Chromium and npm: apt-get install chromium npm")
    install()
    is_perfect = True
    print(
        f"{'page':<28}{'perf':>6}{'a11y':>6}{'best':>6}{'SEO':>6}{'LCP s':>8}{'CLS':>6}{'KB':>7}{'requests':>10}"
    )
    with tempfile.TemporaryDirectory() as folder:
        live = Live(Path(folder) / "instance").migrate()
        try:
            live.start_web()
            for path in (*listed(live.base), *UNLISTED, *GATED):
                if chosen.only not in path:
                    continue
                report = Path(folder) / "report.json"
                reports = [look(live.base + path, browser, report) for _ in range(chosen.runs)]
                is_perfect &= print_line(path, reports)
        finally:
            live.stop()
    sys.exit(0 if is_perfect else 1)


def print_line(path: str, reports: list[dict[str, Any]]) -> bool:
    """One page's medians, and below them what cost a point; returns whether nothing did."""

    def middle(read: Any) -> float:
        return statistics.median(read(report) for report in reports)

    scores = [middle(lambda report, of=of: report["categories"][of]["score"] * 100) for of in CATEGORIES]
    lcp = middle(lambda report: report["audits"]["largest-contentful-paint"]["numericValue"] / 1000)
    shift = middle(lambda report: report["audits"]["cumulative-layout-shift"]["numericValue"])
    size = middle(lambda report: report["audits"]["total-byte-weight"]["numericValue"] / 1024)
    requests = middle(lambda report: len(report["audits"]["network-requests"]["details"]["items"]))
    marks = "".join(f"{score:>6.0f}" for score in scores)
    print(f"{path:<28}{marks}{lcp:>8.2f}{shift:>6.2f}{size:>7.1f}{requests:>10.0f}")
    last = reports[-1]
    for of in CATEGORIES:
        for reference in last["categories"][of]["auditRefs"]:
            audit = last["audits"][reference["id"]]
            if reference["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                print(f"    {of}: {audit['title']} ({audit.get('displayValue', audit['score'])})")
    return all(round(score) == 100 for score in scores)


if __name__ == "__main__":
    main()
