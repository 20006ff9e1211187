"""The two checkpoints of a run: the best, by which it is judged, and the last, from which it goes on to the same bits.

Lightning's own restart is not exact: it forgets where in an epoch the data were, the state of random numbers, and now
and then a scheduler's step. Here nothing of that needs to be saved, because all of it follows from the seed and the
number of the batch: the order of the data (``seqlab.data.order``), and the random numbers, which are seeded afresh
before each batch. What is left is to save only where Lightning can restart, and to put back what its restart disturbs.
"""

from __future__ import annotations

import copy
import hashlib
import random
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import distributed

from seqlab.checkpoints import LAST
from seqlab.data.order import Order
from seqlab.runs import Run
from seqlab.stopping import Stop
from seqlab.strides import NEVER, Overlooking


class BestCheckpoint(ModelCheckpoint, Overlooking):
    """Lightning's ``ModelCheckpoint``, whose state names files and not folders, so that a run folder may be moved."""

    def steps_unwatched(self, trainer: Any, pl_module: Any) -> int:
        """All of them, unless it saves by their number or by the clock."""
        return 0 if self._every_n_train_steps or self._train_time_interval else NEVER

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Nothing where training ends before its first validation, of which Lightning would warn."""
        if self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """The state, with the files by their names alone."""
        return _with_paths(super().state_dict(), lambda path: Path(path).name if path else path) | {"dirpath": ""}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The state, with the files in this run's folder."""
        folder = str(self.dirpath)
        super().load_state_dict(
            _with_paths(state_dict, lambda name: str(Path(folder, name)) if name else name) | {"dirpath": folder}
        )
        self.current_score = state_dict["current_score"]


def _with_paths(state: Mapping[str, Any], change: Any) -> dict[str, Any]:
    changed = dict(state)
    for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
        changed[key] = change(changed[key])
    changed["best_k_models"] = {change(path): score for path, score in changed["best_k_models"].items()}
    return changed


