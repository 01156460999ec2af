"""Make src/seqae/data/japanese_vowels.parquet from the .ts files in the aeon wheel.

    pip download --no-deps aeon
    python scripts/make_japanese_vowels.py aeon-*.whl

The table is long: one row per step, the utterances of the original training part first, each part in its own order.
Values are what the archive prints, as float32; the same wheel always gives the same bytes.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = "aeon/datasets/data/JapaneseVowels"
TARGET = Path(__file__).parents[1] / "src" / "seqae" / "data" / "japanese_vowels.parquet"


def main(wheel: str) -> None:
    """Convert both parts and write them to one file."""
    with zipfile.ZipFile(wheel) as archive:
        parts = {part: archive.read(f"{FOLDER}/JapaneseVowels_{part.upper()}.ts") for part in ("train", "test")}
    table = long_table({part: utterances(data.decode()) for part, data in parts.items()})
    floats = [name for name in table.column_names if name.startswith("lpc_")]
    pq.write_table(
        table,
        TARGET,
        compression="zstd",
        compression_level=19,
        use_dictionary=["utterance", "speaker", "part"],
        use_byte_stream_split=floats,
        write_page_checksum=True,
    )


def utterances(text: str) -> list[tuple[np.ndarray, int]]:
    """Each utterance as (n_steps, 12) float32, and its speaker, 1..9."""
    lines = text.partition("@data")[2].split()
    return [utterance(line) for line in lines]


def utterance(line: str) -> tuple[np.ndarray, int]:
    """One line of the file: twelve channels and a label between colons."""
    *channels, speaker = line.split(":")
    return np.array([channel.split(",") for channel in channels], np.float32).T, int(speaker)


def long_table(parts: dict[str, list[tuple[np.ndarray, int]]]) -> pa.Table:
    """One row per step: utterance, speaker, part, lpc_1 .. lpc_12."""
    everything = [(part, values, speaker) for part, pairs in parts.items() for values, speaker in pairs]
    lengths = [len(values) for _, values, _ in everything]
    columns: dict[str, object] = {
        "utterance": np.repeat(np.arange(len(everything), dtype=np.int16), lengths),
        "speaker": np.repeat(np.array([speaker for _, _, speaker in everything], np.int8), lengths),
        "part": np.repeat([part for part, _, _ in everything], lengths),
    }
    values = np.concatenate([values for _, values, _ in everything])
    columns |= {f"lpc_{k + 1}": values[:, k] for k in range(values.shape[1])}
    return pa.table(columns)


if __name__ == "__main__":
    main(*sys.argv[1:])
