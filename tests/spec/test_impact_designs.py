"""Every comparison design, method, standard error and option of a plan, run on a small made district: it acts."""

from __future__ import annotations

import dataclasses as dc
import re

import numpy as np
import pandas as pd
import pytest
from impact_world import PLAN, district, study_with

import evalkit as ek
from evalkit.comparison.follow_up import NO_VALUE, attrition, drop_from_sets
from evalkit.config import AnalysisPlan
from evalkit.render.blocks import Row
from evalkit.reports import impact_answer, impact_appendix, impact_groups, impact_method, impact_units, impact_who
from evalkit.reports.gate import Gate
from evalkit.reports.impact_balance import released_rows, shown_balance
from evalkit.reports.impact_plan import planned_comparison, planned_estimate
from evalkit.reports.impact_run import corrected, left_out, run_analysis, study_facts
from evalkit.wording import count_words

DATE = "2025-11-03"
NO_PRIOR = ("pre_absence_rate", "econ_disadvantaged")


@pytest.fixture(scope="module")
def study():
    return ek.open_study(district())


def plan_of(**changes) -> AnalysisPlan:
    return AnalysisPlan(**{key: tuple(v) if isinstance(v, list) else v for key, v in {**PLAN, **changes}.items()})


def with_assignments(study, frame: pd.DataFrame):
    return dc.replace(study, tables={**study.tables, "assignment": frame.reset_index(drop=True)})


