"""Every field of an Architecture changes what is learnt, and contradictions are refused in one line."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from seqae import Architecture, Ragged, SequenceAutoencoder
from seqae.errors import InvalidParameter, InvalidSequence
from seqae.model.architecture import ChainLayer
from seqae.model.presets import PRESETS, as_architecture

from .conftest import make_waves

STATES = Architecture(
    summary="states", latent_as="state", feedback="teacher", is_bidirectional=False, encoder_sizes=(4, 4)
)
TOKENS = Architecture(embedding_size=3, summary="states", latent_as="state", feedback="teacher")
STEPS = Architecture(latent_as="steps", is_bidirectional=False)
CHAIN = (
    ChainLayer(kind="lstm", size=6, returns_steps=False),
    ChainLayer(kind="repeat"),
    ChainLayer(kind="dense", size=2, activation="linear", n_biases=1),
)

CHANGES: dict[str, tuple[Architecture, dict[str, Any]]] = {
    "encoder_sizes": (Architecture(), {"encoder_sizes": (5,)}),
    "encoder_multiples": (Architecture(), {"encoder_multiples": (2,)}),
    "n_layers": (Architecture(), {"n_layers": 2}),
    "activation": (Architecture(), {"activation": "relu"}),
    "is_bidirectional": (Architecture(), {"is_bidirectional": False}),
    "embedding_size": (TOKENS, {"embedding_size": 5}),
    "strides": (Architecture(), {"strides": (2,)}),
    "matrix_shape": (Architecture(), {"matrix_shape": (1, 2)}),
    "dropout": (STATES, {"dropout": 0.5}),
    "noise": (Architecture(), {"noise": 0.5}),
    "dropped_steps": (Architecture(), {"dropped_steps": 0.5}),
    "summary": (Architecture(), {"summary": "pooled"}),
    "has_projection": (
        replace(STATES, encoder_sizes=(6,), summary="final", latent_as="input", feedback="none"),
        {"has_projection": False},
    ),
    "kl_weight": (Architecture(), {"kl_weight": 0.1}),
    "kl_annealing": (Architecture(kl_weight=0.1), {"kl_annealing": 0.0}),
    "length_weight": (Architecture(), {"length_weight": 1.0}),
    "decoder_sizes": (Architecture(), {"decoder_sizes": (7,)}),
    "latent_as": (Architecture(), {"latent_as": "state"}),
    "feedback": (STATES, {"feedback": "own"}),
    "dropped_feedback": (STATES, {"dropped_feedback": 0.5}),
    "has_attention": (Architecture(summary="pooled"), {"has_attention": True}),
    "is_reversed": (Architecture(), {"is_reversed": True}),
    "readout": (STEPS, {"readout": "none"}),
    "is_tied": (STATES, {"is_tied": True}),
    "sampled_symbols": (TOKENS, {"sampled_symbols": 3}),
    "has_reconstruction": (Architecture(predicted_steps=1), {"has_reconstruction": False}),
    "predicted_steps": (Architecture(), {"predicted_steps": 1}),
    "preceding_steps": (Architecture(), {"preceding_steps": 1}),
    "horizon_annealing": (Architecture(predicted_steps=3), {"horizon_annealing": 0.0}),
    "chain": (Architecture(), {"chain": CHAIN}),
}
"""For each field an architecture, and the change of that field alone."""


def estimator(architecture: str | Architecture, **settings: Any) -> SequenceAutoencoder:
    own = {"latent_size": 6, "hidden_size": 4, "max_epochs": 2, "random_state": 0, "verbose": False}
    for size in as_architecture(architecture).own_sizes:
        own.pop(size, None)
    return SequenceAutoencoder(architecture, **{**own, **settings})


def data_for(architecture: Architecture) -> tuple[Any, dict[str, Any]]:
    """Sequences that the architecture takes, and the estimator's settings for them."""
    if architecture.embedding_size is not None:
        rng = np.random.default_rng(0)
        return Ragged.from_tokens([rng.integers(0, 9, n) for n in rng.integers(2, 9, 12)]), {"loss": "cross_entropy"}
    if architecture.latent_as == "steps":
        return make_waves(12, seed=0, shortest=3, longest=3), {}
    return make_waves(12, seed=0, shortest=4, longest=9), {}


