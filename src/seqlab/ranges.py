"""Numbers and what they may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """What a number may be: an integer or a real, from ``low`` (included, unless ``open``) to below ``high``."""

    kind: type
    low: float
    high: float = float("inf")
    open: bool = False
    optional: bool = False
    also: tuple[float, ...] = ()

    def __contains__(self, value: object) -> bool:
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(value, int | self.kind):
            return False
        above = self.low < value if self.open else self.low <= value
        return value in self.also or (above and value < self.high)

    def __str__(self) -> str:
        noun = "an integer" if self.kind is int else "a number"
        bound = f"{'above' if self.open else 'of at least'} {self.low:g}"
        below = f" and below {self.high:,.0f}" if self.high < float("inf") else ""
        return f"{noun} {bound}{below}{''.join(f', or {value:g}' for value in self.also)}"


RANGES = {
    "budget.parameters": Range(int, 1, optional=True),
    "budget.state": Range(int, 1, optional=True),
    "seed": Range(int, 0),
    "threads": Range(int, 1),
    "data.batch_size": Range(int, 1),
    "data.length": Range(int, 1),
    "data.test_length": Range(int, 1, optional=True),
    "data.eval_batch_size": Range(int, 1, optional=True),
    "data.train_size": Range(int, 1),
    "data.val_size": Range(int, 1),
    "data.test_size": Range(int, 1),
    "data.vocabulary_size": Range(int, 1, optional=True),
    "data.distractors": Range(int, 1, optional=True),
    "data.set": Range(int, 0),
    "data.n_seq": Range(int, 1),
    "data.pool": Range(int, 1),
    "data.n_mels": Range(int, 1),
    "data.frame": Range(int, 1),
    "data.seconds": Range(float, 0, open=True, optional=True),
    "data.days": Range(int, 1),
    "data.folds": Range(int, 1),
    "model.embedding_size": Range(int, 1, optional=True),
    "model.init": Range(float, 0, optional=True),
    "model.smoothing": Range(float, 0),
    "cell.init": Range(float, 0),
    "cell.hidden_size": Range(int, 1, 1_000_000),
    "cell.num_layers": Range(int, 1),
    "cell.dropout": Range(float, 0, 1),
    "cell.chrono": Range(float, 2, optional=True),
    "optimizer.lr": Range(float, 0, open=True),
    "optimizer.weight_decay": Range(float, 0),
    "trainer.devices": Range(int, 1),
    "trainer.num_nodes": Range(int, 1),
    "trainer.max_epochs": Range(int, 1, optional=True, also=(-1,)),
    "trainer.max_steps": Range(int, 1, also=(-1,)),
    "trainer.accumulate_grad_batches": Range(int, 1),
    "trainer.gradient_clip_val": Range(float, 0, open=True, optional=True),
}
"""Numbers that mean the same in every plug-in that has them."""
