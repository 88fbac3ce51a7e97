"""How pandas holds texts changes what a run costs, never what it says; the reader's own cells find pandas as it is."""

from __future__ import annotations

import gc
from pathlib import Path

import pandas as pd
import pytest

from evalkit import engine
from evalkit.kernels.inprocess import uses_only_evalkit
from evalkit.run import run_report, working_on

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.mark.parametrize("report", ["monthly_review", "barrier_patterns"])
def test_both_ways_of_holding_texts_give_the_same_bytes(report, tmp_path, monkeypatch):
    made = {}
    for name, size in (("python", engine.SMALL_STUDY), ("arrow", 0)):
        monkeypatch.setattr(engine, "SMALL_STUDY", size)
        with working_on(SAMPLE, report):
            folder = run_report(report, SAMPLE, params={"month": "2026-02"}, out=tmp_path / name)
        made[name] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
                      if path.suffix in (".html", ".json", ".csv") and path.name != "MANIFEST.json"}
    assert made["python"].keys() == made["arrow"].keys() and len(made["arrow"]) > 3
    assert made["python"] == made["arrow"]


def test_the_setting_of_the_reader_comes_back(tmp_path):
    (tmp_path / "a.csv").write_text("x\n", encoding="utf-8")
    before = pd.get_option("mode.string_storage")
    with engine.text_storage(tmp_path):
        assert pd.get_option("mode.string_storage") == "python"
    assert pd.get_option("mode.string_storage") == before


def test_cycles_are_searched_for_seldom_only_while_a_small_study_is_worked_on(monkeypatch):
    before = gc.get_threshold()
    with working_on(SAMPLE, "monthly_review"):
        assert gc.get_threshold()[0] == 100_000
    assert gc.get_threshold() == before
    monkeypatch.setattr(engine, "SMALL_STUDY", 0)
    with working_on(SAMPLE, "monthly_review"):
        assert gc.get_threshold() == before


@pytest.mark.parametrize("source, own", [
    ("import evalkit as ek\nfrom evalkit.reports import monthly_review", True), ("x = 1", True),
    ("import evalkit as ek\nimport pandas as pd", False), ("from seaborn import lineplot", False),
    ("study.table('contact')['date'].dt.day_name()", False), ("%matplotlib inline", False)])
def test_only_our_own_cells_are_run_that_way(source, own):
    assert uses_only_evalkit({"cells": [{"cell_type": "code", "source": source}]}) is own
