"""Blocks -> pdf: the same records as html, set by typst, tagged (PDF/UA-1), the same bytes every time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from evalkit.figures.canvas import covers
from evalkit.render import theme
from evalkit.render.blocks import Section
from evalkit.render.view import page_view

OTHER_FONTS = ("Noto Sans", "Noto Sans CJK SC", "Segoe UI", "Arial Unicode MS", "DejaVu Sans", "Libertinus Serif")
_NO_FONT = "could not be displayed with font"


def page_pdf(sections: Sequence[Section]) -> bytes:
    """The whole report as a tagged Letter pdf with shipped fonts, alt texts and no time stamp."""
    return set_pdf("page.typ", page_view(sections))


def set_pdf(template: str, data: Mapping[str, Any]) -> bytes:
    """Fill a typst template with `data`, which reaches it as JSON only: nothing in it can be typst code.

    Fonts of the machine are looked at only when `data["fallback"]` says that a letter is outside the shipped font, so
    that pages are equal on every machine. The template sees an empty folder, and no network.
    """
    import typst

    source = theme.resource("templates", template).read_bytes()
    try:
        return _compiled(source, data, tagged=True)
    except typst.TypstError as problem:
        if _NO_FONT not in str(problem):
            raise
    # Where no font of this machine has a letter, an untagged pdf with an empty box: one name must not stop a report.
    return _compiled(source, data, tagged=False)


def _compiled(source: bytes, data: Mapping[str, Any], *, tagged: bool) -> bytes:
    import typst

    with tempfile.TemporaryDirectory(prefix="evalkit-") as empty:
        compiler = typst.Compiler(input=source, root=empty, font_paths=_fonts(bool(data.get("fallback"))),
                                  sys_inputs={"page": json.dumps(data, ensure_ascii=False)})
        made = compiler.compile(format="pdf", pdf_standards=["ua-1"] if tagged else [], timestamp=0)
    assert isinstance(made, bytes)
    return made


@cache
def can_print(text: str) -> bool:
    """Whether this machine has a font for every letter of `text`."""
    import typst

    if covers(text):
        return True
    source = b"#set document(title: [x], date: none)\n#text(font: json(bytes(sys.inputs.fonts)), sys.inputs.said)"
    with tempfile.TemporaryDirectory(prefix="evalkit-") as empty:
        compiler = typst.Compiler(input=source, root=empty, font_paths=_fonts(True),
                                  sys_inputs={"said": text, "fonts": json.dumps(OTHER_FONTS)})
        try:
            compiler.compile(format="pdf", pdf_standards=["ua-1"], timestamp=0)
        except typst.TypstError as problem:
            if _NO_FONT not in str(problem):
                raise
            return False
    return True


@cache
def _fonts(with_system: bool) -> Any:
    import typst

    return typst.Fonts(include_system_fonts=with_system, include_embedded_fonts=True,
                       font_paths=[str(theme.resource("fonts"))])
