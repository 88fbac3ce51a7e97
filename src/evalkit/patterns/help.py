"""From barrier to help: need against capacity, what became of referrals, how long it took, what nobody serves."""

from __future__ import annotations

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


def after_resolution(barriers: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
    """Absence after a barrier was resolved, beside students with the same barrier still open: an association, no
    effect.

    rates: student_id, pattern, before, after (shares missed 30 school days before and after the resolution, or for an
    open barrier before and after the median number of days until resolution). Grain: pattern; n, mean change by group.
    """
    table = barriers[["student_id", "pattern", "status"]].merge(rates, on=["student_id", "pattern"])
    table = table.assign(
        group=table["status"].eq("resolved").map({True: "resolved", False: "open"}),
        change=table["after"] - table["before"],
    )
    return table.groupby(["pattern", "group"])["change"].agg(n="size", change="mean").reset_index()