def lottery(study):
    """Half of the students of the mentoring schools, drawn at random, from one day on; it has no effect."""
    rng = np.random.default_rng(3)
    schools = study.table("school")
    inside = schools.loc[schools["programme_school"].fillna(False).astype(bool), "school_id"]
    spans = study.table("enrollment")
    here = spans[spans["school_id"].isin(inside) & (spans["school_year"].astype(str) == "2026")]
    ids = np.sort(here["student_id"].unique())
    drawn = rng.permutation(ids)[: len(ids) // 2]
    some = study.table("assignment").iloc[[0]]
    rows = pd.concat([some] * len(drawn), ignore_index=True)
    return with_assignments(study, rows.assign(student_id=pd.array(np.sort(drawn), dtype=rows["student_id"].dtype),
                                               begin_date=pd.Timestamp(DATE), assigned_date=pd.Timestamp(DATE),
                                               assigned_by="randomized"))


def waitlisted(study):
    """Every second mentored student was listed in September and got a mentor in March."""
    table = study.table("assignment").copy()
    late = np.arange(len(table)) % 2 == 0
    table.loc[late, ["begin_date", "assigned_date"]] = pd.Timestamp("2026-03-16"), pd.Timestamp("2025-09-15")
    table.loc[late, "assigned_by"] = "waitlist"
    return with_assignments(study, table), set(table.loc[late, "student_id"])


def words(block) -> str:
    """Every word of a block, the rows of its table too."""
    if isinstance(block, Row):
        return " ".join(words(inner) for cell in block.cells for inner in cell)
    data = getattr(block, "data", None)
    return f"{block} {data.frame.to_csv(index=False) if data is not None else ''}"


def pages(study, analysis) -> str:
    """The words of page 1, page 2 and the methods section, for the team and a partner."""
    text = []
    for audience in ("team", "partner"):
        gate = Gate(study.config.privacy, audience)
        made = [impact_answer.big_number(analysis, gate), impact_answer.benchmarks(analysis, gate),
                impact_answer.design(analysis, gate), *impact_answer.banners(analysis, gate),
                impact_who.flow(analysis, gate), impact_who.groups(analysis, gate), impact_who.balance(analysis, gate),
                impact_who.limits(study, analysis, gate), impact_who.evidence(analysis, gate),
                impact_appendix.estimates_table(analysis, gate), impact_appendix.checks_table(analysis, gate)]
        text += [*impact_answer.opening(study, analysis, gate), *map(words, made)]
    return " ".join([*text, *impact_method.method_lines(analysis)])


@pytest.mark.slow
def test_within_school_compares_inside_the_school(study):
    found = run_analysis(study, plan_of())
    used = found.comparison.used
    assert (used.groupby("subclass")["school_id"].nunique() == 1).all()
    assert found.planned.value < 0 and "same schools" in pages(study, found)
    assert all(estimate.exploratory for _, estimate in found.beyond) and not found.planned.exploratory


@pytest.mark.slow
def test_comparison_schools_cluster_by_school(study):
    found = run_analysis(study, plan_of(comparison="comparison_schools"))
    schools = found.comparison.used.groupby("treated")["school_id"].agg(set)
    assert not schools[0] & schools[1]
    assert found.planned.clustered_by == "school_id" and found.planned.standard_errors == "CR2"
    assert "comparison schools" in pages(study, found)
    named = planned_estimate(found.comparison, plan_of(comparison="comparison_schools", clustered_by="subclass"))
    assert named.clustered_by == "subclass"  # a plan that names its clusters is obeyed


@pytest.mark.slow
def test_a_waitlist_serves_until_its_own_turn(study):
    changed, listed = waitlisted(study)
    found = run_analysis(changed, plan_of(comparison="waitlist", caliper=None))
    others = found.comparison.arm(0)
    assert set(others["student_id"]) <= listed and (others["follow_up_end"] < pd.Timestamp("2026-03-16")).all()
    assert "waiting" in pages(changed, found)
    assert not any("never-mentored" in name for name, _ in found.beyond)


@pytest.mark.slow
def test_a_prior_cohort_carries_its_banner(study):
    found = run_analysis(study, plan_of(comparison="prior_cohort", covariates=NO_PRIOR))
    others = found.comparison.arm(0)
    assert (others["own_landmark"] < pd.Timestamp("2025-07-01")).all()
    words = pages(study, found)
    assert "year before" in words and "confound" in words
    assert found.evidence["wwc"].startswith("would not meet") and "different school years" in " ".join(
        found.evidence["reasons"])


@pytest.mark.slow
def test_a_lottery_is_read_as_offered_with_its_draw_done_again(study):
    changed = lottery(study)
    plan = plan_of(comparison="randomized", estimator="randomized", method="none", distance="propensity", caliper=None,
                   baseline=DATE, exact=("school_id",), clock="assigned")
    found = run_analysis(changed, plan)
    planned = found.planned
    assert planned.estimand == "ITT" and planned.details["randomization_draws"] == 1999
    assert planned.p_value != planned.details["model_p_value"] and 0 < planned.p_value <= 1
    assert abs(planned.value / planned.standard_error) < 3  # nobody was treated
    words = pages(changed, found)
    assert "By lottery" in words and "Mentors were not given by lottery" not in words and "(ITT)" in words
    again = planned_estimate(found.comparison, dc.replace(plan, seed=1))
    assert again.value == planned.value and abs(again.p_value - planned.p_value) < 0.05  # other draws, same data


def test_a_baseline_date_is_everyones_start(study):
    used = planned_comparison(study, plan_of(baseline=DATE)).used
    assert set(used["landmark"].dt.strftime("%Y-%m-%d")) == {DATE}
    begins = study.table("assignment").groupby("student_id")["begin_date"].min()
    assert (used.loc[used["treated"] == 1, "student_id"].map(begins) >= pd.Timestamp(DATE)).all()


def test_the_assigned_clock_starts_at_the_assignment(study):
    table = study.table("assignment").sort_values("begin_date").drop_duplicates("student_id").set_index("student_id")
    for clock, column in (("begin", "begin_date"), ("assigned", "assigned_date")):
        treated = planned_comparison(study, plan_of(clock=clock)).arm(1)
        wait = treated["landmark"] - treated["student_id"].map(table[column])
        assert (wait >= pd.Timedelta(0)).all() and (wait <= pd.Timedelta(days=6)).all(), clock
    moved = table["begin_date"] != table["assigned_date"]
    assert moved.any()


def test_later_assigned_and_eligible_choose_who_may_serve(study):
    mentored = set(study.table("assignment")["student_id"])
    censored = set(planned_comparison(study, plan_of()).arm(0)["student_id"])
    never = set(planned_comparison(study, plan_of(later_assigned="exclude")).arm(0)["student_id"])
    assert censored & mentored and not never & mentored
    chronic = planned_comparison(study, plan_of(eligible="prior_chronic")).arm(0)
    assert (chronic["prior_absence_rate"] >= 0.10).all()
    assert len(planned_comparison(study, plan_of(eligible="early_warning")).arm(0)) < len(censored)


def test_follow_up_end_ratio_replacement_and_caliper_act(study):
    usual = planned_comparison(study, plan_of())
    short = planned_comparison(study, plan_of(follow_up_end="2026-01-30")).used
    assert short["follow_up_end"].max() <= pd.Timestamp("2026-01-30") < usual.used["follow_up_end"].max()
    two = planned_comparison(study, plan_of(ratio=2)).used
    assert (two[two["treated"] == 0].groupby("subclass").size() == 2).any()
    again = planned_comparison(study, plan_of(replace=True)).used
    assert again.loc[again["treated"] == 0, "student_id"].duplicated().any()
    assert usual.n_treated_matched < planned_comparison(study, plan_of(caliper=None)).n_treated_matched


@pytest.mark.parametrize(("method", "baseline", "changes"), [
    ("exact", "landmark", {"covariates": ("econ_disadvantaged",), "distance": "propensity"}),
    ("nearest", "landmark", {}),
    ("optimal", DATE, {}), ("full", DATE, {}), ("optimal", "landmark", {}), ("full", "landmark", {}),
    ("subclass", "landmark", {}), ("subclass", DATE, {}),
    ("cem", "landmark", {"distance": "propensity"}), ("entropy", "landmark", {"distance": "propensity"}),
    ("weighting", "landmark", {}), ("cbps", DATE, {"distance": "propensity"}),
    ("none", "landmark", {"distance": "propensity"})])
def test_every_method_holds_the_school_and_the_start_date(study, method, baseline, changes):
    plan = plan_of(method=method, baseline=baseline, caliper=None, **changes)
    comparison = planned_comparison(study, plan)
    found, used = planned_estimate(comparison, plan), comparison.used
    assert found.value is not None and found.ci_low < found.value < found.ci_high
    assert found.n_treated == used.loc[used["treated"] == 1, "student_id"].nunique()
    assert found.n_comparison == used.loc[used["treated"] == 0, "student_id"].nunique()
    if used["subclass"].notna().any():
        sets = used.groupby("subclass")
        assert (sets["landmark"].nunique() == 1).all() and (sets["school_id"].nunique() == 1).all()
    else:
        assert comparison.plan["exact"] == ("school_id",)  # held fixed by the regression
    if used["student_id"].duplicated().any():
        assert "student_id" in found.clustered_by or found.clustered_by == "school_id"
    left = comparison.balance.set_index("covariate")["smd_after"].abs().drop("distance", errors="ignore").max()
    if left > 0.25:  # a selection that does not balance must not look fine on the page
        assert ek.run_checks(study, comparison, found, which=["balance"])[0].verdict == "fail"


def test_every_standard_error_acts(study):
    comparison = planned_comparison(study, plan_of(ratio=2))
    errors = {}
    for kind in ("CR0", "CR1", "CR2", "robust", "wild_bootstrap"):
        found = planned_estimate(comparison, plan_of(ratio=2, standard_errors=kind))
        errors[kind] = found.standard_error
        assert found.standard_errors == {"robust": "HC1"}.get(kind, kind)
    assert len({round(error, 12) for error in errors.values()}) == 5
    wild = planned_estimate(comparison, plan_of(ratio=2, standard_errors="wild_bootstrap"))
    assert wild.clustered_by == "school_id" and wild.p_value is not None


def test_poisson_and_a_yes_no_outcome_are_told_in_their_own_unit(study):
    comparison = planned_comparison(study, plan_of())
    rate = planned_estimate(comparison, plan_of(estimator="poisson"))
    days = planned_estimate(comparison, plan_of(estimator="poisson", outcome="absent_days"))
    assert days.value == pytest.approx(rate.value, rel=1e-9) and days.unit == "share"  # the same model of days
    chronic = planned_estimate(comparison, plan_of(estimator="logistic", outcome="is_chronic", covariates=()))
    assert chronic.unit == "share" and -1 < chronic.value < 0


@pytest.mark.slow
def test_outcomes_that_are_not_days_keep_a_number_and_several_plans_are_corrected(study):
    first = run_analysis(study, plan_of())
    second = run_analysis(study, plan_of(id="chronic", outcome="is_chronic"))
    third = run_analysis(study, plan_of(id="days", outcome="absent_days"))
    assert "points" in pages(study, second) and "beyond the plan" in pages(study, second)
    assert "days" in str(impact_answer.big_number(third, Gate(study.config.privacy, "team")))
    both = corrected((first, second))
    p_values = sorted(one.planned.p_value for one in both)
    q_values = sorted(one.q_value for one in both)
    assert q_values == pytest.approx([min(2 * p_values[0], p_values[1]), p_values[1]])  # Benjamini-Hochberg of two
    doubtful = corrected(tuple(dc.replace(one, planned=dc.replace(one.planned, p_value=p)) for one, p in (
        (first, 0.04), (third, 0.30))))  # q of the first is 0.08
    assert first.facts.is_favorable and first.evidence["essa"] != doubtful[0].evidence["essa"]
    assert doubtful[0].q_value == pytest.approx(0.08) and "Tier 4" in doubtful[0].evidence["essa"]
    assert "Benjamini-Hochberg" in str(impact_appendix.estimates_table(both[0], Gate(study.config.privacy, "team")))


def with_grades(study):
    """A GPA before and after for everyone, 0.6 lower afterwards for the mentored: planted harm."""
    ids = study.table("student")["student_id"].unique()
    rng = np.random.default_rng(4)
    before = 2.5 + 0.4 * rng.standard_normal(len(ids))
    harmed = np.isin(ids, study.table("assignment")["student_id"].unique())
    parts = [pd.DataFrame({"student_id": ids, "measure": "gpa", "date": pd.Timestamp(day), "value": value})
             for day, value in (("2025-08-01", before), ("2026-06-01", before - 0.6 * harmed))]
    return dc.replace(study, tables={**study.tables, "outcome": pd.concat(parts, ignore_index=True)})


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["regression_adjusted", "poisson"])
def test_days_absent_have_one_scale_on_every_page(study, estimator):
    found = run_analysis(study, plan_of(outcome="absent_days", estimator=estimator))
    gate = Gate(study.config.privacy, "team")
    told = impact_units.gain(found)
    first = impact_appendix.estimates_table(found, gate).data.frame.iloc[0]
    assert first["value"] == pytest.approx(told.value) and first["ci_low"] == pytest.approx(told.low)
    share = next(one for name, one in found.beyond if name == "Share of days missed")
    assert told.value == pytest.approx(-180 * share.value, rel=0.5)  # another model of the same days: same order
    groups = impact_who.groups(found, gate).data.frame["value"].dropna()
    assert (groups.abs() > 0.5).any()  # days a year, no shares
    for check in found.checks:  # -12 days planted: nothing printed is beyond 180 days of a 180-day year
        assert all(abs(float(day)) <= 180 for day in re.findall(r"([+-][\d.]+) days", check.text)), check.text


