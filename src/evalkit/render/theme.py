"""What all pages share: words of the frame, fonts, style sheet, content policy."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

from evalkit.tables import long_date, plain

LANGUAGES = ("en", "es")
_ROOT = "evalkit.render"


def resource(*parts: str) -> Path:
    """A file shipped beside this module."""
    return Path(str(resources.files(_ROOT).joinpath(*parts)))


@cache
def words(language: str) -> dict[str, str]:
    """The frame's words; a language without a table of its own reads English."""
    table = tomllib.loads(resource("templates", "words.toml").read_text(encoding="utf-8"))
    return table.get(language, table["en"])


@cache
def font_faces() -> str:
    """The three embedded fonts as @font-face rules."""
    faces = []
    for style, weight in (("Regular", 400), ("SemiBold", 600), ("Bold", 700)):
        data = base64.b64encode(resource("fonts", f"PublicSans-{style}.woff2").read_bytes()).decode()
        faces.append(f'@font-face{{font-family:"Public Sans";font-weight:{weight};font-style:normal;'
                     f'src:url(data:font/woff2;base64,{data}) format("woff2")}}')
    return "".join(faces)


@cache
def _sheet(name: str) -> str:
    text = resource("templates", name).read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/\n?", "", text, flags=re.S)


def page_style(footer: str, page_words: tuple[str, str]) -> str:
    """The one style sheet of a page; `footer` and "Page x of y" stand in the margins of every printed page."""
    page, of = (css_string(word) for word in page_words)
    margins = (f"@page{{@bottom-left{{content:{css_string(footer)}}}"
               f'@bottom-right{{content:{page} " " counter(page) " " {of} " " counter(pages)}}}}')
    return font_faces() + _sheet("style.css").replace("ROOT", "body") + _sheet("page.css") + margins


def fragment_style(*, with_fonts: bool) -> str:
    """The same rules inside `.evalkit`, so that a notebook around them keeps its looks."""
    # Named three times, so that these rules outweigh JupyterLab's own for tables (right-aligned, striped).
    scoped = ".evalkit.evalkit.evalkit{" + _sheet("style.css").replace("ROOT", "&") + _sheet("fragment.css") + "}"
    return (font_faces() if with_fonts else "") + scoped


def content_policy(style: str) -> str:
    """The Content-Security-Policy that allows this one style sheet, embedded fonts and images, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (f"default-src 'none'; img-src data:; font-src data:; style-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'")


def css_string(text: str) -> str:
    """`text` as a CSS string; everything but letters, digits and spaces is written as its code."""
    return '"' + "".join(c if c.isalnum() or c == " " else f"\\{ord(c):x} " for c in plain(text)) + '"'


def page_footer(context) -> str:
    """"audience · program · as of date": the left foot of every printed page."""
    said = words(context.language)
    place = context.study + (f", {context.school}" if context.school else "")
    return f"{said[context.audience + '_footer']} · {place} · {said['as_of_lower']} " \
           f"{long_date(context.as_of, context.language)}"
