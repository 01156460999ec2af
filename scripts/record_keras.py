"""Make tests/fixtures/keras/kinds: small autoencoders of many kinds, and what Keras computes with them.

    pip install keras jax
    KERAS_BACKEND=jax python scripts/record_keras.py [NAME ...]

Each NAME.keras comes with a NAME.npz: x (sequences), z (their vectors), y (reconstructions, the decoder reading its own
output where it reads any), taught (reconstructions with a second input), target, losses (of five full-batch updates of
SGD(0.01) on the squared error), trained (reconstructions after them), start (what stands before the first step).
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import Input, Model, Sequential, layers

TARGET = Path(__file__).parents[1] / "tests" / "fixtures" / "keras" / "kinds"
N_STEPS, N_CHANNELS, N_SYMBOLS = 6, 3, 7


@dataclass(frozen=True)
class Kind:
    """model: from x, or from x and x a step late. encoder: to the vectors. start: before the first step.

    data: "values", "one_hot" or "tokens"; padding: what some steps are set to; n_steps: that an unrolled model writes.
    """

    model: Any
    encoder: Any
    data: str = "values"
    start: float | None = None
    padding: float | None = None
    n_steps: int | None = None


def deep_options() -> Kind:
    """Directions, merging, biases and activations."""
    x = Input((N_STEPS, N_CHANNELS))
    hidden = layers.Bidirectional(layers.LSTM(4, return_sequences=True, use_bias=False), merge_mode="mul")(x)
    hidden = layers.GRU(5, return_sequences=True, go_backwards=True, use_bias=False, activation="relu")(hidden)
    z = layers.Dense(3, activation="tanh")(layers.Bidirectional(layers.GRU(4), merge_mode="ave")(hidden))
    hidden = layers.LSTM(5, return_sequences=True, unit_forget_bias=False)(layers.RepeatVector(N_STEPS)(z))
    hidden = layers.TimeDistributed(layers.Dense(4, activation="sigmoid"))(hidden)
    return Kind(Model(x, layers.Dense(N_CHANNELS, use_bias=False)(hidden)), Model(x, z))


def nested() -> Kind:
    """Models within models; the decoder widens the vector before it is cut into steps."""
    x, z, again = Input((N_STEPS, N_CHANNELS)), Input((3,)), Input((N_STEPS, N_CHANNELS))
    encoder = Model(x, layers.Dense(3)(Sequential([Input((N_STEPS, N_CHANNELS)), layers.GRU(5)])(x)))
    steps = layers.Reshape((N_STEPS, -1))(layers.Dense(2 * N_STEPS, activation="relu")(z))
    decoder = Model(z, layers.Dense(N_CHANNELS)(layers.LSTM(4, return_sequences=True)(steps)))
    return Kind(Model(again, decoder(encoder(again))), encoder)


def flattened() -> Kind:
    """All outputs joined to one vector, on both sides."""
    x = Input((N_STEPS, N_CHANNELS))
    z = layers.Dense(4)(layers.Reshape((-1,))(layers.LSTM(3, return_sequences=True)(x)))
    hidden = layers.LSTM(2, return_sequences=True)(layers.RepeatVector(N_STEPS)(z))
    steps = layers.Dense(N_STEPS * N_CHANNELS)(layers.Reshape((2 * N_STEPS,))(hidden))
    return Kind(Model(x, layers.Reshape((N_STEPS, N_CHANNELS))(steps)), Model(x, z))


def masked() -> Kind:
    """Masked steps inside and at both ends, in a Functional model with masks among its tensors."""
    x = Input((N_STEPS, N_CHANNELS))
    hidden = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(layers.Masking(-1.0)(x))
    z = layers.GRU(4)(layers.TimeDistributed(layers.Dense(3, activation="tanh"))(hidden))
    hidden = layers.LSTM(4, return_sequences=True)(layers.RepeatVector(N_STEPS)(z))
    return Kind(Model(x, layers.Dense(N_CHANNELS)(hidden)), Model(x, z), padding=-1.0)


def masked_tokens() -> Kind:
    """Token 0 is padding."""
    x = Input((N_STEPS,))
    z = layers.LSTM(4)(layers.Embedding(N_SYMBOLS, 3, mask_zero=True)(x))
    hidden = layers.LSTM(5, return_sequences=True)(layers.RepeatVector(N_STEPS)(z))
    y = layers.TimeDistributed(layers.Dense(N_SYMBOLS, activation="softmax"))(hidden)
    return Kind(Model(x, y), Model(x, z), data="tokens", padding=0)


def repeated_with_states() -> Kind:
    """The decoder reads the last output at every step, and starts from the states of both encoder layers."""
    x = Input((N_STEPS, N_CHANNELS))
    hidden, *lower = layers.LSTM(3, return_sequences=True, return_state=True)(x)
    last, *upper = layers.LSTM(4, return_state=True)(hidden)
    hidden = layers.LSTM(4, return_sequences=True)(layers.RepeatVector(N_STEPS)(last), initial_state=upper)
    hidden = layers.LSTM(3, return_sequences=True)(hidden, initial_state=lower)
    y = layers.TimeDistributed(layers.Dense(N_CHANNELS))(hidden)
    return Kind(Model(x, y), Model(x, layers.Concatenate()([*upper, *lower])))


def taught() -> Kind:
    """Two inputs; every decoder layer starts from its own encoder layer."""
    x, late = Input((None, N_CHANNELS)), Input((None, N_CHANNELS))
    hidden, *lower = layers.LSTM(4, return_sequences=True, return_state=True, activation="relu")(x)
    _, *upper = layers.LSTM(3, return_state=True, activation="relu")(hidden)
    hidden = layers.LSTM(4, return_sequences=True, activation="relu")(late, initial_state=lower)
    hidden = layers.LSTM(3, return_sequences=True, activation="relu")(hidden, initial_state=upper)
    y = layers.Dense(N_CHANNELS)(layers.Dense(4)(hidden))
    return Kind(Model([x, late], y), Model(x, layers.Concatenate()([*lower, *upper])), start=0.5)


def taught_both_directions() -> Kind:
    """An encoder model that reads both directions, and a decoder model."""
    x, late, state = Input((None, N_CHANNELS)), Input((None, N_CHANNELS)), Input((6,))
    _, ahead, back = layers.Bidirectional(layers.GRU(3, return_state=True))(x)
    encoder = Model(x, layers.Concatenate()([ahead, back]))
    hidden = layers.GRU(6, return_sequences=True, return_state=True)(late, initial_state=state)[0]
    decoder = Model([late, state], layers.TimeDistributed(layers.Dense(N_CHANNELS))(hidden))
    x, late = Input((None, N_CHANNELS)), Input((None, N_CHANNELS))
    return Kind(Model([x, late], decoder([late, encoder(x)])), encoder)


def taught_one_hot() -> Kind:
    """The decoder chooses among symbols that are one-hot steps."""
    x, late = Input((None, N_CHANNELS)), Input((None, N_CHANNELS))
    _, *state = layers.LSTM(4, return_state=True)(x)
    hidden = layers.LSTM(4, return_sequences=True)(late, initial_state=state)
    y = layers.Dense(N_CHANNELS, activation="softmax")(hidden)
    return Kind(Model([x, late], y), Model(x, layers.Concatenate()(state)), data="one_hot")


def taught_tokens() -> Kind:
    """The same with tokens, each side with its own embedding."""
    x, late = Input((None,)), Input((None,))
    _, *state = layers.LSTM(4, return_state=True)(layers.Embedding(N_SYMBOLS, 3, mask_zero=True)(x))
    steps = layers.Embedding(N_SYMBOLS, 2)(late)
    hidden = layers.LSTM(4, return_sequences=True)(steps, initial_state=state)
    y = layers.Dense(N_SYMBOLS, activation="softmax")(hidden)
    return Kind(Model([x, late], y), Model(x, layers.Concatenate()(state)), data="tokens", start=2)


def unrolled() -> Kind:
    """A decoder model that is called for every step on its own output."""
    x, step, state = Input((None, N_CHANNELS)), Input((1, N_CHANNELS)), Input((4,))
    encoder = Model(x, layers.GRU(4, return_state=True)(layers.GRU(3, return_sequences=True)(x))[1])
    hidden, after = layers.GRU(4, return_sequences=True, return_state=True)(step, initial_state=state)
    decoder = Model([step, state], [layers.Dense(N_CHANNELS)(hidden), after])
    x, step = Input((None, N_CHANNELS)), Input((1, N_CHANNELS))
    y, state, steps = step, encoder(x), []
    for _ in range(9):
        y, state = decoder([y, state])
        steps.append(y)
    return Kind(Model([x, step], layers.Concatenate(axis=1)(steps)), encoder, n_steps=9)


KINDS: tuple[Callable[[], Kind], ...] = (
    deep_options, nested, flattened, masked, masked_tokens, repeated_with_states, taught, taught_both_directions,
    taught_one_hot, taught_tokens, unrolled,
)  # fmt: skip


def main(*names: str) -> None:
    """Record the named kinds, or all."""
    TARGET.mkdir(exist_ok=True)
    for make in KINDS:
        if not names or make.__name__ in names:
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
            record(make.__name__, make())


def record(name: str, kind: Kind) -> None:
    """Write both files."""
    rng = np.random.default_rng(0)
    for weight in kind.model.weights:  # biases too
        weight.assign(weight.numpy() + rng.normal(0, 0.2, weight.shape))
    save(kind.model, TARGET / f"{name}.keras")
    x = data(kind, rng)
    found = {"x": x, "z": kind.encoder.predict(x, verbose=0)}
    target = np.eye(N_SYMBOLS)[x] if kind.data == "tokens" else x
    inputs: Any = x
    if kind.n_steps is not None:
        inputs, target = [x, np.zeros((len(x), 1, N_CHANNELS))], rng.normal(0, 0.5, (len(x), kind.n_steps, N_CHANNELS))
        found["y"] = kind.model.predict(inputs, verbose=0)
    elif len(kind.model.inputs) > 1:
        inputs = [x, a_step_late(x, x, kind.start)]
        found |= {"taught": kind.model.predict(inputs, verbose=0), "y": running_free(kind, x)}
    else:
        found["y"] = kind.model.predict(x, verbose=0)
    kind.model.compile(keras.optimizers.SGD(0.01), "mse")
    found["losses"] = np.array([kind.model.train_on_batch(inputs, target) for _ in range(5)])
    found |= {"trained": kind.model.predict(inputs, verbose=0), "target": target}
    if kind.start is not None:
        found["start"] = np.full(N_CHANNELS, kind.start) if kind.data == "values" else np.array(kind.start)
    single = {key: a.astype(np.float32) if a.dtype.kind == "f" and key != "losses" else a for key, a in found.items()}
    np.savez_compressed(TARGET / f"{name}.npz", **single)


def data(kind: Kind, rng: np.random.Generator) -> np.ndarray:
    """Four sequences, some of whose steps are padding."""
    if kind.data == "values":
        x = rng.normal(0, 0.7, (4, N_STEPS, N_CHANNELS)).astype(np.float32)
    elif kind.data == "tokens":
        x = rng.integers(1, N_SYMBOLS, (4, N_STEPS)).astype(np.int32)
    else:
        x = np.eye(N_CHANNELS, dtype=np.float32)[rng.integers(0, N_CHANNELS, (4, N_STEPS))]
    if kind.padding is not None:
        x[0, 4:] = x[1, 2] = x[2, :2] = kind.padding
    return x


def running_free(kind: Kind, x: np.ndarray) -> np.ndarray:
    """What a taught model writes when it reads its own output, or the likeliest symbol of it."""
    own = np.zeros_like(x)
    for _ in range(N_STEPS):
        y = kind.model.predict([x, a_step_late(x, own, kind.start)], verbose=0)
        chosen = y.argmax(axis=-1)
        own = y if kind.data == "values" else chosen if kind.data == "tokens" else np.eye(N_CHANNELS)[chosen]
    return y


def a_step_late(x: np.ndarray, steps: np.ndarray, start: float | None) -> np.ndarray:
    """The step before each step."""
    late = np.full_like(x, start or 0)
    late[:, 1:] = steps[:, :-1]
    return late


def save(model: Any, path: Path) -> None:
    """As Keras saves it, but compressed."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(*sys.argv[1:])
