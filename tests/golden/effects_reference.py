"""The golden data as the effect tests use them (README of this folder: sample, rules, tolerances)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

HERE = Path(__file__).parent
COVARIATES = ["school", "gradef", "ell", "sped", "frl", "female", "prior_rate", "pre_rate", "prior_score"]
CLOSED = 1e-9
"""Closed forms: R's json carries 15 digits, and cancelling costs some of them (golden README)."""
ITERATED = 1e-7
"""Where a logit or Poisson fit was iterated to R's own tolerance (golden README)."""


def place(name: str) -> Path:
    """A reference file, in this folder or a folder below it; without it the test is skipped with a sentence."""
    for found in [HERE / name, *sorted(HERE.glob(f"*/{name}")), HERE.parents[2] / "shared" / "reference" / name,
                  HERE.parents[2] / "shared" / "reference" / "golden" / name]:
        if found.exists():
            return found
    pytest.skip(f"{name} is not beside the tests")
    raise AssertionError


@cache
def entries() -> dict[tuple[str, str], Any]:
    found = json.loads(place("golden.json").read_text(encoding="utf-8"))["entries"]
    return {(entry["source"], entry["id"]): entry["value"] for entry in found}


def r_entry(name: str) -> Any:
    return entries()["R", name]


def vectors() -> dict[str, Any]:
    return json.loads(place("vectors.json").read_text(encoding="utf-8"))


@cache
def everyone() -> pd.DataFrame:
    rows = pd.read_csv(place("students.csv"), dtype={"student_id": str})
    rows["treated"] = rows["match_month"].notna().astype(int)
    rows["prior_rate"] = rows["prior_days_absent"] / rows["prior_days_enrolled"]
    rows["pre_rate"] = rows["pre_days_absent"] / rows["pre_days_enrolled"]
    rows["y"] = rows["post_days_absent"] / rows["post_days_enrolled"]
    rows["chronic"] = (rows["y"] >= 0.1).astype(int)
    rows["gradef"] = rows["grade"].astype(str)
    return rows


def students() -> pd.DataFrame:
    """The sample: rows with a prior-year record, in file order."""
    rows = everyone()
    return rows[rows["prior_rate"].notna()].reset_index(drop=True)


@cache
def _matches() -> pd.DataFrame:
    return pd.read_csv(place("matches.csv"), dtype={"student_id": str, "subclass": str})


def weighted(design: str) -> pd.DataFrame:
    """The sample with the reference's own weights and sets of one design."""
    rows, chosen = students(), _matches()
    chosen = chosen[chosen["id"] == design].set_index("student_id")
    if chosen.empty:
        rows["weight"] = _inverse_probability(rows, design)
        return rows
    rows["weight"] = rows["student_id"].map(chosen["weight"]).fillna(0.0)
    rows["subclass"] = rows["student_id"].map(chosen["subclass"])
    return rows


def _inverse_probability(rows: pd.DataFrame, design: str) -> pd.Series:
    """The weights of ipw.* from the stored scores; weightit.* weights are stored in scores.csv."""
    scores = pd.read_csv(place("scores.csv"), dtype={"student_id": str}).set_index("student_id").loc[rows["student_id"]]
    if design.startswith("weightit."):
        _, method, estimand = design.split(".")
        return scores[f"w_{method}_{estimand}"].reset_index(drop=True)
    e = scores["ps"].reset_index(drop=True)
    treated = rows["treated"] == 1
    made = {"att": (1.0, e / (1 - e)), "ate": (1 / e, 1 / (1 - e)), "ato": (1 - e, e)}
    if design == "ipw.atm":
        least = e.where(e < 1 - e, 1 - e)
        return (least / e).where(treated, least / (1 - e))
    one, zero = made[design.split(".")[1]]
    return (zero * 0 + one).where(treated, zero)


def effect_designs() -> list[str]:
    try:
        return sorted(name[: -len(".effect")] for source, name in entries() if name.endswith(".effect"))
    except pytest.skip.Exception:
        return []
