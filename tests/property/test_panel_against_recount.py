"""The panel against a recount in plain Python: random calendars, spans and events, every form, both engines."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
import panel_world as pw

from evalkit import panel
from evalkit.rules import UNITS_PER_DAY as U
from evalkit.rules import Rules

START = date(2025, 9, 1)
SCHOOLS, STUDENTS, N_DATES = ("S1", "S2"), ("a", "b", "c"), 35
CODES = {code[0]: code for code in pw.CODES}
SOME = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def day(number: int) -> date:
    return START + timedelta(days=number)


@st.composite
def worlds(draw):
    """Plain-Python facts: calendars {school: {date: weight}}, spans, events, rules, as_of, complete_through."""
    weights = st.sampled_from([Fraction(1)] * 4 + [Fraction(1, 2)])
    days = {
        s: {day(n): draw(weights) for n in range(N_DATES) if day(n).weekday() < 5 and draw(st.integers(0, 9))}
        for s in SCHOOLS
    }
    span = st.tuples(
        st.sampled_from(STUDENTS),
        st.sampled_from(SCHOOLS),
        st.integers(-3, N_DATES),
        st.integers(0, 40),
        st.sampled_from([True, True, None, False]),
        st.sampled_from(["", "", "remote", "homebound"]),
        st.sampled_from([None, None, None, "No show"]),
        st.booleans(),
    )
    event = st.tuples(
        st.sampled_from(STUDENTS),
        st.sampled_from(SCHOOLS),
        st.integers(0, N_DATES + 2),
        st.sampled_from(sorted(CODES)),
        st.sampled_from([None, None, None, 0.25, 0.33, 0.5, 1.0]),
        st.sampled_from([None, None, None, "ExcusedAbsence", "Present"]),
    )
    rules = Rules(
        tardy_counts=draw(st.sampled_from([0.0, 0.5])),
        oss_counts=draw(st.booleans()),
        iss_counts=draw(st.booleans()),
        homebound=draw(st.sampled_from(["exclude", "include"])),
        unit=draw(st.sampled_from(["day", "day", "full_day", "half_day", "sessions"])),
    )
    found = {(s, k, n): (c, share, status) for s, k, n, c, share, status in draw(st.lists(event, max_size=60))}
    spans = {(row[0], row[1], row[2]): row for row in draw(st.lists(span, min_size=1, max_size=6))}
    through = {s: day(draw(st.integers(5, N_DATES))) for s in SCHOOLS}
    return {
        "days": days,
        "spans": list(spans.values()),
        "events": found,
        "rules": rules,
        "as_of": day(draw(st.integers(10, N_DATES))),
        "through": through,
    }


def share_absent(fact, rules):
    """(share of a day as a fraction, is_out) of one event row."""
    code, own, own_status = fact
    _, code_status, counts, enrolled, tardy, _, suspension = CODES[code]
    status = own_status or code_status
    if not enrolled or status == "NotExpected":
        return Fraction(0), True
    own = None if own is None else {0.33: Fraction(1, 3)}.get(own, Fraction(own))
    late = status == "Tardy" or (tardy and "Absence" not in status)
    if suspension and code == "ISS":
        share = Fraction(1) if rules.iss_counts else Fraction(0)
    elif suspension and not rules.oss_counts:
        share = Fraction(0)
    elif late:
        share = max(own or Fraction(0), Fraction(rules.tardy_counts))
    elif own is not None:
        share = own
    else:
        share = Fraction(0) if own_status == "Present" else Fraction(counts)
    if rules.unit == "full_day":
        share = Fraction(int(share == 1))
    if rules.unit == "half_day":
        share = Fraction(int(share >= Fraction(1, 2)))
    if rules.unit == "sessions":
        share = Fraction(int(share * 2 + Fraction(1, 2)), 2)
    return share, False


def owner_of(world, student, when):
    """The span that owns a student's date: primary first, then entered last, then staying longest, then school id."""
    best = None
    for who, school, entry, length, primary, setting, exit_type, is_open in world["spans"]:
        last = day(entry + length)
        last = date(2026, 6, 30) if is_open or last > world["as_of"] else last
        if who != student or exit_type or day(entry) > world["as_of"] or not day(entry) <= when <= last:
            continue
        rank = (primary is not False, day(entry), last, -SCHOOLS.index(school))
        if best is None or rank > best[0]:
            best = (rank, school, setting)
    return best[1:] if best else (None, "")


