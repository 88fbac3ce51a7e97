"""What the page rooms promise about themselves: every block can be set, every drawing is documented, fonts are shipped."""
# ruff: noqa: E501

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "spec"))
import pages_gallery  # noqa: E402

from evalkit import figures  # noqa: E402
from evalkit.render import blocks, theme, view  # noqa: E402

PARTS = {"Context", "Section", "Tile", "Column"}


def test_every_block_can_be_set_and_stands_in_the_gallery() -> None:
    known = {name for name, kind in vars(blocks).items() if dataclasses.is_dataclass(kind) and kind.__module__ == blocks.__name__}
    assert {kind.__name__ for kind in view._MAKERS} == known - PARTS
    shown = {type(block).__name__ for section in pages_gallery.sections("team") for block in [*section.blocks, *section.walk()]}
    assert known - PARTS - shown <= {"Paragraph", "Heading"}


def test_both_templates_know_every_block() -> None:
    for name in ("blocks.html.jinja", "page.typ"):
        text = theme.resource("templates", name).read_text(encoding="utf-8")
        for kind in view._MAKERS:
            assert f'b.kind == "{kind.__name__.lower()}"' in text, (name, kind)


def test_every_drawing_is_in_the_docs_and_in_the_gallery() -> None:
    functions = {name for name in figures.__all__ if inspect.isfunction(getattr(figures, name))}
    text = (ROOT / "docs/methods/pages.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.M)) == functions
    assert {*pages_gallery.DRAWINGS, "day_dots"} == functions


def test_options_of_drawings_are_keyword_only() -> None:
    for name in figures.__all__:
        function = getattr(figures, name)
        if inspect.isfunction(function):
            kinds = [p.kind for p in inspect.signature(function).parameters.values() if p.name != "data"]
            assert set(kinds) == {inspect.Parameter.KEYWORD_ONLY}, name


def test_fonts_come_with_their_license() -> None:
    names = {path.name for path in theme.resource("fonts").iterdir()}
    assert {"OFL.txt", "PublicSans-Regular.ttf", "PublicSans-SemiBold.ttf", "PublicSans-Bold.ttf", "PublicSans-Italic.ttf",
            "PublicSans-Regular.woff2", "PublicSans-SemiBold.woff2", "PublicSans-Bold.woff2"} <= names
    assert "SIL OPEN FONT LICENSE" in theme.resource("fonts", "OFL.txt").read_text(encoding="utf-8")


def test_style_sheets_hold_no_address() -> None:
    for name in ("style.css", "page.css", "fragment.css"):
        text = theme.resource("templates", name).read_text(encoding="utf-8")
        assert "url(" not in re.sub(r"/\*.*?\*/", "", text, flags=re.S) and "http" not in text and text.count("{") == text.count("}")
