"""What the named architectures do: their equations, their guarantees, and that they learn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import seqae
from seqae import Loss, Ragged, SequenceAutoencoder
from seqae.baselines import explained_variance
from seqae.data import japanese_vowels
from seqae.errors import InvalidParameter
from seqae.model.architecture import (
    Architecture,
    Autoregressive,
    Composite,
    EncoderPlan,
    LatentPlan,
    Predict,
    Symbols,
    TeacherForcing,
    TrainingPlan,
    Values,
)
from seqae.model.building import build
from seqae.model.layers import Draw
from seqae.model.presets import PRESETS
from seqae.reading.inputs import drop_empty
from seqae.sequences.ragged import to_tensors
from seqae.sequences.scaling import fit_scaling, identity_scaling
from seqae.training.batching import BatchLoader, FlatParameters, LossAndGradient

from .conftest import TOLERANCE, make_ragged, make_waves
from .naive import gru, lstm

NAMES = list(PRESETS)
RECURRENT = [name for name in NAMES if name not in ("hybrid", "linear")]
CELLS = {"lstm": lstm, "gru": gru}


def data(name: str, *, seed: int = 0, n: int = 12) -> tuple[Any, dict[str, Any]]:
    """Sequences for a preset, and what the estimator must know of them."""
    rng = np.random.default_rng(seed)
    if "tokens" in name:
        return Ragged.from_tokens([rng.integers(0, 9, k) for k in rng.integers(2, 12, n)]), {"loss": "cross_entropy"}
    if "reshape" in name:
        return make_waves(n, seed=seed, shortest=4, longest=4), {}
    return make_waves(n, seed=seed), {}


def fitted(name: str, **settings: Any) -> tuple[SequenceAutoencoder, Any]:
    X, own = data(name)
    defaults = {"latent_size": 8, "hidden_size": 6, "max_epochs": 2, "random_state": 0, "verbose": False}
    for size in PRESETS[name].own_sizes:
        defaults.pop(size, None)
    return SequenceAutoencoder(name, **{**defaults, **own, **settings}).fit(X), X


def of_lengths(*lengths: int) -> BatchLoader:
    """What is learnt from before training."""
    return BatchLoader(make_ragged(list(lengths), 2, dtype=np.float32), identity_scaling(2))


def values(result: Any) -> np.ndarray:
    return np.asarray(result.values if isinstance(result, Ragged) else result)


# -- guarantees -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_alone_or_in_company_and_kept_in_a_file(name: str, cell: Any, tmp_path: Any) -> None:
    ae, X = fitted(name, cell=cell)
    ae.save(tmp_path / "m.seqae")
    again = seqae.load(tmp_path / "m.seqae")
    vectors, whole, scores = ae.transform(X), ae.reconstruct(X), ae.score_samples(X)
    np.testing.assert_array_equal(again.transform(X), vectors)
    np.testing.assert_array_equal(values(again.reconstruct(X)), values(whole))
    np.testing.assert_array_equal(again.score_samples(X), scores)
    np.testing.assert_array_equal(values(again.inverse_transform(vectors)), values(ae.inverse_transform(vectors)))
    is_exact = seqae.active_kernel() != "reference"
    tolerance = 0 if is_exact else 1e-6
    for i in (0, 5):
        one = X[[i]] if isinstance(X, Ragged) else [X[i]]
        np.testing.assert_allclose(ae.transform(one)[0], vectors[i], rtol=0, atol=tolerance)
        np.testing.assert_allclose(ae.reconstruct(one)[0], whole[i], rtol=0, atol=tolerance)
        np.testing.assert_allclose(ae.score_samples(one)[0], scores[i], rtol=0, atol=tolerance)
        length = len(whole[i])
        np.testing.assert_allclose(
            ae.inverse_transform(vectors[[i]], length)[0],
            ae.inverse_transform(vectors, whole.lengths)[i],
            rtol=0,
            atol=tolerance,
        )


@pytest.mark.parametrize("name", ["tokens", "state", "composite", "variational", "denoising", "outputs", "conv"])
def test_a_killed_run_goes_on_to_the_same_bits(name: str, tmp_path: Any) -> None:
    class Kill:
        def on_epoch_end(self, epoch: Any) -> None:
            if epoch.number == 2:
                raise RuntimeError("killed")

    X, own = data(name)
    settings = {"latent_size": 8, "hidden_size": 6, "random_state": 3, "verbose": False, "batch_size": 4, **own}
    whole = SequenceAutoencoder(name, max_epochs=4, **settings).fit(X)
    checkpoint = seqae.Checkpoint(tmp_path / "run")
    with pytest.raises(RuntimeError, match="killed"):
        SequenceAutoencoder(name, max_epochs=4, callbacks=(checkpoint, Kill()), **settings).fit(X)
    resumed = SequenceAutoencoder(name, max_epochs=4, callbacks=(checkpoint,), **settings).fit(X)
    for a, b in zip(whole.model_.parameters(), resumed.model_.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [e.training_loss for e in whole.history_.epochs] == [e.training_loss for e in resumed.history_.epochs]


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_training_takes_the_gradient_that_autograd_finds(name: str, cell: Any) -> None:
    """Also where the kernel's calls are traced on one batch and replayed on others: to the bit."""
    ae, X = fitted(name, cell=cell)
    is_replayed = seqae.active_kernel() != "reference" and name in {"repeat", "stacked"}
    model, loss = ae.model_, Loss("cross_entropy" if "tokens" in name else "mse")
    loader = BatchLoader(Ragged.from_any(X), ae.scaling_)
    batches = [loader.load(indices) for indices in (np.arange(5), np.arange(4, 11), np.array([7, 2]), np.array([3]))]
    draws = [(0, update, update / 4) for update in range(4)]
    expected = []
    for batch, draw in zip(batches, draws, strict=True):
        model.zero_grad()
        total = model.training_loss(batch, loss, Draw(*draw))
        total.backward()
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
        expected.append((total.item(), torch.cat([part.reshape(-1) for part in found])))
    model.zero_grad()
    with FlatParameters(model) as flat:
        step = LossAndGradient(model, loss, flat)
        for batch, draw, (value, gradient) in zip(batches, draws, expected, strict=True):
            exact = seqae.active_kernel() != "reference"  # torch's products depend on where the weights lie
            assert step.compute(batch, Draw(*draw)) == pytest.approx(value, rel=0 if exact else 1e-5, abs=0)
            tolerance = 0 if is_replayed else 1e-5  # where weights are used twice, autograd adds in another order
            torch.testing.assert_close(flat.gradient(), gradient, rtol=tolerance, atol=tolerance / 100)
    assert expected[0][1].count_nonzero() > 0.5 * len(expected[0][1])
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (step._replay is not None) == is_replayed


