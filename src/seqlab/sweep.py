"""Many runs on one machine: each in a process of its own, as many at once as there are cores.

A run's folder holds its frozen configuration before it starts, so a run is made by ``seqlab resume FOLDER``, whoever
calls it. A run that is killed, exits or exhausts memory takes nothing with it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from seqlab.errors import Interrupted, SweepFailed
from seqlab.runs import NAMES, Run, is_leased

log = logging.getLogger(__name__)


def make_all(runs: Sequence[Run], workers: int | None = None) -> list[Mapping[str, Any]]:
    """Make every run that is not finished yet, and return all summaries in the order of the runs.

    Args:
        runs: checked runs; each gets its folder before the first one starts.
        workers: how many processes at once; ``None`` for one per core.

    Raises:
        Interrupted: a person stopped it.
        SweepFailed: after all have ended, if some failed; the message lists each with its cause.
        OutputError: the folders cannot be made.
    """
    runs = list({run.id: run for run in runs}.values())
    todo = [run for run in runs if not run.finished]
    for run in todo:
        run.prepare()
    log.info(
        "%d runs: %d finished already, %d to make, in %s",
        len(runs),
        len(runs) - len(todo),
        len(todo),
        runs[0].folder.parent,
    )
    started = time.monotonic()
    summaries = {run.id: _summary(run) for run in runs if run.finished}
    pool = ThreadPoolExecutor(workers or cores())
    made = {pool.submit(_make, run): run for run in todo}
    try:
        for done, future in enumerate(as_completed(made), start=1):
            run, summary = made[future], future.result()
            summaries[run.id] = summary
            left = (len(todo) - done) * (time.monotonic() - started) / done
            more = f"; about {left:.0f} s left" if done < len(todo) else ""
            log.info("[%d/%d] %s: %s%s", done, len(todo), run.id, _outcome(summary), more)
    except KeyboardInterrupt:  # the processes that are running have had it too, and keep what they have
        pool.shutdown(cancel_futures=True)
        raise Interrupted("sweep interrupted. The same command makes what is missing.") from None
    pool.shutdown()
    failed = {run.id: summaries[run.id] for run in runs if summaries[run.id]["status"] != "finished"}
    if failed:
        causes = "\n".join(f"  {name}: {_outcome(summary)}" for name, summary in failed.items())
        codes = {summary.get("exit_code", 1) for summary in failed.values()}
        exit_code = codes.pop() if len(codes) == 1 else 1
        raise SweepFailed(f"{len(failed)} of {len(runs)} runs did not finish:\n{causes}", exit_code)
    return [summaries[run.id] for run in runs]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make(run: Run) -> Mapping[str, Any]:
    """One run in a child process, its output in the run folder."""
    with (run.folder / NAMES["log"]).open("a", encoding="utf-8") as output:
        command = [sys.executable, "-m", "seqlab", "resume", str(run.folder)]
        threads = str(run.config["threads"])
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        ended = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
        )
    summary = _summary(run)
    if summary["status"] == "lost" and ended.returncode:
        return {**summary, "error": f"its process ended with code {ended.returncode}; see {run.folder / NAMES['log']}"}
    return summary


def _summary(run: Run) -> Mapping[str, Any]:
    """What a run came to; one that left no word is lost."""
    try:
        return run.summary or {
            "status": "lost",
            "error": "another process holds it" if is_leased(run.folder) else "it left no summary",
        }
    except json.JSONDecodeError as error:
        return {"status": "lost", "error": f"unreadable summary ({error})"}


def _outcome(summary: Mapping[str, Any]) -> str:
    if summary["status"] != "finished":
        return f"{summary['status']}: {summary['error']}"
    name = f"test/{summary['metric']['name']}"
    return f"{name} {summary['test'].get(name, float('nan')):.4g}, {summary['seconds']:.0f} s"
