"""Losses are means over the predicted positions; states are carried; units are the data's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from seqlab.cells.vanilla import VanillaRNN
from seqlab.errors import ConfigError
from seqlab.models.encoder_decoder import EncoderDecoder
from seqlab.models.sequence import SequenceModel
from seqlab.spec import IGNORE, DataSpec, Metric, Reals, Tokens
from seqlab.tasks.forecast import Forecast
from seqlab.tasks.language_model import LanguageModel
from seqlab.tasks.regression import Regression
from seqlab.tasks.translate import Translate

CHARACTERS = Tokens(5, tuple("abcde"))
TEXT = DataSpec(
    CHARACTERS, CHARACTERS, "every", Metric("bits_per_character", "min", "bits"), {"chance": 1.0}, carried=True
)
RETURNS = DataSpec(Reals(1, 0.1, 2.0), Reals(1, 0.1, 2.0), "last", Metric("rmse", "min", "log-return"))
PAIRS = DataSpec(
    Tokens(6, tuple("_abcde")), Tokens(4, ("<end>", "1", "2", "3")), "after", Metric("exact_match", "max", "share")
)


def cell(size: int) -> nn.Module:
    return VanillaRNN(size, 6)


def task(kind: type, spec: DataSpec, model: type = SequenceModel):
    torch.manual_seed(0)
    return kind(model(spec, cell), spec, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1)).eval()


def test_carried_batches_cost_what_the_whole_text_costs() -> None:
    """Cut into batches with the state carried, the mean loss is that of one long sequence."""
    language_model = task(LanguageModel, TEXT)
    ids = torch.randint(5, (2, 31), generator=torch.Generator().manual_seed(0))
    x, y = ids[:, :-1], ids[:, 1:]
    whole = language_model.loss((x, y), "val")
    language_model.on_validation_epoch_start()
    parts = [language_model.loss((x[:, i : i + 10], y[:, i : i + 10]), "val") for i in (0, 10, 20)]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)
    fresh = task(LanguageModel, TEXT)
    fresh.loss((x[:, :10], y[:, :10]), "val")
    carried = fresh.loss((x[:, 10:20], y[:, 10:20]), "val")
    fresh.on_validation_epoch_start()
    assert not torch.equal(fresh.loss((x[:, 10:20], y[:, 10:20]), "val"), carried)


def test_training_and_evaluation_have_the_same_loss() -> None:
    """With the state carried; also where training never has all logits."""
    language_model = task(LanguageModel, TEXT)
    ids = torch.randint(5, (2, 12), generator=torch.Generator().manual_seed(0))
    x, y = ids.split(6, dim=1)
    losses = []
    for training in (True, False):
        language_model.train(training).carried.clear()
        parts = [language_model.loss((x[:, part], y[:, part]), "train") for part in (slice(0, 3), slice(3, 6))]
        losses.append(torch.stack(parts))
    torch.testing.assert_close(*losses)


def test_a_model_of_somebody_elses_needs_nothing_but_its_outputs() -> None:
    """Without a ``cross_entropy`` of its own its logits are taken."""

    class Plain(nn.Module):
        def forward(self, x: torch.Tensor, state: None = None) -> tuple[torch.Tensor, None]:
            return nn.functional.one_hot(x, 5).float(), None

    language_model = task(LanguageModel, TEXT).train()
    language_model.model = Plain()
    x = torch.tensor([[0, 1, 2]])
    assert language_model.loss((x, x), "train").item() == pytest.approx(math.log(4 + math.e) - 1)


def test_truncated_bptt_cuts_between_batches() -> None:
    """The second batch's gradient does not reach into the first, and training and validation states are apart."""
    language_model = task(LanguageModel, TEXT)
    ids = torch.randint(5, (2, 11), generator=torch.Generator().manual_seed(0))
    language_model.loss((ids[:, :-1], ids[:, 1:]), "train")
    state = language_model.carried["train"]
    assert not state.requires_grad
    language_model.on_validation_epoch_start()
    language_model.loss((ids[:, :-1], ids[:, 1:]), "val")
    assert language_model.carried["train"] is state
    language_model.on_train_epoch_start()
    assert "train" not in language_model.carried


