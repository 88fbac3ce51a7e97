"""Every estimator a plan can name: the rows it works on recounted day by day, the number against a plain regression,
what is refused, and what the report's checks and pages say of a change."""

from __future__ import annotations

import dataclasses as dc
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from test_landmark import DAYS, PLAN, Diary, made_world

import evalkit as ek
from evalkit.checks.context import Context
from evalkit.checks.rosenbaum import set_differences
from evalkit.comparison import landmark_comparison
from evalkit.comparison.months import LEAST_DAYS, month_rows
from evalkit.config import OWN_KEYS, AnalysisPlan
from evalkit.errors import UserError
from evalkit.estimators import ESTIMATORS
from evalkit.files import repository_root
from evalkit.reports.gate import Gate
from evalkit.reports.impact_answer import COMES_BACK_TITLE, opening
from evalkit.reports.impact_change import event_steps
from evalkit.reports.impact_estimators import MONTHS, PLANNED, STUDENTS, level_plan
from evalkit.reports.impact_plan import check_plan, planned_comparison, planned_estimate
from evalkit.reports.impact_run import run_analysis

PRIOR = ("prior_absence_rate", "english_learner")
BEFORE_START = ("pre_absence_rate", "english_learner")
CHANGE = dc.replace(PLAN, covariates=PRIOR)


@pytest.fixture(scope="module")
def sample():
    return ek.open_study(repository_root() / "data" / "sample")


def monthly(estimator, **changes):
    outcome = "absent_days" if estimator == "panel_poisson" else "absence_rate"
    return dc.replace(CHANGE, estimator=estimator, outcome=outcome, **changes)


def recounted(study, made, plan):
    """(student, month) -> days, days missed, mentored, month of the start and weight, from the diary and the rows."""
    diary, used = Diary(study), made.used
    end = pd.Timestamp(plan.follow_up_end) if plan.follow_up_end else DAYS[-1]
    found = {}
    for student, rows in used.groupby("student_id"):
        mentored = rows[rows["treated"] == 1]
        begun = diary.begin.get(student) if plan.baseline != "landmark" else mentored["landmark"].min()
        start = f"{begun:%Y-%m}" if len(mentored) else None
        partner = rows.loc[rows["treated"] == 0, "weight"]
        weight = 1.0 if len(mentored) else partner.mean() if plan.method == "none" else partner.sum()
        for month in sorted({f"{d:%Y-%m}" for d in DAYS}):
            days = [d for d in DAYS if f"{d:%Y-%m}" == month and (student, d) in diary.school and d <= end]
            gone = start is None and student in diary.begin and month >= f"{diary.begin[student]:%Y-%m}"
            if len(days) >= LEAST_DAYS and not gone:
                missed = sum(diary.missed.get((student, d), 0.0) for d in days)
                found[student, month] = (len(days), missed, start, weight)
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("changes", [{}, {"ratio": 2, "replace": True}, {"method": "full"}, {"baseline": "2025-10-15"},
                                     {"method": "none", "distance": "propensity"},
                                     {"method": "weighting", "distance": "propensity"}], ids=str)
def test_months_are_those_of_the_diary(seed, changes):
    study, plan = made_world(seed), dc.replace(CHANGE, **changes)
    made = landmark_comparison(study, plan)
    rows = month_rows(study, made, plan)
    told = {(r.student_id, r.month): (r.n_days, r.absent_days, r.first_treated if isinstance(r.first_treated, str)
                                      else None, pytest.approx(r.weight)) for r in rows.itertuples()}
    assert told == recounted(study, made, plan)
    assert np.allclose(rows["absence_rate"], rows["absent_days"] / rows["n_days"])
    assert len(rows) > 100


def test_follow_up_end_ends_the_months(sample):
    plan = dc.replace(sample.config.analyses[0], covariates=PRIOR, follow_up_end="2026-01-15")
    rows = month_rows(sample, landmark_comparison(sample, plan), plan)
    assert rows["month"].max() == "2026-01" and rows.loc[rows["month"] == "2026-01", "n_days"].max() <= 11


