"""What a cell makes of its inputs, reals or token ids, by its input weights: W x_t, and the gradient of W."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.nets import add_product, by_net, in_order, places


def project(x: Tensor, W: Tensor, out: Tensor) -> None:
    """W x_t, of one net or of several.

    Args:
        x: reals (L, B, K), or token ids (L, B).
        W: (M, K), or of R nets (R, M, K); for token ids its columns lie each in one piece.
        out: where W x_t is to be (L, B, M).
    """
    if x.dtype == torch.int64:
        torch.index_select(W.mT.flatten(0, -2), 0, places(x, W.mT).flatten(), out=out.flatten(0, 1))
    elif W.dim() == 2:
        torch.mm(x.flatten(0, 1).to(W.dtype), W.T, out=out.flatten(0, 1))
    else:
        out.copy_(in_order(by_net(x, W).to(W.dtype) @ W.mT, out))


def add_gradient(dW: Tensor, x: Tensor, dWx: Tensor) -> None:
    """Adds Σ_t x_t dWx_tᵀ to the gradient of W transposed.

    Args:
        dW: (K, M), or of R nets (R, K, M).
        x: as ``project`` takes it.
        dWx: the gradient by W x_t, as ``by_net`` has it.
    """
    if x.dtype == torch.int64:
        rows = by_net(places(x, dW)[..., None], dW).flatten()
        dW.flatten(0, -2).index_add_(0, rows, dWx.flatten(0, -2))
    else:
        add_product(dW, by_net(x, dW).to(dW.dtype).mT, dWx)
