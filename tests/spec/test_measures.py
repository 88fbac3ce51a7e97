"""Measures on figures a reader can check, and against a recount in plain Python on a made year."""

from __future__ import annotations

import random
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import panel_world as pw

from evalkit import measures, panel
from evalkit.errors import UserError
from evalkit.rules import PRESETS, Rules, to_units
from evalkit.rules import UNITS_PER_DAY as U


def frame(*pairs):
    """(days absent, days enrolled) as a panel frame."""
    return pd.DataFrame(
        {
            "student_id": pw.texts(f"s{n}" for n in range(len(pairs))),
            "absent_units": [to_units(a) for a, _ in pairs],
            "enrolled_units": [to_units(e) for _, e in pairs],
        }
    )


def test_the_vectors_of_the_standard():
    rows = frame((18, 180), (17.5, 180), (9, 180), (8.5, 180), (36, 180), (90, 180), (1, 10), (0, 0))
    assert measures.is_chronic(rows, rules=Rules()).tolist()[:-1] == [True, False, False, False, True, True, True]
    assert measures.is_chronic(rows, rules=Rules()).isna().tolist() == [False] * 7 + [True]
    assert measures.band(rows, rules=Rules()).tolist()[:-1] == [
        "moderate",
        "at_risk",
        "at_risk",
        "satisfactory",
        "severe",
        "extreme",
        "moderate",
    ]
    short = measures.is_chronic(rows, rules=Rules(min_days_enrolled=11))
    assert short.isna().tolist() == [False] * 6 + [True, True]


def test_every_exact_ten_and_twenty_percent_is_hit_where_floats_miss_it():
    """Standards 2.3: 1 - present/enrolled >= 0.10 is False on all exact cases."""
    exact = [(Fraction(e, 10), e) for e in range(10, 366, 5)]
    ten = measures.is_chronic(frame(*((float(a), e) for a, e in exact)), rules=Rules())
    assert ten.all() and len(ten) == 72
    assert not any(1 - (e - float(a)) / e >= 0.10 for a, e in exact)
    twenty = measures.band(frame(*((2 * float(a), e) for a, e in exact)), rules=Rules())
    assert (twenty == "severe").all()


def test_a_rate_that_rounds_to_ninety_is_not_chronic():
    assert not measures.is_chronic(frame((17.9925, 180)), rules=Rules())[0]


def test_sevenths_in_minutes_add_up():
    """126 periods of a seventh of a day are 18 days of 180: floats say 17.999999999999975."""
    days = pw.calendar(n=180)
    days["minutes"] = pd.array([350] * 180, dtype="Int64")
    dates = days["date"].tolist()
    events = [("a", "S1", when, "", {"minutes_absent": 50}) for when in dates[:126]]
    study = pw.world(events, days=days, rules={"unit": "minutes"})
    book = panel.open_days(study, form="exceptions")
    assert measures.is_chronic(panel.student_panel(study, book=book), rules=study.rules).tolist() == [True]
    fewer = pw.world(events[:-1], days=days, rules={"unit": "minutes"})
    book = panel.open_days(fewer, form="exceptions")
    assert measures.is_chronic(panel.student_panel(fewer, book=book), rules=study.rules).tolist() == [False]


@pytest.mark.parametrize(
    ("preset", "enrolled", "judged"),
    [
        ("edfacts", 9, False),
        ("edfacts", 10, True),
        ("edfi_edu_wh", 19, False),
        ("edfi_edu_wh", 20, True),
        ("california", 30, False),
        ("california", 31, True),
    ],
)
def test_presets_judge_from_their_minimum_days(preset, enrolled, judged):
    assert measures.band(frame((5, enrolled)), rules=PRESETS[preset]).notna().tolist() == [judged]


