"""One colour for each cell, in every figure."""

from __future__ import annotations

from seqlab.figures.palette import OF_CELL, Look, looks
from seqlab.plugins import options


def test_every_cell_of_ours_has_a_style_of_its_own() -> None:
    """Neither a colour nor a symbol twice; those that compute the numbers of another need none."""
    assert set(OF_CELL) == {name for name in options("cell") if not name.endswith("_native")}
    for values in zip(*OF_CELL.values(), strict=True):
        assert len(set(values)) == len(values)


def test_the_plainest_group_of_a_cell_has_its_look_and_others_one_that_is_free() -> None:
    """Whatever their order; so a cell looks the same in all figures, and no two groups of one look alike."""
    cells = {"lstm chrono=100": "lstm", "lstm": "lstm", "mine": "mine", "rnn H=8": "rnn"}
    found = looks(cells)
    assert list(found) == list(cells)
    assert found["lstm"] == Look(*OF_CELL["lstm"])
    assert found["rnn H=8"] == Look(*OF_CELL["rnn"])
    assert len({look.colour for look in found.values()}) == 4
    assert {look.dash for look in found.values()} == {"solid"}
    assert found["lstm"].faint == "rgba(0,114,178,0.1)"


def test_where_colours_do_not_suffice_they_begin_again_with_other_dashes() -> None:
    """So that all can be told apart; and where there are more still, none is refused."""
    cells = {f"{cell}{i}": cell for cell in OF_CELL for i in range(5)}
    assert len(set(looks(cells).values())) == len(cells)
    assert len(looks({str(i): "mine" for i in range(99)})) == 99
