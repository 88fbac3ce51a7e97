"""Who gets a mentor, when, and what that does: selection on need, staggered starts, potential outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.errors import UsageError
from evalkit.simulate import settings as s
from evalkit.simulate.people import Roster
from evalkit.simulate.settings import Options

WAVES = ((18, 0.40), (45, 0.22), (72, 0.16), (99, 0.12), (126, 0.10))
"""School day of each round of assignments, and the share of mentored students who start in it (assumption). A school's
round starts together, one to six days after it was decided."""


@dataclass
class Starts:
    """Per mentored student: row, assigned day, begin day (indices of school days), need at the time."""

    row: np.ndarray
    assigned: np.ndarray
    begin: np.ndarray
    need: np.ndarray

    def begin_day(self, n: int) -> np.ndarray:
        """Begin day per student of the roster; a day after the year for everyone else."""
        day = np.full(n, 10_000)
        day[self.row] = self.begin
        return day


def choose_students(
    rng: np.random.Generator,
    roster: Roster,
    absent: np.ndarray,
    school_on: np.ndarray,
    prior_rate: np.ndarray,
    lasting: np.ndarray,
    options: Options,
) -> Starts:
    """Pick students on need: last year's rate and this year's absences so far, with luck in it.

    Most come from one list drawn at the first round (need, then luck) and start when a mentor is free, in an order of
    luck; the share `late_referrals` is picked at each later round on need at that time, from everyone still without a
    mentor. Only what was on record before is used (plus the hidden part, when `hidden_selection` asks for it).
    """
    quota = round(options.mentored_share * roster.n)
    days = np.cumsum(absent & (school_on >= 0), axis=1)
    here = np.cumsum(school_on >= 0, axis=1)
    taken = np.zeros(roster.n, dtype=bool)
    first = WAVES[0][0]
    need = _need(days, here, prior_rate, first)
    score = 6 * need + options.hidden_selection * lasting + rng.gumbel(0, 0.8, roster.n)
    ready = _ready(roster, school_on, here, need, taken, first)
    listed = _top(score, ready, round((1 - options.late_referrals) * quota))
    listed = listed[np.argsort(rng.random(listed.size), kind="stable")]
    pieces, done = [], 0
    for day, share in WAVES:
        wanted = round(share * quota)
        n_late = round(options.late_referrals * wanted) if day > first else 0
        turn = listed[done : done + wanted - n_late]
        done += wanted - n_late
        need = _need(days, here, prior_rate, day)
        ready = _ready(roster, school_on, here, need, taken, day)
        ready[listed] = False
        score = 6 * need + options.hidden_selection * lasting + rng.gumbel(0, 0.8, roster.n)
        still_here = roster.is_programme[np.maximum(school_on[turn, day], 0)] & (school_on[turn, day] >= 0)
        chosen = np.concatenate([turn[still_here], _top(score, ready, n_late)])
        taken[chosen] = True
        kick_off = day + rng.integers(1, 7, roster.is_programme.size)
        pieces.append((chosen, np.full(chosen.size, day), kick_off[school_on[chosen, day]], need[chosen]))
    parts = [np.concatenate([piece[k] for piece in pieces]) for k in range(4)]
    return Starts(*parts)


def _need(days: np.ndarray, here: np.ndarray, prior_rate: np.ndarray, day: int) -> np.ndarray:
    """Last year's rate (this year's where there is none) and this year's so far, in one number."""
    rate = days[:, day - 1] / np.maximum(here[:, day - 1], 1)
    return 0.6 * np.where(np.isnan(prior_rate), rate, prior_rate) + 0.4 * rate


def _ready(
    roster: Roster, school_on: np.ndarray, here: np.ndarray, need: np.ndarray, taken: np.ndarray, day: int
) -> np.ndarray:
    """Enrolled in a programme school, known for 15 days, in need but in school often enough to meet a mentor."""
    ready = roster.is_programme[np.maximum(school_on[:, day], 0)] & (school_on[:, day] >= 0) & ~taken
    return ready & (need >= 0.07) & (need <= 0.5) & (here[:, day - 1] >= 15)


