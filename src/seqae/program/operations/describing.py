"""What describes steps: statistics of each channel, and shares of convolutions above thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...recurrence.convolutions import KERNELS, N_KERNELS, N_TAPS
from .interface import Operation, Value

if TYPE_CHECKING:
    from ..c_body import Body
    from ..onnx_graph import Graph

LEAST_DEVIATION = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Statistics(Operation):
    """arsinh of mean, deviation, least, greatest, first and last value of each channel, and of the length."""

    kind: ClassVar[str] = "vector"

    n_channels: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return 6 * self.n_channels + 1

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        steps = np.asarray(values[0], np.float64)
        parts = [steps.mean(axis=0), steps.std(axis=0), steps.min(axis=0), steps.max(axis=0), steps[0], steps[-1]]
        return np.arcsinh(np.concatenate([*parts, [len(steps)]]).astype(np.float32))

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        C, x = self.n_channels, body.read[0]
        channel = body.loop("c", str(C))
        moments(channel, x, C)
        channel.say(f"float least = {x}[c], greatest = {x}[c];")
        step = channel.loop("t", "n")
        step.say(f"least = {x}[t * {C} + c] < least ? {x}[t * {C} + c] : least;")
        step.say(f"greatest = {x}[t * {C} + c] > greatest ? {x}[t * {C} + c] : greatest;")
        told = ("(float)mean", "(float)deviation", "least", "greatest", f"{x}[c]", f"{x}[(n - 1) * {C} + c]")
        channel.say(*(f"{body.target}[{k * C} + c] = (float)asinh({part});" for k, part in enumerate(told)))
        body.say(f"{body.target}[{6 * C}] = (float)asinh((double)n);")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        steps = graph.read[0]
        infinity = graph.constant(np.float32(np.inf))
        low = graph.add("Where", graph.is_step, steps, infinity)
        high = graph.add("Where", graph.is_step, steps, graph.add("Neg", infinity))
        is_last = graph.add(
            "Equal", graph.steps, graph.add("Sub", graph.column("lengths"), graph.constant(np.int64(1)))
        )
        last = graph.add("Where", graph.reshape(is_last, [0, 0, 1]), steps, graph.constant(np.float32(0)))
        first = graph.reshape(graph.slice(steps, 1, 0, 1), [0, self.n_channels])
        parts = [
            *(graph.cast(part, np.float32) for part in moment_nodes(graph, steps)),
            graph.add("ReduceMin", low, axes=[1], keepdims=0),
            graph.add("ReduceMax", high, axes=[1], keepdims=0),
            first,
            graph.sum(last, 1),
            graph.cast(graph.column("lengths"), np.float32),
        ]
        return graph.add("Asinh", graph.add("Concat", *parts, axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Shares(Operation):
    """The share of steps at which a convolution lies above a threshold (MiniRocket: Dempster et al. 2021).

    A convolution: 9 taps, a dilation apart, of which three weigh 2 and the others -1, on the sum of some channels; see
    seqae.recurrence.sequencewise.convolution_shares for the order of the sums, which all forms keep.

    dilations, n_thresholds: (n_dilations,) int64; channels: (n_dilations, 84, n_channels) bool, those summed.
    thresholds: (n_features,) float32, by dilation, then kernel. is_standardised: whether each channel is first brought
    to mean 0 and deviation 1 (at least 0.01).
    """

    kind: ClassVar[str] = "vector"

    dilations: np.ndarray
    channels: np.ndarray
    n_thresholds: np.ndarray
    thresholds: np.ndarray
    is_standardised: bool

    @property
    def size(self) -> int:
        """See Operation.size."""
        return len(self.thresholds)

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        steps = np.asarray(values[0], np.float32)
        if self.is_standardised:
            wide = steps.astype(np.float64)
            scale = np.maximum(wide.std(axis=0).astype(np.float32), np.float32(LEAST_DEVIATION))
            steps = (steps - wide.mean(axis=0).astype(np.float32)) / scale
        found = [self._shares(steps, *dilated) for dilated in self._by_dilation()]
        return np.concatenate(found).astype(np.float32)

    def _by_dilation(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Dilation, channels (84, n_channels) and thresholds (84, n) of each."""
        ends = np.cumsum(N_KERNELS * self.n_thresholds)
        parts = np.split(self.thresholds, ends[:-1])
        return [
            (int(dilation), channels, part.reshape(N_KERNELS, -1))
            for dilation, channels, part in zip(self.dilations, self.channels, parts, strict=True)
        ]

    @staticmethod
    def _shares(steps: np.ndarray, dilation: int, channels: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        n, reach = len(steps), N_TAPS // 2 * dilation
        total = np.zeros((n, N_KERNELS), np.float32)
        for c in range(steps.shape[1]):
            total = np.where(channels[:, c], total + steps[:, [c]], total)
        padded = np.pad(total, ((reach, reach), (0, 0)))
        y = [padded[k * dilation : k * dilation + n] for k in range(N_TAPS)]
        every = (((y[0] + y[1]) + (y[2] + y[3])) + ((y[4] + y[5]) + (y[6] + y[7]))) + y[8]
        a, b, c = (np.stack([y[taps[k]][:, i] for i, taps in enumerate(KERNELS)], 1) for k in range(3))
        outputs = (3 * a + 3 * b) + (3 * c - every)
        return (outputs[:, :, None] > thresholds).mean(axis=0).reshape(-1)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        C, x = self.channels.shape[2], body.read[0]
        if self.is_standardised:
            x = body.scratch_steps(C)
            channel = body.loop("c", str(C))
            moments(channel, body.read[0], C)
            channel.say(f"float scale = (float)deviation > {LEAST_DEVIATION}f ? (float)deviation : {LEAST_DEVIATION}f;")
            place = f"[t * {C} + c]"
            channel.loop("t", "n").say(f"{x}{place} = ({body.read[0]}{place} - (float)mean) / scale;")
        numbers = {
            name: body.weight(name, array)
            for name, array in (
                ("dilations", self.dilations),
                ("counts", self.n_thresholds),
                ("channels", self.channels),
                ("thresholds", self.thresholds),
                ("taps", np.array(KERNELS)),
            )
        }
        body.say("int first = 0;")
        dilation = body.loop("d", str(len(self.dilations)))
        kernel = dilation.loop("k", str(N_KERNELS))
        kernel.loop("i", f"{numbers['counts']}[d]").say(f"{body.target}[first + i] = 0;")
        step = kernel.loop("t", "n")
        step.say(f"float y[{N_TAPS}];")
        tap = step.loop("m", str(N_TAPS))
        tap.say(f"int s = t + (m - {N_TAPS // 2}) * {numbers['dilations']}[d];", "y[m] = 0;")
        tap.say(f"if (s >= 0 && s < n) for (int c = 0; c < {C}; c++)")
        tap.say(f"    if ({numbers['channels']}[(d * {N_KERNELS} + k) * {C} + c]) y[m] += {x}[s * {C} + c];")
        step.say(
            "float every = (((y[0] + y[1]) + (y[2] + y[3])) + ((y[4] + y[5]) + (y[6] + y[7]))) + y[8];",
            f"float a = 3 * y[{numbers['taps']}[k * 3]], b = 3 * y[{numbers['taps']}[k * 3 + 1]];",
            f"float output = (a + b) + (3 * y[{numbers['taps']}[k * 3 + 2]] - every);",
        )
        step.loop("i", f"{numbers['counts']}[d]").say(
            f"if (output > {numbers['thresholds']}[first + i]) {body.target}[first + i] += 1;"
        )
        kernel.loop("i", f"{numbers['counts']}[d]").say(
            f"{body.target}[first + i] = (float)((double){body.target}[first + i] / n);"
        )
        kernel.say(f"first += {numbers['counts']}[d];")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        steps = graph.read[0]
        if self.is_standardised:
            mean, deviation = (graph.cast(part, np.float32) for part in moment_nodes(graph, steps))
            scale = graph.add("Max", deviation, graph.constant(np.float32(LEAST_DEVIATION)))
            wide = [graph.reshape(part, [0, 1, -1]) for part in (mean, scale)]
            moved = graph.add("Div", graph.add("Sub", steps, wide[0]), wide[1])
            steps = graph.add("Where", graph.is_step, moved, graph.constant(np.float32(0)))
        shares = [self._share_nodes(graph, steps, *dilated) for dilated in self._by_dilation()]
        return shares[0] if len(shares) == 1 else graph.add("Concat", *shares, axis=1)

    @staticmethod
    def _share_nodes(graph: Graph, steps: str, dilation: int, channels: np.ndarray, thresholds: np.ndarray) -> str:
        reach = N_TAPS // 2 * dilation
        total = graph.constant(np.zeros((1, 1, N_KERNELS), np.float32))
        for c in range(channels.shape[1]):
            own = graph.constant(channels[:, c].astype(np.float32))  # 0 where left out, which changes no bit of a sum
            total = graph.add("Add", total, graph.add("Mul", graph.slice(steps, 2, c, c + 1), own))
        padded = graph.add("Pad", total, graph.constant(np.array([0, reach, 0, 0, reach, 0])))
        y = [graph.slice(padded, 1, k * dilation, k * dilation - 2 * reach or None) for k in range(N_TAPS)]
        pairs = [graph.add("Add", y[k], y[k + 1]) for k in range(0, 8, 2)]
        fours = [graph.add("Add", pairs[k], pairs[k + 1]) for k in (0, 2)]
        every = graph.add("Add", graph.add("Add", *fours), y[8])
        taps = graph.add("Concat", *y, axis=2)
        three, places = graph.constant(np.float32(3)), np.arange(N_KERNELS)
        a, b, c = (
            graph.add(
                "Mul",
                graph.add("Gather", taps, graph.constant(np.array(KERNELS)[:, k] * N_KERNELS + places), axis=2),
                three,
            )
            for k in range(3)
        )
        outputs = graph.add("Add", graph.add("Add", a, b), graph.add("Sub", c, every))
        wide = graph.reshape(outputs, [0, 0, N_KERNELS, 1])
        is_above = graph.add("Greater", wide, graph.constant(thresholds[None, None]))
        counted = graph.add("And", is_above, graph.reshape(graph.is_step, [0, 0, 1, 1]))
        counts = graph.reshape(graph.sum(graph.cast(counted, np.float32), 1), [0, thresholds.size])
        n = graph.cast(graph.column("lengths"), np.float64)
        return graph.cast(graph.add("Div", graph.cast(counts, np.float64), n), np.float32)


def moments(channel: Body, steps: str, n_channels: int) -> None:
    """Declare mean and deviation of channel c."""
    channel.say("double mean = 0, deviation = 0;")
    channel.loop("t", "n").say(f"mean += {steps}[t * {n_channels} + c];")
    channel.say("mean /= n;")
    channel.loop("t", "n").say(
        f"deviation += ({steps}[t * {n_channels} + c] - mean) * ({steps}[t * {n_channels} + c] - mean);"
    )
    channel.say("deviation = sqrt(deviation / n);")


def moment_nodes(graph: Graph, steps: str) -> tuple[str, str]:
    """Mean and deviation of each channel, (batch, n_channels) float64. steps: 0 in the padding."""
    wide, n = graph.cast(steps, np.float64), graph.cast(graph.column("lengths"), np.float64)
    mean = graph.add("Div", graph.sum(wide, 1), n)
    apart = graph.add("Sub", wide, graph.reshape(mean, [0, 1, -1]))
    known = graph.add("Where", graph.is_step, apart, graph.constant(np.float64(0)))
    return mean, graph.add("Sqrt", graph.add("Div", graph.sum(graph.add("Mul", known, known), 1), n))
