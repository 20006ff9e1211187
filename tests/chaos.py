"""Runs and sweeps that are killed at random moments, and what they came to all the same.

``scripts/chaos`` runs the long form; ``tests/test_chaos.py`` a short one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from exact import CHAINED, CONFIGURATIONS, differences, make_keeping, result_of, resumed, run_of
from seqlab import experiment
from seqlab.ledger import find
from seqlab.runs import Run

SWEEP = [
    "logger=none",
    "trainer=cpu",
    "cell.hidden_size=4",
    "cell.num_layers=2",
    "cell.dropout=0.3",
    "data.length=6",
    "data.train_size=2000",
    "data.val_size=20",
    "data.test_size=20",
    "data.batch_size=10",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=10",
    "callbacks.resume.every=0.1",
]
"""Four hundred steps, a second or two, a checkpoint every tenth of a second."""


def every_checkpoint(place: Path, name: str, again: bool) -> tuple[int, int]:
    """Resume a run from each of its checkpoints, and each of those runs from each of theirs; tried and identical."""
    patch, run = pytest.MonkeyPatch(), run_of(place / "every", *CONFIGURATIONS[name])
    copies = make_keeping(run, patch)
    expected, tried, same = result_of(run), 0, 0
    for _, copy in copies:
        first, later = resumed(copy, patch if again else None)
        results = [first, *(resumed(one)[0] for _, one in later)]
        tried += len(results)
        same += sum(not any(differences(expected, result_of(one))) for one in results)
        shutil.rmtree(copy.parent)
    return tried, same


def kill_chain(place: Path, name: str, rng: random.Random, most: int) -> tuple[int, list[str]]:
    """Make one run, killing its process again and again; how often, and where it differs from one left in peace."""
    straight = run_of(place / "straight", *CONFIGURATIONS[name], "trainer.max_epochs=8")
    if not straight.finished:
        experiment.make(straight)
    run = run_of(place / f"killed-{rng.random()}", *CONFIGURATIONS[name], "trainer.max_epochs=8")
    kills, alone = 0, straight.status.summary["seconds"] + 0.5
    while not run.finished:
        process = os.fork()
        if process == 0:
            os.setsid()
            _silence()
            with contextlib.suppress(BaseException):
                experiment.make(run)
            os._exit(0)
        if kills < most:
            time.sleep(rng.random() * alone / 2)
            if os.waitpid(process, os.WNOHANG) != (0, 0):
                continue
            try:
                os.killpg(process, signal.SIGKILL)
            except ProcessLookupError:  # it has no group of its own yet
                os.kill(process, signal.SIGKILL)
            kills += 1
        os.waitpid(process, 0)
    return kills, list(differences(result_of(straight), result_of(run)))


def sweep_chaos(place: Path, jobs: int, rng: random.Random, rounds: int) -> Counter[str]:
    """Make a sweep, killing its parents and children and starting it twice at once; counts of what was done and found.

    The counts that should be zero are ``lost`` (no result at the end), ``twice`` (finished twice) and ``different``
    (from the same sweep left in peace).
    """
    counts: Counter[str] = Counter()
    words = [sys.executable, "-m", "seqlab", "train", "-m", f"seed=range(1,{jobs + 1})", *SWEEP]
    peace = place.parent / f"peace-{jobs}"
    if not peace.exists():
        subprocess.run([*words, f"runs_dir={peace}"], check=True, stdout=subprocess.DEVNULL)
    command = [*words, f"runs_dir={place}"]
    for _ in range(rounds):
        parents = [_start(command) for _ in range(rng.choice([1, 1, 2]))]
        counts["double starts"] += len(parents) == 2
        time.sleep(2 + rng.random() * 4)  # the first seconds go to imports
        for _ in range(rng.randrange(4)):
            children = [child for parent in parents for child in _runs_of(parent.pid)]
            if children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(children), signal.SIGKILL)
                    counts["children killed"] += 1
            time.sleep(rng.random())
        for parent in parents:
            if parent.poll() is None:
                parent.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM]))
                counts["parents killed"] += 1
        for parent in parents:
            parent.wait()
    for _ in range(3):
        ended = _start(command).wait()
        if ended == 0:
            break
    counts["sweeps that did not end well"] += ended != 0
    for folder in find([peace]):
        run, expected = Run.load(place / folder.name), Run.load(folder)
        counts["jobs"] += 1
        counts["lost"] += not run.finished
        counts["twice"] += (run.folder / "log.txt").read_text().count(": finished, test/") > 1
        counts["different"] += run.finished and any(differences(result_of(expected), result_of(run)))
    return counts


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True
    )


def _runs_of(parent: int) -> list[int]:
    """The processes of a sweep's runs: the children of its fork server, which is the child that has any."""
    return [run for server in _children(parent) for run in _children(server)]


def _children(pid: int) -> list[int]:
    return [int(word) for word in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True).stdout.split()]


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def main() -> None:
    """The long form."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="killed runs of each configuration")
    parser.add_argument("--kills", type=int, default=12, help="how often a run is killed at most")
    parser.add_argument("--sweeps", type=int, default=8, help="sweeps")
    parser.add_argument("--jobs", type=int, default=50, help="jobs of each sweep")
    parser.add_argument("--rounds", type=int, default=6, help="how often a sweep is started and killed")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    for again in (False, True):
        names = [name for name in CONFIGURATIONS if not again or name in CHAINED]
        with tempfile.TemporaryDirectory() as root:
            results = [every_checkpoint(Path(root, str(i)), name, again) for i, name in enumerate(names)]
        tried, same = (sum(column) for column in zip(*results, strict=True))
        print(
            f"{len(names)} configurations, resumed{' and resumed again' if again else ''} from every checkpoint: "
            f"{tried} tried, {same} identical",
            flush=True,
        )
    with tempfile.TemporaryDirectory() as root:
        for name in ("dropout", "carried", "plateau", "early stopping fires", "validation inside an epoch", "workers"):
            results = [
                kill_chain(Path(root, name.replace(" ", "-")), name, rng, given.kills) for _ in range(given.runs)
            ]
            same = sum(not differs for _, differs in results)
            print(f"{name}: {sum(k for k, _ in results)} kills, {same} of {len(results)} identical", flush=True)
        total: Counter[str] = Counter()
        for i in range(given.sweeps):
            total += sweep_chaos(Path(root, f"sweep-{i}"), given.jobs, rng, given.rounds)
            print(f"sweep {i + 1}: {dict(total)}", flush=True)
        found = {name: total[name] for name in ("lost", "twice", "different", "sweeps that did not end well")}
        print(
            f"{total['jobs']} jobs, {total['parents killed']} parents and {total['children killed']} children killed, "
            f"{total['double starts']} double starts: {found}"
        )


if __name__ == "__main__":
    main()
