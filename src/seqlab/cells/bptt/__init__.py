"""The recurrence of a vanilla RNN and its gradient, by three engines that compute the same numbers.

A hidden state looks at the new input and at its own past, and is squashed::

    (1) s_t = U h_{t−1} + W x_t (+ b)        (2) h_t = tanh(s_t), or max(0, s_t)

=============  ======================================================================================================
``reference``  a plain loop that autograd differentiates: the definition. Any type of number, derivatives of any order.
``torch``      backpropagation through time by hand, in PyTorch's operations (``by_hand``, ``scans``).
``native``     the same, with its two loops over time in C (``native``, ``scans.c``): single precision on a CPU, where
               there is a C compiler.
``auto``       native where it can be, else torch.
=============  ======================================================================================================

A sequence is time-major here, and a state is a row, so that U h becomes ``h @ U.T``. Several nets of one size may be
computed at once: their weights then have one more axis in front, and each net reads as many of the sequences as any
other, the first net the first of them.
"""

from __future__ import annotations

from torch import Tensor

from seqlab.cells import rows
from seqlab.cells.base import Engine
from seqlab.cells.bptt import native, reference
from seqlab.cells.bptt.by_hand import BPTT, Reach
from seqlab.cells.bptt.scans import TorchScans
from seqlab.errors import ConfigError

ENGINES = ("auto", "reference", "torch", "native")


def hidden_states(
    x: Tensor, W: Tensor, U: Tensor, b: Tensor | None, h_0: Tensor, relu: bool, engine: str = "auto"
) -> Tensor:
    """The states h_1 … h_T (T, B, H) of B sequences.

    Args:
        x: inputs, (T, B, K) reals or (T, B) token ids.
        W: input weights (H, K), or of R nets (R, H, K), of which each reads B / R sequences.
        U: recurrent weights (H, H) or (R, H, H).
        b: bias (H,) or (R, H), or none.
        h_0: the states before the first step (B, H).
        relu: max(0, s) in place of tanh(s).
        engine: one of ``ENGINES``.

    Raises:
        ConfigError: the native engine is asked for, and cannot be.
    """
    return _run(x, W, U, b, h_0, relu, engine)


def last_state(
    x: Tensor,
    W: Tensor,
    U: Tensor,
    b: Tensor | None,
    h_0: Tensor,
    relu: bool,
    engine: str = "auto",
    reach: Reach | None = None,
) -> Tensor:
    """The state h_T alone (B, H); arguments as for ``hidden_states``.

    On the way back nothing comes from above but at the last step. Once a gradient that vanishes has become zero, it is
    zero in all earlier steps, and there the way ends: what is left out is exactly nothing. How many steps it takes is
    told to ``reach``, but by the reference.
    """
    return _run(x, W, U, b, h_0, relu, engine, reach or Reach())


def chosen(engine: str, like: Tensor) -> Engine:
    """The engine that computes where numbers are of the type and on the device of ``like``.

    Raises:
        ConfigError: the native engine is asked for, and cannot be.
    """
    if engine not in ("auto", "native"):
        return Engine(engine, "as cell.engine says")
    why = native.obstacle(like)
    if why and engine == "native":
        raise ConfigError(f"cell.engine=native: {why}. Leave it to cell.engine=auto.")
    return rows.engine(why)


def _run(
    x: Tensor,
    W: Tensor,
    U: Tensor,
    b: Tensor | None,
    h_0: Tensor,
    relu: bool,
    engine: str,
    reach: Reach | None = None,
) -> Tensor:
    name = chosen(engine, U).name
    if name == "reference":
        h = reference.hidden_states(x, W, U, b, h_0, relu)
        return h[-1] if reach else h
    return BPTT.apply(x, W, U, b, h_0, relu, native.native_scans() if name == "native" else TorchScans, reach)
