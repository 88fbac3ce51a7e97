"""Blocks -> html: one file with its own style sheet, no script, nothing from outside; the same inside a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from xml.sax.saxutils import quoteattr

import jinja2
from markupsafe import Markup

from evalkit.figures.palette import INK
from evalkit.render import theme
from evalkit.render.blocks import Section
from evalkit.render.view import page_view, section_view

_ICONS = {
    "team": f'<rect x="2" y="6" width="10" height="7" fill="{INK}"/><path d="M4 6V4a3 3 0 0 1 6 0v2" fill="none" '
            f'stroke="{INK}" stroke-width="1.8"/>',
    "partner": f'<circle cx="7" cy="7" r="5.6" fill="none" stroke="{INK}" stroke-width="1.8"/><path d="M4 7l2.2 2.2L10 '
               f'5.4" fill="none" stroke="{INK}" stroke-width="1.8"/>',
    "public": f'<circle cx="7" cy="7" r="5.6" fill="none" stroke="{INK}" stroke-width="1.8"/><path d="M1.4 7h11.2M7 '
              f'1.4c-4 4-4 7.2 0 11.2M7 1.4c4 4 4 7.2 0 11.2" fill="none" stroke="{INK}" stroke-width="1.3"/>',
}


def icon(audience: str) -> Markup:
    """The audience's own sign: lock, tick or globe."""
    return Markup(f'<svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">{_ICONS[audience]}</svg>')


def with_alt(svg: str, alt: str) -> Markup:
    """A drawing of our own as an image with its alt text."""
    return Markup(svg.replace("<svg ", f"<svg role=\"img\" aria-label={quoteattr(alt)} ", 1))


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(str(theme.resource("templates")), encoding="utf-8"),
                              autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    made.filters["with_alt"] = with_alt
    return made


def page_html(sections: Sequence[Section]) -> str:
    """The whole report as one html file."""
    page = page_view(sections)
    style = theme.page_style(page["footer"], (page["words"]["page"], page["words"]["of"]))
    return _fill("page.html.jinja", page=page, style=style, policy=theme.content_policy(style),
                 icon=icon(page["audience"]))


def fragment_html(sections: Sequence[Section], *, with_fonts: bool) -> str:
    """Sections for a notebook's output area, with their own scoped style."""
    names: dict[str, int] = {}
    views = [section_view(section, names) for section in sections]
    return _fill("fragment.html.jinja", sections=views, style=theme.fragment_style(with_fonts=with_fonts),
                 language=sections[0].context.language)


def section_html(section: Section) -> str:
    """One section as JupyterLab shows it; an opening brings the fonts for the whole notebook."""
    return fragment_html([section], with_fonts=section.is_opening)


def index_html(rows: Sequence[Mapping[str, str]], language: str = "en") -> str:
    """The page that links every finished run. rows: href, name, report, study, period, audience, as_of."""
    said = theme.words(language)
    style = theme.page_style(said["all_reports"], (said["page"], said["of"]))
    return _fill("index.html.jinja", rows=rows, words=said, style=style, policy=theme.content_policy(style),
                 language=language)


def _fill(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)
