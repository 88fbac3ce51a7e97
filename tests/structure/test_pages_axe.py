"""The pages, judged by axe-core in Chromium at three widths with folds open. Skipped where either is absent."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "spec"))
import pages_gallery  # noqa: E402

from evalkit.render.html import index_html, page_html  # noqa: E402

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
PLACES = (os.environ.get("EVALKIT_AXE", ""), ROOT / "node_modules/axe-core/axe.min.js")
AXE = next((Path(place) for place in PLACES if str(place) and Path(place).is_file()), None)
needs_axe = pytest.mark.skipif(
    not CHROMIUM or AXE is None,
    reason="axe-core needs Chromium, and EVALKIT_AXE naming the file axe.min.js of the npm package axe-core.",
)
RUN = """<script>%s</script><script>
document.querySelectorAll('details').forEach(d => d.open = true);
axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','best-practice']}).then(r => {
  const wide = [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && !e.closest('svg')
    && !e.closest('.skip') && !e.closest('thead')
    && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(e => e.tagName + '.' + e.className);
  document.body.innerHTML = ''; const out = document.createElement('pre'); out.id = 'axe';
  out.textContent = JSON.stringify({wide,
    violations: r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 160))])});
  document.body.appendChild(out); });
</script></body>"""


def judged(html: str, width: int, folder: Path) -> dict:
    """What axe finds wrong, and what is wider than the window. The judged copy lacks the policy, to let axe in."""
    assert AXE is not None
    script = AXE.read_text(encoding="utf-8").replace("</script", "<\\/script")
    copy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    page = folder / f"{width}.html"
    page.write_text(copy.replace("</body>", RUN % script), encoding="utf-8")
    shown = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},2000",
                            "--virtual-time-budget=20000", "--dump-dom", page.as_uri()],
                           capture_output=True, text=True, timeout=120, check=False).stdout
    found = re.search(r'<pre id="axe">(.*?)</pre>', shown, flags=re.S)
    assert found, "axe did not finish"
    text = found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return json.loads(text)


@needs_axe
@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("audience", ["team", "public"])
def test_no_violation_and_nothing_runs_off_the_page(audience: str, width: int, tmp_path: Path) -> None:
    found = judged(page_html(pages_gallery.sections(audience)), width, tmp_path)
    assert found["violations"] == []
    assert found["wide"] == []


@needs_axe
@pytest.mark.slow
def test_index_has_no_violation(tmp_path: Path) -> None:
    rows = [{"href": "a/b/c/report.html", "name": "monthly_review", "report": "monthly_review", "study": "Riverbend",
             "period": "2026-01", "audience": "team", "as_of": "2026-01-30"}]
    found = judged(index_html(rows), 390, tmp_path)
    assert found["violations"] == [] and found["wide"] == []
