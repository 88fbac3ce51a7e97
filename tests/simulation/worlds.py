"""Worlds of the simulation study: small made programmes whose true effect is known exactly for every estimator.

A world says what is true (which effect, how students came to a mentor, how schools differ, who else gains); a design
says what an analyst holds (a row per student, months of students, series of schools, days with sessions). Every
`Draw` carries the truth on the estimator's own scale: planted means with and without the programme, no sampling in it.
Rates are shares of enrolled days; a negative effect is fewer absences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

SIZE = -0.03
"""The planted change in the absence rate: 5.4 days of a 180-day year, near the best published results."""
SPILL = 0.5
"""The share of the effect that a brother or sister of a mentored student gets in the spillover world."""


@dataclass(frozen=True)
class World:
    """effect: none, constant, growing (with the time mentored) or cohort (by school or start). noise: SD of what
    passes (it makes regression to the mean); dip: whether a bad spell brings the mentor; whole_schools: schools are
    chosen, not students."""

    name: str
    label: str
    effect: str = "none"
    noise: float = 0.02
    dip: bool = False
    whole_schools: bool = False
    spills: bool = False
    school_sd: float = 0.01

    @property
    def size(self) -> float:
        return 0.0 if self.effect == "none" else SIZE


WORLDS = (
    World("calm_null", "No effect, nothing special"),
    World("null_regression", "No effect, strong regression to the mean", noise=0.05, dip=True),
    World("constant", "The same effect for everyone", "constant"),
    World("growing", "An effect that grows with the time mentored", "growing"),
    World("cohort", "An effect that differs by cohort (twice, once, none)", "cohort"),
    World("few_clusters", "No effect, eight whole schools with shocks of their own", whole_schools=True,
          school_sd=0.02),
    World("spillover", "Brothers and sisters gain half the effect", "constant", spills=True),
)


@dataclass
class Draw:
    """rows: the data. truth: by scale. units: a row per student (or school) for the checks. given: their inputs."""

    rows: pd.DataFrame
    truth: dict[str, Any]
    units: pd.DataFrame | None = None
    given: dict[str, Any] = field(default_factory=dict)


def rng_of(world: World, design: str, seed: int) -> np.random.Generator:
    """One stream for each world, design and seed: any draw can be made again alone."""
    place = [other.name for other in WORLDS].index(world.name)
    return np.random.default_rng([seed, place, list(DESIGNS).index(design)])


def draw(world: World, design: str, seed: int) -> Draw:
    return DESIGNS[design](world, rng_of(world, design, seed))


def _binomial(rng: np.random.Generator, days: Any, mean: np.ndarray) -> np.ndarray:
    return rng.binomial(days, np.clip(mean, 0.001, 0.95))


def _people(world: World, rng: np.random.Generator, n: int, schools: int) -> tuple[np.ndarray, pd.DataFrame]:
    """What lasts in a student, and the measures taken before: two earlier years and three windows of four weeks."""
    level = 0.08 + 0.2 * rng.beta(2, 6, n)
    school = np.arange(n) % schools
    year = {name: _binomial(rng, 170, level + world.noise * rng.standard_normal(n)) / 170
            for name in ("older_rate", "prior_absence_rate")}
    frame = pd.DataFrame({"student_id": np.arange(n), "school_id": school, "household_id": _household(world, n),
                          **year})
    return level, frame


def _household(world: World, n: int) -> np.ndarray:
    """Pairs of brothers and sisters in the same school where the effect spills over, else everyone alone."""
    return np.arange(n) % (n // 2 if world.spills else n)


def _logistic(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))


def _mates(treated: np.ndarray) -> np.ndarray:
    """Whether the brother or sister (half the frame away) is treated."""
    return np.roll(treated, len(treated) // 2)


def _finish(world: World, rng: np.random.Generator, frame: pd.DataFrame, level: np.ndarray,
            treated: np.ndarray) -> Draw:
    """Follow-up of 50 to 110 days, its effect, and the truths: difference in rates, and in the share chronic."""
    n, school = len(frame), frame["school_id"].to_numpy()
    days = rng.integers(50, 111, n)
    kinds = {"none": np.zeros(n), "constant": np.full(n, SIZE), "growing": SIZE * days / 80,
             "cohort": SIZE * np.array([2.0, 1.0, 0.0])[school % 3]}
    effect = kinds[world.effect]
    shock = world.school_sd * rng.standard_normal(school.max() + 1)[school]
    without = np.clip(level + 0.02 + shock + 0.02 * rng.standard_normal(n), 0.001, 0.95)
    with_it = np.clip(without + effect, 0.001, 0.95)
    touched = (treated == 0) & (_mates(treated) == 1) & world.spills
    mean = np.where(treated == 1, with_it, np.where(touched, np.clip(without + SPILL * effect, 0.001, 0.95), without))
    absent = rng.binomial(days, mean)
    rows = frame.assign(treated=treated, enrolled_days=days, absent_days=absent, absence_rate=absent / days,
                        is_chronic=(absent / days >= 0.10).astype(int))
    chronic = _share_chronic(days, with_it) - _share_chronic(days, without)
    history = pd.DataFrame({"student_id": np.tile(frame["student_id"], 3), "period": np.repeat([-3, -2, -1], n),
                            "rate": _binomial(rng, 20, np.tile(level + 0.02 + shock, 3)) / 20})
    return Draw(rows, {"rate": with_it - without, "chronic": chronic}, given={"history": history})


def _share_chronic(days: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return stats.binom.sf(np.ceil(0.10 * days - 1e-9) - 1, days, mean)


def chosen_on_need(world: World, rng: np.random.Generator) -> Draw:
    """240 students, mentors given on last year's rate (or to whole schools); the follow-up starts on one day."""
    level, frame = _people(world, rng, 240, 8 if world.whole_schools else 6)
    need = frame["prior_absence_rate"].to_numpy()
    if world.whole_schools:
        treated = np.isin(frame["school_id"], rng.permutation(8)[:4]).astype(int)
    else:
        treated = (rng.random(len(frame)) < _logistic(-1.3 + 18 * (need - 0.13))).astype(int)
    return _finish(world, rng, frame, level, treated)