def learnt(architecture: Architecture) -> list[np.ndarray]:
    X, settings = data_for(architecture)
    ae = estimator(architecture, **settings).fit(X)
    return [parameter.detach().numpy() for parameter in ae.model_.parameters()]


def test_every_field_has_a_change() -> None:
    assert set(CHANGES) == {field.name for field in fields(Architecture)}


@pytest.mark.parametrize("name", CHANGES)
def test_a_field_changes_what_is_learnt(name: str) -> None:
    before, change = CHANGES[name]
    first, second = learnt(before), learnt(replace(before, **change))
    is_same_shape = [a.shape for a in first] == [b.shape for b in second]
    assert not is_same_shape or any((a != b).any() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("choice", ["final", "states", "top_state", "pooled"])
@pytest.mark.parametrize("latent_as", ["input", "state", "first_state"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_each_choice_is_another_model(choice: Any, latent_as: Any, cell: Any) -> None:
    ae = estimator(Architecture(summary=choice, latent_as=latent_as, n_layers=2), cell=cell).fit(make_waves(8, seed=0))
    n_states = {"lstm": 2, "gru": 1}[cell]
    summary_size = {"final": 8, "pooled": 8, "top_state": 8 * n_states, "states": 16 * n_states}[choice]
    assert ae.encoder_.projection.weight.shape == (6, summary_size)
    state_size = {"input": None, "state": 8 * n_states, "first_state": 4 * n_states}[latent_as]
    state_map = ae.decoder_.conditioning.state_map
    assert state_size is None if state_map is None else state_map.weight.shape == (state_size, 6)


@pytest.mark.parametrize(
    "fields_of",
    [
        {"feedback": "teacher"},
        {"feedback": "sometimes"},
        {"dropped_feedback": 0.5},
        {"dropped_feedback": 1.5, "feedback": "teacher", "latent_as": "state"},
        {"has_attention": True},
        {"has_attention": True, "summary": "pooled", "latent_as": "steps"},
        {"has_attention": True, "summary": "pooled", "strides": (2,)},
        {"strides": (0,)},
        {"strides": (2,), "latent_as": "state", "feedback": "own"},
        {"strides": (2,), "readout": "none"},
        {"strides": (2,), "embedding_size": 3},
        {"embedding_size": 3, "latent_as": "state", "feedback": "own"},
        {"embedding_size": 3, "noise": 0.1},
        {"matrix_shape": (2,)},
        {"readout": "final"},
        {"latent_as": "steps", "predicted_steps": 1},
        {"has_projection": False, "latent_as": "state"},
        {"has_projection": False, "kl_weight": 0.1},
        {"has_reconstruction": False},
        {"encoder_sizes": (3,), "n_layers": 2},
        {"encoder_sizes": ()},
        {"encoder_sizes": (2.5,)},
        {"noise": -1.0},
        {"kl_weight": float("nan")},
        {"dropout": 1.0},
        {"predicted_steps": -1},
        {"chain": CHAIN, "noise": 0.1},
    ],
)
def test_contradictions_are_refused_in_one_line(fields_of: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="Architecture") as caught:
        Architecture(**fields_of)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (Architecture(has_projection=False), "8 values, but latent_size is 6"),
        (replace(STATES, has_projection=False), "16 values, but latent_size is 6"),
        (Architecture(is_tied=True, decoder_sizes=(5,)), "is_tied needs"),
        (Architecture(readout="none", decoder_sizes=(5,)), "must have 2 units"),
        (Architecture(matrix_shape=(3, 3)), "9 values, but X has 2 channels"),
        (Architecture(chain=CHAIN[1:]), "must have encoder layers"),
        (Architecture(chain=(ChainLayer(kind="lstm", size=5, returns_steps=False), *CHAIN[1:])), "has 5 values"),
    ],
)
def test_sizes_that_contradict_are_refused(architecture: Architecture, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        estimator(architecture).fit(make_waves(5, seed=0))


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("stacked", {"hidden_size": 64}),
        ("stacked", {"n_layers": 1}),
        ("seq2seq", {"n_layers": 4}),
        (Architecture(encoder_sizes=(4,)), {"hidden_size": 4}),
        (Architecture(chain=CHAIN), {"n_layers": 1}),
    ],
)
def test_a_size_that_the_architecture_ignores_is_refused(architecture: Any, settings: dict[str, int]) -> None:
    (name,) = settings
    with pytest.raises(InvalidParameter, match=f"{name}={settings[name]} has no effect") as caught:
        SequenceAutoencoder(architecture, latent_size=6, **settings).fit(make_waves(5, seed=0))
    assert "\n" not in str(caught.value)


