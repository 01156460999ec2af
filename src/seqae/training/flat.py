"""All parameters of a module in one vector, so that an update is one call."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import torch
from torch import nn


class FlatParameters:
    """While the context lasts, each parameter and its gradient are views of two flat vectors.

    values, gradient: (n_parameters,). On leaving, the parameters own their memory again, gradients are dropped.
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = list(module.parameters())
        with torch.no_grad():
            self.values = torch.cat([parameter.reshape(-1) for parameter in self._parameters])
        self.gradient = torch.zeros_like(self.values)

    def __enter__(self) -> Self:
        sizes = [parameter.numel() for parameter in self._parameters]
        parts = zip(self._parameters, self.values.split(sizes), self.gradient.split(sizes), strict=True)
        for parameter, values, gradient in parts:
            parameter.data = values.view_as(parameter)
            parameter.grad = gradient.view_as(parameter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for parameter in self._parameters:
            parameter.data = parameter.data.clone()
            parameter.grad = None
