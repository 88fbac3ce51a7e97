"""The landmark comparison: each mentored student against students at risk on the day its mentor began.

The definition is written out in docs/methods/comparison/landmark.md. Rows are (student, landmark); a set never mixes
landmarks; nothing measured on or after the landmark is a covariate. Sources: van Houwelingen 2007 (Scand. J. Stat. 34)
for landmarks, Hernan et al. 2016 (J. Clin. Epidemiol. 79) for sequential trials, Lu 2005 (Biometrics 61) for risk-set
matching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit import measures
from evalkit.comparison import account
from evalkit.comparison.balance import DENOMINATOR_OF
from evalkit.comparison.choose import DEFAULTS, check_plan, default_order, make_problem
from evalkit.comparison.covariates import read_columns
from evalkit.comparison.follow_up import (
    NO_EARLIER,
    NO_VALUE,
    SHORT,
    Loss,
    attrition,
    drop_from_sets,
    drop_rows,
    followed,
    measure_follow_up,
)
from evalkit.comparison.methods import METHODS
from evalkit.comparison.named_columns import BEFORE
from evalkit.comparison.once_each import nearest_once, optimal_once
from evalkit.comparison.planned_outcome import earlier_value, with_planned_outcome
from evalkit.comparison.problem import Problem, Result, weights_of_subclasses
from evalkit.comparison.remedies import remedy_of_design
from evalkit.comparison.result import Comparison
from evalkit.comparison.risk_sets import GROUP_ABOVE, Risk, World, build_risk, open_world
from evalkit.comparison.starts import as_dates
from evalkit.errors import UsageError, UserError, must_be_one_of

DESIGNS = ("within_school", "comparison_schools", "waitlist", "prior_cohort", "randomized")
BANNERS = {"prior_cohort": "The comparison is with students of the year before: whatever else changed between the two "
                           "years is mixed with the mentors' effect (a confound under WWC rules)."}
_SET = "_risk_set"
_ONCE = {"nearest": nearest_once, "optimal": optimal_once}
FOLLOWED, WITH_OUTCOME = "with 20 enrolled days of follow-up", "with a value of the outcome"
WITH_EARLIER = "with an earlier value"
"""The last steps of the flow; the second where the outcome is one that somebody may lack, the third for a change."""
_FIRST = ("student_id", "landmark", "landmark_month", "school_id", "grade_level")
_LAST = ("follow_up_end", "n_days", "enrolled_units", "absent_units", "enrolled_days", "absent_days", "absence_rate",
         "is_chronic", "treated", "weight", "subclass", "distance")


def landmark_comparison(study: Any, plan: Any, *, group_above: int = GROUP_ABOVE) -> Comparison:
    """Compare each mentored student with others at risk on its start date, as a plan says.

    study: a Study with assignment and dated attendance. plan: an AnalysisPlan (comparison, method, distance, exact,
    covariates, ratio, replace, caliper, order, baseline, clock, eligible, later_assigned, follow_up_end, seed). Gives
    a Comparison whose `students` hold every row at risk (student_id x landmark; with replacement one row a set),
    covariates, and for rows with a weight the follow-up: n_days, enrolled/absent units and days, absence_rate (0-1),
    is_chronic and the plan's outcome; who has no value of it is left out with its reason. Weights: treated 1, each of k
    partners 1/k. Errors: UserError with what to do.
    """
    options = plan_options(plan)
    world = open_world(study, plan)
    risk = build_risk(world, group_above=group_above)
    with remedy_of_design(plan):
        problem = _problem(risk.rows, options, world.strata, plan)
        result = _match(problem, risk.rows)
        def reasons() -> np.ndarray:
            return account.reasons_unused(problem, result, METHODS[plan.method])

        members = measure_follow_up(world, _members(problem, result, risk.rows), together=result.pairs is not None)
        if members.empty:
            raise account.nobody_left(problem, reasons())
        members = with_planned_outcome(world, members)
        stages, lost = _stages(members, result, plan)
    return _build(world, risk, problem, result, members, stages, lost, reasons)


def plan_options(plan: Any) -> dict[str, Any]:
    """The plan in the words of choose_comparison, checked; what the design does not allow is refused."""
    must_be_one_of("comparison", plan.comparison, DESIGNS)
    must_be_one_of("eligible", plan.eligible, ("all", "prior_chronic", "early_warning"))
    must_be_one_of("clock", plan.clock, ("begin", "assigned"))
    must_be_one_of("later_assigned", plan.later_assigned, ("censor", "exclude"))
    options = {**DEFAULTS, "treated": "treated", "covariates": tuple(plan.covariates), "method": plan.method,
               "distance": plan.distance, "exact": (), "ratio": plan.ratio, "replace": plan.replace,
               "caliper": plan.caliper, "order": plan.order or None, "estimand": plan.estimand.upper(),
               "seed": plan.seed}
    check_plan(options)
    options["order"] = options["order"] or default_order(options)
    if options["estimand"] != "ATT" and plan.method != "none":
        raise UserError(f"A landmark comparison estimates the effect on the mentored (ATT), not {plan.estimand}: "
                        f"students without a mentor have no start date of their own.", remedy='Use estimand = "ATT".')
    return options


def _problem(rows: pd.DataFrame, options: dict[str, Any], strata: Sequence[str], plan: Any) -> Problem:
    """One model for all rows at risk, the month of the landmark as a factor; strata hold at the landmark."""
    frame = rows.assign(**{_SET: rows.groupby(["landmark", *strata], sort=True, dropna=False).ngroup()})
    if rows["landmark_month"].nunique() > 1:
        options = {**options, "covariates": (*options["covariates"], "landmark_month")}
    order = np.lexsort((pd.factorize(frame["student_id"], sort=True)[0], frame["landmark"].to_numpy()))
    problem, _ = make_problem(frame, frame["treated"].to_numpy("int64"), order,
                                {**options, "exact": (_SET,)}, METHODS[plan.method])
    return problem


def _match(problem: Problem, rows: pd.DataFrame) -> Result:
    """Pairs: a student is a partner once in the study. Other methods work on the rows as they are."""
    method = METHODS[str(problem.plan["method"])]
    if method.name in _ONCE:
        return _ONCE[method.name](problem, rows)
    made = method.make(problem)
    return made if "exact" in method.takes or made.pairs is not None else _inside_strata(problem, made)


def _inside_strata(problem: Problem, made: Result) -> Result:
    """Groups of similar score cut again by start date and strata: a set never mixes them. Weights stay as they are."""
    if not (made.subclass >= 0).any():
        return made
    codes = np.where(made.subclass >= 0, made.subclass * (problem.strata.max() + 1) + problem.strata, -1)
    for arm in (0, 1):
        there = np.unique(codes[(problem.treated == arm) & (codes >= 0)])
        codes = np.where(np.isin(codes, there), codes, -1)
    sets = np.where(codes >= 0, np.searchsorted(np.unique(codes[codes >= 0]), codes), -1)
    return replace(made, subclass=sets, weights=weights_of_subclasses(sets, problem.treated, "ATT"))


def _members(problem: Problem, result: Result, rows: pd.DataFrame) -> pd.DataFrame:
    """One row a member of a set (or a used row, where there are no sets): the row's columns, set and place."""
    if result.pairs is None:
        used = np.flatnonzero(result.weights != 0)
        place, sets = used, result.subclass[used]
    else:
        treated = np.unique(result.pairs.treated)
        place = np.concatenate([treated, result.pairs.partner])
        sets = np.concatenate([np.arange(len(treated)), np.searchsorted(treated, result.pairs.treated)])
    found = rows.iloc[problem.data_place[place]].reset_index(drop=True)
    return found.assign(set=sets, place=place, base_weight=result.weights[place])


