"""What is true of many runs now: how many are finished, what is running and for how long yet, what failed and why."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from seqlab.ledger import STATES, Status, find, status
from seqlab.terminal import WIDTH, Terminal, count, duration, table

ROWS = 12
"""How many runs of one state are shown, unless all are asked for."""
ORDER = ("running", "failed", "diverged", "interrupted", "preempted", "missing", "finished")
"""What a person looks for first."""
STYLES = {"running": "cyan", "failed": "red", "diverged": "red", "interrupted": "yellow", "preempted": "yellow"}


def show(paths: Sequence[Path], everything: bool = False) -> None:
    """Print a line of counts, and a table of the runs at or below some paths.

    Args:
        paths: run folders, or folders of them.
        everything: show all runs, and not only the latest of each state.

    Raises:
        OutputError: a path does not exist, or there is no run in any of them.
    """
    statuses = [status(folder) for folder in find(list(paths))]
    console, now = Terminal(), time.time()
    console.print(headline(statuses, now), style="bold", soft_wrap=True)
    console.print()
    shown = table()
    wide = console.width >= WIDTH
    shown.add_column("run", no_wrap=True, min_width=20)
    shown.add_column("state", no_wrap=True, min_width=max(map(len, (one.state for one in statuses))))
    for name in ("age", "done", "left") if wide else ("done",):
        shown.add_column(name, justify="right", no_wrap=True, min_width=0 if wide else len("100 %"))
    if wide:
        shown.add_column("what", no_wrap=True, overflow="ellipsis")
    for state in ORDER:
        those = sorted((s for s in statuses if s.state == state), key=lambda s: -s.changed)
        for one in those if everything else those[:ROWS]:
            cells = _row(one, now)
            shown.add_row(*cells if wide else (cells[0], cells[1], cells[3]), style=STYLES.get(state))
        if len(those) > ROWS and not everything:
            shown.add_row(f"… {len(those) - ROWS:,} more", state, style="dim")
    console.print(shown)


def headline(statuses: Sequence[Status], now: float) -> str:
    """``500 runs: 431 finished, 4 running, 65 missing; about 2 h 10 min left``."""
    counts = Counter(one.state for one in statuses)
    parts = ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state])
    left = time_left(statuses, now)
    return f"{count(len(statuses), 'run')}: {parts}{f'; about {duration(left)} left' if left else ''}"


def time_left(statuses: Sequence[Status], now: float) -> float | None:
    """Seconds until all runs have been made, by as many at once as there are now; ``None`` where nothing tells."""
    running = [one for one in statuses if one.state == "running"]
    known = [seconds for one in running if (seconds := one.left(now)) is not None]
    lengths = [one.summary["seconds"] for one in statuses if one.state == "finished"]
    lengths += [one.progress["seconds"] / one.share for one in running if one.share]
    waiting = sum(one.state in ("missing", "interrupted", "preempted") for one in statuses)
    if not running or not lengths:
        return None
    return (sum(known) + waiting * sum(lengths) / len(lengths)) / len(running)


def _row(one: Status, now: float) -> list[str | Text]:
    """What is told of one run: its name, state, age, share done, time left, and what came of it or why not."""
    done = "" if one.share is None else f"{100 * one.share:.0f} %"
    left = one.left(now)
    what = one.cause
    if one.state == "finished":
        name = f"test/{one.summary['metric']['name']}"
        what = f"{name} {one.summary['test'].get(name, float('nan')):.4g}"
    age, rest = duration(max(0.0, now - one.changed)), "" if left is None else duration(left)
    return [one.id, one.state, age, done, rest, Text(what.splitlines()[0] if what else "")]
