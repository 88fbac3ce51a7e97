"""Proposals of student-mentor pairings by an integer program: caps, same school, language, relationship, siblings."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

CAPS = {"school_staff": 2, "partner_staff": 20, "volunteer": 15, "college": 15, "peer": 1, "other": 2}
"""Most students per mentor by type where mentor.capacity gives none (seed 001 2b; Attendance Works: partners 15-20)."""

PEER_GRADES = tuple(f"{grade:02d}" for grade in range(6, 13))
"""Peers mentor in these grades only: trained seniors support freshmen, not young children (seed 000)."""


@dataclass(frozen=True)
class Bonuses:
    """Points a pairing gains on top of the student's score. A bonus can outweigh that much difference in score."""

    relationship: float = 15
    language: float = 10
    sibling: float = 5


@dataclass(frozen=True)
class Pairing:
    """pairs: grain student_id (proposed): mentor_id, worth, reasons. unplaced: student_id, reason. total: the program's
    value, which a brute-force search must reach."""

    pairs: pd.DataFrame
    unplaced: pd.DataFrame
    total: float


def propose_assignments(
    students: pd.DataFrame, mentors: pd.DataFrame, nominations: pd.DataFrame, *, bonuses: Bonuses | None = None
) -> Pairing:
    """The pairings with the highest total worth; a person confirms each.

    students: student_id, school_id, grade_level, score, household_id, home_language (missing or "en": any mentor).
    mentors: mentor_id, school_id, mentor_type, languages ("en;es"), n_open. nominations: student_id, mentor_id,
    strength 1-3. Held without exception: at most one mentor a student, n_open students a mentor, same school, no peer
    below grade 6. Worth of a pairing = 1 + score + bonuses for a named relationship (by strength) and the home
    language; two siblings with the same mentor add the sibling bonus. Solved school by school with HiGHS
    (scipy.optimize.milp); ties go to the lower ids.
    """
    bonuses = bonuses or Bonuses()
    students = students.sort_values("student_id", kind="stable").reset_index(drop=True)
    mentors = mentors[mentors["n_open"] > 0].sort_values("mentor_id", kind="stable")
    pieces, total = [], 0.0
    for school, rows in students.groupby("school_id", sort=True):
        options = _options(rows, mentors[mentors["school_id"] == school], nominations, bonuses)
        if options.empty:
            continue
        chosen, value = _solve(options, mentors, bonuses)
        pieces.append(chosen)
        total += value
    pairs = (
        pd.concat(pieces, ignore_index=True) if pieces else _options(students.iloc[:0], mentors, nominations, bonuses)
    )
    pairs = _with_reasons(pairs)
    return Pairing(pairs, _unplaced(students, mentors, pairs), total)


def _options(
    students: pd.DataFrame, mentors: pd.DataFrame, nominations: pd.DataFrame, bonuses: Bonuses
) -> pd.DataFrame:
    """Every pairing that is allowed, with its worth. Grain: student_id x mentor_id."""
    both = students[["student_id", "school_id", "grade_level", "score", "household_id", "home_language"]].merge(
        mentors[["mentor_id", "school_id", "mentor_type", "languages", "n_open"]], on="school_id"
    )
    both = both[both["mentor_type"].ne("peer") | both["grade_level"].isin(PEER_GRADES)]
    named = nominations.groupby(["student_id", "mentor_id"])["strength"].max().rename("strength").reset_index()
    both = both.merge(named, on=["student_id", "mentor_id"], how="left")
    both["strength"] = both["strength"].astype("float64").fillna(0)
    home = both["home_language"].astype("object").where(both["home_language"].notna(), "en")
    spoken = both["languages"].astype("object").where(both["languages"].notna(), "")
    both["speaks"] = [
        tongue != "en" and tongue in str(said).split(";") for tongue, said in zip(home, spoken, strict=True)
    ]
    worth = 1 + both["score"] + bonuses.relationship * both["strength"] / 3 + bonuses.language * both["speaks"]
    return both.assign(worth=worth.astype("float64")).sort_values(["student_id", "mentor_id"], ignore_index=True)


