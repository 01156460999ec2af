"""The page as a file: what it says, that it is safe, small and always the same. In a browser: browser/test_page.py."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from typer.testing import CliRunner

from seqae import AnomalyDetector, Ragged, SequenceAutoencoder, read
from seqae.cli import app
from seqae.errors import InvalidParameter
from seqae.examination import examine
from seqae.report import Origin, decoding_of, page_of, write_report
from seqae.report.content import content_of
from seqae.report.packing import KINDS, MISSING, Packing, levels, thinned

from .conftest import make_waves
from .test_cli import make_walks


def fitted(X: object, **given: object) -> SequenceAutoencoder:
    settings = {"latent_size": 8, "random_state": 0, "verbose": False} | given
    return SequenceAutoencoder(settings.pop("architecture", "linear"), **settings).fit(X)  # pyright: ignore


@pytest.fixture(scope="module")
def model() -> SequenceAutoencoder:
    return fitted(make_waves(60, seed=0))


def unpacked(page: str) -> tuple[dict, dict[str, np.ndarray]]:
    """The header and the arrays, read as the page reads them."""
    header = json.loads(re.findall(r'<script type="application/json" id="content">(.*?)</script>', page)[0])
    data = base64.b64decode(re.findall(r'id="arrays">(.*?)</script>', page)[0])
    arrays = {
        name: np.frombuffer(data, KINDS[kind], int(np.prod(shape)), offset).reshape(shape)
        for name, (kind, offset, shape) in header["arrays"].items()
    }
    return header, arrays


def test_the_page_holds_what_was_examined(model: SequenceAutoencoder) -> None:
    waves = make_waves(30, seed=1)
    examined = examine(model, waves, labels=np.arange(30) % 2)
    page = page_of(examined, decoding_of(model))
    header, arrays = unpacked(page)
    assert_allclose(arrays["error"], examined.error, rtol=1e-6)
    assert_allclose(arrays["places"], examined.map.places, rtol=1e-5, atol=1e-6)
    assert_array_equal(arrays["shown"], np.arange(30))
    assert_allclose(arrays["vectors"], examined.vectors)
    assert_array_equal(arrays["kept"], [len(wave) for wave in waves])
    for k, channel in enumerate(header["channels"]):
        for name, actual in (("data", np.concatenate(waves)), ("again", examined.again.values)):
            drawn = channel["low"] + arrays[name][:, k] * channel["step"]
            assert_allclose(drawn, actual[:, k], atol=channel["step"])
    assert header["labels"] == ["0", "1"]
    assert "strangest" in page
    assert examined.quality.verdict in page.replace("&#x27;", "'")


def test_same_bytes(model: SequenceAutoencoder) -> None:
    waves = make_waves(30, seed=1)
    pages = [page_of(examine(model, waves), decoding_of(model)) for _ in range(2)]
    assert pages[0] == pages[1]


def test_names_cannot_become_code(model: SequenceAutoencoder, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    frame = pd.DataFrame({"id": [evil] * 4 + ["<b>"] * 4, evil: np.arange(8.0), "b": np.arange(8.0) % 3})
    source = read(frame, id="id")
    page = page_of(examine(fitted(source), source, labels=[evil, "שלום"]), decoding_of(fitted(source)))
    assert evil not in page
    assert "<b>" not in page
    assert page.count("<script") == page.count("</script>") == 7
    assert "שלום" in page
    assert "\\u003c/script>" in page
    hashes = re.findall(r"script-src ([^;]*);", page)[0].split()
    assert len(hashes) == 5
    assert "unsafe" not in " ".join(hashes)


def test_no_address_is_asked_for(model: SequenceAutoencoder) -> None:
    page = page_of(examine(model, make_waves(9, seed=1)), decoding_of(model))
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)=["']?(?!#)[^"' >]""", re.sub(r"<script>.*?</script>", "", page, flags=re.S))
    assert set(re.findall(r"https?://[\w./-]+", page)) == {"https://github.com/leeoniya/uPlot"}


