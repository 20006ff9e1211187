"""What a comparison costs, and how sure its intervals are; run it as ``.venv/bin/python scripts/bench_compare.py``.

Makes run folders as sweeps of several sizes would leave them (``--runs 60,2000``): three tasks, four cells, five seeds,
and as many learning rates as it takes. Times what is asked of them, each command in a process of its own, and in
Chromium, where there is one, how long a page is drawn (``--drawn 500``). Then draws scores from known laws and counts
how often 95 % intervals hold what they should (``--trials 2000``). ``--json FILE`` writes all of it, too.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import trim_mean

from seqlab import lines
from seqlab.compare.across import DRAWS, interquartile_mean
from seqlab.compare.statistics import mean
from seqlab.config import composed
from seqlab.identity import group_of
from seqlab.ledger import NAMES
from seqlab.runs import Run

TASKS, CELLS, SEEDS, VALIDATIONS = ("adding", "copy", "parity"), ("vanilla", "gru", "lstm", "attention"), 5, 50
EACH = len(TASKS) * len(CELLS) * SEEDS
DRAWN = """<script>
const frames = (n, then) => n ? requestAnimationFrame(() => frames(n - 1, then)) : then(performance.now());
const tell = (told) => { new Image().src = "http://127.0.0.1:PORT/?" + new URLSearchParams(told); };
addEventListener("load", () => frames(3, (first) => {
  dispatchEvent(new Event("beforeprint"));
  frames(3, (all) => tell({ first, all, plots: document.querySelectorAll(".main-svg").length }));
}));
</script>"""
"""What a page is to say when what is seen of it first has been drawn, and when all of it has been."""


def sweep(root: Path, n: int) -> None:
    """So many finished runs, with what they said as they learned."""
    rng = np.random.default_rng(0)
    rates = range(math.ceil(n / EACH))
    for i, (rate, task, cell, seed) in enumerate(product(rates, TASKS, CELLS, range(SEEDS))):
        if i < n:
            config = {**config_of(task, cell), "seed": seed, "runs_dir": str(root)}
            config["optimizer"] = {**config["optimizer"], "lr": 0.1 / (rate + 1)}
            group = group_of(config, task, cell)
            level = 0.02 * (1 + CELLS.index(cell)) * (1 + rate / 10) * float(np.exp(rng.normal(0, 0.3)))
            fill(Run({**config, "id": f"{group}-s{seed}", "group": group}), level, rng)


@cache
def config_of(task: str, cell: str) -> dict[str, Any]:
    """A whole configuration, whose own seed is 0."""
    return composed(["trainer=cpu", "logger=none", f"data={task}", f"cell={cell}", "seed=0"]).config


def fill(run: Run, level: float, rng: np.random.Generator) -> None:
    """A run's folder, where validation fell from chance to a level."""
    run.prepare()
    steps = np.arange(1, VALIDATIONS + 1) * 100
    values = level + (0.2 - level) * np.exp(-steps / 1000) * rng.uniform(0.8, 1.2, VALIDATIONS)
    with (run.folder / NAMES["metrics"]).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "step", "train/loss", "val/loss", "train/tokens", "train/seconds"])
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            writer.writerow([0, step - 1, value, "", "", ""])
            writer.writerow([0, step - 1, "", value, 1000 * step, step / 50])
    said = [{"step": int(step), "input": "abc_" * 5, "said": "abd", "truth": "abc"} for step in steps for _ in range(5)]
    lines.append(run.folder / NAMES["samples"], said)
    summary = {
        "status": "finished", "metric": {"name": "loss", "goal": "min", "unit": "nats"},
        "references": {"chance": 0.2, "best": 0.0}, "best": {"val/loss": float(values.min())},
        "test": {"test/loss": level}, "parameters": 20041, "state_size": 128, "hidden_size": 64, "seconds": 100.0,
        "tokens_per_second": 5e4, "peak_memory": 5e8, "steps": 5000, "data": run.config["choices"]["data"],
        "fingerprint": "70eddd7a50bb0589", "commit": "b09da97e03af", "ended": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    (run.folder / NAMES["summary"]).write_text(json.dumps(summary))


def command(*words: str) -> dict[str, float]:
    """Seconds by the clock and of the processor, and megabytes at the peak, of a process of Python.

    Linux counts the memory of who starts a process as the process's own, so the peak is never told below this script's.
    """
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: ended with {process.returncode}")
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "processor": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1e3}


READ = """
import sys; from pathlib import Path
from seqlab.compare import answer, read, sections
records = read.read([Path(sys.argv[1])])
"""
ANSWERS = f"{READ}\n[answer.answer(section).words for section in sections.sections(records)]"


def times(n: int, drawn: bool) -> dict[str, Any]:
    """What is asked of so many folders, and what each costs; the page, and the best of three times it was opened."""
    with tempfile.TemporaryDirectory() as root:
        sweep(Path(root, "runs"), n)
        page = Path(root, "report.html")
        told: dict[str, Any] = {
            "runs": n,
            "read": command("-c", READ, root),
            "answers": command("-c", ANSWERS, root),
            "compare": command("-m", "seqlab", "compare", root),
            "compare --html": command("-m", "seqlab", "compare", root, "--html", str(page)),
            "page": page.stat().st_size / 1e6,
        }
        opens = [once for _ in range(3) if drawn and (once := opened(page))]
        return told | ({"drawn": min(opens, key=lambda once: once["first"])} if opens else {})


