"""Every outcome a plan may name against a day-by-day recount in plain Python, on small random studies; and what a plan
may not name."""

from __future__ import annotations

import dataclasses as dc
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from panel_world import code_table, texts
from test_landmark import DAYS, PLAN, made_world

from evalkit.comparison import landmark_comparison
from evalkit.errors import UserError
from evalkit.measures import MEASURES, NO_OUTCOME, OUTCOMES
from evalkit.reports.impact_plan import better_sign, check_plan, planned_comparison, planned_estimate

SHARES = {"AU": Fraction(1), "AE": Fraction(1), "HD": Fraction(1, 2), "OSS": Fraction(1), "T": Fraction(0),
          "ISS": Fraction(0)}
RULES = ({}, {"inclusive": False}, {"tardy_counts": 0.5}, {"oss_counts": False}, {"iss_counts": True},
         {"min_days_enrolled": 35})


def coded_world(seed: int, **rules):
    """A random study whose marks are of every kind: excused, unexcused, half, tardy, suspensions, not expected."""
    study = made_world(seed, n=90, mentored=30)
    rng = np.random.default_rng(seed + 100)
    events = study.tables["attendance_event"].copy()
    kinds = rng.choice(["AU", "AE", "HD", "OSS", "ISS", "T", "SNE"], len(events), p=[.3, .2, .1, .1, .05, .15, .1])
    again = rng.random(len(events)) < 0.4  # runs: the school day after is missed too, where it is no record already
    more = events[again].assign(date=[DAYS[min(DAYS.get_loc(d) + 1, len(DAYS) - 1)] for d in events["date"][again]])
    both = pd.concat([events.assign(code_local=texts(kinds)), more.assign(code_local="AE")], ignore_index=True)
    both = both.drop_duplicates(["student_id", "date"]).astype({"date": "datetime64[us]", "code_local": "str"})
    tables = MappingProxyType({**study.tables, "attendance_event": both, "code_table": code_table()})
    return dc.replace(study, tables=tables, rules=dc.replace(study.rules, **rules))


class Recount:
    """A student's own school days one after another, and what each was, from the tables alone."""

    def __init__(self, study) -> None:
        self.rules = study.rules
        spans = [(r.student_id, r.school_id, r.entry_date, r.exit_date if pd.notna(r.exit_date) else DAYS[-1])
                 for r in study.tables["enrollment"].itertuples()]
        self.school = {(s, d): school for s, school, a, b in spans for d in DAYS if a <= d <= b}
        self.code = {(r.student_id, r.date): r.code_local for r in study.tables["attendance_event"].itertuples()
                     if self.school.get((r.student_id, r.date)) == r.school_id}

    def days(self, student, start, end):
        """(date, code) of each day the student was expected, both ends counted."""
        return [(d, self.code.get((student, d), "")) for d in DAYS if start <= d <= end and (student, d) in self.school
                and self.code.get((student, d)) != "SNE"]

    def share(self, code) -> Fraction:
        counts = {"T": Fraction(self.rules.tardy_counts), "OSS": Fraction(int(self.rules.oss_counts)),
                  "ISS": Fraction(int(self.rules.iss_counts))}
        return counts.get(code, SHARES.get(code, Fraction(0)))

    def rate(self, days):
        return sum(self.share(code) for _, code in days) / len(days) if days else None

    def missing_share(self, days):
        """The share of days missed where the rules let it be judged."""
        return self.rate(days) if days and len(days) >= self.rules.min_days_enrolled else None

    def reaches(self, days, edge, *, inclusive=True):
        rate = self.missing_share(days)
        return None if rate is None else rate >= edge if inclusive else rate > edge

    def last(self, student, start, end, n, skip=0):
        """The student's days among the school's last n school days of the window, None where they are not all in it."""
        held = [d for d in DAYS if start <= d <= end]
        last = max((d for d in DAYS if d <= end), default=None)
        if last is None or (student, last) not in self.school or len(held) < n + skip:
            return None
        part = held[len(held) - n - skip: len(held) - skip]
        return self.days(student, part[0], part[-1])

    def outcome(self, name, student, start, end):
        days = self.days(student, start, end)
        missed = sum(self.share(code) for _, code in days)
        of = {"excused_days": ("AE", "HD"), "suspended_days": ("OSS", "ISS")}
        if name in of:
            return sum(self.share(code) for _, code in days if code in of[name])
        if name == "unexcused_days":
            return missed - sum(self.share(code) for _, code in days if code in of["excused_days"])
        if name == "momentum":
            now, before = (self.last(student, start, end, 20, skip) for skip in (0, 20))
            return self.rate(now) - self.rate(before) if now and before else None
        if name == "recent_window":
            now = self.last(student, start, end, 10)
            return sum(self.share(code) for _, code in now) if now else None
        return {"absent_days": lambda: missed, "absence_rate": lambda: self.rate(days),
                "ada": lambda: 1 - self.rate(days), "tardy_days": lambda: sum(code == "T" for _, code in days),
                "streaks": lambda: self.run(days),
                "is_chronic": lambda: self.reaches(days, Fraction(1, 10), inclusive=self.rules.inclusive),
                "is_severe": lambda: self.reaches(days, Fraction(1, 5)),
                "is_satisfactory": lambda: (None if (under := self.reaches(days, Fraction(1, 20))) is None
                                            else not under)}[name]()

    def run(self, days) -> int:
        longest = now = 0
        for _, code in days:
            now = now + 1 if self.share(code) >= 1 else 0
            longest = max(longest, now)
        return longest