def _stages(members: pd.DataFrame, result: Result, plan: Any) -> tuple[dict[str, pd.DataFrame], pd.Series]:
    """Step -> the rows left after it, their weights counted anew: who is followed long enough, then, where somebody may
    lack one, who has a value of the outcome, and of a change the earlier one. Also the reason of every row lost."""
    stages: dict[str, pd.DataFrame] = {}
    stages[FOLLOWED], lost = _keep(members, followed(members), SHORT, result)
    _need_both_arms(stages[FOLLOWED], "with 20 enrolled school days of follow-up",
                    "Wait for more data, move follow_up_end, or widen the caliper.")
    rows = stages[FOLLOWED]
    if plan.estimator == "did" and earlier_value(plan) not in rows:
        raise UsageError(f'estimator "did" needs an earlier value of "{plan.outcome}", and nobody compared has one '
                         "before its start.", remedy="Add earlier rows to the table outcome, name another earlier "
                         'measure (before), or use estimator = "regression_adjusted".')
    for step, name, always, why, words, remedy in _values_needed(plan):
        if name not in rows or not (always or rows[name].isna().any()):
            continue  # a column that is not there is refused where it is asked for
        stages[step], more = _keep(rows, rows[name].notna().to_numpy(bool), why, result)
        lost = lost.mask(lost.eq("") & more.reindex(lost.index).fillna("").ne(""), more.reindex(lost.index))
        rows = stages[step]
        _need_both_arms(rows, words, remedy)
    return stages, lost


