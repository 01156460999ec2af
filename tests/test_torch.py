"""torch.nn.LSTM and nn.GRU state_dicts in our modules, and torch's own outputs with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqae import Ragged
from seqae.errors import InvalidParameter
from seqae.interop.torch import load_state_dict, state_dict_of
from seqae.model.architecture import Architecture, EncoderPlan, Identity, LatentPlan, Repeat, Units
from seqae.model.building import build
from seqae.sequences.ragged import to_tensors


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_a_state_dict_loads_as_it_is(kind: str, is_bidirectional: bool) -> None:
    torch.manual_seed(0)
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind]
    theirs = module(3, 5, num_layers=2, bidirectional=is_bidirectional, batch_first=True)
    plan = Architecture(
        encoder=EncoderPlan(is_bidirectional=is_bidirectional), latent=LatentPlan(projection=Identity())
    )
    latent_size = 10 if is_bidirectional else 5
    model = build(plan, kind, n_channels=3, latent_size=latent_size, hidden_size=5, n_layers=2)
    load_state_dict(model.encoder, theirs.state_dict())
    x = torch.randn(4, 7, 3)
    final = theirs(x)[1][0] if kind == "lstm" else theirs(x)[1]
    wanted = torch.cat([final[-2], final[-1]], dim=1) if is_bidirectional else final[-1]
    ours = model.encoder(to_tensors(Ragged.from_any(x.numpy())))
    torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=1e-5)
    for name, weights in state_dict_of(model.encoder).items():
        assert torch.equal(weights, theirs.state_dict()[name])


def test_decoders_and_weights_without_biases() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(4, 5, bias=False, batch_first=True)
    model = build("repeat", "lstm", n_channels=3, latent_size=4, hidden_size=5)
    model.initialise(0)
    load_state_dict(model.decoder, theirs.state_dict())
    z = torch.randn(2, 4)
    hidden = theirs(z[:, None].expand(2, 6, 4))[0]
    wanted = torch.nn.functional.linear(hidden, model.decoder.head.weight, model.decoder.head.bias)
    ours = model.decoder(z, np.array([6, 6])).values
    torch.testing.assert_close(ours, wanted.flatten(0, 1), atol=1e-5, rtol=1e-5)


def test_what_does_not_fit_is_named_and_changes_nothing() -> None:
    model = build("repeat", "lstm", n_channels=3, latent_size=4, hidden_size=5)
    model.initialise(0)
    before = state_dict_of(model.encoder)
    with pytest.raises(InvalidParameter, match="weight_hh_l0_reverse"):
        load_state_dict(model.encoder, torch.nn.LSTM(3, 5).state_dict())
    with pytest.raises(InvalidParameter, match=r"must have shape \(20, 3\), got \(24, 3\)"):
        load_state_dict(model.encoder, torch.nn.LSTM(3, 6, bidirectional=True).state_dict())
    assert all(torch.equal(weights, before[name]) for name, weights in state_dict_of(model.encoder).items())


class Tutorial(torch.nn.Module):
    """An encoder of two nn.LSTMs and a decoder of one, as tutorials have them."""

    def __init__(self, *, batch_first: bool = True) -> None:
        super().__init__()
        self.rnn1 = torch.nn.LSTM(3, 8, batch_first=batch_first)
        self.rnn2 = torch.nn.LSTM(8, 4, batch_first=batch_first)
        self.decoder = torch.nn.LSTM(4, 5, batch_first=batch_first)
        self.output = torch.nn.Linear(5, 3)


@pytest.mark.parametrize("batch_first", [False, True])
def test_parts_of_a_model_load_by_their_prefix(batch_first: bool) -> None:
    torch.manual_seed(0)
    theirs = Tutorial(batch_first=batch_first)
    plan = Architecture(
        encoder=EncoderPlan(layers=Units((8, 4)), is_bidirectional=False),
        latent=LatentPlan(projection=Identity()),
        decoder=Repeat(units=(5,)),
    )
    model = build(plan, "lstm", n_channels=3, latent_size=4)
    load_state_dict(model.encoder, theirs.state_dict(), prefix=["rnn1", "rnn2"])
    load_state_dict(model.decoder, theirs.state_dict(), prefix="decoder.")
    x = torch.randn(2, 6, 3)
    inputs = x if batch_first else x.transpose(0, 1)
    wanted = theirs.rnn2(theirs.rnn1(inputs)[0])[1][0][0]
    ours = model.encoder(to_tensors(Ragged.from_any(x.numpy())))
    torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=1e-5)
    assert torch.equal(state_dict_of(model.decoder)["weight_hh_l0"], theirs.decoder.weight_hh_l0)
    with pytest.raises(InvalidParameter, match=r"here are 'rnn1', 'rnn2', 'decoder'"):
        load_state_dict(model.encoder, theirs.state_dict())
    with pytest.raises(InvalidParameter, match=r"no nn.LSTM or nn.GRU under 'encoder.lstm.'; here are 'rnn1'"):
        load_state_dict(model.encoder, theirs.state_dict(), prefix="encoder.lstm")


def test_the_only_prefix_is_found() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.ModuleDict({"encoder": torch.nn.ModuleDict({"gru": torch.nn.GRU(3, 5)})})
    theirs["head"] = torch.nn.Linear(5, 3)
    plan = Architecture(encoder=EncoderPlan(is_bidirectional=False), latent=LatentPlan(projection=Identity()))
    model = build(plan, "gru", n_channels=3, latent_size=5, hidden_size=5)
    load_state_dict(model.encoder, theirs.double().state_dict())
    own = {f"encoder.gru.{name}": weights.double() for name, weights in state_dict_of(model.encoder).items()}
    assert all(torch.equal(own[name], weights) for name, weights in theirs.state_dict().items() if "gru" in name)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_both_directions_of_several_layers_without_biases(kind: str) -> None:
    torch.manual_seed(0)
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind]
    theirs = module(3, 4, num_layers=3, bidirectional=True, bias=False, batch_first=True)
    model = build(
        Architecture(latent=LatentPlan(projection=Identity())),
        kind,
        n_channels=3,
        latent_size=8,
        hidden_size=4,
        n_layers=3,
    )
    model.initialise(0)
    load_state_dict(model.encoder, theirs.state_dict())
    x = torch.randn(4, 7, 3)
    final = theirs(x)[1][0] if kind == "lstm" else theirs(x)[1]
    ours = model.encoder(to_tensors(Ragged.from_any(x.numpy())))
    torch.testing.assert_close(ours, torch.cat([final[-2], final[-1]], dim=1), atol=1e-5, rtol=1e-5)


def test_what_no_layer_of_ours_computes_is_named() -> None:
    model = build(
        Architecture(encoder=EncoderPlan(is_bidirectional=False)), "lstm", n_channels=3, latent_size=4, hidden_size=5
    )
    with pytest.raises(InvalidParameter, match=r"weight_hr_l0 is of an nn.LSTM with proj_size"):
        load_state_dict(model.encoder, torch.nn.LSTM(3, 5, proj_size=2).state_dict())
    with pytest.raises(InvalidParameter, match=r"\(20, 3\), got \(15, 3\)"):
        load_state_dict(model.encoder, torch.nn.GRU(3, 5).state_dict())
    with pytest.raises(InvalidParameter, match="here are none"):
        load_state_dict(model.encoder, torch.nn.Linear(3, 5).state_dict())
