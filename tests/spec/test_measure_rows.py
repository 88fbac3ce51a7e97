"""results.json `measures`: exactly one row per school and one of all; what cannot be had is null with its reason."""

from __future__ import annotations

import pytest
from sources_world import BASE, TOTALS, opened

from evalkit.reports.month_facts import measure_rows

FIGURES = ("n_students", "n_enrolled_days", "n_absent_days", "ada", "n_chronic", "n_satisfactory", "n_at_risk",
           "n_moderate", "n_severe", "n_extreme")
SILENT = {
    "student": BASE["student"] + "0005,03\n",
    "enrollment": BASE["enrollment"] + "0005,0057,2025,2024-09-03,\n",
    "calendar": BASE["calendar"] + BASE["calendar"].partition("\n")[2].replace("0042", "0057"),
}


def schools(rows) -> list:
    return [row["school_id"] for row in rows]


def test_a_school_that_sent_nothing_has_a_row_with_its_reason(tmp_path):
    rows = measure_rows(opened(tmp_path, SILENT))
    assert schools(rows) == ["0042", "0057", None]
    assert rows[1]["n_students"] == 0 and rows[1]["ada"] is None and rows[1]["reason"]
    assert rows[2]["n_students"] == 4 and all(name in row for row in rows for name in FIGURES)


def test_a_school_of_an_earlier_year_alone_has_none(tmp_path):
    spans = BASE["enrollment"] + "0001,0031,2024,2023-09-05,2024-06-14\n"
    assert schools(measure_rows(opened(tmp_path, {"enrollment": spans}))) == ["0042", None]


@pytest.mark.parametrize("base", [BASE, TOTALS])
def test_both_minimal_sets_give_every_figure(tmp_path, base):
    rows = measure_rows(opened(tmp_path, base=base))
    assert schools(rows) == ["0042", None]
    assert all(row[name] is not None for row in rows for name in FIGURES)


def test_a_study_of_one_school_has_a_partners_copy_of_its_measures(tmp_path):
    from types import SimpleNamespace

    from evalkit.reports.gate import Gate
    from evalkit.reports.month_release import hidden_by_school, hidden_overall, released_measures

    study = opened(tmp_path)
    facts = SimpleNamespace(measures=tuple(measure_rows(study)), whole=(), rules=study.rules)
    gate = Gate(study.config.privacy, "partner")
    rows = released_measures(facts, gate)
    assert schools(rows) == ["0042", None]
    assert {key: value for key, value in rows[0].items() if key != "school_id"} == {
        key: value for key, value in rows[1].items() if key != "school_id"}
    assert hidden_by_school(facts, gate) == {"0042": hidden_overall(facts, gate)}
