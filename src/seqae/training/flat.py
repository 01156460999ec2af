"""All parameters of a module in one vector, so that an update is one call."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import torch
from torch import nn


class FlatParameters:
    """While the context lasts, each parameter is a view of one flat vector; on leaving, it owns its memory again.

    values: (n_parameters,).
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = list(module.parameters())
        with torch.no_grad():
            self.values = torch.cat([parameter.reshape(-1) for parameter in self._parameters])

    def __enter__(self) -> Self:
        sizes = [parameter.numel() for parameter in self._parameters]
        for parameter, values in zip(self._parameters, self.values.split(sizes), strict=True):
            parameter.data = values.view_as(parameter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for parameter in self._parameters:
            parameter.data = parameter.data.clone()

    def take_gradients(self) -> list[torch.Tensor]:
        """What a backward pass left, in the order of values; the next one starts anew, and so never has to add."""
        gradients = []
        for parameter in self._parameters:
            gradients.append(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
            parameter.grad = None
        return gradients
