"""A district that does not know the search: what was planted is found in the codes of results.json, what everyone
shares is not, and studies with hardly anything in them are answered and not crashed on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from outside_district import PLANTED, outside_frames, outside_study

import evalkit as ek
from evalkit.patterns import find_patterns, search_grid
from evalkit.reports import barrier_patterns as report


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outside")
    truth = outside_study(folder, seed=1, n=1_200)
    return find_patterns(ek.open_study(folder)), truth


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_is_a_finding_under_its_own_codes(planted, name):
    table, truth = planted
    kind, group, pattern = truth[name]
    row = table[table["kind"].eq(kind) & table["group"].eq(group) & table["pattern"].eq(pattern)].iloc[0]
    assert row["q_value"] < 0.05 and row["is_finding"] and row["explained_by"] == ""
    assert row["ci_low"] > 1


def test_a_route_without_a_pattern_is_no_finding(planted):
    table, _ = planted
    own = table[table["is_finding"] & table["explained_by"].eq("")]
    assert not own["group"].eq("bus_route=R02").any()


def test_flu_storm_and_breaks_of_all_schools_are_no_findings():
    for seed in (51, 52, 53):
        frames, _ = outside_frames(seed=seed, planted=(), n=900)
        table = search_grid(*frames, seed=seed)
        shared_by_all = table["pattern"].str.startswith("month=") | table["pattern"].str.endswith("_holiday")
        assert not (table[shared_by_all]["q_value"] < 0.05).any()
        everyone = table[table["group"].eq("all")].set_index("pattern")
        assert everyone.loc["before_holiday", "rate_ratio"] > 1.2 and everyone["q_value"].isna().all()


def test_a_storm_in_one_school_is_no_month_and_no_weekday():
    (grid, events, periods), _ = outside_frames(seed=61, planted=(), n=900)
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(grid.home == 0)
    grid.absent[rows, 70] = rng.random(len(rows)) < 0.5
    flu = np.ix_(rows, np.arange(100, 105))
    grid.absent[flu] |= rng.random((len(rows), 5)) < 0.12
    table = search_grid(grid, events, periods)
    own = table[table["group"].str.startswith("school_id=") & table["kind"].eq("calendar")]
    assert not (own["q_value"] < 0.05).any()


def _sections(folder, audience="team"):
    study, params = ek.open_study(folder), report.Params(study=str(folder), audience=audience)
    makers = (report.what_stands_out, report.reasons, report.when, report.help_for_barriers)
    return [make(study, params) for make in makers]


def _rewrite(folder, name, change):
    file = folder / f"{name}.csv"
    change(pd.read_csv(file, dtype=str, keep_default_na=False)).to_csv(file, index=False, lineterminator="\n")


def _only_one_student(folder):
    first = pd.read_csv(folder / "assignment.csv", dtype=str)["student_id"].min()
    for name in ("student", "enrollment", "attendance_event", "attendance_period", "assignment"):
        _rewrite(folder, name, lambda t: t[t["student_id"].eq(first)])


EDGES = {
    "one student": _only_one_student,
    "an empty month": lambda f: _rewrite(f, "attendance_event", lambda t: t[~t["date"].str.startswith("2025-02")]),
    "no reasons at all": lambda f: _rewrite(f, "code_table", lambda t: t.drop(columns="pattern")),
    "all reasons unknown": lambda f: _rewrite(f, "code_table", lambda t: t.assign(pattern="no_reason")),
    "no periods, zips, routes or homes": lambda f: [
        (f / "attendance_period.csv").unlink(),
        _rewrite(f, "student", lambda t: t[["student_id", "grade_level"]]),
    ],
}


@pytest.mark.parametrize("edge", EDGES)
def test_little_data_is_answered(tmp_path, edge):
    outside_study(tmp_path, seed=7, n=160, n_schools=1 if edge != "an empty month" else 2)
    EDGES[edge](tmp_path)
    opening, reasons, when, _ = _sections(tmp_path)
    assert opening.title and reasons.title and when.title
    rows = opening.numbers["patterns"]
    if edge == "all reasons unknown":
        assert "no absence here has a reason on record" in str(reasons.blocks).lower()
    if "reasons" in edge:
        assert not any(row["kind"] == "reasons" for row in rows)
    if edge == "one student":
        assert not any(row["q_value"] is not None and row["group"] != "all" for row in rows)