def _solve(options: pd.DataFrame, mentors: pd.DataFrame, bonuses: Bonuses) -> tuple[pd.DataFrame, float]:
    """One school's best pairings and their value."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    siblings = _siblings(options) if bonuses.sibling > 0 else []
    n, k = len(options), len(siblings)
    # ties: a worth a millionth apart prefers lower ids, and cannot outweigh a real difference of a hundredth
    tie = 1e-6 * np.arange(n) / max(n, 1)
    cost = -np.concatenate([options["worth"].to_numpy() - tie, np.full(k, float(bonuses.sibling))])
    rows, columns, values = [], [], []
    upper: list[float] = []
    for key, limit in (("student_id", None), ("mentor_id", options.groupby("mentor_id")["n_open"].first())):
        codes, names = pd.factorize(options[key], sort=True)
        rows.append(codes + len(upper))
        columns.append(np.arange(n))
        values.append(np.ones(n))
        upper += [1.0] * len(names) if limit is None else limit.reindex(names).astype(float).tolist()
    for place, pair in enumerate(siblings):
        for one in pair:  # the sibling variable is on only when both are with that mentor
            rows.append(np.full(2, len(upper)))
            columns.append(np.array([n + place, one]))
            values.append(np.array([1.0, -1.0]))
            upper.append(0.0)
    matrix = csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(len(upper), n + k)
    )
    found = milp(
        cost, constraints=LinearConstraint(matrix, ub=np.array(upper)), integrality=np.ones(n + k), bounds=Bounds(0, 1)
    )
    on = found.x[:n] > 0.5
    together = found.x[n:] > 0.5
    value = float(options["worth"].to_numpy()[on].sum() + bonuses.sibling * together.sum())
    return options[on].reset_index(drop=True), value


def _siblings(options: pd.DataFrame) -> list[tuple[int, int]]:
    """Row numbers of two students of one household with the same mentor, each pair once."""
    known = options[options["household_id"].notna()]
    groups = known.groupby(["household_id", "mentor_id"], sort=True).indices
    places = known.index.to_numpy()
    return [
        (int(places[a]), int(places[b]))
        for rows in groups.values()
        if len(rows) > 1
        for a, b in combinations(sorted(rows), 2)
    ]


def _with_reasons(pairs: pd.DataFrame) -> pd.DataFrame:
    """Why each pairing is proposed, in words a person can check."""
    seen = pairs[pairs["household_id"].notna()].groupby(["household_id", "mentor_id"])["student_id"].transform("size")
    together = seen.reindex(pairs.index).fillna(1) > 1
    words = []
    for row, is_sibling in zip(pairs.itertuples(), together, strict=True):
        reasons = ["same school"]
        reasons += ["knows the student"] if row.strength > 0 else []
        reasons += ["speaks the home language"] if row.speaks else []
        reasons += ["with a brother or sister"] if is_sibling else []
        words.append("; ".join(reasons))
    return pairs.assign(reasons=pd.Series(words, index=pairs.index, dtype="str"), is_with_sibling=together)


def _unplaced(students: pd.DataFrame, mentors: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Students without a proposal, and why. Grain: student_id."""
    left = students[~students["student_id"].isin(pairs["student_id"])]
    places = mentors.groupby("school_id")["n_open"].sum()
    adults = mentors[mentors["mentor_type"].ne("peer")].groupby("school_id")["n_open"].sum()
    reasons = []
    for row in left.itertuples():
        open_here = places.get(row.school_id, 0)
        usable = open_here if row.grade_level in PEER_GRADES else adults.get(row.school_id, 0)
        reasons.append(
            "no open place at the school"
            if open_here == 0
            else "the open places are with peers"
            if usable == 0
            else "the places at the school are proposed for others"
        )
    reason = pd.Series(reasons, index=left.index, dtype="str")
    return left[["student_id", "school_id", "score"]].assign(reason=reason).reset_index(drop=True)
