"""Several models as one: each sequence is read by the model that it belongs to, and its gradient is that model's."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from seqlab.cells import bptt
from seqlab.cells.bptt import native
from seqlab.cells.vanilla import VanillaRNN
from seqlab.models.sequence import SequenceModel
from seqlab.models.stacked import NotStackable, stack, stacked
from seqlab.spec import IGNORE, Classes, DataSpec, Metric, Reals, Tokens

R, B, T, H = 5, 4, 9, 7
HERE = "no C compiler" not in native.obstacle(torch.zeros(1))
ENGINES = [
    e if e != "native" else pytest.param(e, marks=pytest.mark.skipif(not HERE, reason="needs a C compiler"))
    for e in bptt.ENGINES
    if e != "auto"
]


def models(K: int, loss_at: str, tokens: bool, **cell: object) -> list[SequenceModel]:
    spec = DataSpec(
        inputs=Tokens(K) if tokens else Reals(3),
        targets=Classes(K) if loss_at == "last" else Tokens(K),
        loss_at=loss_at,  # type: ignore[arg-type]
        metric=Metric("loss", "min", "nats"),
        references={},
    )
    torch.manual_seed(0)
    made = [SequenceModel(spec, partial(VanillaRNN, hidden_size=H, bias=True, **cell)) for _ in range(R)]
    for model in made:
        nn.init.normal_(model.readout.c)
    return made


def batch(K: int, loss_at: str, tokens: bool) -> tuple[Tensor, Tensor]:
    x = torch.randint(K, (R * B, T)) if tokens else torch.randn(R * B, T, 3)
    y = torch.randint(K, (R * B,) if loss_at == "last" else (R * B, T))
    if loss_at == "masked":
        y[:, :5] = IGNORE
    return x, y


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("K", [6, 40])
@pytest.mark.parametrize(
    ("loss_at", "tokens"), [("every", True), ("masked", True), ("last", True), ("last", False), ("every", False)]
)
def test_each_model_reads_its_own_sequences(loss_at: str, tokens: bool, K: int, num_layers: int, engine: str) -> None:
    """Outputs, states and gradients are those of the models apart, and the loss is the mean of theirs."""
    apart = models(K, loss_at, tokens, num_layers=num_layers, engine=engine)
    together = stacked(apart)
    x, y = batch(K, loss_at, tokens)
    state = torch.randn(num_layers, R * B, H)
    loss, after = together.cross_entropy(x, y, state)
    (loss * R).backward()
    outputs, _ = together(x, state)
    losses = []
    for i, model in enumerate(apart):
        own = slice(i * B, (i + 1) * B)
        own_loss, own_after = model.cross_entropy(x[own], y[own], state[:, own])
        own_loss.backward()
        losses.append(own_loss.detach())
        torch.testing.assert_close(after[:, own], own_after)
        torch.testing.assert_close(outputs[own], model(x[own], state[:, own])[0])
        for one, many in zip(model.parameters(), together.parameters(), strict=True):
            assert one.grad is not None
            assert many.grad is not None
            torch.testing.assert_close(many.grad[i], one.grad)
    torch.testing.assert_close(loss, torch.stack(losses).mean())


@pytest.mark.skipif(not HERE, reason="needs a C compiler")
def test_threads_share_the_models() -> None:
    """To the same bits, with fewer models than threads and with more."""
    x, _ = batch(6, "every", True)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 3, 8):
            torch.set_num_threads(threads)
            found.append(stacked(models(6, "every", True, engine="native"))(x)[0])
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
