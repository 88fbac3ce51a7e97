"""Choose a comparison group: check what was asked, estimate the score, match or weight, and account for every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison import account
from evalkit.comparison.covariates import (
    Column,
    Design,
    is_number,
    model_matrix,
    one_armed,
    read_column,
    read_columns,
    require_columns,
    strata_codes,
    take,
)
from evalkit.comparison.distances import COVARIATE_DISTANCES, metric_columns, require_overlap
from evalkit.comparison.methods import METHODS, Method
from evalkit.comparison.nearest import ORDERS, Caliper
from evalkit.comparison.problem import Problem, normalized
from evalkit.comparison.propensity import Fit, fit_propensity
from evalkit.comparison.result import Comparison
from evalkit.engine import as_pandas
from evalkit.errors import UsageError, UserError, must_be_one_of

SCORES = ("propensity", "logit", "probit")
DISTANCES = (*SCORES, *COVARIATE_DISTANCES)
ADDED = ("treated", "weight", "subclass", "distance")
DEFAULTS: dict[str, Any] = {
    "exact": (), "ratio": 1, "replace": False, "caliper": None, "std_caliper": True, "discard": "none",
    "reestimate": False, "mahvars": (), "min_controls": None, "max_controls": None, "subclasses": 6,
    "cutpoints": "sturges", "k2k": False, "k2k_distance": "mahalanobis", "order": None}


def choose_comparison(students: pd.DataFrame, *, treated: str, covariates: Sequence[str] | str, method: str = "nearest",
                      distance: str = "propensity", exact: Sequence[str] | str = (), ratio: float = 1,
                      replace: bool = False, caliper: float | Mapping[str, float] | None = None,
                      order: str | None = None, estimand: str = "ATT", seed: int = 20260,
                      std_caliper: bool | Mapping[str, bool] = True, discard: str = "none", reestimate: bool = False,
                      mahvars: Sequence[str] | str = (), min_controls: int | None = None,
                      max_controls: int | None = None, subclasses: int | Sequence[float] = 6,
                      cutpoints: Any = "sturges", k2k: bool = False, k2k_distance: str | None = "mahalanobis",
                      denominator: str | None = None, id: str | None = None) -> Comparison:
    """Find or weight untreated students so that they are like the treated ones.

    students: any DataFrame, one row a student; treated: its true/false or 0/1 column; covariates: columns measured
    before treatment (text = factor). method, distance, estimand: see METHODS, DISTANCES and docs/methods/comparison.
    caliper: SDs of the score (n - 1, over all rows not discarded), or a dict of column -> width with "" or "distance"
    for the score; `std_caliper` False (or False by column) for raw units; a negative width keeps pairs apart. ratio:
    partners each; min_controls and max_controls make it a mean. Weights have mean 1 in each arm for matching (as
    MatchIt). Ties and row order: by `id` (or student_id, or the row's content), so that the order of rows plays no
    part unless order is "data". Errors: UserError for data, UsageError for options. Sources: see METHODS.
    """
    frame = _as_pandas(students)
    plan = {"treated": treated, "covariates": _names(covariates), "method": method, "distance": distance,
            "exact": _names(exact), "ratio": ratio, "replace": replace,
            "caliper": caliper, "order": order, "estimand": str(estimand).upper(), "seed": seed,
            "std_caliper": std_caliper, "discard": discard, "reestimate": reestimate, "mahvars": _names(mahvars),
            "min_controls": min_controls, "max_controls": max_controls, "subclasses": subclasses,
            "cutpoints": cutpoints, "k2k": k2k, "k2k_distance": k2k_distance}
    chosen = check_plan(plan)
    plan["order"] = order or default_order(plan)
    id_column = _check_frame(frame, plan, id)
    arms = read_treated(frame, treated)
    canonical = canonical_order(frame, id_column, leave=treated)
    place = np.empty(len(frame), dtype=np.int64)
    place[canonical] = np.arange(len(frame))
    problem, fit = make_problem(frame, arms, canonical, plan, chosen)
    result = chosen.make(problem)
    weights = normalized(result.weights, problem.treated) if chosen.normalize else result.weights
    return account.build(frame, problem, result, weights, fit=fit, place=place, method=chosen, id_column=id_column,
                         denominator=denominator)


def _names(given: Sequence[str] | str | None) -> tuple[str, ...]:
    """Column names as given; one name alone is one column, not its letters."""
    return (given,) if isinstance(given, str) else tuple(given or ())


def _as_pandas(students: Any) -> pd.DataFrame:
    frame = as_pandas(students)
    if not isinstance(frame, pd.DataFrame):
        raise UsageError("choose_comparison needs a table of students.", remedy="Give a pandas DataFrame.")
    return frame


def check_plan(plan: Mapping[str, Any]) -> Method:
    """Refuse options that do not exist, contradict each other, or would have no effect."""
    must_be_one_of("method", plan["method"], tuple(METHODS))
    chosen = METHODS[plan["method"]]
    must_be_one_of("distance", plan["distance"], DISTANCES)
    if plan["estimand"] not in chosen.estimands:
        must_be_one_of(f'estimand with method "{chosen.name}"', plan["estimand"], chosen.estimands)
    must_be_one_of("discard", plan["discard"], ("none", "treated", "control", "both"))
    if plan["order"] is not None:
        _check_order(plan)
    if chosen.needs == "score" and plan["distance"] not in SCORES:
        must_be_one_of(f'distance with method "{chosen.name}"', plan["distance"], SCORES)
    if chosen.needs == "nothing" and plan["distance"] != "propensity":
        raise UsageError(f'distance has no effect with method "{chosen.name}".', remedy="Leave it out.")
    _check_numbers(plan)
    for name, default in DEFAULTS.items():
        if name not in chosen.takes and not _same(plan[name], default):
            users = [method.name for method in METHODS.values() if name in method.takes]
            raise UsageError(f'{name} has no effect with method "{chosen.name}".',
                             remedy=f"Leave it out, or use one of the methods: {', '.join(users)}.")
    _check_score_options(plan)
    return chosen


def _same(value: Any, default: Any) -> bool:
    return value is default or (not isinstance(value, Mapping | np.ndarray) and value == default)


def _check_order(plan: Mapping[str, Any]) -> None:
    must_be_one_of("order", plan["order"], ORDERS)
    if plan["distance"] in COVARIATE_DISTANCES:
        must_be_one_of(f'order with distance "{plan["distance"]}"', plan["order"], ("closest", "random", "data"))
    if plan["method"] == "cem" and not plan["k2k"]:
        raise UsageError("order has no effect with cem unless k2k is set.", remedy="Leave it out, or set k2k=True.")


def _check_numbers(plan: Mapping[str, Any]) -> None:
    ratio, least, most = plan["ratio"], plan["min_controls"], plan["max_controls"]
    if isinstance(ratio, bool) or not ratio >= 1 or (most is None and ratio != int(ratio)):
        raise UsageError("ratio must be a whole number of partners, 1 or more.", remedy="For example ratio=3.")
    if least is not None and most is None:
        raise UsageError("min_controls needs max_controls.", remedy="Give both, or neither.")
    if (most is not None and not (least or 1) <= ratio <= most) or (most is not None and most <= (least or 1)):
        raise UsageError("ratio must lie between min_controls and max_controls.", remedy="For example 1, 2 and 4.")
    if plan["replace"] and most is not None:
        raise UsageError("A variable ratio cannot be combined with replacement.", remedy="Drop one of them.")


def _check_score_options(plan: Mapping[str, Any]) -> None:
    if plan["distance"] in SCORES:
        return
    for name in ("discard", "reestimate", "mahvars", "max_controls"):
        if not _same(plan[name], DEFAULTS[name]):
            raise UsageError(f'{name} needs a propensity score, and distance "{plan["distance"]}" has none.',
                             remedy=f"Leave it out, or use one of: {', '.join(SCORES)}.")


def default_order(plan: Mapping[str, Any]) -> str:
    """As MatchIt: largest score first (smallest for ATC); data order where there is no score."""
    if plan["distance"] in COVARIATE_DISTANCES or plan["method"] == "cem":
        return "data"
    return "smallest" if plan["estimand"] == "ATC" else "largest"


def _check_frame(frame: pd.DataFrame, plan: Mapping[str, Any], id_column: str | None) -> str:
    """Columns exist, names do not clash, students are not twice in the data. Gives the id column, or ""."""
    if not frame.columns.is_unique:
        raise UserError("Two columns have the same name.", remedy="Rename one of them.",
                        culprits=map(str, frame.columns[frame.columns.duplicated()].unique()))
    require_columns(frame, [plan["treated"]], role="treated")
    require_columns(frame, plan["covariates"], role="covariate")
    require_columns(frame, plan["exact"], role="exact")
    require_columns(frame, plan["mahvars"], role="mahvars")
    if plan["treated"] in (*plan["covariates"], *plan["exact"]):
        raise UserError("The treated column is among the covariates or exact columns.", remedy="Take it out there.")
    clash = [name for name in ADDED if name in frame.columns and name != plan["treated"]]
    if clash:
        raise UserError(f'The data already have a column "{clash[0]}", which the result would write over.',
                        remedy="Rename or drop it first.")
    if id_column is not None:
        require_columns(frame, [id_column], role="id")
    found = id_column or ("student_id" if "student_id" in frame.columns else "")
    if found and frame[found].isna().any():
        raise UserError(f'{int(frame[found].isna().sum())} rows have no value in the id column "{found}".',
                        remedy="Fill it in, or drop those rows.", column=found)
    return found


def read_treated(frame: pd.DataFrame, treated: str) -> np.ndarray:
    """The arm of each row as 0/1; both arms must be there."""
    values = frame[treated]
    if values.isna().any():
        raise UserError(f'The treated column "{treated}" is missing for {int(values.isna().sum())} rows.',
                        remedy="Say for every student whether it was treated, or drop those rows.")
    numbers = pd.to_numeric(values.astype("object").map(lambda v: int(v) if isinstance(v, bool | np.bool_) else v),
                            errors="coerce") if values.dtype == object else pd.to_numeric(values, errors="coerce")
    arms = numbers.to_numpy(dtype=float, na_value=np.nan)
    if not np.isin(arms, (0.0, 1.0)).all():
        raise UserError(f'The treated column "{treated}" holds something other than true/false or 0/1.',
                        remedy="Make it a column of true and false.")
    if not (arms == 1).any():
        raise UserError("Nobody in the data is treated.", remedy="Check the treated column, and the dates of the plan.")
    if not (arms == 0).any():
        raise UserError("Everybody in the data is treated: there is nobody to compare with.",
                        remedy="Add students without a mentor, of the same schools or of comparison schools.")
    return arms.astype(np.int64)


def canonical_order(frame: pd.DataFrame, id_column: str, *, leave: str = "") -> np.ndarray:
    """Row places sorted by id, or by a hash of the row's content: the order of rows then cannot matter.

    Nor can the order of columns or how a number is stored. `leave`: a column the hash does not read (the arm).
    """
    if id_column:
        return _by_id(frame[id_column])
    names = sorted((name for name in frame.columns if name != leave), key=str)
    if not names:
        return np.arange(len(frame))
    content = pd.DataFrame({place: _as_stored_alike(frame[name]) for place, name in enumerate(names)})
    return np.argsort(pd.util.hash_pandas_object(content, index=False).to_numpy(), kind="stable")


def _as_stored_alike(values: pd.Series) -> np.ndarray:
    """Numbers and true/false as floats, everything else as text."""
    if is_number(values):
        return values.astype("Float64" if values.dtype == object else values.dtype).to_numpy(float, na_value=np.nan)
    return values.astype(str).to_numpy(dtype=object)


def _by_id(ids: pd.Series) -> np.ndarray:
    """Places sorted by id; refuses a student that is there twice."""
    if isinstance(ids.dtype, pd.StringDtype):
        import pyarrow as pa
        from pyarrow import compute
        text = pa.array(ids)
        order, twice = compute.sort_indices(text).to_numpy(), len(ids) - compute.count_distinct(text).as_py()
    else:
        codes = pd.factorize(ids, sort=True)[0]
        order, twice = np.argsort(codes, kind="stable"), int(len(codes) - (codes.max() + 1))
    if twice:
        raise UserError(f"{twice} rows repeat a student that is already in the data.", column=str(ids.name),
                        remedy="Keep one row a student: a student must not be compared with itself.")
    return order.astype(np.int64)


@dataclass(frozen=True)
class Scored:
    """The fitted score and the rows it was not discarded for."""

    fit: Fit | None
    score: np.ndarray | None
    usable: np.ndarray


def make_problem(frame: pd.DataFrame, arms: np.ndarray, canonical: np.ndarray, plan: Mapping[str, Any],
                 chosen: Method) -> tuple[Problem, Fit | None]:
    """Everything the method needs, in canonical order."""
    named = [*plan["covariates"], *plan["exact"], *plan["mahvars"], *_caliper_columns(frame, plan)]
    wanted = list(dict.fromkeys(named))
    sorted_frame = frame[wanted].take(canonical)
    treated = arms[canonical]
    columns = read_columns(sorted_frame, plan["covariates"])
    modelled = chosen.name in ("entropy", "cbps") or (plan["distance"] in SCORES and chosen.needs != "nothing")
    alone = one_armed(columns, treated) if modelled else np.zeros(len(treated), dtype=bool)
    design = _design(columns, alone, treated)
    scored = _score(design, treated, ~alone, plan, chosen)
    metric = _metric(sorted_frame, columns, treated, scored.usable, plan, chosen)
    focal = 1 - treated if plan["estimand"] == "ATC" else treated
    width, calipers = _calipers(sorted_frame, scored, plan)
    probability = None if scored.fit is None else scored.fit.probability
    score = probability if chosen.name == "none" else scored.score
    problem = Problem(treated, focal, columns, design, score, probability, metric,
                      strata_codes(sorted_frame, plan["exact"]), scored.usable, width, calipers, canonical,
                      sorted_frame, plan, alone)
    return problem, scored.fit


def _design(columns: Sequence[Column], alone: np.ndarray, treated: np.ndarray) -> Design:
    """The model matrix of the rows that can be compared, zeros for the others; what was set aside is said."""
    if not alone.any():
        return model_matrix(columns)
    _require_arms(~alone, treated)
    part = model_matrix([take(column, ~alone) for column in columns])
    matrix = np.zeros((len(alone), len(part.names)), order="F")
    matrix[~alone] = part.matrix
    arms = [int((alone & (treated == arm)).sum()) for arm in (1, 0)]
    said = (f"{arms[0]} treated and {arms[1]} other rows have a value of a text covariate (or lack a number) as nobody "
            f"of the other group; they cannot be compared and were set aside.")
    return Design(part.names, matrix, (*part.remarks, said))


def _score(design: Design, treated: np.ndarray, rows: np.ndarray, plan: Mapping[str, Any], chosen: Method) -> Scored:
    """Fit the score where the method or the distance asks for one; discard by common support, maybe fit again."""
    if plan["distance"] not in SCORES or chosen.needs == "nothing":
        return Scored(_fit_if_possible(design, treated) if chosen.name == "none" else None, None, rows)
    if not design.names:
        raise UserError("No covariate differs between students, so no chance of being treated can be estimated.",
                        remedy='Name covariates that vary, or use method "exact" or "none".')
    link = "probit" if plan["distance"] == "probit" else "logit"
    fit = _fit_rows(design, treated, rows, link)
    score = fit.linear if plan["distance"] == "logit" else fit.probability
    usable = rows & ~outside_support(score, treated, rows, plan["discard"])
    _require_arms(usable, treated)
    if plan["reestimate"] and not usable.all():
        again = _fit_rows(design, treated, usable, link)
        fit = replace(again, linear=np.where(usable, again.linear, fit.linear),
                      probability=np.where(usable, again.probability, fit.probability))
        score = fit.linear if plan["distance"] == "logit" else fit.probability
    return Scored(fit, score, usable)


def _fit_rows(design: Design, treated: np.ndarray, rows: np.ndarray, link: str) -> Fit:
    """Fit on some rows; the others have no score."""
    if rows.all():
        return fit_propensity(design, treated, link=link)
    fit = fit_propensity(Design(design.names, design.matrix[rows]), treated[rows], link=link)
    linear, share = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    linear[rows], share[rows] = fit.linear, fit.probability
    return replace(fit, linear=linear, probability=share)


def _fit_if_possible(design: Design, treated: np.ndarray) -> Fit | None:
    """The score of unmatched data, only to be shown: where none can be had, none is."""
    try:
        return fit_propensity(design, treated) if design.names else None
    except UserError:
        return None


def outside_support(score: np.ndarray, treated: np.ndarray, rows: np.ndarray, rule: str) -> np.ndarray:
    """Rows outside the other arm's range (treated, control) or outside the range both arms share (both)."""
    low = [score[rows & (treated == arm)].min() for arm in (0, 1)]
    high = [score[rows & (treated == arm)].max() for arm in (0, 1)]
    if rule == "both":
        return (score < max(low)) | (score > min(high))
    if rule == "treated":
        return (score < low[0]) | (score > high[0])
    if rule == "control":
        return (score < low[1]) | (score > high[1])
    return np.zeros(len(score), dtype=bool)


def _require_arms(usable: np.ndarray, treated: np.ndarray) -> None:
    if not (usable & (treated == 1)).any() or not (usable & (treated == 0)).any():
        raise UserError("The scores of the treated and the others do not overlap: nobody can be compared.",
                        remedy="Use fewer or other covariates, or other comparison students.")


def _metric(frame: pd.DataFrame, columns: Sequence[Column], treated: np.ndarray, usable: np.ndarray,
            plan: Mapping[str, Any], chosen: Method) -> np.ndarray | None:
    if plan["mahvars"]:
        return metric_columns(read_columns(frame, plan["mahvars"]), treated, usable, distance="mahalanobis")
    if plan["distance"] in COVARIATE_DISTANCES and chosen.needs == "either":
        require_overlap(columns, treated, usable)
        return metric_columns(columns, treated, usable, distance=plan["distance"])
    return None


def _caliper_columns(frame: pd.DataFrame, plan: Mapping[str, Any]) -> list[str]:
    caliper = plan["caliper"]
    if not isinstance(caliper, Mapping):
        return []
    names = [name for name in caliper if name not in ("", "distance")]
    require_columns(frame, names, role="caliper")
    return names


def _calipers(frame: pd.DataFrame, scored: Scored, plan: Mapping[str, Any]) -> tuple[float, list[Caliper]]:
    """Widths in raw units: of the score (infinite for none), and of each column named."""
    given = plan["caliper"]
    if given is None:
        return np.inf, []
    given = dict(given) if isinstance(given, Mapping) else {"": given}
    width, calipers = np.inf, []
    for name, size in given.items():
        if isinstance(size, bool) or not isinstance(size, int | float | np.number) or np.isnan(size):
            raise UsageError("A caliper must be a number.", remedy="For example caliper=0.2, in standard deviations.")
        in_sds = plan["std_caliper"]
        in_sds = bool(in_sds.get(name, True)) if isinstance(in_sds, Mapping) else bool(in_sds)
        values = _caliper_values(frame, scored, plan, name)
        absolute = float(size) * (values[scored.usable].std(ddof=1) if in_sds else 1.0)
        if name in ("", "distance"):
            width = absolute
        else:
            calipers.append(Caliper(name, values, absolute))
    return width, calipers


def _caliper_values(frame: pd.DataFrame, scored: Scored, plan: Mapping[str, Any], name: str) -> np.ndarray:
    if name in ("", "distance"):
        if scored.score is None:
            raise UsageError(f'distance "{plan["distance"]}" has no score to put a caliper on.',
                             remedy="Name the columns of the caliper, for example caliper={'prior_absence_rate': 0.2}.")
        return scored.score
    column = read_column(frame[name], name=name)
    if column.levels:
        raise UserError(f'A caliper needs a number, and "{name}" is text.', remedy="Name it under exact instead.")
    if column.absent is not None:
        raise UserError(f'The caliper column "{name}" is missing for {int(column.absent.sum())} rows.',
                        remedy="Drop those rows, or take the caliper off that column.")
    return column.values
