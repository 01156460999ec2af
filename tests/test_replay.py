"""Replayed batches: the bits of those that go through the model, and no replay where anything else has a part."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import seqae
from seqae import Architecture, Loss, Ragged, SequenceAutoencoder
from seqae.errors import InvalidParameter
from seqae.model.architecture import Composite, TrainingPlan
from seqae.model.layers import Draw
from seqae.model.plans import Gaussian, LatentPlan
from seqae.model.presets import PRESETS
from seqae.recurrence import gradient_slots, linear, mean_loss, native, traced, weighted_sum
from seqae.recurrence.native.replay import Replay, is_replayable, slots_of
from seqae.sequences.ragged import back_to_back
from seqae.training import batching
from seqae.training.batching import FlatParameters, LossAndGradient

from .conftest import make_waves
from .test_presets import data

pytestmark = pytest.mark.skipif(seqae.active_kernel() == "reference", reason="only the native kernel replays")

REPLAYED = {"repeat", "stacked", "repeat masked", "repeat bce"}
ANNEALED = Architecture(latent=LatentPlan(projection=Gaussian(kl_weight=0.1, kl_annealing=0.7)))
PLANS: dict[str, str | Architecture] = {
    **{name: name for name in PRESETS},
    "repeat masked": "repeat",
    "repeat bce": "repeat",
    "annealed divergence": ANNEALED,
    "annealed horizon": Architecture(training=TrainingPlan(task=Composite(after=2, horizon_annealing=0.7))),
}


@pytest.fixture(autouse=True)
def no_trace_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage may trace the thread, which is not what most tests here are about."""
    monkeypatch.setenv("SEQAE_REPLAY", "1")


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one with each replayed batch."""
    seen: list[int] = []
    loss = Replay.loss

    def counted(self: Replay, batch: Ragged) -> Tensor:
        seen.append(len(batch))
        return loss(self, batch)

    monkeypatch.setattr(Replay, "loss", counted)
    return seen


def sequences_of(name: str, *, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """Sequences for a plan, and what the estimator must know of them."""
    X, settings = data(name.removesuffix(" masked").removesuffix(" bce"), seed=seed)
    if name == "repeat bce":
        return [(x > 0).astype(np.float32) for x in X], {"loss": Loss("bce", "sequence")}
    if name == "repeat masked":
        for x in X:
            x[::3, 1] = np.nan
        return Ragged.from_any(X, missing="mask"), {}
    return X, settings


def fit(name: str, cell: Any = "lstm", *, seed: int = 0, **settings: Any) -> SequenceAutoencoder:
    X, own = sequences_of(name, seed=seed)
    defaults = {"latent_size": 8, "hidden_size": 6, "max_epochs": 6, "batch_size": 3, "random_state": seed}
    for size in PRESETS[name].own_sizes if name in PRESETS else ():
        defaults.pop(size, None)
    return SequenceAutoencoder(PLANS[name], cell=cell, verbose=False, **{**defaults, **own, **settings}).fit(X)


def assert_same(one: SequenceAutoencoder, other: SequenceAutoencoder) -> None:
    for a, b in zip(one.model_.parameters(), other.model_.parameters(), strict=True):
        assert torch.equal(a, b)
    losses = [[(e.training_loss, e.validation_loss) for e in ae.history_.epochs] for ae in (one, other)]
    assert losses[0] == losses[1]


# -- whole fits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_fits_have_the_same_bits_replayed_or_not(
    name: str, cell: str, replays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty-odd batches, every fifth of which goes through the model."""
    monkeypatch.setattr(batching, "RETRACE_EVERY", 5)
    replayed = fit(name, cell)
    assert bool(replays) == (name in REPLAYED)
    n_replayed = len(replays)
    monkeypatch.setenv("SEQAE_REPLAY", "0")
    assert_same(replayed, fit(name, cell))
    assert len(replays) == n_replayed


def test_a_fit_across_the_batches_that_are_traced_anew(replays: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"batch_size": 1, "max_epochs": 36, "validation_fraction": 0, "patience": None}
    replayed = fit("repeat", **settings)
    n_batches = 36 * 12
    assert len(replays) == n_batches - len(range(0, n_batches, batching.RETRACE_EVERY)) == 432 - 3
    monkeypatch.setenv("SEQAE_REPLAY", "0")
    assert_same(replayed, fit("repeat", **settings))


