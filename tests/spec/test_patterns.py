"""The arithmetic of the pattern searches, against closed forms, brute force and scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evalkit.patterns.calendar import contrasts, find_calendar, observed_and_expected
from evalkit.patterns.counts import days_per_student, weekday_counts
from evalkit.patterns.days import special_days
from evalkit.patterns.findings import families, family_of, group_words, pattern_words
from evalkit.patterns.grid import group_members, make_grid
from evalkit.patterns.help import gap_matrix, referral_funnel
from evalkit.patterns.permute import shuffled
from evalkit.patterns.reasons import (
    co_occurring,
    coverage,
    mantel_haenszel,
    shares_of_groups,
    shrink,
    student_reasons,
    with_reasons,
)
from evalkit.patterns.runs import due_so_far, largest_rise
from evalkit.patterns.search import missed_periods, q_values, search_grid
from evalkit.patterns.shared import find_late_mornings, find_shared


def _grid(n=60, n_days=40, rate=0.1, seed=0):
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2025-09-08", periods=n_days)
    students = pd.DataFrame(
        {
            "student_id": [f"{k:03d}" for k in range(n)],
            "grade_level": np.where(np.arange(n) < n // 2, "01", "02"),
            "english_learner": pd.array([k % 3 == 0 for k in range(n)], dtype="boolean"),
        }
    )
    spans = pd.DataFrame(
        {"student_id": students["student_id"], "school_id": "0001", "first_date": dates[0], "last_date": dates[-1]}
    )
    days = pd.DataFrame({"school_id": "0001", "date": dates})
    i, d = np.nonzero(rng.random((n, n_days)) < rate)
    absences = pd.DataFrame(
        {"student_id": students["student_id"].to_numpy()[i], "date": dates[d], "absent_units": 120_000}
    )
    calendar = days.assign(day_type=["early_dismissal" if k % 10 == 0 else "instructional" for k in range(n_days)])
    return make_grid(students, spans, absences, days, calendar), absences, days


def test_the_grid_counts_what_the_frames_hold():
    grid, absences, _ = _grid()
    assert grid.absent.sum() == len(absences) and grid.enrolled.all() and grid.special["early_dismissal"].sum() == 4
    assert set(group_members(grid)) == {"grade_level=01", "grade_level=02", "english_learner=true"}
    assert list(group_members(grid)["english_learner=true"]) == list(range(0, 60, 3))


def test_q_values_are_benjamini_hochberg():
    from scipy.stats import false_discovery_control

    p = np.array([0.001, 0.2, 0.04, 0.9, 0.01])
    assert q_values(p) == pytest.approx(false_discovery_control(p))
    assert np.isnan(q_values(np.array([np.nan, 0.5]))[0]) and q_values(np.array([np.nan, 0.5]))[1] == 0.5


def test_contrast_of_a_pure_poisson_is_the_likelihood_ratio():
    days = np.arange(40) % 5 == 4
    seen, expected = np.where(days, 12.0, 8.0), np.full(40, 8.0)
    row = contrasts(seen[None, :], expected[None, :], days, np.arange(40), np.zeros((1, 3)))
    row = {name: value[0] for name, value in row.items()}
    assert row["rate_ratio"] == pytest.approx(1.5)
    y1, y0, e1, e0 = 96, 256, 70.4, 281.6
    deviance = 2 * (y1 * np.log(y1 / e1) + y0 * np.log(y0 / e0))
    assert row["p_value"] == pytest.approx(stats.t.sf(np.sqrt(deviance), 38))  # one-sided: more absences
    assert row["ci_low"] < 1.5 < row["ci_high"] and row["excess_days"] == pytest.approx(96 - 64)


def test_too_few_absences_are_not_tested():
    one = np.ones((1, 10))
    assert contrasts(one, one, np.arange(10) < 2, np.arange(10), np.zeros((1, 3)))["row"].size == 0


def test_what_one_student_does_alone_widens_the_interval():
    """Brute force: the spread between students is the sum over students of (a1/y1 - a0/y0) squared."""
    grid, _, _ = _grid(n=100, n_days=100, rate=0.2, seed=6)
    members = np.arange(50)
    days = np.asarray(grid.dates.day_name() == "Friday")
    grid.absent[np.ix_([0, 1, 2, 3], np.flatnonzero(days))] = True
    row = find_calendar(grid)[lambda t: t["group"].eq("grade_level=01") & t["pattern"].eq("weekday=Friday")].iloc[0]
    absent = grid.absent[members]
    y1, y0 = absent[:, days].sum(), absent[:, ~days].sum()
    by_student = ((absent[:, days].sum(axis=1) / y1 - absent[:, ~days].sum(axis=1) / y0) ** 2).sum()
    seen, expected = observed_and_expected(grid, {"g": members})
    m1, m0 = expected[0, days].sum(), expected[0, ~days].sum()
    fitted = expected[0] * np.where(days, y1 / m1, y0 / m0)
    poisson = 1 / y1 + 1 / y0
    by_day = max(((seen[0] - fitted) ** 2 / fitted).sum() / 98, 1) * poisson
    half = stats.t.ppf(0.975, 98) * np.sqrt(max(by_day, by_student, by_day + by_student - poisson))
    assert row["ci_high"] / row["rate_ratio"] == pytest.approx(np.exp(half))


def test_days_round_a_break_are_those_beside_a_planned_weekday_off():
    opened = pd.bdate_range("2025-11-03", "2026-01-30").difference(
        pd.DatetimeIndex(["2025-11-11", "2025-11-27", "2025-11-28", "2026-01-19", "2026-01-26"]).union(
            pd.bdate_range("2025-12-24", "2026-01-02")
        )
    )
    other = opened.union(pd.DatetimeIndex(["2025-11-11"]))  # the second school is open on the eleventh
    closed = pd.DataFrame({"school_id": "1", "date": pd.to_datetime(["2026-01-26"]), "day_type": "weather"})
    days = np.array([other.isin(opened), np.ones(len(other), dtype=bool)])
    found = special_days(closed, days, np.array(["1", "2"]), other)

    def named(pattern, school):
        return list(other[found[pattern][school]].strftime("%m-%d"))

    assert named("before_holiday", 0) == ["11-10", "11-26", "12-23", "01-16"]
    assert named("after_holiday", 0) == ["11-12", "12-01", "01-05", "01-20"]
    assert named("before_holiday", 1)[:1] == ["11-26"] and "01-23" in named("before_holiday", 1)
    assert named("weather", 0) == ["01-23", "01-27"] and named("weather", 1) == []


def test_a_late_start_morning_is_looked_at_by_its_own_school():
    dates = pd.bdate_range("2025-09-08", periods=30)
    calendar = pd.DataFrame({"school_id": "1", "date": dates[:5], "day_type": "late_start"})
    found = special_days(calendar, np.ones((2, 30), dtype=bool), np.array(["1", "2"]), dates)["late_start"]
    assert found[0].sum() == 5 and not found[1].any()


def test_the_largest_rise_is_the_best_of_all_days():
    grid, _, _ = _grid(n=80, n_days=70, rate=0.12, seed=9)
    due = due_so_far(grid)
    found = largest_rise(*np.nonzero(grid.absent), due)
    for k in range(80):
        total, best = grid.absent[k].sum(), 0.0
        for day in range(70):
            seen, f = grid.absent[k, : day + 1].sum(), float(due[k, day])
            if seen < total * f and 0.15 < f < 0.85:
                later = total - seen
                first = seen * np.log(seen / (total * f)) if seen else 0.0
                best = max(best, first + later * np.log(later / (total * (1 - f))))
        assert found[k] == pytest.approx(best, abs=1e-4)  # float32


def test_riders_of_a_late_bus_are_found_and_no_other_route():
    grid, _, _ = _grid(n=240, n_days=120, rate=0.05, seed=2)
    grid = replace(grid, students=grid.students.assign(bus_route=[f"R{k % 4}" for k in range(240)]))
    rng = np.random.default_rng(4)
    tardy = rng.random(grid.absent.shape) < 0.08
    tardy[np.ix_(range(1, 240, 4), rng.choice(120, 7, replace=False))] |= rng.random((60, 7)) < 0.6
    i, d = np.nonzero(tardy & ~grid.absent)
    late = pd.DataFrame({"student_id": grid.students["student_id"].to_numpy()[i], "date": grid.dates[d]})
    table = find_late_mornings(grid, late.assign(is_tardy=True)).set_index("group")
    assert table["p_value"].idxmin() == "bus_route=R1" and table.loc["bus_route=R1", "p_value"] < 1e-6
    assert (table.drop(index="bus_route=R1")["p_value"] > 0.001).all() and set(table["pattern"]) == {"late_mornings"}


def test_pairs_are_counted_as_by_hand():
    grid, _, _ = _grid(n=60, n_days=50, rate=0.3, seed=7)
    homes = [f"H{k // 3}" for k in range(60)]
    grid = replace(grid, students=grid.students.assign(household_id=homes, zip5=[str(k % 2) for k in range(60)]))
    table = find_shared(grid, n_permutations=20).set_index("group")
    away = grid.absent.astype(int)
    both = np.triu(away @ away.T, 1)
    home = np.equal.outer(homes, homes)
    zips = np.equal.outer(np.arange(60) % 2, np.arange(60) % 2) & (np.arange(60) % 2 == 0)
    assert table.loc["household_id=all", ["n_absences", "n_students"]].tolist() == [both[home].sum(), 60]
    assert table.loc["zip5=0", "n_absences"] == both[zips].sum()


def test_permutations_keep_every_student_and_every_day():
    grid, _, _ = _grid(rate=0.15, seed=4)
    changed = 0
    for moves in shuffled(grid, n=5, seed=1):
        assert (moves.sum(axis=1) == grid.absent.sum(axis=1)).all() and (
            moves.sum(axis=0) == grid.absent.sum(axis=0)
        ).all()
        changed += int((moves != grid.absent).sum())
    assert changed > 0


def test_permutations_reach_every_table_equally_often():
    """Brute force: 3 x 3 with all margins 1 has six tables; each must come up one time in six."""
    grid = _grid(n=60, n_days=40)[0]
    small = replace(
        grid,
        absent=np.eye(3, dtype=bool),
        enrolled=np.ones((3, 3), dtype=bool),
        school=np.zeros((3, 3), dtype=np.int16),
        home=np.zeros(3, dtype=int),
        dates=grid.dates[:3],
        students=grid.students.iloc[:3],
    )
    seen = pd.Series([moves.tobytes() for moves in shuffled(small, n=3000, seed=2, between=6)]).value_counts()
    assert len(seen) == 6 and seen.min() > 420 and seen.max() < 580  # 500 each, four standard errors


def test_mantel_haenszel_is_statsmodels():
    from statsmodels.stats.contingency_tables import StratifiedTable

    rng = np.random.default_rng(3)
    inside, stratum = rng.random(500) < 0.3, rng.integers(0, 3, 500)
    has = rng.random(500) < 0.2 + 0.2 * inside
    tables = [
        [
            [int((has & inside & (stratum == k)).sum()), int((~has & inside & (stratum == k)).sum())],
            [int((has & ~inside & (stratum == k)).sum()), int((~has & ~inside & (stratum == k)).sum())],
        ]
        for k in range(3)
    ]
    reference = StratifiedTable([np.array(t) for t in tables])
    row = mantel_haenszel(has, inside, stratum, used=np.ones(500, dtype=bool))
    assert row["rate_ratio"] == pytest.approx(reference.riskratio_pooled)
    assert row["p_value"] == pytest.approx(reference.test_null_odds(correction=True).pvalue / 2)  # one-sided: more


def test_excused_is_no_reason():
    absences = pd.DataFrame(
        {
            "student_id": ["1", "1", "2"],
            "school_id": "1",
            "month": "2025-09",
            "absent_units": [1, 1, 1],
            "pattern": pd.array(["no_reason", None, "transportation"], dtype="str"),
        }
    )
    table = coverage(absences, ["school_id"])
    assert table[["n_absences", "n_known"]].to_numpy().tolist() == [[3, 1]] and not table["enough"].iloc[0]
    said = pd.DataFrame({"student_id": ["2", "3"], "pattern": ["transportation", "housing"]})
    reasons = student_reasons(absences, said)
    assert reasons.to_dict("records") == [
        {"student_id": "2", "pattern": "transportation", "n": 1, "from_mentor": True},
        {"student_id": "3", "pattern": "housing", "n": 0, "from_mentor": True},
    ]


def test_small_groups_are_pulled_in_more():
    pulled = shrink(np.array([1, 50, 20]), np.array([2, 100, 100]))
    share = 71 / 202
    assert abs(pulled[0] - share) < abs(0.5 - share) and abs(pulled[1] - 0.5) < abs(pulled[0] - 0.5)


def test_barriers_that_meet():
    reasons = pd.DataFrame({"student_id": list("aabbccd"), "pattern": ["x", "y", "x", "y", "x", "z", "x"]})
    table = co_occurring(reasons, least=1)
    first = table[table["pattern"].eq("x") & table["other"].eq("y")].iloc[0]
    assert first["n_both"] == 2 and first["expected"] == 2.0


def test_missed_periods_are_those_with_less_than_half_the_minutes():
    rows = pd.DataFrame(
        {
            "student_id": list("abcd"),
            "period": "1",
            "minutes_scheduled": [48, 48, 48, None],
            "minutes_present": [0, 24, 25, None],
        }
    )
    assert missed_periods(rows)["student_id"].tolist() == ["a", "b", "d"]


def test_gap_matrix_and_funnel():
    day = pd.Timestamp("2026-01-10")
    barriers = pd.DataFrame(
        {
            "student_id": list("abcde"),
            "pattern": ["food", "food", "housing", "food", "food"],
            "source": ["mentor", "mentor", "family", "text_suggested", "mentor"],
            "status": ["open", "open", "open", "open", "resolved"],
        }
    )
    resources = pd.DataFrame(
        {
            "resource_id": ["R1", "R2"],
            "patterns": ["food; transportation", "housing"],
            "capacity": pd.array([1, 9], dtype="Int64"),
            "checked_date": [pd.Timestamp("2025-06-01"), day],
            "active": pd.array([True, False], dtype="boolean"),
        }
    )
    gap = gap_matrix(barriers, resources, day).set_index("pattern")
    assert gap.loc["food", ["n_students", "capacity", "unserved", "n_stale"]].tolist() == [2, 1, 1, 1]
    assert gap.loc["housing", "ask"] == "Find a first partner" and gap.loc["food", "ask"] == "Ask for more places"
    referrals = pd.DataFrame(
        {
            "student_id": ["a", "b"],
            "pattern": "food",
            "made_date": [day, day],
            "outcome": ["connected", "waitlisted"],
            "outcome_date": [day + pd.Timedelta(days=8), day],
        }
    )
    row = referral_funnel(barriers, referrals).set_index("pattern").loc["food"]
    assert (row["n_barriers"], row["n_referred"], row["n_connected"], row["days_to_connect"]) == (4, 2, 1, 8)


def test_counts_without_days_enrolled():
    _, absences, days = _grid(rate=0.05)
    spread = days_per_student(absences, 100)
    assert spread["n_students"].sum() == 100
    week = weekday_counts(absences, days)
    assert week["n_absences"].sum() == len(absences) and week["n_school_days"].sum() == 40


def test_every_pattern_has_words_and_an_action():
    for pattern, group in (
        ("weekday=Friday", "grade_level=07"),
        ("same_days", "bus_route=R1"),
        ("same_days", "household_id=all"),
        ("reason=transportation", "zip5=1"),
        ("fading", "school_id=1"),
        ("late_mornings", "bus_route=R1"),
        ("late_start", "grade_level=07"),
        ("remote", "grade_level=07"),
        ("weather", "zip5=1"),
        ("same_days", "grade_level=03 & school_id=1"),
        ("early_dismissal", "school_id=1"),
    ):
        family = family_of(group, pattern)
        assert family.action and family.owner and pattern_words(pattern)
    assert group_words("grade_level=07", str) == "Grade 7" and group_words("school_id=1", lambda s: "Elm") == "Elm"
    assert len({(f.starts_with, f.about) for f in families()}) == len(families())


def test_row_order_does_not_matter():
    grid, absences, days = _grid(n=80, n_days=60, rate=0.2)
    again = make_grid(
        grid.students.sample(frac=1, random_state=1),
        pd.DataFrame(
            {
                "student_id": grid.students["student_id"],
                "school_id": "0001",
                "first_date": grid.dates[0],
                "last_date": grid.dates[-1],
            }
        ).sample(frac=1, random_state=2),
        absences.sample(frac=1, random_state=3),
        days.sample(frac=1, random_state=4),
        days.assign(day_type="instructional"),
    )
    pd.testing.assert_frame_equal(
        find_calendar(grid)[lambda t: t["pattern"] != "early_dismissal"].reset_index(drop=True), find_calendar(again)
    )


def test_the_reason_code_of_an_event_counts_where_its_attendance_code_gives_none():
    rows = pd.DataFrame(
        {
            "pattern": pd.array([None, "food", None, None, None], dtype="str"),
            "reason_code": pd.array(["13301", "13295", "Child care", "13303", "ZZ"], dtype="str"),
        }
    )
    found = with_reasons(rows)["pattern"]
    assert found.tolist()[:4] == ["transportation", "food", "child_care", "no_reason"] and pd.isna(found[4])


def test_shares_of_groups_are_counts_of_students_and_do_not_add_up_to_one():
    reasons = pd.DataFrame({"student_id": list("aabc"), "pattern": ["food", "sleep", "food", "food"]})
    students = pd.DataFrame(
        {
            "student_id": list("abcd"),
            "grade_level": ["01", "01", "02", "02"],
            "english_learner": pd.array([True, False, None, False], dtype="boolean"),
        }
    )
    table = shares_of_groups(reasons, students).set_index(["column", "value", "pattern"])
    assert table.loc[("grade_level", "01", "food"), ["n_students", "n_group", "share"]].tolist() == [2, 2, 1.0]
    assert table.loc[("grade_level", "01", "sleep"), "share"] == 0.5  # with food: more than one
    assert table.loc[("english_learner", "true", "sleep"), "share"] == 1.0
    assert 0.75 <= table.loc[("grade_level", "01", "food"), "shrunk_share"] < 1.0  # toward everyone's three of four


def test_a_shadow_shows_what_is_left_beside_the_stronger_finding():
    """Fridays of grade 1 make its English learners' Fridays look high; on what is left they are like the others."""
    grid, absences, _ = _grid(n=600, n_days=150, rate=0.08, seed=12)
    rng = np.random.default_rng(2)
    fridays = np.flatnonzero(grid.dates.day_name() == "Friday")
    rows = np.flatnonzero(grid.students["grade_level"].eq("01"))
    grid.absent[np.ix_(rows, fridays)] |= rng.random((len(rows), len(fridays))) < 0.15
    learner = pd.array([k < 250 for k in range(600)], dtype="boolean")  # all of them in grade 1
    grid = replace(grid, students=grid.students.assign(english_learner=learner))
    table = search_grid(grid, absences.assign(pattern="no_reason"), kinds=("calendar",)).set_index(["group", "pattern"])
    first, shadow = (table.loc[(g, "weekday=Friday")] for g in ("grade_level=01", "english_learner=true"))
    assert first["is_finding"] and first["explained_by"] == ""
    assert shadow["explained_by"] == "grade_level=01 weekday=Friday" and not shadow["q_value"] < 0.05
