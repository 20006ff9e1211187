"""What the ledger costs; run it as ``.venv/bin/python scripts/bench_ledger.py 10000``.

Makes that many run folders, as a sweep of which two thirds are finished would leave them, and times what is asked of
them: preparing, looking at all, deciding what is missing; and, of a real run, what checkpoints and the lease cost.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from seqlab import experiment
from seqlab.callbacks.checkpoints import ExactResume
from seqlab.config import composed
from seqlab.ledger import find, status
from seqlab.runs import Run


@contextmanager
def timed(what: str, each: int):
    """Print how long the block took, in all and for each of so many."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    print(f"{what:<52}{seconds:9.2f} s {1e6 * seconds / each:10.0f} µs each", flush=True)


def ledger(root: Path, n: int) -> None:
    """Folders by the thousand."""
    one = composed(["trainer=cpu", f"runs_dir={root}"])
    summary = {
        "status": "finished",
        "metric": {"name": "mse", "goal": "min", "unit": ""},
        "test": {"test/mse": 0.1},
        "best": {"val/mse": 0.1},
        "seconds": 20.0,
    }
    runs = [Run({**one.config, "id": f"adding-lstm-{i // 5:08x}-s{i % 5}", "seed": i % 5}) for i in range(n)]
    with timed(f"prepare {n:,} folders", n):
        for run in runs:
            run.prepare()
    with timed("take, hold and free the lease of each", n):
        for run in runs:
            with run.lease():
                pass
    ended = [run for i, run in enumerate(runs) if i % 3]
    with timed(f"conclude {len(ended):,} of them (flushed to the disk)", len(ended)):
        for run in ended:
            run.conclude(summary)
    with timed("find all folders below the root", n):
        folders = find([root])
    with timed("tell what is true of each", n):
        states = [status(folder).state for folder in folders]
    assert states.count("finished") == len(ended)
    with timed("a sweep decides which are missing", n):
        missing = [run for run in runs if not run.finished]
    assert len(missing) == n - len(ended)
    with timed("seqlab status, as a command", n):
        subprocess.run([sys.executable, "-m", "seqlab", "status", str(root)], check=True, stdout=subprocess.DEVNULL)


def checkpoints(root: Path) -> None:
    """The share of a run's time that its checkpoints take, at the interval that is the default."""
    taken: list[float] = []
    save = ExactResume._save

    def timed_save(self: ExactResume, trainer: object, task: object) -> None:
        started = time.perf_counter()
        save(self, trainer, task)
        taken.append(time.perf_counter() - started)

    ExactResume._save = timed_save
    for words in ([], ["cell.hidden_size=256", "cell.num_layers=2"]):
        taken.clear()
        run = composed(
            [
                "trainer=cpu",
                "logger=none",
                "trainer.max_epochs=1",
                "callbacks.resume.every=1",
                *words,
                f"runs_dir={root}",
            ]
        )
        summary = experiment.make(run)
        size = (run.folder / "checkpoints" / "last.ckpt").stat().st_size
        each = statistics.median(taken)
        print(
            f"checkpoint of {size / 1e6:.2f} MB ({summary['parameters']:,} parameters): {1e3 * each:.1f} ms, "
            f"{100 * each / 10:.2f} % at one in 10 s"
        )
    files = [file for file in run.folder.rglob("*") if file.is_file()]
    print(f"files of a finished run: {len(files)}; {json.dumps({f.name: f.stat().st_size for f in files})}")


def identity(n: int = 50) -> None:
    """What composing, checking and naming a run costs beside making it."""
    with timed(f"compose, check and name {n} runs", n):
        for i in range(n):
            composed(["trainer=cpu", f"seed={i}"])


def main() -> None:
    """All of it."""
    logging.getLogger("seqlab").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as root:
        ledger(Path(root, "many"), int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
        identity()
        checkpoints(Path(root, "one"))


if __name__ == "__main__":
    main()