@pytest.mark.parametrize("name", ["state", "seq2seq", "encdec_ad", "composite", "stacked", "conv", "outputs"])
@pytest.mark.parametrize("per", ["step", "sequence"])
def test_a_batch_costs_what_its_sequences_cost(name: str, per: Any) -> None:
    """Without draws: training loss of a batch, value and gradient, from the losses of its sequences alone."""
    plan = PRESETS[name]
    if name == "state":
        plan = replace(plan, decoder=Autoregressive(feedback=TeacherForcing()))
    sizes = {} if "hidden_size" in plan.own_sizes else {"hidden_size": 3}
    model = build(plan, "lstm", n_channels=2, latent_size=4, **sizes).double()
    model.initialise(0)
    model.fit_closed_form(of_lengths(3, 9))
    batch, loss = to_tensors(make_ragged([4, 9, 2], 2)), seqae.Loss("mse", per=per)
    draw = Draw(0, 0, 0.5)
    parts = [to_tensors(Ragged.back_to_back(batch[i].numpy(), np.array([len(batch[i])]))) for i in range(3)]
    whole, alone = (
        model.training_loss(batch, loss, Draw(0, 3, 0.5)),
        [model.training_loss(part, loss, draw) for part in parts],
    )
    if per == "sequence":
        torch.testing.assert_close(whole, torch.stack(alone).mean())
        expected = torch.autograd.grad(torch.stack(alone).mean(), list(model.parameters()), allow_unused=True)
        actual = torch.autograd.grad(whole, list(model.parameters()), allow_unused=True)
        for a, b in zip(actual, expected, strict=True):
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                torch.testing.assert_close(a, b)
    elif not plan.training.task.n_held_back:
        head = model.require_length_head()
        lengths = [plan.latent.length_weight * head.loss(model.encoder(part), part.lengths) for part in [batch, *parts]]
        weights = batch.lengths / batch.n_steps
        total = sum(w * (a - n) for w, a, n in zip(weights, alone, lengths[1:], strict=True))
        torch.testing.assert_close(whole - lengths[0], total)


