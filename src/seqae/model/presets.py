"""The architectures people mean by "LSTM autoencoder", by name, each with its equations and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from ..errors import InvalidParameter
from .architecture import (
    Architecture,
    Autoregressive,
    Composite,
    Counts,
    EncoderPlan,
    EqualLayers,
    FreeRunning,
    Gaussian,
    Identity,
    LatentPlan,
    Multiples,
    Repeat,
    Reshape,
    Symbols,
    TeacherForcing,
    TrainingPlan,
    Values,
)
from .hybrid import Hybrid, Residual
from .plans import Plan, check_part

__all__ = ["AUTO", "PRESETS", "Architecture", "as_architecture", "takes_symbols"]

AUTO: Literal["auto"] = "auto"  # stands for a preset that the data decide, see model.building.chosen

FORWARD = EncoderPlan(is_bidirectional=False)
TOKENS = Architecture(
    encoder=EncoderPlan(steps=Symbols(embedding_size=32)),
    latent=LatentPlan(summary="states"),
    decoder=Autoregressive(feedback=TeacherForcing()),
    training=TrainingPlan(dropout=0.1),
)
PRESETS: Mapping[str, Architecture | Hybrid] = MappingProxyType(
    {
        "hybrid": Hybrid(residual=Residual()),
        "linear": Hybrid(),
        "repeat": Architecture(),
        "stacked": Architecture(
            encoder=EncoderPlan(layers=Multiples((2, 1)), is_bidirectional=False),
            latent=LatentPlan(projection=Identity()),
        ),
        "outputs": Architecture(latent=LatentPlan(summary="pooled"), decoder=Repeat(readout="attention")),
        "tokens": TOKENS,
        "hybrid_tokens": replace(TOKENS, latent=LatentPlan(summary="states", counts=Counts())),
        "state": Architecture(
            encoder=FORWARD,
            latent=LatentPlan(summary="states"),
            decoder=Autoregressive(feedback=TeacherForcing(is_scheduled=True)),
        ),
        "seq2seq": Architecture(
            encoder=EncoderPlan(layers=EqualLayers(4), is_bidirectional=False),
            latent=LatentPlan(summary="top_state"),
            decoder=Autoregressive(fills="first", feedback=FreeRunning()),
        ),
        "encdec_ad": Architecture(
            encoder=FORWARD,
            latent=LatentPlan(summary="states"),
            decoder=Autoregressive(feedback=TeacherForcing(), is_reversed=True),
        ),
        "composite": Architecture(training=TrainingPlan(task=Composite(after=1))),
        "reshape": Architecture(encoder=FORWARD, decoder=Reshape()),
        "dense_reshape": Architecture(encoder=FORWARD, decoder=Reshape(readout="final")),
        "variational": Architecture(
            latent=LatentPlan(projection=Gaussian(kl_weight=0.001)),
            decoder=Autoregressive(feedback=TeacherForcing(dropped=0.5)),
        ),
        "denoising": Architecture(
            encoder=EncoderPlan(steps=Values(noise=0.2)), training=TrainingPlan(dropped_steps=0.1)
        ),
        "conv": Architecture(encoder=EncoderPlan(steps=Values(strides=(4,)))),
    }
)
"""Architectures by name. P, Q, W are learnt linear maps (with bias), x(1..n) the sequence, y(1..n) what comes out.

P also adds u n' (see model.latent.LengthCode): a learnt direction, times the length of the sequence in usual units.

