"""A task is a LightningModule that says how outputs are scored. The loop is Lightning's."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from seqlab.cells.base import State, detach, map_state
from seqlab.data.base import Batch
from seqlab.errors import ConfigError
from seqlab.heads import cross_entropy
from seqlab.processes import of_all
from seqlab.spec import IGNORE, Classes, DataSpec, Reals, Tokens
from seqlab.tasks.means import Means
from seqlab.tasks.success import Success

Measures = Mapping[str, tuple[Tensor, int]]
"""Means over a batch, each with how many positions it is taken over; ``loss`` is always among them."""


class OwnTraining(Protocol):
    """How a model learns that is not trained by the gradient of its task's loss."""

    def objective(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """What training lowers, as a mean over positions, and the state after the last step."""
        ...

    def optimizer(self, epoch_ends: Callable[[], bool]) -> Optimizer:
        """What learns from the gradient of the objective, neither scheduled nor clipped; told whether an epoch ends."""
        ...


class SequenceTask(pl.LightningModule, ABC):
    """The loss of a model on a data set, and whatever else is measured.

    Args:
        model: maps inputs to outputs; it may have an ``own_training``.
        spec: what the data announced.
        optimizer: makes the optimizer from the parameters.
        scheduler: makes the learning-rate schedule from the optimizer; Lightning's own keys (``interval``,
            ``frequency``, ``monitor``) stand beside it. Empty for none.

    Raises:
        ConfigError: the data's targets are of another kind, or count elsewhere, than the task can score.
    """

    answers: ClassVar[tuple[type, ...]]
    """The kinds of target that the task knows how to score."""
    positions: ClassVar[tuple[str, ...]] = ("every", "last")
    """Where its loss may count."""

    def __init__(
        self,
        model: nn.Module,
        spec: DataSpec,
        optimizer: Callable[..., Any],
        scheduler: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        if not isinstance(spec.targets, self.answers) or spec.loss_at not in self.positions:
            raise ConfigError(
                f"task {type(self).__name__} predicts {' or '.join(map(_noun, self.answers))} "
                f"({' or '.join(self.positions)}); the data asks for {_noun(type(spec.targets))} ({spec.loss_at}). "
                "Leave task to the data set."
            )
        self.model: Any = model
        self.own: OwnTraining | None = getattr(model, "own_training", None)
        self.spec = spec
        self.make_optimizer, self.schedule = optimizer, dict(scheduler or {})
        self.success = Success(spec.criteria, spec.metric)
        self.means, self.means_at = Means[str](), Means[int]()
        self.by_length: dict[int, float] = {}
        self.carried: dict[str, State] = {}
        self.positions_seen, self.seconds = 0, 0.0

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":  # Lightning's note of where it is, made thirty times a step; it is no parameter
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def until_solved(self) -> None:
        """End training when the data's task is solved, as ``DataSpec.solved`` has it.

        Raises:
            ConfigError: the data do not know what chance scores, or what the best possible is.
        """
        self.success = Success(self.spec.solved(), self.spec.metric)

    @abstractmethod
    def loss(self, batch: Batch, split: str) -> Tensor:
        """The mean loss of a batch: nats for symbols, squared error for scaled reals."""

    @abstractmethod
    def measure(self, batch: Batch, split: str) -> Measures:
        """What is measured on a batch."""

    def judge(self, batch: Batch, outputs: Tensor, split: str) -> Measures:
        """The mean absolute error of an output, and the share of sequences that are wrong by the data's own measure.

        Training sequences are held against the criteria, where these ask for them. Nothing, where the data do not say
        what is right.
        """
        if self.spec.right is None or (split == "train" and not self.success.watches):
            return {}
        x, y = batch
        with torch.no_grad():
            wanted = self.vectors(y)
            right = self.spec.right(x, outputs, wanted)
            errors = (outputs - wanted).abs().flatten(1).nanmean(1)
        if split == "train":
            self.success.trained(right.tolist(), errors.tolist())
        return {"error": (errors.mean(), len(x)), "wrong": (1 - right.float().mean(), len(x))}

    def vectors(self, y: Tensor) -> Tensor:
        """Targets as what outputs should be, one-hot for symbols and classes; NaN where none is asked for."""
        if y.is_floating_point():
            return y
        counts = (y != IGNORE)[..., None]
        return F.one_hot(y.clamp(min=0), self.spec.targets.size).float().where(counts, math.nan)

    def derive(self, means: Mapping[str, float]) -> dict[str, float]:
        """What follows from the means of a whole split, such as a perplexity."""
        return {}

    def samples(self, batch: Batch) -> list[dict[str, str]]:
        """A few readable outputs for a validation batch, as rows of named texts."""
        return []

    def run_model(self, x: Tensor, split: str) -> Tensor:
        """The model's outputs; where the data says so, the state goes on from the batch before, without its history."""
        return self._carry(self.model, x, split)

    def nats(self, batch: Batch, split: str) -> Tensor:
        """The mean cross-entropy; while training by the model's own ``cross_entropy``, if it has one."""
        x, y = batch
        if self.training and hasattr(self.model, "cross_entropy"):
            return self._carry(lambda x, state: self.model.cross_entropy(x, y, state), x, split)
        return cross_entropy(self.run_model(x, split), y)

    def _carry(self, run: Callable[..., tuple[Tensor, State]], x: Tensor, split: str) -> Tensor:
        state = self.carried.get(split) if self.spec.carried else None
        outputs, state = run(x, state)
        if self.spec.carried:
            self.carried[split] = detach(state)
        return outputs

    def configure_optimizers(self) -> Any:
        """The optimizer and, where one is chosen, the schedule; or what the model brings."""
        if self.own:
            return self.own.optimizer(lambda: self.trainer.is_last_batch)
        optimizer = self.make_optimizer(self.parameters())
        if not self.schedule:
            return {"optimizer": optimizer}
        schedule = {**self.schedule, "scheduler": self.schedule["scheduler"](optimizer)}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """As the trainer is told; the gradients of a model's own training are left whole."""
        if not self.own:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss; logged only on the steps that are written, since logging costs as much as a small step."""
        self.count(batch)
        loss = self._carry(self.own.objective, batch[0], "train") if self.own else self.loss(batch, "train")
        if self.trainer.world_size > 1:
            loss = loss * self.share(batch)
        if (self.trainer.global_step + 1) % self.log_every == 0:
            self.log("train/loss", loss.detach(), sync_dist=True)
        self.trainer.should_stop |= self.success.complete
        return loss

    def count(self, batch: Batch) -> None:
        """Counts what has been trained on."""
        B, T = batch[0].shape[:2]
        self.success.sequences += B * self.trainer.world_size
        self.positions_seen += B * T * self.trainer.world_size

    def share(self, batch: Batch) -> Tensor | float:
        """What the loss of this process counts, so that its mean over processes is the mean over all positions."""
        if self.trainer.world_size == 1 or self.spec.loss_at in ("every", "last"):
            return 1.0  # all processes have as many positions
        mine = (batch[1] != IGNORE).sum().float()
        all_of_them = mine.clone()
        distributed.all_reduce(all_of_them)
        return mine * self.trainer.world_size / all_of_them

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch to the means of the validation set."""
        self._add(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch to the means of the test set."""
        self._add(batch, "test")

    def on_train_start(self) -> None:
        """Starts the clock, and learns how often Lightning writes."""
        self.carried["train"] = map_state(lambda part: part.to(self.device), self.carried.get("train"))
        if self.trainer.world_size > 1 and self.success.watches:
            raise ConfigError(
                f"trainer.devices={self.trainer.world_size}: success is judged on training sequences in their order, "
                "which one process must see. Take trainer.devices=1."
            )
        self.clock = time.monotonic()
        self.log_every = getattr(self.trainer, "log_every_n_steps", 50)

    def on_train_end(self) -> None:
        """Stops the clock."""
        self._stop_clock()

    def _stop_clock(self) -> None:
        now = time.monotonic()
        self.seconds += now - self.clock
        self.clock = now

    def on_train_epoch_start(self) -> None:
        """A new epoch starts from the zero state."""
        self.carried.pop("train", None)

    def on_validation_epoch_start(self) -> None:
        """New means, from the zero state."""
        self._begin("val")

    def on_test_epoch_start(self) -> None:
        """New means, from the zero state."""
        self._begin("test")

    def on_validation_epoch_end(self) -> None:
        """Logs the means and what follows from them and, while training, what it took to get there."""
        told = self._end("val")
        if self.trainer.state.fn != "fit" or self.trainer.sanity_checking:
            return
        self._stop_clock()
        self.log_dict({"train/tokens": float(self.positions_seen), "train/seconds": self.seconds}, sync_dist=True)
        if self.success.criteria:
            wrong = round(float(self.means["wrong"].total))
            self.success.validated(told[self.spec.metric.name], wrong, told.get("error", 0.0))
            self.trainer.should_stop |= self.success.complete

    def on_test_epoch_end(self) -> None:
        """Logs the means and what follows from them, and tells the main metric for each length."""
        self._end("test")
        self.by_length = {length: mean.value for length, mean in sorted(self.means_at.of_all().items())}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint knows the metrics that it was chosen by, and what it cost to get there."""
        self._stop_clock()
        checkpoint["cost"] = {"positions_seen": self.positions_seen, "seconds": self.seconds}
        checkpoint["metrics"] = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        checkpoint["carried"] = of_all(map_state(Tensor.cpu, self.carried.get("train")))  # each along its own rows
        checkpoint["success"] = self.success.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A run that goes on also goes on counting."""
        if self.trainer.state.fn == "fit":
            self.positions_seen = checkpoint["cost"]["positions_seen"]
            self.seconds = checkpoint["cost"]["seconds"]
            self.carried["train"] = checkpoint["carried"][self.trainer.global_rank]
            self.success.load_state_dict(checkpoint["success"])

    def _begin(self, split: str) -> None:
        self.carried.pop(split, None)
        self.means, self.means_at = Means(), Means()

    def _add(self, batch: Batch, split: str) -> None:
        if not len(batch[0]):  # of a batch with fewer rows than processes
            return
        measures = self.measure(batch, split)
        for name, measured in measures.items():
            self.means.add(name, *measured)
        if self.spec.by_length and self.spec.metric.name in measures:
            self.means_at.add(self._length(batch), *measures[self.spec.metric.name])

    def _length(self, batch: Batch) -> int:
        """The steps that are read before the answer is written."""
        x, y = batch
        return x.shape[1] - int((y[0] != IGNORE).sum()) * (self.spec.loss_at == "masked")

    def _end(self, split: str) -> dict[str, float]:
        self.means = self.means.of_all()
        means = {name: mean.value for name, mean in self.means.items()}
        told, name = {**means, **self.derive(means)}, self.spec.metric.name
        if name not in told:
            raise ConfigError(
                f"task {type(self).__name__} measures {', '.join(told)}; the data is compared by {name}. "
                "Leave task to the data set."
            )
        self.log_dict({f"{split}/{name}": value for name, value in told.items()}, sync_dist=True)
        return told


def _noun(kind: type) -> str:
    return {Tokens: "tokens", Reals: "real numbers", Classes: "classes"}[kind]
