"""What is drawn of scores."""

from __future__ import annotations

import math

from seqlab.figures.page import Drawn
from seqlab.figures.palette import OF_CELL
from seqlab.figures.profile import Profile
from seqlab.figures.profile import draw as draw_profiles
from seqlab.figures.scores import ROOM, ROW, Scores, against_cost, draw

LSTM = Scores("lstm", "lstm", {"seed 1": 0.1, "seed 2": 0.3}, 0.2, 0.05, {"parameters": 10.0, "seconds": 3.0})
GRU = Scores("gru lr=1", "gru", {"seed 1": 0.4}, 0.4, math.nan, {"parameters": 20.0})


def test_every_seed_is_an_open_mark_beside_its_mean_and_interval() -> None:
    """In the cell's colour; one seed has no interval."""
    dots, mean, one, alone = draw([LSTM, GRU], "mse", {}).data
    colour, symbol = OF_CELL["lstm"]
    assert (dots.x, dots.y, dots.text) == ((0.1, 0.3), ("lstm", "lstm"), ("seed 1", "seed 2"))
    assert (dots.marker.color, dots.marker.symbol) == (colour, f"{symbol}-open")
    assert (mean.x, mean.y, mean.error_x.array) == ((0.2,), ("lstm",), (0.05,))
    assert (one.x, alone.x, alone.error_x.array) == ((0.4,), (0.4,), None)


def test_rows_stand_from_the_first_down_and_each_has_its_room() -> None:
    """However many there are; references are seen, too."""
    figure = draw([LSTM, GRU], "mse", {"chance": 0.9})
    assert figure.layout.yaxis.autorange == "reversed"
    assert figure.layout.height == ROOM + 2 * ROW
    assert figure.layout.xaxis.range[1] > 0.9
    assert [note.text for note in figure.layout.annotations] == ["chance"]


def test_quality_stands_against_each_cost_that_all_tell() -> None:
    """A mark for each, named in the legend."""
    figure = against_cost([LSTM, GRU], "mse", {})
    assert [(trace.name, trace.x, trace.y) for trace in figure.data] == [
        ("lstm", (10,), (0.2,)),
        ("gru lr=1", (20,), (0.4,)),
    ]
    assert figure.layout.xaxis.title.text == "parameters"
    assert Drawn(figure, "").axes == []
    assert Drawn(against_cost([LSTM], "mse", {}), "").axes == ["parameters", "seconds"]
    assert [trace.error_y.array for trace in figure.data] == [(0.05,), None]


def test_a_profile_is_a_line_in_its_band() -> None:
    """Each in its cell's colour; the legend names it once and hides both."""
    told = Profile("lstm", "lstm", [0.0, 0.5, 1.0], [(1.0, 0.9, 1.0), (0.5, 0.4, 0.6), (0.0, 0.0, 0.1)])
    area, line = draw_profiles([told]).data
    assert (line.x, line.y, line.line.color) == ((0, 0.5, 1), (1, 0.5, 0), OF_CELL["lstm"][0])
    assert (area.x, area.y) == ((0, 0.5, 1, 1, 0.5, 0), (1, 0.6, 0.1, 0, 0.4, 0.9))
    assert area.legendgroup == line.legendgroup
    assert (area.showlegend, line.showlegend) == (False, None)
