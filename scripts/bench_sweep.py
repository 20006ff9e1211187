"""How many whole jobs a sweep makes in a minute; run it as ``.venv/bin/python scripts/bench_sweep.py``.

Small runs of several seeds, from the command to the last summary: by PyTorch's ``nn.RNN`` one after the other in one
process, and by the vanilla cell in the same way, with as many processes as there are cores, and packed into these; and
by LSTMs.

    bench_sweep.py --jobs 16 --json sweep.json cell.hidden_size=32 data.length=50
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = {
    "rnn, one after the other": ["cell=rnn", "hydra/launcher=in_process"],
    "vanilla, one after the other": ["cell=vanilla", "hydra/launcher=in_process"],
    "rnn, a process for each": ["cell=rnn", "hydra/launcher=local"],
    "vanilla, a process for each": ["cell=vanilla", "hydra/launcher=local"],
    "vanilla, packed": ["cell=vanilla", "hydra/launcher=packed"],
    "lstm, a process for each": ["cell=lstm", "hydra/launcher=local"],
    "lstm_native, a process for each": ["cell=lstm_native", "hydra/launcher=local"],
    "lstm_native, packed": ["cell=lstm_native", "hydra/launcher=packed"],
}
JOB = ["data=adding", "logger=none", "trainer=cpu", "trainer.max_epochs=5"]


def seconds(way: list[str], jobs: int, words: list[str]) -> float:
    """What one sweep takes."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = ",".join(str(seed) for seed in range(1, jobs + 1))
        command = [sys.executable, "-m", "seqlab", "train", "-m", *JOB, *way, *words, f"seed={seeds}"]
        begun = time.monotonic()
        subprocess.run(
            [*command, f"runs_dir={folder}"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return time.monotonic() - begun


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("words", nargs="*", metavar="key=value", help="as for seqlab train")
    given = parser.parse_args()
    print(f"{given.jobs} × {' '.join([*JOB, *given.words])}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    found: dict[str, float] = {}
    for name, way in WAYS.items():
        found[name] = seconds(way, given.jobs, given.words)
        rate, times = 60 * given.jobs / found[name], next(iter(found.values())) / found[name]
        print(f"{name:<32}{found[name]:>8.1f} s{rate:>8.1f} a minute{times:>7.2f} ×", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
