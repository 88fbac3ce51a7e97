"""Schools beside schools with similar students: funnel limits and empirical-Bayes shrinkage, never ranked on noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from evalkit.estimators.multiple import benjamini_hochberg
from evalkit.measures import is_chronic, prior_rates
from evalkit.panel import student_panel
from evalkit.programme.dosage import wilson
from evalkit.programme.spans import book_of, kept

FEW_IN_STRATUM, LEAST_STUDENTS, SIGNIFICANT = 30, 10, 0.05


def side_by_side(study) -> pd.DataFrame:
    """Each school's share at 10 % or more beside what its students would lead one to expect. Grain: school_id.

    n, n_chronic, share, ci_low, ci_high (Wilson 95 %); expected: the share among students of the same grade and the
    same standing last year in all schools; difference = share - expected; usual_low, usual_high: the funnel's 95 %
    limits, with the spread that schools usually have beyond chance; shrunken: empirical-Bayes share; stands: lower,
    higher or "" (Benjamini-Hochberg at 5 % over all schools). Source: Spiegelhalter 2005, doi:10.1002/sim.1970.
    """
    return kept(study, "side_by_side", lambda: _side_by_side(study))


def _side_by_side(study) -> pd.DataFrame:
    students = _students(study)
    groups = students.groupby("school_id")
    frame = groups.agg(n=("is_over", "size"), n_chronic=("is_over", "sum"), expected=("expected", "mean"),
                       spread=("spread", "sum")).reset_index()
    ends = [wilson(n, of) for n, of in zip(frame["n_chronic"], frame["n"], strict=True)]
    frame = frame.assign(share=frame["n_chronic"] / frame["n"], ci_low=[low for low, _ in ends],
                         ci_high=[high for _, high in ends])
    return compared(frame)


def _students(study) -> pd.DataFrame:
    """Students by school with is_over (10 % or more), and the chance of it among similar students of all schools."""
    rows = student_panel(study, by_school=True, book=book_of(study))
    over = is_chronic(rows, rules=study.rules)
    rows = rows.assign(is_over=over)[over.notna().to_numpy()].astype({"is_over": bool})
    prior = prior_rates(study).set_index("student_id")["is_chronic"].map({True: "yes", False: "no"})
    grade = study.table("student").drop_duplicates("student_id").set_index("student_id")["grade_level"]
    rows["before"] = rows["student_id"].map(prior).fillna("unknown")
    rows["stratum"] = rows["student_id"].map(grade).astype("str").fillna("?") + " " + rows["before"]
    size, chance = (rows.groupby("stratum")["is_over"].transform(how) for how in ("size", "mean"))
    wide = rows.groupby("before")["is_over"].transform("mean")
    chance = chance.where(size >= FEW_IN_STRATUM, wide)
    return rows.assign(expected=chance, spread=chance * (1 - chance))


def compared(frame: pd.DataFrame) -> pd.DataFrame:
    """Add what is usual among these schools: difference, usual_low, usual_high, shrunken, p_value, stands.

    frame: n, share, expected and spread (the sum of p(1-p) of its students). Schools of under ten students, or among
    fewer than three schools, never stand out.
    """
    frame = frame.reset_index(drop=True)
    chance = frame["spread"].to_numpy("float64") / frame["n"].to_numpy("float64") ** 2
    difference = (frame["share"] - frame["expected"]).to_numpy("float64")
    able = (frame["n"].to_numpy() >= LEAST_STUDENTS) & (chance > 0)
    between = between_schools(difference[able], chance[able])
    total = np.sqrt(chance + between)
    shrunken = frame["expected"] + difference * np.divide(between, total**2, out=np.zeros(len(frame)), where=total > 0)
    p = np.ones(len(frame))
    if able.sum() >= 3:
        p[able] = 2 * special.ndtr(-np.abs(difference[able]) / total[able])
    q = np.ones(len(frame))
    q[able] = benjamini_hochberg(p[able]) if able.any() else []
    way = np.where(difference < 0, "lower", "higher")
    low, high = (np.clip(frame["expected"] + sign * 1.96 * total, 0, 1) for sign in (-1, 1))
    return frame.assign(difference=difference, usual_low=low, usual_high=high, shrunken=np.clip(shrunken, 0, 1),
                        p_value=p, stands=np.where(q <= SIGNIFICANT, way, ""))


def between_schools(difference: np.ndarray, chance: np.ndarray) -> float:
    """Variance between schools beyond chance, from squared z-scores winsorized at a tenth on each side, so that a
    school that truly stands apart does not hide itself."""
    if len(difference) < 3:
        return 0.0
    z = difference / np.sqrt(chance)
    low, high = np.quantile(z, [0.1, 0.9])
    ratio = float(np.mean(np.clip(z, low, high) ** 2))
    weight = 1 / chance
    room = weight.sum() - (weight**2).sum() / weight.sum()
    return max(0.0, (len(z) * ratio - (len(z) - 1)) / room)
