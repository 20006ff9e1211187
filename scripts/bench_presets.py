"""How long each preset takes; run it as ``.venv/bin/python scripts/bench_presets.py hochreiter1997``.

A few steps of one seed are made and measured, as ``seqlab train --dry-run`` does. Where training ends with success, it
is reckoned up to the sequences that the paper needed. Words choose presets by parts of their names; overrides hold for
all of them.
"""

from __future__ import annotations

import os
import sys

from seqlab.config import composed
from seqlab.errors import SeqlabError
from seqlab.plugins import options
from seqlab.rehearsal import apart, rehearse
from seqlab.runs import Run
from seqlab.terminal import duration


def preset(name: str, overrides: list[str]) -> tuple[Run, str]:
    """The run to measure, and what it is reckoned up to."""
    overrides = [f"experiment={name}", "logger=none", *overrides]
    run = composed(overrides)
    published = run.config["published"] or {}
    sequences = [value for key, value in published.items() if isinstance(value, int) and key != "weights"]
    if not sequences:
        return run, ""
    return composed([*overrides, f"trainer.max_steps={max(sequences)}"]), "to the published success"


def main() -> None:
    """Print a line for each preset of a paper."""
    words = [word for word in sys.argv[1:] if "=" not in word]
    overrides = [word for word in sys.argv[1:] if "=" in word]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    for name in options("experiment"):
        if "/" not in name or not all(word in name for word in words):
            continue
        try:
            run, until = preset(name, overrides)
            print(f"{name:<40}{duration(apart(rehearse, run).seconds):>12}  {until}".rstrip(), flush=True)
        except SeqlabError as error:
            print(f"{name:<40}{'-':>12}  {error}", flush=True)


if __name__ == "__main__":
    main()