def test_sizes_default_to_64_units_and_one_layer() -> None:
    plain, explicit = (
        SequenceAutoencoder(max_epochs=1, random_state=0, verbose=False, **sizes).fit(make_waves(5, seed=0))
        for sizes in ({}, {"hidden_size": 64, "n_layers": 1})
    )
    np.testing.assert_array_equal(plain.transform(make_waves(3, seed=1)), explicit.transform(make_waves(3, seed=1)))


def test_data_that_does_not_fit_is_refused() -> None:
    tokens = Ragged.from_tokens([[1, 2], [0, 1, 2]])
    with pytest.raises(InvalidSequence, match="tokens"):
        estimator("repeat").fit(tokens)
    with pytest.raises(InvalidSequence, match="vectors"):
        estimator("tokens", loss="cross_entropy").fit(make_waves(5, seed=0))
    with pytest.raises(InvalidParameter, match="cross_entropy"):
        estimator("tokens").fit(tokens)
    with pytest.raises(InvalidSequence, match="one length only"):
        estimator("reshape").fit(make_waves(5, seed=0))
    with pytest.raises(InvalidParameter, match="multiple of 4"):
        estimator("reshape").fit(make_waves(5, seed=0, shortest=4, longest=4))
    with pytest.raises(InvalidSequence, match=r"sequence 0 has 1 steps.*at least 2"):
        estimator("composite").fit([np.ones((1, 2)), *make_waves(4, seed=0)])
    ae = estimator("reshape").fit(make_waves(5, seed=0, shortest=3, longest=3))
    with pytest.raises(InvalidSequence, match="exactly 3 steps"):
        ae.reconstruct(make_waves(2, seed=0, shortest=5, longest=5))
    ae = estimator("tokens", loss="cross_entropy").fit(tokens)
    with pytest.raises(InvalidSequence, match="token 7"):
        ae.transform(Ragged.from_tokens([[7]]))


def test_presets_have_names() -> None:
    for name, architecture in PRESETS.items():
        assert as_architecture(name) is architecture
        assert as_architecture(architecture) is architecture
    with pytest.raises(InvalidParameter, match="repeat, stacked"):
        as_architecture("lstm")


def test_tied_layers_stay_tied(tmp_path: Any) -> None:
    import seqae

    ae = estimator(Architecture(is_tied=True, is_bidirectional=False)).fit(make_waves(6, seed=0))
    ae.save(tmp_path / "m.seqae")
    for model in (ae, seqae.load(tmp_path / "m.seqae")):
        assert model.decoder_.layers[0].weight_hh is model.encoder_.layers[0][0].weight_hh
    assert torch.isfinite(ae.decoder_.layers[0].weight_hh).all()


def test_it_shows_what_differs_from_the_defaults() -> None:
    assert repr(Architecture()) == "Architecture()"
    assert repr(Architecture(noise=0.5, strides=(2,))) == "Architecture(strides=(2,), noise=0.5)"
    assert eval(repr(STATES)) == STATES