def test_two_million_steps_fit_and_what_is_left_out_is_said() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(20_000, 60_000, 50)
    values = rng.normal(size=(int(lengths.sum()), 1)).astype(np.float32)
    assert len(values) > 1_800_000
    source = Ragged.back_to_back(values, lengths)
    own = fitted(source)
    examined = examine(own, source)
    page = page_of(examined, decoding_of(own))
    assert len(page.encode()) <= 5_000_000
    header, arrays = unpacked(page)
    assert "every extreme is kept" in page
    ends = np.cumsum(arrays["kept"])
    for place, i in enumerate(examined.shown[np.isin(examined.shown, arrays["mapped"][arrays["shown"]])]):
        own_part = arrays["data"][ends[place] - arrays["kept"][place] : ends[place], 0]
        low, step = header["channels"][0]["low"], header["channels"][0]["step"]
        drawn = low + own_part * step
        assert drawn.max() == pytest.approx(source[int(i)].max(), abs=step)
        assert drawn.min() == pytest.approx(source[int(i)].min(), abs=step)


def test_many_channels_fit_as_well() -> None:
    rng = np.random.default_rng(0)
    source = [rng.normal(size=(n, 200)).astype(np.float32) for n in rng.integers(60, 120, 150)]
    own = fitted(source)
    page = page_of(examine(own, source), decoding_of(own), most_bytes=1_500_000)
    assert len(page.encode()) <= 1_500_000
    assert "of 150 sequences" in page


def test_too_large_a_decoder_is_left_out(model: SequenceAutoencoder) -> None:
    examined = examine(model, make_waves(9, seed=1))
    content = content_of(examined, decoding_of(model), 1_000)
    assert content.header["decoder"] is None
    assert "Live decoding: the decoder's weights take" in content.left_out[0]
    with pytest.raises(InvalidParameter, match="at least 500,000"):
        page_of(examined, decoding_of(model), most_bytes=1000)


def test_many_sequences_become_a_density() -> None:
    rng = np.random.default_rng(0)
    source = Ragged.back_to_back(rng.normal(size=(60_000, 1)).astype(np.float32), np.full(20_001, 2, np.int64)[:20_001])
    own = fitted(source[np.arange(500)], latent_size=4)
    header, arrays = unpacked(page_of(examine(own, source), decoding_of(own)))
    assert header["density"] is True
    assert arrays["density"].sum() == 20_001
    assert len(header["ids"]) == len(arrays["places"]) < 5200


@pytest.mark.parametrize(("longest", "told"), [(1, "4 sequences of 1 step, "), (3, "4 sequences of 1 to 3 steps, ")])
def test_one_step_is_one_step(model: SequenceAutoencoder, longest: int, told: str) -> None:
    short = [wave[:n] for n, wave in zip((1, longest, 1, 1), make_waves(4, seed=2), strict=True)]
    assert told in page_of(examine(model, short), decoding_of(model))


def test_missing_values_and_symbols() -> None:
    waves = make_waves(12, seed=0)
    waves[3][1:, 0] = np.nan
    source = read(waves, missing="mask")
    own = fitted(source)
    page = page_of(examine(own, source), decoding_of(own))
    _, arrays = unpacked(page)
    assert (arrays["data"] == MISSING).sum() == len(waves[3]) - 1
    assert "of all values" in page
    text = read([["a", "b<"], ["b<", "a", "a"]] * 6, symbols="auto")
    tokens = fitted(text, architecture="tokens", hidden_size=8, max_epochs=1)
    header, arrays = unpacked(page_of(examine(tokens, text), decoding_of(tokens)))
    assert [header["symbols"][k] for k in arrays["data"][:2]] == ["a", "b<"]
    assert header["decoder"]["family"] == "symbols"