def _values_needed(plan: Any) -> Iterator[tuple[str, str, bool, Loss, str, str]]:
    """(step of the flow, column, whether the step always stands, why who lacks it is left out, words, remedy)."""
    yield (WITH_OUTCOME, plan.outcome, measures.outcome_row(plan.outcome) is None, NO_VALUE,
           "with a value of the planned outcome", "Plan another outcome, or wait for more data.")
    if plan.estimator == "did":
        yield (WITH_EARLIER, earlier_value(plan), False, NO_EARLIER, "with an earlier value",
               'Name another earlier measure (before), or use estimator = "regression_adjusted".')


def _keep(members: pd.DataFrame, enough: np.ndarray, why: Loss, result: Result) -> tuple[pd.DataFrame, pd.Series]:
    """Pairs count their partners again, other methods their rows."""
    return (drop_from_sets if result.pairs is not None else drop_rows)(members, enough, why)


def _need_both_arms(kept: pd.DataFrame, having: str, remedy: str) -> None:
    if not (kept["treated"] == 1).any():
        raise UserError(f"No set is left {having} on both sides.", remedy=remedy)


def _build(world: World, risk: Risk, problem: Problem, result: Result, members: pd.DataFrame,
           stages: dict[str, pd.DataFrame], lost: pd.Series, reasons: Callable[[], np.ndarray]) -> Comparison:
    """The Comparison: kept rows with outcomes first, then the other rows at risk with weight 0."""
    kept = list(stages.values())[-1]
    shown = result.extra.get("probability", problem.score)
    students = _students(world, risk, problem, kept, shown)
    columns, treated, weights = _balance_input(problem, risk.rows, kept)
    denominator = DENOMINATOR_OF["ATT"]
    details = {"sentence": _sentence(world), "fit": None, "id": "student_id", "denominator": denominator,
               "design": world.plan.comparison, "strata": tuple(world.strata),
               "attrition": attrition(members, kept, needs=[name for _, name, *_ in _values_needed(world.plan)]),
               "by_week": risk.by_week, "n_rows_at_risk": len(risk.rows), "caliper_width": problem.width,
               "n_schools_both_arms": _schools_with_both(kept), "columns": columns,
               "score": shown, "treated": treated, "weights": weights,
               "banners": tuple(b for key, b in BANNERS.items() if key == world.plan.comparison)}
    remarks = (*details["banners"], *risk.remarks, *problem.design.remarks, *result.remarks)
    tables = {"dropped": lambda: _dropped(risk, problem, members, lost, reasons(), kept),
              "flow": lambda: _flow(world, risk, members, stages), "pairs": lambda: _pairs(students)}
    return Comparison(students, _plan_dict(world), tables, remarks, details)


def _plan_dict(world: World) -> dict[str, Any]:
    """The plan as it acted: weights know no strata, so what must be equal is held fixed in the regression instead."""
    exact = tuple(world.strata) if "exact" not in METHODS[world.plan.method].takes else tuple(world.plan.exact)
    return asdict(world.plan) | {"exact": exact}


def _students(world: World, risk: Risk, problem: Problem, kept: pd.DataFrame, shown: np.ndarray | None) -> pd.DataFrame:
    used = np.zeros(len(risk.rows), dtype=bool)
    used[problem.data_place[kept["place"].to_numpy()]] = True
    score = np.full(len(risk.rows), np.nan)
    if shown is not None:
        score[problem.data_place] = shown
    rest = risk.rows[~used].assign(weight=0.0, distance=score[~used])
    place = problem.data_place[kept["place"].to_numpy()]
    number = pd.Series(np.unique(kept["set"], return_inverse=True)[1] + 1, index=kept.index, dtype="Int64")
    mine = kept.assign(distance=score[place], subclass=number.mask((kept["set"] < 0).to_numpy()))
    mine = mine.sort_values(["subclass", "landmark", "treated", "student_id"], ascending=[True, True, False, True],
                            kind="stable")
    rest = rest.sort_values(["landmark", "treated", "student_id"], ascending=[True, False, True], kind="stable")
    both = pd.concat([mine, rest], ignore_index=True)
    both["landmark"] = as_dates(both["landmark"]).to_numpy()
    both["own_landmark"] = as_dates(both["own_landmark"]).to_numpy()
    return both[_ordered_columns(both, world)]


def _ordered_columns(frame: pd.DataFrame, world: World) -> list[str]:
    hidden = {"first", "last", "calendar", "started", "warned", "start", "known_by", "place", "set", "base_weight",
              "waiting_from"}
    if not world.is_prior_cohort:
        hidden.add("own_landmark")
    last = [name for name in _LAST if name in frame]
    if measures.outcome_row(world.plan.outcome) is not None and world.plan.outcome not in last:
        last.insert(last.index("treated"), world.plan.outcome)
    middle = [name for name in frame if name not in (*_FIRST, *last) and name not in hidden]
    return [*_FIRST, *middle, *last]


