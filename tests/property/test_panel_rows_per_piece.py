"""How many rows lie on the counted school days of a piece: the short way (a count by student and school) and the long
way together give what counting row by row in plain Python gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.engine import open_session
from evalkit.panel import marks

DATES = pd.bdate_range("2025-09-01", periods=30)


def a_world(seed: int):
    """Three calendars (B lacks two days, C stops early), re-entries, rows on weekends, outside a stay, of another
    school, and twice."""
    draw = np.random.default_rng(seed)
    closed = {"B": {DATES[3], DATES[17]}, "C": set(DATES[25:])} if seed % 3 else {}
    days = pd.DataFrame([(i, date) for i, school in enumerate("ABC") for date in DATES], columns=["calendar", "date"])
    days["counted"] = [row.date not in closed.get("ABC"[row.calendar], ()) for row in days.itertuples()]
    days["day_row"] = np.arange(len(days))
    pieces = []
    for n in range(25):
        school, first = "ABC"[n % 3], int(draw.integers(0, 8))
        cut = int(draw.integers(10, 20))
        stays = [(school, first, 29)] if draw.random() < 0.6 else [(school, first, cut), (
            school if draw.random() < 0.5 else "ABC"[(n + 1) % 3], cut + 2, 29)]
        pieces += [(f"s{n:02}", where, "ABC".index(where), DATES[a], DATES[b]) for where, a, b in stays]
    frame = pd.DataFrame(pieces, columns=["student_id", "school_id", "calendar", "first_date", "last_date"])
    frame = frame.astype({"student_id": "str", "school_id": "str"}).assign(piece=np.arange(len(pieces)))
    every = [*DATES, pd.Timestamp("2025-09-06")]
    rows = [(f"s{n:02}", where, date) for n in range(27) for where in "ABC" for date in every
            if draw.random() < (0.9 if where == "ABC"[n % 3] else 0.1)]
    rows += [row for row in rows if draw.random() < 0.05]
    events = pd.DataFrame(rows, columns=["student_id", "school_id", "date"]).astype(
        {"student_id": "str", "school_id": "str", "date": "datetime64[us]"})
    return events.assign(code_local="P").astype({"code_local": "str"}), frame, days


def recount(events, pieces, days) -> dict[int, int]:
    counted = {(row.calendar, row.date) for row in days.itertuples() if row.counted}
    found: dict[int, int] = {}
    for piece in pieces.itertuples():
        n = sum(row.student_id == piece.student_id and row.school_id == piece.school_id
                and piece.first_date <= row.date <= piece.last_date and (piece.calendar, row.date) in counted
                for row in events.itertuples())
        if n:
            found[piece.piece] = n
    return found


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize("seed", range(6))
def test_rows_per_piece_is_a_count_row_by_row(engine, seed):
    events, pieces, days = a_world(seed)
    with open_session(engine, sources=[events]) as session:
        rows = marks.open_rows(session, events, first=pd.Timestamp("2025-07-01"), last=pd.Timestamp("2026-06-30"))
        found = marks.rows_per_piece(rows, pieces, days)
    assert {piece: n for piece, n in found.items() if n} == recount(events, pieces, days)
