"""What a copy for others tells, without a folder: the cells of its notebook run, then its sections are read."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sample_runs import ROOT

from evalkit.disclosure.audit import Copy
from evalkit.render import sheets
from evalkit.render.folder import results, shown_tables
from evalkit.render.html import page_html
from evalkit.simulate import simulate_district, write_study


def district(folder: Path, n_students: int, n_schools: int, seed: int) -> Path:
    """The study that `evalkit simulate --students --schools --seed` writes."""
    write_study(folder, simulate_district(n_students=n_students, n_schools=n_schools, effect_days=-4.0, seed=seed),
                is_sample=True)
    return folder


def told(report: str, study: Path, month: str, audience: str = "partner") -> Copy:
    """The copy a reader gets: results.json and tables as text, the words of the page."""
    notebook = json.loads((ROOT / "notebooks" / f"{report}.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    space: dict[str, Any] = {}
    exec(cells[0], space)
    space.update(study=str(study), month=month, audience=audience)
    for cell in cells[1:-1]:
        exec(cell, space)
    space["ek"] = SimpleNamespace(publish=lambda params, sections: sections)
    sections = eval(cells[-1], space)
    tables = {stem: list(csv.DictReader(io.StringIO(sheets.csv_text(data).lstrip("\ufeff"))))
              for stem, data in shown_tables(sections).items()}
    known, page = results(sections), page_html(sections)
    rounded = max(map(int, re.findall(r"rounded to (\d+)", page)), default=1)
    text = re.sub(r"<style\b.*?</style>", " ", page, flags=re.S)
    return Copy(f"{month}/{report}-{audience}", str(known["study"]), report, str(known["as_of"]), "", audience, known,
                tables, re.sub(r"<[^>]+>", " | ", text), rounded)
