"""The readout and its hand-written residual."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from seqlab import heads
from seqlab.heads import FEW, Readout, cross_entropy
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


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("K", [5, FEW + 3])
def test_readout_and_cross_entropy_in_one_are_those_in_two(monkeypatch: pytest.MonkeyPatch, bias: bool, K: int) -> None:
    """Loss and all gradients, where some positions do not count and the logits come in several parts of both layouts."""
    monkeypatch.setattr(heads, "ROOM", 3 * K)
    y = torch.randint(K, (4, 7), generator=torch.Generator().manual_seed(1))
    y[0, 1:5] = y[2, 3] = IGNORE
    results = []
    for in_one in (True, False):
        torch.manual_seed(0)
        readout, h = Readout(6, K, bias, init=0.5).double(), logits(4, 7, 6)
        E = readout.cross_entropy(h, y) if in_one else cross_entropy(readout(h), y)
        (3 * E).backward()
        results.append((E, h.grad, *(parameter.grad for parameter in readout.parameters())))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-14)


def test_both_in_one_equal_central_differences() -> None:
    """Its gradients are what a small step shows, for time-major states as well."""
    y = torch.tensor([[1, IGNORE, 4], [0, 2, 2]])
    torch.manual_seed(0)
    readout = Readout(3, 5, bias=True).double()
    assert torch.autograd.gradcheck(lambda h, *_: readout.cross_entropy(h, y), (logits(2, 3, 3), *readout.parameters()))
    assert torch.autograd.gradcheck(lambda h: readout.cross_entropy(h.transpose(0, 1), y), logits(3, 2, 3))


def test_both_in_one_of_nothing_is_nothing() -> None:
    """Where no position counts, the loss is zero and has no gradient; at the last step one target a sequence is enough."""
    readout, h = Readout(3, 5, bias=True).double(), logits(2, 3)
    E = readout.cross_entropy(h, torch.full((2,), IGNORE))
    E.backward()
    assert E.item() == 0.0
    assert not h.grad.any()
    assert not readout.V.grad.any()


@pytest.mark.parametrize("wrong", [-1, 5])
def test_a_target_that_is_no_symbol_is_an_error(wrong: int) -> None:
    """And is not taken for another one."""
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        Readout(3, 5, bias=True).cross_entropy(torch.randn(4, 3), torch.tensor([0, wrong, 2, IGNORE]))


def test_both_in_one_are_sure_of_extreme_logits() -> None:
    """The largest logit is taken off before its exponential."""
    readout, y = Readout(3, 5, bias=False).double(), torch.tensor([0, 1])
    h = logits(2, 3, scale=1e5)
    E = readout.cross_entropy(h, y)
    E.backward()
    assert E.item() == pytest.approx(cross_entropy(readout(h), y).item())
    assert h.grad.isfinite().all()


def test_mixed_precision_takes_the_two_apart() -> None:
    """Autocast rules which product is made in which precision."""
    readout, h, y = Readout(8, 5, bias=True), torch.randn(3, 8), torch.tensor([0, 1, 2])
    with torch.autocast("cpu", torch.bfloat16):
        assert readout.cross_entropy(h, y).item() == cross_entropy(readout(h), y).item()
    h = h.bfloat16()
    assert readout.bfloat16().cross_entropy(h, y).item() == cross_entropy(readout(h), y).item()
