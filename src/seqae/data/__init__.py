"""Data that comes with the package: spoken vowels, for the demo, examples and tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import InvalidParameter
from ..reading import Source, read
from ..sequences.ragged import Ragged

__all__ = ["Utterances", "japanese_vowels"]

PATH = Path(__file__).parent / "japanese_vowels.parquet"
PARTS = ("train", "test")


@dataclass(frozen=True, slots=True, eq=False)
class Utterances:
    """Utterances and who spoke them.

    source: the sequences with their ids, 0..639 over both parts, and channel names.
    speakers: (n_sequences,) int64, 1..9.
    """

    source: Source
    speakers: np.ndarray

    @property
    def sequences(self) -> Ragged:
        """Each utterance as (n_i, 12), n_i from 7 to 29."""
        return self.source.ragged


def japanese_vowels(part: Literal["train", "test"]) -> Utterances:
    """The UCI Japanese Vowels: nine men say /ae/; 12 LPC cepstrum coefficients every 6.4 ms.

    part: "train" gives the 270 utterances that the authors trained on, "test" their other 370. Where the data comes
    from and its licence (CC BY 4.0) stand beside it in japanese_vowels.md. Source: Kudo, Toyama & Shimbo,
    "Multidimensional curve classification using passing-through regions", Pattern Recognition Letters 20, 1999.

    Raises InvalidParameter for another part.
    """
    import pyarrow.parquet as pq

    if part not in PARTS:
        raise InvalidParameter(f"part must be 'train' or 'test', got {part!r}")
    with pq.ParquetFile(PATH) as file:
        table = file.read()
    table = table.filter(table["part"].to_numpy() == part)
    source = read(table.drop_columns(["speaker", "part"]), id="utterance")
    return Utterances(source, table["speaker"].to_numpy()[source.ragged.starts].astype(np.int64))
