"""What a run would be is told without making it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Command


def told(seqlab: Command, *arguments: str) -> dict[str, str]:
    """The lines of ``seqlab describe`` by their names."""
    answer = seqlab("describe", *arguments)
    assert answer.code == 0, answer.err
    _, *lines = answer.out.splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line[0] != " ")


def test_a_run_is_described_from_its_data_to_its_folder(seqlab: Command, tmp_path: Path) -> None:
    """Every part of the flow, with sizes and costs; and nothing is left behind."""
    lines = told(seqlab, "data=images", "cell=gru", "budget.parameters=5000", "trainer.max_steps=7", "trainer=cpu")
    assert list(lines) == ["data", "metric", "cell", "model", "task", "training", "device", "folder"]
    assert lines["data"].startswith("images, 1 real number to one of 10 classes at the last step")
    assert lines["cell"].startswith("gru, 37 hidden units, state 37")
    assert lines["model"].startswith("SequenceModel, 4,820 parameters")
    assert "at most 12 epochs or 7" in lines["training"]
    assert lines["device"].startswith("cpu, 1 thread")
    assert "not begun" in lines["folder"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "engine"),
    [
        ([], "torch, native is not to be had: no C compiler"),
        (["cell.engine=reference"], "reference, as cell.engine says"),
        (["trainer.precision=64-true"], "torch, native is not to be had: it computes in float32"),
    ],
)
@pytest.mark.usefixtures("no_compiler")
def test_the_engine_is_told_and_why(seqlab: Command, arguments: list[str], engine: str) -> None:
    """The one that this run would have, on this machine."""
    assert told(seqlab, "cell=vanilla", "trainer=cpu", *arguments)["engine"].startswith(engine)


@pytest.mark.usefixtures("no_compiler")
def test_an_engine_that_cannot_be_is_one_line(seqlab: Command) -> None:
    """It says why, and what to do."""
    for verb in ("describe", "train"):
        answer = seqlab(verb, "cell=vanilla", "cell.engine=native")
        assert answer.code == 2
        assert answer.err.endswith("cell.engine=native: no C compiler is installed. Leave it to cell.engine=auto.\n")