def test_detections_are_listed(model: SequenceAutoencoder) -> None:
    normal, other = (make_waves(1, seed=0, shortest=300, longest=300)[0] for _ in range(2))
    other = other.copy()
    other[150:160, 1] += 4
    found = AnomalyDetector(baseline="pca", window=10, random_state=0).fit([normal]).detect([other])
    page = page_of(examine(model, [other]), decoding_of(model), detection=found)
    assert "Above the limit" in page
    top = max(found.intervals, key=lambda one: one.score)
    assert f"<td class=n>{top.start:,}</td><td class=n>{top.end - 1:,}</td>" in page


def test_commands_name_the_users_files(model: SequenceAutoencoder) -> None:
    origin = Origin("a b.seqae", ("c.csv",), "--id engine")
    page = page_of(examine(model, make_waves(9, seed=1)), decoding_of(model), origin=origin)
    assert "seqae embed &#x27;a b.seqae&#x27; c.csv --id engine -o vectors.parquet" in page


@given(st.integers(1, 300), st.integers(1, 30), st.integers(1, 4), st.integers(0, 99))
def test_thinned_curves_keep_the_extremes_of_each_stretch(n: int, half: int, n_channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, n_channels))
    values[rng.random(values.shape) < 0.2] = np.nan
    kept = thinned(values, 2 * half)
    if n <= 2 * half:
        assert_array_equal(kept, values)
        return
    edges = np.linspace(0, n, half + 1).round().astype(int)
    for b in range(half):
        part = values[edges[b] : edges[b + 1]]
        for k in range(n_channels):
            own = kept[2 * b : 2 * b + 2, k]
            known = part[~np.isnan(part[:, k]), k]
            if len(known):
                assert np.nanmin(own) == known.min()
                assert np.nanmax(own) == known.max()
            else:
                assert np.isnan(own).all()


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1, max_size=50))
def test_levels_are_within_one_step(values: list[float]) -> None:
    rows = np.array(values)[:, None]
    known = rows[~np.isnan(rows)]
    low, high = (np.array([known.min()]), np.array([known.max()])) if len(known) else (np.zeros(1), np.zeros(1))
    step = (high - low) / 65534
    coded = levels(rows, low, step)
    assert_array_equal(coded[:, 0] == MISSING, np.isnan(rows[:, 0]))
    assert_allclose((low + coded * step)[coded != MISSING], known, atol=float(step[0]) + 1e-9)


def test_packed_arrays_lie_at_multiples_of_four() -> None:
    packing = Packing()
    packing.add("a", "u1", np.arange(5))
    packing.add("b", "f4", np.array([[1.5, 2.5]]))
    kind, offset, shape = packing.index["b"]
    assert (kind, offset % 4, shape) == ("f4", 0, (1, 2))
    data = base64.b64decode(packing.to_base64())
    assert len(packing.to_base64()) == packing.n_bytes
    assert_array_equal(np.frombuffer(data, np.float32, 2, offset), [1.5, 2.5])


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    walks = make_walks()
    walks["who"] = walks["person"].str[-1]
    walks.to_csv("walks.csv", index=False)
    layout = ["--id", "person", "--time", "second"]

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
        return result.exit_code, result.output

    fit = run("fit", "walks.csv", *layout, "--channels", "x,y", "--latent-size", "8", "-o", "m.seqae", "-q")
    assert fit[0] == 0, fit[1]
    for extra in ([], ["--trained-on", "walks.csv"], ["--labels", "who"], ["--map", "tsne"], ["--normal", "walks.csv"]):
        code, output = run("report", "m.seqae", "walks.csv", *layout, *extra, "-o", "r.html")
        assert code == 0, output
        assert "report of 0." in output
        assert Path("r.html").read_text().startswith("<!DOCTYPE html>")
    assert "--id person --time second" in Path("r.html").read_text()
    code, output = run("report", "m.seqae", "walks.csv", *layout, "-o", "r.pdf")
    assert (code, "must be .html" in output) == (2, True)
    code, output = run("report", "m.seqae", "walks.csv", *layout, "-o", "none/r.html")
    assert code == 2


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="cannot write"):
        write_report(tmp_path / "none" / "r.html", "x")