def recount(world):
    """{(student, date): (school, enrolled units, absent units)} counted a day at a time."""
    facts = {}
    for student in STUDENTS:
        for when in (day(n) for n in range(-3, N_DATES + 3)):
            school, setting = owner_of(world, student, when)
            if school is None or when not in world["days"][school]:
                continue
            if when > min(world["as_of"], world["through"][school]):
                continue
            if setting == "homebound" and world["rules"].homebound == "exclude":
                continue
            weight = world["days"][school][when]
            fact = world["events"].get((student, school, (when - START).days))
            share, is_out = share_absent(fact, world["rules"]) if fact else (Fraction(0), False)
            if not is_out:
                facts[student, when] = (school, int(weight * U), int(share * weight * U))
    return facts


def study_of(world, extra_events=(), **changes):
    rows = [
        (s, k, day(n), c, {"absent_days": share, "status": status})
        for (s, k, n), (c, share, status) in world["events"].items()
    ]
    spans = [
        (s, k, day(e), None if is_open else day(e + length), {"is_primary": p, "setting": setting, "exit_type": x})
        for s, k, e, length, p, setting, x, is_open in world["spans"]
    ]
    calendars = pd.concat(
        [pw.calendar([s], n=1).iloc[:0] for s in SCHOOLS] + [_calendar(s, d) for s, d in world["days"].items()]
    )
    return pw.world(
        [*rows, *extra_events],
        spans,
        days=calendars,
        rules=vars(world["rules"]) | changes.pop("rules", {}),
        as_of=pd.Timestamp(world["as_of"]),
        complete_through={s: pd.Timestamp(d) for s, d in world["through"].items()},
        **changes,
    )


def _calendar(school, days):
    frame = pw.calendar([school], n=max(1, len(days)), weights=[float(w) for w in days.values()] or [1.0])
    return frame.assign(date=pw.days_of(days)) if days else frame.iloc[:0]


def by_student(facts):
    total = {}
    for (student, _), (school, enrolled, absent) in facts.items():
        had = total.get((student, school), (0, 0, 0))
        total[student, school] = (had[0] + enrolled, had[1] + absent, had[2] + 1)
    return total


def by_month(facts):
    total = {}
    for (student, when), (school, enrolled, absent) in facts.items():
        had = total.get((student, school, f"{when:%Y-%m}"), (0, 0))
        total[student, school, f"{when:%Y-%m}"] = (had[0] + enrolled, had[1] + absent)
    return total


def as_dict(frame, keys, values):
    return {
        tuple(row[: len(keys)]): tuple(int(v) for v in row[len(keys) :])
        for row in frame[[*keys, *values]].itertuples(index=False)
    }


SUMS = ["enrolled_units", "absent_units", "n_days"]


@SOME
@given(worlds())
def test_exceptions_form_agrees_with_a_recount_on_both_engines(world):
    study, facts = study_of(world), recount(world)
    for engine in ("duckdb", "polars"):
        book = panel.open_days(study, form="exceptions", engine=engine)
        by_school = panel.student_panel(study, by_school=True, book=book)
        assert as_dict(by_school, ["student_id", "school_id"], SUMS) == by_student(facts)
        assert as_dict(panel.month_panel(study, book=book), ["student_id", "school_id", "month"], SUMS[:2]) == by_month(
            facts
        )


@SOME
@given(worlds())
def test_every_day_rows_give_the_same_integers(world):
    facts = recount(world)
    present = [
        (s, school, when, "", {})
        for (s, when), (school, _, _) in facts.items()
        if (s, school, (when - START).days) not in world["events"]
    ]
    study = study_of(world, present)
    for engine in ("duckdb", "polars"):
        book = panel.open_days(study, form="every_day", engine=engine)
        assert as_dict(
            panel.student_panel(study, by_school=True, book=book), ["student_id", "school_id"], SUMS
        ) == by_student(facts)


