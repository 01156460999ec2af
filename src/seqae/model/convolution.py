"""Strided convolutions over time and within steps, around a recurrent core; each sequence on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter
from ..sequences.ragged import Ragged, back_to_back, starts_of, step_numbers_of
from .layers import LinearMap

N_FILTERS = 8
MatrixShape = tuple[int, int] | None
"""(rows, columns) of each step; None if steps are not matrices."""


class TimeConvolution(nn.Module):
    """A convolution over time with relu: output step j reads the 2 s - 1 input steps around j s, with zeros outside.

    u(j) = relu(C [x(js - s + 1) ... x(js + s - 1)] + b), for stride s and j from 0; n steps become ceil(n / s).
    """

    def __init__(self, input_size: int, output_size: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.map = LinearMap((2 * stride - 1) * input_size, output_size)

    def forward(self, steps: Ragged) -> Ragged:
        """steps: values (n_rows, input_size). Returns values (n_output_steps, output_size), back to back."""
        lengths = -(-steps.lengths // self.stride)
        places = step_numbers_of(lengths)
        seen = places[:, None] * self.stride + np.arange(1 - self.stride, self.stride)  # (n_output_steps, width)
        is_inside = (seen >= 0) & (seen < np.repeat(steps.lengths, lengths)[:, None])
        rows = np.where(is_inside, seen + np.repeat(steps.starts, lengths)[:, None], 0)
        values = steps.values[torch.from_numpy(rows).to(steps.values.device)]
        values = values * torch.from_numpy(is_inside[..., None]).to(values)
        return back_to_back(torch.relu(self.map(values.flatten(1))), lengths)


class TimeExpansion(nn.Module):
    """The transposed convolution with kernel and stride s: each step becomes s, cut to the sequence's length."""

    def __init__(self, input_size: int, output_size: int, stride: int) -> None:
        super().__init__()
        self.stride, self.output_size = stride, output_size
        self.map = LinearMap(input_size, stride * output_size)

    def forward(self, steps: Ragged, lengths: np.ndarray) -> Ragged:
        """steps: back to back, values (n_steps, input_size); lengths: of the result."""
        values = self.map(steps.values).reshape(-1, self.output_size)
        return Ragged.view(values, starts_of(steps.lengths * self.stride), lengths).compact()


