"""The hidden Markov model as a cell: it remembers how likely it is to be in each of n states, and nothing else.

A state q_t emits the symbol x_t, and is followed by another state, each by chance (Rabiner 1989)::

    π_i = p(q_1 = i)        A_ij = p(q_{t+1} = j | q_t = i)        b_ik = p(x_t = k | q_t = i)

The forward algorithm: what is believed of the state before a symbol, h_{t−1}, is weighed by how well each state
explains the symbol, and moves on. All in log space; c_t is what keeps the sums at one, and it is the likelihood::

    (1) s_t = h_{t−1} + log b(x_t)            (2) c_t = log Σ_i exp s_t,i = log p(x_t | x_1 … x_{t−1})
    (3) p_t = exp(s_t − c_t)                  (4) h_t = log(Aᵀ p_t)

    h_0 = log π        h_t,j = log p(q_{t+1} = j | x_1 … x_t)        log p(x_1 … x_T) = Σ_t c_t

Backwards, with u_t = Aᵀ p_t and ``dq`` for ∂E/∂q::

    du_t = dh_t / u_t        ds_t = p_t ⊙ (A du_t − Σ_j dh_t,j + dc_t)        dh_{t−1} = (from above) + ds_t

    ∂E/∂log A = A ⊙ Σ_t p_t du_tᵀ        ∂E/∂log b(x_t) = ds_t        ∂E/∂log π = ds_1

For E = log p(x_1 … x_T), where each dc_t is 1 and nothing comes from above, this is the forward–backward algorithm:
ds_t is p(q_t | x_1 … x_T), and the gradients are the expected counts of Baum and Welch (Eisner 2016).

In the code a sequence is time-major and a belief is a row, so Aᵀ p becomes ``p @ A``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class Tables(NamedTuple):
    """Log-probabilities, each row of which sums to one: log π (n,), log A (n, n) and log b (n, K)."""

    start: Tensor
    transition: Tensor
    emission: Tensor


class Filter(torch.autograd.Function):
    """h_1 … h_T and c_1 … c_T from how well each state explains each symbol; all gradients by hand, once."""

    @staticmethod
    def forward(ctx: Any, log_b: Tensor, log_A: Tensor, h_0: Tensor) -> tuple[Tensor, Tensor]:
        """Beliefs (T, B, n), and log-likelihoods (T, B) in nats.

        Args:
            ctx: keeps what the backward pass needs.
            log_b: log b(x_t) for each state (T, B, n).
            log_A: log-probabilities of transitions (n, n).
            h_0: the belief before the first symbol (B, n).
        """
        A = log_A.exp()
        h, p = [h_0], []
        for log_b_t in log_b:
            p.append((h[-1] + log_b_t).softmax(-1))
            h.append(_log(p[-1] @ A))
        beliefs, posteriors = torch.stack(h), torch.stack(p)
        c = (beliefs[:-1] + log_b).logsumexp(-1)
        ctx.save_for_backward(beliefs, posteriors, A)
        return beliefs[1:], c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor, dc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """∂E/∂(log b, log A, h_0) from ∂E/∂h_t as the layers above see it (T, B, n), and ∂E/∂c_t (T, B)."""
        h, p, A = ctx.saved_tensors
        du, ds = [], [torch.zeros_like(h[0])]
        steps = zip(p, h[1:].exp(), dh, dc[..., None], strict=True)
        for p_t, u_t, dh_t, dc_t in reversed(list(steps)):
            dh_t = dh_t + ds[-1]
            du.append(dh_t / u_t)
            ds.append(p_t * (du[-1] @ A.T + (dc_t - dh_t.sum(-1, keepdim=True))))
        dlog_A = A * (p.flatten(0, 1).T @ torch.cat(du[::-1]))
        return torch.stack(ds[:0:-1]), dlog_A, ds[-1]


class HMM(nn.Module):
    """A hidden Markov model over K symbols; h_t is the log-probability of each state that may follow x_1 … x_t.

    Its three tables are given by parameters up to a constant in each row. They start as if drawn, row by row, from all
    distributions alike, which is what tells one seed from another.

    Args:
        input_size: K.
        hidden_size: n, the number of states.

    Raises:
        ValueError: a size below one.
    """

    takes_tokens = True

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        if min(input_size, hidden_size) < 1:
            raise ValueError(f"sizes must be at least 1, got {input_size=}, {hidden_size=}")
        self.hidden_size = hidden_size
        self.start = nn.Parameter(_drawn(hidden_size))
        self.transition = nn.Parameter(_drawn(hidden_size, hidden_size))
        self.emission = nn.Parameter(_drawn(hidden_size, input_size))

    @property
    def tables(self) -> Tables:
        """The three tables, each row summing to one."""
        return Tables(*(table.log_softmax(-1) for table in (self.start, self.transition, self.emission)))

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Beliefs h (B, T, n), and the last of them (B, n).

        Args:
            x: token ids (B, T), or weights of the symbols (B, T, K), such as unit vectors.
            state: the belief before the first symbol (B, n); log π if not given.
        """
        h, _ = forward_algorithm(self.tables, x, state)
        return h, h[:, -1]

    def log_likelihood(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        """The exact log p(x_1 … x_T) of each sequence (B,), in nats."""
        _, c = forward_algorithm(self.tables, x, state)
        return c.sum(1)


def forward_algorithm(tables: Tables, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Beliefs h (B, T, n) and log-likelihoods c (B, T) of each symbol given those before it, in nats."""
    log_pi, log_A, log_b = tables
    # a table without a gradient would stall the processes that make a run together
    h_0 = log_pi.expand(len(x), -1) if state is None else state + 0 * log_pi
    x = x.transpose(0, 1)
    with torch.autocast(x.device.type, enabled=False):  # sums of probabilities need more digits than half precision has
        log_b_x = F.embedding(x, log_b.T) if x.dtype == torch.int64 else x @ log_b.T
        h, c = Filter.apply(log_b_x, log_A, h_0)
    return h.transpose(0, 1), c.T


def log_mixture(log_p: Tensor, log_M: Tensor) -> Tensor:
    """The logarithm of p M, for a belief log p (…, n) and a table log M (n, K): what is believed of what comes next."""
    with torch.autocast(log_p.device.type, enabled=False):
        return _log(log_p.exp() @ log_M.exp())


def _log(p: Tensor) -> Tensor:
    """The logarithm, finite where p is zero to all digits."""
    return p.clamp(min=torch.finfo(p.dtype).tiny).log()


def _drawn(*shape: int) -> Tensor:
    """Log-probabilities whose rows are uniform on the simplex: exponential variables, divided by their sum."""
    return torch.empty(shape).exponential_().log().log_softmax(-1)
