"""The html page: one file, its own policy, nothing from outside, and no string of the data ever becomes markup."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pages_gallery as gallery
import pandas as pd
import pytest

from evalkit import figures
from evalkit.disclosure import plain_text
from evalkit.disclosure.release import NEAREST_TEN
from evalkit.disclosure.types import Released
from evalkit.render import blocks as b
from evalkit.render import theme
from evalkit.render.html import fragment_html, index_html, page_html, section_html
from evalkit.render.view import page_view

AUDIENCES = ("team", "partner", "public")
VOID = {"meta", "link", "br", "img", "rect", "path", "circle", "input", "hr"}
ALLOWED = {
    "html",
    "head",
    "meta",
    "title",
    "link",
    "style",
    "body",
    "a",
    "div",
    "header",
    "p",
    "b",
    "svg",
    "rect",
    "path",
    "circle",
    "text",
    "main",
    "section",
    "h1",
    "h2",
    "h3",
    "h4",
    "ul",
    "ol",
    "li",
    "span",
    "figure",
    "figcaption",
    "details",
    "summary",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "footer",
}


class Reader(HTMLParser):
    """Tags with their attributes in order, the open tags closed properly, and heading levels."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.levels: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1] if self.open else ''}>"
        self.open.pop()


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module", params=AUDIENCES)
def page(request: pytest.FixtureRequest) -> str:
    return page_html(gallery.sections(request.param))


def test_policy_names_the_hash_of_the_one_style_sheet(page: str) -> None:
    styles = re.findall(r"<style>(.*?)</style>", page, flags=re.S)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page).group(1))
    assert policy == (f"default-src 'none'; img-src data:; font-src data:; style-src 'sha256-{digest}'; "
                      "base-uri 'none'; form-action 'none'")


def test_no_script_no_style_attribute_nothing_from_outside(page: str) -> None:
    reader = read(page)
    assert {tag for tag, _ in reader.tags} <= ALLOWED
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    urls = set(re.findall(r"https?://[^\s\"'<)]*", page))
    assert urls == {"http://www.w3.org/2000/svg"}
    assert set(re.findall(r"url\((?!data:)", page)) == set() and "@import" not in page


def test_language_title_landmarks_one_h1_and_no_gap_in_levels(page: str) -> None:
    reader = read(page)
    tags = [tag for tag, _ in reader.tags]
    assert dict(reader.tags)["html"] == {"lang": "en"} and "title" in tags
    assert tags.count("main") == 1 and tags.count("h1") == 1 and reader.levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(reader.levels, reader.levels[1:], strict=False))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_figure_has_alt_text_widths_and_its_table(page: str) -> None:
    parts = re.findall(r"<figure.*?</figure>", page, flags=re.S)
    assert len(parts) == len(gallery.DRAWINGS) + 1
    for part in parts:
        labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', part)
        assert len(labels) == part.count("<svg ") >= 2 and len(set(labels)) == 1
        assert "<details>" in part and "<table" in part and 'scope="row"' in part


def test_every_table_has_caption_scopes_and_a_named_scroll_box(page: str) -> None:
    reader = read(page)
    names = [a["aria-label"] for tag, a in reader.tags if tag == "div" and a.get("role") == "region"]
    assert len(names) == len(set(names)) == page.count("<table") == page.count("<caption>")
    assert all("scope" in attributes for tag, attributes in reader.tags if tag == "th")


def test_hidden_cells_say_so_and_the_foot_says_why() -> None:
    shown = page_html(gallery.sections("partner"))
    assert shown.count('<span class="hid">hidden</span>') == 1  # of two hidden cells one stands in a row that is cut
    assert "<b>hidden</b>: fewer than 10 students" in shown
    assert "Shown: 3 of 4." in shown and "workbook" not in shown
    assert "The rest are in the workbook" in page_html(gallery.sections("team"))


def test_the_foot_says_a_rule_once_though_tables_add_to_it() -> None:
    """Three tables: the rule, the rule with rounding, the rule with sizes to the nearest ten."""
    rule = '"hidden" stands for groups under 10 students, and for numbers that would let a reader work one of them out.'
    rounded = "Numbers of students are rounded to 5, each by itself; parts may not add up to a total."
    opening, *_ = gallery.sections("partner")
    table = next(block for section in gallery.sections("partner") for block in section.walk()
                 if isinstance(block, b.Table) and isinstance(block.data, Released) and not block.most_rows)
    hidden = table.data.hidden.copy()
    hidden.iloc[0, -1] = True
    tables = [replace(table, data=replace(table.data, rule=text, hidden=hidden), note=plain_text(text), key=f"t{i}")
              for i, text in enumerate((rule, f"{rule} {rounded}", f"{rule} {NEAREST_TEN}"))]
    view = page_view([replace(opening, blocks=tuple(tables))])
    foot = " ".join(run["t"] for column in view["foot"] for line in column for run in line)
    assert foot.count("stands for groups") == foot.count("rounded to 5") == 1 and NEAREST_TEN not in foot
    notes = ["".join(run["t"] for run in block["note"]) for block in view["sections"][0]["blocks"]]
    assert "stands for groups" in notes[0] and "rounded to 5" in notes[1] and notes[2].endswith(NEAREST_TEN)
    assert "stands for groups" not in notes[1] + notes[2]


