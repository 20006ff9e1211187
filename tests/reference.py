"""The slow, readable twins: one sequence, plain loops, NumPy, the letters of the equations.

Store h with T + 1 entries, so that index t means t; x, y and s have an unused entry 0.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy import ndarray as Array


def forward(x: Array, W: Array, U: Array, V: Array, h_0: Array) -> tuple[Array, Array]:
    """Hidden states h_0 … h_T (T + 1, H) and probabilities ŷ_1 … ŷ_T (T + 1, K)."""
    T = len(x) - 1
    h = np.zeros((T + 1, len(U)))
    y_hat = np.zeros((T + 1, len(V)))
    h[0] = h_0
    for t in range(1, T + 1):
        s_t = U @ h[t - 1] + W @ x[t]
        h[t] = np.tanh(s_t)
        z_t = V @ h[t]
        e = np.exp(z_t - z_t.max())
        y_hat[t] = e / e.sum()
    return h, y_hat


def loss(y_hat: Array, y: Array) -> float:
    """E = Σ_t −y_tᵀ log ŷ_t for one-hot y_t."""
    return float(-sum(y[t] @ np.log(y_hat[t]) for t in range(1, len(y))))


def backward(x: Array, y: Array, h: Array, y_hat: Array, W: Array, U: Array, V: Array) -> dict[str, Array]:
    """∂E/∂(W, U, V, h_0) by backpropagation through time."""
    T = len(x) - 1
    dW, dU, dV = np.zeros_like(W), np.zeros_like(U), np.zeros_like(V)
    ds_next = np.zeros(len(U))
    for t in range(T, 0, -1):
        r_t = y_hat[t] - y[t]
        dV += np.outer(r_t, h[t])
        dh_t = V.T @ r_t + U.T @ ds_next
        ds_t = (1 - h[t] ** 2) * dh_t
        dU += np.outer(ds_t, h[t - 1])
        dW += np.outer(ds_t, x[t])
        ds_next = ds_t
    return {"W": dW, "U": dU, "V": dV, "h_0": U.T @ ds_next}


def hidden_markov(x: list[int], pi: Array, A: Array, b: Array) -> tuple[float, dict[str, Array]]:
    """p(x_1 … x_T), and how often each event of a hidden Markov model is expected given x: over all nᵀ state paths."""
    likelihood, counts = 0.0, {name: np.zeros_like(table) for name, table in (("pi", pi), ("A", A), ("b", b))}
    for path in product(range(len(pi)), repeat=len(x)):
        p = pi[path[0]]
        for t, q_t in enumerate(path):
            p *= b[q_t, x[t]] * (A[path[t - 1], q_t] if t else 1)
        likelihood += p
        counts["pi"][path[0]] += p
        for t, q_t in enumerate(path):
            counts["b"][q_t, x[t]] += p
            if t:
                counts["A"][path[t - 1], q_t] += p
    return likelihood, {name: count / likelihood for name, count in counts.items()}
