"""Absences dealt anew by chance: every student's number of absences and every school day's number of absences stay.

"Curveball" trades between pairs of students of one school (Strona et al. 2014), all pairs at once (Carstens et al.
2018): two students put the days only one of them missed together and deal them anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evalkit.patterns.grid import DayGrid

BURN_IN = 12
BETWEEN = 2


@dataclass
class Deal:
    """Absences as places, a row (student) and a day each; the first `n_free` may be traded, the others lie at a school
    that is not the student's own. taken: students x dates, True where a student is absent or cannot be.
    """

    rows: np.ndarray
    days: np.ndarray
    n_free: int
    taken: np.ndarray
    at_home: np.ndarray

    @property
    def moves(self) -> np.ndarray:
        """Students x dates: who is absent."""
        found = np.zeros(self.taken.shape, dtype=bool)
        found[self.rows, self.days] = True
        return found


def first_deal(grid: DayGrid) -> Deal:
    """The absences as they were."""
    at_home = grid.enrolled & (grid.school == grid.home[:, None])
    rows, days = np.nonzero(grid.absent)
    order = np.argsort(~at_home[rows, days], kind="stable")
    n_free = int(at_home[rows, days].sum())
    return Deal(rows[order], days[order], n_free, grid.absent | ~at_home, at_home)


def deals(grid: DayGrid, *, n: int, seed: int, burn_in: int = BURN_IN, between: int = BETWEEN) -> Iterator[Deal]:
    """`n` deals with the same totals by student and by school day. Do not keep them: the same arrays are used again."""
    rng = np.random.default_rng(seed)
    deal = first_deal(grid)
    for step in range(burn_in + n * between):
        _trade(rng, deal, grid.home)
        if step >= burn_in and (step - burn_in) % between == between - 1:
            yield deal


def shuffled(
    grid: DayGrid, *, n: int, seed: int, burn_in: int = BURN_IN, between: int = BETWEEN
) -> Iterator[np.ndarray]:
    """`deals` as students x dates."""
    for deal in deals(grid, n=n, seed=seed, burn_in=burn_in, between=between):
        yield deal.moves


def _trade(rng: np.random.Generator, deal: Deal, home: np.ndarray) -> None:
    """Pair the students of each school at random; each pair deals the days only one of them missed anew, in place."""
    order = _in_random_order(rng, home)
    a, b = order[0 : len(order) - 1 : 2], order[1::2]
    same = home[a] == home[b]
    a, b = a[same], b[same]
    partner, pair = np.arange(len(home)), np.zeros(len(home), dtype=np.int64)
    partner[a], partner[b] = b, a
    pair[a] = pair[b] = np.arange(len(a))
    flat, width = deal.taken.reshape(-1), deal.taken.shape[1]
    rows, days = deal.rows[: deal.n_free], deal.days[: deal.n_free]
    # a student without a partner is its own, and there the day is taken
    at = np.flatnonzero(~flat.take(partner.take(rows) * width + days))
    own_row, day = rows.take(at), days.take(at)
    own = pair.take(own_row)
    need = np.bincount(own[own_row == a.take(own)], minlength=len(a))
    new_row = np.where(_dealt(rng, own, need), a.take(own), b.take(own))
    moved = np.flatnonzero(new_row != own_row)
    own_row, new_row, day = own_row.take(moved), new_row.take(moved), day.take(moved)
    flat[own_row * width + day] = False
    flat[new_row * width + day] = True
    rows[at.take(moved)] = new_row


def _dealt(rng: np.random.Generator, pair: np.ndarray, need: np.ndarray) -> np.ndarray:
    """Of each pair's places, `need` at random."""
    place = _in_random_order(rng, pair)
    size = np.bincount(pair, minlength=len(need))
    begin = np.cumsum(size) - size
    taken = np.zeros(len(pair), dtype=bool)
    taken[place] = np.arange(len(pair)) < (begin + need).take(pair.take(place))
    return taken


def _in_random_order(rng: np.random.Generator, group: np.ndarray) -> np.ndarray:
    """Places sorted by group, in random order within each: one number holds group, chance and place, and is sorted."""
    n = len(group)
    low = n.bit_length()
    chance = min(63 - low - int(group.max(initial=0)).bit_length(), 30)
    draw = rng.integers(0, 1 << chance, n, dtype=np.uint32).astype(np.int64)
    key = (group.astype(np.int64) << (chance + low)) | (draw << low) | np.arange(n)
    key.sort()
    return key & ((1 << low) - 1)
