"""Every `.effect` entry of the golden set, on the reference's own weights and sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from effects_reference import CLOSED, COVARIATES, ITERATED, effect_designs, r_entry, students, weighted

from evalkit.comparison import choose_comparison
from evalkit.estimators import Estimate, estimate

ESTIMATORS = {"dim": "difference", "adj": "regression_adjusted"}


def run(design: str, estimator: str, **options: Any) -> Estimate:
    covariates = [] if estimator == "difference" else COVARIATES
    return estimate(None, weighted(design), estimator=estimator, outcome=options.pop("outcome", "y"),
                    covariates=covariates, **options)


@pytest.mark.parametrize("design", effect_designs())
@pytest.mark.parametrize("part", ESTIMATORS)
def test_linear_effect_and_robust_errors(design: str, part: str) -> None:
    golden = r_entry(f"{design}.effect")[part]
    for kind in ("HC1", "HC2", "HC3"):
        found = run(design, ESTIMATORS[part], standard_errors=kind)
        assert found.value == pytest.approx(golden["b"], rel=CLOSED)
        assert found.standard_error == pytest.approx(golden[f"se_{kind}"], rel=CLOSED)
    assert run(design, ESTIMATORS[part], standard_errors="robust").standard_error == pytest.approx(golden["se_HC1"],
                                                                                                  rel=CLOSED)


@pytest.mark.parametrize("design", effect_designs())
@pytest.mark.parametrize("part", ESTIMATORS)
def test_clustered_errors_and_satterthwaite(design: str, part: str) -> None:
    golden = r_entry(f"{design}.effect")[part]
    for group, column in (("CR_school", "school"), ("CR_pair", "subclass")):
        for kind, wanted in golden.get(group, {}).items():
            if (part, group, kind) == ("adj", "CR_school", "CR3"):
                continue  # rounding noise in the reference: test_cr3_with_school_dummies_is_the_jackknife
            found = run(design, ESTIMATORS[part], standard_errors=kind, clustered_by=column)
            assert found.standard_error == pytest.approx(wanted["se"], rel=CLOSED), (group, kind)
            assert found.df == pytest.approx(wanted["df_satt"], rel=CLOSED), (group, kind)
            assert found.p_value == pytest.approx(wanted["p_satt"], rel=CLOSED), (group, kind)


def test_cr3_with_school_dummies_is_the_jackknife() -> None:
    """With a dummy per school I - H_jj is singular: R's solve() refused most designs and returned rounding noise for
    eight. The cluster jackknife, done by brute force, is the definition, and ours equals it."""
    frame = weighted("nn11.exact_school")
    found = run("nn11.exact_school", "regression_adjusted", standard_errors="CR3", clustered_by="school")
    squares = 0.0
    for school in frame["school"].unique():
        rest = frame[frame["school"] != school]
        alone = estimate(None, rest, outcome="y", covariates=COVARIATES, standard_errors="HC1")
        squares += (alone.value - found.value) ** 2
    assert found.standard_error == pytest.approx(np.sqrt(squares), rel=CLOSED)


@pytest.mark.parametrize("design", effect_designs())
def test_poisson_with_exposure(design: str) -> None:
    value = r_entry(f"{design}.effect")
    for part, covariates in (("poisson", []), ("poisson_adj", COVARIATES)):
        golden = value[part]
        for kind, column, name in (("HC1", None, "se_HC1"), ("CR1S", "school", "se_CL_school_HC1"),
                                   ("CR1S", "subclass", "se_CL_pair_HC1"), ("CR0", "subclass", "se_CL_pair_HC0_noadj")):
            if name not in golden:
                continue
            found = estimate(None, weighted(design), estimator="poisson", outcome="post_days_absent",
                             exposure="post_days_enrolled", covariates=covariates, standard_errors=kind,
                             clustered_by=column)
            assert found.details["coefficient"] == pytest.approx(golden["b"], rel=ITERATED)
            assert found.details["coefficient_standard_error"] == pytest.approx(golden[name], rel=ITERATED)
        if "att_rate" in golden:
            assert found.value == pytest.approx(golden["att_rate"], rel=ITERATED)
            assert found.details["ratio"] == pytest.approx(golden["ratio"], rel=ITERATED)


@pytest.mark.parametrize("design", effect_designs())
def test_chronic_share(design: str) -> None:
    golden = r_entry(f"{design}.effect")["chronic"]
    found = estimate(None, weighted(design), estimator="logistic", outcome="chronic", covariates=[],
                     standard_errors="CR1S", clustered_by="school")
    assert found.details["coefficient"] == pytest.approx(golden["logit"], rel=ITERATED)
    assert found.details["coefficient_standard_error"] == pytest.approx(golden["se_CL_school_HC1"], rel=ITERATED)
    assert found.value == pytest.approx(golden["rd"], rel=ITERATED)
    assert (found.details["share_treated"], found.details["share_comparison"]) == pytest.approx(
        (golden["p1"], golden["p0"]), rel=ITERATED)


@pytest.mark.parametrize("part", ["dim", "adj"])
def test_enumerated_wild_bootstrap(part: str) -> None:
    golden = r_entry(f"wild_cluster.nn11.exact_school.{part}")
    found = run("nn11.exact_school", ESTIMATORS[part], standard_errors="wild_bootstrap", clustered_by="school")
    wild = found.details["wild"]
    assert (wild["draws"], wild["n_clusters"], wild["enumerated"]) == (golden["draws"], golden["G"], True)
    assert (wild["p_ge"], wild["p_gt"]) == (golden["p_two_sided_ge"], golden["p_two_sided_gt"])
    assert wild["t"] == pytest.approx(golden["t"], rel=CLOSED)


def test_sample_scores_and_their_order_are_the_references() -> None:
    """The counts of the sample; how often a treated student has the higher score (Mann-Whitney); no ties."""
    rows, counts = students(), r_entry("sample")
    assert (len(rows), int(rows["treated"].sum())) == (counts["n_complete"], counts["n_treated"])
    made = choose_comparison(rows, treated="treated", covariates=COVARIATES, method="nearest").students
    ours, theirs = (made.loc[made["treated"] == arm, "distance"].to_numpy() for arm in (1, 0))
    above = (ours[:, None] > theirs[None, :]).mean() + (ours[:, None] == theirs[None, :]).mean() / 2
    assert above == pytest.approx(r_entry("ps.auc"), rel=CLOSED)  # a count of pairs: equal unless an order changes
    gaps = np.diff(np.sort(made["distance"].to_numpy()))
    assert gaps.min() == pytest.approx(r_entry("ps.ties")["min_gap"], rel=1e-4)  # a difference of two iterated scores
