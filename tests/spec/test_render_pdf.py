"""The pdf: the same blocks, tagged, with alt texts, shipped fonts, the same bytes, and no way for data to be code."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pages_gallery as gallery
import pypdf
import pytest
from test_render_html import hostile_sections

from evalkit.render import blocks as b
from evalkit.render.pdf import page_pdf


def reader_of(data: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(data))


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return page_pdf(gallery.sections("partner"))


def elements(node, found: list) -> list:
    """Every structure element of the tag tree, in reading order."""
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        for kid in node:
            elements(kid, found)
    elif isinstance(node, dict):
        if "/S" in node:
            found.append(node)
        if "/K" in node:
            elements(node["/K"], found)
    return found


def test_tagged_with_language_title_and_ua_mark(pdf: bytes) -> None:
    root = reader_of(pdf).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] is True or bool(root["/MarkInfo"]["/Marked"])
    assert str(root["/Lang"]).startswith("en") and "/StructTreeRoot" in root
    assert "pdfuaid:part>1<" in root["/Metadata"].get_data().decode()
    assert reader_of(pdf).metadata.title == "Monthly review: Success Mentors, Riverbend School District"


def test_every_drawing_has_its_alt_text_and_tables_have_heads(pdf: bytes) -> None:
    tags = elements(reader_of(pdf).trailer["/Root"]["/StructTreeRoot"], [])
    alts = [str(tag["/Alt"]) for tag in tags if "/Alt" in tag]
    for kind in [*gallery.DRAWINGS, "day_dots"]:
        assert f"Drawing of {kind}: made-up values in a sentence." in alts
    kinds = [str(tag["/S"]) for tag in tags]
    assert kinds.count("/H1") == 1 and "/TH" in kinds and "/Table" in kinds
    levels = [int(kind[2]) for kind in kinds if re.fullmatch(r"/H[1-6]", kind)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_letter_paper_shipped_fonts_and_a_foot_on_every_page(pdf: bytes) -> None:
    reader = reader_of(pdf)
    fonts = set(re.findall(rb"/BaseFont/[A-Z]{6}\+([A-Za-z0-9-]+)", pdf)) | {
        str(font.get_object().get("/BaseFont", "")).split("+")[-1].encode()
        for page in reader.pages for font in page["/Resources"].get("/Font", {}).values()}
    assert fonts and all(name.startswith(b"PublicSans") for name in fonts), fonts
    for i, page in enumerate(reader.pages):
        assert (float(page.mediabox.width), float(page.mediabox.height)) == (612.0, 792.0)
        text = page.extract_text()
        assert f"Page {i + 1} of {len(reader.pages)}" in text
        assert "Partner copy, small groups hidden" in text and "as of January 30, 2026" in text


@pytest.mark.parametrize("audience", ["team", "public"])
def test_same_bytes_twice_and_no_date(audience: str) -> None:
    first, second = (page_pdf(gallery.sections(audience)) for _ in range(2))
    assert first == second
    metadata = reader_of(first).metadata
    assert "/CreationDate" not in metadata or "1970" in str(metadata["/CreationDate"])


def test_hidden_cells_and_cut_lists_read_as_in_html(pdf: bytes) -> None:
    text = "\n".join(page.extract_text() for page in reader_of(pdf).pages)
    assert "hidden" in text and "Shown: 3 of 4." in text and "Probably better" in text


def test_hostile_text_is_printed_not_run() -> None:
    text = "\n".join(page.extract_text() for page in reader_of(page_pdf(hostile_sections())).pages)
    squeezed = re.sub(r"\s+", "", text)
    assert '#read("/etc/passwd")' in squeezed and "root:x:0:0" not in squeezed
    assert r"Ana$\frac{" in squeezed and "<imgsrc=x" in squeezed
    assert "\u202e" not in text


def test_a_letter_outside_the_font_does_not_stop_the_page() -> None:
    section = b.Section(gallery.context("team"), "names", "Names", (b.Paragraph("Иван Петров"), b.Paragraph("Ωμέγα")))
    assert "Иван Петров" in reader_of(page_pdf([section])).pages[0].extract_text()


def test_every_audience_and_an_empty_section_make_a_page() -> None:
    for audience in b.AUDIENCES:
        section = b.Section(gallery.context(audience, last_day="", definitions="", is_sample=False), "e", "Nothing yet")
        assert len(reader_of(page_pdf([section])).pages) == 1
