"""The switch for products: tried before it is trusted, and put back."""

from __future__ import annotations

import pytest
import torch

from seqlab import processor, products


def test_the_error_of_the_switch_is_measured_and_the_switch_put_back() -> None:
    """Single precision or bfloat16: the one is far below the bound, the other far above."""
    before = products.switch.fp32_precision
    assert 0 < products.error() < 1e-2
    assert products.switch.fp32_precision == before
    a, b = (torch.rand(256, 256) + 0.1 for _ in range(2))
    exact = a.double() @ b.double()
    in_single, in_half = (a @ b).double(), (a.bfloat16().double() @ b.bfloat16().double())
    single, half = (float((found - exact).abs().max() / exact.max()) for found in (in_single, in_half))
    assert single < products.TOLERANCE / 5
    assert half > products.TOLERANCE * 5


@pytest.mark.parametrize("worth", [True, False])
def test_the_switch_is_thrown_only_where_it_is_worth_it(monkeypatch: pytest.MonkeyPatch, worth: bool) -> None:
    """Inside it is as it was found to be right; outside, also after an error, as it was."""
    monkeypatch.setattr(products, "faster_and_exact", lambda: worth)
    before = products.switch.fp32_precision
    with products.fast_products:
        assert products.switch.fp32_precision == ("bf16" if worth else before)
    assert products.switch.fp32_precision == before
    with pytest.raises(RuntimeError), products.fast_products:
        torch.mm(torch.zeros(2, 3), torch.zeros(2, 3))
    assert products.switch.fp32_precision == before


@pytest.mark.parametrize(
    ("amd", "capability", "error", "expected"),
    [
        (True, "AVX512", 1e-6, True),
        (True, "AVX512", 1e-3, False),
        (True, "AVX2", 1e-6, False),
        (False, "AVX512", 1e-6, False),
    ],
)
def test_it_is_worth_it_on_amd_with_wide_vectors_where_it_does_not_round(
    monkeypatch: pytest.MonkeyPatch, amd: bool, capability: str, error: float, expected: bool
) -> None:
    """All three must hold."""
    monkeypatch.setattr(processor, "told", lambda: {"vendor_id": "AuthenticAMD"} if amd else {})
    monkeypatch.setattr(products, "error", lambda: error)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert products.faster_and_exact.__wrapped__() is expected