class Turns:
    """A callback that lets two fits take their batches in turns."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self._barrier = barrier

    def on_batch_end(self) -> None:
        self._barrier.wait(timeout=60)


@pytest.mark.parametrize("names", [("repeat", "repeat"), ("repeat", "composite"), ("stacked", "variational")])
def test_two_fits_at_once_have_the_bits_of_each_alone(names: tuple[str, str], replays: list[int]) -> None:
    alone = [fit(name, seed=k) for k, name in enumerate(names)]
    replays.clear()
    callbacks = [Turns(threading.Barrier(2))]
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(fit, name, seed=k, callbacks=callbacks) for k, name in enumerate(names)]
        for future, expected in zip(futures, alone, strict=True):
            assert_same(future.result(), expected)
    assert replays


# -- what may be replayed ----------------------------------------------------------------------------------------------


def waves_batch(lengths: list[int], *, is_masked: bool = False) -> Ragged:
    waves = make_waves(len(lengths), seed=1, shortest=20)
    values = torch.from_numpy(np.concatenate([x[:n] for x, n in zip(waves, lengths, strict=True)]))
    observed = torch.ones(values.shape, dtype=torch.bool) if is_masked else None
    return Ragged.back_to_back(values.float(), np.array(lengths, np.int64), observed)


class Small(nn.Module):
    """y = W x + b at each step, and how its loss is put together."""

    def __init__(self, total: Callable[[Small, Ragged, Draw], Tensor]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.eye(2) / 2), nn.Parameter(torch.zeros(2))
        self.offset = nn.Buffer(torch.ones(2))
        self._total = (total,)
        self.n_calls = 0

    def training_loss(self, batch: Ragged, loss: Loss, draw: Draw) -> Tensor:
        self.n_calls += 1
        return self._total[0](self, batch, draw)

    def told(self, batch: Ragged) -> Ragged:
        return back_to_back(linear(batch.values, self.weight, self.bias), batch.lengths)


def plain(model: Small, batch: Ragged, draw: Draw) -> Tensor:
    return mean_loss("mse", model.told(batch), batch, per_sequence=True)


def annealed(model: Small, batch: Ragged, draw: Draw) -> Tensor:
    return weighted_sum([(draw.progress, plain(model, batch, draw)), (1.0, plain(model, batch, draw))])


def with_torch(model: Small, batch: Ragged, draw: Draw) -> Tensor:
    return 2 * plain(model, batch, draw)


def with_constant(model: Small, batch: Ragged, draw: Draw) -> Tensor:
    wanted = back_to_back(linear(batch.values, torch.ones(2, 2), model.offset), batch.lengths)
    return mean_loss("mse", model.told(batch), wanted, per_sequence=True)


def with_buffer(model: Small, batch: Ragged, draw: Draw) -> Tensor:
    wanted = back_to_back(linear(batch.values, model.weight, model.offset), batch.lengths)
    return mean_loss("mse", model.told(batch), wanted, per_sequence=False)


def with_other_lengths(model: Small, batch: Ragged, draw: Draw) -> Tensor:
    told = model.told(batch)
    as_one = np.array([len(batch.values)])
    pair = (back_to_back(part.values, as_one) for part in (told, batch))
    return mean_loss("mse", *pair, per_sequence=True)


def with_more_afterwards(model: Small, batch: Ragged, draw: Draw) -> Tensor:
    total = plain(model, batch, draw)
    plain(model, batch, draw)
    return total


BATCHES = [[3, 5], [4, 1, 7], [2], [6, 6]]


@pytest.mark.parametrize(
    ("total", "is_replayed"),
    [
        (plain, True), (with_buffer, True), (annealed, False), (with_torch, False), (with_constant, False),
        (with_other_lengths, False), (with_more_afterwards, False),
    ],
)  # fmt: skip
def test_only_what_repeats_is_replayed(total: Any, is_replayed: bool) -> None:
    """And losses and gradients are those of autograd either way, also where a weight changes with the progress."""
    model = Small(total)
    with FlatParameters(model) as flat:
        step = LossAndGradient(model, Loss("mse"), flat)  # pyright: ignore[reportArgumentType]
        for k, lengths in enumerate(BATCHES):
            batch, draw = waves_batch(lengths), Draw(0, k, k / 4)
            assert step.compute(batch, draw) == total(model, batch, Draw(0, k, k / 4)).item()
            found = flat.gradient().clone()
            flat.forget_gradient()
            total(model, batch, Draw(0, k, k / 4)).backward()
            torch.testing.assert_close(found, flat.gradient(), rtol=1e-6, atol=1e-7)
    assert model.n_calls == (1 if is_replayed else len(BATCHES))


def test_the_rule_wants_calls_that_end_in_the_loss() -> None:
    model, batch = Small(plain), waves_batch([3, 2])
    with FlatParameters(model), traced() as calls:
        loss = plain(model, batch, Draw(0, 0, 0.0))
        assert is_replayable(calls, batch, loss, [])
        assert not is_replayable(calls[:1], batch, loss, [])
        assert not is_replayable([], batch, loss, [])
        assert not is_replayable(calls, waves_batch([3, 2]), loss, [])
    assert not is_replayable(calls, batch, loss, [])  # parameters have no slots any more


def test_a_masked_batch_is_not_taken_for_one_without_mask() -> None:
    model = Small(plain)
    with FlatParameters(model) as flat:
        step = LossAndGradient(model, Loss("mse"), flat)  # pyright: ignore[reportArgumentType]
        step.compute(waves_batch([3, 2]), Draw(0, 0, 0.0))
        masked = waves_batch([4, 2], is_masked=True)
        masked.observed[1] = False
        assert step.compute(masked, Draw(0, 1, 0.0)) == plain(model, masked, Draw(0, 1, 0.0)).item()
    assert model.n_calls == 2


def test_a_draw_knows_whether_it_was_asked() -> None:
    draw = Draw(0, 0, 0.5)
    assert not draw.is_used
    assert (draw.progress, draw.is_used) == (0.5, True)
    draw = Draw(0, 0, 0.5)
    draw.kept((2,), 0.5, torch.zeros(1))
    assert draw.is_used


# -- who looks on ------------------------------------------------------------------------------------------------------


@pytest.fixture
def step() -> Iterator[tuple[LossAndGradient, nn.Module, Callable[[int], float]]]:
    """A step that is replayed, its model, and a function that computes one batch."""
    model = fit("repeat", max_epochs=1).model_
    with FlatParameters(model) as flat:
        own = LossAndGradient(model, Loss("mse"), flat)
        yield own, model, lambda k: own.compute(waves_batch([5, 3 + k % 4]), Draw(0, k, 0.5))


def test_a_hook_is_called_at_every_batch_from_its_registration_on(step: Any, replays: list[int]) -> None:
    _, model, compute = step
    seen: list[int] = []
    compute(0)
    compute(1)
    assert len(replays) == 1
    handle = model.encoder.projection.register_forward_hook(lambda *_: seen.append(1))
    for k in range(3):
        compute(k)
    assert (len(seen), len(replays)) == (3, 1)
    handle.remove()
    compute(5)
    assert len(replays) == 2


@pytest.mark.parametrize("kind", ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"])
def test_hooks_of_every_kind_switch_replay_off(kind: str, step: Any, replays: list[int]) -> None:
    _, model, compute = step
    handle = getattr(model.encoder.projection, f"register_{kind}")(lambda *_: None)
    for k in range(3):
        compute(k)
    handle.remove()
    assert not replays
    with_global = getattr(torch.nn.modules.module, f"register_module_{kind}")(lambda *_: None)
    try:
        compute(3)
        assert not replays
    finally:
        with_global.remove()


@pytest.mark.parametrize("is_early", [True, False])
def test_a_method_that_is_replaced_on_a_module_is_called(is_early: bool, step: Any, replays: list[int]) -> None:
    _, model, compute = step
    if not is_early:
        compute(0)
    seen, encode = [], model.encoder.encode

    def spy(*arguments: Any) -> Any:
        seen.append(1)
        return encode(*arguments)

    model.encoder.encode = spy
    for k in range(3):
        compute(k)
    assert (len(seen), len(replays)) == (3, 0)
    del model.encoder.encode


@pytest.mark.parametrize("name", ["encode", "forward"])
def test_a_method_that_is_replaced_on_a_class_is_called(
    name: str, step: Any, replays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, model, compute = step
    own = type(model.encoder) if name == "encode" else type(model.encoder.projection)
    method = getattr(own, name)
    seen = []

    def spy(*arguments: Any) -> Any:
        seen.append(1)
        return method(*arguments)

    monkeypatch.setattr(own, name, spy)
    compute(0)
    n_per_batch = len(seen)
    compute(1)
    assert len(seen) == 2 * n_per_batch > 0
    assert not replays


def test_a_debugger_sees_every_batch(step: Any, replays: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    _, model, _ = step
    monkeypatch.delenv("SEQAE_REPLAY")
    with FlatParameters(model) as flat:
        own = LossAndGradient(model, Loss("mse"), flat)
        before, seen = sys.gettrace(), []

        def trace(frame: FrameType, event: str, argument: Any) -> None:
            seen.append(frame.f_code.co_name)

        sys.settrace(trace)
        try:
            for k in range(3):
                own.compute(waves_batch([5, 4]), Draw(0, k, 0.5))
        finally:
            sys.settrace(before)
    assert (seen.count("training_loss"), len(replays)) == (3, 0)


def test_the_switch_takes_0_or_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQAE_REPLAY", "off")
    with pytest.raises(InvalidParameter, match=r"SEQAE_REPLAY must be 0 .* or 1, got 'off'"):
        fit("repeat")


# -- gradient slots ----------------------------------------------------------------------------------------------------


def test_slots_and_traces_belong_to_the_thread_that_opened_them() -> None:
    weight, bias, x = torch.eye(2).requires_grad_(), torch.zeros(2).requires_grad_(), torch.ones(3, 2)
    rooms = torch.zeros(2, 2), torch.zeros(2)

    def backward() -> None:
        native.linear(x, weight, bias).sum().backward()

    with gradient_slots([(weight, rooms[0]), (bias, rooms[1])]), traced() as calls:
        other = threading.Thread(target=backward)
        other.start()
        other.join()
        assert not calls
        assert torch.equal(weight.grad, torch.full((2, 2), 3.0))
        assert not rooms[0].any()
        backward()
        assert len(calls) == 1
        with gradient_slots([(x, torch.zeros(3, 2))]):
            assert [slot is not None for slot in slots_of((x, weight, bias))] == [True, True, True]
        assert slots_of((x,)) == [None]
    assert torch.equal(rooms[0], torch.full((2, 2), 3.0))
    assert torch.equal(weight.grad, torch.full((2, 2), 3.0))
    assert slots_of((weight,)) == [None]
