"""choose_comparison for any DataFrame: what it promises, and what it refuses with a sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.comparison import METHODS, choose_comparison
from evalkit.errors import UsageError, UserError

N = 240
FORMULA = ["prior", "pre", "grade", "ell"]


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"student_id": [f"{i:04d}" for i in range(N)], "school": rng.choice(["a", "b", "c"], N),
                          "grade": rng.choice(["6", "7", "8"], N), "prior": rng.beta(1, 9, N).round(2),
                          "pre": rng.beta(1, 9, N).round(2), "ell": rng.random(N) < 0.3})
    frame["mentored"] = rng.random(N) < 1 / (1 + np.exp(1.8 - 4 * frame["prior"] - 3 * frame["pre"]))
    return frame


def choose(data, **options):
    return choose_comparison(data, treated="mentored", **{"covariates": FORMULA, **options})


EVERY_METHOD = [{"method": name} for name in METHODS] + [
    {"distance": "mahalanobis"}, {"distance": "probit", "caliper": 0.2}, {"ratio": 2, "replace": True},
    {"order": "closest", "exact": ["school"]}, {"order": "random", "ratio": 2}, {"method": "cem", "k2k": True}]


@pytest.mark.parametrize("options", EVERY_METHOD, ids=str)
def test_every_row_column_and_the_order_are_kept_and_the_input_is_untouched(data, options):
    data.index = data.index[::-1] * 10
    before = data.copy(deep=True)
    made = choose(data, **options)
    pd.testing.assert_frame_equal(data, before)
    pd.testing.assert_frame_equal(made.students[list(before.columns)], before)
    assert list(made.students.columns) == [*before.columns, "treated", "weight", "subclass", "distance"]
    assert made.students["treated"].tolist() == before["mentored"].astype(int).tolist()
    unused = made.students["weight"].to_numpy() == 0
    assert made.dropped["row"].tolist() == np.flatnonzero(unused).tolist()  # every unused row has its reason
    assert (made.dropped["reason"].str.len() > 10).all()
    assert made.describe() and made.flow.iloc[-1]["treated"] == made.n_treated_matched


@pytest.mark.parametrize("with_id", [True, False])
@pytest.mark.parametrize("options", EVERY_METHOD, ids=str)
def test_row_order_plays_no_part(data, options, with_id):
    """Scores are rounded to two digits, so ties are many; data order is the one documented exception."""
    if options.get("distance") == "mahalanobis" or options.get("k2k"):
        options = {**options, "order": "closest"}
    plain = data if with_id else data.drop(columns="student_id").assign(x=np.arange(N) * 3.7)
    shuffled = plain.sample(frac=1, random_state=5)
    first, second = choose(plain, **options).students, choose(shuffled, **options).students.loc[plain.index]
    for name in ("weight", "subclass", "distance"):
        pd.testing.assert_series_equal(first[name], second[name], check_exact=True)


def test_data_order_depends_on_the_rows(data):
    first = choose(data, order="data").pairs
    ids = data["student_id"].to_numpy()
    again = data.iloc[::-1].reset_index(drop=True)
    second = choose(again, order="data").pairs
    pairs = set(zip(ids[first["treated_row"]], ids[first["partner_row"]], strict=True))
    other = again["student_id"].to_numpy()
    assert pairs != set(zip(other[second["treated_row"]], other[second["partner_row"]], strict=True))


def test_random_order_follows_the_seed(data):
    weights = [choose(data, order="random", seed=seed, ratio=2).students["weight"] for seed in (1, 1, 2)]
    assert weights[0].equals(weights[1])
    assert not weights[0].equals(weights[2])


@pytest.mark.parametrize("kind", ["bool", "boolean", "int64", "Int64", "float64", "object"])
def test_treated_may_be_true_false_or_numbers(data, kind):
    other = data.assign(mentored=data["mentored"].astype(kind))
    assert choose(other).students["weight"].equals(choose(data).students["weight"])


def test_defaults_are_those_of_matchit(data):
    plan = choose(data).plan
    expected = {"method": "nearest", "distance": "propensity", "ratio": 1, "replace": False, "exact": (),
                "caliper": None, "estimand": "ATT"}
    assert {name: plan[name] for name in expected} == expected
    assert plan["order"] == "largest"
    assert choose(data, distance="mahalanobis").plan["order"] == "data"


def test_calipers_hold_and_are_in_standard_deviations_of_all_rows(data):
    made = choose(data, distance="logit", caliper={"": 0.3, "prior": 0.02}, std_caliper={"prior": False}, ratio=2)
    score, prior = made.students["distance"].to_numpy(), data["prior"].to_numpy()
    t, c = made.pairs["treated_row"], made.pairs["partner_row"]
    assert (np.abs(score[t] - score[c]) <= 0.3 * score.std(ddof=1)).all()
    assert (np.abs(prior[t] - prior[c]) <= 0.02).all()
    apart = choose(data, distance="logit", caliper={"prior": -0.02}, std_caliper=False)
    assert (np.abs(prior[apart.pairs["treated_row"]] - prior[apart.pairs["partner_row"]]) > 0.02).all()


def test_exact_columns_hold_and_missing_is_a_value(data):
    data.loc[data.index[:40], "school"] = np.nan
    made = choose(data, exact=["school", "grade"])
    for name in ("school", "grade"):
        values = data[name].fillna("none").to_numpy()
        assert (values[made.pairs["treated_row"]] == values[made.pairs["partner_row"]]).all()


def test_missing_covariates_are_said_and_get_an_indicator(data):
    data.loc[data.index[::7], "prior"] = np.nan
    made = choose(data)
    assert any('"prior" is missing for 35 rows' in remark for remark in made.remarks)
    assert "prior_missing" in made.balance["covariate"].tolist()
    assert "prior_missing" in made.details["fit"].names


def test_constant_and_repeated_columns_are_left_out_and_said(data):
    made = choose(data.assign(one=1.0, twice=data["prior"] * 2 + 3), covariates=[*FORMULA, "one", "twice"])
    assert any('"one" is the same for everyone' in remark for remark in made.remarks)
    assert any('"twice" repeats' in remark for remark in made.remarks)
    assert made.students["distance"].to_numpy() == pytest.approx(choose(data).students["distance"].to_numpy(), abs=1e-9)


def test_a_level_that_only_one_group_has_is_set_aside_and_said(data):
    rare = data.index[~data["mentored"]][:9]
    data.loc[rare, "grade"] = "12"
    made = choose(data)
    assert any("0 treated and 9 other rows" in remark for remark in made.remarks)
    assert made.students.loc[rare, "weight"].eq(0).all()
    assert (made.dropped["reason"] == "nobody of the other group has the same value of a covariate").sum() == 9


def test_dropped_treated_are_named_and_described(data):
    made = choose(data, distance="logit", caliper=0.01)
    gone = made.dropped[made.dropped["treated"] == 1]
    assert len(gone) == made.n_treated_dropped > 0
    assert set(made.dropped_profile["covariate"]) >= {"prior", "pre"}
    assert "the result is about the other" in made.describe()


def test_atc_finds_treated_partners_for_the_untreated(data):
    made = choose(data, estimand="ATC", replace=True)
    assert made.students.loc[~data["mentored"], "weight"].eq(1).all()
    assert made.plan["order"] == "smallest"


def test_weights_of_a_set_add_up(data):
    made = choose(data, ratio=3, exact="school").used
    sets = made.groupby(["subclass", "treated"])["weight"].agg(["sum", "size"]).unstack()
    raw = sets["sum"][0] / sets["sum"][0].mean()
    assert raw.to_numpy() == pytest.approx(np.ones(len(raw)))  # each set's partners weigh as much as any other's


BAD = [
    ({"covariates": ["priro"]}, UserError, 'Did you mean "prior"'),
    ({"exact": "schol"}, UserError, 'Did you mean "school"'),
    ({"method": "nearst"}, UsageError, 'Did you mean "nearest"'),
    ({"distance": "logistic"}, UsageError, "propensity, logit, probit"),
    ({"estimand": "ATE"}, UsageError, "Use one of: ATT, ATC"),
    ({"method": "weighting", "estimand": "LATE"}, UsageError, "ATO"),
    ({"order": "biggest"}, UsageError, "largest, smallest, closest"),
    ({"distance": "mahalanobis", "order": "largest"}, UsageError, "closest, random, data"),
    ({"distance": "mahalanobis", "caliper": 0.2}, UsageError, "Name the columns of the caliper"),
    ({"method": "exact", "caliper": 0.2}, UsageError, "has no effect"),
    ({"method": "entropy", "distance": "logit"}, UsageError, "has no effect"),
    ({"method": "weighting", "ratio": 2}, UsageError, "nearest"),
    ({"ratio": 0}, UsageError, "whole number"), ({"ratio": 1.5}, UsageError, "whole number"),
    ({"min_controls": 1}, UsageError, "max_controls"),
    ({"ratio": 5, "min_controls": 1, "max_controls": 3}, UsageError, "between"),
    ({"caliper": "wide"}, UsageError, "must be a number"), ({"caliper": {"grade": 1}}, UserError, "is text"),
    ({"caliper": 1e-13, "distance": "logit", "covariates": ["noise"]}, UserError, "drops every treated student"),
    ({"covariates": ["perfect"]}, UserError, "without error"),
    ({"covariates": ["one"]}, UserError, "No covariate differs"),
    ({"exact": "student_id"}, UserError, "same exact group"), ({"covariates": ["mentored"]}, UserError, "among the"),
    ({"covariates": ["endless"]}, UserError, "infinite"), ({"discard": "most"}, UsageError, "none, treated"),
    ({"method": "subclass", "subclasses": 1}, UsageError, "at least 2"),
    ({"method": "cem", "cutpoints": {"pror": 3}}, UsageError, "Did you mean"),
    ({"denominator": "some"}, UsageError, "pooled"),
    ({"method": "entropy", "covariates": ["half"]}, UserError, "overlap"),
]


@pytest.mark.parametrize(("options", "error", "says"), BAD, ids=lambda value: str(value)[:60])
def test_bad_options_are_refused_with_a_remedy(data, options, error, says):
    rng = np.random.default_rng(2)
    data = data.assign(perfect=data["mentored"] * 5 + rng.random(N), one=1, noise=rng.random(N),
                       endless=np.where(data.index == 3, np.inf, 1.0), half=data["mentored"] * 3 + rng.random(N))
    with pytest.raises(error) as caught:
        choose(data, **options)
    assert says in str(caught.value)
    assert caught.value.remedy
    assert "0003" not in str(caught.value)  # never an id


@pytest.mark.parametrize(("change", "says"), [
    (lambda d: d.assign(mentored=False), "Nobody in the data is treated"),
    (lambda d: d.assign(mentored=True), "nobody to compare with"),
    (lambda d: d.assign(mentored=2), "other than true/false"), (lambda d: d.assign(mentored="maybe"), "other than"),
    (lambda d: d.assign(mentored=d["mentored"].astype("boolean").mask(d.index == 4)), "missing for 1 rows"),
    (lambda d: pd.concat([d, d.head(3)]), "3 rows repeat a student"),
    (lambda d: d.assign(student_id=d["student_id"].mask(d.index < 2)), "2 rows have no value"),
    (lambda d: d.assign(weight=1), 'already have a column "weight"')])
def test_bad_data_are_refused_with_a_remedy(data, change, says):
    with pytest.raises(UserError) as caught:
        choose(change(data))
    assert says in str(caught.value)
    assert caught.value.remedy


def test_every_method_has_its_page():
    from pathlib import Path
    pages = Path(__file__).parents[2] / "docs" / "methods" / "comparison"
    for method in METHODS.values():
        text = (pages / method.page).read_text(encoding="utf-8")
        assert f'`method = "{method.name}"`' in text
        assert all(estimand in text for estimand in method.estimands)


@pytest.mark.parametrize("distance", ["mahalanobis", "robust_mahalanobis", "scaled_euclidean"])
@pytest.mark.parametrize("method", ["nearest", "optimal", "full"])
def test_a_distance_between_covariates_needs_overlap_too(distance, method):
    """A nearest partner is there however far away it is: a score would have refused these groups."""
    rng = np.random.default_rng(1)
    arms = np.repeat([1, 0], [20, 40])
    apart = pd.DataFrame({"t": arms, "x": 100.0 * arms + rng.normal(size=60), "z": rng.normal(size=60)})
    with pytest.raises(UserError, match="do not overlap") as caught:
        choose_comparison(apart, treated="t", covariates=["x", "z"], distance=distance, method=method)
    assert "x" in str(caught.value) and caught.value.remedy