@pytest.mark.parametrize("outcome", list(OUTCOMES))
@pytest.mark.parametrize("seed", range(3))
def test_an_outcome_is_what_a_recount_day_by_day_finds(seed, outcome):
    study = coded_world(seed, **RULES[(seed + list(OUTCOMES).index(outcome)) % len(RULES)])
    used = landmark_comparison(study, dc.replace(PLAN, outcome=outcome, ratio=2)).used
    recount, seen = Recount(study), set()
    assert len(used) >= 6
    for row in used.itertuples():
        wanted = recount.outcome(outcome, row.student_id, row.landmark, row.follow_up_end)
        assert wanted is not None
        assert float(getattr(row, outcome)) == pytest.approx(float(wanted), abs=1e-12)  # the same fraction, as a float
        seen.add(float(wanted))
    assert len(seen) > 1


@pytest.mark.parametrize("outcome", ["recent_window", "momentum", "is_chronic"])
def test_flow_reasons_and_attrition_add_up_to_the_students_of_the_estimate(outcome):
    from evalkit.reports.impact_run import left_out

    study = coded_world(3, **({"min_days_enrolled": 45} if outcome == "is_chronic" else {}))
    plan = dc.replace(PLAN, outcome=outcome, ratio=2, follow_up_end="2026-01-09")
    found = planned_comparison(study, plan)
    flow, counts = found.flow.set_index("step"), found.details["attrition"]
    assert list(flow.index)[-2:] == ["with 20 enrolled days of follow-up", "with a value of the outcome"]
    assert flow["treated"].iloc[-1] < flow["treated"].iloc[-2]
    estimate = planned_estimate(found, dc.replace(plan, covariates=("pre_absence_rate",)))
    for arm, treated, n in (("treated", 1, estimate.n_treated), ("comparison", 0, estimate.n_comparison)):
        assert flow[arm].iloc[-1] == n == found.arm(treated)["student_id"].nunique()
        assert counts[arm]["n"] - counts[arm]["lost"] - counts[arm]["with_set"] == n
        assert flow[arm].iloc[0] - n == sum(row["n"] for row in left_out(found) if row["arm"] == arm)
    sets = found.used.groupby("subclass")
    assert sets["treated"].nunique().eq(2).all()
    assert sets.apply(lambda rows: rows.loc[rows["treated"] == 0, "weight"].sum()).to_numpy() == pytest.approx(1.0)
    reasons = {row["reason"] for row in left_out(found)}
    assert "no value of the planned outcome" in reasons


@pytest.mark.parametrize("outcome", ["recent_window", "momentum"])
def test_who_is_left_out_for_lack_of_a_value_has_none(outcome):
    study, end = coded_world(4), pd.Timestamp("2026-01-23")
    found = landmark_comparison(study, dc.replace(PLAN, outcome=outcome, follow_up_end=f"{end:%Y-%m-%d}",
                                                  later_assigned="exclude"))  # so that every window ends on one day
    gone, recount = found.dropped[found.dropped["reason"] == "no value of the planned outcome"], Recount(study)
    assert len(gone) > 0
    for row in gone.itertuples():
        assert len(recount.days(row.student_id, row.landmark, end)) >= 20
        assert recount.outcome(outcome, row.student_id, row.landmark, end) is None


def test_every_measure_is_an_outcome_or_says_why_it_is_none():
    assert set(MEASURES) == set(OUTCOMES) | set(NO_OUTCOME) and not set(OUTCOMES) & set(NO_OUTCOME)
    for why, instead in NO_OUTCOME.values():
        assert any(name in instead for name in OUTCOMES) and why.split()[0] in ("is", "counts", "sets")
    for name, row in OUTCOMES.items():
        assert better_sign(name) == row.better in (-1, 1) and row.in_school in (0, row.better)
        assert (row.kind == "flag") == name.startswith("is_") == bool(row.who)


