"""vectors.json and golden.json: attrition boundary, Rosenbaum, McNemar, E-values, sensemakr, MDES."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from effects_reference import CLOSED, COVARIATES, ITERATED, r_entry, students, vectors, weighted

from evalkit.checks import power, run_checks
from evalkit.checks.attrition import BOUNDARY, attrition_rating, boundary_by_formula
from evalkit.checks.e_value import e_value, e_value_interval, ratio_from_g, ratio_from_odds
from evalkit.checks.rosenbaum import (
    SignedRank,
    critical_gamma,
    hodges_lehmann_bounds,
    mcnemar_bounds,
    mcnemar_normal,
)
from evalkit.checks.sensemakr import adjust, benchmark_bound, benchmark_strengths, partial_r2, robustness_value
from evalkit.estimators import estimate
from evalkit.estimators.design import design_matrix
from evalkit.estimators.sample import make_sample

PRINTED_8 = 2e-8
"""Power vectors were printed with eight decimals."""


def test_attrition_table_and_cases() -> None:
    wanted = vectors()["wwc_attrition_table_II1_v4_1"]
    assert list(BOUNDARY["cautious"]) == wanted["cautious_0_57"]
    assert list(BOUNDARY["optimistic"]) == wanted["optimistic_0_65"]
    for overall, differential, assumption, rating in wanted["cases"]:
        assert attrition_rating(overall, differential, assumption) == rating


@pytest.mark.parametrize(("assumption", "most"), [("cautious", 0.055), ("optimistic", 0.0543)])
def test_attrition_formula_gives_the_table(assumption: str, most: float) -> None:
    """Within 0.10 percentage points, as the standards document found (the table is rounded to 0.1)."""
    row = BOUNDARY[assumption]
    for percent in range(10, len(row)):
        assert abs(100 * boundary_by_formula(percent / 100, assumption, most=most) - row[percent]) <= 0.101


def test_rosenbaum_lead() -> None:
    lead = vectors()["rosenbaum_lead"]
    differences = np.array(lead["trt"], float) - np.array(lead["ctrl"], float)
    ranked = SignedRank.of(differences)
    assert (len(ranked.ranks), ranked.statistic) == (lead["n"], lead["T"])
    for gamma, p_value in lead["upper_p"].items():
        assert ranked.p_bounds(float(gamma))[0] == pytest.approx(p_value, rel=CLOSED)
    # the reference steps by 0.1 and stops at one end of a gap of 0.5 (whole numbers), we in its middle
    for gamma, bounds in lead["HL_bounds"].items():
        assert hodges_lehmann_bounds(differences, float(gamma)) == pytest.approx(bounds, abs=0.26)


def test_rosenbaum_golden() -> None:
    golden = r_entry("rosenbaum.signrank.nn11.exact_school")
    rows = weighted("nn11.exact_school")
    rows = rows[rows["weight"] > 0].sort_values(["subclass", "treated"])
    differences = rows.loc[rows["treated"] == 0, "y"].to_numpy() - rows.loc[rows["treated"] == 1, "y"].to_numpy()
    ranked = SignedRank.of(differences)
    assert (ranked.statistic, len(ranked.ranks)) == (golden["T"], golden["n_nonzero"])
    found = np.array([ranked.p_bounds(gamma) for gamma in golden["gamma"]])
    assert found[:, 0] == pytest.approx(golden["p_upper"], rel=CLOSED)
    assert found[:, 1] == pytest.approx(golden["p_lower"], rel=1e-6, abs=1e-15)  # R's 1 - pnorm runs out of digits
    # uniroot stops at 1e-4
    assert critical_gamma(differences) == pytest.approx(r_entry("rosenbaum.gamma_crit05"), abs=1e-4)
    chronic = r_entry("rosenbaum.mcnemar.nn11.exact_school")
    pairs = [mcnemar_bounds(chronic["discordant_control_chronic"], chronic["discordant_treated_chronic"], gamma)
             for gamma in chronic["gamma"]]
    assert [upper for upper, _ in pairs] == pytest.approx(chronic["p_upper"], rel=CLOSED)
    assert [lower for _, lower in pairs] == pytest.approx(chronic["p_lower"], rel=CLOSED)


def test_mcnemar_vectors() -> None:
    wanted = vectors()["mcnemar_110_12"]
    for gamma, p_value in wanted["exact_P_ge"].items():
        assert mcnemar_bounds(110, 12, float(gamma))[0] == pytest.approx(p_value, rel=CLOSED)
    for gamma, p_value in wanted["normal_cc"].items():
        assert mcnemar_normal(110, 12, float(gamma)) == pytest.approx(p_value, rel=CLOSED)


def test_e_values() -> None:
    wanted = vectors()["evalue"]
    for ratio, value in wanted["rr"].items():
        assert e_value(float(ratio)) == pytest.approx(value, rel=CLOSED)
    assert e_value(2.5, true_ratio=1.5) == pytest.approx(wanted["rr2.5_true1.5"], rel=CLOSED)
    table = r_entry("evalue.table")
    assert [e_value(ratio) for ratio in table["rr"]] == pytest.approx(table["e"], rel=CLOSED)
    assert [e_value(ratio_from_g(g)) for g in table["smd"]] == pytest.approx(table["e_smd"], rel=CLOSED)
    assert [e_value(ratio_from_odds(o)) for o in table["or_common"]] == pytest.approx(table["e_or_sqrt"], rel=CLOSED)
    golden = r_entry("evalue.poisson.nn11.exact_school")
    assert e_value(golden["rr"]) == pytest.approx(golden["e_point"], rel=CLOSED)
    assert e_value_interval(golden["lo"], golden["hi"]) == pytest.approx(golden["e_ci"], rel=CLOSED)
    found = estimate(None, weighted("nn11.exact_school"), estimator="poisson", outcome="post_days_absent",
                     exposure="post_days_enrolled", covariates=COVARIATES, standard_errors="CR1S",
                     clustered_by="subclass")
    assert found.details["ratio"] == pytest.approx(golden["rr"], rel=ITERATED)


def test_sensemakr_darfur() -> None:
    wanted = vectors()["darfur"]
    t, df = wanted["t"], wanted["df"]
    assert partial_r2(t, df) == pytest.approx(wanted["R2yd"], rel=CLOSED)
    assert [robustness_value(t, df), robustness_value(t, df, alpha=0.05), robustness_value(t, df, q=0.5)] == \
        pytest.approx([wanted["RV_q1"], wanted["RV_q1_a05"], wanted["RV_q05"]], rel=CLOSED)
    for r2_treatment, r2_outcome, value, error, t_left in wanted["bounds_female"].values():
        left = adjust(wanted["est"], wanted["se"], df, r2_treatment, r2_outcome)
        # estimate and error of the reference are printed with 12 digits, their difference loses some
        assert [left.estimate, left.standard_error, left.t] == pytest.approx([value, error, t_left], rel=1e-8)
    for key, (rv, rva, r2) in wanted["t_df_grid_RV_RVa_R2"].items():
        t_value, freedom = map(float, key.split(","))
        assert [robustness_value(t_value, freedom), robustness_value(t_value, freedom, alpha=0.05),
                partial_r2(t_value, freedom)] == pytest.approx([rv, rva, r2], rel=CLOSED, abs=1e-12)


def test_sensemakr_golden() -> None:
    golden, simple = r_entry("sensemakr.full"), r_entry("sensemakr.unmatched_adj")
    t, df = golden["t"], golden["dof"]
    assert [robustness_value(t, df), robustness_value(t, df, alpha=0.05)] == pytest.approx(
        [golden["rv_q"], golden["rv_qa"]], rel=CLOSED)
    assert simple["rv_formula"] == pytest.approx(robustness_value(simple["t"], simple["df"]), rel=CLOSED)
    assert simple["partial_r2_formula"] == pytest.approx(partial_r2(simple["t"], simple["df"]), rel=CLOSED)
    sample = make_sample(None, students(), "y")
    design, names = design_matrix(sample, COVARIATES, ())
    strength = benchmark_strengths(design, names, sample.y, sample.weights)["pre_rate"]
    for k, wanted in enumerate(golden["bounds"], start=1):
        bound = benchmark_bound(*strength, k)
        assert bound == pytest.approx((wanted["r2dz.x"], wanted["r2yz.dx"]), rel=CLOSED)
        left = adjust(golden["estimate"], golden["se"], df, *bound)
        assert [left.estimate, left.standard_error, left.t] == pytest.approx(
            [wanted["adjusted_estimate"], wanted["adjusted_se"], wanted["adjusted_t"]], rel=CLOSED)


def test_mdes() -> None:
    wanted, golden = vectors()["mdes"], r_entry("mdes")
    designs = {
        "ira_n250": power.students_assigned(250),
        "ira_n600_r21.5_g1": power.students_assigned(600, r2=0.5, n_covariates=1),
        "ira_n600_p.25_r21.4_g2": power.students_assigned(600, share=0.25, r2=0.4, n_covariates=2),
        "cra2_rho.17_n15_J20": power.schools_assigned(20, 15, 0.17),
        "cra2_rho.10_g2_1_r21.5_r22.6_n20_J30": power.schools_assigned(30, 20, 0.10, r2=0.5, r2_schools=0.6,
                                                                       n_school_covariates=1),
        "bira2_rho.17_om.5_n15_J20": power.students_in_schools(20, 15, icc=0.17, omega=0.5, effect="random"),
        "bira2c1_n15_J20": power.students_in_schools(20, 15, effect="constant"),
        "bira2f1_n15_J20": power.students_in_schools(20, 15),
        "bira2f1_n30_J10_p.3_g1_r21.45": power.students_in_schools(10, 30, share=0.3, r2=0.45, n_covariates=1),
        "ira_pn_n600_p.5_rho.10_ic10": power.students_with_mentors(600, 10, 0.10),
        "ira_pn_n250_p.5_rho.20_ic10": power.students_with_mentors(250, 10, 0.20),
    }
    for name, design in designs.items():
        assert [design.mdes(), design.df] == pytest.approx(wanted[name], abs=PRINTED_8), name
    assert power.students_assigned(250).power(0.356) == pytest.approx(wanted["power_ira_es.356_n250"], abs=PRINTED_8)
    one = golden["individual"]
    assert power.students_assigned(one["n"], r2=one["r2"], n_covariates=one["g"]).mdes() == pytest.approx(one["mdes"],
                                                                                                        rel=CLOSED)
    assert [power.multiplier(20), power.multiplier(380)] == pytest.approx(
        [golden["multiplier_df20"], golden["multiplier_df380"]], rel=CLOSED)


def test_all_checks_run_on_a_frame() -> None:
    rows = weighted("nn11.exact_school")
    found = estimate(None, rows, outcome="y", covariates=COVARIATES, clustered_by="subclass", unit="share")
    checks = run_checks(None, rows, found, {"covariates": COVARIATES}, options={"unit": "share"})
    assert {check.verdict for check in checks} <= {"pass", "caution", "fail"} and all(check.text for check in checks)
