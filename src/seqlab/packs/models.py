"""Several models of one size as one, which reads the sequences of each with the weights of that one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from seqlab.errors import SeqlabError


class NotStackable(SeqlabError):
    """A model that cannot be computed together with others of its kind."""


def stacked(models: Sequence[nn.Module]) -> nn.Module:
    """A model of R models: of R·B sequences it reads the first B with the weights of the first, and so on.

    Its parameters are those of the models with one more axis in front (R, …), copied.

    Raises:
        NotStackable: a module has weights, and does not say by ``stacks`` that they may have that axis.
    """
    first = models[0]
    for name, module in first.named_modules():
        if next(module.parameters(recurse=False), None) is not None and not getattr(module, "stacks", False):
            raise NotStackable(f"{type(module).__name__} ({name}) computes one net at a time")
    together = copy.deepcopy(first)
    for name, module in together.named_modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                own = (model.get_parameter(f"{name}.{key}" if name else key) for model in models)
                module._parameters[key] = nn.Parameter(stack(own), parameter.requires_grad)
    return together


def stack(parts: Iterable[Tensor]) -> Tensor:
    """Tensors of one shape (…) as one (R, …), in which each lies in memory as it did before."""
    first, *others = [part.detach() for part in parts]
    made = torch.empty_strided(
        (1 + len(others), *first.shape), (first.numel(), *first.stride()), dtype=first.dtype, device=first.device
    )
    for place, part in zip(made, (first, *others), strict=True):
        place.copy_(part)
    return made
