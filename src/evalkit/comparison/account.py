"""From arrays back to the reader's rows: weights and sets beside every row, reasons, flow, balance, who was dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison.balance import DENOMINATOR_OF, DENOMINATORS, balance_table, column_balance
from evalkit.comparison.covariates import Column, all_level_columns, read_columns, take
from evalkit.comparison.matched import MetricFinder
from evalkit.comparison.methods import Method
from evalkit.comparison.nearest import Finder, ScoreFinder, start_search
from evalkit.comparison.problem import Problem, Result
from evalkit.comparison.propensity import Fit
from evalkit.comparison.result import Comparison
from evalkit.errors import UserError, must_be_one_of

OUTSIDE = "the score lies outside the range of the other group"
ALONE = "nobody of the other group has the same value of a covariate"
NO_GROUP = "nobody of the other group is equal on the exact columns"
NO_SET = "nobody of the other group is equal on the covariates"
TOO_FAR = "nobody of the other group is within the caliper"
NONE_LEFT = "every partner within reach was already taken"
NOT_CHOSEN = "not needed as a partner"


def build(frame: pd.DataFrame, problem: Problem, result: Result, weights: np.ndarray, *, fit: Fit | None,
          place: np.ndarray, method: Method, id_column: str, denominator: str | None) -> Comparison:
    """The Comparison of a finished problem. place: canonical position of each input row."""
    reasons = reasons_unused(problem, result, method)
    if not (weights != 0).any() or not (weights[problem.treated == 1] != 0).any():
        raise nobody_left(problem, reasons)
    denominator = denominator or DENOMINATOR_OF[problem.estimand]
    must_be_one_of("denominator", denominator, DENOMINATORS)
    shown = result.extra.get("probability", problem.score)
    students = _students(frame, problem, result, weights, shown, place)
    columns = balance_columns(problem)
    remarks = (*problem.design.remarks, *result.remarks)
    details = {"sentence": _sentence(problem, method), "fit": fit, "id": id_column, "denominator": denominator,
               "columns": columns, "score": shown, "treated": problem.treated, "weights": weights,
               **{k: v for k, v in result.extra.items() if k != "probability"}}
    tables = {"dropped": lambda: _dropped(frame, problem, reasons, place, id_column),
              "flow": lambda: flow_table(problem, weights), "pairs": lambda: _pairs(problem, result)}
    return Comparison(students, dict(problem.plan), tables, remarks, details)


def _students(frame: pd.DataFrame, problem: Problem, result: Result, weights: np.ndarray, shown: np.ndarray | None,
              place: np.ndarray) -> pd.DataFrame:
    added: dict[str, Any] = {}
    if problem.plan["treated"] != "treated":
        added["treated"] = problem.treated[place]
    sets = result.subclass[place] + 1
    return frame.assign(**added, weight=weights[place],
                        subclass=pd.array(sets, dtype="Int64").copy() if (sets > 0).all() else
                        pd.Series(sets, index=frame.index, dtype="Int64").mask(pd.Series(sets < 1, index=frame.index)),
                        distance=np.nan if shown is None else shown[place])


def balance_columns(problem: Problem, leave: str = "") -> list[Column]:
    """The covariates, then exact, caliper and mahvars columns that are no covariates."""
    covariates = list(problem.plan["covariates"])
    extra = [name for name in problem.frame.columns if name not in covariates and name != leave]
    return [*problem.columns, *read_columns(problem.frame, extra)]


def balance_of(columns: Sequence[Column], treated: np.ndarray, weights: np.ndarray, shown: np.ndarray | None, *,
               denominator: str, overlap: bool = False) -> pd.DataFrame:
    """The balance table, the score first (over the rows that have one)."""
    table = column_balance(columns, treated, weights, denominator=denominator, overlap=overlap)
    if shown is None:
        return table
    has = np.isfinite(shown)
    first = balance_table(["distance"], [shown[has]], treated[has], weights[has], denominator=denominator,
                          overlap=overlap)
    both = pd.concat([first, table], ignore_index=True)
    both.attrs["denominator"] = denominator
    return both


def reasons_unused(problem: Problem, result: Result, method: Method) -> np.ndarray:
    """A reason for every row with weight 0, an empty text for the others."""
    reasons = np.full(len(problem.treated), "", dtype=object)
    unused = result.weights == 0
    if not unused.any():
        return reasons
    reasons[unused & ~problem.usable] = OUTSIDE
    reasons[unused & problem.alone] = ALONE
    left = unused & problem.usable
    if method.name in ("exact", "cem", "subclass", "full") and result.pairs is None:
        reasons[left] = {"full": TOO_FAR, "subclass": NO_GROUP}.get(method.name, NO_SET)
        if method.name == "full":
            reasons[left & ~_has_group(problem)] = NO_GROUP
        return reasons
    reasons[left & (problem.focal == 0)] = NOT_CHOSEN
    mine = left & (problem.focal == 1)
    reasons[mine] = NONE_LEFT
    if method.name == "cem":
        return reasons
    reasons[_nobody_near(problem, np.flatnonzero(mine))] = TOO_FAR
    reasons[mine & ~_has_group(problem)] = NO_GROUP
    return reasons


def _has_group(problem: Problem) -> np.ndarray:
    arms = [problem.strata[problem.usable & (problem.treated == arm)] for arm in (0, 1)]
    return np.isin(problem.strata, np.intersect1d(*arms))


def _nobody_near(problem: Problem, rows: np.ndarray) -> np.ndarray:
    """The rows that would find no partner even if nobody were taken."""
    if not len(rows) or (not np.isfinite(problem.width) and not problem.calipers):
        return rows[:0]
    finder: Finder
    if problem.metric is not None:
        finder = MetricFinder(problem, rows, problem.partner_rows())
    else:
        finder = ScoreFinder(start_search(problem.score, rows, problem.partner_rows(), strata=problem.strata,
                                          calipers=problem.calipers, width=problem.width))
    return rows[np.array([finder.nearest(i) < 0 for i in range(len(rows))], dtype=bool)]


def nobody_left(problem: Problem, reasons: np.ndarray) -> UserError:
    mine = reasons[problem.focal == 1]
    if (mine == TOO_FAR).sum() * 2 > len(mine):
        return UserError("The caliper drops every treated student: nobody is within it.",
                         remedy="Use a wider caliper, or other covariates. A caliper of 0.2 standard deviations of the "
                                "logit is usual.")
    if (mine == NO_GROUP).any():
        return UserError("No treated student has anybody to be compared with in the same exact group.",
                         remedy="Name fewer exact columns, or add comparison students.")
    return UserError("Nobody could be matched.", remedy="Use fewer covariates, coarser cutpoints or another method.")


def _dropped(frame: pd.DataFrame, problem: Problem, reasons: np.ndarray, place: np.ndarray,
             id_column: str) -> pd.DataFrame:
    """Every input row not used: its place in the data, its id if there is one, arm and reason."""
    by_row = reasons[place]
    rows = np.flatnonzero(by_row != "")
    out = pd.DataFrame({"row": rows, "treated": problem.treated[place][rows],
                        "reason": pd.Series(by_row[rows], dtype="str")})
    if id_column:
        out.insert(0, id_column, frame[id_column].to_numpy()[rows])
    return out


def _pairs(problem: Problem, result: Result) -> pd.DataFrame:
    """Row positions in the input of each pair, sorted by treated row and round."""
    if result.pairs is None:
        return pd.DataFrame({"treated_row": [], "partner_row": [], "round": []}, dtype="int64")
    rows = problem.data_place
    mine, theirs = rows[result.pairs.treated], rows[result.pairs.partner]
    if problem.estimand == "ATC":
        mine, theirs = theirs, mine
    table = pd.DataFrame({"treated_row": mine, "partner_row": theirs, "round": result.pairs.round})
    return table.sort_values(["treated_row", "round"], kind="stable", ignore_index=True)


def flow_table(problem: Problem, weights: np.ndarray) -> pd.DataFrame:
    """Students left at each step, by arm."""
    steps = [("in the data", np.ones(len(weights), dtype=bool))]
    if problem.alone.any():
        steps.append(("with a like in the other group", ~problem.alone))
    if (~problem.usable & ~problem.alone).any():
        steps.append(("in the common range of scores", problem.usable))
    if problem.plan["exact"]:
        steps.append(("in a group with both arms", problem.usable & _has_group(problem)))
    steps.append(("in the comparison", weights != 0))
    return pd.DataFrame([{"step": step, "treated": int((keep & (problem.treated == 1)).sum()),
                          "comparison": int((keep & (problem.treated == 0)).sum())} for step, keep in steps])


def dropped_profile(columns: Sequence[Column], treated: np.ndarray, weights: np.ndarray) -> pd.DataFrame:
    """Who the dropped treated are: means of the kept and the dropped, and their difference in SDs of all treated."""
    mine = np.flatnonzero(treated == 1)
    kept = weights[mine] != 0
    rows: list[Mapping[str, Any]] = []
    if not kept.all() and kept.any():
        for name, values in zip(*all_level_columns([take(column, mine) for column in columns]), strict=True):
            sd = values.std(ddof=1) if len(values) > 1 else 0.0
            gap = values[~kept].mean() - values[kept].mean()
            rows.append({"covariate": name, "mean_kept": values[kept].mean(), "mean_dropped": values[~kept].mean(),
                         "difference_sd": gap / sd if sd > 0 else np.nan})
    return pd.DataFrame(rows, columns=["covariate", "mean_kept", "mean_dropped", "difference_sd"])


def _sentence(problem: Problem, method: Method) -> str:
    plan = problem.plan
    parts = [f"Comparison group: {method.says}"]
    if method.needs in ("score", "either") and (problem.score is not None or problem.metric is not None):
        parts.append(f"distance {plan['distance']}")
    if plan["exact"]:
        parts.append(f"equal on {', '.join(plan['exact'])}")
    if plan["caliper"] is not None:
        parts.append(f"caliper {plan['caliper']}")
    if method.name == "nearest":
        parts.append(f"{plan['ratio']} to 1, {'with' if plan['replace'] else 'without'} replacement")
    return "; ".join([*parts, f"estimand {plan['estimand']}"]) + "."
