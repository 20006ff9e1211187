"""The embedded Reber grammar: strings of a small automaton, and what may come next in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from seqlab.data.base import Batch, SequenceData, Split, fingerprint
from seqlab.data.order import Order, Shuffled
from seqlab.errors import DataError
from seqlab.spec import IGNORE, Criterion, DataSpec, Metric, Tokens

SYMBOLS = "BTPSXVE"
INNER = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
)
"""The Reber grammar: for each node, where a symbol leads; from 7 nothing does."""


def _embedded() -> tuple[dict[str, int], ...]:
    """B, T or P, a Reber string, the same T or P, E: two copies of the grammar, so that the node knows which it was."""
    start, size = 2, len(INNER) + 1
    nodes: list[dict[str, int]] = [{"B": 1}, {"T": start, "P": start + size}]
    last = start + 2 * size
    for copy, symbol in enumerate("TP"):
        first = start + copy * size
        nodes += [{s: first + node for s, node in moves.items()} for moves in INNER]
        nodes.append({symbol: last})
    return (*nodes, {"E": last + 1}, {})


NODES = _embedded()
"""The embedded grammar, likewise; its last node is where a string ends, and nothing is legal there."""


def _tables() -> tuple[Tensor, Tensor]:
    """Where each symbol leads from each node (to the last one if it is illegal), and whether it is legal there."""
    legal = torch.tensor([[symbol in moves for symbol in SYMBOLS] for moves in NODES])
    leads = torch.tensor([[moves.get(symbol, len(NODES) - 1) for symbol in SYMBOLS] for moves in NODES])
    return leads, legal


LEADS, LEGAL = _tables()


def legal_next(inputs: Tensor) -> Tensor:
    """Which symbols may follow (B, T, 7) after each step of strings (B, T) that begin at the beginning."""
    leads, legal = LEADS.to(inputs.device), LEGAL.to(inputs.device)
    node, after = torch.zeros_like(inputs[:, 0]), []
    for symbol in inputs.unbind(1):
        node = leads[node, symbol]
        after.append(legal[node])
    return torch.stack(after, dim=1)


def right(inputs: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
    """A string is right where, at each step, all outputs for legal next symbols are above all others."""
    legal = legal_next(inputs)
    least = outputs.masked_fill(~legal, torch.inf).amin(-1)
    most = outputs.masked_fill(legal, -torch.inf).amax(-1)
    return ((least > most) | targets[..., 0].isnan()).all(1)


def is_legal(string: str) -> bool:
    """Whether a string is one of the embedded grammar, from its first symbol to its last."""
    node = 0
    for symbol in string:
        if symbol not in NODES[node]:
            return False
        node = NODES[node][symbol]
    return node == len(NODES) - 1


def draw(rng: np.random.Generator) -> str:
    """A random string: where two symbols are legal, each comes with probability ½."""
    node, string = 0, ""
    while moves := NODES[node]:
        symbol = sorted(moves)[rng.integers(len(moves))]
        string, node = string + symbol, moves[symbol]
    return string


class _Strings(Dataset[Batch]):
    """Batch i of some strings, or the batch of some items, as long as its longest string."""

    def __init__(self, strings: Sequence[str], batch_size: int):
        self.steps = torch.tensor([len(string) - 1 for string in strings])
        self.x, self.y = _coded(strings, int(self.steps.max()))
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.steps) // self.batch_size)

    def __getitem__(self, index: int | Tensor) -> Batch:
        first = index * self.batch_size
        items = index if isinstance(index, Tensor) else slice(first, first + self.batch_size)
        T = int(self.steps[items].max())
        return self.x[items, :T], self.y[items, :T]


def _coded(strings: Sequence[str], steps: int) -> Batch:
    """All symbols but the last, and all but the first, of each string; padded on the right."""
    x = torch.zeros(len(strings), steps, dtype=torch.int64)
    y = torch.full_like(x, IGNORE)
    for i, string in enumerate(strings):
        ids = torch.tensor([SYMBOLS.index(symbol) for symbol in string])
        x[i, : len(ids) - 1], y[i, : len(ids) - 1] = ids[:-1], ids[1:]
    return x, y


class Picked(Shuffled):
    """Batches of items that are picked at random, so that in an epoch one may come twice and another never."""

    def batches(self, epoch: int) -> Iterable[Tensor]:
        """The epoch's items, a batch at a time."""
        rng = np.random.default_rng([self.seed, epoch])
        return torch.from_numpy(rng.integers(self.n, size=(len(self), self.batch_size))).unbind()


class Reber(SequenceData):
    """Experiment 1 of Hochreiter & Schmidhuber (1997), after Smith & Zipser (1989), Cleeremans et al. and Fahlman.

    A string is B, then T or P, then a string of the Reber grammar, then the same T or P again, then E. Each next symbol
    is asked for; up to two are legal, and only memory tells which is, before the last E::

        B T BTXSE T E        B P BPTVPSE P E

    There are 256 random strings to learn from, and 256 random others that are none of them, as in the paper, which made
    three such pairs of sets; within a set a string may occur twice. Both together are the validation set: the task is
    solved when all of them are right, which means that at each step the legal next symbols are the most active outputs.
    The test set are 256 more, which are in neither. A constant answer is never right.

    Args:
        set: which pair of sets; any number is the seed of one.
        batch_size: B.
        train_size: strings to learn from.
        val_size: strings that are none of them.
        test_size: strings that are in neither.
        eval_batch_size: strings per batch of validation and test; ``None`` for B.
        seed: of the picking of training strings.
        workers: as ``SequenceData`` has them.

    Raises:
        DataError: a batch is larger than the training set.
    """

    def __init__(
        self,
        set: int,
        batch_size: int,
        train_size: int,
        val_size: int,
        test_size: int,
        seed: int,
        eval_batch_size: int | None = None,
        workers: int = 0,
    ):
        super().__init__(batch_size, workers)
        if batch_size > train_size:
            raise DataError(f"data.batch_size={batch_size}: larger than data.train_size={train_size}. Lower it.")
        self.set, self.seed = set, seed
        self.eval_batch_size = eval_batch_size or batch_size
        self.sizes = {"train": train_size, "val": val_size, "test": test_size}

    def load(self) -> None:
        """Draw the three sets."""
        rng = np.random.default_rng(self.set)
        learned = [draw(rng) for _ in range(self.sizes["train"])]
        others = _others(rng, self.sizes["val"], learned)
        fresh = _others(rng, self.sizes["test"], learned + others)
        self.strings: dict[Split, list[str]] = {"train": learned, "val": learned + others, "test": fresh}
        self.fingerprint = fingerprint(*(" ".join(strings).encode() for strings in self.strings.values()))
        symbols = Tokens(len(SYMBOLS), tuple(SYMBOLS))
        self.spec = DataSpec(
            inputs=symbols,
            targets=symbols,
            loss_at="masked",
            metric=Metric("wrong", "min", "share of strings"),
            references={"chance": 1.0, "best": 0.0},
            right=right,
            criteria=(Criterion("success", wrong=0),),
        )

    def batches(self, split: Split) -> Dataset[Batch]:
        """Strings as batches."""
        return _Strings(self.strings[split], self.batch_size if split == "train" else self.eval_batch_size)

    def order(self) -> Order:
        """Training strings are picked at random."""
        return Picked(self.sizes["train"], self.batch_size, self.seed)


def _others(rng: np.random.Generator, n: int, known: Sequence[str]) -> list[str]:
    """Random strings that are not known."""
    strings: list[str] = []
    while len(strings) < n:
        string = draw(rng)
        if string not in known:
            strings.append(string)
    return strings
