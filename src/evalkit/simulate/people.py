"""Who goes to which school: schools, households, students, spans of enrollment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.simulate import settings as s
from evalkit.simulate.settings import Options


@dataclass
class Roster:
    """Arrays over students (and schools) that the other parts work on."""

    student_id: np.ndarray
    school: np.ndarray
    grade: np.ndarray
    household: np.ndarray
    zip_index: np.ndarray
    route: np.ndarray
    race: np.ndarray
    groups: dict[str, np.ndarray]
    sex: np.ndarray
    school_id: np.ndarray
    school_level: np.ndarray
    is_programme: np.ndarray
    zip5: np.ndarray
    route_id: np.ndarray
    new_to_district: np.ndarray
    prior_school: np.ndarray

    @property
    def n(self) -> int:
        return len(self.student_id)

    @property
    def level(self) -> np.ndarray:
        """0 elementary, 1 middle, 2 high, per student."""
        return np.searchsorted([6, 9], self.grade, side="right")


def make_roster(rng: np.random.Generator, options: Options) -> Roster:
    """Schools in the preset's mix, students spread over their grades, households inside a zip."""
    levels = s.PRESETS[options.preset].levels
    level = np.array([s.LEVELS.index(levels[k % len(levels)]) for k in range(options.n_schools)])
    weight = np.array([1.0, 1.1, 1.45])[level]
    school = rng.choice(options.n_schools, options.n_students, p=weight / weight.sum())
    low, span = np.array([0, 6, 9])[level], np.array([6, 3, 4])[level]
    grade = low[school] + (rng.random(options.n_students) * span[school]).astype(int)
    zip_index, household = _households(rng, school, options.n_schools)
    groups, race = _groups(rng, household, grade)
    route, route_id = _routes(rng, school, zip_index, options.n_schools)
    n_programme = max(1, round(options.n_schools * 2 / 3))
    roster = Roster(
        _student_ids(rng, options.n_students),
        school,
        grade,
        household,
        zip_index,
        route,
        race,
        groups,
        rng.choice(["Female", "Male", "Nonbinary"], options.n_students, p=[0.49, 0.50, 0.01]),
        np.array([f"{101 + k:04d}" for k in range(options.n_schools)]),
        level,
        np.arange(options.n_schools) < n_programme,
        np.array([f"0{2901 + k}" for k in range(zip_index.max() + 1)]),
        route_id,
        rng.random(options.n_students) < 0.05,
        school,
    )
    roster.prior_school = _prior_schools(rng, roster)
    return roster


def _student_ids(rng: np.random.Generator, n: int) -> np.ndarray:
    """Seven digits, leading zeros on many, in no order that means anything."""
    numbers = rng.choice(np.arange(20_000, 20_000 + 12 * n), n, replace=False)
    return np.char.zfill(numbers.astype(str), 7)


def _households(rng: np.random.Generator, school: np.ndarray, n_schools: int) -> tuple[np.ndarray, np.ndarray]:
    n_zips = max(4, n_schools)
    home = rng.random(len(school)) < 0.6
    zip_index = np.where(home, school % n_zips, rng.integers(0, n_zips, len(school)))
    order = np.lexsort((rng.random(len(school)), zip_index))
    sizes = rng.choice(s.HOUSEHOLD_SIZES, len(school), p=s.HOUSEHOLD_WEIGHTS)
    ends = np.cumsum(sizes)
    number = np.searchsorted(ends, np.arange(len(school)), side="right")
    household = np.empty(len(school), dtype=int)
    household[order] = number * n_zips + zip_index[order]
    return zip_index, np.unique(household, return_inverse=True)[1]


