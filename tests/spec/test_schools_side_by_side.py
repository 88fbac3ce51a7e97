"""Schools beside schools with similar students: closed forms, no ranking on noise, and a district of forty schools."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

import evalkit as ek
from evalkit.disclosure.types import Released
from evalkit.programme.schools import between_schools, compared, side_by_side
from evalkit.render.blocks import Table
from evalkit.reports import month_schools, month_where, monthly_review
from evalkit.reports.gate import gate_of
from evalkit.reports.month_facts import month_facts
from evalkit.simulate import simulate_district, write_study


def schools(rng: np.random.Generator, *, n: int = 40, size: int = 100, spread: float = 0.0, apart: float = 0.0):
    """n schools of a share of 20 % with a true spread between them; the first stands `apart` from it."""
    true = np.clip(0.2 + spread * rng.standard_normal(n), 0.02, 0.9)
    true[0] += apart
    over = rng.binomial(size, true)
    frame = pd.DataFrame({"n": size, "n_chronic": over, "share": over / size, "expected": over.sum() / (n * size)})
    return frame.assign(spread=frame["n"] * frame["expected"] * (1 - frame["expected"])), true


def test_chance_alone_makes_hardly_any_school_stand_apart() -> None:
    """Benjamini-Hochberg at 5 %: with no difference at all, a district names a school in at most 5 % of months."""
    rng = np.random.default_rng(4)
    named = [bool((compared(schools(rng)[0])["stands"] != "").any()) for _ in range(400)]
    assert np.mean(named) <= 0.08  # a true 5 % exceeds it once in 250 such tests


def test_a_usual_spread_between_schools_is_not_called_a_difference() -> None:
    rng = np.random.default_rng(5)
    named = [(compared(schools(rng, spread=0.05)[0])["stands"] != "").mean() for _ in range(100)]
    assert np.mean(named) <= 0.02  # plain 95 % limits without the spread would name about one school in four


def test_a_school_that_stands_apart_is_found() -> None:
    rng = np.random.default_rng(6)
    found = [compared(schools(rng, size=200, spread=0.02, apart=-0.14)[0]) for _ in range(100)]
    assert np.mean([table["stands"].iloc[0] == "lower" for table in found]) >= 0.8
    assert np.mean([(table["stands"].iloc[1:] != "").mean() for table in found]) <= 0.02


def test_shrunken_shares_are_nearer_the_truth_than_the_schools_own() -> None:
    rng, better = np.random.default_rng(7), []
    for _ in range(50):
        frame, true = schools(rng, size=25, spread=0.04)
        table = compared(frame)
        better.append(np.mean((table["shrunken"] - true) ** 2) < np.mean((table["share"] - true) ** 2))
    assert np.mean(better) >= 0.95


def test_no_spread_shrinks_wholly_and_a_large_one_hardly() -> None:
    """Closed form: B = between / (between + chance), shrunken = expected + B (share - expected)."""
    frame, _ = schools(np.random.default_rng(8), spread=0.10)
    table, chance = compared(frame), frame["spread"] / frame["n"] ** 2
    between = between_schools((frame["share"] - frame["expected"]).to_numpy(), chance.to_numpy())
    part = between / (between + chance)
    np.testing.assert_allclose(table["shrunken"], frame["expected"] + part * table["difference"], atol=1e-12)  # algebra
    assert 0.6 < part.mean() < 1 and between == pytest.approx(0.01, rel=0.6)  # 40 schools tell a variance only roughly
    same = frame.assign(share=frame["expected"])
    assert (compared(same)["shrunken"] == same["expected"]).all()


def test_small_schools_never_stand_apart() -> None:
    frame, _ = schools(np.random.default_rng(9))
    small = frame.assign(n=9, share=[1.0, *[0.2] * 39], spread=9 * 0.16)
    assert (compared(small)["stands"] == "").all()


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    made = simulate_district(n_students=2400, n_schools=40, seed=3, effect_days=0)
    study = ek.open_study(write_study(tmp_path_factory.mktemp("forty") / "district", made))
    return study.at("2025-11-26")


def test_forty_schools_are_compared_as_a_plain_recount_says(forty) -> None:
    """Share and expected share of each school, student by student."""
    from evalkit.measures import prior_rates
    from evalkit.panel import student_panel

    rows = student_panel(forty, by_school=True)
    last = {row.student_id: "yes" if row.is_chronic else "no" for row in prior_rates(forty).itertuples()}
    grade = dict(zip(forty.table("student")["student_id"], forty.table("student")["grade_level"], strict=True))
    cells, wide, each = defaultdict(list), defaultdict(list), []
    for row in rows.itertuples():
        over, before = 10 * row.absent_units >= row.enrolled_units, last.get(row.student_id, "unknown")
        key = (grade[row.student_id], before)
        cells[key].append(over)
        wide[before].append(over)
        each.append((row.school_id, over, key))
    expected, seen = defaultdict(list), defaultdict(list)
    for school, over, key in each:
        pool = cells[key] if len(cells[key]) >= 30 else wide[key[1]]
        expected[school].append(sum(pool) / len(pool))
        seen[school].append(over)
    table = side_by_side(forty).set_index("school_id")
    assert len(table) == 40 and set(table.index) == set(seen)
    for school, flags in seen.items():
        assert (table.loc[school, "n"], table.loc[school, "n_chronic"]) == (len(flags), sum(flags))
        truth = sum(expected[school]) / len(flags)
        assert table.loc[school, "expected"] == pytest.approx(truth, abs=1e-12)  # the same sums in another order


@pytest.mark.parametrize("audience", ["team", "partner"])
def test_a_page_of_forty_schools_shows_them_in_a_table(forty, audience: str) -> None:
    params = monthly_review.Params(audience=audience)
    facts, gate = month_facts(forty, params), gate_of(forty, params)
    block = month_where.schools_figure(forty, facts, gate)
    assert isinstance(block, Table) and isinstance(block.data, Released) and len(block.data.frame) == 40
    assert "rank" in block.note and block.most_rows <= 10
    numbers = month_schools.school_numbers(forty, gate)
    assert len(numbers) == (40 if audience == "team" else 0)