@pytest.mark.slow
def test_the_flow_says_that_the_enrolled_hold_the_mentored_too(study):
    found = run_analysis(study, plan_of())
    first = found.comparison.flow.iloc[0]
    mentored = set(study.table("assignment")["student_id"])
    pool = set(found.comparison.students["student_id"])
    assert pool & mentored and first["comparison"] > len(pool - mentored)  # so "other students" would be untrue
    shown = str(impact_who.flow(found, Gate(study.config.privacy, "team")))
    assert "of those enrolled" in shown and "label='Enrolled'" in shown and "others" not in shown.lower()


@pytest.mark.slow
def test_a_student_in_both_groups_is_said_and_counts_once(study):
    found = run_analysis(study, plan_of(ratio=3))
    used = found.comparison.used
    ids = [set(used.loc[used["treated"] == arm, "student_id"]) for arm in (0, 1)]
    assert found.n_in_both == len(ids[0] & ids[1]) > 0
    shown = {who: str(impact_answer.design(found, Gate(study.config.privacy, who))) for who in ("team", "partner")}
    assert count_words(found.n_in_both).capitalize() in shown["team"] and "in both groups" in shown["team"]
    assert "Some may be in both groups" in shown["partner"]
    assert study_facts(study, found.comparison, found.planned, (), found.plan).n_students == len(ids[0] | ids[1])


