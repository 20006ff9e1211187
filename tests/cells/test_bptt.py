"""The three engines against each other, against autograd, and against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from seqlab import products
from seqlab.cells import bptt, spans
from seqlab.cells.bptt import by_hand, native
from seqlab.cells.bptt.scans import TorchScans
from seqlab.errors import ConfigError
from seqlab.native import Unavailable
from seqlab.nets import add_product

DOUBLE, SINGLE = 1e-13, 2e-6
"""How far numbers may be apart, as a share of the largest of them."""
HERE = "no C compiler" not in native.obstacle(torch.zeros(1))
by_c = pytest.mark.skipif(not HERE, reason="needs a C compiler")
BY_HAND = ["torch", pytest.param("native", marks=by_c)]

SIZES = [
    (4, 11, 6, 5),
    (1, 3, 100, 7),
    (2, 5, 64, 2),
    (3, 40, 33, 3),
    (13, 9, 200, 50),
    (37, 6, 17, 4),
    (128, 2, 40, 3),
]
"""B, T, H and K: whole vectors and parts of one, few rows and many, one tile and several."""


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def assert_near(found: list[Tensor], expected: list[Tensor], share: float) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=share * float(b.abs().max()))


def weights(H: int, K: int, B: int, dtype: torch.dtype) -> list[Tensor]:
    """W, U, b and h_0, small enough for states that are not all at their bounds."""
    scaled = normal(H, K, seed=1) / K, normal(H, H, seed=2) / H**0.5, normal(H, seed=3) / 10, normal(B, H, seed=4) / 2
    return [part.to(dtype) for part in scaled]


def inputs(T: int, B: int, K: int, tokens: bool, dtype: torch.dtype) -> Tensor:
    if tokens:
        return torch.randint(K, (T, B), generator=torch.Generator().manual_seed(5))
    return normal(T, B, K, seed=5, dtype=dtype)


def run(function: Callable[..., Tensor], x: Tensor, parts: list[Tensor], relu: bool, engine: str) -> list[Tensor]:
    """What comes out, and the gradients of everything that has one."""
    leaves = [part.clone().requires_grad_() for part in parts]  # as they lie in memory
    reals = [x.clone().requires_grad_()] if x.is_floating_point() else []
    h = function(reals[0] if reals else x, *leaves, relu, engine)
    above = normal(*h.shape, seed=6, dtype=h.dtype)
    return [h.detach(), *torch.autograd.grad((h * above).sum(), leaves + reals)]


@pytest.mark.parametrize("function", [bptt.hidden_states, bptt.last_state])
@pytest.mark.parametrize("engine", BY_HAND)
@pytest.mark.parametrize(("B", "T", "H", "K"), SIZES)
def test_all_engines_compute_the_same(
    function: Callable[..., Tensor], engine: str, B: int, T: int, H: int, K: int
) -> None:
    """States and every gradient are those of the reference: to the last digits of its precision."""
    dtype, share = (torch.float32, SINGLE) if engine == "native" else (torch.float64, DOUBLE)
    for relu, tokens in product((False, True), repeat=2):
        x, parts = inputs(T, B, K, tokens, dtype), weights(H, K, B, dtype)
        assert_near(run(function, x, parts, relu, engine), run(function, x, parts, relu, "reference"), share)


def test_small_products_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those of many steps at once go to another library, whose every call costs more than a step."""
    seen: dict[str, set[str]] = {"steps": set(), "many steps": set()}

    class Noting(TorchScans):
        def forwards(self, h: Tensor) -> None:
            seen["steps"].add(products.switch.fp32_precision)
            super().forwards(h)

        def backwards(self, dh: Tensor, ds: Tensor, h: Tensor) -> None:
            seen["steps"].add(products.switch.fp32_precision)
            super().backwards(dh, ds, h)

    def noting(*given: Tensor) -> Tensor:
        seen["many steps"].add(products.switch.fp32_precision)
        return add_product(*given)

    before = products.switch.fp32_precision
    monkeypatch.setattr(products, "faster_and_exact", lambda: True)
    monkeypatch.setattr(bptt, "TorchScans", Noting)
    monkeypatch.setattr(by_hand, "add_product", noting)
    run(bptt.hidden_states, inputs(5, 4, 6, True, torch.float32), weights(7, 6, 4, torch.float32), False, "torch")
    assert seen == {"steps": {before}, "many steps": {"bf16"}}