@pytest.mark.parametrize("audience", AUDIENCES)
def test_same_bytes_twice(audience: str) -> None:
    assert page_html(gallery.sections(audience)) == page_html(gallery.sections(audience))


def hostile_sections(audience: str = "team") -> list[b.Section]:
    texts = gallery.HOSTILE
    frame = pd.DataFrame({"name": texts, "n": range(len(texts)), "share": [1 / len(texts)] * len(texts)})
    drawing = figures.share_bars(frame, label="name")
    context = gallery.context(audience, study=texts[0], program=texts[1], school=texts[3], definitions=texts[5],
                              report_title=texts[2])
    columns = (b.Column("name", texts[1]), b.Column("n", texts[5], "integer", texts[0]))
    built = [b.Paragraph(text) for text in texts]
    built += [b.Table(texts[0], texts[1], frame, columns, note=texts[2]),
              b.Figure(texts[5], texts[4], drawing, texts[1], frame, columns, texts[0], key="x"),
              b.Callout(texts[0], texts, headline=texts[1]), b.Quote(texts[5], texts[0]), b.EventBox(*texts[:3]),
              b.Tiles((b.Tile(texts[0], texts[1], texts[5]),)), b.CountList(texts[0], ((texts[1], texts[5]),)),
              b.BulletList(texts[0], texts), b.FormTable(texts[1], texts[:3]), b.FormLines(texts[0], texts[:2]),
              b.BigNumber(*texts[:4], ((texts[4], texts[5]),)), b.Heading(texts[1])]
    return [b.Section(context, texts[1], texts[0], tuple(built), lead=texts[5], is_opening=True, off=texts)]


@pytest.mark.parametrize("make", [page_html, lambda s: fragment_html(s, with_fonts=False)], ids=["page", "fragment"])
def test_hostile_text_stays_text(make) -> None:
    shown = make(hostile_sections())
    reader = read(shown)
    assert {tag for tag, _ in reader.tags} <= ALLOWED
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not (attributes.get("href") or "").startswith("javascript")
    assert shown.count("<style>") == shown.count("</style>") == 1
    assert "{{ 7*7 }}" in shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x1b]", shown)
    assert "<img src=x" not in shown and "<svg onload" not in shown


def test_the_margin_text_of_print_cannot_leave_its_string() -> None:
    style = theme.page_style('"} body{display:none} /* \\ \n </style>', ("Page", "of"))
    assert "display:none}" not in style.split("@bottom-left{content:")[-1] and "</style" not in style


def test_a_notebook_shows_the_same_blocks_scoped() -> None:
    section = gallery.sections("team")[1]
    shown = section._repr_html_()
    assert shown == section_html(section)
    style = re.search(r"<style>(.*?)</style>", shown, flags=re.S).group(1)
    assert style.startswith(".evalkit.evalkit.evalkit{") and style.endswith("}")
    assert "font-face" not in shown and "@font-face" in gallery.sections("team")[0]._repr_html_()
    body = re.search(r'<div class="sec">.*?</section>', page_html(gallery.sections("team")), flags=re.S).group(0)
    assert "Patterns: where and when" in body
    assert re.search(r"<h2[^>]*>Patterns", shown) and "<main" not in shown


def test_a_letter_outside_the_font_sets_the_whole_name_in_another() -> None:
    frame = pd.DataFrame({"name": ["Иван Петров", "Zoë Nguyễn-Şahin"], "n": [1, 2]})
    section = b.Section(gallery.context("team"), "names", "Names", (
        b.Table("Names", "", frame, (b.Column("name", "Name"), b.Column("n", "n", "integer"))),
        b.Paragraph("We thank Иван today. He came back often, and we saw it.")))
    shown = page_html([section])
    assert '<span class="fb">Иван Петров</span>' in shown and "fb\">Zoë" not in shown
    assert '<span class="fb">Иван </span>' in shown


def test_languages_change_the_frame_and_the_dates() -> None:
    section = b.Section(gallery.context("public", language="es"), "uno", "Uno", is_opening=True)
    shown = page_html([section])
    assert '<html lang="es">' in shown and "30 de enero de 2026" in shown and "Para todos" in shown


def test_words_of_every_language_are_complete() -> None:
    import tomllib

    table = tomllib.loads(theme.resource("templates", "words.toml").read_text(encoding="utf-8"))
    assert set(table) == set(theme.LANGUAGES)
    assert table["en"].keys() == table["es"].keys() and all(all(words.values()) for words in table.values())


def test_index_links_runs_and_nothing_else() -> None:
    shown = index_html([{"href": "s/2026-01/r/report.html", "name": '"><svg onload=1>', "report": "r", "study": "<b>",
                         "period": "2026-01", "audience": "team", "as_of": "2026-01-30"}])
    reader = read(shown)
    assert [a["href"] for tag, a in reader.tags if tag == "a"] == ["s/2026-01/r/report.html"]
    assert "svg" not in {tag for tag, _ in reader.tags}


def test_a_page_refuses_what_it_cannot_show() -> None:
    with pytest.raises(TypeError, match="cannot show a dict"):
        page_html([b.Section(gallery.context("team"), "x", "X", ({},))])
    with pytest.raises(ValueError, match="adding up to 12"):
        page_html([b.Section(gallery.context("team"), "x", "X", (b.Row(((), ()), (8, 8)),))])