# -- equations ------------------------------------------------------------------------------------------------------


def arrays(module: torch.nn.Module) -> list[np.ndarray]:
    return [parameter.detach().numpy() for parameter in module.parameters()]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_decoder_of_states_is_its_equations(cell: str, is_reversed: bool) -> None:
    """Teacher-forced and free-running, two layers, step by step in NumPy."""
    plan = replace(PRESETS["encdec_ad"], decoder=Autoregressive(is_reversed=is_reversed))
    model = build(plan, cell, n_channels=2, latent_size=4, hidden_size=3, n_layers=2).double()
    model.initialise(0)
    torch.nn.init.normal_(model.decoder.start)
    sequences = to_tensors(make_ragged([5, 1, 8], 2))
    latent = model.encoder(sequences)
    taught = model.decoder.taught(latent, sequences, None, None)
    free = model(sequences)
    weight, bias = arrays(model.decoder.head)
    for i, x in enumerate(sequences):
        states: list[np.ndarray] = []
        steps = x.numpy()
        for layer in model.encoder.layers:
            steps, final = CELLS[cell](steps, arrays(layer[0]))
            states += final
        z = arrays(model.encoder.projection)[0] @ np.concatenate(states) + arrays(model.encoder.projection)[1]
        np.testing.assert_allclose(latent[i].detach(), z, atol=1e-12)
        state_map = arrays(model.decoder.conditioning.state_map)
        parts = np.split(state_map[0] @ z + state_map[1], 2 * len(final))
        target = x.numpy()[::-1] if is_reversed else x.numpy()
        for result, is_free in ((taught, False), (free, True)):
            now = [tuple(parts[: len(final)]), tuple(parts[len(final) :])]
            read, expected = model.decoder.start.detach().numpy(), []
            for t in range(len(target)):
                step = read[None]
                for k, layer in enumerate(model.decoder.layers):
                    step, now[k] = CELLS[cell](step, arrays(layer), now[k])
                expected.append(weight @ step[0] + bias)
                read = expected[-1] if is_free else target[t]
            ordered = np.array(expected)[::-1] if is_reversed else np.array(expected)
            np.testing.assert_allclose(result[i].detach(), ordered, atol=1e-12)


def test_attention_is_its_equation() -> None:
    model = build("outputs", "lstm", n_channels=2, latent_size=4, hidden_size=3).double()
    model.initialise(0)
    sequences = to_tensors(make_ragged([5, 2], 2))
    code, result = model.encoder.encode(sequences), model(sequences)
    for i, n in enumerate(sequences.lengths):
        memory = code.memory[i].detach().numpy()
        np.testing.assert_allclose(memory.mean(axis=0), code.latent[i].detach(), atol=1e-12)
        hidden, _ = lstm(np.repeat(code.latent[i].detach().numpy()[None], n, axis=0), arrays(model.decoder.layers[0]))
        weight, bias = arrays(model.decoder.attention.query)
        scores = (hidden @ weight.T + bias) @ memory.T / np.sqrt(4)
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        joined = np.concatenate([hidden, weights @ memory], axis=1)
        weight, bias = arrays(model.decoder.head)
        np.testing.assert_allclose(result[i].detach(), joined @ weight.T + bias, atol=1e-12)


