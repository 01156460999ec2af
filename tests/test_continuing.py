"""Training that goes on from a fitted model: same weights at first, other data, frozen parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from seqae import Checkpoint, SequenceAutoencoder, load
from seqae.errors import InvalidParameter, InvalidSequence

from .conftest import make_waves


def small(architecture: str = "repeat", **parameters: object) -> SequenceAutoencoder:
    settings = {"latent_size": 4, "hidden_size": 8, "max_epochs": 2, "random_state": 0, "verbose": False} | parameters
    return SequenceAutoencoder(architecture, **settings)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def fitted() -> SequenceAutoencoder:
    return small(max_epochs=20).fit(make_waves(60, seed=0))


NEWER = [x + np.float32(0.3) for x in make_waves(40, seed=1)]


def state(model: SequenceAutoencoder) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.model_.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """The parts of a model of which a parameter has changed."""
    return {name.split(".")[0] for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def test_training_goes_on_from_the_weights_and_with_the_scaling(fitted: SequenceAutoencoder) -> None:
    before = state(fitted)
    made = clone(fitted).set_params(learning_rate=1e-12, max_epochs=1).fit(NEWER, init=fitted)
    np.testing.assert_allclose(made.transform(NEWER), fitted.transform(NEWER), atol=1e-6)
    np.testing.assert_array_equal(made.scaling_.centre, fitted.scaling_.centre)
    further = clone(fitted).set_params(max_epochs=15).fit(NEWER, init=fitted)
    assert further.score(NEWER) > fitted.score(NEWER)
    anew = clone(fitted).set_params(max_epochs=15).fit(NEWER)
    assert further.history_.epochs[0].training_loss < 0.8 * anew.history_.epochs[0].training_loss
    assert not changed(before, state(fitted))  # what it goes on from stays as it is


def test_it_has_the_bits_of_a_run_with_these_weights_and_can_be_resumed(
    fitted: SequenceAutoencoder, tmp_path: Path
) -> None:
    def go_on(n_epochs: int, *callbacks: Checkpoint) -> SequenceAutoencoder:
        model = clone(fitted).set_params(max_epochs=n_epochs, callbacks=callbacks, patience=None)
        return model.fit(NEWER, init=fitted, interrupt="keep")

    whole = go_on(4)
    again = go_on(4, Checkpoint(tmp_path / "run.ckpt"))
    assert not changed(state(whole), state(again))
    other = clone(fitted).set_params(max_epochs=1, callbacks=(Checkpoint(tmp_path / "run.ckpt"),))
    assert other.fit(NEWER).history_.epochs[0].number == 1  # a run from nothing is another run


def test_the_scaling_is_fitted_again_if_asked(fitted: SequenceAutoencoder) -> None:
    made = clone(fitted).fit(NEWER, init=fitted, refit_scaling=True)
    training = [x for k, x in enumerate(NEWER) if k not in made.held_out_]
    np.testing.assert_allclose(made.scaling_.centre, np.concatenate(training).mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_frozen_parts_do_not_change(part: str, fitted: SequenceAutoencoder) -> None:
    before = state(fitted)
    made = clone(fitted).set_params(max_epochs=3).fit(NEWER, init=fitted, freeze=(part,))
    after = state(made)
    assert part not in changed(before, after)
    assert {"encoder", "decoder"} - {part} <= changed(before, after)
    assert all(parameter.requires_grad for parameter in made.model_.parameters())


def test_channels_go_by_name_and_others_are_refused() -> None:
    waves = make_waves(30, seed=0)
    frames = [pd.DataFrame({"id": k, "a": x[:, 0], "b": x[:, 1]}) for k, x in enumerate(waves)]
    table = pd.concat(frames)
    from seqae import read

    model = small().fit(read(table, id="id"))
    turned = clone(model).fit(read(table[["id", "b", "a"]], id="id"), init=model)
    straight = clone(model).fit(read(table, id="id"), init=model)
    assert not changed(state(turned), state(straight))
    with pytest.raises(InvalidSequence, match="b"):
        clone(model).fit(read(table[["id", "a"]], id="id"), init=model)


def test_a_saved_model_goes_on(fitted: SequenceAutoencoder, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.seqae")
    loaded = load(tmp_path / "m.seqae")
    made = loaded.set_params(max_epochs=2, verbose=False).fit(NEWER, init=loaded)
    assert not changed(state(made), state(clone(fitted).set_params(max_epochs=2).fit(NEWER, init=fitted)))


def test_tokens_keep_their_vocabulary() -> None:
    model = small("tokens").fit(["anna", "bob", "nab"] * 4)
    made = clone(model).fit(["banana", "noob"] * 4, init=model)
    assert made.vocabulary_ == model.vocabulary_
    with pytest.raises(InvalidSequence, match="z"):
        clone(model).fit(["zoo"] * 4, init=model)


def test_a_hybrid_keeps_its_closed_form_and_trains_what_it_leaves_over() -> None:
    waves = make_waves(80, seed=0)
    model = SequenceAutoencoder("hybrid", max_epochs=2, random_state=0, verbose=False).fit(waves)
    made = clone(model).fit(NEWER, init=model)
    for name, tensor in model.model_.named_buffers():
        assert torch.equal(tensor, dict(made.model_.named_buffers())[name]), name
    assert made.history_.epochs
    closed = SequenceAutoencoder("linear", verbose=False).fit(waves)
    for parameters in (closed, clone(model).set_params(max_epochs="auto")):
        with pytest.raises(InvalidParameter, match="init leaves nothing to train"):
            clone(parameters).fit(NEWER, init=parameters if parameters is closed else model)


def test_another_model_and_wrong_parts_are_refused(fitted: SequenceAutoencoder) -> None:
    with pytest.raises(InvalidParameter, match=r"init was fitted with hidden_size=8, but this estimator has 16"):
        small(hidden_size=16).fit(NEWER, init=fitted)
    with pytest.raises(InvalidParameter, match="init was fitted with architecture='repeat'"):
        small("state").fit(NEWER, init=fitted)
    with pytest.raises(InvalidParameter, match="freeze must be"):
        clone(fitted).fit(NEWER, init=fitted, freeze=("head",))
    with pytest.raises(InvalidParameter, match="freeze keeps parts of a fitted model"):
        clone(fitted).fit(NEWER, freeze=("encoder",))
    with pytest.raises(InvalidParameter, match="leaves nothing to train"):
        clone(fitted).fit(NEWER, init=fitted, freeze=("encoder", "decoder"))