def lottery(world: World, rng: np.random.Generator) -> Draw:
    """240 students, half of each school drawn (or half of eight schools)."""
    level, frame = _people(world, rng, 240, 8 if world.whole_schools else 6)
    if world.whole_schools:
        treated = np.isin(frame["school_id"], rng.permutation(8)[:4]).astype(int)
    else:
        order = rng.random(len(frame))
        treated = pd.Series(order).groupby(frame["school_id"].to_numpy()).rank().gt(20).astype(int).to_numpy()
    return _finish(world, rng, frame, level, treated)


CUTOFF = 0.13


def threshold(world: World, rng: np.random.Generator) -> Draw:
    """800 students, a mentor for everyone whose rate last year was 13 % or more: the effect at the threshold."""
    level, frame = _people(world, rng, 800, 8)
    score = np.clip(frame["prior_absence_rate"] + rng.uniform(-0.5, 0.5, 800) / 170, 0, 1)  # a score without ties
    treated = (score >= CUTOFF).astype(int)
    made = _finish(world, rng, frame.assign(score=score), level, treated.to_numpy())
    average = {"none": 0.0, "constant": SIZE, "growing": SIZE, "cohort": SIZE * np.mean([2, 1, 0, 2, 1, 0, 2, 1])}
    made.truth["threshold"] = average[world.effect]  # effects do not depend on the score; rates there are far from 0
    return made


def months_of_students(world: World, rng: np.random.Generator) -> Draw:
    """144 students over nine months, mentors starting in month 3, 5 or 7; a rate (effects add) and days (they
    multiply).

    Where a bad spell brings the mentor, last month's observed rate decides: every before/after comparison then holds
    regression to the mean.
    """
    n, periods, schools = 144, 9, 8
    level = 0.08 + 0.2 * rng.beta(2, 6, n)
    spell = world.noise * rng.standard_normal((n, periods))
    season = 0.01 * np.sin(np.arange(periods))[None, :]
    school = np.arange(n) % schools
    shocks = _carried(rng, (schools, periods), 0.5, world.school_sd)[school] if world.whole_schools else 0.0
    add = np.clip(level[:, None] + season + spell + shocks, 0.001, 0.95)
    times = np.clip((level[:, None] + spell + shocks) * np.exp(8 * season), 0.001, 0.95)
    without = _binomial(rng, 18, add), _binomial(rng, 18, times)
    first = _starts(world, rng, level, without[0] / 18, school)
    return _panel(world, rng, (add, times), without, first, school)


