"""From barrier to help: need against capacity, what became of referrals, how long it took, what nobody serves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

STALE_DAYS = 180
GONE = ("declined", "no_show", "not_eligible")


def open_barriers(barriers: pd.DataFrame) -> pd.DataFrame:
    """Barriers not resolved. A text suggestion is no barrier until a person confirmed it."""
    said = barriers[barriers["source"].ne("text_suggested").fillna(True)]
    return said[~said["status"].isin(["resolved", "cannot_resolve"])]


def gap_matrix(barriers: pd.DataFrame, resources: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Need against capacity. Grain: pattern. n_students (open barrier), n_resources, capacity, unserved, n_stale, ask.

    A resource of several barriers lends its whole capacity to each, so the capacity is a most favorable figure;
    inactive
    resources and those without a stated capacity add none. Stale: not checked for 180 days.
    """
    need = open_barriers(barriers).groupby("pattern")["student_id"].nunique().rename("n_students")
    listed = _resource_rows(resources)
    active = listed[listed["active"].fillna(True).astype(bool)]
    stale = active["checked_date"].isna() | ((as_of - active["checked_date"]).dt.days > STALE_DAYS)
    supply = (
        active.assign(stale=stale)
        .groupby("pattern")
        .agg(n_resources=("resource_id", "nunique"), capacity=("capacity", "sum"), n_stale=("stale", "sum"))
    )
    table = need.to_frame().join(supply, how="left").fillna(0).astype("int64").reset_index()
    table["unserved"] = (table["n_students"] - table["capacity"]).clip(lower=0)
    table["ask"] = [_ask(row.n_resources, row.unserved, row.n_stale) for row in table.itertuples()]
    return table.sort_values(["unserved", "n_students"], ascending=False, ignore_index=True)


def _resource_rows(resources: pd.DataFrame) -> pd.DataFrame:
    """A row per resource and barrier it answers."""
    rows = resources.assign(pattern=resources["patterns"].fillna("").astype("str").str.split(";")).explode("pattern")
    rows["pattern"] = rows["pattern"].astype("str").str.strip()
    capacity = pd.to_numeric(rows["capacity"], errors="coerce").fillna(0).astype("int64")
    return rows.assign(capacity=capacity)[rows["pattern"].ne("")]


def _ask(n_resources: int, unserved: int, n_stale: int) -> str:
    if n_resources == 0:
        return "Find a first partner"
    if unserved > 0:
        return "Ask for more places"
    return "Check that it is still there" if n_stale else "Places enough"


def referral_funnel(barriers: pd.DataFrame, referrals: pd.DataFrame) -> pd.DataFrame:
    """What became of barriers. Grain: pattern. n_barriers, n_referred, n_connected, n_waiting, n_ended (declined, did
    not
    come, not eligible), n_unknown: students; days_to_connect: median days from referral to connection."""
    named = barriers.groupby("pattern")["student_id"].nunique().rename("n_barriers")
    one = referrals.assign(days=(referrals["outcome_date"] - referrals["made_date"]).dt.days)
    outcome = one["outcome"].fillna("unknown")
    parts = {
        "n_referred": outcome.notna(),
        "n_connected": outcome.eq("connected"),
        "n_waiting": outcome.eq("waitlisted"),
        "n_ended": outcome.isin(GONE),
        "n_unknown": outcome.eq("unknown"),
    }
    counts = {name: one[mask].groupby("pattern")["student_id"].nunique() for name, mask in parts.items()}
    table = pd.concat([named, pd.DataFrame(counts)], axis=1).fillna(0).astype("int64")
    table["days_to_connect"] = one[outcome.eq("connected")].groupby("pattern")["days"].median()
    return table.rename_axis("pattern").reset_index().sort_values("n_barriers", ascending=False, ignore_index=True)


WINDOW_DAYS = 42
"""Six weeks before and after: about 30 school days."""
LEAST_WINDOW = 15
LEAST_RESOLVED = 5
RESOLUTION_COLUMNS = [
    "pattern",
    "n_resolved",
    "n_open",
    "change_resolved",
    "change_open",
    "difference",
    "ci_low",
    "ci_high",
]


