"""The report as a person opens it: from disk, in a browser, with no network."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from folders import answers, put, says, validated
from seqlab.compare.report import report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")

WATCH = """<script>
const seen = { errors: [], refused: [] };
addEventListener("error", (event) => seen.errors.push(event.message));
addEventListener("unhandledrejection", (event) => seen.errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => seen.refused.push(event.blockedURI));
</script>"""
"""What is put before all else on a copy of the page: it notes what goes wrong."""

TRY = """<script>
const plot = [...document.querySelectorAll(".plot")].find((plot) => plot.parentElement.querySelector("[name=seeds]"));
const find = (name) => plot.parentElement.querySelector(`[name=${name}]`);
const change = (control) => control.dispatchEvent(new Event("change", { bubbles: true }));
const state = () => ({
  seeds: plot.data.filter((trace) => trace.meta === "seed").map((trace) => trace.visible),
  others: plot.data.filter((trace) => trace.meta !== "seed").map((trace) => trace.visible ?? true),
  title: plot.layout.xaxis.title.text,
  last: plot.data.at(-1).x.at(-1),
  lines: plot.querySelectorAll(".scatterlayer .trace").length,
});
const pause = () => new Promise((then) => setTimeout(then, 300));
addEventListener("load", async () => {
  dispatchEvent(new Event("beforeprint"));
  await pause();
  seen.before = state();
  find("seeds").checked = true;
  change(find("seeds"));
  await pause();
  seen.shown = state();
  find("axis").value = "seconds";
  change(find("axis"));
  await pause();
  seen.chosen = state();
  find("seeds").checked = false;
  change(find("seeds"));
  await pause();
  seen.hidden = state();
  seen.axes = [...find("axis").options].map((option) => option.text);
  seen.plots = document.querySelectorAll(".plot").length;
  seen.drawn = document.querySelectorAll(".plot .main-svg .plot").length;
  seen.empty = [...document.querySelectorAll(".plot")].filter((plot) => !plot.querySelector(".main-svg")).length;
  seen.asked = performance.getEntriesByType("resource").map((entry) => entry.name);
  seen.width = [document.documentElement.scrollWidth, innerWidth];
  seen.wide = [...document.querySelectorAll("body *")].filter((each) => {
    return !each.closest(".scroll, svg") && each.getBoundingClientRect().right > innerWidth + 1;
  }).map((each) => each.outerHTML.slice(0, 80));
  seen.names = [...document.querySelectorAll(".plot, .scroll, table")].every((each) => each.ariaLabel);
  document.body.dataset.seen = JSON.stringify(seen);
});
</script>"""
"""What is put after all else: it does what a person would do, and notes what comes of it."""


def made_up(root: Path) -> None:
    """60 runs: three tasks, four cells, five seeds, of which some have no result and one a name of markup."""
    for task in ("adding", "copy", "parity"):
        for i, cell in enumerate(("lstm", "gru", "vanilla", "<b>mine</b>"), 1):
            for seed in range(1, 6):
                lost = (cell, seed) == ("vanilla", 5)
                score = None if lost else 0.02 * i + 0.003 * seed
                choices = {"data": task, "cell": cell}
                run = put(
                    root, f"cell{i}", seed, score, "failed" if lost else "finished", data_set=task, choices=choices
                )
                level = score or 0.1
                validated(run, {100 * k: level + 0.15 * math.exp(-k / 5) for k in range(1, 31)})
                says(run, {"step": 3000, "input": "abc" * 60, "said": "<script>no</script>", "truth": "abd"})


def opened(page: Path, width: int) -> tuple[dict[str, Any], list[str]]:
    """What a window of that many pixels saw, and what the console said."""
    text = page.read_text("utf-8")
    copy = page.with_name(f"copy-{width}.html")
    copy.write_text(text.replace("<title>", f"{WATCH}<title>", 1).replace("</body>", f"{TRY}</body>"), encoding="utf-8")
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / str(width)}"]
    words += ["--enable-logging=stderr", "--v=0", f"--window-size={width},900", "--virtual-time-budget=20000"]
    answer = subprocess.run(
        [str(BROWSER), *words, "--dump-dom", copy.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    (seen,) = re.findall(r'<body[^>]* data-seen="([^"]*)"', answer.stdout)
    return json.loads(unescape(seen)), [line for line in answer.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 60 runs."""
    root = tmp_path_factory.mktemp("report")
    made_up(root / "runs")
    (root / "report.html").write_text(report(answers(root / "runs"), []), encoding="utf-8")
    return root / "report.html"


@pytest.fixture(scope="module")
def wide(page: Path) -> tuple[dict[str, Any], list[str]]:
    """As a window of 1,200 pixels saw it."""
    return opened(page, 1200)


def test_nothing_goes_wrong_and_nothing_leaves_the_page(wide: tuple[dict[str, Any], list[str]]) -> None:
    """No error, no word on the console, no request, and none that was tried and refused."""
    seen, console = wide
    assert console == []
    assert (seen["errors"], seen["refused"], seen["asked"]) == ([], [], [])


def test_every_figure_is_drawn_and_has_a_name(wide: tuple[dict[str, Any], list[str]]) -> None:
    """Three for each task, and the profile; whoever cannot see them is told what they are."""
    seen, _ = wide
    assert (seen["plots"], seen["empty"]) == (10, 0)
    assert seen["names"]


def test_single_seeds_are_shown_and_hidden_again(wide: tuple[dict[str, Any], list[str]]) -> None:
    """And nothing else is hidden; four lines more are drawn, one for each cell."""
    seen, _ = wide
    assert seen["before"]["seeds"] == [False] * 4
    assert seen["shown"]["seeds"] == [True] * 4
    assert seen["hidden"]["seeds"] == [False] * 4
    assert seen["shown"]["others"] == seen["hidden"]["others"] == [True] * 8
    assert seen["shown"]["lines"] - seen["before"]["lines"] == 4


def test_another_axis_may_be_chosen(wide: tuple[dict[str, Any], list[str]]) -> None:
    """With its title, and all of its values: 3,000 steps were 1,500 seconds."""
    seen, _ = wide
    assert seen["axes"] == ["steps", "tokens", "seconds"]
    assert (seen["shown"]["title"], seen["shown"]["last"]) == ("steps", 3000)
    assert (seen["chosen"]["title"], seen["chosen"]["last"]) == ("seconds", 1500)


def test_nothing_is_wider_than_a_phone(page: Path) -> None:
    """At 420 pixels tables scroll within themselves, and the page does not."""
    seen, console = opened(page, 420)
    scrolled, window = seen["width"]
    assert console == []
    assert window <= 500  # the least that a window of Chromium can be
    assert scrolled <= window
    assert seen["wide"] == []
