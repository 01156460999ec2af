"""The architectures people mean by "LSTM autoencoder", by name, each with its equations and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..errors import InvalidParameter
from .architecture import Architecture

__all__ = ["PRESETS", "Architecture", "as_architecture"]

PRESETS: Mapping[str, Architecture] = MappingProxyType(
    {
        "repeat": Architecture(),
        "stacked": Architecture(encoder_multiples=(2, 1), is_bidirectional=False, has_projection=False),
        "outputs": Architecture(summary="pooled", has_attention=True),
        "tokens": Architecture(embedding_size=32, dropout=0.1, summary="states", latent_as="state", feedback="teacher"),
        "state": Architecture(summary="states", latent_as="state", feedback="scheduled", is_bidirectional=False),
        "seq2seq": Architecture(
            n_layers=4, summary="top_state", latent_as="first_state", feedback="own", is_bidirectional=False
        ),
        "encdec_ad": Architecture(
            summary="states", latent_as="state", feedback="teacher", is_reversed=True, is_bidirectional=False
        ),
        "composite": Architecture(predicted_steps=1),
        "reshape": Architecture(latent_as="steps", is_bidirectional=False),
        "dense_reshape": Architecture(latent_as="steps", readout="final", is_bidirectional=False),
        "variational": Architecture(
            kl_weight=0.001, latent_as="state", feedback="teacher", dropped_feedback=0.5, summary="final"
        ),
        "denoising": Architecture(noise=0.2, dropped_steps=0.1),
        "conv": Architecture(strides=(4,)),
    }
)
"""Architectures by name. P, Q, W are learnt linear maps (with bias), x(1..n) the sequence, y(1..n) what comes out.

P also adds u n' (see model.latent.LengthCode): a learnt direction, times the length of the sequence in usual units.

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
state: final h and c of every layer start the decoder, which reads the step before (Sutskever et al. 2014, 1409.3215;
    Keras' return_state); scheduled sampling (Bengio et al. 2015, 1506.03099) in its parallel form (Duckworth et al.
    2019, 1906.04331):
        z = P states(x),  d(t) = LSTM(x(t-1) or y(t-1), d(t-1)),  d(0) = Q z,  y(t) = W d(t).
seq2seq: four layers each side, the top state into the first decoder layer, running free from a start token
    (the sine-continuation model); for a continuation add has_reconstruction=False, predicted_steps=k:
        z = P [h4(n); c4(n)],  d(t) = LSTM^4(y(t-1), d(t-1)),  d1(0) = Q z,  y(t) = W d(t).
encdec_ad: states handed over, target reversed in time, linear output, teacher forcing in training and own output
    afterwards (Malhotra et al. 2016, 1607.00148):
        z = P states(x),  d(t) = LSTM(x(t+1) in training, y(t+1) after, d(t+1)),  d(n+1) = Q z,  y(t) = W d(t).
composite: one vector, two decoders: the input and the next steps (Srivastava et al. 2015), with preceding_steps=1
    also those before (AER, Wong et al. 2022, 2212.13558); conditional with feedback and latent_as="state":
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


def as_architecture(architecture: str | Architecture) -> Architecture:
    """The preset of that name; an Architecture is returned as it is. Raises InvalidParameter for an unknown name."""
    if isinstance(architecture, Architecture):
        return architecture
    if architecture not in PRESETS:
        raise InvalidParameter(
            f"architecture must be an Architecture or one of {', '.join(PRESETS)}, got {architecture!r}",
            parameter="architecture",
        )
    return PRESETS[architecture]
