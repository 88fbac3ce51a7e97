"""Published results, redone from public data that stay outside the repository (docs/methods/published-cases.md).

EVALKIT_PUBLIC_DATA names a folder with lalonde.tab, nsw_mixtape.dta, cps_mixtape.dta and mpdta.csv; without it the
tests say so and are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evalkit as ek

FOLDER = os.environ.get("EVALKIT_PUBLIC_DATA", "")
COVARIATES = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
HOW = "docs/methods/published-cases.md says where the data are and how to make the files."


def public(name: str) -> Path:
    """A file of the folder of public data, or a skip that says what is missing."""
    if not FOLDER:
        pytest.skip(f"EVALKIT_PUBLIC_DATA names no folder of public data. {HOW}")
    path = Path(FOLDER) / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the folder EVALKIT_PUBLIC_DATA names. {HOW}")
    return path


def dehejia_wahba() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The randomised sample, and its treated beside the CPS."""
    nsw = pd.read_stata(public("nsw_mixtape.dta")).rename(columns={"treat": "treated"})
    cps = pd.read_stata(public("cps_mixtape.dta")).rename(columns={"treat": "treated"})
    both = pd.concat([nsw[nsw["treated"] == 1], cps], ignore_index=True)
    return nsw, both


def lalonde() -> pd.DataFrame:
    frame = pd.read_csv(public("lalonde.tab"), sep=r"\s+", quotechar='"', index_col=0)
    return frame.reset_index(names="student_id").rename(columns={"treat": "treated"})


def mpdta() -> pd.DataFrame:
    return pd.read_csv(public("mpdta.csv")).rename(columns={"first.treat": "first_treated"})


def test_the_experiment_and_the_naive_gap_of_dehejia_and_wahba():
    nsw, both = dehejia_wahba()
    assert (len(nsw), len(both)) == (445, 185 + 15_992)
    experiment = ek.estimate(nsw, None, estimator="difference", outcome="re78", standard_errors="HC1")
    assert experiment.value == pytest.approx(1794.34, abs=0.005)  # printed with two decimals
    naive = ek.estimate(both, None, estimator="difference", outcome="re78", standard_errors="HC1")
    assert naive.value == pytest.approx(-8497.52, abs=0.005)


def test_matching_and_weighting_bring_the_cps_back_to_the_experiment():
    nsw, both = dehejia_wahba()
    covariates = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
    frame = both.drop(columns=["data_id"])
    experiment = ek.estimate(nsw, None, estimator="difference", outcome="re78", standard_errors="HC1")
    for method, options in (("nearest", {"distance": "logit", "caliper": 0.2}), ("entropy", {}), ("weighting", {})):
        comparison = ek.choose_comparison(frame, treated="treated", covariates=covariates, method=method, **options)
        found = ek.estimate(frame, comparison, outcome="re78")
        assert comparison.n_treated_matched == 185
        assert found.ci_low < experiment.value < found.ci_high, method
        assert found.value > 1_000, method  # from -8,497


def test_lalonde_as_matchit_ships_it():
    frame = lalonde()
    raw = ek.estimate(frame, None, estimator="difference", outcome="re78", standard_errors="HC1")
    assert len(frame) == 614 and raw.value == pytest.approx(-635.03, abs=0.005)
    comparison = ek.choose_comparison(frame, treated="treated", covariates=COVARIATES, method="full", distance="probit")
    found = ek.estimate(frame, comparison, outcome="re78", clustered_by="subclass", standard_errors="CR1S",
                        interacted=True)
    # MatchIt's guide prints 1976.65: optmatch within its default tolerance. With a finer one it gives this number too.
    assert found.value == pytest.approx(1912.84, abs=0.01)
    assert total_distance(comparison.students) == pytest.approx(2.16979, abs=1e-4)
    assert abs(comparison.balance.set_index("covariate")["smd_after"]).max() < 0.1


def test_the_published_number_on_the_sets_it_was_computed_on():
    """optmatch's own sets (published_full_matching.R, its default tolerance), evalkit's regression and error."""
    sets = pd.read_csv(Path(__file__).parent / "published_full_matching.csv", dtype={"subclass": "Int64"})
    frame = lalonde().merge(sets, on="student_id", validate="one_to_one")
    found = ek.estimate(frame, None, outcome="re78", covariates=COVARIATES, clustered_by="subclass",
                        standard_errors="CR1S", interacted=True)
    assert len(frame) == 614
    assert found.value == pytest.approx(1976.65, abs=0.005)  # printed with two decimals
    assert found.standard_error == pytest.approx(704.3, abs=0.05)  # printed with one decimal


def total_distance(students: pd.DataFrame) -> float:
    """Sum of the distances inside the sets, every treated student with every other of its set."""
    total = 0.0
    for _, rows in students.groupby("subclass"):
        arms = [rows.loc[rows["treated"] == arm, "distance"].to_numpy() for arm in (1, 0)]
        total += float(np.abs(arms[0][:, None] - arms[1][None, :]).sum())
    return total


@pytest.mark.parametrize(("covariates", "aggregate", "value", "error"), [
    ((), "simple", -0.03995, 0.01203), ((), "event", -0.07724, 0.01996), ((), "group", -0.03102, 0.01245),
    (("lpop",), "simple", -0.04175, 0.01150), (("lpop",), "event", -0.08035, 0.01896),
    (("lpop",), "group", -0.03282, 0.01190)])
def test_the_minimum_wage_example_of_callaway_and_santanna(covariates, aggregate, value, error):
    found = ek.estimate(mpdta(), None, estimator="callaway_santanna", outcome="lemp", unit_id="countyreal", time="year",
                        first_treated="first_treated", clustered_by="countyreal", covariates=covariates,
                        aggregate=aggregate)
    assert found.value == pytest.approx(value, abs=5e-6)  # printed with five decimals
    assert found.standard_error == pytest.approx(error, abs=5e-5)  # analytic; the package draws a bootstrap
