"""What the decoder sees: the encoder's last state, and with attention all that was read."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seqlab.cells.vanilla import VanillaRNN
from seqlab.models.attention import GlobalAttention
from seqlab.models.encoder_decoder import END, EncoderDecoder
from seqlab.spec import IGNORE, DataSpec, Metric, Tokens

B, S, T, H = 5, 4, 6, 7
PAIRS = DataSpec(Tokens(6), Tokens(4), "after", Metric("exact_match", "max", "share"))


def ids(size: int, *shape: int) -> Tensor:
    return torch.randint(1, size, shape, generator=torch.Generator().manual_seed(0))


def model(attention: bool) -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(PAIRS, lambda size: VanillaRNN(size, H), attention=attention).double()


@pytest.mark.parametrize("attention", [False, True])
def test_teacher_forcing_equals_one_step_after_another(attention: bool) -> None:
    """A decoder that is fed the same symbols one by one says the same; what follows the end is not read."""
    net, source, target = model(attention), ids(6, B, S), ids(4, B, T)
    target[:, 4:] = IGNORE
    read, state = net.coded(source)
    z = []
    for before in [torch.full((B,), END), *target.unbind(1)[:-1]]:
        one, state = net._write(before.where(before != IGNORE, END)[:, None], state, read, source)
        z.append(one)
    torch.testing.assert_close(net(source, target), torch.cat(z, 1))


def test_greedy_decoding_with_attention_feeds_back_what_it_wrote() -> None:
    """Teacher forcing with the model's own translation predicts that translation."""
    net, source = model(attention=True), ids(6, B, S)
    written = net.decode(source, T)
    assert torch.equal(net(source, written).argmax(-1), written)


def test_padding_does_not_change_the_answer() -> None:
    """Of an encoder that does nothing at padding, however much there is of it."""
    net, source, target = model(attention=True), ids(6, B, S), ids(4, B, T)
    with torch.no_grad():
        net.coded.cell.layers[0].W[:, 0] = 0
    padded = torch.cat([torch.zeros(B, 9, dtype=torch.int64), source], dim=1)
    torch.testing.assert_close(net(padded, target), net(source, target))


def test_attention_equals_its_equations() -> None:
    """Weights from h_tᵀ A r_s over what counts, their mean of r, and tanh of C [c; h]."""
    torch.manual_seed(0)
    attend, h, read = GlobalAttention(H).double(), torch.randn(B, T, H).double(), torch.randn(B, S, H).double()
    counts = torch.tensor([[False, True, True, True]] * B)
    found = attend(h, read, counts)
    for b in range(B):
        for t in range(T):
            alpha = torch.stack([h[b, t] @ attend.A.weight @ read[b, s] for s in range(1, S)]).softmax(0)
            c = sum(a * read[b, s] for a, s in zip(alpha, range(1, S), strict=True))
            torch.testing.assert_close(found[b, t], torch.tanh(attend.C.weight @ torch.cat([c, h[b, t]])))


def test_attention_is_a_choice_that_costs_three_squares() -> None:
    """A and C: 3 H² numbers more."""
    sizes = [sum(p.numel() for p in model(attention).parameters()) for attention in (False, True)]
    assert sizes[1] - sizes[0] == 3 * H * H