def test_a_group_that_holds_everyone_is_the_planned_estimate(study):
    plan = plan_of(covariates=[*PLAN["covariates"], "grade_level"], exact=["school_id"])
    comparison = planned_comparison(study, plan)
    assert comparison.used["prior_absence_rate"].isna().any()  # a missing value once threw the covariate out
    planned = planned_estimate(comparison, plan)
    ours = impact_groups._estimate(comparison.used, plan, comparison)
    for name in ("value", "standard_error", "ci_low", "ci_high"):
        assert getattr(ours, name) == pytest.approx(getattr(planned, name), rel=1e-12)  # the same computation


@pytest.mark.slow
def test_words_say_what_is_scaled_missing_or_kept_for_the_team(study):
    found = run_analysis(study, plan_of(estimator="difference"))
    team, partner = (Gate(study.config.privacy, who) for who in ("team", "partner"))
    assert "days followed" in str(impact_answer.big_number(found, team))
    failing = dc.replace(found, checks=tuple(dc.replace(check, verdict="fail") for check in found.checks[:1]))
    assert "The team’s copy says why" in str(impact_answer.banners(failing, partner))
    assert "appendix" not in str(impact_answer.banners(failing, partner))
    assert "did the work" not in str(impact_who.limits(study, found, team))
    table = impact_appendix.balance_table(found, team)
    assert "after adjustment" not in words(table) and "stands at the mean" in str(table.note)
    rows = found.comparison.balance.set_index("covariate")["smd_after"].abs()
    missing = rows[[name for name in rows.index if name.endswith("_missing")]]
    shown = impact_who.balance_frame(found.comparison.balance, found)["label"].str.endswith(": not known").sum()
    assert shown == (missing > 0.05).sum()