@pytest.mark.parametrize("engine", BY_HAND)
@pytest.mark.parametrize("function", [bptt.hidden_states, bptt.last_state])
@pytest.mark.parametrize("tokens", [False, True])
def test_steps_that_are_taken_some_at_a_time_are_those_of_one_pass(
    function: Callable[..., Tensor], engine: str, tokens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the last span is shorter than the others, and with more than one net."""
    B, T, H, K = 6, 11, 20, 3
    x, parts = inputs(T, B, K, tokens, torch.float32), weights(H, K, B, torch.float32)
    *own, h_0 = parts
    stacked = [*(torch.stack([part, part / 2]) for part in own), h_0]
    whole = [run(function, x, of, False, engine) for of in (parts, stacked)]
    monkeypatch.setattr(spans, "ROOM", 3 * B * H)
    for of, expected in zip((parts, stacked), whole, strict=True):
        assert_near(run(function, x, of, False, engine), expected, SINGLE)


@by_c
def test_the_native_tanh_is_that_of_torch() -> None:
    """To 4e-7 anywhere, at most 1, and odd enough near zero to keep the sign."""
    s = torch.cat([torch.linspace(-15, 15, 40_001), torch.tensor([0.0, 1e-30, -1e-30, 1e30, -1e30])])[:, None]
    h = torch.stack([torch.zeros_like(s), s])
    native.native_scans()(torch.zeros(1, 1), False).forwards(h)
    torch.testing.assert_close(h[1], s.tanh(), rtol=4e-7, atol=4e-7)
    assert h[1].abs().max() == 1
    assert torch.equal(h[1].sign(), s.sign())


@by_c
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_the_sequences(threads: int) -> None:
    """Each takes its own through all steps, also where the gradients of some vanish before those of others."""
    x, parts = inputs(300, 14, 3, False, torch.float32), weights(20, 3, 14, torch.float32)
    parts[1] *= 0.3
    x[:, :5] *= 20  # states at their bounds, through which nothing flows back
    before = torch.get_num_threads()
    alone = [run(function, x, parts, False, "native") for function in (bptt.hidden_states, bptt.last_state)]
    torch.set_num_threads(threads)
    try:
        shared = [run(function, x, parts, False, "native") for function in (bptt.hidden_states, bptt.last_state)]
    finally:
        torch.set_num_threads(before)
    for a, b in zip(alone, shared, strict=True):
        assert torch.equal(a[0], b[0])
        assert_near(a, b, SINGLE)


@pytest.mark.parametrize("engine", BY_HAND)
def test_what_is_left_out_of_the_way_back_is_nothing(engine: str) -> None:
    """Where a gradient has vanished to zero, ending there gives the sums that going on gives."""
    dtype = torch.float32
    T, B, H, K = 300, 5, 24, 3
    x, parts = inputs(T, B, K, False, dtype), weights(H, K, B, dtype)
    parts[1] *= 0.3
    ended = run(bptt.last_state, x, parts, False, engine)
    whole = run(lambda *p: bptt.hidden_states(*p)[-1], x, parts, False, engine)
    assert_near(ended, whole, SINGLE)
    x.requires_grad_()
    reach = bptt.Reach()
    bptt.last_state(x, *parts, False, engine, reach).sum().backward()
    live = x.grad.flatten(1).any(1)
    assert 0 < live.sum() < T // 2
    assert reach.steps == live.sum()
    assert live[-reach.steps :].all()


@pytest.mark.parametrize("relu", [False, True])
def test_gradients_equal_central_differences(relu: bool) -> None:
    """Every partial derivative is what a small step shows."""
    parts = [normal(4, 2, 3), normal(5, 3, seed=1), normal(5, 5, seed=2) / 5, normal(5, seed=3), normal(2, 5, seed=4)]
    leaves = [part.requires_grad_() for part in parts]
    assert torch.autograd.gradcheck(lambda *p: bptt.hidden_states(*p, relu, "torch"), leaves)
    assert torch.autograd.gradcheck(lambda *p: bptt.last_state(*p, relu, "torch"), leaves)


def test_gradients_for_token_ids_equal_central_differences() -> None:
    """W x_t is a column of W, and its gradient goes to that column."""
    ids = torch.randint(3, (4, 2), generator=torch.Generator().manual_seed(0))
    leaves = [part.requires_grad_() for part in (normal(5, 3), normal(5, 5, seed=1) / 5, normal(2, 5, seed=2))]
    assert torch.autograd.gradcheck(lambda W, U, h_0: bptt.hidden_states(ids, W, U, None, h_0, False, "torch"), leaves)


def test_the_reference_has_second_derivatives() -> None:
    """Autograd goes through it twice; the engines by hand say that they cannot."""
    leaves = [part.requires_grad_() for part in (normal(3, 2, 2), normal(3, 2, seed=1), normal(3, 3, seed=2) / 3)]
    h_0 = normal(2, 3, seed=4)
    assert torch.autograd.gradgradcheck(
        lambda x, W, U: bptt.hidden_states(x, W, U, None, h_0, False, "reference"), leaves
    )
    h = bptt.hidden_states(*leaves, None, h_0, False, "torch")
    (dU,) = torch.autograd.grad((h**2).sum(), leaves[2], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dU.sum().backward()


def test_auto_is_native_where_that_can_be_and_torch_elsewhere(request: pytest.FixtureRequest) -> None:
    """Single precision on a CPU with a compiler, and nothing else; and it says why."""
    assert bptt.chosen("auto", torch.zeros(1)).name == ("native" if HERE else "torch")
    assert bptt.chosen("reference", torch.zeros(1)) == ("reference", "as cell.engine says")
    for like in (torch.zeros(1, dtype=torch.float64), torch.zeros(1, device="meta")):
        assert bptt.chosen("auto", like).name == "torch"
    request.getfixturevalue("no_compiler")
    assert bptt.chosen("auto", torch.zeros(1)) == ("torch", "native is not to be had: no C compiler is installed")


def test_what_is_forced_and_cannot_be_is_said(request: pytest.FixtureRequest) -> None:
    """The native engine in double precision, or where there is no library."""
    x, parts = inputs(2, 2, 3, False, torch.float64), weights(4, 3, 2, torch.float64)
    with pytest.raises(ConfigError, match="float64"):
        bptt.hidden_states(x, *parts, False, "native")
    request.getfixturevalue("no_compiler")
    with pytest.raises(ConfigError, match=r"cell\.engine=native: no C compiler"):
        bptt.hidden_states(x.float(), *[part.float() for part in parts], False, "native")


@pytest.mark.parametrize("engine", BY_HAND)
def test_inputs_and_weights_may_lie_in_memory_as_they_like(engine: str) -> None:
    """Batch-first inputs, a transposed U, and a W whose rows and not columns are in one piece."""
    x, (W, U, b, h_0) = inputs(5, 3, 4, False, torch.float32), weights(6, 4, 3, torch.float32)
    expected = run(bptt.hidden_states, x, [W, U, b, h_0], False, engine)
    turned = [part.transpose(0, 1).contiguous().transpose(0, 1) for part in (x, W, U, h_0)]
    found = run(bptt.hidden_states, turned[0], [turned[1], turned[2], b, turned[3]], False, engine)
    assert_near(found, expected, SINGLE)


@by_c
def test_a_library_that_computes_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried against PyTorch's operations before it is trusted."""
    monkeypatch.setattr(TorchScans, "_slopes", lambda self, h: 1 + h**2)
    with pytest.raises(Unavailable, match="its results are wrong on this machine"):
        native.native_scans.__wrapped__()