@pytest.mark.parametrize(("changes", "rules", "told"), [
    ({"outcome": "band"}, {}, "is_severe"), ({"outcome": "days_left"}, {}, "absent_days"),
    ({"outcome": "early_warning"}, {}, "first day"), ({"outcome": "streaks", "estimator": "poisson"}, {}, "add up"),
    ({"outcome": "is_severe", "estimator": "poisson"}, {}, "add up"),
    ({"outcome": "ada", "estimator": "poisson"}, {}, "add up"),
    ({"outcome": "tardy_days", "estimator": "logistic"}, {}, "yes/no"),
    ({"outcome": "is_severe"}, {"bands": (0.05, 0.1, 0.25, 0.5)}, "20%"), ({"outcome": "streak"}, {}, "streaks")])
def test_an_outcome_that_cannot_be_had_is_refused_with_what_to_name_instead(changes, rules, told):
    with pytest.raises(UserError) as refused:
        check_plan(coded_world_with_outcomes(0, **rules), dc.replace(PLAN, **changes))
    text = f"{refused.value.what} {refused.value.remedy}"
    assert told in text and '[[analysis]] "main"' in text and refused.value.file == "study.toml"


def coded_world_with_outcomes(seed, **rules):
    study = coded_world(seed, **rules)
    table = pd.DataFrame({"student_id": texts(["s001"]), "measure": texts(["gpa"]), "date": DAYS[[60]], "value": [3.0]})
    return dc.replace(study, tables=MappingProxyType({**study.tables, "outcome": table}))


@pytest.mark.parametrize("outcome", ["tardy_days", "excused_days", "unexcused_days", "suspended_days"])
def test_days_that_no_code_marks_are_no_outcome(outcome):
    study = coded_world_with_outcomes(1)
    check_plan(study, dc.replace(PLAN, outcome=outcome))
    events = study.tables["attendance_event"]
    plain = dc.replace(study, tables=MappingProxyType({**study.tables, "attendance_event": events.assign(
        code_local=texts(["AU"] * len(events)))}))
    with pytest.raises(UserError, match="same for everybody"):
        check_plan(plain, dc.replace(PLAN, outcome=outcome))


def test_a_measure_of_the_table_named_like_an_outcome_of_attendance_is_refused():
    study = coded_world_with_outcomes(1)
    table = study.tables["outcome"].assign(measure="tardy_days")
    with pytest.raises(UserError, match="same name"):
        check_plan(dc.replace(study, tables=MappingProxyType({**study.tables, "outcome": table})),
                   dc.replace(PLAN, outcome="tardy_days"))


@pytest.mark.parametrize(("outcome", "estimator", "unit"), [
    ("ada", "regression_adjusted", "share"), ("is_severe", "logistic", "share"), ("tardy_days", "poisson", "share"),
    ("tardy_days", "regression_adjusted", "days"), ("streaks", "difference", "days"),
    ("momentum", "difference", "share")])
def test_units_of_estimates(outcome, estimator, unit):
    plan = dc.replace(PLAN, outcome=outcome, estimator=estimator, ratio=2, covariates=("pre_absence_rate",))
    found = planned_estimate(planned_comparison(coded_world(5), plan), plan)
    assert found.unit == unit and found.value is not None


def test_days_in_school_are_the_mirror_of_days_missed():
    from evalkit.evidence import effect_sizes

    plan = dc.replace(PLAN, outcome="ada", ratio=2)
    comparison = planned_comparison(coded_world(6), plan)
    present, missed = (planned_estimate(comparison, plan, outcome=name) for name in ("ada", "absence_rate"))
    assert present.value == pytest.approx(-missed.value) and present.ci_low == pytest.approx(-missed.ci_high)
    sizes = effect_sizes(present), effect_sizes(missed)
    for key in ("hedges_g", "days_per_180", "improvement_index"):
        assert sizes[0][key] == pytest.approx(-sizes[1][key])


def test_days_of_zero_and_one_are_no_yes_or_no():
    from evalkit.estimators import estimate
    from evalkit.evidence import effect_sizes

    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"student_id": range(60), "treated": [0, 1] * 30, "suspended_days": rng.integers(0, 2, 60),
                         "weight": 1.0})
    sizes = effect_sizes(estimate(rows, None, estimator="difference", outcome="suspended_days"))
    assert sizes["hedges_g"] is not None and sizes["cox_index"] is None and sizes["days_per_180"] is None