def _balance_input(problem: Problem, rows: pd.DataFrame, kept: pd.DataFrame):
    """All rows at risk before, the kept ones after; with replacement a row used in several sets adds up its weight.

    Earlier absence is always among the measures, whether the plan names it or not: it decides how alike groups were.
    """
    weights = np.zeros(len(problem.treated))
    np.add.at(weights, kept["place"].to_numpy(), kept["weight"].to_numpy(float))
    columns = account.balance_columns(problem, leave=_SET)
    rest = rows[[name for name in BEFORE if name not in {c.name for c in columns}]].iloc[problem.data_place]
    both = [name for name in rest if len(set(problem.treated[rest[name].notna().to_numpy()])) == 2]
    return [*columns, *read_columns(rest, both)], problem.treated, weights


def _pairs(students: pd.DataFrame) -> pd.DataFrame:
    """Positions in `students` of each treated row and its partners."""
    used = students[students["weight"] != 0].reset_index(names="row")
    if used["subclass"].isna().any():
        return pd.DataFrame({"treated_row": [], "partner_row": []}, dtype="int64")
    treated = used[used["treated"] == 1][["subclass", "row"]]
    partner = used[used["treated"] == 0][["subclass", "row"]]
    both = treated.merge(partner, on="subclass", suffixes=("_t", "_p"))
    return pd.DataFrame({"treated_row": both["row_t"], "partner_row": both["row_p"]})


def _schools_with_both(kept: pd.DataFrame) -> int:
    return int((kept.groupby("school_id")["treated"].nunique() == 2).sum())


def _dropped(risk: Risk, problem: Problem, members: pd.DataFrame, lost: pd.Series, reasons: np.ndarray,
             kept: pd.DataFrame) -> pd.DataFrame:
    """Every treated and comparison student not in the analysis, once, with its reason."""
    rows = risk.rows.iloc[problem.data_place].assign(reason=reasons)
    unmatched = rows[(rows["treated"] == 1) & (reasons != "")]
    short = members[(lost != "").to_numpy()].assign(reason=lost[lost != ""])
    others = rows[(rows["treated"] == 0) & ~rows["student_id"].isin(members.loc[members["treated"] == 0, "student_id"])]
    others = others.drop_duplicates("student_id").assign(reason=account.NOT_CHOSEN, landmark=np.nan)
    never = risk.lost.assign(treated=1, landmark=np.nan)
    short = short[(short["treated"] == 1) | ~short["student_id"].isin(kept.loc[kept["treated"] == 0, "student_id"])]
    columns = ["student_id", "treated", "landmark", "reason"]
    table = pd.concat([never[columns], unmatched[columns], short[columns].drop_duplicates(["student_id", "treated"]),
                       others[columns]], ignore_index=True)
    known = table["landmark"].notna().to_numpy()
    table["landmark"] = as_dates(table["landmark"].fillna(0).astype("int64")).where(known).to_numpy()
    return table.astype({"reason": "str"})


def _flow(world: World, risk: Risk, members: pd.DataFrame, stages: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """From the roster to the analysis: students by arm at each step (a comparison student counts once).

    Who gets a mentor later counts in both columns: it may serve as a comparison until then.
    """
    rows = risk.rows
    def count(frame: pd.DataFrame, arm: int) -> int:
        return frame.loc[frame["treated"] == arm, "student_id"].nunique()

    steps = [("in the data", len(world.starts.treated), world.pool["student_id"].nunique())]
    steps += [(name, count(frame, 1), count(frame, 0)) for name, frame in (
        ("at risk on a start date", rows), ("matched" if world.plan.method != "none" else "compared", members),
        *stages.items())]
    return pd.DataFrame(steps, columns=["step", "treated", "comparison"])


def _sentence(world: World) -> str:
    plan = world.plan
    where = {"within_school": "students of the same school", "comparison_schools": "students of comparison schools",
             "waitlist": "students still waiting for a mentor", "randomized": "students drawn not to have a mentor",
             "prior_cohort": "students of the same school a year earlier"}[plan.comparison]
    when = "on the day its mentor began" if plan.baseline == "landmark" else f"on {plan.baseline}"
    again, many = "with" if plan.replace else "without", "s" if plan.ratio > 1 else ""
    how = f"up to {plan.ratio} partner{many} each, {again} replacement" if plan.method == "nearest" else \
        METHODS[plan.method].says
    return f"Each mentored student is compared with {where} who had no mentor {when}; {how}."

