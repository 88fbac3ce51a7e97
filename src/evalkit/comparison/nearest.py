"""Nearest-neighbour matching on one score: k rounds, in each of which a treated row takes its nearest free partner.

The rule is the documented one of MatchIt (Ho, Imai, King & Stuart 2011, J. Stat. Software 42(8)): partners sorted by
score, the nearest to the left and to the right looked at, a tie goes left. Free partners are kept in two union-find
lists, so that a match costs a few steps however many partners are already taken.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

ORDERS = ("largest", "smallest", "closest", "random", "data")


@dataclass(frozen=True)
class Pairs:
    """Who was matched with whom: places of rows, and the round (1..k) in which the partner was taken."""

    treated: np.ndarray
    partner: np.ndarray
    round: np.ndarray


@dataclass(frozen=True)
class Caliper:
    """Two rows may be matched when their values differ by at most `width`, or only when by more, if it is negative."""

    name: str
    values: np.ndarray
    width: float

    def allows(self, treated: np.ndarray | int, partners: np.ndarray | int) -> np.ndarray:
        gap = np.abs(self.values[treated] - self.values[partners])
        return gap <= self.width if self.width >= 0 else gap > -self.width


@dataclass(frozen=True)
class Search:
    """Partners sorted by stratum and score, and where each treated row stands among them."""

    treated: np.ndarray
    partners: np.ndarray
    place: np.ndarray
    low: np.ndarray
    high: np.ndarray
    scores: np.ndarray
    width: float = np.inf
    calipers: Sequence[Caliper] = field(default_factory=tuple)


def rank_treated(scores: np.ndarray, *, order: str, data_place: np.ndarray, seed: int) -> np.ndarray:
    """Places of the treated in the order in which they choose. Ties keep the order of the rows given."""
    if order == "largest":
        return np.argsort(-scores, kind="stable")
    if order == "smallest":
        return np.argsort(scores, kind="stable")
    if order == "random":
        return np.random.default_rng(seed).permutation(len(data_place))
    return np.argsort(data_place, kind="stable")


def start_search(scores: np.ndarray, treated: np.ndarray, partners: np.ndarray, *, strata: np.ndarray,
                 calipers: Sequence[Caliper] = (), width: float = np.inf) -> Search:
    """Sort the partners once. treated, partners: places of rows; equal scores keep the order of the places."""
    useful = np.isin(strata[partners], np.unique(strata[treated]))
    partners = partners[useful]
    both = np.concatenate([partners, treated])
    is_treated = np.repeat([0, 1], [len(partners), len(treated)])
    by_score = np.lexsort((is_treated, scores[both], strata[both]))
    rank = np.cumsum(is_treated[by_score] == 0)
    place = np.empty(len(both), dtype=np.int64)
    place[by_score] = rank
    ordered = both[by_score][is_treated[by_score] == 0]
    codes = strata[ordered]
    mine = strata[treated]
    return Search(treated, ordered, place[len(partners):], np.searchsorted(codes, mine, side="left"),
                  np.searchsorted(codes, mine, side="right"), scores, width, tuple(calipers))


def match_nearest(search: Search, order: np.ndarray, ratio: np.ndarray, *, replace: bool = False,
                  closest: bool = False) -> Pairs:
    """Partners of every treated row. order: places within search.treated; ratio: partners wanted, by treated row."""
    taken = match_rounds(ScoreFinder(search), order, ratio, replace=replace, closest=closest)
    return Pairs(search.treated[taken[:, 0]], search.partners[taken[:, 1]], taken[:, 2])


class Finder(Protocol):
    """Who is still free. i: place of a treated row; partner: place of a partner."""

    def nearest(self, i: int) -> int: ...
    def nearest_many(self, i: int, count: int) -> list[int]: ...
    def gap(self, i: int, partner: int) -> float: ...
    def is_free(self, partner: int) -> bool: ...
    def take(self, partner: int) -> None: ...


def match_rounds(finder: Finder, order: np.ndarray, ratio: np.ndarray, *, replace: bool,
                 closest: bool) -> np.ndarray:
    """Rows of (treated place, partner place, round). Without replacement: k rounds, one partner each per round."""
    taken: list[tuple[int, int, int]] = []
    waiting, wanted = order.tolist(), ratio.tolist()
    if replace:
        for i in waiting:
            taken += [(i, partner, k) for k, partner in enumerate(finder.nearest_many(i, wanted[i]), start=1)]
        return np.array(taken, dtype=np.int64).reshape(-1, 3)
    for k in range(1, max(wanted, default=0) + 1):
        waiting = [i for i in waiting if wanted[i] >= k]
        found = _closest_round(finder, waiting) if closest else _ordered_round(finder, waiting)
        taken += [(i, partner, k) for i, partner in found]
        matched = {i for i, _ in found}
        waiting = [i for i in waiting if i in matched]
    return np.array(taken, dtype=np.int64).reshape(-1, 3)


def _ordered_round(finder: Finder, waiting: list[int]) -> list[tuple[int, int]]:
    found = []
    for i in waiting:
        partner = finder.nearest(i)
        if partner >= 0:
            finder.take(partner)
            found.append((i, partner))
    return found


def _closest_round(finder: Finder, waiting: list[int]) -> list[tuple[int, int]]:
    """The closest pair of all goes first; who loses a partner looks again and queues with the new distance."""
    heap: list[tuple[float, int, int]] = []
    for i in waiting:
        partner = finder.nearest(i)
        if partner >= 0:
            heapq.heappush(heap, (finder.gap(i, partner), i, partner))
    found = []
    while heap:
        _, i, partner = heapq.heappop(heap)
        if finder.is_free(partner):
            finder.take(partner)
            found.append((i, partner))
            continue
        partner = finder.nearest(i)
        if partner >= 0:
            heapq.heappush(heap, (finder.gap(i, partner), i, partner))
    return found


class ScoreFinder:
    """Free partners by place, with links to the next free one on either side (plain lists: faster one at a time)."""

    def __init__(self, search: Search) -> None:
        count = len(search.partners)
        self.left, self.right = list(range(-1, count)), list(range(count + 1))
        self.place, self.low, self.high = search.place.tolist(), search.low.tolist(), search.high.tolist()
        self.partner_score = search.scores[search.partners].tolist()
        self.treated_score = search.scores[search.treated].tolist()
        self.width = search.width
        self.fits = self._all_fit(search) if search.calipers else None

    @staticmethod
    def _all_fit(search: Search):
        checks = [(c.values[search.treated].tolist(), c.values[search.partners].tolist(), c.width)
                  for c in search.calipers]

        def fits(i: int, j: int) -> bool:
            for mine, theirs, width in checks:
                gap = abs(mine[i] - theirs[j])
                if gap > width if width >= 0 else gap <= -width:
                    return False
            return True

        return fits

    def gap(self, i: int, partner: int) -> float:
        return abs(self.treated_score[i] - self.partner_score[partner])

    def is_free(self, partner: int) -> bool:
        return self.right[partner] == partner

    def take(self, partner: int) -> None:
        self.right[partner] = partner + 1
        self.left[partner + 1] = partner - 1

    def free_left(self, place: int) -> int:
        """The free partner at or before `place`, or -1. Links are stored one to the right, and shortened on the way."""
        links, at = self.left, place + 1
        while links[at] != at - 1:
            links[at] = up = links[links[at] + 1]
            at = up + 1
        return at - 1

    def free_right(self, place: int) -> int:
        links = self.right
        while links[place] != place:
            links[place] = place = links[links[place]]
        return place

    def nearest(self, i: int) -> int:
        """Place of the nearest free partner that every caliper allows, or -1; a tie goes left."""
        found = self.nearest_many(i, 1) if self.fits or self.width < 0 else None
        if found is not None:
            return found[0] if found else -1
        score, low, high = self.treated_score[i], self.low[i], self.high[i]
        before, after = self.free_left(self.place[i] - 1), self.free_right(self.place[i])
        has_before, has_after = before >= low, after < high
        if has_before and (not has_after or score - self.partner_score[before] <= self.partner_score[after] - score):
            return before if score - self.partner_score[before] <= self.width else -1
        return after if has_after and self.partner_score[after] - score <= self.width else -1

    def nearest_many(self, i: int, count: int) -> list[int]:
        """The `count` nearest free partners in order of distance, walking outwards on both sides."""
        score, low, high, scores = self.treated_score[i], self.low[i], self.high[i], self.partner_score
        before, after = self.free_left(self.place[i] - 1), self.free_right(self.place[i])
        found: list[int] = []
        while len(found) < count and (before >= low or after < high):
            goes_left = before >= low and (after >= high or score - scores[before] <= scores[after] - score)
            partner = before if goes_left else after
            gap = abs(scores[partner] - score)
            if self.width >= 0 and gap > self.width:
                break
            if goes_left:
                before = self.free_left(before - 1)
            else:
                after = self.free_right(after + 1)
            if (self.width >= 0 or gap > -self.width) and (self.fits is None or self.fits(i, partner)):
                found.append(partner)
        return found


def variable_ratio(scores: np.ndarray, partner_scores: np.ndarray, *, ratio: float, least: int,
                   most: int) -> np.ndarray:
    """Partners wanted by treated row so that the mean is `ratio`: Ming & Rosenbaum 2000, Biometrics 56, 118-124.

    Rows that look most treated have the fewest good partners and get `least`; at most one row gets a number between.
    (MatchIt 4.7.2 counts the same for least = 1; for a higher one it may give one row fewer than asked for.)
    """
    count = len(scores)
    spare = round(ratio * count) - least * count  # partners beyond the least that everybody gets
    full = spare // (most - least)
    numbers = np.array([least] * (count - full - 1) + [least + spare % (most - least)] + [most] * full)
    rank = np.argsort(-scores if scores.mean() > partner_scores.mean() else scores, kind="stable")
    out = np.empty(count, dtype=np.int64)
    out[rank] = numbers
    return out