@pytest.mark.slow
def test_under_thirty_a_side_nothing_is_headlined(study):
    found = run_analysis(study, plan_of())
    few = dc.replace(found, planned=dc.replace(found.planned, n_treated=8, n_comparison=16, value=-0.05, ci_low=-0.08,
                                               ci_high=-0.02))
    gate = Gate(study.config.privacy, "team")
    title, lead = impact_answer.opening(study, few, gate)
    assert title.startswith("Too few students") and "no result to act on" in lead and "9 more" not in f"{title}"
    assert "no claim should rest" in str(impact_who.evidence(few, gate))
    enough = dc.replace(few, planned=dc.replace(few.planned, n_treated=40, n_comparison=40))
    assert "9 more days" in impact_answer.opening(study, enough, gate)[0]
    costs = study_with_cost(study, 9000.0)
    row = impact_who.cost(costs, enough, gate).data.frame.iloc[-1]
    days = 40 * 9.0 * enough.enrolled_days / 180  # of those compared, against all the money
    assert row["item"] == "Per added day" and row["amount"] == pytest.approx(9000.0 / days)


def study_with_cost(study, amount: float):
    table = pd.DataFrame({"quantity": [1.0], "unit_price": [amount], "currency": ["USD"]})
    return dc.replace(study, tables={**study.tables, "cost": table})


@pytest.mark.slow
def test_a_lower_gpa_is_no_favorable_result_and_is_told_in_its_own_unit(study):
    graded = with_grades(study)
    found = run_analysis(graded, plan_of(outcome="gpa"))
    gate = Gate(graded.config.privacy, "team")
    assert found.planned.value < 0 and found.planned.ci_high < 0  # some compared students got a mentor later
    assert "Tier 4" in found.evidence["essa"]
    assert set(found.to_dict()["baseline"]) == {"earlier_gpa"}
    table = words(impact_appendix.estimates_table(found, gate)).split("name,")[1].splitlines()[1]
    assert "own scale" in table and f"{found.planned.value:.6f}"[:-1] in table
    assert f"{abs(found.planned.value):.2f}" in str(impact_answer.big_number(found, gate))


def test_a_study_without_a_plan_says_so(study):
    bare = dc.replace(study, config=dc.replace(study.config, analyses=(AnalysisPlan(),)))
    found = run_analysis(bare, AnalysisPlan())
    gate = Gate(bare.config.privacy, "team")
    assert found.is_default and "no [[analysis]] block" in str(impact_answer.banners(found, gate))


def test_whole_schools_below_four_a_side_have_no_number():
    rows = pd.DataFrame({"treated": [1] * 30 + [0] * 30, "y": np.random.default_rng(1).normal(size=60), "weight": 1.0,
                         "school_id": [f"t{i % 4}" for i in range(30)] + [f"c{i % 3}" for i in range(30)]})
    with pytest.raises(ek.UserError, match="Too few schools"):
        ek.estimate(rows, None, estimator="difference", outcome="y", name="comparison_schools")
    enough = rows.assign(school_id=[f"t{i % 4}" for i in range(30)] + [f"c{i % 4}" for i in range(30)])
    found = ek.estimate(enough, None, estimator="difference", outcome="y", name="comparison_schools")
    assert found.clustered_by == "school_id"