class MatrixConvolution(nn.Module):
    """3 x 3 convolution with stride 2, zeros around each matrix, relu: (rows, columns) become half, rounded up."""

    def __init__(self, shape: Sequence[int], n_filters: int) -> None:
        super().__init__()
        self.halved = (-(-shape[0] // 2), -(-shape[1] // 2))
        self.map = LinearMap(9, n_filters)
        self.rows = nn.Buffer(torch.from_numpy(_neighbours(*shape)), persistent=False)

    @property
    def output_size(self) -> int:
        """Values of the result."""
        return self.halved[0] * self.halved[1] * self.map.weight.shape[0]

    def forward(self, values: Tensor) -> Tensor:
        """values: (n_steps, rows * columns). Returns (n_steps, output_size)."""
        padded = torch.nn.functional.pad(values, (0, 1))  # the last column is the zero around the matrix
        patches = padded[:, self.rows].reshape(-1, 9)
        return torch.relu(self.map(patches)).reshape(len(values), -1)


class MatrixExpansion(nn.Module):
    """The transposed convolution with kernel and stride 2: each place becomes 2 x 2, cut to (rows, columns)."""

    def __init__(self, shape: Sequence[int], n_filters: int) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.halved = (-(-shape[0] // 2), -(-shape[1] // 2))
        self.n_filters = n_filters
        self.map = LinearMap(n_filters, 4)

    @property
    def input_size(self) -> int:
        """Values that it takes."""
        return self.halved[0] * self.halved[1] * self.n_filters

    def forward(self, values: Tensor) -> Tensor:
        """values: (n_steps, input_size). Returns (n_steps, rows * columns)."""
        places = self.map(values.reshape(-1, self.n_filters)).reshape(-1, *self.halved, 2, 2)
        whole = places.transpose(2, 3).reshape(len(values), 2 * self.halved[0], 2 * self.halved[1])
        return whole[:, : self.shape[0], : self.shape[1]].flatten(1)


class ConvolutionReader(nn.Module):
    """Maps steps of the data to those of the recurrent core: convolutions within steps, then over time."""

    def __init__(self, matrix_shape: MatrixShape, strides: Sequence[int], n_channels: int, width: int) -> None:
        super().__init__()
        check_matrix(matrix_shape, n_channels)
        self.matrix = None if matrix_shape is None else MatrixConvolution(matrix_shape, N_FILTERS)
        size = n_channels if self.matrix is None else self.matrix.output_size
        sizes = [size, *(width for _ in strides)]
        pairs = zip(sizes, strides, strict=False)
        self.times = nn.ModuleList(TimeConvolution(size, width, stride) for size, stride in pairs)
        self.output_size = sizes[-1]

    def forward(self, steps: Ragged) -> Ragged:
        """steps: values (n_rows, n_channels). Returns values (n_core_steps, output_size)."""
        if self.matrix is not None:
            steps = Ragged.view(self.matrix(steps.values), steps.starts, steps.lengths)
        for convolution in self.times:
            steps = convolution(steps)
        return steps


class ConvolutionWriter(nn.Module):
    """The reader's mirror: maps the recurrent core's readout, input_size values a step, to steps of the data."""

    def __init__(self, matrix_shape: MatrixShape, strides: Sequence[int], n_channels: int, width: int) -> None:
        super().__init__()
        self.matrix = None if matrix_shape is None else MatrixExpansion(matrix_shape, N_FILTERS)
        size = n_channels if self.matrix is None else self.matrix.input_size
        sizes = [*(width for _ in strides), size]
        triples = zip(sizes, sizes[1:], strides[::-1], strict=False)
        self.times = nn.ModuleList(TimeExpansion(*triple) for triple in triples)
        self.input_size = sizes[0]

    def core_lengths(self, lengths: np.ndarray) -> np.ndarray:
        """Recurrent steps for sequences of `lengths` steps. Both: (n_sequences,) int64."""
        return self._all_lengths(lengths)[0]

    def forward(self, steps: Ragged, lengths: np.ndarray) -> Ragged:
        """steps: values (n_core_steps, input_size). Returns values (n_steps, n_channels), both back to back."""
        values = torch.relu(steps.values)
        steps = Ragged.view(values, steps.starts, steps.lengths)
        for expansion, longer in zip(self.times, self._all_lengths(lengths)[1:], strict=True):
            steps = expansion(steps, longer)
        if self.matrix is None:
            return steps
        return Ragged.view(self.matrix(steps.values), steps.starts, steps.lengths)

    def _all_lengths(self, lengths: np.ndarray) -> list[np.ndarray]:
        """Lengths at each convolution, from the core's to the data's."""
        result = [lengths]
        for expansion in reversed(list(self.times.children())):
            result.insert(0, -(-result[0] // int(expansion.stride)))  # pyright: ignore[reportArgumentType]
        return result


def check_matrix(shape: MatrixShape, n_channels: int) -> None:
    """Raise InvalidParameter unless the channels make up the matrix."""
    if shape is not None and shape[0] * shape[1] != n_channels:
        raise InvalidParameter(
            f"matrix_shape is {shape}, {shape[0] * shape[1]} values, but X has {n_channels} channels"
        )


def _neighbours(n_rows: int, n_columns: int) -> np.ndarray:
    """For every other place of a matrix, the 9 places around it; n_rows * n_columns stands for places outside."""
    y, x = np.meshgrid(np.arange(0, n_rows, 2), np.arange(0, n_columns, 2), indexing="ij")
    dy, dx = np.meshgrid((-1, 0, 1), (-1, 0, 1), indexing="ij")
    y, x = y.reshape(-1, 1) + dy.reshape(-1), x.reshape(-1, 1) + dx.reshape(-1)  # (n_places, 9)
    is_inside = (y >= 0) & (y < n_rows) & (x >= 0) & (x < n_columns)
    return np.where(is_inside, y * n_columns + x, n_rows * n_columns)
