"""Many runs: what is missing is made, what failed is listed, and the same command again is the resume.

The run folders are the ledger. They are prepared, each with its frozen configuration, before the first run starts; so a
later edit of a YAML file changes nothing, and two people may start the same sweep: each makes what the other has not
begun, and waits for the rest.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from seqlab.engines.base import Engine
from seqlab.errors import Interrupted, Preempted, SweepFailed
from seqlab.ledger import Status, is_leased
from seqlab.runs import Run
from seqlab.stopping import listening
from seqlab.terminal import count, duration

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between two looks at a run that somebody else is making."""
NAMED = 3
"""How many runs are named where many failed of one cause."""


def make_all(runs: Sequence[Run], engine: Engine) -> list[Status]:
    """Make every run that is not finished yet, and return what all came to, in the order of the runs.

    Args:
        runs: checked runs; each gets its folder before the first one starts.
        engine: where they are made.

    Raises:
        Interrupted, Preempted: it was asked to stop.
        SweepFailed: after all have ended, if some did not finish; the message lists each cause.
        OutputError: the folders cannot be made.
    """
    runs = list({run.id: run for run in runs}.values())
    todo = [run for run in runs if not run.finished]
    for run in todo:
        run.prepare()
    root = runs[0].folder.parent
    done = len(runs) - len(todo)
    log.info("%s: %d finished already, %d to make, in %s", count(len(runs), "run"), done, len(todo), root)
    deaths: dict[str, str] = {}
    progress = Progress(len(todo))
    with _stopping_cleanly():
        while todo:
            for ending in engine.make([run for run in todo if engine.adopts or not is_leased(run.folder)]):
                if ending is None:
                    progress.tell(runs)
                elif (status := ending.run.status).state != "running":
                    deaths[ending.run.id] = ending.death
                    progress.ended(ending.run, _told(status, ending.death))
            if engine.detached:
                log.info("They go on by themselves; 'seqlab status %s' tells how far they are.", root)
                return [run.status for run in runs]
            todo = [run for run in todo if run.id not in deaths]
            todo = _left_by_others(todo, progress)
    statuses = [run.status for run in runs]
    unfinished = [
        (status, _told(status, deaths.get(status.id, "")))
        for run, status in zip(runs, statuses, strict=True)
        if status.state != "finished"
    ]
    if unfinished:
        raise SweepFailed(_listed(unfinished, len(runs)), common_exit_code([status for status, _ in unfinished]))
    return statuses


@contextmanager
def _stopping_cleanly() -> Iterator[None]:
    """A request to stop ends the engine, which asks its runs to stop, and is told in words that fit a sweep."""
    try:
        with listening():
            yield
    except (Interrupted, Preempted) as stopped:
        raise type(stopped)("sweep stopped. The same command makes what is missing.") from None


def _left_by_others(held: Sequence[Run], progress: Progress) -> list[Run]:
    """Wait for runs that others are making; those that they leave unfinished."""
    if held:
        log.info("%d runs are being made by others; waiting for them", len(held))
    left = []
    for run in held:
        while is_leased(run.folder):
            time.sleep(POLL)
        if run.finished:
            progress.ended(run, _told(run.status, ""))
        else:
            left.append(run)
    return left


class Progress:
    """How far a sweep is, in lines that a log file keeps readable.

    Args:
        todo: how many runs there are to make.
    """

    def __init__(self, todo: int):
        self.todo, self.done, self.started = todo, 0, time.monotonic()

    def ended(self, run: Run, told: str) -> None:
        """One run has ended."""
        self.done += 1
        log.info("[%d/%d] %s: %s%s", self.done, self.todo, run.id, told, self._left(self.done))

    def tell(self, runs: Sequence[Run]) -> None:
        """Nothing has ended for a while."""
        running = [status for run in runs if (status := run.status).state == "running"]
        share = self.done + sum(status.share or 0.0 for status in running)
        log.info("[%d/%d] %d running%s", self.done, self.todo, len(running), self._left(share))

    def _left(self, done: float) -> str:
        if not 0 < done < self.todo:
            return ""
        return f"; about {duration((self.todo - done) * (time.monotonic() - self.started) / done)} left"


def _told(status: Status, death: str) -> str:
    """One run's end in one line."""
    if status.state != "finished":
        return f"{status.state}: {death or status.cause}"
    summary = status.summary
    name = f"test/{summary['metric']['name']}"
    return f"{name} {summary['test'].get(name, float('nan')):.4g}, {duration(summary['seconds'])}"


def _listed(unfinished: Sequence[tuple[Status, str]], total: int) -> str:
    """What did not finish, by cause, the commonest first."""
    by_cause: dict[str, list[str]] = defaultdict(list)
    for status, told in unfinished:
        by_cause[told.replace(status.id, "RUN")].append(status.id)
    lines = [f"{len(unfinished)} of {count(total, 'run')} did not finish:"]
    for told, ids in sorted(by_cause.items(), key=lambda item: -len(item[1])):
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        lines.append(f"  {len(ids):>3} × {told}\n        {', '.join(ids[:NAMED])}{more}")
    return "\n".join(lines)


def common_exit_code(unfinished: Sequence[Status]) -> int:
    """The code that all would have ended with; 1 where they differ."""
    codes = {_code(status.summary) for status in unfinished}
    return codes.pop() if len(codes) == 1 else 1


def _code(summary: Mapping[str, object]) -> int:
    code = summary.get("exit_code", 1)
    return code if isinstance(code, int) else 1