def test_perplexity_and_bits_follow_from_nats() -> None:
    """e^loss, and loss / ln 2."""
    derived = task(LanguageModel, TEXT).derive({"loss": math.log(8)})
    assert derived == pytest.approx({"perplexity": 8.0, "bits_per_character": 3.0})


def test_forecast_errors_are_in_the_units_of_the_data() -> None:
    """Scaled values go back through scale and offset before they are judged."""
    forecast = task(Forecast, RETURNS)
    x, y = torch.randn(7, 4, 1), torch.randn(7, 1)
    said, truth = 0.1 + 2.0 * forecast.model(x)[0].detach(), 0.1 + 2.0 * y
    found = {name: mean.item() for name, (mean, _) in forecast.measure((x, y), "val").items()}
    assert found["mse"] == pytest.approx(float(((said - truth) ** 2).mean()), rel=1e-5)
    assert found["mae"] == pytest.approx(float((said - truth).abs().mean()), rel=1e-5)
    assert found["directional_accuracy"] == pytest.approx(float((said.sign() == truth.sign()).float().mean()))
    assert found["loss"] == pytest.approx(found["mse"] / 4, rel=1e-5)
    assert forecast.derive(found)["rmse"] == pytest.approx(math.sqrt(found["mse"]))


def test_exact_match_counts_whole_translations() -> None:
    """What follows the end does not count; one wrong symbol is a wrong translation."""
    translate = task(Translate, PAIRS, EncoderDecoder)
    source = torch.tensor([[0, 1, 2], [3, 4, 5]])
    written = torch.tensor([[1, 2, 0, 3], [3, 0, 1, 1]])
    translate.model.decode = lambda s, steps: written
    target = torch.tensor([[1, 2, 0, IGNORE], [3, 2, 0, IGNORE]])
    found = {name: (mean.item(), n) for name, (mean, n) in translate.measure((source, target), "val").items()}
    assert found["exact_match"] == (0.5, 2)
    assert found["token_accuracy"] == (pytest.approx(4 / 6), 6)


def test_greedy_decoding_feeds_back_what_it_wrote() -> None:
    """Teacher forcing with the model's own translation predicts that translation."""
    translate = task(Translate, PAIRS, EncoderDecoder)
    source = torch.randint(6, (5, 4), generator=torch.Generator().manual_seed(0))
    written = translate.model.decode(source, 7)
    assert torch.equal(translate.model(source, written).argmax(-1), written)


def test_samples_are_readable_and_repeat() -> None:
    """A continuation of the prompt, drawn with a fixed seed."""
    language_model = task(LanguageModel, TEXT)
    batch = (torch.randint(5, (2, 50)), torch.randint(5, (2, 50)))
    (sample,) = language_model.samples(batch)
    assert len(sample["prompt"]) == 40
    assert len(sample["written"]) == 160
    assert set(sample["written"]) <= set("abcde")
    assert language_model.samples(batch) == [sample]
    assert len(task(Forecast, RETURNS).samples((torch.randn(9, 4, 1), torch.randn(9, 1)))) == 5


def test_means_are_weighted_by_positions() -> None:
    """A split's mean is over its positions, not over its batches."""
    regression = task(Regression, RETURNS)
    big, small = (torch.randn(9, 4, 1), torch.randn(9, 1)), (torch.randn(1, 4, 1), torch.randn(1, 1))
    regression.requires_grad_(False)
    regression._begin("val")
    losses = []
    for batch in (big, small):
        with torch.no_grad():
            regression._add(batch, "val")
        losses.append(regression.loss(batch, "val").item())
    assert regression.means.of_all()["mse"].value == pytest.approx(np.average(losses, weights=[9, 1]), rel=1e-5)
    regression._add((big[0] * math.nan, big[1]), "val")
    assert math.isnan(regression.means.of_all()["mse"].value)  # a batch that is no number is not left out


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        (Forecast, TEXT, r"Forecast predicts real numbers .*; the data asks for tokens \(every\)"),
        (LanguageModel, RETURNS, r"LanguageModel predicts tokens \(every\); the data asks for real numbers \(last\)"),
        (LanguageModel, PAIRS, "model SequenceModel answers while it reads"),
    ],
)
def test_a_task_refuses_data_that_it_cannot_score(kind: type, spec: DataSpec, message: str) -> None:
    """It says what it predicts and what the data asks for."""
    with pytest.raises(ConfigError, match=message):
        task(kind, spec)
