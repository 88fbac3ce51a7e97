"""Sites' effects combined without their students: random effects with an honest interval.

DerSimonian & Laird 1986; Paule & Mandel 1982; REML (Viechtbauer 2005, doi:10.3102/10769986030003261); Hartung & Knapp
2001, doi:10.1002/sim.1009; prediction interval of Higgins, Thompson & Spiegelhalter 2009.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from evalkit.errors import UserError, must_be_one_of

METHODS = ("PM", "REML", "DL", "FE")
_KEYS = ("site", "outcome", "unit", "value", "standard_error")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """value: the mean effect of sites like these. prediction: where a new site's may lie. tau2: between sites."""

    value: float
    standard_error: float
    ci_low: float
    ci_high: float
    p_value: float
    prediction_low: float | None
    prediction_high: float | None
    tau2: float
    i2: float
    q: float
    q_p_value: float
    n_sites: int
    method: str
    knapp_hartung: bool
    weights: tuple[float, ...]
    caveats: tuple[str, ...] = ()


def pool_effects(values: Sequence[float], standard_errors: Sequence[float], *, method: str = "PM",
                 knapp_hartung: bool = True, level: float = 0.95) -> Pooled:
    """Combine one effect per site. Two sites or more; with under five the interval is wide, and says so.

    knapp_hartung: t on k - 1 with the observed spread (default); False: the normal interval.
    """
    must_be_one_of("method", method, METHODS, error=UserError)
    y, v = _checked(values, standard_errors)
    tau2 = {"FE": lambda: 0.0, "DL": lambda: _dersimonian_laird(y, v), "PM": lambda: _paule_mandel(y, v),
            "REML": lambda: _reml(y, v)}[method]()
    w = 1.0 / (v + tau2)
    mean = float(w @ y / w.sum())
    plain = float(np.sqrt(1.0 / w.sum()))
    k = len(y)
    error = float(np.sqrt((w @ (y - mean) ** 2) / (k - 1) / w.sum())) if knapp_hartung else plain
    error = max(error, 1e-300)
    tail: Any = stats.t(k - 1) if knapp_hartung else stats.norm
    reach = tail.ppf((1 + level) / 2)
    q = float((1 / v) @ (y - (1 / v) @ y / (1 / v).sum()) ** 2)
    low, high = _prediction(mean, error, tau2, k, tail, level)
    return Pooled(mean, error, mean - reach * error, mean + reach * error, float(2 * tail.sf(abs(mean) / error)), low,
                  high, tau2, _i2(v, tau2), q, float(stats.chi2.sf(q, k - 1)), k, method, knapp_hartung,
                  tuple(float(x) for x in w / w.sum()), _caveats(k, error, plain, knapp_hartung))


def leave_one_out(values: Sequence[float], standard_errors: Sequence[float], **options: Any) -> list[Pooled]:
    """The pooled effect without each site in turn: does one site carry it?"""
    y, v = list(values), list(standard_errors)
    if len(y) < 3:
        raise UserError("Leaving one site out needs three sites.", remedy="Collect a third site's effects.json.")
    return [pool_effects(y[:i] + y[i + 1:], v[:i] + v[i + 1:], **options) for i in range(len(y))]


def _checked(values: Sequence[float], errors: Sequence[float]) -> tuple[Array, Array]:
    y, s = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    if len(y) < 2:
        raise UserError("Pooling needs the effects of at least two sites.",
                        remedy="Collect another site's effects.json.")
    if not (np.isfinite(y).all() and np.isfinite(s).all() and (s > 0).all()):
        raise UserError("A site has no effect or no standard error.", remedy="Leave this site out and say so.")
    return y, s**2


def _dersimonian_laird(y: Array, v: Array) -> float:
    w = 1.0 / v
    q = w @ (y - w @ y / w.sum()) ** 2
    return float(max(0.0, (q - (len(y) - 1)) / (w.sum() - (w @ w) / w.sum())))


def _paule_mandel(y: Array, v: Array) -> float:
    """The between-site variance at which the generalised Q equals its expectation."""
    def excess(tau2: float) -> float:
        w = 1.0 / (v + tau2)
        return float(w @ (y - w @ y / w.sum()) ** 2) - (len(y) - 1)

    if excess(0.0) <= 0:
        return 0.0
    top = float(np.var(y, ddof=1)) + 1e-12
    while excess(top) > 0:
        top *= 2
    return float(brentq(excess, 0.0, top, xtol=1e-16, rtol=1e-14))


