"""An attacker who sees only the released table: no hidden count may be narrowed below the protection width.

The attack here is written on its own: it knows nothing of evalkit's cells, sums or solver settings. It sets up the
whole table, row sums, column sums and complements, and asks for the least and greatest value of each hidden count.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from evalkit.disclosure import TableRequest, release_table, release_tables

WIDTH = 5
BANDS = ["satisfactory", "at_risk", "moderate", "severe"]


def narrowest(grid: pd.DataFrame) -> float:
    """The smallest range of any hidden cell of a table whose last row and last column are sums. Missing = hidden."""
    values = grid.to_numpy(dtype=float, na_value=np.nan)
    rows, columns = values.shape
    place = np.arange(rows * columns).reshape(rows, columns)
    equations, right = [], []
    for line in [*place, *place.T]:
        equation = np.zeros(rows * columns)
        equation[line[:-1]], equation[line[-1]] = 1, -1
        equations.append(equation)
        right.append(0.0)
    flat = values.ravel()
    bounds = [(0, None) if np.isnan(v) else (v, v) for v in flat]
    spans = []
    for cell in np.flatnonzero(np.isnan(flat)):
        aim = np.eye(1, flat.size, cell)[0]
        least = linprog(aim, A_eq=np.array(equations), b_eq=right, bounds=bounds)
        most = linprog(-aim, A_eq=np.array(equations), b_eq=right, bounds=bounds)
        assert least.status == 0, "the released table must be possible"
        spans.append(np.inf if most.status == 3 else -most.fun - least.fun)
    return min(spans, default=np.inf)


def random_table(seed: int) -> pd.DataFrame:
    """Schools of 15 to 400 students by band, many cells small, with totals."""
    random = np.random.default_rng(seed)
    n_schools = int(random.integers(2, 8))
    sizes = random.integers(15, 400, n_schools)
    counts = np.array([random.multinomial(size, random.dirichlet([6, 2, 1, 0.5])) for size in sizes])
    frame = pd.DataFrame(counts, columns=BANDS)
    frame.insert(0, "school_id", [f"s{i}" for i in range(n_schools)])
    frame["n"] = counts.sum(axis=1)
    frame.loc[len(frame)] = ["all", *counts.sum(axis=0), counts.sum()]
    return frame


@pytest.mark.parametrize("block", range(10))
def test_no_hidden_count_is_narrower_than_the_protection_width(block):
    for seed in range(20 * block, 20 * block + 20):
        frame = random_table(seed)
        released = release_table("bands", frame, keys=["school_id"], counts=[*BANDS, "n"], total="all",
                                 audience="partner")
        shown = released.frame[[*BANDS, "n"]]
        small = frame[[*BANDS, "n"]] < 10
        assert shown.where(small).isna().all().all(), f"seed {seed}: a count under 10 is shown"
        assert narrowest(shown) >= WIDTH - 1e-6, f"seed {seed}: a hidden count can be worked out"


def test_hiding_small_cells_alone_would_not_do():
    """The attack has teeth: on the same tables, hiding only counts under 10 is undone."""
    undone = 0
    for seed in range(20):
        frame = random_table(seed)[[*BANDS, "n"]]
        undone += narrowest(frame.astype("Int64").mask(frame < 10)) < WIDTH
    assert undone >= 10


def test_percent_and_denominator_do_not_give_a_small_count():
    for seed in range(30):
        random = np.random.default_rng(seed)
        n = random.integers(12, 120, 5)
        chronic = random.binomial(n, 0.15)
        frame = pd.DataFrame({"school": list("abcde"), "n": n, "chronic": chronic, "share": chronic / n})
        frame.loc[5] = ["all", n.sum(), chronic.sum(), chronic.sum() / n.sum()]
        released = release_table("t", frame, keys=["school"], counts=["n", "chronic"],
                                 shares={"share": ("chronic", "n")}, total="all", audience="partner").frame
        count = released["chronic"].astype("float64").fillna(np.round(released["share"] * released["n"].astype(float)))
        rest = released["n"].astype(float) - count
        assert not ((count < 10) | (rest < 10)).any(), f"seed {seed}"
        known = released.assign(rest=released["n"] - released["chronic"])[["chronic", "rest", "n"]]
        assert narrowest(known) >= WIDTH - 1e-6, f"seed {seed}"


def test_tables_that_share_margins_are_safe_together():
    """School x grade beside school x band: an attacker holds both, and their common school totals."""
    for seed in range(15):
        random = np.random.default_rng(1000 + seed)
        n = random.integers(25, 90, 4)
        tables = []
        for columns in (["g6", "g7", "g8"], BANDS):
            chances = [3] + [1] * (len(columns) - 1)
            counts = np.array([random.multinomial(size, random.dirichlet(chances)) for size in n])
            frame = pd.DataFrame(counts, columns=columns).assign(n=n)
            frame.insert(0, "school_id", list("abcd"))
            frame.loc[4] = ["all", *counts.sum(axis=0), n.sum()]
            tables.append(TableRequest(columns[0], frame, ["school_id"], [*columns, "n"], total="all"))
        first, second = release_tables(tables, audience="partner")
        assert first.hidden["n"].tolist() == second.hidden["n"].tolist()
        for released in (first, second):
            assert narrowest(released.frame.drop(columns="school_id")) >= WIDTH - 1e-6, f"seed {seed}"


def test_two_keys_with_all_margins_are_safe():
    """School x grade x band with every margin: the sums run along rows, columns and both keys at once."""
    random = np.random.default_rng(7)
    rows = [[f"s{s}", g, *random.multinomial(random.integers(40, 90), [0.55, 0.2, 0.2, 0.05])]
            for s in range(5) for g in (6, 7, 8)]
    frame = pd.DataFrame(rows, columns=["school_id", "grade", *BANDS])
    margins = [frame.groupby("school_id", as_index=False)[BANDS].sum().assign(grade="all"),
               frame.groupby("grade", as_index=False)[BANDS].sum().assign(school_id="all"),
               frame[BANDS].sum().to_frame().T.assign(school_id="all", grade="all")]
    frame = pd.concat([frame, *margins], ignore_index=True)
    frame["n"] = frame[BANDS].sum(axis=1)
    released = release_table("grid", frame, keys=["school_id", "grade"], counts=[*BANDS, "n"], total="all",
                             audience="partner").frame
    for keep, other in (("school_id", "grade"), ("grade", "school_id")):
        for value in frame[keep].unique():
            part = released[frame[keep] == value]
            part = pd.concat([part[part[other] != "all"], part[part[other] == "all"]])
            assert narrowest(part[[*BANDS, "n"]]) >= WIDTH - 1e-6
    assert 0 < released[[*BANDS, "n"]].isna().to_numpy().mean() < 0.7, "hiding everything would be no answer"
