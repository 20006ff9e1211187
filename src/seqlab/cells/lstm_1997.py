"""The first long short-term memory (Hochreiter & Schmidhuber 1997): memory cells in blocks, and no forget gate.

A state s changes only by what its input gate lets in, so that an error goes back through it unchanged, however far: the
constant error carousel. The n cells of a block share an input gate i and an output gate o::

    net_t = W x_t + U y_{t−1} (+ b)            of all input gates, output gates and cells; y_0 = 0, s_0 = 0
    i_t, o_t = σ(net_t)      g_t = 4 σ(net_t) − 2
    s_t = s_{t−1} + i_t g_t        h(s) = 2 σ(s) − 1
    h_t = o_t h(s_t)                           what layers above see
    y_t = [h_t, i_t, o_t]                      what the next step sees: cells and gates

The paper's gradient is truncated: what reaches a net input changes the weights that lead there, and the inputs of the
same step, but goes no further back in time. Then only the carousel is left to carry errors, and it does so by a sum::

    ds_t = ds_{t+1} + dh_t o_t h'(s_t)         do_t = Σ dh_t h(s_t)     di_t = Σ ds_t g_t     dg_t = ds_t i_t
    dnet_t = (di_t, do_t, dg_t) ⊙ slopes       ∂E/∂U = Σ_t dnet_t y_{t−1}ᵀ

with Σ over the cells of a block. In the code a sequence is time-major and a state is a row; ``dq`` is ∂E/∂q.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class Form(NamedTuple):
    """What the net consists of. Its N units lie in the order input gates, output gates, cells.

    Attributes:
        blocks: how many memory-cell blocks.
        cells: n, the cells of a block.
        output_gate: whether a block has an output gate.
        g: ``"centred"`` for 4 σ − 2, ``"logistic"`` for σ.
        h: ``"centred"`` for 2 σ − 1, ``"identity"`` for s itself.
    """

    blocks: int
    cells: int
    output_gate: bool
    g: str
    h: str

    @property
    def gates(self) -> int:
        """The gates of all blocks."""
        return self.blocks * (1 + self.output_gate)

    @property
    def unit(self) -> float:
        """What s is counted in, so that h(s) = 2 σ(s) − 1 is tanh(s / unit)."""
        return 2.0 if self.h == "centred" else 1.0

    @property
    def gain(self) -> float:
        """What a cell's unit, σ − ½ or σ, is multiplied with on its way into s / unit."""
        return (4.0 if self.g == "centred" else 1.0) / self.unit

    def by_block(self, cells: Tensor) -> Tensor:
        """Cells (…, H) as (…, blocks, n)."""
        return cells.unflatten(-1, (self.blocks, self.cells))

    def parts(self, units: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """Views of units (…, N): input gates and output gates (…, blocks, 1), and cells (…, blocks, n)."""
        i = units[..., : self.blocks, None]
        o = units[..., self.blocks : self.gates, None] if self.output_gate else None
        return i, o, self.by_block(units[..., self.gates :])

    def record(self, step: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Views of all that is kept of a step (…, 2 H + N): s / unit; h; y, that is h and the gates; and the units."""
        H = self.blocks * self.cells
        return step[..., :H], step[..., H : 2 * H], step[..., H : 2 * H + self.gates], step[..., 2 * H :]

    def activate(self, net: Tensor) -> tuple[Tensor, Tensor, Tensor | float]:
        """From net inputs (…, N): all gates (…, gates), what enters the states (…, blocks, n), and what opens them."""
        units = net.sigmoid()
        i, o, g = self.parts(units)
        return units[..., : self.gates], i * (4 * g - 2 if self.g == "centred" else g), 1.0 if o is None else o

    def squash(self, s: Tensor) -> Tensor:
        """h(s)."""
        return (s / 2).tanh() if self.h == "centred" else s


class Truncated(torch.autograd.Function):
    """y_1 … y_T and s_T, and the truncated gradient by hand. Differentiable once."""

    @staticmethod
    def forward(ctx: Any, Wx: Tensor, U: Tensor, s_0: Tensor, y_0: Tensor, form: Form) -> tuple[Tensor, Tensor]:
        """Activations (T, B, N), in the order cells, input gates, output gates; and the last states (B, H).

        Args:
            ctx: keeps what the backward pass needs.
            Wx: W x_t + b (T, B, N).
            U: recurrent weights (N, N).
            s_0: the states before the first step (B, H).
            y_0: the activations before the first step (B, N).
            form: what the N units are.
        """
        (T, B, N), H = Wx.shape, s_0.shape[1]
        with torch.inference_mode():  # saves a fifth: no operation asks whether autograd listens
            now, net = U.new_zeros(B, 2 * H + N), U.new_empty(B, N)
            past = U.new_empty(T + 1, *now.shape)
            s, h, y, units = form.record(now)
            s_in_blocks, h_in_blocks = form.by_block(s), form.by_block(h)
            i, o, g = form.parts(units)
            U_T, half = U.T, U.new_tensor(0.5)  # made once: in the loop they would cost as much as the product
            gain, centred_g, centred_h = form.gain, form.g == "centred", form.h == "centred"
            s.copy_(s_0 / form.unit)
            y.copy_(y_0)
            past_0, *later = past.unbind()
            past_0.copy_(now)
            for Wx_t, past_t in zip(Wx.to(U.dtype).unbind(), later, strict=True):
                torch.addmm(Wx_t, y, U_T, out=net)
                torch.sigmoid(net, out=units)
                if centred_g:
                    g.sub_(half)
                s_in_blocks.addcmul_(i, g, value=gain)
                torch.tanh(s, out=h) if centred_h else h.copy_(s)
                if o is not None:
                    h_in_blocks.mul_(o)
                past_t.copy_(now)
        past = past.clone()  # a tensor that autograd may keep
        ctx.save_for_backward(past)
        ctx.form = form
        s, _, y, _ = form.record(past)
        return y[1:], s[-1] * form.unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, ds_T: Tensor) -> tuple[Tensor | None, ...]:
        """∂E/∂(Wx, U, s_0) from ∂E/∂y_t as the layers above see it, (T, B, N), and ∂E/∂s_T (B, H). No loop."""
        (past,) = ctx.saved_tensors
        form, H = ctx.form, ds_T.shape[1]
        s, _, y, units = form.record(past)
        units = units[1:].clone()
        i, o, g = form.parts(units)
        h, slope = s[1:], 1.0
        if form.h == "centred":
            h = h.tanh()
            slope = 1 - h**2

        dh = form.by_block(dy[..., :H])
        ds = (dh if o is None else dh * o).flatten(-2) * slope
        ds[-1] += ds_T * form.unit
        ds = ds.flip(0).cumsum(0).flip(0)

        dnet = torch.empty_like(units)
        di, do, dg = form.parts(dnet)
        into = form.gain * form.by_block(ds)
        di.copy_((into * g).sum(-1, keepdim=True))
        dg.copy_(into * i)
        if do is not None:
            do.copy_((dh * form.by_block(h)).sum(-1, keepdim=True))
        dnet[..., : form.gates] += dy[..., H:]
        if form.g == "centred":
            g.add_(0.5)
        dnet.mul_(units * (1 - units))
        dU = dnet.flatten(0, 1).T @ y[:-1].flatten(0, 1)
        return dnet, dU, ds[0] / form.unit, None, None


class LSTM1997(nn.Module):
    """One layer of memory cells that forget nothing.

    Args:
        input_size: the size of an input vector, or the number of tokens.
        hidden_size: H, the cells of all blocks.
        cells_per_block: how many cells share an input gate and an output gate.
        output_gate: ``False`` for blocks that are always read (experiments 2a and 2b of the paper).
        feedback: whether cells and gates see the activations of the step before; ``False`` for inputs alone (2a).
        g: what squashes a cell's net input: ``"centred"`` in [−2, 2], or ``"logistic"`` in [0, 1].
        h: what squashes a state: ``"centred"`` in [−1, 1], or ``"identity"``.
        bias: which units have one: ``"all"``, ``"gates"`` or ``"none"``.
        init: r; all weights are drawn from U(−r, r).
        input_gate_bias: the input gates' biases at the start, one for each block; ``None`` to draw them too.
        output_gate_bias: likewise. A low bias keeps a block out of use until the net needs it.
        truncated: the paper's gradient; ``False`` for that of full backpropagation through time, which is slower.

    Raises:
        ValueError: sizes that do not fit together, another word than those above, or a bias for gates without one.
    """

    takes_tokens = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        cells_per_block: int = 1,
        output_gate: bool = True,
        feedback: bool = True,
        g: str = "centred",
        h: str = "centred",
        bias: str = "all",
        init: float = 0.1,
        input_gate_bias: Sequence[float] | None = None,
        output_gate_bias: Sequence[float] | None = None,
        truncated: bool = True,
    ):
        super().__init__()
        _check_word("g", g, "centred", "logistic")
        _check_word("h", h, "centred", "identity")
        _check_word("bias", bias, "all", "gates", "none")
        if min(input_size, hidden_size, cells_per_block) < 1 or hidden_size % cells_per_block:
            raise ValueError(
                f"hidden_size={hidden_size} cells do not make blocks of cells_per_block={cells_per_block}; "
                "hidden_size must be a multiple of it"
            )
        self.hidden_size, self.truncated = hidden_size, truncated
        self.form = form = Form(hidden_size // cells_per_block, cells_per_block, output_gate, g, h)
        N = self.units = form.gates + hidden_size
        biased = {"all": N, "gates": form.gates, "none": 0}[bias]
        self.W = nn.Parameter(torch.empty(N, input_size).uniform_(-init, init))
        self.U = nn.Parameter(torch.empty(N, N).uniform_(-init, init)) if feedback else None
        self.b = nn.Parameter(torch.empty(biased).uniform_(-init, init)) if biased else None
        self._start("input_gate_bias", input_gate_bias, 0, form.blocks)
        self._start("output_gate_bias", output_gate_bias, form.blocks, form.gates)

    def _start(self, name: str, values: Sequence[float] | None, first: int, last: int) -> None:
        """Sets the biases of some gates."""
        if values is None:
            return
        numbers = all(isinstance(value, int | float) for value in values)
        if self.b is None or not numbers or len(values) != self.form.blocks or first == last:
            raise ValueError(
                f"{name}={list(values)}: expected one number for each of {self.form.blocks} blocks, whose gates must "
                "be there and have a bias"
            )
        with torch.no_grad():
            self.b[first:last] = torch.tensor(values)

    def forward(self, x: Tensor, state: tuple[Tensor, ...] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What the cells let out (B, T, H), and the state after the last step.

        Args:
            x: reals (B, T, D), or token ids (B, T).
            state: the cells' states (B, H) and, with feedback, all activations (B, N); zero if not given.
        """
        Wx = self._net_from(x.transpose(0, 1))
        sizes = (self.hidden_size, self.units) if self.U is not None else (self.hidden_size,)
        s, *y = state or [self.W.new_zeros(len(x), size) for size in sizes]
        if self.U is None:
            h, s = self._summed(Wx, s)
            return h.transpose(0, 1), (s,)
        if self.truncated:
            activations, s = Truncated.apply(Wx, self.U, s, *y, self.form)
        else:
            activations, s = self._unrolled(Wx, self.U, s, *y)
        return activations[..., : self.hidden_size].transpose(0, 1), (s, activations[-1])

    def gates(self, x: Tensor, state: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The gates of all blocks (B, blocks) in a step x (B, 1, D) or (B, 1) from the state before it."""
        net = self._net_from(x[:, 0])
        if self.U is not None:
            net = net + state[1] @ self.U.T
        values, *_ = self.form.activate(net)
        parts = values.split(self.form.blocks, dim=-1)
        return dict(zip(("input", "output")[: len(parts)], parts, strict=True))

    def _net_from(self, x: Tensor) -> Tensor:
        """W x + b (…, N) for inputs (…, D) or token ids (…)."""
        Wx = F.embedding(x, self.W.T) if x.dtype == torch.int64 else F.linear(x, self.W)
        return Wx if self.b is None else Wx + F.pad(self.b, (0, self.units - len(self.b)))

    def _summed(self, Wx: Tensor, s_0: Tensor) -> tuple[Tensor, Tensor]:
        """Without feedback no step waits for another: h (T, B, H) and s_T."""
        _, into, opened = self.form.activate(Wx)
        s = s_0 + into.cumsum(0).flatten(-2)
        return (opened * self.form.by_block(self.form.squash(s))).flatten(-2), s[-1]

    def _unrolled(self, Wx: Tensor, U: Tensor, s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """A loop that autograd differentiates whole: y_1 … y_T and s_T."""
        activations = []
        for Wx_t in Wx:
            gates, into, opened = self.form.activate(Wx_t + y @ U.T)
            s = s + into.flatten(-2)
            h = (opened * self.form.by_block(self.form.squash(s))).flatten(-2)
            y = torch.cat([h, gates], dim=-1)
            activations.append(y)
        return torch.stack(activations), s


def _check_word(name: str, word: str, *known: str) -> None:
    if word not in known:
        raise ValueError(f"{name} must be {' or '.join(known)}, got '{word}'")