def _top(score: np.ndarray, ready: np.ndarray, n: int) -> np.ndarray:
    """The n highest scores among the ready, highest first."""
    return np.argsort(np.where(ready, -score, np.inf), kind="stable")[: max(min(n, int(ready.sum())), 0)]


def effect_profile(name: str, n_days: int, begin: np.ndarray) -> np.ndarray:
    """Weight of the effect by school day since the begin date, students x days, zero before it."""
    since = np.arange(n_days)[None, :] - begin[:, None]
    shape = {"constant": np.ones(since.shape), "growing": np.minimum(since / 60, 1.5), "fading": np.exp(-since / 60)}[
        name
    ]
    return np.where(since >= 0, shape, 0.0)


def treated_chances(
    q: np.ndarray, enrolled: np.ndarray, starts: Starts, roster: Roster, options: Options, day_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rows touched by the programme and their chances of absence under it.

    The chance is multiplied after the begin date so that the mean over the mentored students' enrolled days after it is
    `effect_days` per 180 days (`day_share`: days per absence, half days count as halves). Siblings get `spillover`
    times the proportional change from the earliest begin date on.
    """
    begin = starts.begin_day(roster.n)
    home_begin = np.full(roster.household.max() + 1, 10_000)
    np.minimum.at(home_begin, roster.household, begin)
    first = home_begin[roster.household]
    touched = np.flatnonzero((begin < 10_000) | ((first < 10_000) & (options.spillover > 0)))
    own = begin[touched] < 10_000
    weight = effect_profile(options.effect_profile, q.shape[1], np.where(own, begin[touched], first[touched]))
    base = q[touched]
    counted = weight * base * enrolled[touched] * own[:, None]
    after = (weight > 0) & enrolled[touched] & own[:, None]
    change = _changes(counted * day_share, after, roster.level[touched], options)
    change = np.where(own, change, options.spillover * change)
    return touched, np.clip(base * (1 + change[:, None] * weight), 0, 0.97)


def _changes(counted: np.ndarray, after: np.ndarray, level: np.ndarray, options: Options) -> np.ndarray:
    """The proportional change per touched student that gives the asked-for days, overall or by grade band."""
    change = np.zeros(len(level))
    bands = options.effect_by_band or {"": options.effect_days}
    for band, days in bands.items():
        here = level == s.LEVELS.index(band) if band else np.ones(len(level), dtype=bool)
        if days and counted[here].sum() > 0:
            change[here] = days / s.DAYS_PER_YEAR * after[here].sum() / counted[here].sum()
    if (change < -0.95).any():
        raise UsageError(
            "The planted effect is larger than the absences there are.",
            remedy="Use a smaller --effect-days: mentored students here miss about 15 to 25 days a year.",
        )
    return change


def truth_by_student(
    starts: Starts,
    days_untreated: np.ndarray,
    days_treated: np.ndarray,
    expected: np.ndarray,
    enrolled: np.ndarray,
    dates: pd.DatetimeIndex,
    last: int,
    roster: Roster,
) -> pd.DataFrame:
    """Per mentored student: days absent from the begin date to the last complete day, with and without the programme.

    The three matrices and `enrolled` have a row per mentored student, in the order of `starts`.
    """
    inside = (np.arange(len(dates))[None, :] >= starts.begin[:, None]) & (np.arange(len(dates)) <= last) & enrolled
    table = pd.DataFrame(
        {
            "student_id": roster.student_id[starts.row],
            "begin_date": dates[starts.begin].to_numpy(),
            "window_end": np.repeat(dates[last].to_datetime64(), starts.row.size),
            "enrolled_days": inside.sum(axis=1),
            "absent_days": (days_treated * inside).sum(axis=1),
            "absent_days_untreated": (days_untreated * inside).sum(axis=1),
            "expected_change_days": (expected * inside).sum(axis=1).round(6),
        }
    )
    return table.sort_values("student_id").reset_index(drop=True)