class ExactResume(Overlooking):
    """Writes ``last.ckpt`` every few seconds, from which a run goes on as if it had never stopped.

    Args:
        run: whose checkpoints they are, and where progress is reported.
        stop: the request to stop that is heeded, once all is kept, before the next batch.
        origin: what a run that goes on must have in common with the one that stopped; written into each checkpoint.
        every: seconds between two checkpoints.

    Raises:
        Interrupted, Preempted: stopping was asked for, and the run has been kept.
    """

    def __init__(self, run: Run, stop: Stop, origin: Mapping[str, Any], every: float = 10.0):
        self.run, self.stop, self.origin, self.every = run, stop, dict(origin), every
        self.path = run.folder / "checkpoints" / LAST
        self.saving = self.fitted = False
        self.restored: dict[str, Any] | None = None

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Tells the data where to go on, and keeps what must be put back."""
        if trainer.state.fn != "fit":
            return
        loop = checkpoint["loops"]["fit_loop"]
        trainer.datamodule.start = (
            loop["epoch_progress"]["current"]["processed"],
            loop["epoch_loop.batch_progress"]["current"]["completed"],
        )
        trainer.should_stop = checkpoint["fitted"]
        self.restored = {
            "metrics": checkpoint["metrics"],
            "steps": loop["epoch_loop.state_dict"]["_batches_that_stepped"],
            "scheduled": loop["epoch_loop.scheduler_progress"],
            "schedulers": checkpoint["lr_schedulers"],
            "optimizers": [_settings(state["param_groups"]) for state in checkpoint["optimizer_states"]],
        }
        if checkpoint.get("afresh"):  # a fork with another optimizer or schedule than what it goes on from
            del self.restored["schedulers"], self.restored["optimizers"]

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """The last known metrics are known again; a fork keeps the settings that were made for it."""
        if self.restored:
            trainer.callback_metrics.update({k: torch.tensor(v) for k, v in self.restored["metrics"].items()})
            made = [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]
            self.restored.setdefault("schedulers", copy.deepcopy(made))
            self.restored.setdefault("optimizers", [_settings(o.param_groups) for o in trainer.optimizers])

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """From here on a request to stop waits for the next batch."""
        self.stop.listen()
        self.stop.waits = True
        self.saved = time.monotonic()
        self._report(trainer, pl_module)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Here everything of the batch before is done: logged, validated, scheduled."""
        if self.restored:
            self._put_back(trainer, self.restored)
            self.restored = None
        asked, due = self._agreed(trainer, self.stop.asked or 0, time.monotonic() - self.saved >= self.every)
        enterable, begun = isinstance(trainer.train_dataloader.sampler, Order), trainer.global_step > 0
        at_a_step = batch_idx % trainer.accumulate_grad_batches == 0
        safe = begun and at_a_step and (enterable or batch_idx == 0)
        if (asked or due) and safe:
            self._save(trainer, pl_module)
        if asked and (safe or not begun or not enterable):
            self.stop.waits, self.stop.asked = False, signal.Signals(asked)
            self.stop.heed(f"stopped at step {trainer.global_step}")
        self.before_unwatched(trainer, pl_module)

    def steps_unwatched(self, trainer: Any, pl_module: Any) -> int:
        """All of them, but where something is to be put back, saved or stopped."""
        due = time.monotonic() - self.saved >= self.every
        return 0 if self.restored or self.stop.asked or due else NEVER

    def before_unwatched(self, trainer: Any, pl_module: Any) -> None:
        """Random numbers as at any other step."""
        self._seed(trainer, pl_module, "train", trainer.fit_loop.epoch_loop.total_batch_idx)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """What is random in an evaluation does not depend on what was before it."""
        self._seed(trainer, pl_module, "val", trainer.global_step)

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        """As for a validation."""
        self._seed(trainer, pl_module, "test", trainer.global_step)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The last checkpoint of all says that training is over."""
        self.fitted = True
        self._save(trainer, pl_module)
        self.stop.waits = False
        self.stop.heed("stopped after its training, before its test")

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """The state as it was when the batch before had ended, though the next one has been counted already."""
        checkpoint["origin"], checkpoint["fitted"] = self.origin, self.fitted
        if not self.saving:
            return
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for count in (progress["total"], progress["current"]):
            count["ready"] = count["completed"]
        if self.fitted:  # as at the beginning of an epoch, which a fork may train
            progress["current"] = dict.fromkeys(progress["current"], 0)
        progress["is_last_batch"] = False

    def _save(self, trainer: Any, pl_module: Any) -> None:
        self.saving = True
        trainer.save_checkpoint(self.path, weights_only=False)
        self.saving = False
        self.saved = time.monotonic()
        self._report(trainer, pl_module)

    def _report(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        planned = trainer.estimated_stepping_batches
        foreseeable = planned != float("inf") and not pl_module.success.criteria
        progress = {
            "step": trainer.global_step,
            "of": int(planned) if foreseeable else None,
            "seconds": round(pl_module.seconds, 3),
        }
        with suppress(OSError):  # no run is stopped because it cannot say how far it is
            self.run.report(progress)

    def _put_back(self, trainer: Any, restored: Mapping[str, Any]) -> None:
        """What Lightning's restart has disturbed: it passes through the end of a batch that has ended already."""
        trainer.fit_loop.restarting = False  # else a plateau scheduler misses the end of this epoch
        trainer.fit_loop.epoch_loop._batches_that_stepped = restored["steps"]
        trainer.fit_loop.epoch_loop.scheduler_progress.load_state_dict(restored["scheduled"])
        for config, state in zip(trainer.lr_scheduler_configs, restored["schedulers"], strict=True):
            config.scheduler.load_state_dict(state)
        for optimizer, settings in zip(trainer.optimizers, restored["optimizers"], strict=True):
            for group, setting in zip(optimizer.param_groups, settings, strict=True):
                group.update(setting)

    def _agreed(self, trainer: Any, *wishes: int) -> list[int]:
        """What any of the run's processes wishes, all do: the signal that asked to stop, and whether to save."""
        if trainer.world_size == 1:
            return list(wishes)
        votes = torch.tensor(wishes, dtype=torch.int32, device=trainer.strategy.root_device)
        distributed.all_reduce(votes, distributed.ReduceOp.MAX)
        return votes.tolist()

    def _seed(self, trainer: Any, pl_module: Any, *where: Any) -> None:
        """Random numbers as a function of the seed and the place, for whatever draws from the global generators."""
        key = "/".join(map(str, (self.run.config["seed"], trainer.global_rank, *where)))
        number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest())
        torch.default_generator.manual_seed(number)  # a hundred times faster than torch.manual_seed
        if pl_module.device.type == "cuda":
            torch.cuda.default_generators[pl_module.device.index].manual_seed(number)
        random.seed(number)
        np.random.seed(number & 0xFFFFFFFF)


def _settings(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What an optimizer was set to, learning rates among it."""
    return [{name: value for name, value in group.items() if name != "params"} for group in groups]