def _carried(rng: np.random.Generator, shape: tuple[int, int], carry: float, sd: float) -> np.ndarray:
    """Series in which a share `carry` of a month's deviation lasts into the next."""
    out, size = np.zeros(shape), np.sqrt(1 - carry**2)
    out[:, 0] = rng.standard_normal(shape[0])
    for t in range(1, shape[1]):
        out[:, t] = carry * out[:, t - 1] + size * rng.standard_normal(shape[0])
    return sd * out


_STARTS = (2, 4, 6)


def _starts(world: World, rng: np.random.Generator, level: np.ndarray, seen: np.ndarray,
            school: np.ndarray) -> np.ndarray:
    """Period (from 0) of the first mentored month; 99 where there is none."""
    n, first = len(level), np.full(len(level), 99)
    if world.whole_schools:
        return np.array([2, 2, 4, 4, 99, 99, 99, 99])[rng.permutation(8)[school]]
    if not world.dip:
        ever = rng.random(n) < _logistic(0.9 + 12 * (level - 0.13))
        return np.where(ever, rng.choice(_STARTS, n), 99)
    for start in _STARTS:
        begins = (first == 99) & (rng.random(n) < _logistic(-2.0 + 15 * (seen[:, start - 1] - 0.13)))
        first[begins] = start
    return first


