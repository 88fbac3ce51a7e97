"""Blocks -> pdf: the same records as html, set by typst, tagged (PDF/UA-1), the same bytes every time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from evalkit.render import theme
from evalkit.render.blocks import Section
from evalkit.render.view import page_view


def page_pdf(sections: Sequence[Section]) -> bytes:
    """The whole report as a tagged Letter pdf with shipped fonts, alt texts and no time stamp."""
    return set_pdf("page.typ", page_view(sections))


def set_pdf(template: str, data: Mapping[str, Any]) -> bytes:
    """Fill a typst template with `data`, which reaches it as JSON only: nothing in it can be typst code.

    Fonts of the machine are looked at only when `data["fallback"]` says that a letter is outside the shipped font, so
    that pages are equal on every machine. The template sees an empty folder, and no network.
    """
    import typst

    with tempfile.TemporaryDirectory(prefix="evalkit-") as empty:
        compiler = typst.Compiler(input=theme.resource("templates", template).read_bytes(), root=empty,
                                  font_paths=_fonts(bool(data.get("fallback"))),
                                  sys_inputs={"page": json.dumps(data, ensure_ascii=False)})
        made = compiler.compile(format="pdf", pdf_standards=["ua-1"], timestamp=0)
    assert isinstance(made, bytes)
    return made


@cache
def _fonts(with_system: bool) -> Any:
    import typst

    return typst.Fonts(include_system_fonts=with_system, include_embedded_fonts=True,
                       font_paths=[str(theme.resource("fonts"))])
