"""Every field of a description changes what is learnt; contradictions cannot be written, or are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from seqae import Ragged, SequenceAutoencoder
from seqae.errors import InvalidParameter, InvalidSequence
from seqae.model.architecture import (
    PARTS,
    Architecture,
    Autoregressive,
    Composite,
    Counts,
    EncoderPlan,
    EqualLayers,
    FreeRunning,
    Gaussian,
    Identity,
    InitialState,
    LatentPlan,
    Linear,
    Multiples,
    Predict,
    Reconstruct,
    Repeat,
    Reshape,
    Symbols,
    TeacherForcing,
    TrainingPlan,
    Units,
    Values,
)
from seqae.model.chains.plan import ChainLayer, ChainPlan
from seqae.model.hybrid import Hybrid, Residual
from seqae.model.plans import Plan
from seqae.model.presets import PRESETS, as_architecture

from .conftest import make_waves

DEFAULT = Architecture()
FORWARD = EncoderPlan(is_bidirectional=False)
TWO_LAYERS = EncoderPlan(layers=Units((4, 4)), is_bidirectional=False)
STATES = Architecture(encoder=TWO_LAYERS, latent=LatentPlan(summary="states"), decoder=Autoregressive())
TOKENS = replace(STATES, encoder=EncoderPlan(steps=Symbols(embedding_size=3)))
COUNTED = LatentPlan(summary="states", counts=Counts())
VARIATIONAL = Architecture(latent=LatentPlan(projection=Gaussian(kl_weight=0.1)))
COMPOSITE = Architecture(training=TrainingPlan(task=Composite(after=3)))
CHAIN = (
    ChainLayer(kind="lstm", size=6, returns_steps=False),
    ChainLayer(kind="repeat"),
    ChainLayer(kind="dense", size=2, activation="linear", n_biases=1),
)


def encoder(**fields: Any) -> Architecture:
    return Architecture(encoder=EncoderPlan(**fields))


def values(**fields: Any) -> Architecture:
    return encoder(steps=Values(**fields))


def latent(**fields: Any) -> Architecture:
    return Architecture(latent=LatentPlan(**fields))


def training(**fields: Any) -> Architecture:
    return replace(STATES, training=TrainingPlan(**fields))


def decoder(plan: Any, **fields: Any) -> Architecture:
    return replace(STATES, encoder=FORWARD, decoder=plan(**fields))


CHANGES: dict[str, tuple[Architecture, Architecture]] = (
    {
        "Architecture.encoder": (DEFAULT, Architecture(encoder=FORWARD)),
        "Architecture.latent": (DEFAULT, latent(summary="pooled")),
        "Architecture.decoder": (DEFAULT, Architecture(decoder=InitialState())),
        "Architecture.training": (STATES, training(dropout=0.5)),
        "Architecture.activation": (DEFAULT, Architecture(activation="relu")),
        "EncoderPlan.layers": (DEFAULT, encoder(layers=Units((5,)))),
        "EncoderPlan.steps": (DEFAULT, values(noise=0.5)),
        "EncoderPlan.is_bidirectional": (DEFAULT, encoder(is_bidirectional=False)),
        "EqualLayers.count": (DEFAULT, encoder(layers=EqualLayers(2))),
        "Units.units": (encoder(layers=Units((5,))), encoder(layers=Units((5, 4)))),
        "Multiples.multiples": (encoder(layers=Multiples((1,))), encoder(layers=Multiples((2,)))),
        "Values.matrix_shape": (DEFAULT, values(matrix_shape=(1, 2))),
        "Values.strides": (DEFAULT, values(strides=(2,))),
        "Values.noise": (DEFAULT, values(noise=0.5)),
        "Symbols.embedding_size": (TOKENS, replace(TOKENS, encoder=EncoderPlan(steps=Symbols(embedding_size=5)))),
        "Symbols.sampled_symbols": (
            TOKENS,
            replace(TOKENS, encoder=EncoderPlan(steps=Symbols(embedding_size=3, sampled_symbols=3))),
        ),
        "LatentPlan.summary": (DEFAULT, latent(summary="pooled")),
        "LatentPlan.projection": (
            encoder(layers=Units((6,)), is_bidirectional=False),
            replace(encoder(layers=Units((6,)), is_bidirectional=False), latent=LatentPlan(projection=Identity())),
        ),
        "LatentPlan.counts": (TOKENS, replace(TOKENS, latent=COUNTED)),
        "Counts.n_decoding": (
            replace(TOKENS, latent=COUNTED),
            replace(TOKENS, latent=replace(COUNTED, counts=Counts(n_decoding=2))),
        ),
        "LatentPlan.length_weight": (DEFAULT, latent(length_weight=1.0)),
        "Gaussian.kl_weight": (VARIATIONAL, latent(projection=Gaussian(kl_weight=0.2))),
        "Gaussian.kl_annealing": (VARIATIONAL, latent(projection=Gaussian(kl_weight=0.1, kl_annealing=0.0))),
        "TeacherForcing.is_scheduled": (
            STATES,
            replace(STATES, decoder=Autoregressive(feedback=TeacherForcing(is_scheduled=True))),
        ),
        "TeacherForcing.dropped": (
            STATES,
            replace(STATES, decoder=Autoregressive(feedback=TeacherForcing(dropped=0.5))),
        ),
        "Autoregressive.feedback": (STATES, replace(STATES, decoder=Autoregressive(feedback=FreeRunning()))),
        "Autoregressive.fills": (STATES, replace(STATES, decoder=Autoregressive(fills="first"))),
        "InitialState.fills": tuple(
            replace(STATES, decoder=InitialState(fills=fills))
            for fills in ("all", "first")  # pyright: ignore[reportAssignmentType]
        ),
        "TrainingPlan.task": (DEFAULT, Architecture(training=TrainingPlan(task=Predict()))),
        "TrainingPlan.dropout": (STATES, training(dropout=0.5)),
        "TrainingPlan.dropped_steps": (STATES, training(dropped_steps=0.5)),
    }
    | {
        f"{plan.__name__}.{name}": (decoder(plan), decoder(plan, **{name: value}))
        for plan in (Repeat, InitialState, Autoregressive, Reshape)
        for name, value in {"readout": "none", "units": (7,), "is_reversed": True, "is_tied": True}.items()
    }
    | {
        f"{task.__name__}.{name}": tuple(
            Architecture(training=TrainingPlan(task=each))
            for each in (task(after=2), task(**{"after": 2, name: value}))
        )
        for task in (Predict, Composite)
        for name, value in {"after": 1, "before": 1, "horizon_annealing": 0.0}.items()
    }
)
"""For each field of each part two architectures that differ in that field alone."""


def estimator(architecture: str | Plan, **settings: Any) -> SequenceAutoencoder:
    own = {"latent_size": 6, "hidden_size": 4, "max_epochs": 2, "random_state": 0, "verbose": False}
    for size in as_architecture(architecture).own_sizes:
        own.pop(size, None)
    return SequenceAutoencoder(architecture, **{**own, **settings})


def data_for(architecture: Plan) -> tuple[Any, dict[str, Any]]:
    """Sequences that the architecture takes, and the estimator's settings for them."""
    if architecture.takes_symbols:
        rng = np.random.default_rng(0)
        return Ragged.from_tokens([rng.integers(0, 9, n) for n in rng.integers(2, 9, 12)]), {"loss": "cross_entropy"}
    if isinstance(architecture, Architecture) and architecture.decoder.latent_as == "steps":
        return make_waves(12, seed=0, shortest=3, longest=3), {}
    return make_waves(12, seed=0, shortest=4, longest=9), {}


