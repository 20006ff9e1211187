"""Expectation–maximisation by backward passes: equal to hmmlearn's, monotone, and left alone by what is not its own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hmmlearn.hmm import CategoricalHMM
from torch import Tensor

from exact import TEXT, run_of
from seqlab.cells.hmm import HMM
from seqlab.checkpoints import LAST, read
from seqlab.experiment import build, make
from seqlab.models.baum_welch import BaumWelch, ExpectationMaximisation

K, N = 5, 3


def drawn() -> HMM:
    """A cell whose parameters are normalised to double precision, which Baum–Welch takes as they are."""
    torch.manual_seed(0)
    cell = HMM(K, N).double()
    with torch.no_grad():
        for parameter, table in zip(cell.parameters(), cell.tables, strict=True):
            parameter.copy_(table)
    return cell


def batches(*shapes: tuple[int, int]) -> list[Tensor]:
    randomness = torch.Generator().manual_seed(1)
    return [torch.randint(K, shape, generator=randomness) for shape in shapes]


def iterate(cell: HMM, epoch: list[Tensor], smoothing: float = 0.0, times: int = 1) -> None:
    """Some iterations over batches of whole sequences."""
    last = False
    em = ExpectationMaximisation(cell, smoothing)
    optimizer = em.optimizer(lambda: last)
    for i, x in enumerate(epoch * times, 1):
        last = i % len(epoch) == 0
        optimizer.zero_grad()
        em.objective(x, None)[0].backward()
        optimizer.step()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_iterations_equal_those_of_hmmlearn(smoothing: float, times: int) -> None:
    """To 1e-8, over batches of different sizes, and with a prior that is worth as many counts."""
    cell, epoch = drawn(), batches((4, 11), (2, 30), (1, 1))
    theirs = CategoricalHMM(N, n_features=K, init_params="", n_iter=times, tol=-np.inf)
    theirs.startprob_, theirs.transmat_, theirs.emissionprob_ = (t.detach().exp().numpy() for t in cell.tables)
    lengths = [length for sequences, length in (x.shape for x in epoch) for _ in range(sequences)]
    theirs.startprob_prior = 1 + smoothing * len(lengths) / N
    theirs.transmat_prior = 1 + smoothing * (sum(lengths) - len(lengths)) / N**2
    theirs.emissionprob_prior = 1 + smoothing * sum(lengths) / (N * K)
    theirs.fit(np.concatenate([x.flatten() for x in epoch])[:, None], lengths)
    iterate(cell, epoch, smoothing, times)
    for ours, expected in zip(cell.tables, (theirs.startprob_, theirs.transmat_, theirs.emissionprob_), strict=True):
        np.testing.assert_allclose(ours.detach().exp(), expected, rtol=0, atol=1e-8)


def test_no_iteration_lowers_the_likelihood() -> None:
    """And some raise it."""
    cell, epoch = drawn(), batches((6, 40), (6, 25))
    found = []
    for _ in range(30):
        found.append(sum(cell.log_likelihood(x).sum().item() for x in epoch))
        iterate(cell, epoch)
    assert all(after >= before - 1e-9 for before, after in pairwise(found))
    assert found[-1] > found[0] + 5


def test_windows_of_a_text_are_explained_by_the_likelihood_of_the_text() -> None:
    """The objective of consecutive windows with the belief carried adds up to log p of all of it."""
    cell, (x,) = drawn(), batches((2, 30))
    em, state, nats = ExpectationMaximisation(cell, 0.0), None, 0.0
    for window in x.split(12, dim=1):
        objective, state = em.objective(window, state)
        nats += objective.item() * window.numel()
    assert nats == pytest.approx(-cell.log_likelihood(x).sum().item(), abs=1e-9)


def test_what_was_never_seen_is_possible_only_with_smoothing() -> None:
    """A symbol without a count gets almost nothing, or its share of the prior; a row without any keeps its values."""
    table = torch.nn.Parameter(torch.full((2, 4), 0.25).log())
    for smoothing, expected in ((0.0, [[0.75, 0.25, 0, 0], [0.25] * 4]), (0.8, [[6.4 / 11.2, 2.4 / 11.2, 0.1, 0.1]])):
        optimizer = BaumWelch([table], smoothing, lambda: True)
        table.grad = -torch.tensor([[6.0, 2.0, 0.0, 0.0], [0.0] * 4])
        optimizer.step()
        assert table.isfinite().all()
        np.testing.assert_allclose(table.detach()[: len(expected)].exp(), expected, atol=0.05 if smoothing else 1e-7)
    assert table[0, 2].exp().item() == pytest.approx(0.8 / (8 + 4 * 0.8))
    with pytest.raises(ValueError, match="smoothing must be at least 0"):
        BaumWelch([table], -1.0, lambda: True)


@pytest.mark.parametrize("others", [[], ["trainer.accumulate_grad_batches=3"], ["trainer.gradient_clip_val=1e-3"]])
def test_a_run_does_what_the_iterations_say(tmp_path: Path, others: list[str]) -> None:
    """Windows in order, tables re-estimated when an epoch ends; accumulated or clipped gradients change nothing."""
    run = run_of(tmp_path, *TEXT, "cell=hmm", "trainer.max_epochs=2", "scheduler=cosine", *others)
    make(run)
    built = build(run)
    model, last = built.task.model, False
    optimizer = model.own_training.optimizer(lambda: last)
    for _ in range(2):
        state = None
        for i, (x, _) in zip(range(7), built.data.loader("train"), strict=False):
            last = i == 6
            optimizer.zero_grad()
            loss, state = model.own_training.objective(x, None if state is None else state.detach())
            loss.backward()
            optimizer.step()
    learned = read(run.folder / "checkpoints" / LAST)["state_dict"]
    for name, table in model.named_parameters():
        torch.testing.assert_close(learned[f"model.{name}"].exp(), table.detach().exp(), rtol=1e-4, atol=1e-6)


def test_symbols_of_all_batches_count_alike() -> None:
    """Two batches are what their sequences are, however they are cut."""
    whole, apart = drawn(), drawn()
    (x,) = batches((5, 20))
    iterate(whole, [x])
    iterate(apart, [x[:4], x[4:]])
    for a, b in zip(whole.tables, apart.tables, strict=True):
        torch.testing.assert_close(a.exp(), b.exp(), rtol=0, atol=1e-12)
