"""The researcher's seaborn plots: drawn from a comparison, refused with a sentence, no global setting changed."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from evalkit.comparison import choose_comparison
from evalkit.errors import UserError
from evalkit.figures import explore


@pytest.fixture(scope="module")
def comparison():
    rng = np.random.default_rng(4)
    prior = rng.beta(2, 18, 300)
    mentored = rng.random(300) < 0.1 + 1.5 * prior
    frame = pd.DataFrame({"student_id": [f"s{n:03d}" for n in range(300)], "prior": prior, "mentored": mentored})
    return choose_comparison(frame, treated="mentored", covariates=["prior"], distance="logit")


def test_overlap_draws_both_panels_with_both_groups(comparison):
    before, after = explore.overlap(comparison).axes
    assert (before.get_title(), after.get_title()) == ("Before", "Compared")
    areas = [sum(len(path.vertices) > 3 for path in collection.get_paths()) for collection in before.collections]
    assert len(areas) == 2, "one outline for each group"


def test_covariate_draws_weighted_shares_that_end_at_one(comparison):
    _, after = explore.covariate(comparison, "prior").axes
    ends = [float(np.nanmax(line.get_ydata())) for line in after.lines]
    assert ends == pytest.approx([1.0, 1.0], abs=1e-12)  # a distribution function ends at 1, weights or not


def test_monthly_draws_the_rates_of_the_panel(comparison):
    used = comparison.used["student_id"]
    panel = pd.DataFrame({"student_id": np.repeat(used.to_numpy(), 2), "month": ["2025-09", "2025-10"] * len(used),
                          "enrolled_units": 20, "absent_units": [2, 4] * len(used)})
    axes = explore.monthly(panel, comparison).axes[0]
    drawn = {tuple(np.round(line.get_ydata(), 10)) for line in axes.lines if len(line.get_ydata()) == 2}
    assert drawn == {(0.1, 0.2)}


def test_unknown_column_is_refused_with_the_choices(comparison):
    with pytest.raises(UserError, match="Use one of"):
        explore.covariate(comparison, "prio")
    with pytest.raises(UserError, match="lacks"):
        explore.monthly(pd.DataFrame({"student_id": []}), comparison)


def test_no_global_setting_is_changed(comparison):
    before = dict(mpl.rcParams)
    explore.overlap(comparison)
    assert dict(mpl.rcParams) == before