def without_last_year(folder, *, dated: bool):
    """The made district without the table prior_year; dated: records of last year (this year's again) are there."""
    (folder / "prior_year.csv").unlink()
    for name, columns in (("enrollment", ("entry_date", "exit_date")), ("calendar", ("date",)),
                          ("attendance_event", ("date",))):
        rows = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        this = rows[rows[columns[0]] >= "2025-07-01"]
        earlier = this.copy()
        for column in columns:
            earlier[column] = earlier[column].str.replace(r"^2025", "2024", regex=True).str.replace(
                r"^2026", "2025", regex=True)
        if "school_year" in earlier:
            earlier["school_year"] = "2025"
        pd.concat([earlier, this] if dated else [this]).to_csv(folder / f"{name}.csv", index=False)
    return ek.open_study(folder)


def test_last_year_counted_from_own_records_is_used_and_nothing_says_off(tmp_path):
    study = without_last_year(study_with(tmp_path / "study", {"caliper": None}), dated=True)
    assert "prior_year" in study.can and not study.lacks("prior_year")
    analysis = run_analysis(study, study.config.analyses[0])
    assert analysis.comparison.used["prior_absence_rate"].notna().any() and len(analysis.change)
    assert "counted from the study's own records" in analysis.comparison.remarks[0]
    assert "Last year’s attendance is not in the study" not in str(
        impact_who.limits(study, analysis, Gate(study.config.privacy, "team")))


def test_a_study_without_last_year_says_what_stands_for_it(tmp_path):
    plan = {"caliper": None, "covariates": ["pre_absence_rate", "econ_disadvantaged"]}
    study = without_last_year(study_with(tmp_path / "study", plan), dated=False)
    assert "prior_year" not in study.can
    analysis = run_analysis(study, study.config.analyses[0])
    shown = set(analysis.comparison.balance["covariate"])
    assert not any(name.startswith("prior_absence") for name in shown) and analysis.change.empty
    assert "prior_absence_rate" not in analysis.to_dict()["baseline"]
    said = str(impact_who.limits(study, analysis, Gate(study.config.privacy, "team")))
    assert "this year’s days before the start stand for it" in said
    named = dc.replace(study.config.analyses[0], covariates=("prior_absence_rate", "pre_absence_rate"))
    with pytest.raises(ek.UserError, match="holds no attendance of the school year before") as refused:
        planned_comparison(study, named)
    assert "leave prior_absence_rate out" in refused.value.remedy


@pytest.fixture(scope="module")
def plain_analysis(study):
    return run_analysis(study, plan_of())


def test_a_result_that_few_clusters_carry_says_so_beside_the_number(study, plain_analysis):
    clear = dc.replace(plain_analysis.planned, p_value=0.01)
    thin = dc.replace(plain_analysis, planned=dc.replace(clear, df=2.5))
    for planned, counts in ((clear, True), (thin.planned, False)):  # nor does ESSA's "statistically significant" count
        assert study_facts(study, thin.comparison, planned, thin.checks, thin.plan).is_significant == counts
    assert not corrected((thin, thin))[0].facts.is_significant
    for audience, told in (("team", "“As planned” (2.5 degrees of freedom)"), ("partner", "freedom): “As planned”.")):
        gate = Gate(study.config.privacy, audience)
        note = str(impact_appendix.estimates_table(thin, gate).note)
        assert told in note and "Too few clusters to rely on" in note
        assert "be relied on" not in str(impact_answer.banners(plain_analysis, gate))
        assert "neither it nor its p can be relied on" in str(impact_answer.banners(thin, gate))
        assert "Too few clusters" not in str(impact_appendix.estimates_table(plain_analysis, gate).note)


def test_effect_sizes_stand_with_their_interval_for_every_audience(study, plain_analysis):
    sizes = plain_analysis.effect_sizes
    for audience in ("team", "partner"):
        number = impact_answer.big_number(plain_analysis, Gate(study.config.privacy, audience))
        shown = {str(label): str(value) for label, value in number.also}
        g = next(text for label, text in shown.items() if "Hedges" in label)
        wanted = [f"{-sizes[f'hedges_g_ci_{end}']:.2f}".replace("-", "−") for end in ("high", "low")]
        assert g.endswith(f"({wanted[0]} to {wanted[1]})")
        assert " to " in shown["Improvement index"]


