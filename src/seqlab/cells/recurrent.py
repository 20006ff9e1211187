"""The recurrent weights of a cell, by which a step sees the one before it: found by their names."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def recurrent_weights(cell: nn.Module) -> dict[str, Tensor]:
    """The parameters called ``U``, or ``weight_hh`` as PyTorch calls them, by their paths."""
    last = {name: name.rpartition(".")[2] for name, _ in cell.named_parameters()}
    return {
        name: weight
        for name, weight in cell.named_parameters()
        if last[name] == "U" or last[name].startswith("weight_hh")
    }


@torch.no_grad()
def spectral_radii(U: Tensor) -> list[float]:
    """The largest modulus of an eigenvalue, of each square block of rows: one for each gate that U leads to.

    Nothing, where U (m · H, H) has no such blocks, or is not finite.
    """
    rows, columns = U.shape
    if rows % columns or not U.isfinite().all():
        return []
    blocks = U.double().cpu().view(-1, columns, columns)
    return torch.linalg.eigvals(blocks).abs().amax(-1).tolist()