def test_the_page_of_measures_quotes_every_outcome_and_every_refusal():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "measures" / "README.md").read_text(encoding="utf-8")
    for name, row in OUTCOMES.items():
        star, way = "" if row.always else " *", "more" if row.better > 0 else "less"
        fits = ["regression_adjusted", "difference", "randomized", *(["poisson"] if row.adds_up else []),
                *(["logistic"] if row.kind == "flag" else [])]
        assert f"| `{name}`{star} | {row.meaning} | {row.unit} | {way} | {', '.join(fits)} |" in page
    for name, (why, instead) in NO_OUTCOME.items():
        assert f"| `{name}` | {why} | {instead} |" in page


@pytest.mark.parametrize(("outcome", "told"), [
    ("ada", "days absent a year"), ("absence_rate", "days a year"), ("streaks", "another scale")])
def test_checks_say_which_way_earlier_weeks_count(outcome, told):
    from evalkit.checks import run_checks

    plan = dc.replace(PLAN, outcome=outcome, ratio=2)
    study = coded_world(6)
    comparison = planned_comparison(study, plan)
    estimate = planned_estimate(comparison, plan)
    checks = {check.name: check.text for check in run_checks(study, comparison, estimate, plan)}
    assert told in checks["placebo_date"]
    assert ("mentoring and absence" in checks["sensemakr"]) == (outcome != "streaks")


@pytest.mark.parametrize("rules", [{}, {"inclusive": False}, {"min_days_enrolled": 60}, {"threshold": 0.15}], ids=str)
@pytest.mark.parametrize("by", ["student", "student_school"])
def test_the_panel_says_who_is_chronically_absent_as_a_recount_finds(by, rules):
    from evalkit.panel import attendance_panel

    study = coded_world(2, **rules)
    recount = Recount(study)
    frame, edge = attendance_panel(study, by=by), Fraction(str(rules.get("threshold", "0.1")))
    assert len(frame) >= 90 and frame["is_chronic"].dtype == "boolean"
    for row in frame.itertuples():
        days = [(d, code) for d, code in recount.days(row.student_id, DAYS[0], DAYS[-1])
                if by == "student" or recount.school[row.student_id, d] == row.school_id]
        wanted = recount.reaches(days, edge, inclusive=study.rules.inclusive)
        assert (pd.isna(row.is_chronic) if wanted is None else row.is_chronic == wanted), row
    assert frame["is_chronic"].fillna(False).any() and not frame["is_chronic"].fillna(True).all()


@pytest.mark.parametrize("by", ["student", "student_school"])
def test_totals_say_it_too_and_a_month_does_not(by):
    from evalkit.panel import attendance_panel

    totals = pd.DataFrame({
        "student_id": texts("aabc"), "school_id": texts(["S1", "S2", "S1", "S1"]),
        "period_start": pd.Timestamp("2025-09-01"), "period_end": pd.Timestamp("2025-12-19"),
        "days_enrolled_units": pd.array([40, 30, 70, 0], dtype="Int64") * 120_000,
        "days_absent_units": pd.array([1, 6, 6, 2], dtype="Int64") * 120_000})
    study = dc.replace(made_world(1), tables=MappingProxyType({"attendance_total": totals}))
    found = attendance_panel(study, by=by)["is_chronic"].tolist()
    assert found == ([True, False, pd.NA] if by == "student" else [False, True, False, pd.NA])  # 7/70, 6/70; 1/40, 6/30
    assert "is_chronic" not in attendance_panel(study, by="month")


def test_an_estimate_takes_is_chronic_from_the_panel():
    import evalkit as ek

    study = coded_world(2)
    students = ek.attendance_panel(study)
    treated = students["student_id"].isin(study.tables["assignment"]["student_id"])
    rows = students.assign(treated=treated)
    comparison = ek.choose_comparison(rows[["student_id", "treated", "n_days"]], treated="treated",
                                      covariates=["n_days"])
    found = ek.estimate(students, comparison, outcome="is_chronic", estimator="difference")
    used = comparison.used.merge(students[["student_id", "is_chronic"]], on="student_id")
    shares = [np.average(part["is_chronic"].astype(float), weights=part["weight"])
              for part in (used[used["treated"] == arm] for arm in (1, 0))]
    assert found.value == pytest.approx(shares[0] - shares[1]) and found.unit == "share"


def the_pages(study, analysis, audience):
    from evalkit.reports import impact_answer, impact_appendix, impact_who
    from evalkit.reports.gate import Gate

    gate = Gate(study.config.privacy, audience)
    lead, number = impact_answer.opening(study, analysis, gate)[1], impact_answer.big_number(analysis, gate)
    table = impact_appendix.estimates_table(analysis, gate)
    method = impact_appendix.how_it_was_done(analysis, gate)
    return str(lead), number, table, f"{method}", str(impact_who.groups(analysis, gate))


