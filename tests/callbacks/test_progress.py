"""Where training is, in plain lines, or as a bar."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pytorch_lightning.callbacks import TQDMProgressBar

from conftest import TINY, Command
from seqlab.callbacks import progress


def test_training_that_ends_before_its_first_validation_is_in_its_first_epoch(train: Command) -> None:
    """It is validated then, and nobody is warned of a checkpoint that there cannot be."""
    answer = train("data=images", "data.by=row", "trainer.max_steps=1", tiny=TINY)
    assert answer.code == 0, answer.err
    (line,) = [line for line in answer.out.splitlines() if line.startswith("epoch")]
    assert line.startswith("epoch   1  step      1  val/accuracy")
    assert "nearest mean 0." in answer.out
    assert "ModelCheckpoint" not in answer.err


def test_the_bar_is_drawn_when_one_can_see_it_move_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand steps in a second, ten are drawn, and the last one."""
    drawn: list[int] = []
    monkeypatch.setattr(TQDMProgressBar, "on_train_batch_end", lambda *given: drawn.append(given[-1]))
    bar = progress.ProgressBar()
    for step in range(1000):
        monkeypatch.setattr(progress.time, "monotonic", lambda step=step: 100 + step / 1000)
        bar.on_train_batch_end(SimpleNamespace(is_last_batch=step == 999), None, None, None, step)
    assert len(drawn) in (10, 11)
    assert drawn[0] == 0
    assert drawn[-1] == 999
