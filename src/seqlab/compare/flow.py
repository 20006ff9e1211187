"""How far back errors flow in the runs of some folders: tables on a terminal, and a page of figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from statistics import fmean

from seqlab import lines, terminal
from seqlab.compare.sections import Group, Section
from seqlab.compare.statistics import mean, written
from seqlab.errors import OutputError
from seqlab.figures.flow import Curves, Line, draw
from seqlab.figures.page import page
from seqlab.ledger import NAMES
from seqlab.terminal import Terminal

LEGEND = """Horizon: the lag from which on the flow of the last answer's error stays below
1 % of that at lag 0; mean over n seeds ± half its 95 % t-interval. Radius: the
largest spectral radius of a recurrent matrix. Closed, open: how many values of
a gate are below 0.1, above 0.9. At the start of training → at the last look."""

ABOUT = """E<sub>T</sub> is the error of a sequence's last answer, and h<sub>T−k</sub> stands for all that the cell
hands on k steps before it. Below the dotted line less than 1 % of the flow at lag 0 is left. Dashed: before training;
solid: at the last look; means over seeds (geometric above, arithmetic below), each seed thin behind. U: the recurrent
weights. Open symbols: the norm of the product of Jacobians, for cells that tell theirs."""


def flows(sections: Sequence[Section]) -> dict[str, list[Curves]]:
    """What was measured, by data set.

    Raises:
        OutputError: none of the runs has measured anything.
    """
    found: dict[str, list[Curves]] = {}
    for section in sections:
        for group in section.groups:
            if told := measured(group):
                found.setdefault(section.data, []).append(told)
    if not found:
        raise OutputError(f"none of these runs has a {NAMES['gradients']}. It comes from callbacks.gradients.")
    return found


def measured(group: Group) -> Curves | None:
    """What was measured on the runs of an experiment; ``None`` where nothing was."""
    seeds = [told for record in group.records if (told := lines.read(record.run.folder / NAMES["gradients"]))]
    return Curves(group.label, group.cell, [told[0] for told in seeds], [told[-1] for told in seeds]) if seeds else None


def show(flows: Mapping[str, Sequence[Curves]]) -> None:
    """Print two tables for each data set: how far errors flow, and how open gates are."""
    console = Terminal()
    for data, groups in flows.items():
        far = terminal.numbers(f"{data}: how far back errors flow", ("horizon", "radius", "n"))
        gates = terminal.numbers(f"{data}: saturated gates, %", ("gate", "closed", "open"))
        for group in groups:
            far.add_row(group.label, _both(group, _horizon), _both(group, _radius), str(len(group.now)))
            for gate in group.now[0]["saturation"]:
                ends = [_both(group, partial(_saturated, gate=gate, end=end)) for end in (0, 1)]
                gates.add_row(group.label, gate, *ends)
        for table in (far, gates):
            if table.row_count:
                console.print(table)
                console.print()
    console.explain(LEGEND)


def drawn(flows: Mapping[str, Sequence[Curves]]) -> str:
    """A page with a figure for each data set."""
    return page("How far back errors flow", ABOUT, {data: draw(groups) for data, groups in flows.items()})


def _both(group: Curves, tell: Callable[[Sequence[Line]], str]) -> str:
    return f"{tell(group.start)} → {tell(group.now)}"


def _horizon(told: Sequence[Line]) -> str:
    """``21.4 ± 1.3``; ``> 99`` where it is beyond the longest lag; ``≥ 57 (2/5 > 99)`` where it is for some seeds."""
    told = [line for line in told if line["flow"][0]]
    if not told:
        return "-"
    longest = max(len(line["flow"]) for line in told) - 1
    beyond = sum(line["horizon"] is None for line in told)
    if beyond == len(told):
        return f"> {longest}"
    over_seeds = mean([len(line["flow"]) - 1 if line["horizon"] is None else line["horizon"] for line in told])
    return f"≥ {over_seeds.value:.3g} ({beyond}/{len(told)} > {longest})" if beyond else written(over_seeds)


def _radius(told: Sequence[Line]) -> str:
    radii = [max(chain(*line["radius"].values())) for line in told if any(line["radius"].values())]
    return f"{fmean(radii):.3f}" if radii else "-"


def _saturated(told: Sequence[Line], gate: str, end: int) -> str:
    return f"{100 * fmean(line['saturation'][gate][end] for line in told):.0f}"
