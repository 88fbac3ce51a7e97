"""Effect of being offered a mentor when chance decided (intent to treat), with randomisation inference.

Fisher 1935; Lin 2013, doi:10.1214/12-AOAS583 (adjusting in experiments); p by redrawing the assignment as it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.design import design_matrix
from evalkit.estimators.inference import cluster_codes
from evalkit.estimators.linear import Array, weighted_least_squares
from evalkit.estimators.linear_estimate import from_fit
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample, need_columns

_CHUNK = 250


def run(sample: Sample, ask: Request) -> Estimate:
    """Regression on treated, blocks and covariates; p_value is the randomisation p, the model's p is in details.

    Options: block (column within which chance decided; the exact strata where none is named), draws. With
    clustered_by, whole clusters are redrawn.
    """
    block = ask.option("block")
    strata = (*ask.exact, *((block,) if block and block not in ask.exact else ()))
    design, names = design_matrix(sample, ask.covariates, strata)
    fit = weighted_least_squares(design, sample.y, sample.weights, names)
    made = from_fit(fit, sample, replace(ask, estimand="ITT"))
    if made.value is None:
        return made
    _refuse_repeats(sample)
    blocks = _codes(sample, block) if block else _strata(sample, ask.exact)
    clusters = _codes(sample, ask.clustered_by if isinstance(ask.clustered_by, str) else None, alone=True)
    p_value, draws = randomization_p(design[:, :-1], sample.treated, sample.y, sample.weights, blocks, clusters,
                                     draws=int(ask.option("draws", 1999)), seed=ask.seed)
    details = {**made.details, "model_p_value": made.p_value, "randomization_draws": draws, "block": block}
    return replace(made, p_value=p_value, details=details)


def _refuse_repeats(sample: Sample) -> None:
    """A student compared at several start dates was drawn once: redrawing its rows apart would be another lottery."""
    if "student_id" in sample.frame.columns and sample.frame["student_id"].duplicated().any():
        raise UserError("Some students are in the comparison at several start dates, but the lottery drew each once.",
                        remedy="Give the date of the lottery as baseline (or a lottery per school in exact).")


def _strata(sample: Sample, columns: Sequence[str]) -> NDArray[np.intp]:
    """Blocks made of the exact columns together; one block where there are none."""
    if not columns:
        return np.zeros(len(sample.frame), dtype=np.intp)
    need_columns(sample.frame, columns, what="The randomisation")
    return sample.frame.groupby(list(columns), dropna=False, sort=True).ngroup().to_numpy(dtype=np.intp)


def _codes(sample: Sample, column: str | None, *, alone: bool = False) -> NDArray[np.intp]:
    if not column:
        return np.arange(len(sample.frame)) if alone else np.zeros(len(sample.frame), dtype=np.intp)
    need_columns(sample.frame, [column], what="The randomisation")
    return cluster_codes(sample.frame[column])


def randomization_p(others: Array, treated: Array, outcome: Array, weights: Array, blocks: NDArray[np.intp],
                    clusters: NDArray[np.intp], *, draws: int, seed: int) -> tuple[float, int]:
    """Two-sided p of the adjusted difference: share of redrawn assignments as extreme, the real one counted."""
    root = np.sqrt(weights)
    q, _ = np.linalg.qr(others * root[:, None])
    left = outcome * root - q @ (q.T @ (outcome * root))
    first = np.unique(clusters, return_index=True)[1]
    place = np.unique(clusters, return_inverse=True)[1]
    arm, block = treated[first], blocks[first]
    if (arm[place] != treated).any():
        raise UserError("A cluster holds treated and comparison students, so it was not drawn as a whole.",
                        remedy="Leave clustered_by out.")
    rng = np.random.default_rng(seed)
    observed, extreme = abs(_effects(treated[None, :] * root, q, left)[0]), 0
    for start in range(0, draws, _CHUNK):
        drawn = _redraw(rng, arm, block, min(_CHUNK, draws - start))[:, place]
        extreme += int((np.abs(_effects(drawn * root, q, left)) >= observed - 1e-12).sum())
    return (1 + extreme) / (1 + draws), draws


def _effects(treated: Array, q: Array, left: Array) -> Array:
    """The regression coefficient of every row of assignments at once (Frisch-Waugh)."""
    spread = (treated**2).sum(axis=1) - ((treated @ q) ** 2).sum(axis=1)
    return np.divide(treated @ left, spread, out=np.zeros(len(treated)), where=spread > 1e-12)


def _redraw(rng: np.random.Generator, arm: Array, block: NDArray[np.intp], draws: int) -> Array:
    drawn = np.empty((draws, len(arm)))
    for code in np.unique(block):
        here = np.flatnonzero(block == code)
        drawn[:, here] = rng.permuted(np.tile(arm[here], (draws, 1)), axis=1)
    return drawn
