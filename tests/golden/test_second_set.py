"""A second made district (800 students, 12 schools, another seed) against R: the method holds, not the case.

`second/reference.json.xz` holds what MatchIt 4.7.2, cobalt 4.5.5, WeightIt 1.3.2, sandwich, clubSandwich, did, fixest
and did2s said of it; `second/README.md` says how it was made. Besides the designs of the first set it has MORE below.
"""

from __future__ import annotations

import json
import lzma
from typing import Any

import numpy as np
import pandas as pd
import pytest
from effects_reference import CLOSED, COVARIATES, ITERATED
from matching_designs import BOTH, CUTS, DISTANCE_FORMULA, FORMULA, HERE, LOGIT, PAIRED, UNPAIRED

from evalkit.checks.sensemakr import adjust, benchmark_bound, benchmark_strengths, robustness_value
from evalkit.comparison import choose_comparison
from evalkit.estimators import estimate
from evalkit.estimators.design import design_matrix
from evalkit.estimators.sample import make_sample

RATES = ("prior_rate", "pre_rate")
DISTANCE = {"covariates": DISTANCE_FORMULA, "distance": "mahalanobis"}
CEM = {"covariates": ("school", "gradef", "prior_rate", "pre_rate", "sped"), "method": "cem", "cutpoints": CUTS}
K2K = {"covariates": ("school", "prior_rate", "prior_score"), "method": "cem", "k2k": True,
       "cutpoints": {"prior_rate": [0.05, 0.1, 0.2], "prior_score": 3}}
