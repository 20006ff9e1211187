"""The readout and its hand-written residual."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from seqlab.heads import Readout, cross_entropy
from seqlab.spec import IGNORE


def logits(*shape: int, scale: float = 1.0) -> torch.Tensor:
    z = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * scale
    return z.requires_grad_()


def test_cross_entropy_and_its_gradient_equal_those_of_torch() -> None:
    """Mean over the positions that count; r = ŷ − y there, zero elsewhere."""
    y = torch.randint(5, (3, 4), generator=torch.Generator().manual_seed(1))
    y[0, 1] = y[2, 3] = IGNORE
    ours, theirs = logits(3, 4, 5), logits(3, 4, 5)
    a = cross_entropy(ours, y)
    b = F.cross_entropy(theirs.flatten(0, 1), y.flatten())
    a.backward()
    b.backward()
    assert a.item() == pytest.approx(b.item(), abs=1e-14)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-14)


def test_gradient_is_prediction_minus_truth() -> None:
    """The equation itself: ∂E/∂z = softmax(z) − y."""
    z, y = logits(1, 5), torch.tensor([2])
    cross_entropy(z, y).backward()
    torch.testing.assert_close(z.grad, z.detach().softmax(1) - F.one_hot(y, 5))


def test_gradient_equals_central_differences() -> None:
    """A small step shows the same slope."""
    y = torch.tensor([1, IGNORE, 4])
    assert torch.autograd.gradcheck(lambda z: cross_entropy(z, y), logits(3, 5))


def test_extreme_logits_stay_finite() -> None:
    """The log goes through log-sum-exp."""
    z = logits(4, 5, scale=1e4)
    loss = cross_entropy(z, torch.tensor([0, 1, 2, 3]))
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()


def test_half_precision_logits_are_summed_in_single_precision() -> None:
    """As PyTorch's own cross-entropy does under autocast."""
    z = logits(64, 500).detach().bfloat16()
    y = torch.randint(500, (64,), generator=torch.Generator().manual_seed(1))
    assert cross_entropy(z, y).item() == pytest.approx(F.cross_entropy(z.float(), y).item(), rel=1e-6)


def test_nothing_to_predict_costs_nothing() -> None:
    """A batch in which no position counts has loss zero and no gradient."""
    z = logits(2, 3)
    loss = cross_entropy(z, torch.tensor([IGNORE, IGNORE]))
    loss.backward()
    assert loss.item() == 0.0
    assert not z.grad.any()


def test_gradient_of_V_is_the_sum_of_residuals_times_states() -> None:
    """∂E/∂V = Σ r hᵀ, and a bias has the sum of residuals."""
    torch.manual_seed(0)
    readout, h, y = Readout(3, 5, bias=True).double(), logits(4, 3), torch.tensor([0, 2, 4, 1])
    (cross_entropy(readout(h), y) * 4).backward()
    r = (readout(h).softmax(1) - F.one_hot(y, 5)).detach()
    torch.testing.assert_close(readout.V.grad, r.T @ h.detach())
    torch.testing.assert_close(readout.c.grad, r.sum(0))
    torch.testing.assert_close(h.grad, r @ readout.V.detach())
