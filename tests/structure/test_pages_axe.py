"""The pages, judged by axe-core in Chromium at three widths with folds open. Skipped where either is absent.

The browser is driven through its debugging pipe (chromium.py): a window of 390 or 320 px is really that narrow, and the
page's own policy stays in force while it is judged.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "spec"), str(ROOT / "tests" / "structure")]
import pages_gallery  # noqa: E402
from chromium import CHROMIUM, Page, browser  # noqa: E402

from evalkit.render.html import index_html, page_html  # noqa: E402

PLACES = (os.environ.get("EVALKIT_AXE", ""), ROOT / "node_modules/axe-core/axe.min.js")
AXE = next((Path(place) for place in PLACES if str(place) and Path(place).is_file()), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    not CHROMIUM or AXE is None,
    reason="axe-core needs Chromium, and the npm package axe-core: npm install axe-core here, or EVALKIT_AXE naming "
           "its file axe.min.js.",
)]
WIDTHS = (1280, 390, 320)
REPORTS = ("data_check", "monthly_review", "impact_study", "barrier_patterns", "celebration", "program_profile",
           "student_selection")
PAGES = {"monthly_review": 4, "celebration": 2}
"""Page limits of the house style, by report, for the official pdf and for the page printed from a browser."""
JUDGE = """axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','best-practice']}).then(r =>
  r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 160))]))"""
WIDE = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && !e.closest('svg')
  && !e.closest('.skip') && !e.closest('thead')
  && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + '.' + e.className)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def judged(page: Page, path: Path, width: int) -> dict[str, Any]:
    """What axe finds wrong, what is wider than the window, what was asked of the network, what the console says."""
    assert AXE is not None
    page.open(path, width)
    assert page.run("innerWidth") == width
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.run(AXE.read_text(encoding="utf-8") + ";true")
    return {"violations": page.run(JUDGE), "wide": page.run(WIDE), "asked": page.asked_for(), "said": page.complaints()}


SOUND: dict[str, Any] = {"violations": [], "wide": [], "asked": [], "said": []}


@pytest.mark.parametrize("audience", ["team", "partner", "public"])
def test_gallery_of_blocks(page: Page, audience: str, tmp_path: Path) -> None:
    path = tmp_path / "gallery.html"
    path.write_text(page_html(pages_gallery.sections(audience)), encoding="utf-8")
    assert {width: judged(page, path, width) for width in WIDTHS} == dict.fromkeys(WIDTHS, SOUND)


def test_index(page: Page, tmp_path: Path) -> None:
    rows = [{"href": "a/b/c/report.html", "name": "monthly_review", "report": "monthly_review", "study": "Riverbend",
             "period": "2026-01", "audience": "team", "as_of": "2026-01-30"}]
    path = tmp_path / "index.html"
    path.write_text(index_html(rows), encoding="utf-8")
    assert {width: judged(page, path, width) for width in WIDTHS} == dict.fromkeys(WIDTHS, SOUND)


@pytest.mark.parametrize("audience", ["team", "partner"])
@pytest.mark.parametrize("report", REPORTS)
def test_every_report_of_the_sample(page: Page, report: str, audience: str, tmp_path: Path) -> None:
    import io

    from pypdf import PdfReader

    from evalkit.run import run_report

    folder = run_report(report, ROOT / "data" / "sample", params={"audience": audience}, out=tmp_path)
    path = folder / "report.html"
    assert {width: judged(page, path, width) for width in WIDTHS} == dict.fromkeys(WIDTHS, SOUND)
    official = PdfReader(folder / "report.pdf")
    assert official.trailer["/Root"]["/MarkInfo"]["/Marked"] and len(official.pages) <= PAGES.get(report, 99)
    page.open(path, 1280)
    assert len(PdfReader(io.BytesIO(page.printed())).pages) <= PAGES.get(report, 99)