def dense(rows, column="on"):
    """Two-way fixed effects by plain least squares on a dummy for every student and month."""
    first = rows["first_treated"].fillna("9999-99")
    on = (rows["month"] >= first).astype(float)
    design = np.column_stack([on, pd.get_dummies(rows["student_id"]), pd.get_dummies(rows["month"]).iloc[:, 1:]])
    root = np.sqrt(rows["weight"].to_numpy(float))
    return np.linalg.lstsq(design.astype(float) * root[:, None], rows["absence_rate"].to_numpy() * root,
                           rcond=None)[0][0]


def test_two_way_fixed_effects_are_those_of_a_plain_regression():
    study = made_world(3, mentored=25)
    made = planned_comparison(study, monthly("twfe"))
    found = planned_estimate(made, monthly("twfe"))
    assert found.value == pytest.approx(dense(made.details["months"]), abs=1e-10)  # one least squares, two ways
    assert found.clustered_by in ("subclass", "student_id") and found.standard_errors == "CR2"


@pytest.mark.parametrize("estimator", MONTHS)
def test_each_estimator_over_months_takes_its_options_from_the_plan(estimator):
    study = made_world(3, n=160, mentored=50)
    plan = monthly(estimator, method="nearest", caliper=None)
    made = planned_comparison(study, plan)
    found = planned_estimate(made, plan)
    rows = made.details["months"]
    options = {"control_group": "notyet"} if estimator == "callaway_santanna" else {}
    takes = [n for n in PRIOR if estimator == "callaway_santanna" and rows[n].nunique(dropna=False) > 1]
    again = ek.estimate(rows, None, estimator=estimator, outcome=plan.outcome, clustered_by=found.clustered_by,
                        covariates=takes, standard_errors=found.standard_errors, **options)
    assert (found.value, found.standard_error) == (again.value, again.standard_error)
    assert found.standard_errors in ESTIMATORS[estimator].standard_errors
    assert any("part of a month" in line for line in found.caveats)
    assert any("hard months" in line for line in found.caveats)  # students were chosen inside schools
    if estimator == "callaway_santanna":
        never = planned_estimate(made, dc.replace(plan, later_assigned="exclude"))
        assert found.details["control_group"] == "notyet" and never.details["control_group"] == "never"
    if estimator in ("callaway_santanna", "did2s", "sun_abraham"):
        steps = event_steps(found)
        assert {-1, 0, 1} & set(steps["month"].astype(int)) and (steps["ci_low"] < steps["ci_high"]).all()


@pytest.mark.parametrize(("before", "covariates"), [("prior_absence_rate", BEFORE_START), ("pre_absence_rate", PRIOR)])
def test_a_change_is_the_difference_of_changes(before, covariates):
    study = made_world(2, mentored=25)
    plan = dc.replace(PLAN, estimator="did", before=before, covariates=covariates)
    made = planned_comparison(study, plan)
    found = planned_estimate(made, plan)
    used = made.used
    assert used[before].notna().all()  # who has no earlier value is left out with its set, and said
    changed = made.students.assign(change=made.students["absence_rate"] - made.students[before])
    same = planned_estimate(dc.replace(made, students=changed), dc.replace(plan, estimator="regression_adjusted"),
                            outcome="change")
    assert found.value == pytest.approx(same.value, abs=1e-12)  # one regression, two ways to its outcome
    left = landmark_comparison(study, plan).used
    if left[before].isna().any():
        assert any("not known" in remark for remark in made.remarks)


def plan_of(**changes):
    return dc.replace(PLAN, **{"covariates": PRIOR, **changes})


