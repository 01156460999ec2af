"""The modules against naive loops, and their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqae import Loss, Ragged, SequenceAutoencoder
from seqae.errors import InvalidSequence
from seqae.model.architecture import Architecture, Composite, TrainingPlan
from seqae.model.autoencoder import Autoencoder
from seqae.model.building import build
from seqae.model.interface import TrainingData
from seqae.model.layers import Draw, fill_orthogonal
from seqae.model.recurrent import RecurrentDecoder
from seqae.sequences.ragged import back_to_back, to_tensors
from seqae.sequences.scaling import identity_scaling
from seqae.training.batching import BatchLoader

from .conftest import make_ragged, make_waves
from .naive import gru, lstm


def numpy_weights(layer: torch.nn.Module) -> list[np.ndarray]:
    return [parameter.detach().numpy() for parameter in layer.parameters()]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_repeat_is_its_equations(cell: str, n_layers: int) -> None:
    """z = P [h_forward(n); h_backward(1)],  d(t) = cell(z, d(t-1)),  y(t) = W d(t) + b."""
    model = build("repeat", cell, n_channels=2, latent_size=3, hidden_size=4, n_layers=n_layers).double()
    model.initialise(0)
    run = lstm if cell == "lstm" else gru
    sequences = to_tensors(make_ragged([5, 1, 8], 2))
    latent, outputs = model.encoder(sequences), model(sequences)
    projection, head = model.encoder.projection, model.decoder.head
    for i, x in enumerate(sequences):
        steps = x.numpy()
        for layer in model.encoder.layers:
            ahead, final_ahead = run(steps, numpy_weights(layer[0]))
            back, final_back = run(steps[::-1], numpy_weights(layer[1]))
            steps = np.concatenate([ahead, back[::-1]], axis=1)
        z = projection.weight.detach().numpy() @ np.concatenate([final_ahead[0], final_back[0]])
        z = z + projection.bias.detach().numpy()
        np.testing.assert_allclose(latent[i].detach(), z, atol=1e-12)
        steps = np.repeat(z[None], len(x), axis=0)
        for layer in model.decoder.layers:
            steps, _ = run(steps, numpy_weights(layer))
        expected = steps @ head.weight.detach().numpy().T + head.bias.detach().numpy()
        np.testing.assert_allclose(outputs[i].detach(), expected, atol=1e-12)


def test_the_seed_alone_decides_the_parameters() -> None:
    models = [build("repeat", "lstm", n_channels=2, latent_size=3, hidden_size=4) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        model.initialise(seed)
    flat = [torch.cat([p.detach().ravel() for p in model.parameters()]) for model in models]
    assert torch.equal(flat[0], flat[1])
    assert not torch.equal(flat[0], flat[2])
    assert all(torch.isfinite(vector).all() for vector in flat)


def test_the_thread_count_does_not_change_the_parameters() -> None:
    before, flat = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            model = build("repeat", "lstm", n_channels=2, latent_size=3, hidden_size=96)
            model.initialise(0)
            flat.append(torch.cat([p.detach().ravel() for p in model.parameters()]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(flat[0], flat[1])
    assert torch.equal(flat[0], flat[2])


def test_recurrent_weights_start_orthogonal() -> None:
    matrix = torch.zeros(33, 33)
    fill_orthogonal(matrix, torch.Generator().manual_seed(0))
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(33))


def test_the_forget_gate_starts_open() -> None:
    model = build("repeat", "lstm", n_channels=2, latent_size=3, hidden_size=4)
    model.initialise(0)
    bias = model.decoder.layers[0].bias_ih
    assert bias.tolist() == [0] * 4 + [1] * 4 + [0] * 8


def built(name: str = "repeat", **sizes: int) -> Autoencoder:
    model = build(name, "lstm", **{"n_channels": 2, "latent_size": 3, "hidden_size": 4, **sizes})  # pyright: ignore[reportArgumentType]
    model.initialise(0)
    return model


def test_modules_take_plain_tensors() -> None:
    model = built().double()
    steps = torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(0))
    ragged = back_to_back(steps.double().reshape(-1, 2), np.array([7, 7, 7]))
    wanted = model.encoder(ragged)
    assert torch.equal(model.encoder(steps), wanted)  # float32, and of the model's float64 in there
    assert torch.equal(model.encoder(list(steps)), wanted)
    assert torch.equal(model(steps).values, model(ragged).values)
    unequal = [steps[0], steps[1, :4]]
    assert torch.equal(model.encoder(unequal)[0], model.encoder(steps)[0])
    assert model(unequal).lengths.tolist() == [7, 4]
    for lengths in ([7, 7, 7], torch.tensor([7, 7, 7]), np.array([7, 7, 7])):
        assert torch.equal(model.decoder(wanted, lengths).values, model(ragged).values)


def test_gradients_reach_plain_tensors() -> None:
    model = built().double()
    steps = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model.encoder, steps, check_undefined_grad=False)


def test_tokens_are_plain_integers() -> None:
    model = built("tokens", n_channels=1, n_symbols=9)
    tokens = torch.tensor([[1, 2, 8], [0, 0, 3]])
    wanted = model.encoder(to_tensors(Ragged.from_tokens([[1, 2, 8], [0, 0, 3]])))
    assert torch.equal(model.encoder(tokens), wanted)
    assert torch.equal(model.encoder([tokens[0], tokens[1]]), wanted)


@pytest.mark.parametrize(
    "given", [torch.zeros(3), torch.zeros(2, 3, 4, 5), [], [np.zeros((3, 2))], [torch.zeros(1, 2, 3)]]
)
def test_what_is_no_sequence_is_refused(given: Any) -> None:
    with pytest.raises(InvalidSequence, match="a module takes a tensor of"):
        built().encoder(given)


def test_the_loss_is_the_sum_of_its_terms() -> None:
    model = built("variational")
    sequences = make_ragged([3, 5, 4], 2, dtype=np.float32)
    model.fit_closed_form(BatchLoader(sequences, identity_scaling(2)))
    batch, loss = to_tensors(sequences), Loss("mse")
    terms = {term.name: term for term in model.training_terms(batch, loss, Draw(0, 0, 0.25))}
    assert set(terms) == {"reconstruction", "divergence", "lengths"}
    assert terms["divergence"].weight == pytest.approx(0.5 * 0.001)  # half of the annealing is done
    total = sum(term.weight * term.value for term in terms.values())
    torch.testing.assert_close(model.training_loss(batch, loss, Draw(0, 0, 0.25)), total)
    code = model.encoder.encode(batch)
    assert code.log_variance is not None
    normal = torch.distributions.Normal
    own = normal(code.latent, torch.exp(0.5 * code.log_variance))
    told = {term.name: term.value for term in model.evaluation_terms(batch, loss)}
    torch.testing.assert_close(told["divergence"], torch.distributions.kl_divergence(own, normal(0.0, 1.0)).mean())
    torch.testing.assert_close(told["reconstruction"], ((model(batch).values - batch.values) ** 2).mean())
    torch.testing.assert_close(model.evaluation_loss(batch, loss), told["reconstruction"] + 0.001 * told["divergence"])


def test_parts_see_the_training_sequences_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TrainingData] = []
    monkeypatch.setattr(RecurrentDecoder, "fit_closed_form", lambda self, data: seen.append(data))
    X = make_waves(9, seed=0)
    plan = Architecture(training=TrainingPlan(task=Composite(after=2)))
    ae = SequenceAutoencoder(plan, latent_size=3, max_epochs=1, validation_fraction=0, random_state=0, verbose=False)
    ae.fit(X)
    assert len(seen) == 2  # decoder and predictor
    lengths = np.array([len(x) for x in X])
    np.testing.assert_array_equal(seen[0].encoded_lengths, np.concatenate([lengths, lengths - 2]))
    read = seen[0].sequences.load(np.arange(9)).values
    scaled = (np.concatenate(X) - ae.scaling_.centre) / ae.scaling_.scale
    np.testing.assert_allclose(read, scaled, atol=1e-6)
