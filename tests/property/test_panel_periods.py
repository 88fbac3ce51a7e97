"""Periods rolled up to days against a recount in fractions: every rule, both forms of file, both engines."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
import panel_world as pw

from evalkit import panel
from evalkit.errors import UserError
from evalkit.rules import UNITS_PER_DAY as U
from evalkit.rules import Rules, make_rules

DAYS = pd.bdate_range("2025-09-01", periods=6)
PERIODS = ("HR", "1", "2", "3")
CODES = {code[0]: code for code in pw.CODES}
SUMS = ["enrolled_units", "absent_units", "n_days", "tardy_days", "excused_units"]


def cell():
    """One period of one student: a code, and perhaps minutes."""
    minutes = st.sampled_from([None, None, (50, 0), (50, 25), (50, 50), (10, 3), (90, 60), (45, 50)])
    return st.tuples(st.sampled_from(["", "", "", "AU", "AE", "T", "SNE", "ISS", "OSS", "HD"]), minutes)


@st.composite
def facts(draw):
    """{(student, day): {period: (code, minutes)}} for two students; some days without any row; and a rule."""
    rule = draw(st.sampled_from(["half_of_minutes", "half_day_bands", "homeroom"]))
    found = {}
    for student in ("a", "b"):
        for number in range(len(DAYS)):
            names = draw(st.lists(st.sampled_from(PERIODS), unique=True, max_size=4))
            found[student, number] = {name: draw(cell()) for name in names}
    daily = draw(st.sets(st.integers(0, len(DAYS) - 1), max_size=2))
    return {"rows": {key: cells for key, cells in found.items() if cells}, "rule": rule, "daily": daily,
            "full": draw(st.booleans()), "iss": draw(st.booleans()), "oss": draw(st.booleans()),
            "in_day": draw(st.integers(4, 8))}


def missed_of(code, minutes, world):
    """(share of one period missed, is_out, is_tardy, is_excused)."""
    _, _, counts, enrolled, tardy, excused, suspension = CODES[code]
    if not enrolled:
        return Fraction(0), True, False, False
    if suspension:
        share = Fraction(int(world["iss"] if code == "ISS" else world["oss"]))
    elif minutes is not None:
        share = Fraction(max(minutes[0] - minutes[1], 0), minutes[0])
    else:
        share = Fraction(0) if tardy else Fraction(counts)
    return share, False, tardy, excused


def day_of(cells, world):
    """(share absent, is_out, is_tardy, is_excused) of a student's day under the rule."""
    cells = {n: c for n, c in cells.items() if world["rule"] != "homeroom" or n == "HR"}
    meant = {name: missed_of(*cell, world) for name, cell in cells.items()}
    inside = {name: share for name, (share, is_out, _, _) in meant.items() if not is_out}
    timed = world["full"] and all(cells[name][1] is not None for name in cells)
    weight = {name: cells[name][1][0] if timed else 1 for name in inside}
    total = sum(weight.values())
    if not world["full"] and world["rule"] != "homeroom":
        total = max(world["in_day"] - (len(meant) - len(inside)), 0)
    lost = sum(weight[name] * share for name, share in inside.items())
    if total <= 0:
        return Fraction(0), True, False, False
    part = lost / total
    if world["rule"] == "half_day_bands":
        share = Fraction(0) if part < Fraction(1, 4) else Fraction(1, 2) if part <= Fraction(3, 4) else Fraction(1)
    else:
        share = Fraction(int(part >= Fraction(1, 2)))
    missed = [name for name, (s, _, _, _) in meant.items() if s > 0]
    late = share == 0 and any(is_tardy for _, _, is_tardy, _ in meant.values())
    return share, False, late, share > 0 and all(meant[name][3] for name in missed)


def recount(world):
    """{student: sums}; a day with a daily row of the school is counted from daily rows alone."""
    sums = {}
    for student in ("a", "b"):
        total = [0, 0, 0, 0, 0]
        for number in range(len(DAYS)):
            if number in world["daily"]:
                absent, late, excused = int(student == "a") * U, 0, False
            else:
                cells = world["rows"].get((student, number), {})
                cells = {n: c for n, c in cells.items() if world["rule"] != "homeroom" or n == "HR"}
                if not cells and world["full"]:
                    continue
                share, is_out, late, excused = day_of(cells, world) if cells else (Fraction(0), False, False, False)
                if is_out:
                    continue
                absent = int(share * U)
            total = [t + v for t, v in zip(total, [U, absent, 1, int(late), absent * excused], strict=True)]
        sums[student] = tuple(total)
    return {student: total for student, total in sums.items() if total[2]}


