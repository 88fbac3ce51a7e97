"""A notebook of three cells in a folder of its own: enough to test running without a study."""

from __future__ import annotations

import json
from pathlib import Path

PARAMETERS = '''study: str = "data"  # the study's folder
month: str = ""  # YYYY-MM
as_of: str = ""  # YYYY-MM-DD
school: str = ""  # one school's id
audience: str = "team"  # team, partner or public
out: str = ""  # where finished folders go
n_rows: int = 3  # how many rows
share: float = 0.5  # a share
is_short: bool = False  # leave things out'''

SECTION = '''import evalkit as ek
from evalkit.reports.params import Params
from evalkit.render.blocks import Context, Paragraph
from evalkit.disclosure import plain_text
from evalkit.disclosure.types import ReleasedNumbers
params = Params(study=study, month=month, as_of=as_of, school=school, audience=audience, out=out)
context = Context("tiny", "Tiny", "Study", "Buddies", audience, "2026-01-30", month or "2026-01-30", folder="data")
opening = ek.Section(context, "opening", "A title", (Paragraph(plain_text("Words.")),),
                     numbers=ReleasedNumbers(n_rows=n_rows))
opening'''


def write_notebook(folder: Path, *cells: str, name: str = "tiny", parameters: str = PARAMETERS) -> Path:
    """notebooks/<name>.ipynb below `folder`, and an empty study folder `data`."""
    sources = [parameters, *(cells or (SECTION, "ek.publish(params, [opening])"))]
    notebook = {
        "cells": [{"cell_type": "code", "execution_count": None, "id": f"c{i}", "outputs": [], "source": source,
                   "metadata": {"tags": ["parameters"]} if i == 0 else {}} for i, source in enumerate(sources)],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                     "language_info": {"name": "python"}},
        "nbformat": 4, "nbformat_minor": 5}
    path = folder / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    return path
