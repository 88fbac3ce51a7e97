"""Are the two groups alike? Standardized differences with a named denominator, variance ratios, KS, overlap.

Definitions of cobalt 4.5 (Greifer), whose stored numbers hold in tests: the denominator is taken before matching, a
0/1 column has variance p(1 - p), weighted variances use sum(w) - sum(w^2)/sum(w).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.comparison.covariates import Column, filled, indicator
from evalkit.comparison.overlap import overlap_lost

DENOMINATORS = ("treated", "comparison", "pooled", "all")
RESULT_KEYS = ("covariate", "smd_before", "smd_after", "variance_ratio_before", "variance_ratio_after", "ks_before",
               "ks_after")
DENOMINATOR_OF = {"ATT": "treated", "ATC": "comparison", "ATE": "pooled", "ATO": "pooled", "ATM": "pooled"}


def balance_table(names: Sequence[str], columns: Sequence[np.ndarray], treated: np.ndarray, weights: np.ndarray, *,
                  denominator: str = "treated", overlap: bool = False) -> pd.DataFrame:
    """One row a covariate, before (all rows, unweighted) and after (with `weights`). Shares 0-1; smd in SDs.

    treated: 0/1; weights: 0 = not used; denominator: treated, comparison, pooled or all. `overlap` adds the share of
    the two densities that does not overlap (slower).
    """
    arms = Arms.of(treated, weights)
    rows = [_row(name, values, arms, denominator, overlap) for name, values in zip(names, columns, strict=True)]
    return _table(rows, denominator, overlap)


@dataclass(frozen=True)
class Arms:
    """Places of the treated and the others: all, and those with a weight (None: all used ones weigh the same)."""

    everyone: tuple[np.ndarray, np.ndarray]
    used: tuple[np.ndarray, np.ndarray]
    weights: np.ndarray
    inside: tuple[np.ndarray | None, np.ndarray | None]

    @classmethod
    def of(cls, treated: np.ndarray, weights: np.ndarray) -> Arms:
        everyone = (np.flatnonzero(treated == 1), np.flatnonzero(treated == 0))
        used = (everyone[0][weights[everyone[0]] != 0], everyone[1][weights[everyone[1]] != 0])
        inside = tuple(None if len(rows) == 0 or np.ptp(weights[rows]) == 0 else weights[rows] for rows in used)
        return cls(everyone, used, weights, (inside[0], inside[1]))


def column_balance(columns: Sequence[Column], treated: np.ndarray, weights: np.ndarray, *, denominator: str = "treated",
                   overlap: bool = False) -> pd.DataFrame:
    """As balance_table, for covariates as read: every level of a factor (by counting), numbers, missing indicators."""
    arms = Arms.of(treated, weights)
    rows: list[dict[str, object]] = []
    for column in columns:
        if column.levels:
            rows += _factor_rows(column, arms, denominator, overlap)
            continue
        rows.append(_row(column.name, filled(column), arms, denominator, overlap))
        if column.absent is not None:
            rows.append(_row(*indicator(column), arms, denominator, overlap))
    return _table(rows, denominator, overlap)


def _table(rows: list[dict[str, object]], denominator: str, overlap: bool) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(_COLUMNS) + (["overlap_before", "overlap_after"] if overlap else []))
    table.attrs["denominator"] = denominator
    return table


def _factor_rows(column: Column, arms: Arms, denominator: str, overlap: bool) -> list[dict[str, object]]:
    """All levels of a factor from two counts an arm: a share needs no column of zeros and ones."""
    means = {"before": [_shares(column, rows, None) for rows in arms.everyone],
             "after": [_shares(column, rows, w) for rows, w in zip(arms.used, arms.inside, strict=True)]}
    counts = [len(rows) for rows in arms.everyone]
    out = []
    for code, level in enumerate(column.levels):
        sd = _share_sd(means["before"][0][code], means["before"][1][code], counts, denominator)
        row: dict[str, object] = {"covariate": f"{column.name}_{level}", "is_binary": True, "denominator": denominator,
                                  "sd": sd}
        for when, (treated, others) in means.items():
            gap = treated[code] - others[code]
            row |= {f"mean_treated_{when}": treated[code], f"mean_comparison_{when}": others[code],
                    f"smd_{when}": _over(gap, sd), f"variance_ratio_{when}": np.nan, f"ks_{when}": abs(gap)}
            if overlap:
                row[f"overlap_{when}"] = abs(gap)
        out.append(row)
    return out


def _shares(column: Column, rows: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Share of each level among the rows; missing where there are none."""
    total = float(len(rows)) if weights is None else float(weights.sum())
    counts = np.bincount(column.values[rows], weights=weights, minlength=len(column.levels))
    return counts / total if total else np.full(len(column.levels), np.nan)