def test_the_breakdown_has_the_datts_columns_in_order_and_adds_up():
    rows = frame((1, 100), (7, 100), (12, 100), (25, 100), (60, 100)).assign(
        grade_level=pw.texts(["01", "01", "02", "02", None])
    )
    table = measures.breakdown(rows, "grade_level", rules=Rules())
    assert list(table.columns) == [
        "grade_level",
        "n_severe",
        "share_severe",
        "n_moderate",
        "share_moderate",
        "n_chronic",
        "share_chronic",
        "n_at_risk",
        "share_at_risk",
        "n_satisfactory",
        "share_satisfactory",
        "n_students",
    ]
    assert table.iloc[-1].tolist() == ["all", 2, 0.4, 1, 0.2, 3, 0.6, 1, 0.2, 1, 0.2, 5]
    assert table["grade_level"].tolist() == ["01", "02", "unknown", "all"]
    with pytest.raises(UserError, match="no column mood"):
        measures.breakdown(rows, "mood", rules=Rules())


def test_flows_add_up_to_the_stock_before_and_after():
    before = pd.DataFrame({"student_id": ["a", "b", "c"], "band": pw.texts(["at_risk", "moderate", None])})
    after = pd.DataFrame({"student_id": ["a", "b", "d"], "band": pw.texts(["moderate", "moderate", "satisfactory"])})
    flows = measures.band_flows(before, after).set_index(["from_band", "to_band"])["n_students"]
    assert flows.sum() == 4 and flows["at_risk", "moderate"] == 1 and flows["none", "satisfactory"] == 1
    assert flows["none", "none"] == 1 and flows.groupby("to_band").sum()["moderate"] == 2
    with pytest.raises(UserError, match="more than once"):
        measures.band_flows(pd.concat([before, before]), after)


def prior(rows):
    return pd.DataFrame(
        {
            "student_id": pw.texts(r[0] for r in rows),
            "school_year": pw.texts(r[1] for r in rows),
            "days_enrolled": [float(r[2]) for r in rows],
            "days_absent": [float(r[3]) for r in rows],
            "chronically_absent": pd.array([False] * len(rows), dtype="boolean"),
        }
    )


def test_persistence_counts_back_from_last_year_and_recomputes_the_flag():
    rows = [
        ("a", "2025", 180, 18),
        ("a", "2024", 180, 20),
        ("b", "2025", 180, 18),
        ("b", "2024", 180, 17),
        ("c", "2025", 180, 17.5),
        ("c", "2024", 180, 40),
        ("d", "2025", 180, 18),
        ("d", "2023", 180, 18),
    ]
    study = pw.world([], tables={"prior_year": prior(rows)})
    found = measures.persistence(study).set_index("student_id")
    assert found["years_chronic"].to_dict() == {"a": "2+", "b": "1", "c": "0", "d": "1"}
    assert found["n_years_known"].to_dict() == {"a": 2, "b": 2, "c": 2, "d": 1}
    assert measures.prior_rates(study)["prior_absence_rate"].tolist()[0] == pytest.approx(0.1)  # one division


def test_the_start_day_belongs_to_the_days_after():
    study = pw.world([("a", "S1", "2025-09-03", "AU"), ("a", "S1", "2025-09-04", "AU")])
    starts = pd.DataFrame({"student_id": pw.texts(["a", "z"]), "start": pw.days_of(["2025-09-04"] * 2), "key": [1, 2]})
    found = measures.pre_post_rates(study, starts)
    assert (found["pre_absent_units"] / U).tolist() == [1, 0] and (found["pre_enrolled_units"] / U).tolist() == [3, 0]
    assert (found["post_absent_units"] / U).tolist() == [1, 0] and (found["post_enrolled_units"] / U).tolist() == [
        17,
        0,
    ]
    assert found["key"].tolist() == [1, 2] and np.isnan(found["pre_absence_rate"][1])


def two_years(n_now=8):
    days = pd.concat([pw.calendar(n=20), pw.calendar(first="2024-09-02", n=15)], ignore_index=True)
    spans = [("a", "S1", "2025-09-01", None), ("a", "S1", "2024-09-02", None, {"school_year": "2025"})]
    through = {"S1": days["date"][n_now - 1]}
    return pw.world(
        [("a", "S1", "2024-09-03", "AU"), ("a", "S1", "2024-09-12", "AU")],
        spans,
        days=days,
        complete_through=through,
        as_of=through["S1"],
    )


