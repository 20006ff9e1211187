"""The forward algorithm against everything that should agree with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hmmlearn.hmm import CategoricalHMM
from torch import Tensor, nn
from torch.nn import functional as F

import reference
from seqlab.cells.hmm import HMM, Filter, Tables, forward_algorithm, log_mixture
from seqlab.testing import CellTests

B, T, K, N = 3, 5, 4, 3
EXACT = {"rtol": 0.0, "atol": 1e-12}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def drawn(n: int = N, size: int = K, seed: int = 0) -> HMM:
    torch.manual_seed(seed)
    return HMM(size, n).double()


def probabilities(cell: HMM) -> tuple[np.ndarray, ...]:
    return tuple(table.detach().exp().numpy() for table in cell.tables)


def symbols(*shape: int, size: int = K) -> Tensor:
    return torch.randint(size, shape, generator=torch.Generator().manual_seed(1))


class TestHMM(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return HMM(input_size, hidden_size=6)


def test_likelihood_and_beliefs_equal_the_sum_over_all_paths() -> None:
    """The logarithms of p(x), p(q_{t+1} | x_1 … x_t) and p(x_{t+1} | x_1 … x_t), each by its definition."""
    cell, x = drawn(), symbols(B, T)
    h, _ = cell(x)
    for sequence, h_b, found in zip(x.tolist(), h, cell.log_likelihood(x).tolist(), strict=True):
        likelihood, _ = reference.hidden_markov(sequence, *probabilities(cell))
        assert found == pytest.approx(math.log(likelihood), abs=1e-12)
        before, _ = reference.hidden_markov(sequence[:-1], *probabilities(cell))
        predicted = log_mixture(h_b[-2], cell.tables.emission)[sequence[-1]]
        assert predicted.item() == pytest.approx(math.log(likelihood / before), abs=1e-12)
    torch.testing.assert_close(h.exp().sum(-1), torch.ones(B, T, dtype=torch.float64), **EXACT)


def test_gradients_of_the_likelihood_are_the_expected_counts() -> None:
    """Of starts, transitions and emissions, from what is expected of each over all paths (Eisner 2016)."""
    cell, x = drawn(), symbols(1, T)
    leaves = Tables(*(table.detach().requires_grad_() for table in cell.tables))
    forward_algorithm(leaves, x)[1].sum().backward()
    _, counts = reference.hidden_markov(x[0].tolist(), *probabilities(cell))
    for leaf, count in zip(leaves, counts.values(), strict=True):
        np.testing.assert_allclose(leaf.grad, count, rtol=0, atol=1e-12)


def by_autograd(log_b: Tensor, log_A: Tensor, h_0: Tensor) -> tuple[Tensor, Tensor]:
    """The forward algorithm as sums of logarithms that autograd differentiates."""
    h, c = [h_0], []
    for log_b_t in log_b:
        s = h[-1] + log_b_t
        c.append(s.logsumexp(-1))
        h.append(((s - c[-1][:, None])[:, :, None] + log_A).logsumexp(1))
    return torch.stack(h[1:]), torch.stack(c)


def test_values_and_gradients_equal_autograd() -> None:
    """The equations of the backward pass are the derivative of the forward pass, for any loss on h and c."""
    log_A, h_0 = normal(N, N, seed=1).log_softmax(-1), normal(B, N, seed=2).log_softmax(-1)
    results = []
    for run in (Filter.apply, by_autograd):
        leaves = [part.clone().requires_grad_() for part in (normal(T, B, N), log_A, h_0)]
        h, c = run(*leaves)
        loss = (h * normal(T, B, N, seed=3)).sum() + (c * normal(T, B, seed=4)).sum()
        results.append((h, c, *torch.autograd.grad(loss, leaves)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


def test_gradients_of_the_parameters_equal_central_differences() -> None:
    """Through the tables' normalisation, with a carried belief."""
    cell, x, state = drawn(), symbols(B, T), normal(B, N).log_softmax(-1)
    names = [name for name, _ in cell.named_parameters()]

    def run(*parameters: Tensor) -> Tensor:
        return torch.func.functional_call(cell, dict(zip(names, parameters, strict=True)), (x, state))[0]

    assert torch.autograd.gradcheck(run, [parameter.detach().requires_grad_() for parameter in cell.parameters()])


def test_likelihood_equals_that_of_hmmlearn() -> None:
    """To 1e-8, over thousands of symbols; in single precision to its own digits, and finite."""
    cell, x = drawn(8, 20), symbols(2, 3000, size=20)
    theirs = CategoricalHMM(8, n_features=20)
    theirs.startprob_, theirs.transmat_, theirs.emissionprob_ = probabilities(cell)
    expected = [theirs.score(sequence[:, None].numpy()) for sequence in x]
    assert cell.log_likelihood(x).tolist() == pytest.approx(expected, abs=1e-8)
    assert cell.float().log_likelihood(x).tolist() == pytest.approx(expected, rel=1e-5)


def test_an_impossible_symbol_is_unlikely_and_not_infinite() -> None:
    """A probability of zero to all digits keeps numbers and gradients finite."""
    cell = HMM(2, 2)
    with torch.no_grad():
        cell.emission.copy_(torch.tensor([[0.0, -200.0], [0.0, -200.0]]))
        cell.transition.copy_(torch.tensor([[0.0, -200.0], [-200.0, 0.0]]))
    x = torch.tensor([[0, 1, 1, 0]])
    h, _ = cell(x)
    assert cell.log_likelihood(x).item() == pytest.approx(-400, rel=1e-6)
    F.nll_loss(log_mixture(h, cell.tables.emission)[0], x[0]).backward()
    assert h.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


@pytest.mark.parametrize("wrong", [{"hidden_size": 0}, {"input_size": 0}])
def test_impossible_arguments_are_refused(wrong: dict[str, int]) -> None:
    """A size below one."""
    with pytest.raises(ValueError, match="sizes must be at least 1"):
        HMM(**{"input_size": 2, "hidden_size": 3, **wrong})
