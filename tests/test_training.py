"""Same seed, same bits; stopped early with the best weights; killed and resumed; interrupted; diverged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from seqae import Architecture, Callback, Checkpoint, Ragged, SequenceAutoencoder, StopTraining
from seqae.errors import InvalidParameter, TrainingDiverged
from seqae.model.plans import LatentPlan
from seqae.training.batching import FlatParameters
from seqae.training.history import Epoch, History

from .conftest import make_waves

SMALL: dict[str, Any] = {
    "architecture": "repeat",
    "latent_size": 3,
    "hidden_size": 4,
    "max_epochs": 6,
    "batch_size": 8,
    "random_state": 1,
    "verbose": False,
}


def weights_of(ae: SequenceAutoencoder) -> np.ndarray:
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in ae.model_.parameters()])


class At(Callback):
    """Raises an error at the end of an epoch."""

    def __init__(self, epoch: int, error: BaseException) -> None:
        self.epoch, self.error = epoch, error

    def on_epoch_end(self, epoch: Epoch) -> None:
        if epoch.number == self.epoch:
            raise self.error


def test_same_seed_same_bits_whatever_the_global_state(waves: list[np.ndarray]) -> None:
    first = SequenceAutoencoder(**SMALL).fit(waves)
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002 (global state must not matter)
    second = SequenceAutoencoder(**SMALL).fit(waves)
    np.testing.assert_array_equal(weights_of(first), weights_of(second))
    assert [e.training_loss for e in first.history_.epochs] == [e.training_loss for e in second.history_.epochs]
    other = SequenceAutoencoder(**SMALL | {"random_state": 2}).fit(waves)
    assert not np.array_equal(weights_of(first), weights_of(other))


def test_the_global_random_state_is_left_alone(waves: list[np.ndarray]) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    SequenceAutoencoder(**SMALL).fit(waves)
    assert torch.rand(1) == expected


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_thread_count_does_not_matter(waves: list[np.ndarray], n_threads: int) -> None:
    before = torch.get_num_threads()
    expected = weights_of(SequenceAutoencoder(**SMALL).fit(waves))
    try:
        torch.set_num_threads(n_threads)
        np.testing.assert_array_equal(weights_of(SequenceAutoencoder(**SMALL).fit(waves)), expected)
    finally:
        torch.set_num_threads(before)


def test_training_learns(waves: list[np.ndarray]) -> None:
    ae = SequenceAutoencoder(**SMALL | {"max_epochs": 60, "hidden_size": 16, "latent_size": 8}).fit(waves)
    losses = [epoch.training_loss for epoch in ae.history_.epochs]
    assert losses[-1] < 0.4 * losses[0]


def test_early_stopping_restores_the_best_weights(waves: list[np.ndarray]) -> None:
    ae = SequenceAutoencoder(**SMALL | {"max_epochs": 200, "patience": 3, "learning_rate": 0.1}).fit(waves)
    history = ae.history_
    assert history.stopped_by == "patience"
    assert len(history.epochs) == history.best_epoch + 3
    best = min(history.epochs, key=lambda epoch: epoch.monitored_loss)
    assert history.best == best
    replayed = SequenceAutoencoder(**SMALL | {"max_epochs": 200, "patience": 3, "learning_rate": 0.1})
    replayed.set_params(callbacks=[At(history.best_epoch, StopTraining())]).fit(waves)
    np.testing.assert_array_equal(weights_of(ae), weights_of(replayed))


def test_without_validation_and_patience_all_epochs_count(waves: list[np.ndarray]) -> None:
    ae = SequenceAutoencoder(**SMALL | {"validation_fraction": 0, "patience": None}).fit(waves)
    assert len(ae.history_.epochs) == ae.history_.best_epoch == 6
    assert ae.history_.stopped_by == "max_epochs"
    assert ae.history_.epochs[0].validation_loss is None


class InBatch:
    """Raises an error after so many batches."""

    def __init__(self, n_batches: int, error: BaseException) -> None:
        self.n_left, self.error = n_batches, error

    def on_batch_end(self) -> None:
        self.n_left -= 1
        if self.n_left == 0:
            raise self.error


@pytest.mark.parametrize("interrupt", ["raise", "keep"])
def test_keyboard_interrupt_keeps_the_best_so_far(waves: list[np.ndarray], interrupt: Literal["raise", "keep"]) -> None:
    ae = SequenceAutoencoder(**SMALL, callbacks=[At(3, KeyboardInterrupt())])
    if interrupt == "raise":
        with pytest.raises(KeyboardInterrupt, match="holds the best model so far"):
            ae.fit(waves)
    else:
        ae.fit(waves, interrupt=interrupt)
    assert ae.history_.stopped_by == "interrupt"
    assert len(ae.history_.epochs) == 3
    assert ae.transform(waves).shape == (40, 3)


def test_a_loop_over_fits_ends_with_the_first_interrupt(waves: list[np.ndarray]) -> None:
    begun = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 (the loop is what is tested)
        for seed in range(3):
            begun.append(seed)
            SequenceAutoencoder(**SMALL | {"random_state": seed}, callbacks=[At(2, KeyboardInterrupt())]).fit(waves)
    assert begun == [0]


@pytest.mark.parametrize("whole", [{}, {"validation_fraction": 0, "patience": None}])
def test_an_interrupt_within_an_epoch_keeps_whole_epochs_only(waves: list[np.ndarray], whole: dict[str, Any]) -> None:
    n_batches = 5  # of 36 or 40 sequences, 8 at a time
    settings = SMALL | {"learning_rate": 1e-3} | whole  # so slow that each epoch is the best
    cut = SequenceAutoencoder(**settings, callbacks=[InBatch(2 * n_batches + 2, KeyboardInterrupt())])
    cut.fit(waves, interrupt="keep")
    stopped = SequenceAutoencoder(**settings, callbacks=[At(2, StopTraining())]).fit(waves)
    assert (len(cut.history_.epochs), cut.history_.best_epoch) == (2, 2)
    np.testing.assert_array_equal(weights_of(cut), weights_of(stopped))


def test_an_interrupt_before_the_first_epoch_ends_leaves_nothing(waves: list[np.ndarray]) -> None:
    ae = SequenceAutoencoder(**SMALL, callbacks=[InBatch(2, KeyboardInterrupt())])
    with pytest.raises(KeyboardInterrupt):
        ae.fit(waves, interrupt="keep")
    assert not ae.__sklearn_is_fitted__()


class Misspelt(Callback):
    def on_epoch_ends(self) -> None:
        """Is never called."""


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (
            [print],
            r"callbacks must be objects with any of the methods on_train_start, .*, got <built-in function print>",
        ),
        ([At], "got <class"),
        ([Misspelt()], r"Misspelt\.on_epoch_ends would never be called; did you mean on_epoch_end\?"),
        (print, "callbacks must be a list, got <built-in"),
    ],
)
def test_what_is_no_callback_is_refused(waves: list[np.ndarray], callbacks: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as error:
        SequenceAutoencoder(**SMALL, callbacks=callbacks).fit(waves)
    assert error.value.parameter == "callbacks"


class Counting(Callback):
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def on_train_start(self, n_epochs: int, n_batches: int, n_done: int) -> None:
        self.calls.append((n_epochs, n_batches, n_done))

    def on_epoch_end(self, epoch: Epoch) -> None:
        self.calls.append((epoch.number,))

    def on_train_end(self) -> None:
        self.calls.append(())


def test_a_callback_is_told_what_it_asks_for(waves: list[np.ndarray]) -> None:
    counting = Counting()
    SequenceAutoencoder(**SMALL | {"max_epochs": 2}, callbacks=[counting]).fit(waves)
    assert counting.calls == [(2, 5, 0), (1,), (2,), ()]


def test_the_history_is_a_table(waves: list[np.ndarray]) -> None:
    history = SequenceAutoencoder(**SMALL).fit(waves).history_
    frame = history.to_frame().to_pydict()
    assert frame["epoch"] == [1, 2, 3, 4, 5, 6]
    assert frame["training_loss"] == [epoch.training_loss for epoch in history.epochs]
    assert frame["validation_loss"] == [epoch.validation_loss for epoch in history.epochs]
    assert frame["is_best"] == [n == history.best_epoch for n in frame["epoch"]]
    assert set(frame["stopped_by"]) == {"max_epochs"}
    alone = History((Epoch(1, 0.5, None, 0.1, 1.0),), 1, "interrupt").to_frame().to_pydict()
    assert (alone["validation_loss"], alone["stopped_by"]) == ([None], ["interrupt"])


def test_divergence_is_named(waves: list[np.ndarray]) -> None:
    ae = SequenceAutoencoder(**SMALL | {"learning_rate": 1e30})
    with pytest.raises(TrainingDiverged, match=r"diverged in epoch .* lower learning_rate"):
        ae.fit(waves)


@pytest.mark.parametrize("killed_after", [1, 4])
def test_resumed_run_has_the_same_bits(waves: list[np.ndarray], tmp_path: Path, killed_after: int) -> None:
    whole = SequenceAutoencoder(**SMALL).fit(waves)
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(RuntimeError, match="killed"):
        SequenceAutoencoder(**SMALL, callbacks=[checkpoint, At(killed_after, RuntimeError("killed"))]).fit(waves)
    resumed = SequenceAutoencoder(**SMALL, callbacks=[checkpoint]).fit(waves)
    np.testing.assert_array_equal(weights_of(whole), weights_of(resumed))
    assert [e.training_loss for e in whole.history_.epochs] == [e.training_loss for e in resumed.history_.epochs]


KILLED = """
import sys
from seqae import Checkpoint, SequenceAutoencoder
from tests.conftest import make_waves
from tests.test_training import SMALL, At

