"""One colour for each cell, in every figure."""

from __future__ import annotations

from seqlab.figures.palette import OF_CELL, styles
from seqlab.plugins import options


def test_every_cell_of_ours_has_a_style_of_its_own() -> None:
    """Neither a colour nor a symbol twice."""
    assert set(OF_CELL) == set(options("cell"))
    for values in zip(*OF_CELL.values(), strict=True):
        assert len(set(values)) == len(values)


def test_the_plainest_group_of_a_cell_has_its_colour_and_others_one_that_is_free() -> None:
    """Whatever their order; so a cell looks the same in all figures, and no two groups of one look alike."""
    cells = {"lstm chrono=100": "lstm", "lstm": "lstm", "mine": "mine", "rnn H=8": "rnn"}
    found = styles(cells)
    assert found["lstm"] == OF_CELL["lstm"]
    assert found["rnn H=8"] == OF_CELL["rnn"]
    assert len(set(found.values())) == 4
    assert not {found["mine"], found["lstm chrono=100"]} & {OF_CELL["lstm"], OF_CELL["rnn"]}


def test_more_groups_than_styles_begin_again() -> None:
    """All the same is better than none."""
    cells = {f"{cell}{i}": cell for cell in OF_CELL for i in range(3)}
    assert set(styles(cells).values()) == set(OF_CELL.values())
    assert len(styles(cells)) == 24
