"""The golden designs in evalkit's words: id of golden.json -> options of choose_comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
FORMULA = ("school", "gradef", "ell", "sped", "frl", "female", "prior_rate", "pre_rate", "prior_score")
DISTANCE_FORMULA = ("prior_rate", "pre_rate", "prior_score", "ell", "sped", "frl", "female")
CEM_FORMULA = ("school", "gradef", "prior_rate", "pre_rate", "sped")
LOGIT = {"distance": "logit"}
BOTH = ("school", "gradef")
CUTS = {"prior_rate": [0.05, 0.1, 0.2], "pre_rate": [0.025, 0.05, 0.1, 0.2]}

PAIRED = {
    "nn11": {},
    "nn11.linear.cal02": {**LOGIT, "caliper": 0.2},
    "nn11.linear.cal002": {**LOGIT, "caliper": 0.02},
    "nn11.order_closest.linear.cal01.exact_school": {**LOGIT, "caliper": 0.1, "exact": "school", "order": "closest"},
    "nn11.ps.cal02": {"caliper": 0.2},
    "nn11.exact_school_grade.cal02": {**LOGIT, "caliper": 0.2, "exact": BOTH},
    "nn13.exact_school_grade.cal02": {**LOGIT, "caliper": 0.2, "exact": BOTH, "ratio": 3},
    "nn11.exact_school": {"exact": "school"},
    "nn12.variable.exact_school": {**LOGIT, "ratio": 2, "min_controls": 1, "max_controls": 4, "exact": "school"},
    "nn11.replace": {"replace": True},
    "nn13.replace.cal02": {**LOGIT, "replace": True, "ratio": 3, "caliper": 0.2},
    "nn11.order_smallest": {"order": "smallest"},
    "nn11.order_data": {"order": "data"},
    "nn11.order_closest": {"order": "closest"},
    "nn11.discard_both": {"discard": "both"},
    "nn11.discard_both_reest": {"discard": "both", "reestimate": True},
    "nn11.prior_caliper_raw": {**LOGIT, "caliper": {"": 0.25, "pre_rate": 0.02}, "exact": "school",
                               "std_caliper": {"": True, "pre_rate": False}},
    "mahalanobis11": {"covariates": DISTANCE_FORMULA, "distance": "mahalanobis"},
    "mahalanobis11.exact_school": {"covariates": DISTANCE_FORMULA, "distance": "mahalanobis", "exact": "school"},
    "robust_mahalanobis11": {"covariates": DISTANCE_FORMULA, "distance": "robust_mahalanobis"},
    "scaled_euclidean11": {"covariates": DISTANCE_FORMULA, "distance": "scaled_euclidean"},
    "mahvars11.ps_cal02": {**LOGIT, "mahvars": ("prior_rate", "pre_rate", "prior_score"), "caliper": 0.2,
                           "exact": "school"},
    "cem.k2k": {"covariates": CEM_FORMULA, "method": "cem", "cutpoints": CUTS, "k2k": True, "k2k_distance": None},
    "probit.nn11": {"distance": "probit"},
}
UNPAIRED = {
    "subclass6.att": {"method": "subclass"},
    "subclass5.ate": {"method": "subclass", "subclasses": 5, "estimand": "ATE"},
    "cem.cutpoints": {"covariates": CEM_FORMULA, "method": "cem", "cutpoints": CUTS},
    "cem.sturges": {"covariates": ("school", "prior_rate", "pre_rate", "sped"), "method": "cem"},
    "exact": {"covariates": ("school", "gradef", "sped", "frl", "ell"), "method": "exact"},
    "quick_none": {"method": "none"},
}
OPTIMA = {
    "optimal11": {"method": "optimal"},
    "optimal12.exact_school": {"method": "optimal", "ratio": 2, "exact": "school"},
    "full": {"method": "full"},
    "full.exact_school": {**LOGIT, "method": "full", "exact": "school"},
}


def sample(*, complete: bool = True) -> pd.DataFrame:
    """The golden sample of README's rules: rows with a prior-year record, in file order (or all rows)."""
    rows = pd.read_csv(HERE / "students.csv", dtype={"student_id": str, "school": str, "mentor_id": str})
    rows = rows.assign(treat=rows["match_month"].notna(), gradef=rows["grade"].astype(str),
                       prior_rate=rows["prior_days_absent"] / rows["prior_days_enrolled"],
                       pre_rate=rows["pre_days_absent"] / rows["pre_days_enrolled"])
    return rows[rows["prior_rate"].notna()].reset_index(drop=True) if complete else rows


def golden() -> dict:
    entries = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))["entries"]
    return {entry["id"]: entry["value"] for entry in entries}