def _reml(y: Array, v: Array) -> float:
    """The root of the restricted likelihood's slope."""
    def slope(tau2: float) -> float:
        w = 1.0 / (v + tau2)
        mean = w @ y / w.sum()
        return float((w**2) @ (y - mean) ** 2 - w.sum() + (w @ w) / w.sum())

    if slope(0.0) <= 0:
        return 0.0
    top = float(np.var(y, ddof=1)) + 1e-12
    while slope(top) > 0:
        top *= 2
    return float(brentq(slope, 0.0, top, xtol=1e-16, rtol=1e-14))


def _i2(v: Array, tau2: float) -> float:
    """Share of the spread that is between sites, 0-100 (with the typical sampling variance, as metafor)."""
    w = 1.0 / v
    typical = (len(v) - 1) * w.sum() / (w.sum() ** 2 - w @ w)
    return float(100 * tau2 / (tau2 + typical))


def _prediction(mean: float, error: float, tau2: float, k: int, tail: Any,
                level: float) -> tuple[float | None, float | None]:
    if k < 3:
        return None, None
    reach = tail.ppf((1 + level) / 2) * float(np.sqrt(tau2 + error**2))
    return mean - reach, mean + reach


def _caveats(k: int, error: float, plain: float, knapp_hartung: bool) -> tuple[str, ...]:
    few = ((f"Only {k} sites: the spread between sites is hardly known, so read the interval, not the middle.",)
           if k < 5 else ())
    narrow = (("Sites agree more than chance would have it, so this interval is narrower than the plain one "
               f"(standard error {plain:.3g}).",) if knapp_hartung and error < plain else ())
    return few + narrow


def read_effects(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Rows of sites' effects.json files: {"site", "effects": [{outcome, unit, value, standard_error, ...}]}.

    A file may also be a list of such rows with "site" in each. Every fault is named with its file, never a value.
    """
    rows: list[dict[str, Any]] = []
    for path in paths:
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UserError("This effects file cannot be read as JSON.", file=Path(path).name,
                            remedy="Ask the site for the effects.json that evalkit wrote.") from None
        rows += _rows(found, Path(path).name)
    keys = [(row["site"], row["outcome"], row.get("analysis", ""), row.get("estimator", "")) for row in rows]
    if len(set(keys)) < len(keys):
        raise UserError("A site gives the same effect twice.", remedy="Give each site's file once.")
    return rows


def _with_site(found: Mapping[str, Any]) -> Any:
    """The effects of one site's file, each with what the file says of the whole site."""
    effects = found.get("effects")
    if not isinstance(effects, list):
        return None
    whole = {key: value for key, value in found.items() if not isinstance(value, list | Mapping)}
    return [{**whole, **row} if isinstance(row, Mapping) else row for row in effects]


def _rows(found: Any, file: str) -> list[dict[str, Any]]:
    rows = _with_site(found) if isinstance(found, Mapping) else found
    if not isinstance(rows, list) or not rows:
        raise UserError("This file holds no effects.", file=file, remedy="It needs a list under \"effects\".")
    for number, row in enumerate(rows, start=1):
        missing = [key for key in _KEYS if not isinstance(row, Mapping) or row.get(key) in (None, "")]
        if missing:
            raise UserError("An effect lacks what pooling needs.", file=file, row=number, culprits=missing,
                            remedy="Leave the effect out, or ask the site to run the study again.")
        if not all(_is_number(row[key]) for key in ("value", "standard_error")):
            raise UserError("An effect or its standard error is no number.", file=file, row=number,
                            remedy="Ask the site for the effects.json that evalkit wrote.")
    return [dict(row) for row in rows]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def pool_rows(rows: Sequence[Mapping[str, Any]], *, outcome: str, **options: Any) -> Pooled:
    """Pool the rows of one outcome; different units are refused, not mixed."""
    chosen = [row for row in rows if row["outcome"] == outcome]
    units = sorted({str(row["unit"]) for row in chosen})
    if len(units) > 1:
        raise UserError("Sites give this outcome in different units.", culprits=units,
                        remedy="Ask every site for the same unit.")
    return pool_effects([row["value"] for row in chosen], [row["standard_error"] for row in chosen], **options)
