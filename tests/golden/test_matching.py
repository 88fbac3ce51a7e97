"""Pairs, weights and sets of MatchIt 4.7.2 on the golden sample, and the scores of R's glm and WeightIt."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matching_designs import FORMULA, HERE, OPTIMA, PAIRED, UNPAIRED, golden, sample

from evalkit.comparison import choose_comparison

CLOSED = 1e-9  # closed forms; R's json carries 15 digits
FITTED = 1e-7  # an iterated logit or probit stands behind the number


@pytest.fixture(scope="module")
def data():
    return sample()


@pytest.fixture(scope="module")
def gold():
    return golden()


@pytest.fixture(scope="module")
def stored():
    weights = pd.read_csv(HERE / "matches.csv", dtype={"student_id": str, "subclass": str})
    return weights, pd.read_csv(HERE / "match_matrix.csv", dtype=str)


def run(data, options):
    return choose_comparison(data, treated="treat", **{"covariates": FORMULA, **options})


@pytest.mark.parametrize("design", PAIRED)
def test_pairs_are_those_of_matchit(data, stored, design):
    made = run(data, PAIRED[design])
    ids = data["student_id"].to_numpy()
    found = set(zip(ids[made.pairs["treated_row"]], made.pairs["round"].astype(str), ids[made.pairs["partner_row"]],
                    strict=True))
    rows = stored[1][stored[1]["id"] == design]
    assert found == set(zip(rows["t"], rows["k"], rows["c"], strict=True))


@pytest.mark.parametrize("design", [*PAIRED, *UNPAIRED])
def test_weights_and_sets_are_those_of_matchit(data, stored, design):
    made = run(data, (PAIRED | UNPAIRED)[design]).students.set_index("student_id")
    rows = stored[0][stored[0]["id"] == design].set_index("student_id")
    expected = rows["weight"].reindex(made.index).fillna(0.0)
    np.testing.assert_allclose(made["weight"], expected, rtol=CLOSED, atol=0)
    if rows["subclass"].notna().any():
        both = pd.DataFrame({"ours": made["subclass"].reindex(rows.index).astype(str), "theirs": rows["subclass"]})
        pairs = both.drop_duplicates()  # the same sets under other numbers: each number meets exactly one
        assert len(pairs) == both["ours"].nunique() == both["theirs"].nunique()


@pytest.mark.parametrize("design", [*PAIRED, *UNPAIRED])
def test_counts_and_effective_n(data, gold, design):
    made = run(data, (PAIRED | UNPAIRED)[design])
    assert made.n_treated_matched == gold[design]["n_treated_matched"]
    assert made.n_comparison_matched == gold[design]["n_control_matched"]
    assert made.effective_n["comparison"] == pytest.approx(gold[design]["ess_control"], rel=CLOSED)


@pytest.mark.parametrize("design", OPTIMA)
def test_optima_keep_n_and_constraints_and_are_no_worse_than_the_reference(data, stored, gold, design):
    made = run(data, OPTIMA[design])
    assert made.n_treated_matched == gold[design]["n_treated_matched"]
    assert made.n_comparison_matched == gold[design]["n_control_matched"]
    rows = stored[0][stored[0]["id"] == design]
    theirs = data.set_index("student_id").assign(set=rows.set_index("student_id")["subclass"])
    ours = data.assign(set=made.students["subclass"].to_numpy())
    score = made.students["distance"].to_numpy()
    theirs["score"], ours["score"] = score, score
    assert total(ours) <= total(theirs) + 1e-12  # sums of the same numbers in another order
    if "exact" in OPTIMA[design]:
        assert ours.dropna(subset="set").groupby("set")["school"].nunique().max() == 1
    if design == "optimal11":
        assert total(ours) == pytest.approx(1.82379, abs=5e-6)  # the exact optimum README states, to its 6 digits
    if design == "full":
        assert total(ours) == pytest.approx(1.90064, abs=5e-6)
        sizes = ours.groupby(["set", "treat"]).size().unstack()
        assert (sizes.min(axis=1) == 1).all()  # every set is one with several


def total(rows: pd.DataFrame) -> float:
    used = rows[rows["set"].notna()]
    both = used[used["treat"]].merge(used[~used["treat"]], on="set")
    return float((both["score_x"] - both["score_y"]).abs().sum())


def test_logit_is_r_glm(data, gold):
    fit, stored = run(data, {}).details["fit"], gold["ps.logit"]
    place = {name: i for i, name in enumerate(fit.names)}
    for name, value in stored["coef"].items():
        i = place[ours(name)]
        assert fit.coefficients[i] == pytest.approx(value, rel=FITTED)
        assert fit.standard_errors[i] == pytest.approx(stored["se"][name], rel=FITTED)
    assert fit.deviance == pytest.approx(stored["deviance"], rel=CLOSED)
    assert fit.probability.std(ddof=1) == pytest.approx(stored["sd_ps"], rel=FITTED)
    assert fit.linear.std(ddof=1) == pytest.approx(stored["sd_linear"], rel=FITTED)


def test_missing_prior_year_gets_an_indicator(gold):
    made = run(sample(complete=False), {"method": "weighting"})
    fit, stored = made.details["fit"], gold["ps.logit.missing_indicator"]
    place = {name: i for i, name in enumerate(fit.names)}
    for name, value in stored["coef"].items():
        assert fit.coefficients[place[ours(name)]] == pytest.approx(value, rel=FITTED)
    assert any("missing for 70 rows" in remark for remark in made.remarks)


def ours(name: str) -> str:
    renamed = {"prior_missing": "prior_rate_missing"}
    return renamed.get(name, name.replace("schoolSCH", "school_SCH").replace("gradef", "gradef_"))


def test_scores_of_every_row(data):
    scores = pd.read_csv(HERE / "scores.csv", dtype={"student_id": str})
    assert scores["student_id"].tolist() == data["student_id"].tolist()
    for distance, column in (("propensity", "ps"), ("logit", "linear")):
        found = run(data, {"distance": distance}).students["distance"]
        np.testing.assert_allclose(found, scores[column], rtol=FITTED)


@pytest.mark.parametrize(("method", "column", "tolerance"), [
    ("weighting", "w_glm_att", FITTED), ("cbps", "w_cbps_att", FITTED),
    # WeightIt's optimizer stops with means off by up to 1e-4 SD; ours are balanced to 1e-10 (next test)
    ("entropy", "w_ebal_att", 2e-4)])
def test_weights_of_weightit(data, method, column, tolerance):
    scores = pd.read_csv(HERE / "scores.csv")
    np.testing.assert_allclose(run(data, {"method": method}).students["weight"], scores[column], rtol=tolerance)


@pytest.mark.parametrize("method", ["entropy", "cbps"])
def test_balancing_weights_balance_where_the_reference_stops_early(data, method):
    made = run(data, {"method": method})
    smd = made.balance.set_index("covariate")["smd_after"].drop("distance", errors="ignore")
    assert smd.abs().max() < 1e-9  # exact balance is the definition of both methods


def test_entropy_weights_are_cbps_odds_rescaled(data):
    """For the ATT both solve the same equations: the odds of CBPS, scaled to mean 1, are the entropy weights."""
    others = ~data["treat"].to_numpy()
    entropy = run(data, {"method": "entropy"}).students["weight"].to_numpy()[others]
    odds = run(data, {"method": "cbps"}).students["weight"].to_numpy()[others]
    np.testing.assert_allclose(entropy, odds / odds.mean(), rtol=1e-7)


@pytest.mark.parametrize(("estimand", "formula"), [
    ("ATT", lambda e, t: np.where(t, 1, e / (1 - e))), ("ATC", lambda e, t: np.where(t, (1 - e) / e, 1)),
    ("ATE", lambda e, t: np.where(t, 1 / e, 1 / (1 - e))), ("ATO", lambda e, t: np.where(t, 1 - e, e)),
    ("ATM", lambda e, t: np.minimum(e, 1 - e) / np.where(t, e, 1 - e))])
def test_inverse_probability_weights(data, estimand, formula):
    made = run(data, {"method": "weighting", "estimand": estimand}).students
    share, treated = made["distance"].to_numpy(), data["treat"].to_numpy()
    np.testing.assert_allclose(made["weight"], formula(share, treated), rtol=CLOSED)
