"""The panel on days a reader can count: transfers, re-entry, no-shows, cuts, codes, rules, forms."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import panel_world as pw

from evalkit import engine, panel
from evalkit.errors import UsageError, UserError
from evalkit.rules import UNITS_PER_DAY as U


def counts(study, **options):
    """{(student, school): (days enrolled, days absent)}"""
    rows = panel.student_panel(study, by_school=True, **options)
    return {(r.student_id, r.school_id): (r.enrolled_units / U, r.absent_units / U) for r in rows.itertuples()}


BOTH = (("a", "S1", "2025-09-01", None), ("b", "S2", "2025-09-01", None))


def test_the_day_of_a_same_day_transfer_belongs_to_the_receiving_school():
    spans = [("a", "S1", "2025-09-01", "2025-09-10"), ("a", "S2", "2025-09-10", None)]
    events = [("a", "S1", "2025-09-10", "AU"), ("a", "S2", "2025-09-10", "AE")]
    study = pw.world(events, spans)
    assert counts(study) == {("a", "S1"): (7, 0), ("a", "S2"): (13, 1)}
    dropped = panel.dropped_events(study).set_index("reason")["n"]
    assert dropped["other_school"] == 1 and dropped.sum() == 1


def test_a_primary_span_comes_first_and_a_date_counts_once():
    spans = [
        ("a", "S1", "2025-09-01", None, {"is_primary": True}),
        ("a", "S2", "2025-09-08", None, {"is_primary": False}),
    ]
    assert counts(pw.world([], spans)) == {("a", "S1"): (20, 0)}


def test_a_stay_elsewhere_cuts_a_long_span_in_two():
    spans = [("a", "S1", "2025-09-01", None), ("a", "S2", "2025-09-08", "2025-09-12")]
    study = pw.world([], spans)
    assert counts(study) == {("a", "S1"): (15, 0), ("a", "S2"): (5, 0)}
    assert panel.enrolled_spans(study)["first_day_number"].tolist() == [1, 6, 11]


def test_re_entry_leaves_the_gap_out():
    spans = [("a", "S1", "2025-09-01", "2025-09-05"), ("a", "S1", "2025-09-15", None)]
    study = pw.world([("a", "S1", "2025-09-10", "AU"), ("a", "S1", "2025-09-16", "AU")], spans)
    assert counts(study) == {("a", "S1"): (15, 1)}
    assert panel.dropped_events(study).set_index("reason")["n"]["outside_enrollment"] == 1


def test_no_shows_and_wrong_entries_are_no_enrolment():
    spans = [
        ("a", "S1", "2025-09-01", "2025-09-01", {"exit_type": "No show"}),
        ("b", "S1", "2025-09-01", None, {"exit_type": "Invalid enrollment"}),
        ("c", "S1", "2025-09-01", None),
    ]
    assert set(counts(pw.world([], spans))) == {("c", "S1")}


@pytest.mark.parametrize(("rule", "days"), [("exclude", 15), ("include", 20)])
def test_homebound_stays_leave_the_denominator_by_rule(rule, days):
    spans = [("a", "S1", "2025-09-01", "2025-09-19"), ("a", "S1", "2025-09-22", None, {"setting": "homebound"})]
    assert counts(pw.world([], spans, rules={"homebound": rule})) == {("a", "S1"): (days, 0)}


def test_remote_counts_as_enrolled():
    assert counts(pw.world([], [("a", "S1", "2025-09-01", None, {"setting": "remote"})]))["a", "S1"] == (20, 0)


def test_a_day_after_complete_through_is_neither_present_nor_enrolled():
    study = pw.world(
        [("b", "S2", "2025-09-25", "AU")],
        BOTH,
        complete_through={"S1": pd.Timestamp("2025-09-12"), "S2": pd.Timestamp("2025-09-24")},
    )
    assert counts(study) == {("a", "S1"): (10, 0), ("b", "S2"): (18, 0)}
    assert panel.dropped_events(study).set_index("reason")["n"]["after_complete_through"] == 1


def test_a_school_that_sent_nothing_has_no_counted_day():
    assert set(counts(pw.world([], BOTH, complete_through={"S2": pd.Timestamp("2025-09-26")}))) == {("b", "S2")}


def test_as_of_cuts_and_makes_a_later_exit_unknown():
    study = pw.world(
        [("a", "S1", "2025-09-09", "AU")], [("a", "S1", "2025-09-01", "2025-09-19")], as_of=pd.Timestamp("2025-09-08")
    )
    assert counts(study) == {("a", "S1"): (6, 0)}
    assert panel.enrolled_spans(study)["is_open"].tolist() == [True]


def test_events_on_days_without_school_are_dropped_and_counted():
    study = pw.world(
        [("a", "S1", "2025-09-06", "AU"), ("a", "S1", "2025-09-07", "AU"), ("a", "S1", "2025-09-08", "AU")]
    )
    assert counts(study) == {("a", "S1"): (20, 1)}
    assert panel.dropped_events(study).set_index("reason")["n"]["not_a_school_day"] == 2


def test_of_two_rows_for_one_day_the_larger_absence_counts_once():
    study = pw.world([("a", "S1", "2025-09-02", "HD"), ("a", "S1", "2025-09-02", "AU")])
    assert counts(study) == {("a", "S1"): (20, 1)}
    assert panel.dropped_events(study).set_index("reason")["n"]["repeated"] == 1


@pytest.mark.parametrize(
    ("code", "own", "rules", "absent"),
    [
        ("AU", {}, {}, 1),
        ("HD", {}, {}, 0.5),
        ("AU", {"absent_days": 0.33}, {}, 1 / 3),
        ("T", {}, {}, 0),
        ("T", {}, {"tardy_counts": 0.25}, 0.25),
        ("T", {"absent_days": 0.5}, {"tardy_counts": 0.25}, 0.5),
        ("OSS", {}, {}, 1),
        ("OSS", {}, {"oss_counts": False}, 0),
        ("ISS", {}, {}, 0),
        ("ISS", {}, {"iss_counts": True}, 1),
        ("AU", {"status": "Present"}, {}, 0),
        ("", {"status": "UnexcusedAbsence"}, {}, 0),
        ("", {"status": "UnexcusedAbsence", "absent_days": 1}, {}, 1),
        ("HD", {}, {"unit": "full_day"}, 0),
        ("HD", {}, {"unit": "half_day"}, 1),
        ("AU", {"absent_days": 0.25}, {"unit": "half_day"}, 0),
        ("AU", {"absent_days": 0.25}, {"unit": "sessions"}, 0.5),
        ("AU", {"minutes_absent": 36}, {"unit": "minutes"}, 0.1),
        ("HD", {}, {"unit": "minutes"}, 0.5),
    ],
)
def test_what_a_row_counts_under_the_rules(code, own, rules, absent):
    study = pw.world([("a", "S1", "2025-09-02", code, own)], rules=rules)
    enrolled, missed = counts(study)["a", "S1"]
    assert missed / enrolled == pytest.approx(absent / 20, abs=1e-12)  # units are whole: only the division is not


def test_not_expected_days_leave_both_sides():
    assert counts(pw.world([("a", "S1", "2025-09-02", "SNE")])) == {("a", "S1"): (19, 0)}


def test_a_day_that_weighs_half_counts_half_on_both_sides():
    days = pw.calendar(n=20, weights=[0.5] + [1.0] * 19)
    study = pw.world([("a", "S1", "2025-09-01", "AU"), ("a", "S1", "2025-09-02", "HD")], days=days)
    assert counts(study) == {("a", "S1"): (19.5, 1.0)}


def test_the_last_ten_days_are_marked_and_not_taken_away():
    study = pw.world([("a", "S1", "2025-09-12", "AU"), ("a", "S1", "2025-09-26", "AU")])
    assert panel.school_days(study)["provisional"].sum() == 10
    assert panel.absences(study)["provisional"].tolist() == [False, True] and counts(study)["a", "S1"] == (20, 2)


def test_two_calendars_at_one_school_follow_the_span():
    early = pw.calendar(n=10, code="E")
    days = pd.concat([early, pw.calendar(n=20, code="L")], ignore_index=True)
    spans = [
        ("a", "S1", "2025-09-01", None, {"calendar_code": "E"}),
        ("b", "S1", "2025-09-01", None, {"calendar_code": "L"}),
    ]
    assert counts(pw.world([], spans, days=days)) == {("a", "S1"): (10, 0), ("b", "S1"): (20, 0)}


def test_a_district_calendar_serves_its_schools():
    schools = pd.DataFrame({"school_id": pw.texts(["S1", "S2"]), "district_id": pw.texts(["D", "D"])})
    study = pw.world([], BOTH, days=pw.calendar(["D"]), tables={"school": schools}, complete_through={})
    assert counts(study) == {("a", "S1"): (20, 0), ("b", "S2"): (20, 0)}


@pytest.mark.parametrize("listed", [
    None,                                   # no school table at all
    {"S1": "D1", "S2": "D2"},               # both districts have their own table
    {"S1": "D1", "S2": None},               # a school whose district is not given
    {"S1": "D1"},                           # a school the school table does not name
    {"S1": "D9", "S2": "D2"},               # a district without a table
])
def test_a_code_without_a_district_serves_every_school_beside_the_districts_own(listed):
    """As the lines of [codes] in study.toml do: whatever the school table says, no absence may lose its meaning."""
    own = [pw.code_table().assign(district_id=name) for name in ("D1", "D2")]
    shared = pw.code_table().head(1).assign(code_local="X", status="UnexcusedAbsence", counts_absent=1.0,
                                         counts_absent_units=120_000)
    schools = None if listed is None else pd.DataFrame({
        "school_id": pw.texts(listed), "district_id": pw.texts(listed.values())})
    rows = [("a", "S1", "2025-09-03", "X"), ("a", "S1", "2025-09-04", "AU"),
            ("b", "S2", "2025-09-03", "X"), ("b", "S2", "2025-09-04", "HD")]
    made = pw.world(rows, BOTH, tables={"code_table": pd.concat([*own, shared], ignore_index=True), "school": schools})
    assert {student: absent for (student, _), (_, absent) in counts(made).items()} == {"a": 2.0, "b": 1.5}


def test_an_every_day_file_is_seen_as_one_and_a_day_without_a_row_is_not_counted():
    rows = [("a", "S1", when, "") for when in pd.bdate_range("2025-09-01", periods=18)]
    study = pw.world([*rows, ("a", "S1", "2025-09-25", "AU")])
    assert panel.open_days(study).forms == {"S1": "every_day"}
    assert counts(study) == {("a", "S1"): (19, 1)}
    assert counts(study, book=panel.open_days(study, form="exceptions")) == {("a", "S1"): (20, 1)}


def test_every_day_rows_alone_carry_their_own_denominator():
    rows = [("a", "S1", when, "AU" if when.day == 3 else "") for when in pd.bdate_range("2025-09-01", periods=20)]
    study = pw.world(rows, tables={"enrollment": None, "calendar": None})
    assert counts(study) == {("a", "S1"): (20, 1)}


def test_exceptions_without_enrolment_give_days_missed_but_no_rate():
    study = pw.world([("a", "S1", "2025-09-02", "AU"), ("a", "S1", "2025-09-07", "AU")], tables={"enrollment": None})
    row = panel.student_panel(study).iloc[0]
    assert row["absent_units"] == U and pd.isna(row["enrolled_units"]) and pd.isna(row["absence_rate"])


def test_totals_use_the_shorter_of_two_overlapping_periods_and_whole_ones_only():
    rows = [
        ("2025-09-01", "2025-09-30", 20, 2.5),
        ("2025-10-01", "2025-10-31", 22, 1),
        ("2025-09-01", "2025-10-31", 42, 9),
    ]
    table = pd.DataFrame(
        {
            "student_id": pw.texts(["a"] * 3),
            "school_id": pw.texts(["S1"] * 3),
            "period_start": pw.days_of(r[0] for r in rows),
            "period_end": pw.days_of(r[1] for r in rows),
            "days_enrolled": [float(r[2]) for r in rows],
            "days_absent": [float(r[3]) for r in rows],
        }
    )
    study = pw.World({"attendance_total": table}, as_of=pd.Timestamp("2025-11-30"))
    assert counts(study) == {("a", "S1"): (42, 3.5)}
    assert counts(pw.World({"attendance_total": table}, as_of=pd.Timestamp("2025-10-30"))) == {("a", "S1"): (20, 2.5)}


def test_history_is_counted_by_its_own_year():
    days = pd.concat([pw.calendar(), pw.calendar(first="2024-09-02", n=15)], ignore_index=True)
    spans = [("a", "S1", "2025-09-01", None), ("a", "S1", "2024-09-02", None, {"school_year": "2025"})]
    study = pw.world([("a", "S1", "2024-09-03", "AU")], spans, days=days)
    assert counts(study) == {("a", "S1"): (20, 0)}
    assert counts(study, book=panel.open_days(study, school_year=2025)) == {("a", "S1"): (15, 1)}


def test_a_parquet_file_gives_what_the_frame_gives(tmp_path):
    study = pw.world([("a", "S1", "2025-09-02", "AU"), ("a", "S1", "2025-09-03", "HD")])
    path = tmp_path / "events.parquet"
    study.tables["attendance_event"].drop(columns="absent_days_units").to_parquet(path)
    large = pw.World({**study.tables, "attendance_event": path}, study.rules, study.as_of, study.complete_through)
    for name in engine.ENGINES:
        assert counts(large, book=panel.open_days(large, engine=name)) == counts(study)


def test_the_callers_frames_are_not_changed():
    study = pw.world([("a", "S1", "2025-09-02", "AU")])
    before = {name: frame.copy(deep=True) for name, frame in study.tables.items()}
    panel.attendance_panel(study, by="month")
    panel.dropped_events(study)
    for name, frame in study.tables.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_options_act_or_are_refused():
    study = pw.world([])
    for wrong in ({"by": "mentor"}, {"form": "weekly"}):
        with pytest.raises(UsageError, match="Use one of"):
            panel.attendance_panel(study, **wrong)
    with pytest.raises(UserError, match="start and end"):
        panel.attendance_panel(study, by="month", start="2025-09-01")
    with pytest.raises(UserError, match="no column end"):
        panel.window_panel(study, pd.DataFrame({"student_id": ["a"], "start": ["2025-09-01"]}))
