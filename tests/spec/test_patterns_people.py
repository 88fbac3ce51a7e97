"""Coders, surveys, resolution, subgroups and lists of students, against statsmodels, closed forms and planted cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_patterns import _grid

from evalkit.errors import UserError
from evalkit.patterns.cells import cell_members, find_cells
from evalkit.patterns.fading import fading_students, skipped_periods
from evalkit.patterns.help import gap_matrix, referral_funnel, resolution_difference, resolution_windows
from evalkit.patterns.voices import coder_agreement, cohen_kappa, response_table, wilson
from evalkit.sources.confirmed_notes import read_confirmed


def test_kappa_and_its_interval_are_those_of_statsmodels():
    from statsmodels.stats.inter_rater import cohens_kappa

    first = np.repeat(["a", "a", "b", "b", "c"], [20, 5, 10, 15, 7])
    second = np.repeat(["a", "b", "a", "b", "c"], [20, 5, 10, 15, 7])
    names = ["a", "b", "c"]
    table = pd.crosstab(first, second).reindex(index=names, columns=names, fill_value=0).to_numpy()
    reference, found = cohens_kappa(table), cohen_kappa(first, second)
    assert found["kappa"] == pytest.approx(reference.kappa)
    assert found["ci_low"] == pytest.approx(reference.kappa_low) and found["ci_high"] == pytest.approx(
        reference.kappa_upp
    )


def test_kappa_by_hand():
    # 50 statements: 20 yes-yes, 5, 10, 15 no-no: agreement .7, by chance .5, kappa .4
    first, second = np.repeat(["y", "y", "n", "n"], [20, 5, 10, 15]), np.repeat(["y", "n", "y", "n"], [20, 5, 10, 15])
    assert cohen_kappa(first, second)["kappa"] == pytest.approx(0.4)


def test_only_the_same_statement_is_compared():
    rows = [(f"q{k}", coder, "bus" if k % 2 else "trust") for k in range(12) for coder in ("K1", "K2")]
    insight = pd.DataFrame(rows, columns=["quote", "coder", "theme"]).assign(
        date=pd.Timestamp("2026-01-05"), source_role="family", pattern=None
    )
    table = coder_agreement(insight).set_index("field")
    assert table.loc["theme", ["n", "kappa"]].tolist() == [12, 1.0]
    assert coder_agreement(insight.assign(date=pd.date_range("2026-01-05", periods=24))).empty


def test_wilson_is_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    low, high = wilson(np.array([0, 7]), np.array([10, 20]))
    for k, (count, size) in enumerate(((0, 10), (7, 20))):
        reference = proportion_confint(count, size, method="wilson")
        assert (low[k], high[k]) == pytest.approx(reference, abs=1e-12)


def test_survey_gap_is_the_share_among_answers_minus_the_share_of_all():
    table = response_table(pd.DataFrame({"band": ["x", "y"], "n_roster": [60, 40], "n_answered": [10, 30]}))
    assert table["gap"].tolist() == pytest.approx([0.25 - 0.6, 0.75 - 0.4, 0]) and table["response"].iloc[2] == 0.4
    assert (table["gap_high"].iloc[0] < 0) and (table["gap_low"].iloc[1] > 0)


def test_resolution_is_the_regression_within_barriers_clustered_by_student():
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(5)
    table = pd.DataFrame(
        {
            "student_id": rng.integers(0, 40, 60).astype(str),
            "pattern": rng.choice(["food", "housing", "sleep"], 60),
            "group": rng.choice(["resolved", "open"], 60),
            "change": rng.normal(0, 0.1, 60),
        }
    )
    found = resolution_difference(table).iloc[0]
    reference = smf.ols("change ~ I(group == 'resolved') + C(pattern)", table).fit(
        cov_type="cluster", cov_kwds={"groups": table["student_id"].astype(int), "df_correction": True}, use_t=True
    )
    name = "I(group == 'resolved')[T.True]"
    assert found["difference"] == pytest.approx(reference.params[name])
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(tuple(reference.conf_int().loc[name]))


def test_an_open_barrier_turns_after_the_usual_wait():
    day = pd.Timestamp("2025-10-01")
    barriers = pd.DataFrame(
        {
            "student_id": ["a", "b"],
            "pattern": "food",
            "identified_date": [day, day],
            "source": "mentor",
            "status": ["resolved", "open"],
            "resolved_date": [day + pd.Timedelta(days=20), pd.NaT],
        }
    )
    table = resolution_windows(barriers, day + pd.Timedelta(days=300))
    assert table.loc[table["when"].eq("after"), "start"].tolist() == [day + pd.Timedelta(days=20)] * 2


def test_a_planted_fading_student_is_listed_and_few_others():
    grid, _, _ = _grid(n=200, n_days=150, rate=0.08, seed=3)
    grid.absent[7, :100], grid.absent[7, 100:] = False, np.arange(50) % 2 == 0
    found = fading_students(grid, n_permutations=99)
    assert found["student_id"].iloc[0] == "007" and len(found) <= 3
    assert abs((found["since"].iloc[0] - grid.dates[100]).days) <= 14


def test_a_student_who_skips_one_period_is_found():
    grid, _, _ = _grid()
    usual = [(f"{k:03d}", str(1 + (k + j) % 7)) for k in range(60) for j in range(7)]
    missed = pd.DataFrame(usual + [("004", "1")] * 14, columns=["student_id", "period"])
    assert skipped_periods(grid, missed)[["student_id", "period"]].to_numpy().tolist() == [["004", "1"]]


def test_a_subgroup_is_found_on_the_half_that_did_not_choose_it():
    grid, absences, _ = _grid(n=600, n_days=150, rate=0.1, seed=8)
    rows = cell_members(grid)["grade_level=01 & english_learner=true"]
    wednesdays = np.flatnonzero(grid.dates.day_name() == "Wednesday")
    grid.absent[np.ix_(rows, wednesdays)] |= np.random.default_rng(1).random((len(rows), len(wednesdays))) < 0.25
    table = find_cells(grid, absences.assign(pattern="no_reason"))
    row = table[table["pattern"].eq("weekday=Wednesday")].iloc[0]
    assert row["group"] == "grade_level=01 & english_learner=true" and row["p_value"] < 1e-4
    assert abs(row["n_students"] - len(rows) / 2) < 0.2 * len(rows)


def test_confirmed_reasons_are_read_and_a_missing_column_is_refused(tmp_path):
    assert read_confirmed(tmp_path).empty
    (tmp_path / "notes").mkdir()
    file = tmp_path / "notes" / "reason_confirmed.csv"
    file.write_text("contact_id;pattern;confirmed\nC1;food;yes\nC1;food;no\n", encoding="utf-8")
    assert read_confirmed(tmp_path)[["confirmed", "row"]].to_numpy().tolist() == [["no", 3]]
    file.write_text("contact_id,pattern\n", encoding="utf-8")
    with pytest.raises(UserError) as problem:
        read_confirmed(tmp_path)
    assert problem.value.column == "confirmed"


def test_gap_and_funnel_are_those_counted_student_by_student():
    """Brute force over made rows: loops over students, barriers and resources."""
    rng = np.random.default_rng(11)
    n, names, day = 300, ["food", "housing", "sleep", "transportation"], pd.Timestamp("2026-03-02")
    barriers = pd.DataFrame(
        {
            "student_id": rng.integers(0, 80, n).astype(str),
            "pattern": rng.choice(names, n),
            "source": rng.choice(["mentor", "family", "text_suggested"], n),
            "status": rng.choice(["open", "in_progress", "resolved", "cannot_resolve"], n),
        }
    )
    resources = pd.DataFrame(
        {
            "resource_id": [f"R{k}" for k in range(6)],
            "patterns": ["food", "food;housing", "housing; sleep", "sleep", None, "food"],
            "capacity": pd.array([5, 7, None, 2, 9, 100], dtype="Int64"),
            "checked_date": [day, day - pd.Timedelta(days=181), pd.NaT, day - pd.Timedelta(days=180), day, day],
            "active": pd.array([True, None, True, True, True, False], dtype="boolean"),
        }
    )
    gap = gap_matrix(barriers, resources, day).set_index("pattern")
    live = [
        (s, p)
        for s, p, o, t in barriers.itertuples(index=False)
        if o != "text_suggested" and t in ("open", "in_progress")
    ]
    places, stale = {"food": 12, "housing": 7, "sleep": 2}, {"food": 1, "housing": 2, "sleep": 1}
    for name in names:
        need = len({s for s, p in live if p == name})
        assert gap.loc[name, "n_students"] == need and gap.loc[name, "capacity"] == places.get(name, 0)
        assert gap.loc[name, "unserved"] == max(need - places.get(name, 0), 0)
        assert gap.loc[name, "n_stale"] == stale.get(name, 0)
    assert gap["unserved"].is_monotonic_decreasing and gap.loc["transportation", "ask"] == "Find a first partner"
    referrals = pd.DataFrame(
        {
            "student_id": rng.integers(0, 80, 120).astype(str),
            "pattern": rng.choice(names, 120),
            "made_date": day - pd.to_timedelta(rng.integers(10, 60, 120), unit="D"),
            "outcome": rng.choice(["connected", "waitlisted", "declined", "no_show", None], 120),
            "outcome_date": day - pd.to_timedelta(rng.integers(0, 9, 120), unit="D"),
        }
    )
    funnel = referral_funnel(barriers, referrals).set_index("pattern")
    for name in names:
        own = [row for row in referrals.itertuples() if row.pattern == name]
        done = [row for row in own if row.outcome == "connected"]
        assert funnel.loc[name, "n_referred"] == len({row.student_id for row in own})
        assert funnel.loc[name, "n_connected"] == len({row.student_id for row in done})
        assert funnel.loc[name, "n_ended"] == len({r.student_id for r in own if r.outcome in ("declined", "no_show")})
        days = sorted((row.outcome_date - row.made_date).days for row in done)
        assert funnel.loc[name, "days_to_connect"] == np.median(days)
