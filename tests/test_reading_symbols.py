"""Symbols from lists, tables, JSON lines and text: what each token stands for, wherever it came from."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import seqae
from seqae import Ragged, SequenceAutoencoder, read
from seqae.errors import DataWarning, InvalidParameter, InvalidSequence
from seqae.reading import Source, take

WORDS = ["tide", "edit", "die"]


def texts(source: Source) -> list[list[str]]:
    """Each sequence as the symbols that its tokens stand for."""
    assert source.vocabulary is not None
    assert list(source.vocabulary) == sorted(set(source.vocabulary))
    return [[source.vocabulary[token] for token in sequence] for sequence in source.ragged]


def long_frame() -> pd.DataFrame:
    """The words as a long table, their letters in turn, so that no word's rows lie together."""
    rows = sorted(((t, w, letter) for w in WORDS for t, letter in enumerate(w)), key=lambda row: row[0])
    return pd.DataFrame(rows, columns=["t", "word", "letter"])


def tokens_of(**settings: Any) -> SequenceAutoencoder:
    return SequenceAutoencoder(
        "tokens", loss="cross_entropy", latent_size=4, hidden_size=5, max_epochs=1, random_state=0, verbose=False,
        validation_fraction=0, **settings,
    )  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_column_of_a_long_table(suffix: str, tmp_path: Path) -> None:
    path, frame = tmp_path / f"words.{suffix}", long_frame()
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "parquet":
        frame.astype({"letter": "category"}).to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    for source in (read(path, id="word", time="t", symbols="auto"), read(frame, id="word", time="t", symbols="auto")):
        assert texts(source) == [list(word) for word in WORDS]
        assert source.ids.tolist() == WORDS
        assert source.channel_names == ("letter",)
        assert source.times is not None