def opened(page: Path) -> dict[str, float] | None:
    """How long Chromium takes to draw a page, in seconds since it was asked for; ``None`` where there is none."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        return None
    heard: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with (
        HTTPServer(("127.0.0.1", 0), Listener) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        server.timeout = 60
        asks = DRAWN.replace("PORT", str(server.server_port))
        copy = page.with_name("copy.html")
        text = page.read_text("utf-8").replace("img-src", f"img-src http://127.0.0.1:{server.server_port}")
        copy.write_text(text.replace("</body>", f"{asks}</body>"), encoding="utf-8")
        words = [
            browser,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            copy.as_uri(),
        ]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            server.handle_request()
        finally:
            process.terminate()
            process.wait()
    if not heard:
        return None
    told = dict(part.split("=") for part in heard[0].partition("?")[2].split("&"))
    return {"first": float(told["first"]) / 1e3, "all": float(told["all"]) / 1e3, "plots": int(told["plots"])}


LAWS: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
    "normal": (lambda rng, n: rng.standard_normal(n), 0.0),
    "lognormal": (lambda rng, n: rng.lognormal(0.0, 1.0, n), math.exp(0.5)),
    "bimodal": (lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, 1.0) + 0.05 * rng.standard_normal(n), 0.3),
}
"""Scores of seeds, and their true mean; the last is of runs of which 70 % solve a task."""


def covered(law: str, n: int, trials: int) -> dict[str, Any]:
    """How often the intervals for a mean over n seeds hold it: ours, and the percentile bootstrap's, which is not."""
    (draw, truth), rng = LAWS[law], np.random.default_rng(0)
    samples = [draw(rng, n) for _ in range(trials)]
    t = [abs(found.value - truth) <= found.half_width for found in map(mean, samples)]
    drawn = [x[rng.integers(n, size=(DRAWS, n))].mean(1) for x in samples]
    ends = [np.quantile(means, [0.025, 0.975]) for means in drawn]
    inside = [low <= truth <= high for low, high in ends]
    return {"law": law, "n": n, "t": float(np.mean(t)), "bootstrap": float(np.mean(inside))}


def covered_across(tasks: int, seeds: int, trials: int) -> dict[str, Any]:
    """How often the interval for the interquartile mean over tasks of unlike levels holds it."""
    levels, rng = np.linspace(0.3, 0.9, tasks)[:, None], np.random.default_rng(0)
    truth = trim_mean((levels + 0.1 * rng.standard_normal((tasks, 100_000))).ravel(), 0.25)
    found = [interquartile_mean(list(levels + 0.1 * rng.standard_normal((tasks, seeds)))) for _ in range(trials)]
    inside = np.mean([each.low <= truth <= each.high for each in found])
    return {"tasks": tasks, "seeds": seeds, "bootstrap": float(inside)}


def show_times(told: dict[str, Any]) -> None:
    """What was asked of so many runs, a line each."""
    print(f"{told['runs']:,} runs")
    for name, cost in told.items():
        if isinstance(cost, dict) and "processor" in cost:
            print(
                f"  {name:<18}{cost['seconds']:8.2f} s{cost['processor']:8.2f} s of the processor"
                f"{cost['megabytes']:8.0f} MB at the peak"
            )
    print(f"  {'the page':<18}{told['page']:8.1f} MB")
    if drawn := told.get("drawn"):
        print(
            f"  {'in a browser':<18}{drawn['first']:8.2f} s until it is seen, {drawn['all']:.2f} s until all is drawn"
        )
    print(flush=True)


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="60,2000", metavar="N,N", help="how many folders")
    parser.add_argument("--drawn", type=int, default=500, metavar="N", help="of how many runs a page is drawn; 0: none")
    parser.add_argument("--trials", type=int, default=2000, metavar="N", help="of each law; 0: none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where it is written, too")
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    told: dict[str, list[dict[str, Any]]] = {"times": [], "means": [], "across": []}
    for n in sorted({n for n in (*map(int, filter(None, given.runs.split(","))), given.drawn) if n}):
        told["times"].append(times(n, n == given.drawn))
        show_times(told["times"][-1])
    for law, n in product(LAWS, (3, 5, 10, 20)) if given.trials else ():
        told["means"].append(covered(law, n, given.trials))
        print(
            "{law:<12}n = {n:<4}t {t:.3f}   percentile bootstrap {bootstrap:.3f}".format(**told["means"][-1]),
            flush=True,
        )
    for tasks, seeds in product((3, 6, 12), (3, 5, 10)) if given.trials else ():
        told["across"].append(covered_across(tasks, seeds, given.trials))
        print(
            "{tasks:>2} tasks, {seeds:>2} seeds: interquartile mean {bootstrap:.3f}".format(**told["across"][-1]),
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