def period_rows(world):
    rows = [(s, "S1", DAYS[n], name, code or None, minutes) for (s, n), cells in world["rows"].items()
            for name, (code, minutes) in cells.items()]
    return pd.DataFrame({
        "student_id": pw.texts(r[0] for r in rows), "school_id": pw.texts(r[1] for r in rows),
        "date": pw.days_of(r[2] for r in rows), "period": pw.texts(r[3] for r in rows),
        "code_local": pw.texts(r[4] or "" for r in rows),
        "minutes_scheduled": pd.array([r[5] and r[5][0] for r in rows], dtype="Int64"),
        "minutes_present": pd.array([r[5] and r[5][1] for r in rows], dtype="Int64")})


def study_of(world, **rules):
    """Daily rows only on the days in `daily`: student a is absent there."""
    settings_ = {"period_rollup": world["rule"], "iss_counts": world["iss"], "oss_counts": world["oss"]}
    settings_ |= {"homeroom_period": "HR"} if world["rule"] == "homeroom" else {"periods_in_day": world["in_day"]}
    events = [("a", "S1", DAYS[n], "AU") for n in world["daily"]]
    events += [("b", "S1", DAYS[n], "") for n in world["daily"]] if world["full"] else []
    return pw.world(events, (("a", "S1", "2025-09-01", None), ("b", "S1", "2025-09-01", None)),
                    days=pw.calendar(["S1"], n=len(DAYS)), rules={**settings_, **rules},
                    tables={"attendance_period": period_rows(world)})


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(facts())
def test_periods_agree_with_a_recount_on_both_engines(world):
    if not world["rows"]:
        return
    study, expected = study_of(world), recount(world)
    for engine in ("duckdb", "polars"):
        book = panel.open_days(study, form="every_day" if world["full"] else "exceptions", engine=engine)
        found = panel.student_panel(study, book=book)
        got = {row[0]: tuple(int(v) for v in row[1:]) for row in found[["student_id", *SUMS]].itertuples(index=False)}
        assert got == expected, engine


def one_day(cells, **rules):
    world = {"rows": {("a", 0): cells}, "rule": rules.pop("period_rollup", "half_of_minutes"), "daily": set(),
             "full": True, "iss": False, "oss": True, "in_day": 0}
    tables = {"attendance_period": period_rows(world), "attendance_event": None}
    return pw.world([], days=pw.calendar(["S1"], n=1), tables=tables, rules={"period_rollup": world["rule"], **rules})


@pytest.mark.parametrize(("rule", "present", "absent"), [
    ("half_of_minutes", 51, 0), ("half_of_minutes", 50, U), ("half_of_minutes", 0, U), ("half_day_bands", 76, 0),
    ("half_day_bands", 75, U // 2), ("half_day_bands", 50, U // 2), ("half_day_bands", 25, U // 2),
    ("half_day_bands", 24, U)])
def test_the_edges_of_each_rule(rule, present, absent):
    """60 + 40 minutes scheduled: the edges of 25, 50 and 75 % to the minute."""
    here = min(present, 60)
    study = one_day({"1": ("", (60, here)), "2": ("", (40, present - here))}, period_rollup=rule)
    for engine in ("duckdb", "polars"):
        book = panel.open_days(study, form="every_day", engine=engine)
        assert panel.student_panel(study, book=book)["absent_units"].tolist() == [absent]


def test_missed_periods_alone_need_the_number_of_periods():
    study = one_day({"1": ("AU", None)})
    with pytest.raises(UserError, match="number of periods"):
        panel.open_days(study)
    ruled = one_day({"1": ("AU", None)}, periods_in_day=2)
    assert panel.student_panel(ruled)["absent_days"].tolist() == [1.0]


def test_missed_periods_beside_daily_rows_are_left_out_when_their_number_is_not_known():
    study = one_day({"1": ("AU", None)})
    tables = {**study.tables, "attendance_event": pw.events([("a", "S1", "2025-09-02", "AU")])}
    daily = pw.World(tables, rules=study.rules, complete_through=study.complete_through)
    assert panel.student_panel(daily)["absent_units"].sum() == 0


def test_settings_that_do_not_go_together_are_refused():
    assert make_rules({"period_rollup": "homeroom", "homeroom_period": "HR"}) != Rules()
    for bad in ({"period_rollup": "homeroom"}, {"homeroom_period": "HR"}, {"period_rollup": "any"},
                {"period_rollup": "homeroom", "homeroom_period": "HR", "periods_in_day": 7}, {"periods_in_day": -1}):
        with pytest.raises(UserError):
            make_rules(bad)