def test_strided_convolutions_are_their_equations() -> None:
    plan = Architecture(encoder=EncoderPlan(steps=Values(strides=(3,)), is_bidirectional=False))
    model = build(plan, "lstm", n_channels=2, latent_size=4, hidden_size=5).double()
    model.initialise(0)
    sequences = to_tensors(make_ragged([7, 1, 3], 2))
    latent, result = model.encoder(sequences), model(sequences)
    weight, bias = arrays(model.encoder.reader.times[0])
    expand, expand_bias = arrays(model.decoder.writer.times[0])
    for i, x in enumerate(sequences):
        around = np.concatenate([np.zeros((2, 2)), x.numpy(), np.zeros((2, 2))])
        n_core = -(-len(x) // 3)
        around = np.concatenate([around, np.zeros((3 * n_core + 2 - len(x), 2))])
        core = np.array([np.maximum(weight @ around[3 * j : 3 * j + 5].ravel() + bias, 0) for j in range(n_core)])
        z = arrays(model.encoder.projection)[0] @ lstm(core, arrays(model.encoder.layers[0][0]))[1][0]
        np.testing.assert_allclose(latent[i].detach(), z, atol=1e-12)
        hidden, _ = lstm(np.repeat(z[None], n_core, axis=0), arrays(model.decoder.layers[0]))
        read = np.maximum(hidden @ arrays(model.decoder.head)[0].T + arrays(model.decoder.head)[1], 0)
        steps = (read @ expand.T + expand_bias).reshape(-1, 2)[: len(x)]
        np.testing.assert_allclose(result[i].detach(), steps, atol=1e-12)


def test_convolutions_within_steps_are_torchs() -> None:
    plan = Architecture(encoder=EncoderPlan(steps=Values(matrix_shape=(5, 4))))
    model = build(plan, "lstm", n_channels=20, latent_size=4, hidden_size=5).double()
    model.initialise(0)
    steps = torch.randn(6, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    reader = model.encoder.reader.matrix
    kernel = reader.map.weight.reshape(8, 1, 3, 3)
    wanted = torch.relu(
        torch.nn.functional.conv2d(steps.reshape(6, 1, 5, 4), kernel, reader.map.bias, stride=2, padding=1)
    )
    torch.testing.assert_close(reader(steps), wanted.permute(0, 2, 3, 1).flatten(1))
    writer = model.decoder.writer.matrix
    features = torch.randn(6, 3 * 2 * 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    kernel = writer.map.weight.T.reshape(8, 1, 2, 2)
    grid = features.reshape(6, 3, 2, 8).permute(0, 3, 1, 2)
    wanted = torch.nn.functional.conv_transpose2d(grid, kernel, stride=2) + writer.map.bias.reshape(2, 2).repeat(3, 2)
    torch.testing.assert_close(writer(features), wanted[:, 0, :5, :4].flatten(1))


def test_the_divergence_is_that_of_torch() -> None:
    model = build("variational", "lstm", n_channels=2, latent_size=4, hidden_size=3)
    model.initialise(0)
    code = model.encoder.encode(to_tensors(make_ragged([5, 2], 2, dtype=np.float32)))
    normal = torch.distributions.Normal
    own = normal(code.latent, torch.exp(0.5 * code.log_variance))
    wanted = torch.distributions.kl_divergence(own, normal(0.0, 1.0)).mean()
    torch.testing.assert_close(code.divergence(), wanted)


def test_sampled_softmax_estimates_the_exact_loss() -> None:
    plan = replace(
        PRESETS["tokens"],
        encoder=EncoderPlan(steps=Symbols(sampled_symbols=50)),
        latent=LatentPlan(summary="states", length_weight=0),
        training=TrainingPlan(),
    )
    model = build(
        plan,
        "lstm",
        n_channels=1,
        latent_size=4,
        hidden_size=8,
        n_symbols=200,
    )
    model.initialise(0)
    rng = np.random.default_rng(0)
    batch = to_tensors(Ragged.from_tokens([rng.integers(0, 200, 9) for _ in range(20)]))
    loss = seqae.Loss("cross_entropy")
    with torch.no_grad():
        exact = model.evaluation_loss(batch, loss)
        sampled = [model.training_loss(batch, loss, Draw(0, k, 0.5)) for k in range(50)]
    assert abs(torch.stack(sampled).mean() - exact) < 0.01 * exact


def calls_of(work: Callable[[], Any]) -> int:
    """How many calls Python makes, of Python and of compiled functions."""
    n_calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return n_calls


@pytest.mark.skipif(seqae.active_kernel() == "reference", reason="the reference is a loop over time")
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("name", RECURRENT)
def test_no_path_loops_over_time_in_python(name: str, cell: str) -> None:
    """All calls, in training and after, are as many for 4 steps as for 200."""
    is_tokens, counts = "tokens" in name, []
    loss = seqae.Loss("cross_entropy" if is_tokens else "mse")
    for n_steps in (4, 4, 200):  # once more than needed: what is imported or kept at first use comes before
        sizes = {"latent_size": n_steps if "reshape" in name else 8, "hidden_size": 2}
        sizes = {key: size for key, size in sizes.items() if key not in PRESETS[name].own_sizes}
        shape = {"n_channels": 1, "n_steps": n_steps, "n_symbols": 9 if is_tokens else None}
        model = build(name, cell, **sizes, **shape)
        model.initialise(0)
        tokens = Ragged.from_tokens([np.arange(n_steps) % 9] * 2)
        batch = to_tensors(tokens if is_tokens else make_ragged([n_steps] * 2, 1, dtype=np.float32))
        of_training = calls_of(lambda: model.training_loss(batch, loss, Draw(0, 0, 0.5)).backward())  # noqa: B023
        counts.append((of_training, calls_of(lambda: model(batch))))  # noqa: B023
    assert counts[1] == counts[2]


# -- what they are for ----------------------------------------------------------------------------------------------


def test_prediction_errors_are_those_of_the_steps_held_back() -> None:
    ae = SequenceAutoencoder(
        Architecture(training=TrainingPlan(task=Composite(after=2, before=1))),
        latent_size=4,
        hidden_size=5,
        max_epochs=2,
        random_state=0,
    )
    X = make_waves(9, seed=0, shortest=5, longest=9)
    ae.fit(X)
    by_step = ae.prediction_error(X, per="step")
    assert by_step.lengths.tolist() == [3] * 9
    np.testing.assert_allclose(ae.prediction_error(X), [part.mean() for part in by_step], rtol=1e-5)
    inner = [x[1:-2] for x in X]
    after = ae.predict_steps(inner, 2)
    for i, x in enumerate(X):
        error = ((after[i] - x[-2:]) / ae.scaling_.scale) ** 2
        np.testing.assert_allclose(by_step[i][1:, 0], error.mean(axis=1), rtol=1e-3, atol=1e-5)
    with pytest.raises(InvalidParameter, match="predicts no steps"):
        fitted("repeat")[0].prediction_error(X)
    only = SequenceAutoencoder(
        Architecture(training=TrainingPlan(task=Predict(after=2))), latent_size=4, hidden_size=5, max_epochs=2
    ).fit(X)
    assert only.predict_steps(X, 7).lengths.tolist() == [7] * 9
    with pytest.raises(InvalidParameter, match="does not reconstruct"):
        only.reconstruct(X)


def test_lengths_are_told_and_vectors_joined() -> None:
    X = make_waves(60, seed=0, shortest=3, longest=12)
    ae = SequenceAutoencoder(
        latent_size=8,
        hidden_size=24,
        max_epochs=150,
        learning_rate=1e-2,
        validation_fraction=0,
        patience=None,
        random_state=0,
    ).fit(X)
    for seed in (0, 1):  # seen and unseen
        waves = make_waves(60, seed=seed, shortest=3, longest=12)
        assert ae.inverse_transform(ae.transform(waves)).lengths.tolist() == [len(wave) for wave in waves]
    between = ae.interpolate(X[0], X[1], 5)
    assert len(between) == 5
    first = ae.inverse_transform(ae.transform([X[0]]))[0]
    np.testing.assert_allclose(between[0], first, rtol=TOLERANCE, atol=TOLERANCE)
    np.testing.assert_allclose(between[4], ae.inverse_transform(ae.transform([X[1]]))[0], atol=1e-5)
    with pytest.raises(InvalidParameter, match="variational"):
        ae.sample(3)
    unaware = SequenceAutoencoder(Architecture(latent=LatentPlan(length_weight=0)), latent_size=4, max_epochs=1).fit(X)
    with pytest.raises(InvalidParameter, match="pass lengths="):
        unaware.inverse_transform(unaware.transform(X))


def test_vectors_tell_lengths_of_what_they_encode() -> None:
    """z = P h + u n': the rest is as without u, and n' is counted in what training encodes."""
    plan = Architecture(training=TrainingPlan(task=Composite(after=4)))
    model = build(plan, "lstm", n_channels=2, latent_size=3, hidden_size=4).double()
    model.initialise(0)
    code, head = model.encoder.length_code, model.require_length_head()
    batch = to_tensors(make_ragged([9, 5, 300], 2))
    content = model.encoder(batch)
    model.fit_closed_form(of_lengths(12, 12))  # encoded are 12 and 8 steps: mean 10, deviation 2
    told = np.minimum(batch.lengths, 2 * 12)
    wanted = content + torch.from_numpy((told - 10) / 2)[:, None] * code.weight
    torch.testing.assert_close(model.encoder(batch), wanted)
    loss = head.loss(wanted, batch.lengths)
    assert loss is not None
    guessed = (wanted @ code.weight) / code.weight.square().sum()
    torch.testing.assert_close(loss, ((guessed - torch.from_numpy((batch.lengths - 10) / 2)) ** 2).mean())
    model.fit_closed_form(of_lengths(100, 101))  # nearly equal: a unit is a tenth of the mean
    assert head.statistics.tolist() == pytest.approx([98.5, 9.85, 101])
    alone = build("repeat", "lstm", n_channels=2, latent_size=3, hidden_size=4)
    alone.initialise(0)
    alone.fit_closed_form(of_lengths(7, 7))
    assert alone.require_length_head().loss(torch.zeros(1, 3), np.array([7])) is None


def test_a_variational_model_can_be_sampled() -> None:
    ae, _ = fitted("variational")
    first, second = ae.sample(4, random_state=1), ae.sample(4, random_state=1)
    np.testing.assert_array_equal(first.values, second.values)
    assert len(first) == 4
    assert np.isfinite(first.values).all()


def moving_symbols(n: int, seed: int) -> list[np.ndarray]:
    """One of 8 symbols that moves up or down, as one-hot rows, for 0..10 steps."""
    rng = np.random.default_rng(seed)
    starts, moves, lengths = rng.integers(0, 8, n), rng.choice([-1, 1], n), rng.integers(0, 11, n)
    walks = zip(starts, moves, lengths, strict=True)
    return [np.eye(8)[(start + move * np.arange(length)) % 8].reshape(-1, 8) for start, move, length in walks]


def test_moving_symbols_come_back_from_twenty_values() -> None:
    with pytest.warns(UserWarning, match=r"dropped \d+ sequences without steps: 1, 17"):
        X = drop_empty(moving_symbols(600, seed=0))
    ae = SequenceAutoencoder(latent_size=20, max_epochs=60, learning_rate=1e-2, random_state=0, verbose=False).fit(X)
    assert ae.accuracy([x for x in moving_symbols(300, seed=1) if len(x)]) > 0.99


def overfitted(name: str, cell: str, X: Any, **settings: Any) -> SequenceAutoencoder:
    slow = {"seq2seq": (1500, 5e-3), "dense_reshape": (900, 1e-2)}
    max_epochs, learning_rate = slow.get(name, (350, 2e-2))
    return SequenceAutoencoder(
        name,
        cell=cell,  # pyright: ignore[reportArgumentType]
        latent_size=42 if "reshape" in name else 40,
        max_epochs=max_epochs,
        learning_rate=learning_rate,
        validation_fraction=0,
        patience=None,
        random_state=0,
        **settings,
    ).fit(X)


@pytest.mark.long
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("name", NAMES)
def test_twenty_utterances_are_learnt_by_heart(name: str, cell: str) -> None:
    utterances = sorted(japanese_vowels("train").sequences, key=len)[:20]
    if "tokens" in name:
        rng = np.random.default_rng(0)
        X = Ragged.from_tokens([rng.integers(0, 12, len(x)) for x in utterances])
        assert overfitted(name, cell, X, loss="cross_entropy").accuracy(X) > 0.98
        return
    X = Ragged.from_any([x[:7] for x in utterances] if "reshape" in name else utterances)
    ae = overfitted(name, cell, X)
    assert explained_variance(X, ae.reconstruct(X), fit_scaling(X)) > 0.98


@pytest.mark.long
def test_a_hundred_thousand_symbols_train_in_two_gigabytes() -> None:
    code = """
import resource, numpy as np
from seqae import Ragged, SequenceAutoencoder
rng = np.random.default_rng(0)
X = Ragged.from_tokens([np.append(rng.integers(0, 100_000, rng.integers(5, 30)), 99_999) for _ in range(300)])
ae = SequenceAutoencoder("tokens", loss="cross_entropy", max_epochs=2, random_state=0, verbose=False).fit(X)
epochs = ae.history_.epochs
ae.reconstruct(X)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(peak < 2 * 2**30, epochs[1].training_loss < epochs[0].training_loss)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["True", "True"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["tok_names_18lang", "tok_adfa_ld_dev"])
def test_real_symbols_train(name: str, shared_data: Any) -> None:
    with np.load(shared_data / f"{name}.npz") as file:
        X = Ragged.back_to_back(file["values"].astype(np.int32), file["lengths"])[:300]
    ae = SequenceAutoencoder(
        "tokens", loss="cross_entropy", max_epochs=4, learning_rate=1e-2, random_state=0, verbose=False
    ).fit(X)
    first, last = ae.history_.epochs[0], ae.history_.epochs[-1]
    assert last.validation_loss is not None
    assert first.validation_loss is not None
    assert last.validation_loss < 0.95 * first.validation_loss
