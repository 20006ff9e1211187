"""Several models as one: each sequence is read by the model that it belongs to, and its gradient is that model's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import itemgetter

import pytest
import torch
from torch import Tensor, nn

from seqlab.cells.base import map_state, tensors
from seqlab.cells.bptt import native
from seqlab.cells.gru_native import NativeGRU
from seqlab.cells.lstm_native import NativeLSTM
from seqlab.cells.vanilla import VanillaRNN
from seqlab.models.sequence import SequenceModel
from seqlab.packs.models import NotStackable, stack, stacked
from seqlab.spec import IGNORE, Classes, DataSpec, Metric, Reals, Tokens

R, B, T, H = 5, 4, 9, 7
HERE = "no C compiler" not in native.obstacle(torch.zeros(1))
by_c = pytest.mark.skipif(not HERE, reason="needs a C compiler")
CELLS = [
    partial(VanillaRNN, engine="reference"),
    partial(VanillaRNN, engine="torch"),
    pytest.param(partial(VanillaRNN, engine="native"), marks=by_c),
    pytest.param(NativeLSTM, marks=by_c),
    pytest.param(NativeGRU, marks=by_c),
]


def models(
    cell: Callable[..., nn.Module],
    K: int,
    loss_at: str,
    tokens: bool,
    embedding_size: int | None = None,
    **options: int,
) -> list[SequenceModel]:
    spec = DataSpec(
        inputs=Tokens(K) if tokens else Reals(3),
        targets=Classes(K) if loss_at == "last" else Tokens(K),
        loss_at=loss_at,  # type: ignore[arg-type]
        metric=Metric("loss", "min", "nats"),
        references={},
    )
    torch.manual_seed(0)
    made = [SequenceModel(spec, partial(cell, hidden_size=H, bias=True, **options), embedding_size) for _ in range(R)]
    for model in made:
        nn.init.normal_(model.readout.c)
    return made


def batch(K: int, loss_at: str, tokens: bool) -> tuple[Tensor, Tensor]:
    x = torch.randint(K, (R * B, T)) if tokens else torch.randn(R * B, T, 3)
    y = torch.randint(K, (R * B,) if loss_at == "last" else (R * B, T))
    if loss_at == "masked":
        y[:, :5] = IGNORE
        y[:B] = IGNORE  # of the first net nothing counts
        y[-1, 6:] = y[-2] = IGNORE
    return x, y


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("K", [6, 400])
@pytest.mark.parametrize(
    ("loss_at", "tokens", "embedding_size"),
    [
        ("every", True, None),
        ("every", True, 3),
        ("masked", True, None),
        ("last", True, None),
        ("last", False, None),
        ("every", False, None),
    ],
)
def test_each_model_reads_its_own_sequences(
    loss_at: str, tokens: bool, embedding_size: int | None, K: int, num_layers: int, cell: Callable[..., nn.Module]
) -> None:
    """Outputs, states and gradients are those of the models apart, and the loss is the mean of theirs."""
    apart = models(cell, K, loss_at, tokens, embedding_size, num_layers=num_layers)
    together = stacked(apart)
    x, y = batch(K, loss_at, tokens)
    state = map_state(torch.randn_like, together(x)[1])
    loss, after = together.cross_entropy(x, y, state)
    (loss * R).backward()
    outputs, _ = together(x, state)
    losses = []
    for i, model in enumerate(apart):
        own = slice(i * B, (i + 1) * B)
        begun = map_state(itemgetter((slice(None), own)), state)
        own_loss, own_after = model.cross_entropy(x[own], y[own], begun)
        own_loss.backward()
        losses.append(own_loss.detach())
        for one, many in zip(tensors(own_after), tensors(after), strict=True):
            torch.testing.assert_close(many[:, own], one)
        torch.testing.assert_close(outputs[own], model(x[own], begun)[0])
        for one, many in zip(model.parameters(), together.parameters(), strict=True):
            assert one.grad is not None
            assert many.grad is not None
            torch.testing.assert_close(many.grad[i], one.grad)
    torch.testing.assert_close(loss, torch.stack(losses).mean())


@by_c
@pytest.mark.parametrize("cell", [partial(VanillaRNN, engine="native"), NativeLSTM, NativeGRU])
def test_threads_share_the_models(cell: Callable[..., nn.Module]) -> None:
    """To the same bits, with fewer models than threads and with more."""
    x, _ = batch(6, "every", True)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 3, 8):
            torch.set_num_threads(threads)
            found.append(stacked(models(cell, 6, "every", True))(x)[0])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_each_part_of_a_stack_lies_in_memory_as_it_did() -> None:
    """Columns of W in one piece remain so."""
    parts = [torch.randn(3, 4).T for _ in range(2)]
    assert torch.equal(stack(parts)[1], parts[1])
    assert stack(parts)[1].stride() == parts[1].stride()


def test_what_takes_no_stack_is_named() -> None:
    """With the module's own name, before anything is computed."""
    with pytest.raises(NotStackable, match=r"LSTM \(1\) computes one net at a time"):
        stacked([nn.Sequential(nn.Tanh(), nn.LSTM(2, 3)) for _ in range(2)])


def test_without_a_compiler_gated_cells_are_not_stacked(no_compiler: None) -> None:
    """PyTorch's own, which then compute, take one net at a time."""
    with pytest.raises(NotStackable, match="NativeGRU"):
        stacked(models(NativeGRU, 6, "every", True))
