"""Stored answers of the reference package for tests/spec/test_estimators_discontinuity.py.

    pip install rdrobust
    python tests/golden/discontinuity_peer.py      (writes tests/golden/discontinuity.json)

rdrobust (Calonico, Cattaneo, Farrell & Titiunik), local linear, triangular kernel, MSE bandwidth, HC0-HC3 errors.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
CUTOFF = 0.13
CASES = {"plain": (1, 800, 0), "many": (2, 3000, 0), "ties": (3, 1000, 2)}


def scores(seed: int, n: int, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Score and outcome of a case; digits above 0 round the score, so that students tie."""
    rng = np.random.default_rng(seed)
    x = rng.beta(2, 8, n)
    x = np.round(x, digits) if digits else x
    y = 0.05 + x**2 + 0.03 * np.sin(4 * x) - 0.03 * (x >= CUTOFF) + 0.05 * (1 + x) * rng.standard_normal(n)
    return x, y


def peer(name: str, kind: str, **options: Any) -> dict[str, Any]:
    """What rdrobust says: values, robust error and interval, bandwidths."""
    from rdrobust import rdrobust

    x, y = scores(*CASES[name])
    found = rdrobust(y, x, c=CUTOFF, vce=kind.lower(), **options)
    value, corrected, _ = found.coef.to_numpy().ravel()
    low, high = found.ci.to_numpy()[2]
    return {"value": value, "corrected": corrected, "standard_error": found.se.to_numpy().ravel()[2], "ci_low": low,
            "ci_high": high, "bandwidth": found.bws.to_numpy()[0, 0], "bias_bandwidth": found.bws.to_numpy()[1, 0]}


def answers() -> dict[str, Any]:
    """Data-driven bandwidths with HC2 (evalkit chooses them so whatever error is asked), every error at a given one."""
    made = {f"{name}.HC2": peer(name, "HC2") for name in CASES}
    return made | {f"given.{kind}": peer("plain", kind, h=0.08) for kind in ("HC0", "HC1", "HC2", "HC3")}


if __name__ == "__main__":
    stored = {"rdrobust": version("rdrobust"), "python": sys.version.split()[0], "answers": answers()}
    (HERE / "discontinuity.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
