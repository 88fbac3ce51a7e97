"""Balance tables of cobalt 4.5.5 and MatchIt 4.7.2 on the golden sample."""

from __future__ import annotations

import numpy as np
import pytest
from matching_designs import FORMULA, PAIRED, UNPAIRED, golden, sample

from evalkit.comparison import choose_comparison
from evalkit.comparison.balance import ecdf_mean

CLOSED = 1e-9
QUADRATURE = CLOSED  # cobalt sums 1,000 midpoints, and so do we
KEYS = {"Diff": "smd", "V.Ratio": "variance_ratio", "KS": "ks", "OVL": "overlap"}


@pytest.fixture(scope="module")
def data():
    return sample()


@pytest.fixture(scope="module")
def gold():
    return golden()


@pytest.mark.parametrize("denominator", ["treated", "pooled", "all"])
def test_cobalt(data, gold, denominator):
    made = choose_comparison(data, treated="treat", covariates=FORMULA, **PAIRED["nn11.exact_school_grade.cal02"])
    table = made.balance_with(denominator=denominator, overlap=True).set_index("covariate")
    stored = gold[f"cobalt.nn11.exact_school_grade.cal02.sd_{denominator}"]
    assert set(stored) == set(table.index)
    for covariate, row in stored.items():
        for key, value in row.items():
            name, when = key.rsplit(".", 1)
            found = table.loc[covariate, f"{KEYS[name]}_{'before' if when == 'Un' else 'after'}"]
            assert found == pytest.approx(value, abs=QUADRATURE if name == "OVL" else CLOSED), (covariate, key)
    assert (table["denominator"] == denominator).all()


@pytest.mark.parametrize("design", [*PAIRED, *UNPAIRED])
def test_matchit_summary(data, gold, design):
    options = {"covariates": FORMULA, **(PAIRED | UNPAIRED)[design]}
    made = choose_comparison(data, treated="treat", **options)
    table = made.balance.set_index("covariate")
    compared = 0
    for when, stored in (("before", gold[design]["unmatched"]), ("after", gold[design]["matched"] or {})):
        for name, row in stored.items():
            name = name.replace("schoolSCH", "school_SCH").replace("gradef", "gradef_")
            for column, key in (("smd", "Std. Mean Diff."), ("variance_ratio", "Var. Ratio"), ("ks", "eCDF Max"),
                                ("mean_treated", "Means Treated"), ("mean_comparison", "Means Control")):
                if row.get(key) is not None:
                    # 1e-7 of an SD where a score was iterated, else the digits of the json
                    near = pytest.approx(row[key], abs=1e-7 if name == "distance" else CLOSED, rel=CLOSED)
                    assert table.loc[name, f"{column}_{when}"] == near, (name, column, when)
                    compared += 1
    assert compared > 40


def test_mean_gap_between_cumulative_shares(data, gold):
    stored = gold["nn11"]["unmatched"]
    treated = data["treat"].to_numpy()
    for name in ("prior_rate", "pre_rate", "prior_score"):
        values = data[name].to_numpy()
        assert ecdf_mean(values[treated], values[~treated]) == pytest.approx(stored[name]["eCDF Mean"], rel=CLOSED)


def test_no_difference_is_zero_and_no_spread_is_missing():
    from evalkit.comparison.balance import balance_table
    treated, weights = np.array([1, 1, 0, 0]), np.ones(4)
    table = balance_table(["same", "shifted"], [np.ones(4), np.array([2.0, 2.0, 3.0, 4.0])], treated, weights)
    assert table["smd_before"].tolist()[0] == 0.0
    assert np.isnan(table["smd_before"].tolist()[1])  # the treated have no spread to divide by