REFUSED = [
    ({"estimator": "did"}, "matched or selected on (covariates)"),
    ({"estimator": "did", "covariates": BEFORE_START, "eligible": "prior_chronic"}, "selected on (eligible)"),
    ({"estimator": "did", "before": "pre_absence_rate", "exact": ("pre_absence_rate",)}, "(exact)"),
    ({"estimator": "did", "outcome": "unexcused_days"}, "change of one measure"),
    ({"estimator": "did", "before": "prior_chronic"}, "before can be: prior_absence_rate, pre_absence_rate"),
    ({"estimator": "did", "outcome": "is_chronic"}, "Take prior_absence_rate out of covariates"),
    ({"estimator": "twfe", "covariates": BEFORE_START}, "months before the start"),
    ({"estimator": "callaway_santanna", "eligible": "early_warning"}, "selected on (eligible)"),
    ({"estimator": "twfe", "outcome": "is_chronic"}, 'outcome with estimator "twfe"'),
    ({"estimator": "panel_poisson"}, 'outcome with estimator "panel_poisson"'),
    ({"estimator": "did2s", "comparison": "prior_cohort"}, "another year"),
    ({"estimator": "sun_abraham", "method": "entropy", "distance": "propensity"}, "does not hold the school"),
    ({"estimator": "twfe", "method": "cem", "clustered_by": "subclass", "distance": "propensity"}, "sets of a few"),
    ({"estimator": "twfe", "standard_errors": "wild_bootstrap"}, "standard_errors with estimator"),
    ({"estimator": "regression_adjusted", "before": "prior_absence_rate"}, "before has no effect"),
    ({"score": "prior_absence_rate"}, "score has no effect"), ({"side": "below"}, "side has no effect"),
    ({"estimator": "discontinuity"}, "needs the score and the threshold"),
    ({"estimator": "discontinuity", "score": "prior_absence_rate", "cutoff": 0.1}, "everybody on one day"),
    ({"estimator": "interrupted_series"}, "follows whole schools"), ({"estimator": "session_day"}, "other days"),
    ({"estimator": "randomized"}, "this comparison was none"), ({"estimator": "logistic"}, "yes/no outcome"),
    ({"estimator": "twfee"}, 'Did you mean "twfe"')]


@pytest.mark.parametrize(("changes", "says"), REFUSED, ids=[str(index) for index in range(len(REFUSED))])
def test_what_a_plan_cannot_have_is_refused_with_its_block(sample, changes, says):
    with pytest.raises(UserError) as caught:
        check_plan(sample, plan_of(**changes))
    assert says in f"{caught.value.what} {caught.value.remedy}" and '[[analysis]] "main"' in caught.value.what
    assert caught.value.remedy and caught.value.file == "study.toml"


def test_every_estimator_is_planned_or_says_why_not():
    assert set(PLANNED) | {"interrupted_series", "session_day"} == set(ESTIMATORS)
    assert {name for name in STUDENTS if ESTIMATORS[name].shape != "students"} == set()
    assert {name for name in MONTHS if ESTIMATORS[name].shape != "panel"} == set()


def test_settings_of_one_estimator_leave_other_plans_and_their_hash_as_they_were():
    plan = AnalysisPlan()
    rest = {key: value for key, value in dc.asdict(plan).items() if key not in OWN_KEYS}
    assert plan.settings() == rest
    assert plan.sha256 == hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    assert dc.replace(plan, cutoff=0.1).sha256 != plan.sha256


def by_threshold(seed, *, chosen=lambda rate: rate >= 0.12):
    """Mentors on one day for everyone at or above 12 % last year."""
    study = made_world(seed, n=400, mentored=30, starts="2025-10-20", schools=("S1",))
    prior = study.tables["prior_year"]
    rate = prior["days_absent"] / prior["days_enrolled"]
    ids = prior.loc[chosen(rate), "student_id"]
    some = study.tables["assignment"].iloc[:1]
    rows = pd.concat([some.assign(student_id=student) for student in ids], ignore_index=True)
    return dc.replace(study, tables={**study.tables, "assignment": rows.astype(some.dtypes)})


THRESHOLD = dc.replace(PLAN, estimator="discontinuity", method="none", distance="propensity",
                       score="prior_absence_rate", cutoff=0.12, baseline="2025-10-20", covariates=BEFORE_START)


def test_a_threshold_plan_is_the_jump_of_everyone_on_that_day():
    study = by_threshold(5)
    made = planned_comparison(study, THRESHOLD)
    found = planned_estimate(made, THRESHOLD)
    again = ek.estimate(made.used.drop(columns="weight"), None, estimator="discontinuity", outcome="absence_rate",
                        score="prior_absence_rate", cutoff=0.12)
    assert (found.value, found.ci_low) == (again.value, again.ci_low) and found.estimand == "effect at the threshold"
    check = ek.run_checks(study, made, found, THRESHOLD, which=["balance"],
                          options={"score": "prior_absence_rate", "cutoff": 0.12, "side": "above"})[0]
    assert "at the threshold" in check.text and set(check.details) == {"pre_absence_rate", "english_learner"}


