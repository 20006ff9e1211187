"""A fair size: the largest that a budget allows, and nothing of the run is changed by how it was found."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from conftest import TINY, Command
from seqlab.budget import largest, parameters, smallest
from seqlab.cells.base import state_size
from seqlab.config import composed
from seqlab.ledger import find
from seqlab.models.encoder_decoder import EncoderDecoder
from seqlab.models.sequence import SequenceModel
from seqlab.plugins import options
from seqlab.spec import DataSpec, Metric, Reals, Tokens

LOSS = Metric("loss", "min", "nats")
ADDING = partial(SequenceModel, spec=DataSpec(Reals(2), Reals(1), "last", LOSS))
MODELS = {
    "adding": ADDING,
    "copy": partial(SequenceModel, spec=DataSpec(Tokens(10), Tokens(10), "masked", LOSS), skip=True),
    "text": partial(SequenceModel, spec=DataSpec(Tokens(65), Tokens(65), "every", LOSS), embedding_size=16),
    "translation": partial(EncoderDecoder, spec=DataSpec(Tokens(30), Tokens(12), "after", LOSS), attention=True),
}
VARIANTS = {"attention": {"heads": 3, "window": 4}, "lstm_1997": {"cells_per_block": 5}, "lstm": {"num_layers": 2}}
"""Options under which not every size can be, or more than one layer must be paid for."""


def from_yaml(name: str, **changes: object) -> Callable[..., nn.Module]:
    return instantiate({**configured(name), **changes})


@cache
def configured(name: str) -> dict:
    """A cell of no size yet, as a run with a budget has it."""
    return composed([f"cell={name}", "budget.parameters=20000"]).config["cell"]


def count(make_model: Callable[..., nn.Module], cell: Callable[..., nn.Module], size: int) -> int:
    return parameters(make_model(cell=partial(cell, hidden_size=size)))


def size_of(sized: Callable[[int], nn.Module]) -> int:
    return sized(5).hidden_size


def next_size(cell: Callable[..., nn.Module], size: int) -> int:
    """The smallest size above another that the cell accepts, by trying each."""
    for larger in itertools.count(size + 1):
        try:
            cell(5, hidden_size=larger)
        except ValueError:
            continue
        return larger
    raise AssertionError


@pytest.mark.parametrize("data", MODELS)
@pytest.mark.parametrize(("name", "changes"), [*((name, {}) for name in options("cell")), *VARIANTS.items()])
def test_no_larger_size_keeps_within_a_budget_of_parameters(name: str, changes: dict, data: str) -> None:
    """What is counted is the whole model; the next size that the cell accepts costs too much."""
    cell, make_model = from_yaml(name, **changes), MODELS[data]
    for budget in (9_000, 20_000):
        size = size_of(largest(cell, make_model, {"parameters": budget}))
        assert count(make_model, cell, size) <= budget < count(make_model, cell, next_size(cell, size))


@pytest.mark.parametrize("name", options("cell"))
def test_no_larger_size_keeps_within_a_budget_of_state(name: str) -> None:
    """As a run reports it."""
    cell = from_yaml(name, **VARIANTS.get(name, {}))
    size = size_of(largest(cell, ADDING, {"state": 300}))
    state = [state_size(cell(5, hidden_size=either), 5) for either in (size, next_size(cell, size))]
    assert state[0] <= 300 < state[1]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("vanilla", lambda H: H * (H + 2)),
        ("rnn", lambda H: H * (H + 2 + 2)),
        ("irnn", lambda H: H * (H + 2 + 2)),
        ("gru", lambda H: 3 * H * (H + 2 + 2)),
        ("lstm", lambda H: 4 * H * (H + 2 + 2)),
        ("lstm_1997", lambda H: 3 * H * (3 * H + 2 + 1)),
    ],
)
@pytest.mark.parametrize("budget", [7, 100, 20_000, 1_000_000])
def test_the_size_is_the_one_of_the_closed_form(name: str, weights: Callable[[int], int], budget: int) -> None:
    """Two numbers come in and one goes out: the weights of the cell, and H + 1 of the readout."""
    affordable = [H for H in range(1, 1100) if weights(H) + H + 1 <= budget]
    if affordable:
        assert size_of(largest(from_yaml(name), ADDING, {"parameters": budget})) == affordable[-1]
    else:
        with pytest.raises(ValueError, match=rf"takes {weights(1) + 2}\."):
            largest(from_yaml(name), ADDING, {"parameters": budget})


def test_of_two_limits_both_hold() -> None:
    """The tighter one decides."""
    cell = from_yaml("lstm")
    assert size_of(largest(cell, ADDING, {"parameters": 20_000, "state": 100})) == 50
    assert size_of(largest(cell, ADDING, {"parameters": 20_000, "state": 1000})) == 68


def picky(accepts: Callable[[int], bool]) -> Callable[..., nn.Module]:
    def make(input_size: int, hidden_size: int) -> nn.Module:
        if not accepts(hidden_size):
            raise ValueError(f"not {hidden_size}")
        return nn.RNN(input_size, hidden_size, batch_first=True)

    return make


@pytest.mark.parametrize(
    ("accepts", "size"),
    [
        (lambda H: H in (1, 2, 4, 8, 16, 32, 64, 128, 256), 128),
        (lambda H: H % 37 == 0, 111),
        (lambda H: H % 2 == 1, 137),
        (lambda H: H >= 100, 138),
        (lambda H: H == 7, 7),
    ],
    ids=["powers of two", "multiples of 37", "odd", "100 and above", "7 alone"],
)
def test_sizes_that_a_cell_refuses_are_passed_over(accepts: Callable[[int], bool], size: int) -> None:
    """Of those that are left the largest is taken; a tanh RNN may have 138."""
    assert size_of(largest(picky(accepts), ADDING, {"parameters": 20_000})) == size
    assert accepts(size_of(smallest(picky(accepts))))


def test_a_cell_that_no_size_suits_says_why_itself() -> None:
    """Its own words are passed on."""
    with pytest.raises(ValueError, match="not 255"):
        smallest(picky(lambda H: False))


def test_a_cell_that_cannot_be_built_without_numbers_is_counted_with_them() -> None:
    """Not every cell of every person can do with shapes alone."""

    def measured(input_size: int, hidden_size: int) -> nn.Module:
        cell = nn.RNN(input_size, hidden_size, batch_first=True)
        cell.scale = cell.weight_hh_l0.norm().item()
        return cell

    assert size_of(largest(measured, ADDING, {"parameters": 20_000, "state": 300})) == 138


def test_to_count_takes_no_memory_and_no_random_numbers() -> None:
    """Forty gigabytes of weights are counted, and the generator stands where it stood."""
    before = torch.get_rng_state()
    found = largest(from_yaml("rnn"), ADDING, {"parameters": 10**10})
    assert found.keywords["hidden_size"] == 99_997
    assert torch.equal(torch.get_rng_state(), before)


SIZED = [word for word in TINY if not word.startswith("cell.hidden_size")]


@pytest.mark.parametrize(
    ("words", "size"),
    [(["cell=lstm", "data=text", "cell.num_layers=2", "cell.dropout=0.1"], 24), (["cell=lstm_1997"], 46)],
)
def test_a_run_with_a_budget_is_the_run_with_its_size(
    train: Command, tmp_path: Path, words: list[str], size: int
) -> None:
    """The same weights to the last bit, and the same results: to look for a size leaves no trace."""
    assert train(*words, "budget.parameters=20000", "runs_dir=a", tiny=SIZED).code == 0
    assert train(*words, f"cell.hidden_size={size}", "runs_dir=b", tiny=SIZED).code == 0
    folders = [find([tmp_path / root])[0] for root in "ab"]
    found, given = (json.loads((folder / "summary.json").read_text()) for folder in folders)
    for fact in ("hidden_size", "parameters", "state_size", "best", "test"):
        assert found[fact] == given[fact]
    assert found["hidden_size"] == size
    found, given = (torch.load(folder / "checkpoints" / "last.ckpt")["state_dict"] for folder in folders)
    for name in given:
        assert torch.equal(found[name], given[name])
    assert folders[0].name != folders[1].name


def test_the_counts_are_told_and_the_run_goes_on_from_its_folder(train: Command, seqlab: Command) -> None:
    """One line when it begins; the same command is the same run."""
    words = ["budget.parameters=20000", "budget.state=100"]
    answer = train(*words, tiny=SIZED)
    assert "-s1: hidden_size 50, 10,851 parameters, state 100\n" in answer.out
    assert "finished already" in train(*words, tiny=SIZED).out


def test_a_fork_keeps_its_budget(train: Command, seqlab: Command, tmp_path: Path) -> None:
    """Under another one the checkpoint would not fit."""
    assert train("budget.parameters=500", tiny=SIZED).code == 0
    (folder,) = find([tmp_path])
    for budget in ("600", "null"):
        answer = seqlab("resume", str(folder), "--fork", f"budget.parameters={budget}")
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert f"budget.parameters={budget}: a fork goes on from a checkpoint of budget.parameters=500." in answer.err
    answer = seqlab("resume", str(folder), "--fork", "trainer.max_epochs=2")
    assert answer.code == 0, answer.err
    assert "hidden_size 9, 478 parameters" in answer.out


def test_a_table_of_cells_at_one_budget_does_not_repeat_it(train: Command, seqlab: Command) -> None:
    """A budget is named where cells have several."""
    for cell in ("rnn", "lstm_1997"):
        assert train(f"cell={cell}", "budget.parameters=20000", tiny=SIZED).code == 0
    table = seqlab("compare", "runs").out
    assert "parameters=" not in table
    assert "19,735" in table
    train("cell=rnn", "budget.parameters=5000", tiny=SIZED)
    table = seqlab("compare", "runs").out
    assert max(map(len, table.splitlines())) <= 80
    assert {" ".join(line.split()[:2]) for line in table.splitlines() if line.startswith("rnn")} == {
        "rnn parameters=20000",
        "rnn parameters=5000",
    }


def test_a_budget_and_the_size_that_it_replaces_name_a_run_by_turns() -> None:
    """A budget of nothing leaves no trace in a name, nor does a size that a budget replaces, whoever set it."""
    plain, limited = composed([]), composed(["budget.parameters=20000"])
    assert "budget" not in plain.config
    assert limited.config["budget"] == {"parameters": 20000}
    assert "hidden_size" not in limited.config["cell"]
    assert (
        composed(["budget.parameters=null"]).id == composed(["~budget"]).id == composed(["budget=null"]).id == plain.id
    )
    assert (
        len({plain.id, limited.id, composed(["budget.parameters=20001"]).id, composed(["budget.state=20000"]).id}) == 4
    )
    preset = composed(["experiment=arjovsky2016/adding", "budget.parameters=20000"])
    assert "hidden_size" not in preset.config["cell"]


WRONG = [
    (["budget.parameters=0"], "budget.parameters: got 0; expected an integer of at least 1."),
    (["budget.parameters=[8]"], "budget.parameters: got [8]; expected an integer of at least 1."),
    (["budget=8"], "budget=8: expected budget.parameters=NUMBER, budget.state=NUMBER, or both."),
    (["+budget.time=8"], "expected budget.parameters=NUMBER, budget.state=NUMBER, or both."),
    (["budget.parametrs=8"], "budget.parametrs: no such key. Did you mean budget.parameters?"),
    (
        ["budget.parameters=20000", "cell.hidden_size=8"],
        "cell.hidden_size=8: contradicts budget.parameters=20000, by which the size is found. Leave it away, or set "
        "budget.parameters=null.",
    ),
    (
        ["-m", "budget.parameters=20000", "cell.hidden_size=8,9"],
        "cell.hidden_size=8: contradicts budget.parameters=20000",
    ),
    (
        ["budget.parameters=20000", "~cell.hidden_size"],
        "budget.parameters=20000: cell=lstm has no key hidden_size to find a value for. Leave the budget away.",
    ),
    (
        ["budget.parameters=20"],
        "cell=lstm: budget.parameters=20 is too small for it: hidden_size=1, the smallest, takes 22. Give at least that.",
    ),
    (
        ["budget.parameters=20000", "cell=attention", "cell.dropout=0.5", "cell.heads=0"],
        "cell=attention: sizes must be",
    ),
    (["budget.parameters=20000", "cell=hmm"], "cell=hmm reads tokens; the inputs are real-valued."),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_a_budget_that_cannot_be_gets_one_line(seqlab: Command, tmp_path: Path, words: list[str], message: str) -> None:
    """And leaves nothing behind."""
    answer = seqlab("train", "logger=none", *words)
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
    assert message in answer.err
    assert list(tmp_path.iterdir()) == []
