"""Choosing and pairing: the solver against every possible pairing, the score and the lists against the files."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest
import recount

import evalkit as ek
from evalkit.errors import UserError
from evalkit.selection import Bonuses, Weights, candidates, hardly_attend, propose_assignments, with_pooled_zip
from evalkit.selection.propose import PEER_GRADES


def _case(seed: int):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    students = pd.DataFrame(
        {
            "student_id": [f"s{i}" for i in range(n)],
            "school_id": rng.choice(["A", "B"], n, p=[0.8, 0.2]),
            "grade_level": rng.choice(["03", "09"], n),
            "score": rng.integers(0, 60, n).astype(float),
            "household_id": rng.choice(["h1", "h2", None], n),
            "home_language": rng.choice(["en", "es", None], n),
        }
    )
    mentors = pd.DataFrame(
        {
            "mentor_id": [f"m{i}" for i in range(k)],
            "school_id": rng.choice(["A", "B"], k, p=[0.8, 0.2]),
            "mentor_type": rng.choice(["peer", "school_staff"], k),
            "languages": rng.choice(["en", "en;es", None], k),
            "n_open": rng.integers(0, 3, k),
        }
    )
    named = pd.DataFrame(
        {
            "student_id": rng.choice(students["student_id"], 3),
            "mentor_id": rng.choice(mentors["mentor_id"], 3),
            "strength": rng.integers(1, 4, 3),
        }
    )
    return students, mentors, named


def _brute(students, mentors, named, bonuses):
    """The best total over every way to give each student one mentor or none."""
    best = 0.0
    rows, able = students.to_dict("records"), mentors.to_dict("records")
    for pick in product([None, *range(len(able))], repeat=len(rows)):
        load, total = [0] * len(able), 0.0
        for row, m in zip(rows, pick, strict=True):
            if m is None:
                continue
            mentor = able[m]
            load[m] += 1
            if mentor["school_id"] != row["school_id"] or load[m] > mentor["n_open"]:
                break
            if mentor["mentor_type"] == "peer" and row["grade_level"] not in PEER_GRADES:
                break
            known = named[(named["student_id"] == row["student_id"]) & (named["mentor_id"] == mentor["mentor_id"])]
            total += 1 + row["score"] + bonuses.relationship * (known["strength"].max() / 3 if len(known) else 0)
            spoken = mentor["languages"] if isinstance(mentor["languages"], str) else ""
            tongue = row["home_language"] if isinstance(row["home_language"], str) else "en"
            total += bonuses.language if tongue != "en" and tongue in spoken.split(";") else 0
        else:
            for a in range(len(rows)):
                for b in range(a):
                    home = rows[a]["household_id"]
                    same = isinstance(home, str) and home == rows[b]["household_id"]
                    total += bonuses.sibling if same and pick[a] is not None and pick[a] == pick[b] else 0
            best = max(best, total)
    return best


@pytest.mark.parametrize("seed", range(60))
def test_the_solver_finds_what_a_search_of_everything_finds(seed: int) -> None:
    students, mentors, named = _case(seed)
    bonuses = Bonuses(relationship=15, language=10, sibling=5)
    found = propose_assignments(students, mentors, named, bonuses=bonuses)
    # worth is a sum of a few halves and thirds; the tie-break of a millionth stays below 1e-4
    assert found.total == pytest.approx(_brute(students, mentors, named, bonuses), abs=1e-4)
    load = found.pairs.groupby("mentor_id").size()
    assert (load <= mentors.set_index("mentor_id")["n_open"].reindex(load.index)).all()
    assert not found.pairs["student_id"].duplicated().any()
    everyone = sorted([*found.pairs["student_id"], *found.unplaced["student_id"]])
    assert everyone == sorted(students["student_id"])
    assert found.unplaced["reason"].str.len().gt(0).all()


def test_the_callers_tables_stay_as_they_are() -> None:
    given = _case(3)
    copies = [frame.copy() for frame in given]
    propose_assignments(*given)
    for frame, copy in zip(given, copies, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


@pytest.fixture(scope="module")
def january():
    return ek.open_study(recount.SAMPLE, month="2026-01")


def test_the_score_is_the_sum_of_its_parts_and_follows_the_weights(january) -> None:
    weights = Weights(need=50, transition=0, persistence=25, adult=15, grade_rate=10)
    rows = candidates(january, weights=weights)
    parts = sum(
        getattr(weights, name) * rows[f"part_{name}"]
        for name in ("need", "transition", "persistence", "adult", "grade_rate")
    )
    np.testing.assert_allclose(rows["score"], parts, rtol=0, atol=1e-9)  # five products of doubles
    assert rows["score"].is_monotonic_decreasing and (rows["points_transition"] == 0).all()
    assert rows.filter(like="part_").to_numpy().min() >= 0 and rows.filter(like="part_").to_numpy().max() <= 1
    with pytest.raises(UserError):
        Weights(need=-1)


def test_need_is_the_recounted_share(january) -> None:
    when = january.as_of.date()
    rows = candidates(january).set_index("student_id")
    for student in list(recount.students())[::60]:
        days = recount.year_of(student, when)
        if student in rows.index and len(days) >= 20:
            share = sum((d[2] for d in days), Fraction(0)) / len(days)
            assert rows.loc[student, "need_rate"] == pytest.approx(float(share), abs=1e-12)  # one division


def test_nobody_is_dropped_and_who_hardly_attends_is_reached_first(january) -> None:
    rows = candidates(january)
    roll = {s for s in recount.students() if recount.last_days(s, january.as_of.date(), 1)}
    assert set(rows["student_id"]) == roll
    away = set(hardly_attend(january)["student_id"])
    assert set(rows.loc[rows["route"] == "reach_out_first", "student_id"]) >= away
    lower = hardly_attend(january, floor=0.3)
    assert len(lower) > len(away)


def test_rare_zips_are_pooled() -> None:
    zips = ["1"] * 500 + ["2"] * 480 + ["3"] * 9 + ["4"] * 6 + [None] * 5
    pooled = with_pooled_zip(pd.DataFrame({"zip5": zips}))
    assert pooled.value_counts(dropna=False).to_dict() == {"1": 500, "2": 480, "Other": 15, np.nan: 5}
