"""All parameters of a module in one vector and their gradients in another, so that an update is one call."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

import torch
from torch import nn

from ..recurrence import gradient_slots


class FlatParameters:
    """In this context, each parameter is a view of one flat vector; afterwards it owns its memory again.

    values: (n_parameters,).
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = list(module.parameters())
        with torch.no_grad():
            self.values = torch.cat([parameter.reshape(-1) for parameter in self._parameters])
        self._gradient = torch.zeros_like(self.values)
        sizes = [parameter.numel() for parameter in self._parameters]
        gradients = zip(self._parameters, self._gradient.split(sizes), strict=True)
        self._slots = [(parameter, part.view_as(parameter)) for parameter, part in gradients if parameter.requires_grad]
        self._context = ExitStack()

    def __enter__(self) -> Self:
        sizes = [parameter.numel() for parameter in self._parameters]
        for parameter, values in zip(self._parameters, self.values.split(sizes), strict=True):
            parameter.data = values.view_as(parameter)
        self._context.enter_context(gradient_slots(self._slots))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._context.close()
        for parameter in self._parameters:
            parameter.data = parameter.data.clone()

    def forget_gradient(self) -> None:
        """Prepare a backward pass: set the gradient to zero."""
        self._gradient.zero_()

    def gradient(self) -> torch.Tensor:
        """The sum of gradients since then, from kernel and autograd, (n_parameters,), in the order of values."""
        for parameter, gradient in self._slots:
            if parameter.grad is not None:
                gradient.add_(parameter.grad)
                parameter.grad = None
        return self._gradient
