"""Plain docstrings as reStructuredText: paragraphs, `name: meaning` items with indented lines below, and formulas."""

from __future__ import annotations

import re

ITEM = re.compile(r"([A-Za-z_]\w*(?:, [A-Za-z_]\w*)*): (.*)")
SPECIAL = re.compile(r"([\\*|_`])")


def as_rst(lines: list[str]) -> list[str]:
    """The lines of a docstring, as Sphinx reads them. Examples (>>>) stay as they are."""
    found: list[str] = []
    for paragraph in paragraphs(lines):
        found += [*rendered(paragraph), ""]
    return found


def paragraphs(lines: list[str]) -> list[list[str]]:
    """The lines between empty ones."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line.rstrip())
        elif found[-1]:
            found.append([])
    return [part for part in found if part]


def rendered(paragraph: list[str]) -> list[str]:
    """A paragraph: a formula where all lines are indented, an example, or text with items."""
    if paragraph[0].startswith(">>>"):
        return paragraph
    if all(line.startswith("    ") for line in paragraph):
        return ["::", "", *paragraph]
    found: list[str] = []
    is_list = any(line.startswith("    ") for line in paragraph) or ITEM.fullmatch(paragraph[0]) is not None
    for line in paragraph:
        item = ITEM.fullmatch(line) if is_list else None
        if item:
            found += ["", f"* **{escaped(item[1])}**: {escaped(item[2])}"]
        elif line.startswith(("Raises ", "Returns ")):
            found += ["", escaped(line)]
        elif line == "Parameters:":
            found += ["**Parameters**", ""]
        else:
            is_in_item = bool(found) and found[-1].startswith(("*", " "))
            found.append(("  " if is_in_item else "") + escaped(line.strip()))
    return found


def escaped(text: str) -> str:
    """Text without markup, but for `code`."""
    words, codes = re.split(r"`[^`]+`", text), re.findall(r"`[^`]+`", text)
    plain = [SPECIAL.sub(r"\\\1", word) for word in words]
    return "".join(word + code for word, code in zip(plain, [*(f"`{code}`" for code in codes), ""], strict=True))
