"""What people said (surveys, focus groups, interviews), and how far it can be relied on.

Agreement between coders: rows of the insight table by different coders about the same statement, that is the same date,
the same source_role and the same quote. Representativeness: who answered a survey, against who could have, by band.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

SAME_STATEMENT = ("date", "source_role", "quote")
FIELDS = ("theme", "pattern")
LEAST_DOUBLE = 10
"""Statements coded by both: with fewer, no kappa is said."""
Z = 1.959963984540054
"""97.5 % point of the normal distribution."""


def cohen_kappa(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Agreement of two coders beyond chance (Cohen 1960), with the large-sample 95 % interval of Fleiss et al.
    (1969). n, agreement, kappa, ci_low, ci_high; kappa is missing where both used one code only."""
    names = np.unique(np.concatenate([first, second]))
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (np.searchsorted(names, first), np.searchsorted(names, second)), 1)
    n = table.sum()
    p = table / max(n, 1)
    row, column, agreed = p.sum(axis=1), p.sum(axis=0), float(np.trace(p))
    chance = float(row @ column)
    if n == 0 or chance >= 1:
        return {"n": int(n), "agreement": agreed, "kappa": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    kappa = (agreed - chance) / (1 - chance)
    diagonal = np.diag(p) * (1 - (row + column) * (1 - kappa)) ** 2
    pairs = p * (row[None, :] + column[:, None]) ** 2
    off = (1 - kappa) ** 2 * (pairs.sum() - np.trace(pairs))
    var = (diagonal.sum() + off - (kappa - chance * (1 - kappa)) ** 2) / ((1 - chance) ** 2 * n)
    half = Z * np.sqrt(max(float(var), 0.0))
    return {"n": int(n), "agreement": agreed, "kappa": kappa, "ci_low": kappa - half, "ci_high": min(kappa + half, 1.0)}


def coder_agreement(insight: pd.DataFrame) -> pd.DataFrame:
    """Cohen's kappa of every pair of coders who coded the same statements. Grain: field (theme, pattern) x pair.

    Columns: field, first, second, n, agreement, kappa, ci_low, ci_high. A statement is told by date, source_role and
    quote; rows without a quote cannot be paired. A blank pattern counts as a code of its own ("none").
    """
    names = ["field", "first", "second", "n", "agreement", "kappa", "ci_low", "ci_high"]
    if not {*SAME_STATEMENT, "coder"} <= set(insight.columns):
        return pd.DataFrame(columns=names)
    said = insight.dropna(subset=["quote", "coder"])
    rows = []
    for field in FIELDS:
        coded = said.assign(code=said[field].astype("object").where(said[field].notna(), "none").astype("str"))
        wide = coded.drop_duplicates([*SAME_STATEMENT, "coder"], keep="last").pivot(
            index=list(SAME_STATEMENT), columns="coder", values="code"
        )
        for a, b in combinations(wide.columns, 2):
            both = wide[[a, b]].dropna()
            if len(both) >= LEAST_DOUBLE:
                found = cohen_kappa(both[a].to_numpy(dtype=str), both[b].to_numpy(dtype=str))
                rows.append({"field": field, "first": a, "second": b, **found})
    return pd.DataFrame(rows, columns=names)


def agreement_word(kappa: float) -> str:
    """Landis & Koch (1977), in plain words."""
    if np.isnan(kappa):
        return "cannot be told"
    limits = ((0.8, "almost full"), (0.6, "good"), (0.4, "fair"), (0.2, "weak"))
    return next((word for limit, word in limits if kappa > limit), "little more than chance")


def what_people_said(insight: pd.DataFrame) -> pd.DataFrame:
    """Statements by theme. Grain: theme; n_statements, n_roles, works_well, works_less, could_do."""
    said = insight.dropna(subset=["theme"])
    works = said["works"].astype("str") if "works" in said else pd.Series("", index=said.index)
    marks = {name: works.eq(name).astype("int64") for name in ("works_well", "works_less", "could_do")}
    table = said.assign(**marks).groupby("theme")
    counts = table.agg(
        n_statements=("theme", "size"), n_roles=("source_role", "nunique"), **{name: (name, "sum") for name in marks}
    )
    return counts.reset_index().sort_values(["n_statements", "theme"], ascending=[False, True], ignore_index=True)


def survey_by_band(study: Any) -> pd.DataFrame:
    """Who answered a survey against who could have. Grain: band, in order, and a last row "all".

    n_roster: students of the year so far whose band is known; n_answered: those who answered; response with its
    Wilson interval (ci_low, ci_high); roster_share and answered_share: the band's share of all, and of those who
    answered; gap: answered_share minus roster_share with gap_low and gap_high (against those who did not answer).
    Bands are those of the school year up to the report's date.
    """
    from evalkit.measures import BANDS, band
    from evalkit.panel import student_panel

    answers = study.table("survey")
    answers = answers[answers["asked_on"].notna() & (answers["asked_on"] <= study.as_of)]
    panel = student_panel(study)
    panel = panel.assign(band=band(panel, rules=study.rules)).dropna(subset=["band"])
    panel = panel.assign(answered=panel["student_id"].isin(answers["student_id"]))
    table = panel.groupby("band")["answered"].agg(n_roster="size", n_answered="sum")
    table = table.reindex([name for name in BANDS if name in table.index])
    return response_table(table.reset_index())


def response_table(counts: pd.DataFrame) -> pd.DataFrame:
    """The columns of `survey_by_band` from band, n_roster, n_answered."""
    whole = pd.DataFrame(
        {"band": ["all"], "n_roster": [counts["n_roster"].sum()], "n_answered": [counts["n_answered"].sum()]}
    )
    table = pd.concat([counts, whole], ignore_index=True).astype({"n_roster": "int64", "n_answered": "int64"})
    table["response"] = table["n_answered"] / table["n_roster"].where(table["n_roster"] > 0)
    table["ci_low"], table["ci_high"] = wilson(table["n_answered"].to_numpy(), table["n_roster"].to_numpy())
    n, k = float(counts["n_roster"].sum()), float(counts["n_answered"].sum())
    table["roster_share"] = table["n_roster"] / max(n, 1)
    table["answered_share"] = table["n_answered"] / max(k, 1)
    table["gap"] = table["answered_share"] - table["roster_share"]
    left = n - k
    silent = (table["n_roster"] - table["n_answered"]) / max(left, 1)
    spread = table["answered_share"] * (1 - table["answered_share"]) / max(k, 1) + silent * (1 - silent) / max(left, 1)
    # the roster is the two groups together, so the gap is this part of the difference between them
    half = Z * np.sqrt(spread) * left / max(n, 1)
    return table.assign(gap_low=table["gap"] - half, gap_high=table["gap"] + half)


def wilson(count: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % interval of a share."""
    n = np.maximum(np.asarray(size, dtype=float), 1e-9)
    p = np.asarray(count, dtype=float) / n
    middle, half = p + Z**2 / (2 * n), Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n)
