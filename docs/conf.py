"""How the pages of this folder become a site: `make docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import seqae  # noqa: E402

from docstrings import as_rst  # noqa: E402

project, author, version = "seqae", "the seqae authors", seqae.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "pydata_sphinx_theme"
html_title = "seqae"
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": True, "secondary_sidebar_items": ["page-toc"]}
html_sidebars = {"**": []}
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures: NumPy, torch and Arrow are documented elsewhere


def write_api(app: Any) -> None:
    """One page for each public name, and a page that lists them: a new name cannot be forgotten."""
    folder = HERE / "api"
    folder.mkdir(exist_ok=True)
    wanted = {f"{name}.md": page_of(name) for name in seqae.__all__}
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)


def page_of(name: str) -> str:
    """The page of a public name, in MyST."""
    value = getattr(seqae, name)
    kind = "autoclass" if isinstance(value, type) else "automodule" if hasattr(value, "__path__") else "autofunction"
    kind = "automodule" if type(value).__name__ == "module" else kind
    members = "" if kind == "autofunction" else "\n:members:\n:inherited-members: BaseEstimator, Card, Protocol, object"
    return f"# {name}\n\n```{{eval-rst}}\n.. {kind}:: seqae.{name}{indented(members)}\n```\n"


def indented(text: str) -> str:
    """The options of a directive."""
    return text.replace("\n", "\n   ")


def plain_docstring(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text; what follows `name:` is about a parameter or a field."""
    lines[:] = as_rst(lines)


def without_links_to_files(app: Any, docname: str, source: list[str]) -> None:
    """Links to files outside of this folder are code on the site."""
    source[0] = re.sub(r"\[([^\]]+)\]\((\.\./[^)]+)\)", r"`\1`", source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_api)
    app.connect("autodoc-process-docstring", plain_docstring)
    app.connect("source-read", without_links_to_files)
