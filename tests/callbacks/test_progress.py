"""Where training is, in plain lines."""

from __future__ import annotations

from conftest import TINY, Command


def test_training_that_ends_before_its_first_validation_is_in_its_first_epoch(train: Command) -> None:
    """It is validated then, and nobody is warned of a checkpoint that there cannot be."""
    answer = train("data=images", "data.by=row", "trainer.max_steps=1", tiny=TINY)
    assert answer.code == 0, answer.err
    (line,) = [line for line in answer.out.splitlines() if line.startswith("epoch")]
    assert line.startswith("epoch   1  step      1  val/accuracy")
    assert "nearest mean 0." in answer.out
    assert "ModelCheckpoint" not in answer.err