def test_text_is_split_into_words_or_characters(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes("tide\r\n\nédit\n".encode())
    assert texts(read(path, symbols="auto")) == [list("tide"), list("édit")]
    assert read(path, symbols="auto").ids.tolist() == [1, 3]
    path.write_text("open read\nread\n")
    assert texts(read(path, symbols="auto")) == [["open", "read"], ["read"]]
    assert texts(read(path, symbols="characters"))[1] == list("read")
    assert texts(read(["a b", "b"], symbols="auto")) == [["a", "b"], ["b"]]
    assert texts(read(np.array(["ab", "c"]), symbols="auto")) == [["a", "b"], ["c"]]
    assert [part.tolist() for part in read(np.array([[3, 1], [0, 1]]), symbols="auto").ragged] == [[3, 1], [0, 1]]
    assert texts(read([["open", "a b"], [3, "3"]], symbols="words")) == [["open", "a b"], ["3", "3"]]
    with gzip.open(tmp_path / "lines.txt.gz", "wt") as file:
        file.write("ab\nc\n")
    assert texts(read(tmp_path / "lines.txt.gz", symbols="auto")) == [["a", "b"], ["c"]]


def test_json_lines_and_wide_tables(tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    path.write_text("\n".join(json.dumps({"id": w, "values": w if w == "die" else list(w)}) for w in WORDS))
    source = read(path, symbols="auto")
    assert texts(source) == [list(word) for word in WORDS]
    assert source.ids.tolist() == WORDS
    path = tmp_path / "wide.csv"
    path.write_text("who,0,1,2\nx,a,b,\ny,07,,\n")
    source = read(path, id="who", wide=True, symbols="auto")
    assert texts(source) == [["a", "b"], ["07"]]
    assert source.ids.tolist() == ["x", "y"]
    path.write_text("who,0,1,2\nx,a,,b\n")
    with pytest.raises(InvalidSequence, match="row 0 has a gap"):
        read(path, id="who", wide=True, symbols="auto")


@pytest.mark.parametrize(
    ("content", "arguments", "error", "message"),
    [
        ("id,x,y\n0,a,b\n", {}, InvalidSequence, "'x', 'y' are left; name it with channels="),
        ("id,x\n0,a\n0,\n", {}, InvalidSequence, "row 1 has no 'x'"),
        ("id,x\n0,a\n", {"id": "id", "channels": ["z"]}, InvalidParameter, "no column 'z'"),
    ],
)
def test_what_cannot_be_read_is_named(
    content: str, arguments: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(error, match=message):
        read(path, **{"id": "id", **arguments}, symbols="auto")


def test_what_are_no_symbols_is_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [0.5, 1.0]})
    for X, message in ((frame, "holds double"), ([["a", 0.5]], "holds 0.5"), ([np.ones((2, 2))], "holds vectors")):
        with pytest.raises(InvalidSequence, match=message):
            read(X, symbols="auto")
    (tmp_path / "x.txt").write_text("abc\n")
    with pytest.raises(InvalidSequence, match="the table has no rows"):
        read(tmp_path / "x.txt")
    with pytest.raises(InvalidParameter, match="one sequence per line"):
        read(tmp_path / "x.txt", id="name", symbols="auto")
    with pytest.raises(InvalidParameter, match="symbols must be"):
        read("abc", symbols="letters")  # pyright: ignore[reportArgumentType]


def test_unknown_symbols_are_refused_or_skipped() -> None:
    ae = tokens_of().fit(read(long_frame(), id="word", time="t", symbols="auto"))
    with pytest.raises(InvalidSequence, match=r"step 1 is 'x', which fit.. never saw .*unknown='skip'"):
        ae.transform(["dxie"])
    odd = pd.DataFrame({"w": list("aaaabb"), "t": [1, 2, 3, 4, 1, 2], "x": list("dxieti")})
    source = read(odd, id="w", time="t", symbols="auto", unknown="skip")
    with pytest.warns(DataWarning, match="skipped 1 of 6 steps"):
        np.testing.assert_array_equal(ae.transform(source), ae.transform(["die", "ti"]))
    with pytest.warns(DataWarning, match="skipped 1 of 6 steps"):
        taken = take(source, ae.schema_)
    assert taken.times is not None
    assert taken.times.tolist() == [1, 3, 4, 1, 2]
    with pytest.raises(InvalidSequence, match=r"sequence 1 holds no symbol that fit.. saw"):
        ae.transform(read(["die", "xyz"], symbols="auto", unknown="skip"))
    with pytest.raises(InvalidParameter, match="unknown must be 'error', 'skip' or 'token', got 'drop'"):
        read(["die"], symbols="auto", unknown="drop")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("numbers", [[[2, 0, 9]], [["2", "0", "9"]]])
def test_unknown_numbers_are_skipped(numbers: list[list[Any]]) -> None:
    ae = tokens_of().fit(Ragged.from_tokens([[0, 1, 2], [2, 1]]))
    X = [np.array(numbers[0])] if isinstance(numbers[0][0], int) else numbers
    with pytest.warns(DataWarning, match="skipped 1 of 3 steps"):
        vectors = ae.transform(read(X, symbols="auto", unknown="skip"))
    np.testing.assert_array_equal(vectors, ae.transform(Ragged.from_tokens([[2, 0]])))


def test_new_data_is_encoded_as_the_model_knows_it(tmp_path: Path) -> None:
    """Whatever symbols a file happens to hold, in whatever form, before and after saving."""
    ae = tokens_of().fit(read(long_frame(), id="word", time="t", symbols="auto"))
    assert ae.vocabulary_ == ("d", "e", "i", "t")
    ae.save(tmp_path / "m.seqae")
    wanted = ae.transform(Ragged.from_tokens([[0, 2, 1]]))  # die
    for model in (ae, seqae.load(tmp_path / "m.seqae")):
        for X in (["die"], [["d", "i", "e"]], read(["die"], symbols="auto"), pd.DataFrame({"x": list("die")})):
            np.testing.assert_array_equal(model.transform(X), wanted)
        with pytest.raises(InvalidSequence, match=r"sequence 1, step 2 is 'm', .*it saw 4 symbols: d, e, i, t\)"):
            model.transform(["die", "tim"])


def test_whole_numbers_are_tokens_as_they_are() -> None:
    numbers = [np.array([4, 0, 4]), np.array([1])]
    frame = pd.DataFrame({"id": [0, 0, 0, 1], "code": [4, 0, 4, 1]})
    models = [
        tokens_of().fit(X)
        for X in (
            Ragged.from_tokens(numbers),
            numbers,
            [[4, 0, 4], [1]],
            read(frame, id="id", symbols="auto"),
            ["404 ", "1"],
        )
    ]
    for model in models[:4]:
        assert model.vocabulary_ is None
        np.testing.assert_array_equal(model.transform(["4 0"]), models[0].transform(Ragged.from_tokens([[4, 0]])))
    with pytest.raises(InvalidSequence, match=r"step 1 is 'a', which fit\(\) never saw \(it saw whole numbers"):
        models[0].transform(["4 a"])
    with pytest.raises(InvalidSequence, match="token 9"):
        models[0].transform(["4 9"])
    assert tokens_of().fit([[10**12, 7], [7]]).vocabulary_ == ("1000000000000", "7")


def test_unknown_symbols_are_a_token_that_was_learnt_from_rare_ones() -> None:
    texts = ["a b c", "a b a", "c a d", "b e c"]  # d and e occur once
    ae = tokens_of().fit(read(texts, symbols="words", unknown="token"))
    assert ae.vocabulary_ == ("a", "b", "c", "<unknown>")
    assert ae.shape_.n_symbols == 4
    vectors = ae.transform(["a x c", "y b a", "<unknown> b a", "d b a"])
    np.testing.assert_array_equal(vectors[1:3], vectors[[2, 3]])  # whatever is unknown is the same
    with pytest.warns(DataWarning, match="skipped 1 of 3 steps"):
        skipped = ae.transform(read(["a x c"], symbols="words", unknown="skip"))
    np.testing.assert_array_equal(skipped, ae.transform(["a c"]))
    numbers = tokens_of().fit(read(["1 2 1", "2 1 77"], symbols="words", unknown="token"))
    assert numbers.vocabulary_ == ("1", "2", "<unknown>")


def test_a_token_for_unknown_symbols_that_there_is_not_is_named() -> None:
    ae = tokens_of().fit(["die", "did"])
    with pytest.raises(InvalidParameter, match="the model has no token for symbols that it never saw; fit it on text"):
        ae.transform(read(["dog"], symbols="auto", unknown="token"))
    with pytest.raises(InvalidParameter, match="is for symbols that are read as text, but X holds numbers"):
        tokens_of().fit(read([np.array([0, 1, 2]), np.array([2, 1])], symbols="auto", unknown="token"))
