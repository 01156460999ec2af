"""How much is trained where nothing is said: updates by the data, patience that waits, and what the history tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae import Architecture, SequenceAutoencoder
from seqae.model.architecture import Autoregressive, Composite, LatentPlan, TeacherForcing, TrainingPlan
from seqae.model.building import build
from seqae.model.hybrid import Hybrid, Residual
from seqae.model.plans import Gaussian, Plan
from seqae.training.batching import Budget, Settings, batch_size_for, planned
from seqae.training.history import Epoch, History

from .conftest import make_waves

AUTO = Budget("good", "auto", "auto", 1e-3, "auto", 0)
REPEAT, HYBRID, LINEAR = (build(name, "lstm", n_channels=2, latent_size=8) for name in ("repeat", "hybrid", "linear"))
SMALL: dict[str, Any] = {"latent_size": 3, "hidden_size": 4, "random_state": 0, "verbose": False}


def settings_for(budget: Budget, n_sequences: int, length: int = 10) -> Settings:
    settings = planned(budget, REPEAT, np.full(n_sequences, length))
    assert settings is not None
    return settings


@given(n_sequences=st.integers(1, 10**6))
def test_a_batch_is_about_a_sixteenth_of_the_sequences(n_sequences: int) -> None:
    size = batch_size_for(n_sequences)
    assert size in (8, 16, 32, 64)
    assert size == 8 or size <= n_sequences / 16
    assert size == 64 or n_sequences / 16 < 2 * size


@given(n_sequences=st.integers(1, 200_000), quality=st.sampled_from([("fast", 0.25), ("good", 1), ("best", 5)]))
def test_small_data_get_as_many_updates_as_large_ones(n_sequences: int, quality: tuple[Any, float]) -> None:
    name, share = quality
    settings = settings_for(replace(AUTO, quality=name), n_sequences)
    n_batches = -(-n_sequences // settings.batch_size)
    assert settings.max_epochs * n_batches >= share * 2000
    assert settings.max_epochs >= share * 20
    fewer = (settings.max_epochs - 1) * n_batches < share * 2000
    assert fewer or settings.max_epochs - 1 < share * 20
    assert settings.patience == max(20, -(-settings.max_epochs // 5))


def test_what_is_said_is_obeyed() -> None:
    said = Budget("fast", 7, 5, 1e-3, 3, 0)
    wanted = Settings(max_epochs=7, batch_size=5, learning_rate=1e-3, patience=3, seed=0)
    assert planned(said, REPEAT, np.full(9, 3)) == planned(said, HYBRID, np.full(9, 3)) == wanted
    assert planned(said, LINEAR, np.full(9, 3)) is None
    assert settings_for(replace(said, patience=None), 9).patience is None


@pytest.mark.parametrize(
    ("quality", "n_sequences", "length", "n_epochs"),
    [
        ("good", 999, 10, 0),  # too few to gain
        ("good", 1000, 10, 16),  # 32 batches, 500 updates
        ("good", 1500, 18, 21),
        ("good", 1500, 60, 11),  # a million steps
        ("good", 1500, 80, 0),  # fewer than 200 updates are in a million steps
        ("good", 200_000, 10, 0),
        ("best", 1500, 80, 83),
        ("fast", 1500, 18, 0),
    ],
)
def test_recurrence_beside_a_closed_form_is_tried_where_it_can_pay(
    quality: Any, n_sequences: int, length: int, n_epochs: int
) -> None:
    settings = planned(replace(AUTO, quality=quality), HYBRID, np.full(n_sequences, length))
    assert (0 if settings is None else settings.max_epochs) == n_epochs


@pytest.mark.parametrize(
    ("plan", "annealing"),
    [
        (Architecture(), 0.0),
        (Architecture(latent=LatentPlan(projection=Gaussian(kl_annealing=0.5))), 0.5),
        (Architecture(decoder=Autoregressive(feedback=TeacherForcing(is_scheduled=True))), 1.0),
        (Architecture(training=TrainingPlan(task=Composite(after=3, horizon_annealing=0.25))), 0.25),
        (Architecture(training=TrainingPlan(task=Composite(after=1, horizon_annealing=0.25))), 0.0),
        (Hybrid(residual=Residual()), 0.0),
    ],
)
def test_patience_waits_while_something_anneals(plan: Plan, annealing: float) -> None:
    """With a learning rate this high no epoch is better than an early one."""
    assert build(plan, "lstm", n_channels=2, latent_size=8).objective.annealing == annealing
    settings = {"max_epochs": 20, "patience": 1, "learning_rate": 3.0, "batch_size": 8}
    history = SequenceAutoencoder(plan, **SMALL, **settings).fit(make_waves(24, seed=0, shortest=5)).history_
    assert len(history.epochs) >= 20 * annealing
    if annealing < 1:
        assert history.stopped_by == "patience"


def test_the_history_tells_the_parts_of_the_loss_apart() -> None:
    X = make_waves(30, seed=0)
    settings = {"max_epochs": 3, "batch_size": 8}
    variational = SequenceAutoencoder("variational", **SMALL, **settings).fit(X).history_
    for epoch in variational.epochs:
        assert epoch.divergence is not None
        assert epoch.validation_loss == pytest.approx(epoch.reconstruction + 0.001 * epoch.divergence, rel=1e-6)
    composite = SequenceAutoencoder("composite", **SMALL, **settings).fit(X).history_
    for epoch in composite.epochs:
        assert epoch.divergence is None
        assert epoch.validation_loss == pytest.approx(epoch.reconstruction + epoch.prediction, rel=1e-6)
    alone = SequenceAutoencoder("repeat", **SMALL, **settings, validation_fraction=0).fit(X).history_
    assert (alone.epochs[0].reconstruction, alone.explained) == (None, None)
    assert variational.to_frame().to_pydict()["divergence"] == [epoch.divergence for epoch in variational.epochs]


@pytest.mark.parametrize(
    ("losses", "stopped_by", "is_falling"),
    [
        ([8, 4, 2, 1], "max_epochs", True),
        ([8, 4, 2, 1.95], "max_epochs", False),
        ([8, 4, 2, 1], "patience", False),
        ([8, 4], "max_epochs", True),
        ([8], "max_epochs", False),
        ([8, 7.99, 7.98, 7.96], "max_epochs", True),  # it has hardly begun
        ([4, 3, 2, 1, 1, 1, 1, 1], "max_epochs", False),
        ([4, 3, 2, 1, 1, 1, 2, 0.9], "max_epochs", True),
    ],
)
def test_the_history_tells_whether_the_loss_was_still_falling(
    losses: list[float], stopped_by: Any, is_falling: bool
) -> None:
    epochs = tuple(Epoch(k + 1, 9.0, loss, 0.1, 0.0) for k, loss in enumerate(losses))
    assert History(epochs, len(epochs), stopped_by).is_falling == is_falling


def test_what_is_explained_is_measured_on_held_out_sequences() -> None:
    X = make_waves(60, seed=0)
    ae = SequenceAutoencoder("repeat", **SMALL, max_epochs=4, batch_size=8).fit(X)
    held_out = [X[i] for i in ae.held_out_]
    assert len(held_out) == 6
    scaling = ae.scaling_
    errors = [((made - x) / scaling.scale) ** 2 for made, x in zip(ae.reconstruct(held_out), held_out, strict=True)]
    power = [((x - scaling.centre) / scaling.scale) ** 2 for x in held_out]
    wanted = 1 - sum(e.sum() for e in errors) / sum(p.sum() for p in power)
    assert ae.history_.is_held_out
    assert ae.history_.explained == pytest.approx(wanted, rel=1e-4)


def test_a_closed_form_is_judged_by_held_out_sequences_and_then_learns_from_all() -> None:
    X = make_waves(60, seed=0)
    judged, fast = (SequenceAutoencoder(quality=q, random_state=0, verbose=False).fit(X) for q in ("good", "fast"))
    assert (judged.history_.is_held_out, fast.history_.is_held_out) == (True, False)
    assert judged.history_.explained < fast.history_.explained
    np.testing.assert_array_equal(judged.transform(X), fast.transform(X))
    np.testing.assert_array_equal(judged.reconstruct(X).values, fast.reconstruct(X).values)


class Interrupt:
    def on_batch_end(self) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_before_the_first_epoch_leaves_the_closed_form() -> None:
    X = make_waves(60, seed=0)
    settings = {"random_state": 0, "verbose": False}
    cut = SequenceAutoencoder(max_epochs=3, callbacks=[Interrupt()], **settings).fit(X, interrupt="keep")
    assert (cut.history_.stopped_by, cut.history_.best_epoch) == ("interrupt", 0)
    whole = SequenceAutoencoder(quality="fast", **settings).fit(X)
    np.testing.assert_array_equal(cut.reconstruct(X).values, whole.reconstruct(X).values)