THREE = {"covariates": ("school", *RATES), "method": "cem"}
MORE: dict[str, dict[str, Any]] = {
    "nn.atc": {"estimand": "ATC"}, "nn.atc.lin.cal": {**LOGIT, "estimand": "ATC", "caliper": 0.3},
    "nn12.closest": {**LOGIT, "ratio": 2, "order": "closest"},
    "nn13.smallest": {**LOGIT, "ratio": 3, "order": "smallest"},
    "nn13.data.exact": {**LOGIT, "ratio": 3, "order": "data", "exact": "school"},
    "nn.ps.rawcal": {"caliper": 0.03, "std_caliper": False},
    "nn.twocal.sd": {**LOGIT, "caliper": {"": 0.5, "pre_rate": 0.5, "prior_score": 0.7}},
    "nn.covcal.only": {**LOGIT, "caliper": {"pre_rate": 0.01, "prior_score": 15}, "std_caliper": False},
    "nn.negcal": {**LOGIT, "caliper": {"pre_rate": -0.01}, "std_caliper": False},
    "nn.discard_treated": {"discard": "treated"},
    "nn.discard_control.cal": {**LOGIT, "discard": "control", "caliper": 0.1},
    "nn.discard_both.reest.cal": {**LOGIT, "discard": "both", "reestimate": True, "caliper": 0.1},
    "nn.replace.atc": {**LOGIT, "replace": True, "estimand": "ATC"},
    "nn12.replace.exact": {**LOGIT, "replace": True, "ratio": 2, "exact": BOTH},
    "nn.replace.twocal": {**LOGIT, "replace": True, "ratio": 2, "caliper": {"": 0.3, "prior_score": 20},
                          "std_caliper": {"": True, "prior_score": False}},
    "nn.var2.nomin": {**LOGIT, "ratio": 2, "max_controls": 4},
    "nn.var2.cal": {**LOGIT, "ratio": 2, "min_controls": 1, "max_controls": 3, "caliper": 0.2},
    "maha.closest": {**DISTANCE, "order": "closest"}, "maha12": {**DISTANCE, "ratio": 2},
    "maha12.closest": {**DISTANCE, "ratio": 2, "order": "closest", "exact": "school"},
    "maha.replace12": {**DISTANCE, "ratio": 2, "replace": True},
    "maha.atc.exact": {**DISTANCE, "estimand": "ATC", "exact": "school"}, "maha.flags": DISTANCE,
    "maha.covcal": {**DISTANCE, "caliper": {"pre_rate": 0.03}, "std_caliper": False},
    "rmaha.factors.exact": {"distance": "robust_mahalanobis", "exact": "school"},
    "rmaha12.closest": {**DISTANCE, "distance": "robust_mahalanobis", "ratio": 2, "order": "closest"},
    "seuc.factors": {"distance": "scaled_euclidean"},
    "seuc12.exact": {**DISTANCE, "distance": "scaled_euclidean", "ratio": 2, "exact": "school"},
    "mahvars.12": {**LOGIT, "mahvars": ("pre_rate", "prior_score"), "ratio": 2, "caliper": 0.25},
    "mahvars.closest": {**LOGIT, "mahvars": (*RATES, "prior_score"), "caliper": 0.3, "order": "closest"},
    "mahvars.replace": {**LOGIT, "mahvars": ("prior_rate", "prior_score", "sped"), "caliper": 0.3, "replace": True,
                        "ratio": 2},
    "mahvars.discard": {**LOGIT, "mahvars": (*RATES, "prior_score"), "caliper": 0.2, "discard": "both"},
    "probit.cal": {"distance": "probit", "caliper": 0.2, "ratio": 2},
    "sub.atc4": {"method": "subclass", "subclasses": 4, "estimand": "ATC"},
    "sub.att10": {"method": "subclass", "subclasses": 10},
    "sub.quant": {"method": "subclass", "subclasses": [0.2, 0.5, 0.9]},
    "sub.ate8.lin": {**LOGIT, "method": "subclass", "subclasses": 8, "estimand": "ATE"},
    "sub.discard": {"method": "subclass", "subclasses": 5, "discard": "both"},
    "cem.ate": {**CEM, "estimand": "ATE"}, "cem.atc": {**CEM, "estimand": "ATC"},
    "cem.ints": {**CEM, "cutpoints": {"prior_rate": 4, "pre_rate": 6}}, "cem.scott": {**THREE, "cutpoints": "scott"},
    "cem.fd": {**THREE, "cutpoints": "fd"}, "cem.q4": {**THREE, "cutpoints": "q4"},
    "cem.q5mix": {**THREE, "covariates": ("school", *RATES, "prior_score"),
                  "cutpoints": {"prior_rate": "q5", "pre_rate": "sturges", "prior_score": 3}},
    "cem.k2k.maha": K2K, "cem.k2k.rmaha": {**K2K, "k2k_distance": "robust_mahalanobis"},
    "cem.k2k.euclid": {**K2K, "k2k_distance": "scaled_euclidean"}, "cem.k2k.closest": {**K2K, "order": "closest"},
    "cem.k2k.atc": {**K2K, "estimand": "ATC"},
    "exact.ate": {"method": "exact", "covariates": ("school", "gradef", "sped"), "estimand": "ATE"},
    "exact.atc": {"method": "exact", "covariates": ("school", "gradef", "sped", "frl"), "estimand": "ATC"},
}
DESIGNS = {**PAIRED, **UNPAIRED, **MORE}


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    with lzma.open(HERE / "second" / "reference.json.xz", "rt", encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def students() -> pd.DataFrame:
    rows = pd.read_csv(HERE / "second" / "students.csv.xz", dtype={"student_id": str})
    rows = rows[rows["prior_days_absent"].notna()].reset_index(drop=True)
    rows = rows.assign(treat=rows["match_month"].notna(), gradef=rows["grade"].astype(str),
                       prior_rate=rows["prior_days_absent"] / rows["prior_days_enrolled"],
                       pre_rate=rows["pre_days_absent"] / rows["pre_days_enrolled"],
                       y=rows["post_days_absent"] / rows["post_days_enrolled"])
    return rows.assign(chronic=(rows["y"] >= 0.1).astype(int))


def run(students: pd.DataFrame, options: dict[str, Any]):
    return choose_comparison(students, treated="treat", **{"covariates": FORMULA, **options})


def ours(name: str) -> str:
    if name.startswith("gradef_"):
        return name
    return {"prop.score": "distance"}.get(name, name.replace("schoolSCH", "school_SCH").replace("gradef", "gradef_"))


@pytest.mark.parametrize("design", DESIGNS)
def test_pairs_weights_and_balance(students, stored, design):
    made, wanted = run(students, DESIGNS[design]), stored["designs"][design]
    weights = made.students["weight"].to_numpy()
    assert ((weights > 0).sum(), (weights**2).sum()) == pytest.approx((wanted["n_used"], wanted["sum_of_squares"]),
                                                                      rel=CLOSED)
    if "pairs" in wanted:
        columns = ["treated_row", "partner_row", "round"]
        if DESIGNS[design].get("estimand") == "ATC":
            columns = ["partner_row", "treated_row", "round"]
        assert sorted(made.pairs[columns].to_numpy().tolist()) == sorted(wanted["pairs"])
    else:
        assert weights[wanted["rows"]] == pytest.approx(wanted["weights"], rel=CLOSED)
        if wanted["sets"] is not None:
            sets = made.students["subclass"].to_numpy()[wanted["rows"]]
            both = pd.DataFrame({"ours": sets, "theirs": wanted["sets"]})
            assert len(both.drop_duplicates()) == both["ours"].nunique() == both["theirs"].nunique()
    table = made.balance.set_index("covariate")
    for name, row in stored["balance"][design].items():
        for column, value in row.items():
            near = pytest.approx(value, rel=CLOSED, abs=1e-7 if name == "distance" else CLOSED)  # a logit was iterated
            assert table.loc[ours(name), f"{column}_after"] == near, (name, column)


def test_logit(students, stored):
    fit, wanted = run(students, {}).details["fit"], stored["logit"]
    found = dict(zip(fit.names, zip(fit.coefficients, fit.standard_errors, strict=True), strict=True))
    for name, value in wanted["coef"].items():
        assert found[ours(name)] == pytest.approx((value, wanted["se"][name]), rel=ITERATED)


def test_cobalt_with_every_denominator(students, stored):
    keys = {"Diff": "smd", "V.Ratio": "variance_ratio", "KS": "ks", "OVL": "overlap"}
    for entry, rows in stored["cobalt"].items():
        what, *name, last = entry.removeprefix("cobalt.").split(".")
        if what == "weightit":
            made = run(students, {"method": "weighting", "estimand": name[0]})
            last = last.replace("control", "comparison")
        else:
            design = entry.removeprefix("cobalt.").removeprefix("default.").split(".sd_")[0]
            made = run(students, DESIGNS[design])
        named = made.details["denominator"] if what == "default" else last.removeprefix("sd_")
        table = made.balance_with(denominator=named, overlap=True).set_index("covariate")
        for covariate, row in rows.items():
            for key, value in row.items():
                kind, when = key.rsplit(".", 1)
                found = table.loc[ours(covariate), f"{keys[kind]}_{'before' if when == 'Un' else 'after'}"]
                assert found == pytest.approx(value, rel=CLOSED, abs=ITERATED if what == "weightit" else CLOSED), (
                    entry, covariate, key)


@pytest.mark.parametrize("estimand", ["ATC", "ATE"])
def test_covariate_balancing_weights(students, stored, estimand):
    made = run(students, {"method": "cbps", "estimand": estimand})
    np.testing.assert_allclose(made.students["weight"], stored["weights"][f"cbps_{estimand}"], rtol=ITERATED)
    for method in ("cbps", "entropy"):
        left = run(students, {"method": method, "estimand": estimand}).balance.set_index("covariate")["smd_after"]
        assert left.drop("distance", errors="ignore").abs().max() < 1e-9  # exact balance is the definition


def weighted(students: pd.DataFrame, stored: dict[str, Any], design: str) -> pd.DataFrame:
    """The sample with the weights and sets of one design (ours: shown above to be the reference's)."""
    rows = students.assign(treated=students["treat"].astype(int))
    if design == "weightit.ebal.att":
        return rows.assign(weight=stored["weights"]["ebal_att"])
    made = run(students, DESIGNS.get(design) or {"method": "weighting", "estimand": design.split(".")[1].upper()})
    rows = rows.assign(weight=made.students["weight"])
    return rows if made.students["subclass"].isna().all() else rows.assign(subclass=made.students["subclass"])


EFFECTS = ("nn13.exact_school_grade.cal02", "nn13.replace.cal02", "subclass5.ate", "exact", "cem.cutpoints", "ipw.ate",
           "ipw.ato", "weightit.ebal.att")


def linear(rows: pd.DataFrame, covariates: list[str], **options: Any):
    return estimate(None, rows, estimator="regression_adjusted" if covariates else "difference", outcome="y",
                    covariates=covariates, **options)


@pytest.mark.parametrize("design", EFFECTS)
def test_effects(students, stored, design):
    rows, value = weighted(students, stored, design), stored["effects"][design]
    # where the weights come from an iterated logit, everything after it has its digits
    digits = ITERATED if design.startswith("ipw") else CLOSED
    for part, covariates in (("dim", []), ("adj", COVARIATES)):
        golden = value[part]
        for kind in ("HC1", "HC2", "HC3"):
            found = linear(rows, covariates, standard_errors=kind)
            assert (found.value, found.standard_error) == pytest.approx((golden["b"], golden[f"se_{kind}"]), rel=digits)
        for group, column in (("CR_school", "school"), ("CR_pair", "subclass")):
            for kind, wanted in golden.get(group, {}).items():
                if kind == "CR3" and part == "adj":
                    continue  # columns that live in one cluster: the reference inverts a singular matrix
                found = linear(rows, covariates, standard_errors=kind, clustered_by=column)
                assert (found.standard_error, found.df, found.p_value) == pytest.approx(
                    (wanted["se"], wanted["df_satt"], wanted["p_satt"]), rel=10 * digits), (group, kind)
    # sandwich counts a factor's empty levels as clusters: 12 schools, though some are in no set of this design
    schools = rows.loc[rows["weight"] > 0, "school"].nunique()
    counted = np.sqrt(schools / (schools - 1) / (12 / 11))
    for part, covariates in (("poisson", []), ("poisson_adj", COVARIATES)):
        found = estimate(None, rows, estimator="poisson", outcome="post_days_absent", exposure="post_days_enrolled",
                         covariates=covariates, standard_errors="CR1S", clustered_by="school", estimand="ATT")
        golden = value[part]
        assert (found.details["coefficient"], found.details["coefficient_standard_error"]) == pytest.approx(
            (golden["b"], golden["se_CL_school_HC1"] * counted), rel=ITERATED)
        if "att_rate" in golden:
            assert found.value == pytest.approx(golden["att_rate"], rel=ITERATED)
    found = estimate(None, rows, estimator="logistic", outcome="chronic", covariates=[], standard_errors="CR1S",
                     clustered_by="school")
    golden = value["chronic"]
    assert (found.value, found.details["coefficient"], found.details["coefficient_standard_error"]) == pytest.approx(
        (golden["rd"], golden["logit"], golden["se_CL_school_HC1"] * counted), rel=ITERATED)


@pytest.mark.parametrize(("part", "covariates"), [("dim", []), ("adj", COVARIATES)])
def test_wild_bootstrap_of_twelve_schools(students, stored, part, covariates):
    golden = stored["wild"][part]
    found = linear(weighted(students, stored, "nn11.exact_school"), covariates, standard_errors="wild_bootstrap",
                   clustered_by="school").details["wild"]
    assert (found["n_clusters"], found["draws"]) == (golden["G"], golden["draws"]) == (12, 4096)
    assert (found["p_ge"], found["p_gt"]) == (golden["p_two_sided_ge"], golden["p_two_sided_gt"])
    assert found["t"] == pytest.approx(golden["t"], rel=CLOSED)


def test_sensemakr(students, stored):
    golden = stored["sensemakr"]
    sample = make_sample(None, students.assign(treated=students["treat"].astype(int)), "y")
    design, names = design_matrix(sample, COVARIATES, ())
    strength = benchmark_strengths(design, names, sample.y, sample.weights)["pre_rate"]
    assert [robustness_value(golden["t"], golden["dof"]), robustness_value(golden["t"], golden["dof"], alpha=0.05)] == \
        pytest.approx([golden["rv_q"], golden["rv_qa"]], rel=CLOSED)
    for k, wanted in enumerate(golden["bounds"], start=1):
        bound = benchmark_bound(*strength, k)
        left = adjust(golden["estimate"], golden["se"], golden["dof"], *bound)
        assert [*bound, left.estimate, left.standard_error] == pytest.approx(
            [wanted["r2dz.x"], wanted["r2yz.dx"], wanted["adjusted_estimate"], wanted["adjusted_se"]], rel=CLOSED)


@pytest.fixture(scope="module")
def months(students) -> pd.DataFrame:
    rows = pd.read_csv(HERE / "second" / "monthly.csv.xz", dtype={"student_id": str})
    everyone = pd.read_csv(HERE / "second" / "students.csv.xz", dtype={"student_id": str})
    rows = rows.merge(everyone, on="student_id")
    return rows.assign(y=rows["days_absent"] / rows["days_enrolled"],
                       first_treated=rows["match_month"].fillna(0).astype(int),
                       prior_rate=rows["prior_days_absent"] / rows["prior_days_enrolled"])


def whole(months: pd.DataFrame) -> pd.DataFrame:
    """Students with all ten months and a prior-year rate."""
    return months[(months.groupby("student_id")["month"].transform("size") == 10) & months["prior_rate"].notna()]


def close(found: Any, wanted: Any, digits: float) -> None:
    assert np.array(found, float) == pytest.approx(np.array(wanted, float), rel=digits, abs=1e-12, nan_ok=True)


def test_group_time_effects(months, stored):
    names = [name for name in stored["did"] if name.startswith("did.") and "anticip" in name]
    assert len(names) == 8
    for name in names:
        _, covariates, control, method, base, ahead = name.split(".")
        found = estimate(whole(months), estimator="callaway_santanna", outcome="y", method=method, base_period=base,
                         covariates=["prior_rate", "frl", "sped", "ell"] if covariates == "cov" else [],
                         control_group={"nevertreated": "never", "notyettreated": "notyet"}[control],
                         anticipation=int(ahead[-1]))
        wanted, digits = stored["did"][name], CLOSED if covariates == "none" else ITERATED
        compare_group_time(found.details, wanted, digits)


def compare_group_time(details: Any, wanted: dict[str, Any], digits: float) -> None:
    table = pd.DataFrame(details["group_time"])
    assert table["group"].tolist() == wanted["group"] and table["time"].tolist() == wanted["t"]
    close(table["att"], wanted["att"], digits)
    close(table["standard_error"], wanted["se"], digits)
    for ours_, theirs in (("simple", "simple"), ("event", "dynamic"), ("group", "group_agg"), ("calendar", "calendar")):
        if theirs in wanted:
            one = details["aggregates"][ours_]
            close([one["overall"], one["overall_standard_error"]],
                  [wanted[theirs]["overall_att"], wanted[theirs]["overall_se"]], digits)
            if "egt" in wanted[theirs]:
                close([one["egt"], one["att"], one["standard_error"]],
                      [wanted[theirs]["egt"], wanted[theirs]["att"], wanted[theirs]["se"]], digits)


def test_group_time_effects_of_an_unbalanced_panel_and_by_school(months, stored):
    rows = months[months["prior_rate"].notna()]
    found = estimate(rows, estimator="callaway_santanna", outcome="y", control_group="notyet")
    compare_group_time(found.details, stored["did"]["did.unbalanced.notyettreated"], CLOSED)
    for kind, covariates in (("none", []), ("cov", ["prior_rate", "frl", "sped", "ell"])):
        wanted = stored["did"][f"did.{kind}.cluster_school"]
        found = estimate(whole(months), estimator="callaway_santanna", outcome="y", covariates=covariates,
                         clustered_by="school")
        close([found.standard_error, found.df], [wanted["se_school_sum"], wanted["G"] - 1], ITERATED)


@pytest.mark.parametrize("by", ["id", "sch"])
@pytest.mark.parametrize("weighted_rows", [False, True], ids=["", "weighted unbalanced"])
def test_panel_regressions(months, stored, by, weighted_rows):
    """fixest's twfe and sunab, and did2s; weighted by enrolled days on whoever is there, or plain on whole panels."""
    rows = months.assign(weight=months["days_enrolled"]) if weighted_rows else whole(months)
    more = {"clustered_by": "school" if by == "sch" else None, "outcome": "y"}
    digits = 1e-8 if weighted_rows else CLOSED  # fixest takes unbalanced effects out by iteration; ours solves them
    name = "{}.weighted.unbalanced." + by if weighted_rows else "{}." + by
    wanted = stored["did"][name.format("twfe")]
    found = estimate(rows, estimator="twfe", **more)
    close([found.value, found.standard_error, found.df], [wanted["b"], wanted["se"], wanted["df_t"]], digits)
    wanted = stored["did"][name.format("did2s")]
    found = estimate(rows, estimator="did2s", **more)
    # did2s's first stage leaves out treated rows, so it is unbalanced always
    close([found.value, found.standard_error], [wanted["b"], wanted["se"]], 1e-8)
    wanted = stored["did"][name.format("sunab")]
    found = estimate(rows, estimator="sun_abraham", **more)
    close([found.value, found.standard_error], [wanted["att"], wanted["se"]], digits)
    assert [f"month::{step}" for step in found.details["event"]] == wanted["event"]
    close(found.details["event_att"], wanted["event_att"], digits)
    close(found.details["event_standard_error"], wanted["event_se"], digits)


@pytest.mark.parametrize("by", ["id", "sch"])
def test_panel_poisson(months, stored, by):
    wanted = stored["did"][f"fepois.{by}"]
    found = estimate(months, estimator="panel_poisson", outcome="days_absent", exposure="days_enrolled",
                     clustered_by="school" if by == "sch" else None)
    close([found.value, found.standard_error, found.details["n_rows"]], [wanted["b"], wanted["se"], wanted["n"]],
          ITERATED)