hybrid: the vector is a closed form, learnt without training (see seqae.features.closed_form): values of a basis of
    curves, a compression of convolution shares and statistics, and the length, rotated. Recurrent layers that start at
    nothing add to its curve what they learn, if held-out sequences gain by it (after 2410.18148):
        z = Q [b; f; n'],  c(t) = R (M + D z)(t),  d = BiLSTM([z; time; c]),  y(t) = c(t) + W d(t).
linear: the same without recurrent layers: y(t) = c(t).
repeat: the last hidden state, projected to the latent vector, is the decoder's input at every step; a dense layer reads
    out each step (Keras' RepeatVector tutorials; the unconditional decoder of Srivastava et al. 2015, 1502.04681):
        z = P [h_forward(n); h_backward(1)],  d(t) = LSTM(z, d(t-1)),  y(t) = W d(t).
stacked: LSTM(2E) to LSTM(E), whose last hidden state is the vector; mirrored decoder E to 2E (sequitur):
        z = h2(n),  d(t) = LSTM(LSTM(z)),  y(t) = W d(t).
outputs: the decoder attends over all outputs o(t) of the encoder (PyTorch's encoder-decoder tutorials; Luong et al.
    2015, 1508.04025, global attention with dot scores). The vector is their mean; reconstruct() bypasses it, while
    inverse_transform() attends over the vector alone:
        m(t) = P o(t),  z = mean m,  d(t) = LSTM(z, d(t-1)),  a = softmax(m . Q d(t)),  y(t) = W [d(t); sum a m].
tokens: embedded symbols, states carried over, teacher forcing, softmax (PyTorch's EncoderLSTM and DecoderLSTM):
        z = P states(x),  d(t) = LSTM(E s(t-1), d(t-1)),  d(0) = Q z,  p(t) = softmax(W d(t)).
hybrid_tokens: the vector of tokens, which decodes, beside values that describe and are not decoded: how often runs of
    one to three tokens occur, hashed, and compressed without labels before training (seqae.features.ngrams):
        vector = [z; Q V'(sqrt f - mean)],  z as in tokens,  f relative frequencies of runs.
state: final h and c of every layer start the decoder, which reads the step before (Sutskever et al. 2014, 1409.3215;
    Keras' return_state); scheduled sampling (Bengio et al. 2015, 1506.03099) in its parallel form (Duckworth et al.
    2019, 1906.04331):
        z = P states(x),  d(t) = LSTM(x(t-1) or y(t-1), d(t-1)),  d(0) = Q z,  y(t) = W d(t).
seq2seq: four layers each side, the top state into the first decoder layer, running free from a start token
    (the sine-continuation model); for a continuation alone task=Predict(after=k):
        z = P [h4(n); c4(n)],  d(t) = LSTM^4(y(t-1), d(t-1)),  d1(0) = Q z,  y(t) = W d(t).
encdec_ad: states handed over, target reversed in time, linear output, teacher forcing in training and own output
    afterwards (Malhotra et al. 2016, 1607.00148):
        z = P states(x),  d(t) = LSTM(x(t+1) in training, y(t+1) after, d(t+1)),  d(n+1) = Q z,  y(t) = W d(t).
composite: one vector, two decoders: the input and the next steps (Srivastava et al. 2015), with before=1
    also those before (AER, Wong et al. 2022, 2212.13558); conditional with an Autoregressive decoder:
        z = P h(x),  d and d' as in repeat,  y = W d is x(1..n),  y' = W' d' is x(n+1..n+k);
    in training y' is compared with the last k steps of each sequence, from the vector of those before.
reshape: the vector of n * w values is cut into n steps of w, for sequences of one length n:
        d(t) = LSTM(z[w(t-1)+1..wt], d(t-1)),  y(t) = W d(t).
dense_reshape: the same, but the last state of an LSTM with n * channels units is reshaped to all steps:
        y(t) = W reshape(d(n))(t).
variational: a distribution of vectors; the decoder starts from a draw (Fabius & van Amersfoort 2014, 1412.6581), with
    KL annealing and hidden true steps (Bowman et al. 2016, 1511.06349):
        mean, log s^2 = P h, P' h,  z = mean + s e,  e normal,  loss + kl_weight * KL(z) / latent_size.
denoising: noise on the input and whole steps dropped, clean target (auDeep: Freitag et al. 2017, 1712.04382).
conv: strided convolutions over time around the recurrent layers, for long sequences; with matrix_shape also 2-D ones
    within each step (sequitur's CONV_LSTM_AE):
        u = relu(C x) with stride s,  z = P h(u),  d = LSTM(z),  y = T d with stride s.
"""


def as_architecture(architecture: str | Plan) -> Plan:
    """The preset of that name; a description is returned as it is. Raises InvalidParameter for anything else."""
    if not isinstance(architecture, str):
        check_part("architecture", architecture, Plan)
        return architecture
    if architecture not in PRESETS:
        raise InvalidParameter(
            f"architecture must be 'auto', an Architecture or one of {', '.join(PRESETS)}, got {architecture!r}",
            parameter="architecture",
        )
    return PRESETS[architecture]


def takes_symbols(architecture: str | Plan) -> bool:
    """Whether data are to be read as symbols; "auto" takes both, as they come."""
    return architecture != AUTO and as_architecture(architecture).takes_symbols


def is_closed_form(architecture: str | Plan, *, are_tokens: bool) -> bool:
    """Whether it is a model before any training; "auto" is one of vectors."""
    return not are_tokens if architecture == AUTO else as_architecture(architecture).is_closed_form