def test_a_balance_table_of_which_nothing_can_be_told_is_empty_and_says_so(study, plain_analysis):
    """No measure at all, and only measures whose yes stands for fewer than ten: neither may stop a partner's copy."""
    partner = Gate(study.config.privacy, "partner")
    whole = plain_analysis.comparison.balance
    rare = whole.assign(is_binary=True, **{name: 0.001 for name in whole if name.startswith("mean_")})
    for table in (whole.iloc[:0], rare):
        comparison = dc.replace(plain_analysis.comparison)
        object.__setattr__(comparison, "balance", table)
        thin = dc.replace(plain_analysis, comparison=comparison)
        shown = shown_balance(thin, partner)
        assert shown.empty and list(shown.columns) == list(whole.columns)
        assert "Too few students share" in str(impact_who.balance(thin, partner))
        assert "Too few students share" in str(impact_appendix.balance_table(thin, partner))
        assert released_rows(thin, partner, [100, 100]) == []


@pytest.mark.parametrize(("audience", "word"), [("team", "too few"), ("partner", "not shown")])
def test_the_word_for_no_number_is_the_one_its_note_explains(study, plain_analysis, audience, word):
    gate = Gate(study.config.privacy, audience)
    rows = plain_analysis.groups.copy()
    rows.loc[rows.index[0], ["value", "ci_low", "ci_high", "shrunk"]] = np.nan
    rows.loc[rows.index[1:3], ["value", "ci_low", "ci_high"]] = [-0.02, -0.05, 0.01]
    figure = impact_who.groups(dc.replace(plain_analysis, groups=rows), gate)
    drawn = "".join(figure.drawing.svgs.values())
    other = {"too few": "not shown", "not shown": "too few"}[word]
    assert f"“{word.capitalize()}”: under 30 students" in str(figure.note) and other not in str(figure.note).lower()
    assert word in drawn and other not in drawn


def test_a_student_without_a_measured_outcome_takes_its_set_out_of_the_count_too():
    """Set 1 loses its mentored student, set 2 one of two partners, set 3 nobody: one and one lost, one with its set."""
    members = pd.DataFrame({"student_id": list("abcdefg"), "treated": [1, 0, 1, 0, 0, 1, 0], "n_days": 60,
                            "set": [1, 1, 2, 2, 2, 3, 3], "gpa": [np.nan, 3.0, 2.0, np.nan, 3.0, 2.5, 3.5]})
    kept, reasons = drop_from_sets(members, members["gpa"].notna().to_numpy(), NO_VALUE)
    assert list(kept["student_id"]) == ["c", "e", "f", "g"] and (kept["weight"] == 1.0).all()
    assert dict(zip(members["student_id"], reasons, strict=True)) == {
        "a": NO_VALUE.own, "b": NO_VALUE.focal, "d": NO_VALUE.own, "c": "", "e": "", "f": "", "g": ""}
    assert attrition(members, kept, needs=["gpa"]) == {"treated": {"n": 3, "lost": 1, "with_set": 0},
                                                       "comparison": {"n": 4, "lost": 1, "with_set": 1}}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nearest", "subclass", "weighting"])
def test_the_flow_of_a_measured_outcome_ends_at_the_students_of_the_estimate(study, method):
    graded = with_grades(study)
    table = graded.tables["outcome"]
    known = np.random.default_rng(8).random(len(table)) < 0.7  # three in ten values were never recorded
    thin = dc.replace(graded, tables={**graded.tables, "outcome": table[known]})
    plan = plan_of(outcome="gpa", method=method, caliper=0.25 if method == "nearest" else None)
    found = planned_comparison(thin, plan)
    estimate, flow = planned_estimate(found, plan), found.flow
    assert flow["step"].iloc[-1] == "with a value of the outcome" and flow["treated"].diff().iloc[-1] < 0
    have = table[known & (table["date"] > "2025-12-31")]["student_id"]
    assert set(found.used["student_id"]) <= set(have)
    for arm, treated, n in (("treated", 1, estimate.n_treated), ("comparison", 0, estimate.n_comparison)):
        counts = found.details["attrition"][arm]
        assert flow[arm].iloc[-1] == n == found.arm(treated)["student_id"].nunique()
        assert counts["n"] - counts["lost"] - counts["with_set"] == n
        assert flow[arm].iloc[0] - n == sum(row["n"] for row in left_out(found) if row["arm"] == arm)