def learnt(architecture: Plan) -> list[np.ndarray]:
    X, settings = data_for(architecture)
    ae = estimator(architecture, **settings).fit(X)
    return [parameter.detach().numpy() for parameter in ae.model_.parameters()]


def test_every_field_has_a_change() -> None:
    assert set(CHANGES) == {f"{part.__name__}.{field.name}" for part in PARTS for field in fields(part) if field.init}  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", CHANGES)
def test_a_field_changes_what_is_learnt(name: str) -> None:
    first, second = (learnt(architecture) for architecture in CHANGES[name])
    is_same_shape = [a.shape for a in first] == [b.shape for b in second]
    assert not is_same_shape or any((a != b).any() for a, b in zip(first, second, strict=True))


def test_a_chain_is_another_model_than_the_default() -> None:
    assert [a.shape for a in learnt(ChainPlan(CHAIN))] != [b.shape for b in learnt(DEFAULT)]


@pytest.mark.parametrize("choice", ["final", "states", "top_state", "pooled"])
@pytest.mark.parametrize(
    ("plan", "n_filled"), [(Repeat(), 0), (InitialState(), 2), (InitialState(fills="first"), 1), (Autoregressive(), 2)]
)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_each_choice_is_another_model(choice: Any, plan: Any, n_filled: int, cell: Any) -> None:
    architecture = replace(latent(summary=choice), encoder=EncoderPlan(layers=EqualLayers(2)), decoder=plan)
    ae = estimator(architecture, cell=cell).fit(make_waves(8, seed=0))
    n_states = {"lstm": 2, "gru": 1}[cell]
    summary_size = {"final": 8, "pooled": 8, "top_state": 8 * n_states, "states": 16 * n_states}[choice]
    assert ae.encoder_.projection.weight.shape == (6, summary_size)
    state_map = ae.decoder_.conditioning.state_map
    assert (state_map is None) == (n_filled == 0)
    assert state_map is None or state_map.weight.shape == (4 * n_filled * n_states, 6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TeacherForcing(dropped=1.5),
        lambda: FreeRunning(dropped=0.5),  # pyright: ignore[reportCallIssue]
        lambda: Repeat(feedback=FreeRunning()),  # pyright: ignore[reportCallIssue]
        lambda: Symbols(noise=0.1),  # pyright: ignore[reportCallIssue]
        lambda: Linear(kl_weight=0.1),  # pyright: ignore[reportCallIssue]
        lambda: Reconstruct(after=1),  # pyright: ignore[reportCallIssue]
    ],
)
def test_contradictions_within_a_part_cannot_be_written(make: Callable[[], Any]) -> None:
    with pytest.raises((InvalidParameter, TypeError)):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Architecture(decoder=Repeat(readout="attention")),
        lambda: replace(decoder(Repeat, readout="attention"), latent=LatentPlan(summary="final")),
        lambda: replace(
            latent(summary="pooled"), encoder=values(strides=(2,)).encoder, decoder=Repeat(readout="attention")
        ),
        lambda: replace(values(strides=(2,)), decoder=Autoregressive(feedback=FreeRunning())),
        lambda: replace(values(strides=(2,)), decoder=Repeat(readout="none")),
        lambda: replace(values(matrix_shape=(2, 1)), decoder=Autoregressive()),
        lambda: replace(values(strides=(2,)), decoder=Reshape()),
        lambda: replace(TOKENS, decoder=Autoregressive(feedback=FreeRunning())),
        lambda: replace(TOKENS, decoder=Repeat(readout="none")),
        lambda: Architecture(decoder=Reshape(), training=TrainingPlan(task=Composite())),
        lambda: Architecture(latent=LatentPlan(projection=Identity()), decoder=InitialState()),
        lambda: Architecture(encoder=LatentPlan()),
        lambda: Architecture(decoder="state"),
        lambda: Architecture(activation="elu"),
        lambda: encoder(layers=(3, 2)),
        lambda: encoder(steps=Linear()),
        lambda: latent(projection="linear"),
        lambda: latent(summary="last"),
        lambda: latent(length_weight=float("nan")),
        lambda: Autoregressive(feedback="teacher"),
        lambda: Autoregressive(fills="second"),
        lambda: Repeat(readout="final"),
        lambda: Reshape(readout="attention"),
        lambda: Repeat(units=()),
        lambda: TeacherForcing(dropped=1.5),
        lambda: values(strides=(0,)),
        lambda: values(matrix_shape=(2,)),
        lambda: values(noise=-1.0),
        lambda: Symbols(embedding_size=0),
        lambda: Units(()),
        lambda: Units((2.5,)),
        lambda: Multiples((0,)),
        lambda: EqualLayers(0),
        lambda: Gaussian(kl_weight=0.0),
        lambda: Gaussian(kl_weight=float("nan")),
        lambda: Predict(after=0),
        lambda: Composite(after=-1),
        lambda: TrainingPlan(dropout=1.0),
        lambda: TrainingPlan(task=Linear()),
        lambda: ChainPlan(CHAIN[1:]),
        lambda: ChainPlan(("lstm",)),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (latent(projection=Identity()), "8 values, but latent_size is 6"),
        (
            replace(STATES, latent=LatentPlan(summary="states", projection=Identity())),
            "16 values, but latent_size is 6",
        ),
        (Architecture(decoder=Repeat(is_tied=True, units=(5,))), "is_tied needs"),
        (Architecture(decoder=Repeat(readout="none", units=(5,))), "must have 2 units"),
        (values(matrix_shape=(3, 3)), "9 values, but X has 2 channels"),
        (ChainPlan((ChainLayer(kind="lstm", size=5, returns_steps=False), *CHAIN[1:])), "has 5 values"),
    ],
)
def test_sizes_that_contradict_are_refused(architecture: Plan, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        estimator(architecture).fit(make_waves(5, seed=0))


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("stacked", {"hidden_size": 64}),
        ("stacked", {"n_layers": 1}),
        ("seq2seq", {"n_layers": 4}),
        (encoder(layers=Units((4,))), {"hidden_size": 4}),
        (ChainPlan(CHAIN), {"n_layers": 1}),
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
        estimator("tokens", loss="mse").fit(tokens)
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

    ae = estimator(Architecture(encoder=FORWARD, decoder=Repeat(is_tied=True))).fit(make_waves(6, seed=0))
    ae.save(tmp_path / "m.seqae")
    for model in (ae, seqae.load(tmp_path / "m.seqae")):
        assert model.decoder_.layers[0].weight_hh is model.encoder_.layers[0][0].weight_hh
    assert torch.isfinite(ae.decoder_.layers[0].weight_hh).all()


def test_it_shows_what_differs_from_the_defaults() -> None:
    assert repr(Architecture()) == "Architecture()"
    shown = "Architecture(encoder=EncoderPlan(steps=Values(strides=(2,), noise=0.5)))"
    assert repr(values(noise=0.5, strides=(2,))) == shown
    assert repr(Hybrid(residual=Residual(n_waves=2))) == "Hybrid(residual=Residual(n_waves=2))"
    for architecture in (STATES, TOKENS, VARIATIONAL, COMPOSITE, ChainPlan(CHAIN), *PRESETS.values()):
        assert eval(repr(architecture)) == architecture


def test_any_preset_can_also_predict() -> None:
    assert PRESETS["repeat"].predicting(3).training.task == Composite(after=3)
    only = Architecture(training=TrainingPlan(task=Predict(after=1, before=2)))
    assert only.predicting(5).training.task == Predict(after=5, before=2)
    assert PRESETS["composite"].predicting(0) == PRESETS["repeat"].predicting(0) == PRESETS["repeat"]
    for architecture, n_steps in ((PRESETS["repeat"], -1), (Architecture(training=TrainingPlan(task=Predict())), 0)):
        with pytest.raises(InvalidParameter, match=r"predicted_steps|at least 1 step"):
            architecture.predicting(n_steps)