def resolution_windows(barriers: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Six weeks before and after a barrier was resolved; for one still open, before and after the day on which such a
    barrier was usually resolved (date found + the median days to resolution). Grain: student x pattern x when.
    """
    kept = open_barriers(barriers).assign(group="open")
    done = barriers[barriers["status"].eq("resolved") & barriers["resolved_date"].notna()].assign(group="resolved")
    done = done[done["source"].ne("text_suggested").fillna(True)]
    rows = pd.concat([done, kept], ignore_index=True).dropna(subset=["identified_date"])
    waited = (rows["resolved_date"] - rows["identified_date"]).dt.days.where(rows["group"].eq("resolved"))
    usual = waited.groupby(rows["pattern"]).transform("median").fillna(waited.median())
    planned = rows["identified_date"] + pd.to_timedelta(usual.round(), unit="D")
    rows["turn"] = rows["resolved_date"].where(rows["group"].eq("resolved"), planned)
    rows = rows.dropna(subset=["turn"]).drop_duplicates(["student_id", "pattern"])
    keys = rows[["student_id", "pattern", "group"]]
    day, span = pd.Timedelta(days=1), pd.Timedelta(days=WINDOW_DAYS)
    before = keys.assign(when="before", start=rows["turn"] - span, end=rows["turn"] - day)
    after = keys.assign(when="after", start=rows["turn"], end=rows["turn"] + span - day)
    both = pd.concat([before, after], ignore_index=True)
    return both[both["end"] <= as_of].reset_index(drop=True)


def after_resolution(study: Any) -> pd.DataFrame:
    """What happened to absence after a barrier was resolved, beside students with the same barrier still open.

    An association, never an effect: whose barrier is resolved is not by chance. See `resolution_difference`.
    """
    from evalkit.panel import window_panel

    windows = resolution_windows(study.table("barrier"), study.as_of)
    if windows.empty:
        return pd.DataFrame(columns=RESOLUTION_COLUMNS)
    panel = window_panel(study, windows)
    panel = panel[panel["n_days"] >= LEAST_WINDOW]
    wide = panel.pivot(index=["student_id", "pattern", "group"], columns="when", values="absence_rate")
    wide = wide.reindex(columns=["before", "after"]).dropna().reset_index()
    return resolution_difference(wide.assign(change=wide["after"] - wide["before"]))


def resolution_difference(changes: pd.DataFrame) -> pd.DataFrame:
    """Change of the share of days missed, resolved minus open. Grain: pattern, and a first row "all".

    changes: student_id, pattern, group (resolved, open), change. Row "all" compares within barriers only (a barrier
    counts with n1 n0 / (n1 + n0)); the interval allows for a student with several barriers (clustered, CR1).
    A pattern needs 5 students on each side.
    """
    sizes = changes.groupby(["pattern", "group"]).size().unstack(fill_value=0).reindex(columns=["resolved", "open"])
    sizes = sizes.fillna(0)
    both = sizes.index[(sizes > 0).all(axis=1)]
    single = sizes.index[(sizes >= LEAST_RESOLVED).all(axis=1)]
    parts = [("all", changes[changes["pattern"].isin(both)])]
    parts += [(name, changes[changes["pattern"].eq(name)]) for name in single]
    rows = [_difference(name, part) for name, part in parts if len(part) >= 2 * LEAST_RESOLVED]
    return pd.DataFrame(rows, columns=RESOLUTION_COLUMNS)


def _difference(name: str, part: pd.DataFrame) -> dict[str, object]:
    from scipy import special

    treated = part["group"].eq("resolved").to_numpy(dtype=float)
    pattern = part["pattern"].to_numpy()
    x = treated - pd.Series(treated).groupby(pattern).transform("mean").to_numpy()
    y = part["change"].to_numpy() - part["change"].groupby(pattern).transform("mean").to_numpy()
    value = float(x @ y / (x @ x))
    score = pd.Series(x * (y - value * x)).groupby(part["student_id"].to_numpy()).sum()
    n, g, k = len(part), len(score), 1 + part["pattern"].nunique()
    se = float(np.sqrt((score @ score) / (x @ x) ** 2 * g / (g - 1) * (n - 1) / (n - k)))
    half = float(special.stdtrit(g - 1, 0.975)) * se
    means = part.groupby("group")["change"].mean()
    return {
        "pattern": name,
        "n_resolved": int(treated.sum()),
        "n_open": int(n - treated.sum()),
        "change_resolved": float(means["resolved"]),
        "change_open": float(means["open"]),
        "difference": value,
        "ci_low": value - half,
        "ci_high": value + half,
    }
