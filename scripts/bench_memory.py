"""How much memory a training step takes; run it as ``.venv/bin/python scripts/bench_memory.py``.

Each contender of ``bench_kernels.py`` makes two steps in a process of its own; told is the most that the process held
at once beyond what it held before the first, gradients among it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from bench_kernels import SIZES, Step, ours, theirs
from torch import nn

from seqlab.cells.vanilla import VanillaRNN
from seqlab.products import fast_products

MAKERS = {
    "nn.RNN": lambda size: theirs(size, nn.RNN),
    "nn.LSTM": lambda size: theirs(size, nn.LSTM),
    "vanilla, torch": lambda size: ours(size, VanillaRNN, engine="torch"),
    "vanilla, native": lambda size: ours(size, VanillaRNN, engine="native"),
}


def held() -> float:
    """The most megabytes that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def taken(size: str, name: str, results: multiprocessing.Queue) -> None:
    """What the steps of one contender take, put into a queue."""
    torch.set_num_threads(1)
    for library in (nullcontext(), fast_products):  # what they take is not the step's
        with library:
            torch.mm(torch.ones(64, 64), torch.ones(64, 64)).sum()
    step: Step = MAKERS[name](SIZES[size])
    before = held()
    step()
    step()
    results.put(held() - before)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    spawning = multiprocessing.get_context("spawn")
    print(f"{'MB':<14}" + "".join(f"{name:>17}" for name in MAKERS) + f"{'native / nn.RNN':>17}")
    for size in SIZES:
        row = found[size] = {}
        for name in MAKERS:
            results = spawning.Queue()
            process = spawning.Process(target=taken, args=(size, name, results))
            process.start()
            row[name] = results.get()
            process.join()
        ratio = row["vanilla, native"] / row["nn.RNN"]
        print(f"{size:<14}" + "".join(f"{value:>17.1f}" for value in row.values()) + f"{ratio:>17.2f}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