def _share_sd(p1: float, p0: float, counts: list[int], denominator: str) -> float:
    pooled = (p1 * counts[0] + p0 * counts[1]) / max(sum(counts), 1)
    v1, v0 = p1 * (1 - p1), p0 * (1 - p0)
    return float(np.sqrt({"treated": v1, "comparison": v0, "pooled": (v1 + v0) / 2, "all": pooled * (1 - pooled)}
                         [denominator]))


def _over(gap: float, sd: float) -> float:
    """A difference in SDs; 0 without a difference, missing where the SD is 0."""
    return float(gap / sd) if sd > 0 else (0.0 if gap == 0 else np.nan)


_COLUMNS = ("covariate", "smd_before", "smd_after", "variance_ratio_before", "variance_ratio_after", "ks_before",
            "ks_after", "mean_treated_before", "mean_comparison_before", "mean_treated_after", "mean_comparison_after",
            "is_binary", "denominator", "sd")


def _row(name: str, values: np.ndarray, arms: Arms, denominator: str, overlap: bool) -> dict[str, object]:
    binary = is_binary(values)
    sd = denominator_sd(values, arms.everyone, denominator, binary)
    row: dict[str, object] = {"covariate": name, "is_binary": binary, "denominator": denominator, "sd": sd}
    for when, rows, weights in (("before", arms.everyone, (None, None)), ("after", arms.used, arms.inside)):
        found = _compare(values, rows, weights, binary, sd)
        row |= {f"{key}_{when}": value for key, value in found.items()}
        if overlap:
            row[f"overlap_{when}"] = overlap_lost(values, arms.everyone, None if when == "before" else arms.weights)
    return row


def is_binary(values: np.ndarray) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _compare(values: np.ndarray, rows, weights, binary: bool, sd: float) -> dict[str, float]:
    x1, x0 = values[rows[0]], values[rows[1]]
    w1, w0 = weights
    if not len(x1) or not len(x0):
        return dict.fromkeys(("smd", "variance_ratio", "ks", "mean_treated", "mean_comparison"), np.nan)
    m1, m0 = np.average(x1, weights=w1), np.average(x0, weights=w0)
    gap = m1 - m0
    out = {"mean_treated": m1, "mean_comparison": m0, "smd": _over(gap, sd)}
    if binary:
        return out | {"variance_ratio": np.nan, "ks": abs(gap)}
    v1, v0 = variance(x1, w1), variance(x0, w0)
    return out | {"variance_ratio": v1 / v0 if v0 > 0 else np.nan, "ks": kolmogorov_smirnov(x1, x0, w1, w0)}


def variance(x: np.ndarray, w: np.ndarray | None = None) -> float:
    """Sample variance; with weights sum w (x - m)^2 / (sum w - sum w^2 / sum w)."""
    if len(x) < 2:
        return np.nan
    if w is None:
        return float(x.var(ddof=1))
    total = w.sum()
    mean = (w * x).sum() / total
    left = total - (w * w).sum() / total
    return float((w * (x - mean) ** 2).sum() / left) if left > 0 else np.nan


def _spread(x: np.ndarray, binary: bool) -> float:
    return float(x.mean() * (1 - x.mean())) if binary else variance(x)


def denominator_sd(values: np.ndarray, arms, denominator: str, binary: bool) -> float:
    """The SD by which differences are divided, of the rows before matching."""
    v1, v0 = _spread(values[arms[0]], binary), _spread(values[arms[1]], binary)
    if denominator == "treated":
        return float(np.sqrt(v1))
    if denominator == "comparison":
        return float(np.sqrt(v0))
    if denominator == "pooled":
        return float(np.sqrt((v1 + v0) / 2))
    return float(np.sqrt(_spread(values[np.concatenate(arms)], binary)))


def kolmogorov_smirnov(x1: np.ndarray, x0: np.ndarray, w1: np.ndarray | None = None,
                       w0: np.ndarray | None = None) -> float:
    """Largest gap between the two (weighted) cumulative shares."""
    return float(np.abs(_cumulative_gap(x1, x0, w1, w0)[1]).max())


def _cumulative_gap(x1, x0, w1, w0) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct values and the difference of the two cumulative shares at each."""
    w1 = np.full(len(x1), 1 / len(x1)) if w1 is None else w1 / w1.sum()
    w0 = np.full(len(x0), 1 / len(x0)) if w0 is None else w0 / w0.sum()
    values = np.concatenate([x1, x0])
    order = np.argsort(values, kind="stable")
    gap = np.cumsum(np.concatenate([w1, -w0])[order])
    values = values[order]
    last = np.append(values[1:] != values[:-1], True)
    return values[last], gap[last]


def ecdf_mean(x1: np.ndarray, x0: np.ndarray, w1: np.ndarray | None = None, w0: np.ndarray | None = None) -> float:
    """Mean gap between the cumulative shares over the distinct values (MatchIt's eCDF mean)."""
    return float(np.abs(_cumulative_gap(x1, x0, w1, w0)[1]).mean())


def effective_n(weights: np.ndarray) -> float:
    """Kish's effective number: (sum w)^2 / sum w^2; 0 when nobody is used."""
    squares = float((weights * weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0
