"""Exact resume: wherever a run is stopped, it ends with the same bits as if it had not been.

Here from some safe points, among them the beginning of an epoch; ``scripts/chaos`` takes them all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from exact import CHAINED, CONFIGURATIONS, differences, killed_late, make_keeping, result_of, resumed, run_of
from seqlab.cells import bptt
from seqlab.cells.base import Engine
from seqlab.errors import ConfigError
from seqlab.experiment import make

WITHIN = (
    "shuffled",
    "carried",
    "accumulation",
    "accumulation by three",
    "cosine by step",
    "plateau by step",
    "validation inside an epoch",
    "validation after each batch",
    "validation by steps",
    "one batch in an epoch",
    "steps, not epochs",
)
"""Where one point of an epoch differs from another in more than its number: every third is taken, elsewhere every sixth.

Of seven in an epoch each sixth is another one: the first, the last, and those in the middle.
"""


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_run_resumed_from_any_checkpoint_ends_with_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, optimizer, schedules, counters, metrics, logged rows, samples."""
    straight = run_of(tmp_path / "straight", *CONFIGURATIONS[name], "callbacks.resume.every=1000")
    make(straight)
    run = run_of(tmp_path / "saving", *CONFIGURATIONS[name])
    copies = make_keeping(run, monkeypatch)
    expected = result_of(straight)
    assert list(differences(expected, result_of(run))) == [], "taking checkpoints changes the run"
    assert len(copies) > 2
    for step, copy in (*copies[:: 3 if name in WITHIN else 6], copies[-1]):
        killed_late(copy, run)
        again, _ = resumed(copy)
        assert list(differences(expected, result_of(again))) == [], f"resumed from step {step}"


@pytest.mark.parametrize("name", CHAINED)
def test_a_resume_of_a_resume_ends_with_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From some of the checkpoints that a resumed run takes, for two of those that it was resumed from."""
    run = run_of(tmp_path / "run", *CONFIGURATIONS[name])
    copies = make_keeping(run, monkeypatch)
    expected = result_of(run)
    for _, copy in (copies[0], copies[len(copies) // 2]):
        again, later = resumed(copy, monkeypatch)
        assert list(differences(expected, result_of(again))) == []
        for step, copy_of_copy in later[::4]:
            third, _ = resumed(copy_of_copy)
            assert list(differences(expected, result_of(third))) == [], f"resumed again from step {step}"


def test_a_run_does_not_go_on_by_another_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its numbers would be rounded otherwise: it says which was which, and what to do."""
    run = run_of(tmp_path, "cell=vanilla", "cell.engine=torch")
    (_, copy), *_ = make_keeping(run, monkeypatch)
    monkeypatch.setattr(bptt, "chosen", lambda engine, like: Engine("reference", ""))
    with pytest.raises(ConfigError, match=r"\(engine: torch → reference\)"):
        resumed(copy)
