"""One data set through every architecture: what each is, how much of the data it reconstructs, and its size.

    python examples/architectures.py [EPOCHS]

The data are 270 utterances of nine speakers (Japanese Vowels, in the package); 370 others are held out. Architectures
for sequences of one length get the first seven steps, which every utterance has; a token is the number of a step's
largest channel. docs/architectures.md holds what is printed.
"""

from __future__ import annotations

import sys

import numpy as np

from seqae import Ragged, SequenceAutoencoder
from seqae.baselines import MeanSequence, ResampledPCA, explained_variance
from seqae.data import japanese_vowels
from seqae.model.presets import PRESETS
from seqae.sequences.scaling import fit_scaling

LATENT_SIZE = 28  # a multiple of seven, for the architectures that reshape the vector to seven steps


def data_for(name: str, sequences: Ragged) -> Ragged:
    if name == "tokens":
        return Ragged.from_tokens([np.argmax(x, axis=1) for x in sequences])
    if "reshape" in name:
        return Ragged.from_any([x[:7] for x in sequences])
    return sequences


def explained(name: str, train: Ragged, test: Ragged, max_epochs: int) -> tuple[SequenceAutoencoder, str]:
    ae = SequenceAutoencoder(name, latent_size=LATENT_SIZE, max_epochs=max_epochs, random_state=0, verbose=False).fit(
        train
    )
    if name == "tokens":
        return ae, f"{ae.accuracy(test):9.1%} of the symbols"
    return ae, f"{explained_variance(test, ae.reconstruct(test), fit_scaling(train)):9.1%} of the variance"


def main(max_epochs: int = 40) -> None:
    train, test = (japanese_vowels(part).sequences for part in ("train", "test"))
    scaling = fit_scaling(train)
    for label, baseline in (
        ("mean sequence", MeanSequence.fit(train)),
        (f"PCA, {LATENT_SIZE} components", ResampledPCA.fit(train, LATENT_SIZE)),
    ):
        print(f"{label:20}{explained_variance(test, baseline.reconstruct(test), scaling):9.1%} of the variance")
    for name in PRESETS:
        ae, told = explained(name, data_for(name, train), data_for(name, test), max_epochs)
        n_parameters = sum(parameter.numel() for parameter in ae.model_.parameters())
        print(f"{name:20}{told}{n_parameters:12,} parameters")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
