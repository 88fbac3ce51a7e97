"""What a panel estimate rests on, tested on its own rows: no movement before the start, and no help from late starters.

Leads on untreated rows: Borusyak, Jaravel & Spiess 2024, doi:10.1093/restud/rdae007, section 4.3. Two-way effects
against the two-stage effect of the same rows: Hausman 1978, doi:10.2307/1913827, clustered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import optimize, stats

from evalkit.errors import UserError
from evalkit.estimators.aggregate import cluster_sums
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import PanelData
from evalkit.estimators.within import fit_within

_LEADS = 3
"""Leads tested: two, three, and four or more periods before the start; the period just before it is the base."""
_NOTHING: dict[str, float | None] = {"wald": None, "df": None, "p_value": None, "detectable": None}
_LEVEL, _POWER = 0.05, 0.80


def smallest_seen(information: float, n_tested: int, spare: float | None) -> float | None:
    """The smallest movement that a joint test at 5 % sees in four studies of five (Roth 2022,
    doi:10.1257/aeri.20210236).

    information: c'V^-1 c of a movement of one unit. spare: denominator degrees of freedom; None for a chi-square test.
    """
    def power(shift: float) -> float:
        if spare is None:
            return float(stats.ncx2.sf(stats.chi2.isf(_LEVEL, n_tested), n_tested, shift))
        return float(stats.ncf.sf(stats.f.isf(_LEVEL, n_tested, spare), n_tested, spare, shift))

    if not (np.isfinite(information) and information > 0 and power(_MOST_SHIFT) >= _POWER):
        return None
    shift = optimize.brentq(lambda value: power(value) - _POWER, 1e-6, _MOST_SHIFT)
    return float(np.sqrt(shift / information))


_MOST_SHIFT = 2_000.0
"""Noncentrality beyond which a test is taken to see nothing (denominators of one or two)."""


def lead_test(data: PanelData, outcome: Array | None = None) -> dict[str, float | None]:
    """Joint test that the treated moved as the others did before their start (F on clusters - 1).

    detectable: the dip in the last period before the start that it sees in four studies of five.
    """
    y = data.y if outcome is None else outcome
    rows = ~data.is_on
    before = data.first[data.unit] - data.time
    lead = np.where(data.ever_treated[data.unit] & rows, np.minimum(before, _LEADS + 1), 0)[rows]
    steps = [step for step in range(2, _LEADS + 2) if (lead == step).any()]
    if not steps:
        return dict(_NOTHING)
    columns = np.column_stack([(lead == step).astype(float) for step in steps])
    early = replace(data, frame=data.frame[rows], unit=data.unit[rows], time=data.time[rows], y=y[rows],
                    weight=data.weight[rows])
    try:
        found = fit_within(early, columns, tuple(f"lead {step}" for step in steps))
        wald = float(found.coef @ np.linalg.solve(found.covariance, found.coef))
    except (UserError, np.linalg.LinAlgError):
        return dict(_NOTHING)
    spare = found.df - len(steps) + 1  # Hotelling: a clustered covariance of few clusters makes the test too eager
    if spare < 1 or not np.isfinite(wald) or wald < 0:
        return dict(_NOTHING)
    one = np.ones(len(steps))  # a dip (or rise) in the base period alone moves every lead by as much
    return {"wald": wald, "df": len(steps),
            "detectable": smallest_seen(float(one @ np.linalg.solve(found.covariance, one)), len(steps), spare),
            "p_value": float(stats.f.sf(wald * spare / (found.df * len(steps)), len(steps), spare))}


def staggered_test(data: PanelData, value: float, influence: Array) -> dict[str, Any] | None:
    """The two-stage effect of the same rows and the difference of the two-way one from it, with its p.

    influence: of the two-way estimate, per row. None where a two-stage effect cannot be had.
    """
    from evalkit.estimators.did2s import two_stage

    try:
        robust, other = two_stage(data)
    except (UserError, np.linalg.LinAlgError):
        return None
    sums = cluster_sums((influence - other)[:, None], data.clusters[data.unit])
    error, groups = float(np.sqrt((sums**2).sum())), len(sums)
    if not error > 0:
        return None
    return {"two_stage": robust, "difference": value - robust, "standard_error": error,
            "already_treated": already_treated_share(data),
            "p_value": float(2 * stats.t.sf(abs(value - robust) / error, groups - 1))}


def already_treated_share(data: PanelData) -> float:
    """The share of a two-way estimate's weight that lies on comparisons with units already treated.

    Goodman-Bacon 2021, doi:10.1016/j.jeconom.2021.03.014, equations 10e-10g, as if every unit were seen in
    every period.
    """
    size = data.wide(data.weight)
    weight = np.nansum(size, axis=1) / np.maximum((~np.isnan(size)).sum(axis=1), 1)
    starts = np.unique(data.first[data.ever_treated])
    never = float(weight[~data.ever_treated].sum())
    group = [(float(weight[data.first == start].sum()), 1 - start / data.n_periods) for start in starts]
    clean = sum(n * never * on * (1 - on) for n, on in group)
    already = 0.0
    for place, (n_early, early) in enumerate(group):
        for n_late, late in group[place + 1:]:
            clean += n_early * n_late * (early - late) * (1 - early)
            already += n_early * n_late * late * (early - late)
    return already / (clean + already) if clean + already > 0 else 0.0
