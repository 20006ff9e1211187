"""Self-attention keeps the contract of a cell, and is what its equations say."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqlab.cells.attention import Attention, Block
from seqlab.cells.base import state_size
from seqlab.testing import CellTests

B, T, D, H = 3, 12, 4, 8


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cell(**options: int) -> Attention:
    torch.manual_seed(0)
    return Attention(D, **{"hidden_size": H, "heads": 2, **options}).double()


class TestAttention(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return Attention(input_size, H, heads=2)


class TestNarrowWindow(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return Attention(input_size, H, heads=1, window=3, num_layers=3)


class TestBlind(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return Attention(input_size, H, window=1, num_layers=1)


def step_by_step(cell: Attention, x: Tensor) -> Tensor:
    """The equations for one sequence (T, D), one step and one head at a time, with positions counted from its start."""
    h = list(cell.embed(x))
    for block in cell.blocks:
        assert isinstance(block, Block)
        q, k, v = ([row.chunk(block.heads) for row in part] for part in _projected(block, h))
        d = H // block.heads
        found = []
        for t in range(len(h)):
            heads = []
            for head in range(block.heads):
                seen = range(max(0, t - cell.window + 1), t + 1)
                scores = [_turned(q[t][head], t) @ _turned(k[j][head], j) / math.sqrt(d) for j in seen]
                weights = torch.stack(scores).softmax(0)
                heads.append(sum(weight * v[j][head] for weight, j in zip(weights, seen, strict=True)))
            found.append(block.O(torch.cat(heads)))
        h = [a + b for a, b in zip(h, found, strict=True)]
        h = [a + block.feed_forward(block.before_feed_forward(a)) for a in h]
    return cell.norm(torch.stack(h))


def _projected(block: Block, h: list[Tensor]) -> tuple[Tensor, ...]:
    return (torch.stack([block.before_attention(a) for a in h]) @ block.QKV.weight.T).chunk(3, dim=-1)


def _turned(x: Tensor, t: int) -> Tensor:
    """Each pair as a complex number, times e^(i t θ) with θ = 10000^(−2 i / d)."""
    half = len(x) // 2
    theta = [10000 ** (-2 * i / len(x)) for i in range(half)]
    z = torch.complex(x[:half], x[half:]) * torch.tensor([complex(math.cos(t * a), math.sin(t * a)) for a in theta])
    return torch.cat([z.real, z.imag])


@pytest.mark.parametrize("window", [4, 256])
def test_outputs_equal_the_equations_one_step_at_a_time(window: int) -> None:
    """Softmax over the window, turned queries and keys, both ways around."""
    net, x = cell(window=window), normal(T, D)
    torch.testing.assert_close(net(x[None])[0][0], step_by_step(net, x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("window", [1, 2, 5, 256])
@pytest.mark.parametrize("cuts", [range(1, T), [1, 2, 9], [11]])
def test_any_chunks_with_carried_state_equal_one_pass(cuts: list[int], window: int) -> None:
    """Shorter and longer than the window, one step at a time, from before the window is full and after."""
    net, x = cell(window=window), normal(B, T, D)
    parts, state = [], None
    for chunk in x.tensor_split(list(cuts), dim=1):
        h, state = net(chunk, state)
        parts.append(h)
    torch.testing.assert_close(torch.cat(parts, 1), net(x)[0], rtol=0, atol=1e-12)


def test_what_lies_before_the_window_is_forgotten() -> None:
    """Two blocks that see three steps reach four steps back, and no further."""
    net, x = cell(window=3), normal(1, T, D)
    changed = x.clone()
    changed[:, 2] += 1
    moved = (net(x)[0] - net(changed)[0]).abs().amax((0, 2)) > 1e-12
    assert moved.tolist() == [2 <= t <= 6 for t in range(T)]


def test_the_state_is_the_whole_windows() -> None:
    """Keys and values of w − 1 steps in each block, and a count; after one step as after many."""
    assert state_size(cell(window=10, num_layers=3), D) == 3 * 2 * 9 * H + 1


def test_dropout_drops_of_what_blocks_add_while_training() -> None:
    """With nearly all of it dropped, the blocks do nothing; in evaluation, nothing is dropped."""
    net, x = Attention(D, H, dropout=1 - 1e-9), torch.randn(B, T, D)
    torch.testing.assert_close(net(x)[0], net.norm(net.embed(x)))
    net.eval()
    assert not torch.equal(net(x)[0], net.norm(net.embed(x)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden_size": 12}, r"hidden_size=12 must be a multiple of 2 · heads = 8"),
        ({"window": 0}, r"must be at least 1, got .*window=0"),
        ({"dropout": 1.0}, r"dropout must be"),
    ],
)
def test_impossible_arguments_are_refused(wrong: dict[str, float], message: str) -> None:
    """A width that heads cannot share in pairs, a window of nothing, a share of one."""
    with pytest.raises(ValueError, match=message):
        Attention(**{"input_size": D, "hidden_size": H, **wrong})