def _panel(world: World, rng: np.random.Generator, means: tuple[np.ndarray, np.ndarray],
           without: tuple[np.ndarray, np.ndarray], first: np.ndarray, school: np.ndarray) -> Draw:
    n, periods = means[0].shape
    since = np.arange(periods)[None, :] - first[:, None]
    effect = _effects(world, since, first)
    own = np.where(since >= 0, effect, 0.0)
    mate = np.where((since < 0) & world.spills, SPILL * np.roll(own, n // 2, axis=0), 0.0)
    change = own + mate
    planted = (np.clip(means[0] + change, 0.001, 0.95), np.clip(means[1] * (1 + change / 0.13), 0.001, 0.95))
    seen = [np.where(change == 0, base, rng.binomial(18, mean)) for base, mean in zip(without, planted, strict=True)]
    on = since >= 0
    rows = pd.DataFrame({"student_id": np.repeat(np.arange(n), periods), "school_id": np.repeat(school, periods),
                         "month": np.tile(np.arange(1, periods + 1), n), "enrolled_days": 18.0,
                         "first_treated": np.repeat(np.where(first < 99, first + 1, 0), periods),
                         "absence_rate": seen[0].ravel() / 18, "absent_days": seen[1].ravel().astype(float)})
    units = pd.DataFrame({"student_id": np.arange(n), "school_id": school, "household_id": _household(world, n),
                          "treated": (first < 99).astype(int), "weight": 1.0, "absence_rate": seen[0].mean(axis=1) / 18,
                          "absent_days": seen[1].sum(axis=1).astype(float)})
    return Draw(rows, {"rate": float((planted[0] - means[0])[on].mean()),
                       "log_ratio": float(np.log(planted[1][on].sum() / means[1][on].sum()))}, units)


def _effects(world: World, since: np.ndarray, first: np.ndarray) -> np.ndarray:
    if world.effect == "growing":
        return SIZE * (since + 1) / 3
    if world.effect == "cohort":
        return SIZE * np.select([first == 2, first == 4], [2.0, 1.0], 0.0)[:, None] * np.ones(since.shape)
    return np.full(since.shape, world.size)


def session_days(world: World, rng: np.random.Generator) -> Draw:
    """40 students over 40 days, sessions drawn for each; absent or not. Spillover: half the effect lasts a day more."""
    n, days = 40, 40
    level = 0.10 + 0.3 * rng.beta(2, 6, n)
    school = np.arange(n) % 4
    daily = 0.03 * rng.standard_normal((4, days))[school]
    spell = _carried(rng, (n, days), 0.7, world.noise)
    often = 0.2 + 0.3 * _logistic(10 * (level - 0.17)) if world.dip else np.full(n, 1 / 3)
    scheduled = (rng.random((n, days)) < often[:, None]).astype(int)
    size = 2 * SIZE * np.ones((n, days)) * {"none": 0.0}.get(world.effect, 1.0)
    if world.effect == "growing":
        size = size * np.arange(1, days + 1)[None, :] / (days / 2)
    if world.effect == "cohort":
        size = size * np.array([2.0, 1.0, 0.0, 1.0])[school][:, None]
    without = np.clip(level[:, None] + daily + spell, 0.02, 0.95)
    yesterday = np.column_stack([np.zeros(n, dtype=int), scheduled[:, :-1]])
    change = size * scheduled + (SPILL * size * yesterday * (1 - scheduled) if world.spills else 0.0)
    mean = np.clip(without + change, 0.005, 0.95)
    rows = pd.DataFrame({"student_id": np.repeat(np.arange(n), days), "date": np.tile(np.arange(days), n),
                         "school_id": np.repeat(school, days), "scheduled": scheduled.ravel(),
                         "absence_rate": (rng.random((n, days)) < mean).astype(float).ravel()})
    units = pd.DataFrame({"student_id": np.arange(n), "school_id": school, "treated": 1, "weight": 1.0})
    return Draw(rows, {"rate": float((mean - without)[scheduled == 1].mean())}, units)


def series_of_schools(world: World, rng: np.random.Generator) -> Draw:
    """Twelve schools (four where few) over 36 months, a plan change in half of them in month 19, 22 or 25.

    A school's months carry over (0.4). In the null with regression to the mean the worst recent months bring the
    plan change.
    """
    schools, periods = (4 if world.whole_schools else 12), 36
    level = 0.10 + 0.02 * rng.standard_normal(schools)
    season = 0.012 * np.cos(2 * np.pi * np.arange(periods) / 12)[None, :]
    trend = 0.0003 * rng.standard_normal(schools)[:, None] * np.arange(periods)[None, :]
    own = _carried(rng, (schools, periods), 0.4, 0.02 if world.dip else 0.008)
    without = level[:, None] + season + trend + own
    first = _plan_changes(world, rng, own)
    since = np.arange(periods)[None, :] - first[:, None]
    effect = _school_effects(world, since, first)
    rate = np.clip(without + np.where(since >= 0, effect, 0.0), 0.0, 1.0)
    rows = pd.DataFrame({"school_id": np.repeat(np.arange(schools), periods),
                         "month": np.tile(np.arange(periods), schools),
                         "month_of_year": np.tile(np.arange(periods) % 12, schools),
                         "first_treated": np.repeat(np.where(first < 99, first, np.nan), periods),
                         "absence_rate": rate.ravel()})
    units = pd.DataFrame({"school_id": np.arange(schools), "treated": (first < 99).astype(int), "weight": 1.0,
                          "absence_rate": rate.mean(axis=1)})
    changed = first < 99
    at_start = np.take_along_axis(np.where(changed[:, None], effect, 0.0), np.minimum(first, periods - 1)[:, None], 1)
    return Draw(rows, {"level": float(at_start[changed].mean())}, units)


_CHANGES = (18, 21, 24)


def _plan_changes(world: World, rng: np.random.Generator, own: np.ndarray) -> np.ndarray:
    schools = len(own)
    first = np.full(schools, 99)
    if world.dip:
        for start in _CHANGES:
            left = np.flatnonzero(first == 99)
            recent = own[left, start - 2: start].mean(axis=1)
            first[left[np.argsort(-recent)[:2]]] = start
        return first
    order = rng.permutation(schools)[: schools // 2]
    first[order] = np.resize(_CHANGES, len(order))
    return first


def _school_effects(world: World, since: np.ndarray, first: np.ndarray) -> np.ndarray:
    if world.effect == "growing":
        return SIZE * (0.2 + since / 12)
    if world.effect == "cohort":
        return SIZE * np.select([first == 18, first == 21], [2.0, 1.0], 0.0)[:, None] * np.ones(since.shape)
    return np.full(since.shape, world.size)


DESIGNS = {"chosen_on_need": chosen_on_need, "lottery": lottery, "threshold": threshold,
           "months_of_students": months_of_students, "session_days": session_days,
           "series_of_schools": series_of_schools}
