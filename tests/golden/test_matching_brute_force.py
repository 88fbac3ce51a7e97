"""The greedy matcher against a plain quadratic reading of MatchIt's documented algorithm, on other made data."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest
from matching_designs import BOTH, FORMULA, HERE

from evalkit.comparison import choose_comparison


def made_sample(seed: int, students: int = 400, schools: int = 4) -> pd.DataFrame:
    spec = importlib.util.spec_from_file_location("generate", HERE / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    rows = generate.make(seed, students, schools)[0]
    rows = rows[rows["prior_days_absent"].notna()]
    return rows.assign(treat=rows["match_month"].notna(), gradef=rows["grade"].astype(str),
                       prior_rate=(rows["prior_days_absent"] / rows["prior_days_enrolled"]).astype(float),
                       pre_rate=rows["pre_days_absent"] / rows["pre_days_enrolled"]).reset_index(drop=True)


def brute_force(rows, score, *, order, ratio=1, replace=False, width=np.inf, exact=(), extra=()):
    """k rounds; in each, every treated in order takes the nearest allowed free partner (a tie to the lower score)."""
    treated = np.flatnonzero(rows["treat"])
    groups = list(zip(*(rows[name] for name in exact), strict=True)) if exact else [()] * len(rows)
    others = [int(i) for i in np.flatnonzero(~rows["treat"])]
    used, mine, pairs = set(), {int(t): set() for t in treated}, set()

    def options(t):
        for c in others:
            near = all(abs(v[t] - v[c]) <= w for v, w in extra)
            if groups[t] == groups[c] and abs(score[t] - score[c]) <= width and near and c not in mine[t] \
                    and (replace or c not in used):
                yield abs(score[t] - score[c]), score[c], c

    def ranked():
        if order == "data":
            return [int(t) for t in treated]
        return sorted((int(t) for t in treated), key=lambda t: -score[t] if order == "largest" else score[t])

    for k in range(1, ratio + 1):
        waiting = ranked()
        while waiting:
            if order == "closest":
                best = {t: min(options(t), default=None) for t in waiting}
                waiting = [t for t in waiting if best[t] is not None]
                if not waiting:
                    break
                t = min(waiting, key=lambda t: best[t][0])
                waiting.remove(t)
                found = best[t]
            else:
                t = waiting.pop(0)
                found = min(options(t), default=None)
                if found is None:
                    continue
            used.add(found[2])
            mine[t].add(found[2])
            pairs.add((t, found[2], k))
    return pairs


DESIGNS = [{"order": order} for order in ("largest", "smallest", "data", "closest")] + [
    {"order": "largest", "ratio": 3, "exact": BOTH, "caliper": 0.2}, {"order": "closest", "ratio": 2, "caliper": 0.1},
    {"order": "largest", "ratio": 2, "replace": True, "caliper": 0.05},
    {"order": "smallest", "ratio": 2, "exact": ("school",), "caliper": {"": 0.3, "pre_rate": 0.5, "prior_score": 0.8}}]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("options", DESIGNS, ids=str)
def test_same_pairs_as_brute_force(seed, options):
    rows = made_sample(seed)
    made = choose_comparison(rows, treated="treat", covariates=FORMULA, distance="logit", **options)
    score = made.students["distance"].to_numpy()
    given = options.get("caliper")
    given = given if isinstance(given, dict) else {"": given} if given is not None else {}
    width = given[""] * score.std(ddof=1) if "" in given else np.inf
    extra = [(rows[name].to_numpy(), size * rows[name].std(ddof=1)) for name, size in given.items() if name]
    expected = brute_force(rows, score, order=options["order"], ratio=options.get("ratio", 1), width=width,
                           replace=options.get("replace", False), exact=options.get("exact", ()), extra=extra)
    found = set(zip(made.pairs["treated_row"], made.pairs["partner_row"], made.pairs["round"], strict=True))
    assert found == expected
    assert len(expected) > 20


@pytest.mark.parametrize("seed", [4, 5])
@pytest.mark.parametrize("distance", ["mahalanobis", "scaled_euclidean", "robust_mahalanobis"])
def test_covariate_distances_against_their_formulas(seed, distance):
    rows = made_sample(seed)
    names = ["prior_rate", "pre_rate", "prior_score", "ell"]
    made = choose_comparison(rows, treated="treat", covariates=names, distance=distance, exact="school")
    x, t = rows[names].to_numpy(float), rows["treat"].to_numpy()
    centred = x - np.where(t[:, None], x[t].mean(0), x[~t].mean(0))
    if distance == "mahalanobis":
        inverse = np.linalg.inv(centred.T @ centred / (len(x) - 2))
    elif distance == "scaled_euclidean":
        binary = np.array([False, False, False, True])
        inverse = np.diag(np.where(binary, len(x), len(x) - 2) / (centred**2).sum(0))
    else:
        x = rows[names].rank().to_numpy()
        cov = np.cov(x, rowvar=False)
        scale = np.arange(1, len(x) + 1).std(ddof=1) / np.sqrt(np.diag(cov))
        inverse = np.linalg.inv(cov * np.outer(scale, scale))
    used, expected = set(), set()
    for i in np.flatnonzero(t):
        free = [j for j in np.flatnonzero(~t) if j not in used and rows["school"][i] == rows["school"][j]]
        if free:
            best = min(free, key=lambda j: (x[i] - x[j]) @ inverse @ (x[i] - x[j]))
            used.add(best)
            expected.add((i, best))
    assert set(zip(made.pairs["treated_row"], made.pairs["partner_row"], strict=True)) == expected


def test_optimal_pairs_against_every_permutation():
    """Six by seven: the least total over all 5,040 ways."""
    from itertools import permutations
    rows = pd.concat([made_sample(7).query("treat").head(6), made_sample(7).query("not treat").head(7)])
    rows = rows.reset_index(drop=True)
    made = choose_comparison(rows, treated="treat", covariates=["prior_score", "pre_rate"], distance="mahalanobis",
                             method="optimal")
    x = rows[["prior_score", "pre_rate"]].to_numpy()
    t = rows["treat"].to_numpy()
    centred = x - np.where(t[:, None], x[t].mean(0), x[~t].mean(0))
    inverse = np.linalg.inv(centred.T @ centred / (len(x) - 2))
    gap = np.array([[np.sqrt((a - b) @ inverse @ (a - b)) for b in x[~t]] for a in x[t]])
    least = min(sum(gap[i, j] for i, j in enumerate(way)) for way in permutations(range(7), 6))
    found = sum(gap[i, j - 6] for i, j in zip(made.pairs["treated_row"], made.pairs["partner_row"], strict=True))
    assert found == pytest.approx(least, rel=1e-12)


def test_full_matching_against_every_cover():
    """Three by four: the least total over all ways to give everybody at least one edge."""
    from evalkit.comparison.optimal import stars
    for seed in range(20):
        cost = np.random.default_rng(seed).random((3, 4))
        edges = [(i, j) for i in range(3) for j in range(4)]
        least = np.inf
        for mask in range(1, 1 << 12):
            chosen = [edges[b] for b in range(12) if mask >> b & 1]
            if len({i for i, _ in chosen}) == 3 and len({j for _, j in chosen}) == 4:
                least = min(least, sum(cost[e] for e in chosen))
        found = stars(cost)
        assert sorted(i for rows, _ in found for i in rows) == [0, 1, 2]
        assert sorted(j for _, columns in found for j in columns) == [0, 1, 2, 3]
        assert all(min(len(rows), len(columns)) == 1 for rows, columns in found)
        assert sum(cost[np.ix_(rows, columns)].sum() for rows, columns in found) == pytest.approx(least, rel=1e-12)
