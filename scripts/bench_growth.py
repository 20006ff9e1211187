"""How a training step grows with T, H, K and B; run it as ``.venv/bin/python scripts/bench_growth.py``.

Each is doubled from a small model, the others as they are: milliseconds of processor time by PyTorch's ``nn.RNN`` and
by each engine of the vanilla cell, in turn, and how much faster the native engine is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from bench_kernels import Size, ours, theirs
from torch import nn

from seqlab.cells.vanilla import VanillaRNN

BASE = Size("base", B=16, T=64, H=64, K=32)
VALUES = {"T": (64, 256, 1024), "H": (32, 64, 128, 256), "K": (8, 32, 512, 4096), "B": (1, 4, 16, 64, 256)}


def measure(size: Size, seconds: float) -> dict[str, float]:
    """Milliseconds of each contender, and the median ratio."""
    steps = {"nn.RNN": theirs(size, nn.RNN)}
    steps |= {engine: ours(size, VanillaRNN, engine=engine) for engine in ("torch", "native")}
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(taken["native"]) < 5:
        for name, step in steps.items():
            begun = time.process_time()
            step()
            taken[name].append(time.process_time() - begun)
    times = statistics.median(a / b for a, b in zip(taken["nn.RNN"], taken["native"], strict=True))
    return {**{name: 1e3 * statistics.median(values) for name, values in taken.items()}, "times": times}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each size")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    print(f"B {BASE.B}, T {BASE.T}, H {BASE.H}, K {BASE.K} but for one; ms; load {os.getloadavg()[0]:.1f}\n")
    print(f"{'':<10}{'nn.RNN':>10}{'torch':>10}{'native':>10}{'× nn.RNN':>10}")
    found: dict[str, dict[str, float]] = {}
    for letter, values in VALUES.items():
        for value in values:
            row = found[f"{letter} {value}"] = measure(replace(BASE, **{letter: value}), given.seconds)
            print(f"{letter} {value:<8}" + "".join(f"{number:>10.2f}" for number in row.values()), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