def test_last_year_is_cut_at_the_same_school_day():
    for n_now, absent in ((8, 1), (9, 2)):
        rows = measures.same_day_last_year(two_years(n_now))
        assert rows["n_enrolled_days"].tolist() == [n_now, n_now] and rows["n_absent_days"].tolist() == [absent, absent]
    assert measures.same_day_last_year(pw.world([])) is None


def test_school_rows_hold_each_school_and_all_hold_a_mover_once():
    spans = [("a", "S1", "2025-09-01", "2025-09-05"), ("a", "S2", "2025-09-08", None), ("b", "S1", "2025-09-01", None)]
    study = pw.world([("a", "S1", "2025-09-01", "AU"), ("a", "S2", "2025-09-08", "AU")], spans)
    rows = measures.school_measures(study)
    assert rows["n_students"].tolist() == [2, 1, 2] and rows["school_id"].isna().tolist() == [False, False, True]
    assert rows["n_chronic"].tolist() == [1, 0, 1] and rows["n_absent_days"].tolist() == [1, 1, 2]
    fed = pw.world(
        [("a", "S1", "2025-09-01", "AU"), ("a", "S2", "2025-09-08", "AU")], spans, rules={"level": "student_school"}
    )
    assert measures.school_measures(fed)["n_chronic"].tolist() == [1, 0, 1]


def test_a_whole_year_agrees_with_a_recount_day_by_day():
    """100 students with halves, transfers out and days not expected, against plain loops."""
    dice = random.Random(7)
    days = pw.calendar(n=120)
    dates = days["date"].tolist()
    codes, shares = {"AU": Fraction(1), "HD": Fraction(1, 2), "SNE": None}, {}
    spans, events = [], []
    for n in range(100):
        who, first, last = f"{n:03d}", dice.choice([0, 0, 0, 30]), dice.choice([109, 109, 109, 60])
        spans.append((who, "S1", dates[first], None if last == 109 else dates[last]))
        shares[who] = {}
        for i in range(first, last + 1):
            code = dice.choices([None, "AU", "HD", "SNE"], [85, 10, 4, 1])[0]
            shares[who][i] = codes[code] if code else Fraction(0)
            if code:
                events.append((who, "S1", dates[i], code))
    study = pw.world(events, spans, days=days, as_of=dates[109])
    crossed = measures.first_crossing(study).set_index("student_id")["crossed_on"].to_dict()
    flags = measures.early_warning(study).set_index(["student_id", "flag"])["flagged_on"].to_dict()
    left = measures.days_left(study).set_index("student_id")["days_left"].to_dict()
    runs = measures.streaks(study).set_index("student_id")["longest_streak"].to_dict()
    for who, year in shares.items():
        own = [(i, share) for i, share in year.items() if share is not None]
        absent, first_cross, two_m, run, longest = Fraction(0), None, None, 0, 0
        for seen, (i, share) in enumerate(own, start=1):
            absent += share
            run = run + 1 if share == 1 else 0
            longest = max(longest, run)
            if first_cross is None and seen >= 20 and 10 * absent >= seen:
                first_cross = dates[i]
            if two_m is None and (i + 1) % 20 == 0 and absent >= 2 * ((i + 1) // 20):
                two_m = dates[i]
        ahead = 10 if max(year) == 109 else 0
        room = max(k for k in range(-50, 50) if 10 * (absent + k) < len(own) + ahead)
        assert crossed.get(who) == first_cross and flags.get((who, "2m")) == two_m
        assert left[who] == room and runs.get(who, 0) == longest


def test_measures_leave_the_frame_as_it_was():
    rows = frame((18, 180), (0, 0))
    before = rows.copy(deep=True)
    measures.add_rates(rows, rules=Rules())
    measures.ada(rows)
    pd.testing.assert_frame_equal(rows, before)
    with pytest.raises(UserError, match="no column enrolled_units"):
        measures.band(rows.drop(columns="enrolled_units"), rules=Rules())