def _groups(
    rng: np.random.Generator, household: np.ndarray, grade: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    n_homes = household.max() + 1
    race = rng.choice(len(s.RACES), n_homes, p=s.RACE_WEIGHTS)
    poor = rng.random(n_homes) < np.array([0.66, 0.66, 0.38, 0.42, 0.5, 0.6, 0.6])[race]
    learner = rng.random(n_homes) < np.array([0.34, 0.03, 0.02, 0.25, 0.04, 0.05, 0.2])[race]
    homeless = poor & (rng.random(n_homes) < 0.06)
    groups = {
        "english_learner": learner[household] & (rng.random(len(household)) < np.where(grade < 6, 0.9, 0.5)),
        "disability_idea": rng.random(len(household)) < 0.15,
        "econ_disadvantaged": poor[household],
        "homeless": homeless[household],
        "foster": rng.random(len(household)) < 0.006,
    }
    return groups, race[household]


def _routes(
    rng: np.random.Generator,
    school: np.ndarray,
    zip_index: np.ndarray,
    n_schools: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Two routes a school, one for each half of the zips; 55 % ride; -1 walks or is driven."""
    route = np.where(rng.random(len(school)) < 0.55, school * 2 + zip_index % 2, -1)
    return route, np.array([f"R{k + 11}" for k in range(2 * n_schools)])


def _prior_schools(rng: np.random.Generator, roster: Roster) -> np.ndarray:
    """Last year's school: the same one, or a feeder when the grade before is not taught there; -1 when none."""
    before = roster.grade - 1
    level_before = np.where(before < 0, -1, np.searchsorted([6, 9], before, side="right"))
    prior = np.where(level_before == roster.level, roster.school, -1)
    for level in range(3):
        feeders = np.flatnonzero(roster.school_level == level)
        needs = np.flatnonzero((level_before == level) & (prior < 0))
        if feeders.size and needs.size:
            prior[needs] = rng.choice(feeders, needs.size)
    prior[roster.new_to_district] = -1
    return prior


def lasting_differences(rng: np.random.Generator, roster: Roster, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The students' lasting chance of absence on the logit scale, and the part that is the grade's.

    Siblings share HOUSEHOLD_SHARE of the variance, groups and schools are inside it: total variance is the preset's.
    """
    preset = s.PRESETS[options.preset]
    total = preset.sd_a**2
    flat = 0.0 if options.alike else 1.0
    grade_part = flat * _grade_offsets()[roster.grade]
    grade_part = grade_part - grade_part.mean()
    school_part = flat * rng.normal(0, 0.15, options.n_schools)[roster.school]
    own = flat * _group_part(roster, "disability_idea", "foster")
    home = flat * _group_part(roster, "econ_disadvantaged", "homeless", "english_learner")
    n_homes = roster.household.max() + 1
    home_sd = np.sqrt(max(float(s.HOUSEHOLD_SHARE * total - np.var(home)), 0.05 * total))
    own_variance = (1 - s.HOUSEHOLD_SHARE) * total - np.var(grade_part) - np.var(school_part) - np.var(own)
    a = (
        grade_part
        + school_part
        + own
        + home
        + rng.normal(0, home_sd, n_homes)[roster.household]
        + rng.normal(0, np.sqrt(max(own_variance, 0.1 * total)), roster.n)
    )
    return a - a.mean(), grade_part


def _group_part(roster: Roster, *names: str) -> np.ndarray:
    return np.asarray(np.sum([roster.groups[name] * s.GROUP_LOGIT[name] for name in names], axis=0))


def _grade_offsets() -> np.ndarray:
    """Half the published logit distances between grades: the other half is between districts (assumption)."""
    share = np.array(s.MEAN_ABSENCE_BY_GRADE) / 100
    return 0.5 * np.log(share / (1 - share))


@dataclass
class Spans:
    """Enrollment of one year: primary school on every school day (-1 = not enrolled), and the table."""

    school_on: np.ndarray
    table: pd.DataFrame
    is_no_show: np.ndarray


def make_spans(
    rng: np.random.Generator, roster: Roster, dates: pd.DatetimeIndex, school_year: int, *, prior: bool = False
) -> Spans:
    """Spans with 6 % who move or leave mid-year, 3 % late arrivals, 1 % no-shows and a few two-school students."""
    home = roster.prior_school if prior else roster.school
    n, n_days = roster.n, len(dates)
    draw = rng.random(n)
    entry = np.where(rng.random(n) < 0.03, rng.integers(5, 110, n), 0)
    move = np.where((draw < 0.06) & (entry == 0), rng.integers(25, n_days - 15, n), n_days)
    goes_on = (rng.random(n) < 0.55) | prior
    other = _other_school(rng, roster, home)
    stays = move < n_days
    no_show = (rng.random(n) < 0.01) & (entry == 0) & ~stays & (home >= 0)
    day = np.arange(n_days)
    school_on = np.where((day >= entry[:, None]) & (day < move[:, None]), home[:, None], -1).astype(np.int16)
    second = stays & goes_on & (other >= 0)
    school_on = np.where(second[:, None] & (day >= move[:, None]), other[:, None], school_on).astype(np.int16)
    school_on[no_show] = -1
    school_on[home < 0] = -1
    table = _span_table(rng, roster, dates, school_year, home, entry, move, second, other, no_show, prior)
    return Spans(school_on, table, no_show)


def _other_school(rng: np.random.Generator, roster: Roster, home: np.ndarray) -> np.ndarray:
    """Another school of the same level, or -1 where there is none."""
    other = np.full(roster.n, -1)
    for level in range(3):
        schools = np.flatnonzero(roster.school_level == level)
        if schools.size > 1:
            here = np.isin(home, schools)
            step = rng.integers(1, schools.size, roster.n)
            place = np.searchsorted(schools, np.where(here, home, schools[0]))
            other = np.where(here, schools[(place + step) % schools.size], other)
    return other


def _span_table(
    rng: np.random.Generator,
    roster: Roster,
    dates: pd.DatetimeIndex,
    school_year: int,
    home: np.ndarray,
    entry: np.ndarray,
    move: np.ndarray,
    second: np.ndarray,
    other: np.ndarray,
    no_show: np.ndarray,
    prior: bool,
) -> pd.DataFrame:
    here = home >= 0
    stays = move >= len(dates)
    grade = np.array(s.GRADES)[np.clip(roster.grade - int(prior), 0, 12)]
    last = dates[np.clip(move - 1, 0, len(dates) - 1)].to_numpy()
    close = dates[-1].to_datetime64() if prior else np.datetime64("NaT")
    first = pd.DataFrame(
        {
            "student_id": roster.student_id,
            "school_id": roster.school_id[np.maximum(home, 0)],
            "school_year": str(school_year),
            "entry_date": dates[entry].to_numpy(),
            "exit_date": np.where(stays, close, last),
            "exit_type": np.where(stays, "", np.where(second | prior, "Transfer", "Left district")),
            "grade_level": grade,
            "is_primary": True,
            "calendar_code": "REG",
            "fte": 1.0,
            "setting": "in_person",
        }
    )
    first.loc[no_show, "exit_date"] = dates[0]
    first.loc[no_show, "exit_type"] = "No show"
    later = first[second].assign(
        school_id=roster.school_id[other[second]],
        entry_date=dates[np.minimum(move[second], len(dates) - 1)],
        exit_date=close,
        exit_type="",
    )
    both = first[here & stays & ~no_show & (roster.grade >= 9) & (other >= 0) & (rng.random(roster.n) < 0.01)]
    both = both.assign(school_id=roster.school_id[other[both.index]], is_primary=False, fte=0.5)
    return pd.concat([first[here], later, both], ignore_index=True)


def student_table(rng: np.random.Generator, roster: Roster, options: Options) -> pd.DataFrame:
    """The `student` table, one row per student."""
    age = roster.grade + 5 + (rng.random(roster.n) < 0.06)
    table = pd.DataFrame(
        {
            "student_id": roster.student_id,
            "grade_level": np.array(s.GRADES)[roster.grade],
            "birth_year": options.school_year - 1 - age,
            "sex": roster.sex,
            "race_ethnicity": np.array(s.RACES)[roster.race],
            **roster.groups,
            "household_id": np.char.add("H", np.char.zfill(roster.household.astype(str), 5)),
            "zip5": roster.zip5[roster.zip_index],
            "bus_route": np.where(roster.route >= 0, roster.route_id[np.maximum(roster.route, 0)], ""),
        }
    )
    table["research_consent"] = rng.choice(
        ["yes", "not_asked", "no", "withdrawn"], roster.n, p=[0.9, 0.07, 0.025, 0.005]
    )
    return table
