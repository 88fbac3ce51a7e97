"""School days inside what was sent that hold no row: said, because everybody counts as present on them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pandas as pd
import pytest

from evalkit.run import run_report
from evalkit.sources.silent import silent_days
from evalkit.study import open_study

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def small(counts: list[int], last: str = "2026-01-30") -> pd.DataFrame:
    """silent_days of one school with so many rows on each school day from 5 January on."""
    dates = pd.bdate_range("2026-01-05", periods=len(counts))
    events = pd.DataFrame({"school_id": "1", "date": dates.repeat(counts)})
    calendar = pd.DataFrame({"school_id": "1", "date": dates, "is_instructional": True})
    return silent_days({"attendance_event": events, "calendar": calendar}, {"1": pd.Timestamp(last)}, 2026)


def test_a_run_of_silent_days_is_found_and_chance_is_not():
    found = small([4, 3, 5, 0, 0, 0, 4, 4, 3, 5])
    assert found[["n_days", "first", "last"]].to_dict("records") == [
        {"n_days": 3, "first": pd.Timestamp("2026-01-08"), "last": pd.Timestamp("2026-01-12")}]
    assert small([4, 3, 0, 5, 4, 0, 0, 4, 3, 5]).empty  # one or two days without any happen
    assert small([1, 0, 0, 0, 1, 2, 1, 1, 0, 1]).empty  # a small school
    assert small([9, 8, 0, 9, 8, 9, 8, 9, 8, 9])["n_days"].tolist() == [1]  # 8 a day: never none


def test_days_after_the_last_complete_one_are_another_matter():
    assert small([4, 3, 5, 4, 0, 0, 0, 0], last="2026-01-08").empty


def test_check_and_review_say_it(tmp_path):
    assert not any("no row on" in remark for remark in open_study(SAMPLE).remarks)
    folder = shutil.copytree(SAMPLE, tmp_path / "study")
    for name in ("attendance_event", "attendance_period"):
        rows = pd.read_csv(folder / f"{name}.csv", dtype="str")
        rows[~rows["date"].str.startswith("2025-10")].to_csv(folder / f"{name}.csv", index=False)
    study = open_study(folder)
    assert sum("sent no row on 2" in remark for remark in study.remarks) == 6
    made = run_report("monthly_review", folder, params={"month": "2026-01"}, out=tmp_path / "out")
    page = (made / "report.html").read_text(encoding="utf-8")
    assert "Days missing:" in page and "Every school sent every day" not in page


@pytest.mark.parametrize("missing", ["calendar", "attendance_event"])
def test_a_study_without_calendar_or_rows_has_none(missing):
    study = open_study(SAMPLE)
    tables = {name: frame for name, frame in study.tables.items() if name not in (missing, "attendance_period")}
    study = dataclasses.replace(study, tables=tables)
    assert silent_days(study.tables, study.complete_through, study.school_year).empty


def test_a_month_that_the_data_have_not_reached_is_said_on_the_page(tmp_path):
    made = run_report("monthly_review", SAMPLE, params={"month": "2026-07"}, out=tmp_path)
    assert "Not July 2026:" in (made / "report.html").read_text(encoding="utf-8")


def test_every_list_says_why_a_student_is_on_it_and_what_comes_next():
    from evalkit.reports.month_facts import month_facts
    from evalkit.reports.month_tables import People, workbook
    from evalkit.reports.monthly_review import Params

    study = open_study(SAMPLE, month="2026-01")
    lists = workbook(study, month_facts(study, Params(study=str(SAMPLE), month="2026-01")), People(study))
    assert {"newly_flagged", "crossed_10", "no_family_contact", "escalations"} <= lists.keys()
    for name, frame in lists.items():
        assert frame["seen"].str.len().gt(0).all() and frame["next"].str.len().gt(0).all(), name
    assert not lists["crossed_10"]["next"].str.contains("home visit").any()
