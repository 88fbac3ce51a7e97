"""vectors.json and golden.json: effect sizes, cluster corrections, pooling."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from effects_reference import CLOSED, effect_designs, r_entry, vectors, weighted

from evalkit import evidence
from evalkit.estimators import estimate
from evalkit.pooling import leave_one_out, pool_effects

PRINTED_6 = 2e-6
"""metafor's numbers were printed with six decimals."""


def test_cluster_corrected_t() -> None:
    for case in vectors()["wwc_cluster_t"]["cases"]:
        found = evidence.cluster_corrected_t(case["g"], case["nT"], case["nC"], case["M"], icc=case["icc"])
        assert [found["t_corrected"], found["df"], found["p_value"]] == pytest.approx(
            [case["t_corr"], case["df"], case["p"]], rel=CLOSED)
        if "t" in case:
            assert found["t"] == pytest.approx(case["t"], rel=CLOSED)


def test_cluster_df_and_one_arm() -> None:
    for case in vectors()["wwc_df_E21"]["cases"]:
        assert evidence.cluster_df(case["N"], case["n"], case["icc"]) == pytest.approx(case["h"], rel=CLOSED)
    for case in vectors()["one_arm"]["cases"]:
        found = evidence.one_arm_correction(case["NT"], case["NC"], case["n"], icc=case["icc"])
        for key in {"eta", "gamma", "h"} & set(case):
            assert found[key] == pytest.approx(case[key], rel=CLOSED)
    case = vectors()["one_arm"]["vgt_ANCOVA"]
    found = evidence.one_arm_correction(case["NT"], case["NC"], case["n"], icc=case["icc"])
    assert found["h"] == pytest.approx(case["h"], rel=CLOSED)
    assert evidence.g_variance(case["g"], case["NT"], case["NC"], r2=case["R2"], eta=found["eta"], h=found["h"],
                               n_covariates=case["q"]) == pytest.approx(case["vgt"], rel=CLOSED)


def test_effect_size_formulas() -> None:
    golden = r_entry("effectsize.formulas")
    g = golden["hedges_g"]
    found = evidence.hedges_g(g["m1"] - g["m0"], g["sd1"], g["sd0"], g["n1"], g["n0"])
    assert found == pytest.approx(g["g"], rel=CLOSED)
    cox = golden["cox"]
    assert evidence.cox_index(cox["p1"], cox["p0"]) == pytest.approx(cox["d"], rel=CLOSED)
    t = golden["g_from_t_cluster"]
    shrink = ((t["N"] - 2) - 2 * (t["n"] - 1) * t["rho"]) / ((t["N"] - 2) * (1 + (t["n"] - 1) * t["rho"]))
    assert t["t"] * np.sqrt(shrink) == pytest.approx(t["t_adj"], rel=CLOSED)
    assert evidence.cluster_df(t["N"], t["n"], t["rho"]) == pytest.approx(t["df"], rel=CLOSED)
    # standards 3.7 oracles: baselinr's test, the handbook's omega for pT=.8, pC=.5, N=20
    assert evidence.hedges_g(1.0, 1.0, 1.0, 3, 3) == pytest.approx(0.8, rel=CLOSED)
    assert evidence.cox_index(0.8, 0.5) == pytest.approx(0.8402, abs=5e-5)
    assert evidence.cox_index(0.8, 0.5, 20) == pytest.approx(0.8047, abs=5e-5)
    assert evidence.cox_index(1.0, 0.5) is None
    assert evidence.improvement_index(0.25) == pytest.approx(9.87, abs=5e-3)
    assert evidence.improvement_index(0.10) == pytest.approx(3.98, abs=5e-3)


def test_intraclass_correlation_is_that_of_lme4() -> None:
    from effects_reference import everyone
    rows = everyone()
    rows = rows[rows["treated"] == 0]
    found = evidence.intraclass_correlation(rows["y"], rows["school"])
    assert found == pytest.approx(r_entry("icc.control")["icc"], rel=1e-6)  # lmer's optimizer stops there
    assert evidence.intraclass_correlation(rows["y"], np.arange(len(rows)) % 7) < 0.01


@pytest.mark.parametrize("design", effect_designs())
def test_effect_sizes_of_an_estimate(design: str) -> None:
    golden = r_entry(f"{design}.effect")
    found = evidence.effect_sizes(estimate(None, weighted(design), estimator="difference", outcome="y",
                                           standard_errors="HC1", unit="share"))
    assert found["hedges_g"] == pytest.approx(golden["hedges"]["g"], rel=CLOSED)


def test_pooling_bcg() -> None:
    bcg = vectors()["bcg"]
    tp, tn, cp, cn = (np.array(bcg[key], float) for key in ("tpos", "tneg", "cpos", "cneg"))
    y = np.log(tp / (tp + tn)) - np.log(cp / (cp + cn))
    s = np.sqrt(1 / tp - 1 / (tp + tn) + 1 / cp - 1 / (cp + cn))
    fixed = pool_effects(y, s, method="FE", knapp_hartung=False)
    assert fixed.q == pytest.approx(bcg["Q"], rel=CLOSED)
    assert [fixed.value, fixed.standard_error] == pytest.approx(bcg["FE"], rel=1e-7)
    for method in ("REML", "PM", "DL"):
        found, wanted = pool_effects(y, s, method=method, knapp_hartung=False), bcg[method]
        # metafor's REML stops at 1e-5, the others are solved or closed
        assert found.tau2 == pytest.approx(wanted["tau2"], abs=1e-6 if method == "REML" else 1e-9)
        assert [found.value, found.standard_error] == pytest.approx([wanted["b"], wanted["se"]], abs=PRINTED_6)
        if "I2" in wanted:
            assert found.i2 == pytest.approx(wanted["I2"], abs=1e-3)
    reml, pm = pool_effects(y, s, method="REML"), pool_effects(y, s, method="PM")
    wanted = bcg["HK_REML"]
    assert [reml.standard_error, reml.ci_low, reml.ci_high, reml.value / reml.standard_error, reml.p_value] == \
        pytest.approx([wanted["se"], *wanted["ci"], wanted["t"], wanted["p"]], abs=1e-5)
    wanted = bcg["HK_PM"]
    assert [pm.standard_error, pm.ci_low, pm.ci_high] == pytest.approx([wanted["se"], *wanted["ci"]], abs=1e-9)
    normal = pool_effects(y, s, method="REML", knapp_hartung=False)
    assert [normal.prediction_low, normal.prediction_high] == pytest.approx(bcg["PI_REML_z"], abs=1e-5)
    assert [reml.prediction_low, reml.prediction_high] == pytest.approx(bcg["PI_REML_HK"], abs=1e-5)
    without = leave_one_out(list(y), list(s), method="PM")
    assert len(without) == 13 and without[0].value == pytest.approx(pool_effects(y[1:], s[1:]).value, rel=CLOSED)
