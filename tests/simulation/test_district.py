"""A made district reproduces the published figures it is built from, and its truth is exact."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import UsageError
from evalkit.simulate import PATTERNS, simulate_district, write_study
from evalkit.simulate.settings import CODES, MONTH_RATIO, WEEKDAY_RATIO

COUNTS = {code: row[2] for code, row in CODES.items()}
# preset: published or fitted mean share missed, chronic share, P(chronic | chronic the year before), year-to-year r
PUBLISHED = {
    "pre": (0.042, 0.094, 0.46, 0.61),
    "post": (0.068, 0.218, 0.62, 0.71),
    "elementary": (0.061, 0.182, 0.51, 0.55),
    "high_school": (0.105, 0.328, 0.74, 0.79),
}


def _years(district, school_year=2026):
    """Rates of this year (up to the last complete day) and of the year before, students with 150 days in both."""
    end = district["school"]["complete_through"].iloc[0]
    event = district["attendance_event"]
    now = event[event["date"].between("2025-08-01", end)]
    days = now["code_local"].map(COUNTS).groupby(now["student_id"]).sum()
    calendar = district["calendar"]
    n_days = calendar[
        calendar["is_instructional"] & calendar["date"].between("2025-08-01", end) & calendar["school_id"].eq("0101")
    ].shape[0]
    spans = district["enrollment"].query("school_year == '2026'")
    once = spans[~spans["student_id"].duplicated(keep=False) & spans["exit_date"].isna()]
    once = once[once["entry_date"] == once["entry_date"].min()]
    prior = district["prior_year"].set_index("student_id").query("days_enrolled >= 170")
    both = prior.index.intersection(once["student_id"])
    prior = prior.loc[both]
    return days.reindex(both).fillna(0) / n_days, prior["days_absent"] / prior["days_enrolled"]


@pytest.mark.parametrize("preset", list(PUBLISHED))
def test_levels_and_persistence_are_the_published_ones(preset):
    now, before = _years(simulate_district(n_students=12000, n_schools=24, seed=7, preset=preset, records=False))
    mean, chronic, stays, correlation = PUBLISHED[preset]
    assert before.mean() == pytest.approx(mean, rel=0.07)  # sampling error of the mean with 24 schools is about 3 %
    assert (before >= 0.1).mean() == pytest.approx(chronic, abs=0.02)  # 0.4 points of sampling error, 1.5 of fit
    assert (now >= 0.1)[before >= 0.1].mean() == pytest.approx(stays, abs=0.06)  # one decimal of the published figure
    assert np.corrcoef(now, before)[0, 1] == pytest.approx(correlation, abs=0.05)  # fit of the recipe


def test_chronically_absent_students_fall_by_days_without_a_programme():
    now, before = _years(simulate_district(n_students=12000, n_schools=24, seed=11, records=False))
    fall = 175 * (before - now)[before >= 0.1].mean()
    assert 4.5 < fall < 8.5  # data.md: 5.5 to 8 of 175 days, standards.md section 4: 5.2 to 8.2 of 180


def test_weekdays_and_months_follow_the_published_ratios():
    district = simulate_district(n_students=12000, n_schools=24, seed=3, records=False, history=False)
    event = district["attendance_event"]
    event = event[event["date"] <= district["school"]["complete_through"].iloc[0]]
    per_day = event["code_local"].map(COUNTS).groupby(event["date"]).sum()
    ratio = per_day / per_day.mean()
    by_weekday = ratio.groupby(ratio.index.day_of_week).mean()
    assert by_weekday.to_numpy() == pytest.approx(WEEKDAY_RATIO, abs=0.03)  # counts of 160 days: 2 points of noise
    by_month = ratio.groupby(ratio.index.month).mean().drop(6)  # June is cut at the last complete day
    expected = pd.Series(MONTH_RATIO).reindex(by_month.index)
    # mid-year moves thin the roll by 3 % and the mean day here leaves out late June
    assert by_month.to_numpy() == pytest.approx(expected.to_numpy(), abs=0.07)


def test_reasons_and_moves_have_the_stated_shares():
    district = simulate_district(n_students=12000, n_schools=24, seed=5, records=False, history=False)
    code = district["attendance_event"]["code_local"]
    code = code[code.map(COUNTS) > 0]
    assert code.map(lambda c: CODES[c][4]).mean() == pytest.approx(0.45, abs=0.05)  # published 45 %, by level it varies
    assert 0.20 <= code.map(lambda c: CODES[c][6] == "no_reason").mean() <= 0.30  # data.md: 20-30 % (assumption)
    spans = district["enrollment"]
    moved = spans.loc[spans["exit_type"].isin(["Transfer", "Left district"]), "student_id"].nunique()
    assert 0.045 <= moved / 12000 <= 0.08  # data.md: 5-8 %
    assert spans["exit_type"].eq("No show").sum() > 0 and spans["is_primary"].eq(False).sum() > 0


def test_the_truth_is_the_effect_that_was_asked_for():
    district = simulate_district(n_students=12000, n_schools=24, effect_days=-4, seed=2, records=False, history=False)
    truth = district.truth.summary
    # per-student ratios weigh late starters more than the day-weighted target does: 5 %
    assert truth["att_days_per_180_expected"] == pytest.approx(-4, rel=0.05)
    # 1,200 mentored students: the realized change has a standard error of about 0.15 days
    assert truth["att_days_per_180_realized"] == pytest.approx(truth["att_days_per_180_expected"], abs=0.5)


def test_no_effect_means_the_same_path_and_one_seed_means_one_district():
    none = simulate_district(n_students=600, n_schools=3, effect_days=0, seed=4)
    assert (none.truth.students["absent_days"] == none.truth.students["absent_days_untreated"]).all()
    again = simulate_district(n_students=600, n_schools=3, effect_days=0, seed=4)
    for name in none:
        pd.testing.assert_frame_equal(none[name], again[name])
    with_effect = simulate_district(n_students=600, n_schools=3, effect_days=-4, seed=4)
    merged = none.truth.students.merge(with_effect.truth.students, on="student_id")
    assert len(merged) == len(none.truth.students)  # selection does not see the effect
    assert (
        merged["absent_days_untreated_x"] - merged["absent_days_untreated_y"]
    ).abs().max() <= 6  # codes differ, days do not


def test_the_truth_agrees_with_the_file_of_events():
    district = simulate_district(n_students=1200, n_schools=6, effect_days=-3, seed=8, history=False)
    truth = district.truth.students.set_index("student_id")
    event = district["attendance_event"].merge(
        truth[["begin_date", "window_end"]], left_on="student_id", right_index=True
    )
    inside = event[(event["date"] >= event["begin_date"]) & (event["date"] <= event["window_end"])]
    days = inside["code_local"].map(COUNTS).groupby(inside["student_id"]).sum().reindex(truth.index).fillna(0)
    assert days.to_numpy() == pytest.approx(truth["absent_days"].to_numpy(), abs=1e-9)  # halves are exact in binary


def test_options_act():
    base = dict(n_students=2400, n_schools=6, seed=9, effect_days=-4, records=False, history=False)
    by_band = simulate_district(**{**base, "effect_days": 0}, effect_by_band={"elementary": 0.0, "high": -4.0})
    change = by_band.truth.students.set_index("student_id")
    change = change["absent_days"] - change["absent_days_untreated"]
    grade = by_band["student"].set_index("student_id")["grade_level"].reindex(change.index)
    assert (change[grade.isin(["KG", "01", "02", "03", "04", "05"])] == 0).all()
    assert change[grade.isin(["09", "10", "11", "12"])].mean() < 0
    plain, spill = simulate_district(**base), simulate_district(**base, spillover=0.9)
    assert len(spill["attendance_event"]) < len(plain["attendance_event"])
    growing = simulate_district(**base, effect_profile="growing")
    assert not growing.truth.students.equals(plain.truth.students)
    planted = simulate_district(**base, planted=PATTERNS)
    assert {row["pattern"] for row in planted.truth.planted} >= {
        "weekday=Friday",
        "same_days",
        "period=1",
        "early_dismissal",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "now"},
        {"effect_profile": "up"},
        {"planted": ("moon",)},
        {"effect_by_band": {"college": -1}},
        {"effect_days": -60},
        {"n_schools": 0},
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(UsageError):
        simulate_district(**{"n_students": 600, "n_schools": 3, "seed": 1, "records": False, "history": False, **wrong})


def test_a_study_folder_holds_every_table_and_the_truth_apart(tmp_path):
    from evalkit.schemas import tables

    district = simulate_district(n_students=600, n_schools=3, effect_days=-2, seed=6, dirty=True)
    folder = write_study(tmp_path / "study", district, name="Trial")
    written = {path.stem for path in folder.glob("*.csv")}
    expected = set(tables()) - {"attendance_total"}
    assert written == expected
    assert (folder / "truth" / "truth.toml").exists() and "effect_days_asked = -2.0" in (
        folder / "truth" / "truth.toml"
    ).read_text()