def test_a_threshold_that_did_not_decide_is_refused():
    study = by_threshold(6, chosen=lambda rate: rate < 0.12)
    with pytest.raises(UserError, match="other side") as caught:
        planned_estimate(planned_comparison(study, THRESHOLD), THRESHOLD)
    assert 'side = "below"' in caught.value.remedy
    nobody = dc.replace(THRESHOLD, cutoff=0.05)
    with pytest.raises(UserError, match="did not decide who got a mentor"):
        planned_estimate(planned_comparison(study, nobody), nobody)


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "covariates"), [("did", BEFORE_START), ("callaway_santanna", PRIOR),
                                                       ("panel_poisson", PRIOR)])
def test_a_change_among_students_chosen_for_their_absence_does_not_pass_as_an_effect(sample, estimator, covariates):
    """On the sample the change says 6 to 9 days, the level beside it 2 to 4: the check must not let it through."""
    outcome = "absent_days" if estimator == "panel_poisson" else "absence_rate"
    plan = dc.replace(sample.config.analyses[0], estimator=estimator, covariates=covariates, outcome=outcome)
    found = run_analysis(sample, plan)
    entry = found.to_dict()
    checks = {check["name"]: check for check in entry["checks"]}
    assert checks["regression_to_the_mean"]["verdict"] in ("fail", "caution")
    assert "days a year" in checks["regression_to_the_mean"]["text"]
    assert any("fail" in check["verdict"] for check in checks.values())
    assert entry["details"] and entry["estimates"][0]["estimator"] == estimator
    assert entry["estimates"][1]["name"] == "From the start on, earlier absence as a covariate"
    assert entry["estimates"][1]["exploratory"] and entry["estimates"][1]["estimator"] == "regression_adjusted"
    assert found.groups["value"].notna().sum() > 5
    first, last = entry["flow"][0], entry["flow"][-1]
    assert last["treated"] == found.planned.n_treated
    for arm in ("treated", "comparison"):
        assert sum(row["n"] for row in entry["left_out"] if row["arm"] == arm) == first[arm] - last[arm]
    assert {"prior_absence_rate", "pre_absence_rate"} <= {row["covariate"] for row in entry["balance"]}
    gaps = {row["covariate"]: abs(row["smd_after"] or 0) for row in entry["balance"]}
    if max(gaps["prior_absence_rate"], gaps["pre_absence_rate"]) > 0.25:
        assert checks["balance"]["verdict"] == "fail"
    if checks["regression_to_the_mean"]["verdict"] == "fail" and estimator != "panel_poisson":
        title, lead = opening(sample, found, Gate(sample.config.privacy, "team"))
        assert title == COMES_BACK_TITLE and "cannot be relied on" in lead and "taken into account it is" in lead
        assert "Tier 4" in found.evidence["essa"] and "coming back" in " ".join(found.evidence["reasons"])
    assert checks["placebo_outcome"]["value"] is None and checks["placebo_date"]["value"] is None
    assert not any("which evalkit does not know" in check["text"] for check in checks.values())
    if estimator == "panel_poisson":  # a log ratio is no difference in days
        assert found.effect_sizes["hedges_g"] is None and found.effect_sizes["days_per_180"] is None


def test_pages_that_show_the_level_adjust_for_the_earlier_absence_a_change_leaves_out(sample):
    change = dc.replace(sample.config.analyses[0], estimator="did", covariates=("english_learner",),
                        before="pre_absence_rate")
    shown = level_plan(sample, change)
    assert (shown.estimator, shown.outcome, shown.before) == ("regression_adjusted", "absence_rate", "")
    assert shown.covariates == ("english_learner", "prior_absence_rate", "pre_absence_rate")
    assert level_plan(sample, sample.config.analyses[0]) == sample.config.analyses[0]


def test_hidden_bias_of_a_change_is_judged_on_the_changes_within_sets():
    study = made_world(2, mentored=25)
    plan = dc.replace(PLAN, estimator="did", covariates=BEFORE_START)
    made = planned_comparison(study, plan)
    context = Context(made, planned_estimate(made, plan), plan, study)
    used = made.used.assign(change=made.used["absence_rate"] - made.used["prior_absence_rate"])
    sets = used.pivot_table(index="subclass", columns="treated", values="change")
    assert np.allclose(np.sort(set_differences(context)), np.sort(sets[0] - sets[1]))
