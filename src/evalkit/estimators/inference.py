"""From a fitted regression to an interval: which clusters, which standard error, which degrees of freedom, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from evalkit.errors import UserError, must_be_one_of
from evalkit.estimators.linear import Array, Fit
from evalkit.estimators.result import LEAST_DF
from evalkit.estimators.sample import Request, Sample, need_columns
from evalkit.estimators.variance import HC_KINDS, cluster_error, robust_error, two_way_error
from evalkit.estimators.wild import wild_cluster_test

STANDARD_ERRORS = ("CR0", "CR1", "CR1S", "CR2", "CR3", "wild_bootstrap", "robust", *HC_KINDS)
ENOUGH_SCHOOLS = 10
LEAST_SCHOOLS = 4
WHOLE_SCHOOLS = "comparison_schools"
_LEAST_DF = 1.5
"""Below it a t interval has no use (the 95 % multiplier is above 6, at one degree of freedom 12.7): two clusters never
give a number."""


@dataclass(frozen=True)
class Uncertainty:
    """Standard error, degrees of freedom, interval and p of one contrast, and how they were made."""

    standard_error: float | None
    df: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    clustered_by: str
    kind: str
    reason: str = ""
    caveats: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


def choose_clusters(sample: Sample, asked: str | tuple[str, ...] | None, *, school: str = "school_id",
                    design: str = "") -> tuple[str, ...]:
    """The columns to cluster by: those asked for; schools where whole schools were chosen, or when ten hold both arms;
    else the matched set, or the student where sets are strata of many or nobody is in a set."""
    frame = sample.frame
    if design == WHOLE_SCHOOLS and school in frame.columns:
        _refuse_few_schools(frame, school)
    if asked:
        columns = (asked,) if isinstance(asked, str) else tuple(asked)
        need_columns(frame, columns, what="clustered_by")
        return columns
    if school in frame.columns:
        arms = frame.groupby(school)["treated"].nunique()
        if design == WHOLE_SCHOOLS or int((arms == 2).sum()) >= ENOUGH_SCHOOLS:
            return (school,)
    repeated = ("student_id",) if "student_id" in frame.columns and frame["student_id"].duplicated().any() else ()
    return ("subclass", *repeated) if _has_sets(frame) else repeated


def _has_sets(frame: pd.DataFrame) -> bool:
    """Whether every set is one student with one or more of the other arm; strata of many are no clusters (MatchIt)."""
    if "subclass" not in frame.columns or frame["subclass"].isna().all():
        return False
    treated = frame.groupby("subclass")["treated"].agg(["sum", "size"])
    return bool(((treated["sum"] <= 1) | (treated["size"] - treated["sum"] <= 1)).all())


def _refuse_few_schools(frame: pd.DataFrame, school: str) -> None:
    """Whole schools were chosen: below four a side the program cannot be told from the schools (methods.md)."""
    with_mentors, without = (frame.loc[frame["treated"] == arm, school].nunique() for arm in (1, 0))
    if min(with_mentors, without) < LEAST_SCHOOLS:
        raise UserError(f"Too few schools: whole schools were chosen, {with_mentors} with mentors and {without} "
                        f"without, and below {LEAST_SCHOOLS} a side the program cannot be told from the schools.",
                        remedy='Compare inside schools (comparison = "within_school"), add schools, or pool sites '
                               "(evalkit pool).")


def infer(fit: Fit, contrast: Array, sample: Sample, ask: Request, *, value: float | None = None) -> Uncertainty:
    """The interval of a contrast by the standard errors asked for; `value` where it is no plain sum of coefficients."""
    value = float(contrast @ fit.coef) if value is None else value
    must_be_one_of("standard_errors", ask.standard_errors, STANDARD_ERRORS, error=UserError)
    kind = "HC1" if ask.standard_errors == "robust" else ask.standard_errors
    columns = choose_clusters(sample, ask.clustered_by, design=ask.comparison)
    if kind in HC_KINDS:
        note = (f"Standard errors take each row alone ({kind}); clustered_by is not used with them.",)
        return _t_interval(value, robust_error(fit, contrast, kind), ask, "", kind,
                           note if ask.clustered_by else ())
    if not columns:
        return _t_interval(value, robust_error(fit, contrast, "HC2"), ask, "", "HC2",
                           ("No clusters were named and no matched sets are known: each row stands alone (HC2).",))
    codes = [cluster_codes(sample.frame[column]) for column in columns]
    _refuse_few(codes[0], columns[0])
    if kind == "wild_bootstrap":
        return _wild(fit, contrast, codes, ask, columns)
    pair = (cluster_error(fit, contrast, codes[0], kind) if len(codes) == 1
            else two_way_error(fit, contrast, codes[0], codes[1], kind))
    return _t_interval(value, pair, ask, " and ".join(columns), kind, ())


def cluster_codes(column: pd.Series) -> NDArray[np.intp]:
    """Cluster numbers; a row without a cluster is one of its own."""
    codes = pd.factorize(column, sort=True)[0]
    alone = codes < 0
    return np.where(alone, codes.max() + 1 + np.cumsum(alone), codes).astype(np.intp)


def _refuse_few(codes: NDArray[np.intp], name: str) -> None:
    if len(np.unique(codes)) < 2:
        raise UserError(f"All students are in one cluster of {name}, so its standard error cannot be had.", column=name,
                        remedy='Cluster by the matched set (clustered_by = "subclass") and say "for this school".')


def _t_interval(value: float, pair: tuple[float, float], ask: Request, by: str, kind: str,
                caveats: tuple[str, ...]) -> Uncertainty:
    error, df = pair
    if not np.isfinite(error) or error <= 0 or not np.isfinite(df) or df < _LEAST_DF:
        return Uncertainty(None, df if np.isfinite(df) else None, None, None, None, by, kind,
                           reason=_no_interval(kind, by, df), caveats=caveats)
    reach = special.stdtrit(df, (1 + ask.level) / 2) * error
    p_value = float(2 * special.stdtr(df, -abs(value) / error))
    few = ((f"Only {df:.1f} degrees of freedom, under {LEAST_DF:g}: few clusters carry the comparison, and the "
            "interval and the p-value cannot be relied on.",) if df < LEAST_DF else ())
    return Uncertainty(error, df, value - reach, value + reach, p_value, by, kind, caveats=caveats + few)


def _no_interval(kind: str, by: str, df: float) -> str:
    if kind == "CR3":
        return (f"CR3 leaves out one cluster of {by} at a time, and without one of them the model cannot be fitted. "
                'Use standard_errors = "CR2".')
    return (f"There are too few clusters of {by or 'rows'} to say how sure this is ({df:.2f} degrees of freedom). "
            'Cluster by the matched set, use standard_errors = "wild_bootstrap", or pool with other schools.')


def _wild(fit: Fit, contrast: Array, codes: list[NDArray[np.intp]], ask: Request,
          columns: tuple[str, ...]) -> Uncertainty:
    if len(codes) > 1:
        raise UserError("The wild bootstrap takes one clustering, not two.", remedy="Name one column in clustered_by.")
    found = wild_cluster_test(fit, contrast, codes[0], level=ask.level, seed=ask.seed)
    error, _ = cluster_error(fit, contrast, codes[0], "CR1")
    reason = "" if found.ci_low is not None else (
        f"With {found.n_clusters} clusters the wild bootstrap cannot reach a p below {found.least_p:.3f}, "
        "so it bounds no interval at this level. Show it beside the matched-set interval.")
    return Uncertainty(error, None, found.ci_low, found.ci_high, found.p_value, columns[0], "wild_bootstrap", reason,
                       details={"wild": {"p_ge": found.p_value, "p_gt": found.p_strict, "t": found.t,
                                         "draws": found.draws, "n_clusters": found.n_clusters,
                                         "enumerated": found.enumerated}})
