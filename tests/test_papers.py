"""Presets of published long-term dependency experiments: their sizes, their figures, and how they are made shorter."""

from __future__ import annotations

import pytest
import yaml

from conftest import Command
from seqlab.config import composed
from seqlab.experiment import Built, build
from seqlab.plugins import options

PAPERS = ("arjovsky2016", "bai2018", "deletang2023", "tallec2018")
PRESETS = {
    name: option.file
    for name, option in options("experiment").items()
    if name.startswith(PAPERS) and "mnist" not in name  # those are held to their rows in data/test_images.py
}

FIGURES = {
    "bai2018/adding_lstm": {"mse": 0.164, "weights": 70_000},
    "bai2018/adding_gru": {"mse": 5.3e-5, "weights": 70_000},
    "bai2018/adding_rnn": {"mse": 0.177, "weights": 70_000},
    "bai2018/copy_lstm": {"loss": 0.0204, "weights": 16_000},
    "bai2018/copy_gru": {"loss": 0.0197, "weights": 16_000},
    "bai2018/copy_rnn": {"loss": 0.0202, "weights": 16_000},
    "deletang2023/parity_rnn": {"accuracy": 1.0},
    "deletang2023/parity_lstm": {"accuracy": 1.0},
    "deletang2023/reverse_string_rnn": {"accuracy": 0.62},
    "deletang2023/reverse_string_lstm": {"accuracy": 0.609},
}
"""What was read in the papers themselves."""


def built(*words: str) -> Built:
    return build(composed([*words, "trainer=cpu"]))


def test_presets_show_only_figures_that_were_read() -> None:
    """Where the paper has curves, or its table was not at hand, there is no figure."""
    published = {
        name: yaml.safe_load(file.read_text(encoding="utf-8")).get("published") for name, file in PRESETS.items()
    }
    shown = {name: {key: row[key] for key in row if key != "by"} for name, row in published.items() if row}
    assert shown == FIGURES
    assert all(row["by"] for row in published.values() if row)


@pytest.mark.parametrize("preset", FIGURES)
def test_a_row_has_the_published_size_and_metric(preset: str) -> None:
    """The figure is of the data's own metric; the net has as many weights as the paper says, within two per cent."""
    row = built(f"experiment={preset}")
    assert row.data.spec.metric.name in FIGURES[preset]
    assert row.parameters == pytest.approx(FIGURES[preset].get("weights", row.parameters), rel=0.02)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
@pytest.mark.parametrize("preset", ["arjovsky2016/copy_100", "bai2018/adding", "deletang2023/common"])
def test_another_cell_may_be_tried(preset: str, cell: str) -> None:
    """No key of a preset is one cell's own, but where the row is about that cell."""
    assert built(f"experiment={preset}", f"cell={cell}").parameters > 0


def test_both_starts_of_an_lstm_differ_in_nothing_else() -> None:
    """Tallec & Ollivier's rows: the same data, updates and sizes; the memory is 3T/2 and T."""
    for task, memory in (("copy_500", 750), ("adding_750", 750)):
        usual, chrono = (composed([f"experiment=tallec2018/{task}{end}"]).config for end in ("", "_chrono"))
        assert chrono["cell"] == {**usual["cell"], "chrono": memory}
        for part in ("data", "optimizer", "trainer", "model"):
            assert chrono[part] == usual[part]


@pytest.mark.parametrize(
    ("preset", "lengths"),
    [
        ("arjovsky2016/copy_500", ["data.length=4"]),
        ("bai2018/adding_lstm", ["data.length=4"]),
        ("deletang2023/bucket_sort_rnn", ["data.length=[1,4]", "data.test_length=[5,6]"]),
    ],
)
def test_a_shorter_version_is_a_few_overrides_away(train: Command, preset: str, lengths: list[str]) -> None:
    """Length, units, steps."""
    sizes = ["data.batch_size=8", "data.train_size=16", "data.val_size=40", "data.test_size=40"]
    shorter = [*sizes, *lengths, "cell.hidden_size=3", "trainer.max_steps=2", "trainer=cpu"]
    answer = train(f"experiment={preset}", tiny=shorter)
    assert answer.code == 0, answer.err