@SOME
@given(worlds())
def test_monthly_totals_give_the_same_integers(world):
    months = by_month(recount(world))
    last = {month: max(when for (_, when) in recount(world) if f"{when:%Y-%m}" == month) for _, _, month in months}
    rows = [(s, k, pd.Timestamp(f"{m}-01"), pd.Timestamp(last[m]), e, a) for (s, k, m), (e, a) in months.items()]
    totals = pd.DataFrame(
        rows,
        columns=["student_id", "school_id", "period_start", "period_end", "days_enrolled_units", "days_absent_units"],
    )
    kinds = {"student_id": "str", "school_id": "str", "period_start": "datetime64[us]", "period_end": "datetime64[us]"}
    study = study_of(world, tables={"attendance_event": None, "attendance_total": totals.astype(kinds)})
    study = pw.World(study.tables, study.rules, study.as_of, {}, 2026)
    counted = panel.month_panel(study) if rows else totals.assign(month="", enrolled_units=0, absent_units=0)
    assert as_dict(counted, ["student_id", "school_id", "month"], SUMS[:2]) == months


@SOME
@given(worlds(), st.randoms(use_true_random=False))
def test_order_of_rows_and_an_empty_school_change_nothing(world, random):
    study = study_of(world)
    before = panel.student_panel(study, by_school=True)
    tables = {
        name: frame.sample(frac=1, random_state=random.randint(0, 999), ignore_index=True)
        for name, frame in study.tables.items()
    }
    empty = pw.calendar(["S9"], n=9)
    tables["calendar"] = pd.concat([tables["calendar"], empty], ignore_index=True)
    through = {**study.complete_through, "S9": study.as_of}
    after = panel.student_panel(pw.World(tables, study.rules, study.as_of, through, 2026), by_school=True)
    pd.testing.assert_frame_equal(before, after)


@SOME
@given(worlds())
def test_other_ids_give_the_same_counts(world):
    study = study_of(world)
    before = panel.student_panel(study)
    other = {
        name: frame.assign(student_id=("0" + frame["student_id"]).astype("str")) if "student_id" in frame else frame
        for name, frame in study.tables.items()
    }
    after = panel.student_panel(pw.World(other, study.rules, study.as_of, study.complete_through, 2026))
    pd.testing.assert_frame_equal(before.assign(student_id="0" + before["student_id"]), after, check_dtype=False)


@SOME
@given(worlds(), st.integers(0, N_DATES), st.integers(0, 20))
def test_windows_add_up_days_in_them(world, first, length):
    study, facts = study_of(world), recount(world)
    windows = pd.DataFrame(
        {"student_id": pw.texts(STUDENTS), "start": pd.Timestamp(day(first)), "end": pd.Timestamp(day(first + length))}
    )
    counted = panel.window_panel(study, windows, book=panel.open_days(study, form="exceptions"))
    for row in counted.itertuples():
        inside = [
            v for (s, when), v in facts.items() if s == row.student_id and day(first) <= when <= day(first + length)
        ]
        assert (row.enrolled_units, row.absent_units) == (sum(v[1] for v in inside), sum(v[2] for v in inside))


@SOME
@given(worlds())
def test_absences_months_and_days_agree_with_the_student_row(world):
    study = study_of(world)
    book = panel.open_days(study, form="exceptions")
    students = panel.student_panel(study, book=book).set_index("student_id")[SUMS[:2]].astype("int64")
    months = panel.month_panel(study, book=book).groupby("student_id")[SUMS[:2]].sum().astype("int64")
    pd.testing.assert_frame_equal(students, months)
    missed = panel.absences(study, book=book).groupby("student_id")["absent_units"].sum()
    assert missed[missed > 0].to_dict() == students["absent_units"][students["absent_units"] > 0].to_dict()
    daily = panel.daily_panel(study, book=book).groupby("student_id")[["units", "absent_units"]].sum()
    assert daily["units"].to_dict() == students["enrolled_units"].to_dict()


def test_a_world_can_fail():
    """The recount is not the panel's own code: a shifted cut must show."""
    world = {
        "days": {"S1": {day(n): Fraction(1) for n in range(5)}, "S2": {}},
        "rules": Rules(),
        "events": {},
        "spans": [("a", "S1", 0, 30, True, "", None, False)],
        "as_of": day(30),
        "through": {"S1": day(4), "S2": day(4)},
    }
    study = study_of(world)
    shorter = pw.World(study.tables, study.rules, study.as_of, {"S1": pd.Timestamp(day(3))}, 2026)
    assert by_student(recount(world))["a", "S1"][2] == 5
    with pytest.raises(AssertionError):
        assert as_dict(panel.student_panel(shorter, by_school=True), ["student_id", "school_id"], SUMS) == by_student(
            recount(world)
        )
