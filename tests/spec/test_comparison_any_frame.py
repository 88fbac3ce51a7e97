"""How a table is stored plays no part: column order, labels of rows, kinds of numbers, text or categories."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from evalkit.checks import run_checks
from evalkit.comparison import choose_comparison
from evalkit.estimators import estimate

N = 220
FORMULA = ["prior", "pre", "ell", "school_id"]
DESIGNS = [{}, {"distance": "logit", "caliper": 0.3, "exact": ["school_id"], "ratio": 2}, {"order": "closest"},
           {"method": "full"}, {"method": "subclass"}, {"method": "weighting", "estimand": "ATO"},
           {"method": "cem", "covariates": ["prior", "pre"], "k2k": True, "order": "closest"}]
STORED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "columns the other way round": lambda rows: rows[rows.columns[::-1]],
    "text labels": lambda rows: rows.set_axis([f"row {i}" for i in range(N)]),
    "the same label on every row": lambda rows: rows.set_axis([0] * N),
    "two levels of labels": lambda rows: rows.set_axis(pd.MultiIndex.from_arrays([rows["school_id"], range(N)])),
    "arm as a category": lambda rows: rows.assign(mentored=rows["mentored"].astype(int).astype("category")),
    "arm as a yes/no category": lambda rows: rows.assign(mentored=rows["mentored"].astype("category")),
    "arm in one byte": lambda rows: rows.assign(mentored=rows["mentored"].astype("uint8")),
    "arm as a float": lambda rows: rows.assign(mentored=rows["mentored"].astype(float)),
    "arm by arrow": lambda rows: rows.assign(mentored=rows["mentored"].astype("bool[pyarrow]")),
    "flag as 0/1": lambda rows: rows.assign(ell=rows["ell"].astype("Int64")),
    "rates nullable": lambda rows: rows.assign(prior=rows["prior"].astype("Float64")),
    "school as a category": lambda rows: rows.assign(school_id=rows["school_id"].astype("category")),
    "school with an empty category": lambda rows: rows.assign(
        school_id=rows["school_id"].astype(pd.CategoricalDtype([*"abc", "closed"]))),
    "arm named treated": lambda rows: rows.rename(columns={"mentored": "treated"}),
}


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    prior, pre = rng.beta(1, 9, N).round(2), rng.beta(1, 9, N).round(2)  # many ties
    arm = rng.random(N) < 1 / (1 + np.exp(1.8 - 4 * prior - 3 * pre))
    return pd.DataFrame({"student_id": [f"{i:04d}" for i in rng.permutation(N)], "school_id": rng.choice([*"abc"], N),
                         "prior": prior, "pre": pre, "ell": rng.random(N) < 0.3, "mentored": arm,
                         "y": prior + 0.02 * rng.standard_normal(N)})


def choose(rows: pd.DataFrame, **options):
    treated = "treated" if "treated" in rows.columns else "mentored"
    return choose_comparison(rows, treated=treated, **{"covariates": FORMULA, **options})


@pytest.mark.parametrize("with_id", [True, False])
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("options", DESIGNS, ids=str)
def test_storage_plays_no_part(rows, options, stored, with_id):
    plain = rows if with_id else rows.drop(columns="student_id")
    other = STORED[stored](plain)
    first, second = choose(plain, **options).students, choose(other, **options).students
    pd.testing.assert_frame_equal(second[other.columns], other)
    np.testing.assert_array_equal(second["weight"], first["weight"])
    np.testing.assert_array_equal(second["subclass"].fillna(-1), first["subclass"].fillna(-1))


@pytest.mark.parametrize("stored", STORED)
def test_the_estimate_follows(rows, stored):
    other = STORED[stored](rows)
    first, second = (estimate(frame, choose(frame), outcome="y", clustered_by="school_id") for frame in (rows, other))
    assert (second.value, second.standard_error) == pytest.approx((first.value, first.standard_error), rel=1e-12)


def test_a_comparison_shows_itself_in_sentences_and_no_rows(rows):
    """As the last line of a notebook's cell: it used to print every array it holds, some thirty pages."""
    shown = repr(choose_comparison(rows, treated="mentored", covariates=FORMULA))
    assert "are compared with" in shown and len(shown.splitlines()) <= 12 and "array(" not in shown


def test_ids_may_be_numbers_or_text(rows):
    numbers = rows.assign(student_id=rows["student_id"].astype(int))
    assert choose(numbers).students["weight"].tolist() == choose(rows).students["weight"].tolist()


def test_one_name_is_one_column(rows):
    for name in ("covariates", "exact"):
        options = {"covariates": ["prior"], "exact": ["school_id"]}
        alone = choose(rows, **{**options, name: options[name][0]})
        assert alone.students["weight"].equals(choose(rows, **options).students["weight"])
    made = choose(rows)
    values = [estimate(None, made, outcome="y", covariates=given).value for given in ("prior", ["prior"])]
    assert values[0] == values[1]


@pytest.mark.parametrize(("ratio", "least", "most"), [(2, 1, 4), (3, 2, 5), (1.5, 1, 3), (2.5, 2, 3)])
def test_variable_ratio_keeps_its_mean_and_its_bounds(ratio, least, most):
    """Whatever the number of treated: with 1 to 4 and a mean of 2, every third number used to be refused."""
    from evalkit.comparison.nearest import variable_ratio
    for count in range(5, 40):
        wanted = variable_ratio(np.arange(count) / count, np.zeros(1), ratio=ratio, least=least, most=most)
        assert wanted.sum() == round(ratio * count) and wanted.min() >= least and wanted.max() <= most
        assert ((wanted > least) & (wanted < most)).sum() <= 1
        assert (np.diff(wanted) <= 0).all()  # who looks most treated gets fewest


@pytest.mark.parametrize("kind", ["polars", "arrow"])
def test_a_frame_of_another_library_is_estimated_and_checked_as_pandas_is(rows, kind):
    polars = pytest.importorskip("polars")
    other = polars.from_pandas(rows) if kind == "polars" else polars.from_pandas(rows).to_arrow()
    answers = []
    for frame in (rows, other):
        chosen = choose(frame)
        found = estimate(frame, chosen, outcome="y")
        checks = run_checks(frame, chosen, found, which=["overlap", "balance", "attrition"])
        answers.append((found.value, found.standard_error, [(one.name, one.verdict, one.text) for one in checks]))
    assert answers[0] == answers[1]