class Kill(BaseException):
    pass

class KillInBatch:
    n_batches = 0
    def on_batch_end(self):
        self.n_batches += 1
        if self.n_batches == int(sys.argv[2]):
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)

SequenceAutoencoder(**SMALL, callbacks=[Checkpoint(sys.argv[1]), KillInBatch()]).fit(make_waves(40, seed=0))
"""


@pytest.mark.parametrize("killed_at_batch", [2, 13])
def test_killed_in_the_middle_of_an_epoch(waves: list[np.ndarray], tmp_path: Path, killed_at_batch: int) -> None:
    path = tmp_path / "run.ckpt"
    root = Path(__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), str(killed_at_batch)], cwd=root, check=False)
    assert killed.returncode == -9
    resumed = SequenceAutoencoder(**SMALL, callbacks=[Checkpoint(path)]).fit(waves)
    np.testing.assert_array_equal(weights_of(SequenceAutoencoder(**SMALL).fit(waves)), weights_of(resumed))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"batch_size": 9}, "batch_size"), ({"random_state": 3}, "seed"), ({"hidden_size": 5}, "weights")],
)
def test_a_checkpoint_of_another_run_is_refused(
    waves: list[np.ndarray], tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(RuntimeError, match="killed"):
        SequenceAutoencoder(**SMALL, callbacks=[checkpoint, At(1, RuntimeError("killed"))]).fit(waves)
    with pytest.raises(InvalidParameter, match=f"another run.*{named}"):
        SequenceAutoencoder(**SMALL | change, callbacks=[checkpoint]).fit(waves)


@pytest.mark.parametrize("changed", [5, 35])
@pytest.mark.parametrize("validation_fraction", [0.0, 0.5])
def test_a_checkpoint_of_other_data_is_refused(
    waves: list[np.ndarray], tmp_path: Path, changed: int, validation_fraction: float
) -> None:
    settings = SMALL | {"scale": False, "validation_fraction": validation_fraction}
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(RuntimeError, match="killed"):
        SequenceAutoencoder(**settings, callbacks=[checkpoint, At(1, RuntimeError("killed"))]).fit(waves)
    others = [wave[::-1] if i == changed else wave for i, wave in enumerate(waves)]
    with pytest.raises(InvalidParameter, match=r"another run.*data and initial weights"):
        SequenceAutoencoder(**settings, callbacks=[checkpoint]).fit(others)


def test_a_run_that_has_ended_gives_way_to_another(waves: list[np.ndarray], tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    SequenceAutoencoder(**SMALL, callbacks=[checkpoint]).fit(waves)
    assert [path.name for path in tmp_path.iterdir()] == ["run.ckpt"]
    others = [wave[::-1] for wave in waves]
    again = SequenceAutoencoder(**SMALL, callbacks=[checkpoint]).fit(others)
    np.testing.assert_array_equal(weights_of(again), weights_of(SequenceAutoencoder(**SMALL).fit(others)))


def test_a_run_that_has_ended_goes_on_with_more_epochs(waves: list[np.ndarray], tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    short = SequenceAutoencoder(**SMALL | {"max_epochs": 2}, callbacks=[checkpoint]).fit(waves)
    same = SequenceAutoencoder(**SMALL | {"max_epochs": 2}, callbacks=[checkpoint]).fit(waves)
    np.testing.assert_array_equal(weights_of(same), weights_of(short))
    longer = SequenceAutoencoder(**SMALL | {"max_epochs": 5}, callbacks=[checkpoint]).fit(waves)
    assert len(longer.history_.epochs) == 5
    assert longer.history_.epochs[:2] == short.history_.epochs
    with pytest.raises(InvalidParameter, match="holds 5 epochs of this run, more than max_epochs=3"):
        SequenceAutoencoder(**SMALL | {"max_epochs": 3}, callbacks=[checkpoint]).fit(waves)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-7]), Path.unlink])
def test_a_lost_checkpoint_falls_back_on_the_one_before(
    waves: list[np.ndarray], tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(RuntimeError, match="killed"):
        SequenceAutoencoder(**SMALL, callbacks=[checkpoint, At(3, RuntimeError("killed"))]).fit(waves)
    damage(checkpoint.path)
    with pytest.warns(UserWarning, match=r"run\.ckpt.*resumes an epoch earlier, from .*run\.ckpt\.previous"):
        resumed = SequenceAutoencoder(**SMALL, callbacks=[checkpoint]).fit(waves)
    np.testing.assert_array_equal(weights_of(resumed), weights_of(SequenceAutoencoder(**SMALL).fit(waves)))


def test_the_default_dtype_is_left_alone(waves: list[np.ndarray]) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        other = SequenceAutoencoder(**SMALL).fit(waves)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(weights_of(other), weights_of(SequenceAutoencoder(**SMALL).fit(waves)))


def test_fit_trains_where_gradients_are_off(waves: list[np.ndarray]) -> None:
    with torch.no_grad():
        quiet = SequenceAutoencoder(**SMALL).fit(waves)
    np.testing.assert_array_equal(weights_of(quiet), weights_of(SequenceAutoencoder(**SMALL).fit(waves)))


def test_a_model_file_is_no_checkpoint(waves: list[np.ndarray], tmp_path: Path) -> None:
    SequenceAutoencoder(**SMALL).fit(waves).save(tmp_path / "m.seqae")
    with pytest.raises(InvalidParameter, match="holds a autoencoder, not a checkpoint"):
        SequenceAutoencoder(**SMALL, callbacks=[Checkpoint(tmp_path / "m.seqae")]).fit(waves)


def test_flat_parameters_share_memory_then_let_go() -> None:
    module = torch.nn.Linear(3, 2)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    with FlatParameters(module) as flat:
        for _ in range(2):
            flat.forget_gradient()
            module(torch.ones(1, 3)).sum().backward()
            assert flat.gradient().tolist() == [1.0] * 8
        flat.forget_gradient()
        assert not flat.gradient().any()
        flat.values.mul_(2)
        assert torch.equal(module.weight, 2 * before[0])
    assert module.weight.grad is None
    flat.values.zero_()
    assert torch.equal(module.bias, 2 * before[1])


def test_a_last_batch_of_one_sequence_trains() -> None:
    """Where hardly anything is learnt, an epoch's loss is the same in batches of 8 and 1 as in one of 9."""
    waves = Ragged.from_any(make_waves(9, seed=1))
    settings = SMALL | {"validation_fraction": 0, "patience": None, "max_epochs": 1, "learning_rate": 1e-9}
    ours = [
        SequenceAutoencoder(
            **settings | {"architecture": Architecture(latent=LatentPlan(length_weight=0)), "batch_size": size}
        ).fit(waves)
        for size in (8, 9)
    ]
    losses = [ae.history_.best.training_loss for ae in ours]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
