"""What a search came to, as a table on a terminal."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence

from optuna.trial import FrozenTrial, TrialState

from seqlab import terminal
from seqlab.compare.statistics import Mean, mean, written
from seqlab.search.search import Search

SHOWN = 10
"""How many experiments are shown."""
ORDER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)
"""What is shown above what."""
WORDS = {TrialState.FAIL: "failed", TrialState.RUNNING: "unfinished"}


def show(
    search: Search, trials: Sequence[FrozenTrial], command: Callable[[Sequence[str], Sequence[int]], list[str]]
) -> None:
    """Print the best trials, why others failed, and how to learn what the best is worth.

    Args:
        search: the search, made.
        trials: its trials.
        command: the words of the command that makes an experiment, from its parameters and some seeds.
    """
    console = terminal.Terminal()
    metric = search.metric or {"name": "score", "goal": "min", "unit": ""}
    sign = 1 if metric["goal"] == "min" else -1
    ranked = sorted(trials, key=lambda trial: (ORDER.index(trial.state), sign * (trial.value or 0.0)))
    better = "lower" if sign > 0 else "higher"
    table = terminal.table(f"{metric['name'].replace('_', ' ')} on validation, {metric['unit']}, {better} is better")
    for name in ("trial", "mean", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("parameters", overflow="fold")
    experiments: dict[object, FrozenTrial] = {}  # a space without intervals may have one proposed twice
    for trial in ranked:
        experiments.setdefault(trial.user_attrs.get("group", trial.number), trial)
    for trial in list(experiments.values())[:SHOWN]:
        table.add_row(str(trial.number), written(_mean(trial)), str(_mean(trial).n), _state(trial), _written(trial))
    console.print(table)
    counts = Counter(_state(trial) for trial in trials)
    console.print(f"\n{len(trials)} trials: {', '.join(f'{n} {state}' for state, n in counts.items())}.")
    for trial in trials:
        if trial.state == TrialState.FAIL:
            console.print(f"  trial {trial.number}: {trial.user_attrs['cause']}", soft_wrap=True, markup=False)
    console.print("Mean over n seeds ± half its 95 % t-interval.", style="dim")
    if ranked and ranked[0].state == TrialState.COMPLETE:
        best, n, last = ranked[0], len(search.plan.seeds), max(search.plan.seeds)
        console.print(
            f"\nTrial {best.number} is best: chosen on validation, as the best of {len(trials)}, so its score there is "
            "optimistic.\nWhat it is worth is its test score with seeds that the search has not seen:",
            soft_wrap=True,
        )
        words = command(search.overrides(best.params), range(last + 1, last + 1 + n))
        console.print(f"  {shlex.join(words)}", soft_wrap=True, markup=False)


def _mean(trial: FrozenTrial) -> Mean:
    return mean(list(trial.user_attrs.get("scores", {}).values())) if trial.value is not None else mean([])


def _state(trial: FrozenTrial) -> str:
    return WORDS.get(trial.state, trial.state.name.lower())


def _written(trial: FrozenTrial) -> str:
    values = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in trial.params.items()}
    return " ".join(f"{key}={value}" for key, value in values.items())
