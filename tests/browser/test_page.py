"""The report's page in a browser: `make test-browser` runs this with Playwright and the machine's Chromium."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seqae import Ragged, SequenceAutoencoder, read
from seqae.examination import examine
from seqae.report import decoding_of, page_of

from ..conftest import make_waves

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make test-browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: make test-browser"),
]
EVIL = "</script><script>document.title='evil'</script>"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as own:
        opened = own.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of an examined data set; afterwards nothing was said on the console, and no host was asked."""
    said: list[str] = []

    def open_page(X: object, model: SequenceAutoencoder, labels: object = None, **context: Any) -> Any:
        path = tmp_path / "page.html"
        path.write_text(page_of(examine(model, X, labels), decoding_of(model)))
        page = browser.new_page(**({"viewport": {"width": 1280, "height": 900}} | context))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        page.wait_for_selector("#which:not(:empty)")
        return page

    yield open_page
    assert said == []


def fitted(X: object, **given: Any) -> SequenceAutoencoder:
    settings = {"architecture": "linear", "latent_size": 8, "random_state": 0, "verbose": False} | given
    return SequenceAutoencoder(**settings).fit(X)


WAVES = make_waves(60, seed=0)


def is_wide(page: Any) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off(opened: Open, width: int, scheme: str) -> None:
    page = opened(WAVES, fitted(WAVES), viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert not is_wide(page)
    page.set_viewport_size({"width": 700, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    page.wait_for_timeout(200)
    assert not is_wide(page)
    assert page.locator("#sequence-plot canvas").count() == 1


def test_dragging_decodes_what_python_does(opened: Open) -> None:
    model = fitted(WAVES)
    page = opened(WAVES, model)
    page.check("input[value=between]")
    page.select_option("#first", "3")
    page.select_option("#second", "9")
    page.evaluate("$('share').value = 25; $('share').dispatchEvent(new Event('input'))")
    page.wait_for_timeout(100)
    told = page.inner_text("#decoded-text")
    vectors = model.transform([WAVES[3], WAVES[9]])
    wanted = model.inverse_transform(0.75 * vectors[:1] + 0.25 * vectors[1:])[0]
    assert f"25 % of the way from 3 to 9, {len(wanted)} steps" in told
    values = page.evaluate("drawn.get($('decoded-plot')).plot.data[1]")
    np.testing.assert_allclose(values, wanted[:, 0], atol=1e-4)


def test_pointer_on_the_map(opened: Open) -> None:
    page = opened(WAVES, fitted(WAVES))
    page.locator("#map-canvas").scroll_into_view_if_needed()
    box = page.locator("#map-canvas").bounding_box()
    x, y = page.evaluate("""() => { const [x0, x1, y0, y1] = page.bounds, side = Math.max(x1 - x0, y1 - y0) * 0.54,
        c = $('map-canvas'), size = Math.min(c.clientWidth, c.clientHeight) / 2, p = arrays.places.values;
        return [c.clientWidth / 2 + ((p[0] - (x0 + x1) / 2) / side) * size,
                c.clientHeight / 2 - ((p[1] - (y0 + y1) / 2) / side) * size]; }""")
    page.mouse.move(box["x"] + x, box["y"] + y)
    assert "sequence 0" in page.inner_text("#tip")
    page.mouse.down()
    assert "sequence 0," in page.inner_text("#which")
    page.mouse.move(box["x"] + 3, box["y"] + 3, steps=5)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert "Beyond the data" in page.inner_text("#decoded-text")
    assert page.get_attribute("#decoded-text", "class") == "beyond"


def test_dragging_is_fast(opened: Open) -> None:
    model = fitted(WAVES, architecture="repeat", latent_size=16, hidden_size=64, max_epochs=1)
    page = opened(WAVES, model)
    seconds = page.evaluate("""() => { const at = performance.now(), c = $('map-canvas'), r = c.getBoundingClientRect();
        return new Promise((done) => { let k = 0; c.focus(); const next = () => {
          c.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }));
          if (++k < 30) requestAnimationFrame(next); else done((performance.now() - at) / 1000); }; next(); }); }""")
    assert seconds < 1  # 30 frames a second


def test_keys_alone(opened: Open) -> None:
    page = opened(WAVES, fitted(WAVES))
    first = page.inner_text("#which")
    page.keyboard.press("ArrowRight")
    second = page.inner_text("#which")
    assert first.startswith("1 of 60")
    assert second.startswith("2 of 60")
    page.focus("#map-canvas")
    before = page.inner_text("#decoded-text")
    for _ in range(30):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert page.inner_text("#decoded-status").startswith("sequence ")
    assert page.inner_text("#decoded-text") != before
    order = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((h) => Number(h.tagName[1]))")
    assert order[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(order))
    is_told = "(c) => c.closest('[role], [aria-hidden], .plot') !== null"
    assert page.evaluate(f"[...document.querySelectorAll('canvas')].every({is_told})")


def test_strange_sequences_lead_to_their_curves(opened: Open) -> None:
    page = opened(WAVES, fitted(WAVES))
    row = page.locator("#strange tbody tr").nth(2)
    name = row.locator("th").inner_text()
    row.locator("button").click()
    assert f"sequence {name}," in page.inner_text("#which")


def test_names_are_text(opened: Open) -> None:
    ids = [EVIL] * 3 + ["שלום عالم"] * 4 + ["c"] * 3
    source = read(pd.DataFrame({"id": ids, EVIL: np.arange(10.0) ** 2, "b": np.arange(10.0) % 3}), id="id")
    page = opened(source, fitted(source), [EVIL, "ب", "c"])
    assert "evil" not in page.title()
    assert EVIL in page.inner_text("#strange")


@pytest.mark.parametrize(
    "X",
    [
        [np.zeros((1, 2))],
        [np.zeros((1, 2)), np.ones((3, 2))],
        [WAVES[0]],
        make_waves(20_000, seed=1, shortest=2, longest=3),
    ],
    ids=["one step", "two", "one", "20,000"],
)
def test_numbers_of_sequences(opened: Open, X: list[np.ndarray]) -> None:
    page = opened(X, fitted(WAVES))
    assert page.evaluate("performance.now()") < 10_000
    assert f"of {min(len(X), 120)}:" in page.inner_text("#which")


def test_one_channel_many_channels_missing_values_and_symbols(opened: Open) -> None:
    one = [wave[:, :1] for wave in WAVES]
    assert not opened(one, fitted(one)).is_visible("#channels")
    rng = np.random.default_rng(0)
    many = [rng.normal(size=(n, 200)) for n in rng.integers(3, 30, 20)]
    assert opened(many, fitted(many)).locator("#channels li").count() == 200
    gaps = make_waves(20, seed=0)
    gaps[0][1:, 0] = np.nan
    source = read(gaps, missing="mask")
    opened(source, fitted(source))
    tokens = Ragged.from_tokens([rng.integers(0, 4, n) for n in rng.integers(1, 9, 30)])
    model = fitted(tokens, architecture="tokens", hidden_size=8, max_epochs=1)
    page = opened(tokens, model)
    assert page.locator("#sequence-plot .symbols").count() == 2
    assert page.locator("#decoded-plot .symbols").count() == 1