@pytest.mark.slow
@pytest.mark.parametrize(("outcome", "estimator", "unit", "cell"), [
    ("ada", "regression_adjusted", "days", "days"), ("is_severe", "difference", "points", "points"),
    ("is_satisfactory", "logistic", "points", "points"), ("streaks", "regression_adjusted", "days", "days counted"),
    ("recent_window", "difference", "days", "days counted"), ("momentum", "difference", "points", "points"),
    ("tardy_days", "poisson", "days per 180-day year", "days a year"),
    ("unexcused_days", "regression_adjusted", "days", "days counted")])
def test_every_page_tells_an_outcome_in_its_own_words_and_unit(outcome, estimator, unit, cell):
    from impact_world import PLAN as FOR_DISTRICT
    from impact_world import district

    import evalkit as ek
    from evalkit.config import AnalysisPlan
    from evalkit.reports.impact_run import run_analysis

    study, row = ek.open_study(district()), OUTCOMES[outcome]
    plan = AnalysisPlan(**{**FOR_DISTRICT, "covariates": tuple(FOR_DISTRICT["covariates"]), "outcome": outcome,
                           "estimator": estimator})
    analysis = run_analysis(study, plan)
    for audience in ("team", "partner"):
        lead, number, table, method, groups = the_pages(study, analysis, audience)
        first = table.data.frame.iloc[0]
        assert str(number.unit) == unit and first["unit"] == cell and f"{cell}:" in str(table.note).lower()
        assert row.in_a_sentence() in method and "own scale" not in f"{table.note}{number}"
        if row.in_school:
            assert first["value"] == pytest.approx(180 * analysis.planned.value) and first["ci_low"] < first["ci_high"]
            assert "Days in school per 180-day year" in groups
        else:
            assert row.head in lead and ("Below" if row.better < 0 else "Above") + " zero is better." in lead
            assert "where the outcome is days in school" in groups
    facts = analysis.facts
    assert set(facts.baseline_g) == {"prior_absence_rate", "pre_absence_rate"} and facts.direction_known
    sizes = analysis.effect_sizes
    arms = analysis.planned.details["arms"]
    told_apart = all(0 < arms[f"mean_{arm}"] < 1 for arm in ("treated", "comparison"))  # log odds of 0 or 1: no index
    assert (sizes["cox_index"] is not None) == (row.kind == "flag" and told_apart)
    assert (sizes["hedges_g"] is not None) == (row.kind != "flag" and estimator != "poisson")
    assert (sizes["days_per_180"] is not None) == bool(row.in_school)


@pytest.mark.parametrize("outcome", ["streaks", "recent_window"])
def test_last_years_students_are_counted_in_their_own_year(outcome):
    from types import SimpleNamespace

    from evalkit.panel import daily_panel, open_days
    from evalkit.rules import UNITS_PER_DAY, Rules
    from evalkit.simulate import simulate_district

    tables = simulate_district(n_students=300, n_schools=2, effect_days=0.0, seed=3, records=False)
    end = pd.Timestamp("2026-03-31")
    study = SimpleNamespace(tables=dict(tables), rules=Rules(), school_year=2026, as_of=end, school="",
                            complete_through=dict.fromkeys(tables["school"]["school_id"], end), can=frozenset())
    used = landmark_comparison(study, dc.replace(PLAN, comparison="prior_cohort", outcome=outcome,
                                                 covariates=("pre_absence_rate",))).used
    days = daily_panel(study, book=open_days(study, school_year=2025)).sort_values(["student_id", "date"])
    by_student = dict(list(days.groupby("student_id")))
    held = {school: sorted(part["date"].unique()) for school, part in days.groupby("school_id")}
    others = used[used["treated"] == 0]
    assert len(others) > 5
    for row in others.itertuples():
        mine = by_student[row.student_id]
        inside = mine[mine["date"].between(row.own_landmark, row.follow_up_end)]
        longest = now = 0
        for absent in inside["absent_units"]:
            now = now + 1 if absent >= UNITS_PER_DAY else 0
            longest = max(longest, now)
        last = [day for day in held[inside["school_id"].iloc[-1]] if day <= row.follow_up_end][-10]
        recent = inside.loc[inside["date"] >= last, "absent_units"].sum() / UNITS_PER_DAY
        assert getattr(row, outcome) == {"streaks": longest, "recent_window": recent}[outcome]
