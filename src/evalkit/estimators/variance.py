"""Standard errors of a fitted regression: robust (HC0-HC3) and clustered (CR0-CR3) with Satterthwaite df.

HC: MacKinnon & White 1985. CR2 ("bias-reduced linearisation") and its degrees of freedom: Bell & McCaffrey 2002;
Pustejovsky & Tipton 2018, doi:10.1080/07350015.2016.1247004, with the identity as working covariance (as clubSandwich
does for a weighted lm). CR1S carries (n-1)/(n-p) besides G/(G-1); CR3 is the cluster jackknife.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evalkit.estimators.linear import Array, Fit

HC_KINDS = ("HC0", "HC1", "HC2", "HC3")
CR_KINDS = ("CR0", "CR1", "CR1S", "CR2", "CR3")
_EIGEN_FLOOR = 1e-12
"""Eigenvalues of the adjustment matrix below this count as zero (clubSandwich's matrix_power)."""


def robust_error(fit: Fit, contrast: Array, kind: str) -> tuple[float, float]:
    """(standard error, df) of a contrast, each row on its own; df = n - p."""
    direction = fit.design @ (fit.bread @ contrast)
    score = fit.weights * fit.residuals * direction
    spare = 1.0 - fit.leverage
    power = {"HC0": 0.0, "HC1": 0.0, "HC2": 0.5, "HC3": 1.0}[kind]
    total = float(((score / np.maximum(spare, 1e-12) ** power) ** 2).sum())
    if kind == "HC1":
        total *= fit.n / (fit.n - fit.rank)
    return float(np.sqrt(total)), float(fit.n - fit.rank)


def cluster_error(fit: Fit, contrast: Array, clusters: NDArray[np.intp], kind: str) -> tuple[float, float]:
    """(standard error, Satterthwaite df) of a contrast; NaN where a cluster cannot be left out (CR3)."""
    score, squares, inner, outer = _adjusted(fit, contrast, clusters, kind)
    n_clusters = len(score)
    total = float((score**2).sum()) * _scale(fit, n_clusters, kind)
    return float(np.sqrt(total)), _satterthwaite(fit, squares, inner, outer)


def two_way_error(fit: Fit, contrast: Array, first: NDArray[np.intp], second: NDArray[np.intp],
                  kind: str) -> tuple[float, float]:
    """Two-way clustering, V1 + V2 - V12 (Cameron, Gelbach & Miller 2011); df the smaller of the two.

    Where the difference falls below the larger one-way variance, that one is used: never less than either.
    """
    both = np.unique(np.column_stack([first, second]), axis=0, return_inverse=True)[1].ravel()
    one, df_one = cluster_error(fit, contrast, first, kind)
    two, df_two = cluster_error(fit, contrast, second, kind)
    joint, _ = cluster_error(fit, contrast, both, kind)
    return float(np.sqrt(max(one**2 + two**2 - joint**2, one**2, two**2))), min(df_one, df_two)


def adjusted_scores(fit: Fit, contrast: Array, clusters: NDArray[np.intp], kind: str) -> Array:
    """Each cluster's adjusted score of a contrast, in the order of the cluster numbers (0 where a number is unused)."""
    direction = fit.design @ (fit.bread @ contrast)
    scores = np.zeros(int(clusters.max()) + 1)
    for rows in _blocks(clusters):
        adjusted = _adjust(fit, contrast, fit.weights[rows] * direction[rows], rows, kind)
        scores[clusters[rows[:, 0]]] = np.einsum("gi,gi->g", adjusted, fit.residuals[rows])
    return scores


def _scale(fit: Fit, n_clusters: int, kind: str) -> float:
    if kind not in ("CR1", "CR1S"):
        return 1.0
    factor = n_clusters / (n_clusters - 1)
    return factor * (fit.n - 1) / (fit.n - fit.rank) if kind == "CR1S" else factor


def _adjusted(fit: Fit, contrast: Array, clusters: NDArray[np.intp], kind: str) -> tuple[Array, Array, Array, Array]:
    """Per cluster j, with a_j = A_j' W_j X_j M c: the score a_j'e_j, a_j'a_j, X_j'a_j and X_j'W_j a_j."""
    direction = fit.design @ (fit.bread @ contrast)
    parts: list[tuple[Array, Array, Array, Array]] = []
    for rows in _blocks(clusters):
        adjusted = _adjust(fit, contrast, fit.weights[rows] * direction[rows], rows, kind)
        design = fit.design[rows]
        parts.append((np.einsum("gi,gi->g", adjusted, fit.residuals[rows]),
                      np.einsum("gi,gi->g", adjusted, adjusted),
                      np.einsum("gip,gi->gp", design, adjusted),
                      np.einsum("gip,gi,gi->gp", design, fit.weights[rows], adjusted)))
    return tuple(np.concatenate(piece) for piece in zip(*parts, strict=True))  # type: ignore[return-value]


def _blocks(clusters: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Row numbers of clusters of equal size, stacked (g x size), so that thousands of pairs are one block."""
    order = np.argsort(clusters, kind="stable")
    _, start, size = np.unique(clusters[order], return_index=True, return_counts=True)
    for width in np.unique(size):
        first = start[size == width]
        yield order[first[:, None] + np.arange(width)[None, :]]


def _adjust(fit: Fit, contrast: Array, vector: Array, rows: NDArray[np.intp], kind: str) -> Array:
    """A_j' v for every cluster of the block."""
    if kind in ("CR0", "CR1", "CR1S"):
        return vector
    if kind == "CR3":
        return _leave_out(fit, contrast, vector, rows)
    if rows.shape[1] <= 2 * fit.rank:
        return _half_inverse_dense(fit, vector, rows)
    return np.stack([_half_inverse_low_rank(fit, v, r) for v, r in zip(vector, rows, strict=True)])


def _leave_out(fit: Fit, contrast: Array, vector: Array, rows: NDArray[np.intp]) -> Array:
    """CR3: A_j = (I - H_jj)^-1 by Woodbury, v + W X (X'WX without j)^-1 X' v: a p x p solve however large the school.

    Where columns live in one cluster only (its own dummy) they go with it; NaN when the contrast cannot be had then.
    """
    result = np.full(vector.shape, np.nan)
    size = np.sqrt(np.diag(fit.bread))
    whole = np.linalg.inv(fit.bread)
    for index, (v, r) in enumerate(zip(vector, rows, strict=True)):
        design, weights = fit.design[r], fit.weights[r]
        rest = (whole - (design * weights[:, None]).T @ design) * size[:, None] * size[None, :]
        inverse = np.linalg.pinv((rest + rest.T) / 2, rcond=1e-10, hermitian=True)
        scaled = contrast / size
        if np.linalg.norm(rest @ (inverse @ scaled) - scaled) < 1e-6 * np.linalg.norm(scaled):
            result[index] = v + weights * (design @ (size * (inverse @ (size * (design.T @ v)))))
    return result


def _middle(fit: Fit) -> Array:
    """M X'W W X M, what the identity working covariance leaves in the adjustment of a weighted fit."""
    weighted = fit.design * fit.weights[:, None]
    return fit.bread @ (weighted.T @ weighted) @ fit.bread


def _half_inverse_dense(fit: Fit, vector: Array, rows: NDArray[np.intp]) -> Array:
    design, weights = fit.design[rows], fit.weights[rows]
    hat = np.einsum("gip,pq,gjq,gj->gij", design, fit.bread, design, weights, optimize=True)
    spread = np.einsum("gip,pq,gjq->gij", design, _middle(fit), design, optimize=True)
    matrix = np.eye(rows.shape[1]) - hat - hat.transpose(0, 2, 1) + spread
    values, vectors = np.linalg.eigh(matrix)
    turned = np.einsum("gij,gi->gj", vectors, vector)
    return np.einsum("gij,gj->gi", vectors, turned * _power(values))


def _half_inverse_low_rank(fit: Fit, vector: Array, rows: NDArray[np.intp]) -> Array:
    """The same for one large cluster: the matrix is I + U K U' with U = [X, WX], so only its 2p directions move."""
    design, weights = fit.design[rows], fit.weights[rows]
    q, r = np.linalg.qr(np.hstack([design, design * weights[:, None]]))
    middle = np.block([[_middle(fit), -fit.bread], [-fit.bread, np.zeros_like(fit.bread)]])
    small = np.eye(r.shape[0]) + r @ middle @ r.T
    values, vectors = np.linalg.eigh((small + small.T) / 2)
    inside = q.T @ vector
    return vector + q @ (vectors @ (_power(values) * (vectors.T @ inside)) - inside)


def _power(values: Array) -> Array:
    return np.where(values > _EIGEN_FLOOR, 1.0 / np.sqrt(np.where(values > _EIGEN_FLOOR, values, 1.0)), 0.0)


def _satterthwaite(fit: Fit, squares: Array, inner: Array, outer: Array) -> float:
    """2 E(V)^2 / Var(V) under independent errors of equal variance (Bell-McCaffrey)."""
    if len(squares) <= 3000:
        cross = inner @ fit.bread @ outer.T
        table = np.diag(squares) - cross - cross.T + inner @ _middle(fit) @ inner.T
        return float(np.trace(table) ** 2 / (table**2).sum())
    return _satterthwaite_many(fit, squares, inner, outer)


def _satterthwaite_many(fit: Fit, squares: Array, inner: Array, outer: Array) -> float:
    """The same without the G x G table: it is a diagonal plus a matrix of rank 2p, F K F'."""
    factor = np.hstack([inner, outer])
    kernel = np.block([[_middle(fit), -fit.bread], [-fit.bread, np.zeros_like(fit.bread)]])
    low = np.einsum("gp,pq,gq->g", factor, kernel, factor)
    gram = kernel @ (factor.T @ factor)
    total = float((squares**2).sum() + 2 * (squares * low).sum() + np.trace(gram @ gram))
    return float((squares + low).sum() ** 2 / total)
