"""Every student-day as arrays, for the measures that walk through a year: crossings, streaks, spells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from evalkit.panel.book import DayBook, open_days

CHUNK = 2_000_000


def daily_rows(book: DayBook) -> pd.DataFrame:
    """Every counted student-day in order: student (number), piece, day_row, units, absent_units, enrolled_day (1..)."""
    chunks = list(daily_chunks(book, most=1 << 62))
    return chunks[0]


def daily_chunks(book: DayBook, *, most: int = CHUNK) -> Iterator[pd.DataFrame]:
    """`daily_rows` in parts of about `most` rows, never dividing a student: a large district stays in memory bounds."""
    length = (book.pieces["row_end"] - book.pieces["row_first"]).to_numpy("int64")
    student = book.pieces["student"].to_numpy("int64")
    part = (np.cumsum(length) - length) // most
    part = pd.Series(part).groupby(student).transform("min").to_numpy()
    for number in np.unique(part) if len(part) else [0]:
        yield _expand(book, np.flatnonzero(part == number))


def _expand(book: DayBook, chosen: np.ndarray) -> pd.DataFrame:
    pieces = book.pieces.iloc[chosen]
    length = (pieces["row_end"] - pieces["row_first"]).to_numpy("int64")
    offset = np.cumsum(length) - length
    day_row = np.arange(length.sum()) - np.repeat(offset - pieces["row_first"].to_numpy("int64"), length)
    absent = np.zeros(len(day_row), dtype="int64")
    out = np.zeros(len(day_row), dtype=bool)
    marks = book.marks[np.isin(book.marks["piece"].to_numpy("int64"), chosen)]
    where = _positions(marks, chosen, offset, pieces)
    absent[where], out[where] = marks["absent_units"].to_numpy("int64"), marks["is_out"].to_numpy(bool)
    frame = pd.DataFrame({"student": np.repeat(pieces["student"].to_numpy("int64"), length),
                          "piece": np.repeat(chosen, length), "day_row": day_row,
                          "units": book.days["units"].to_numpy("int64")[day_row], "absent_units": absent})[~out]
    frame["enrolled_day"] = frame.groupby("student", sort=False).cumcount().to_numpy() + 1
    return frame.reset_index(drop=True)


def _positions(marks: pd.DataFrame, chosen: np.ndarray, offset: np.ndarray, pieces: pd.DataFrame) -> np.ndarray:
    """Where each mark stands among the expanded rows."""
    place = np.searchsorted(chosen, marks["piece"].to_numpy("int64"))
    return offset[place] + marks["day_row"].to_numpy("int64") - pieces["row_first"].to_numpy("int64")[place]


def spells(study: Any, *, book: DayBook | None = None, whole_days: bool = True) -> pd.DataFrame:
    """Runs of consecutive school days missed: grain student_id x first_date.

    school_id, first_date, last_date, n_days, is_current (the run reaches the student's last counted day). Consecutive
    means the student's own school days: a weekend, holiday or a day not expected neither breaks nor lengthens a run.
    whole_days=False counts days missed in part too.
    """
    book = book or open_days(study)
    parts = [_runs(rows, whole_days) for rows in daily_chunks(book)]
    runs = pd.concat(parts, ignore_index=True)
    dates, piece = book.days["date"].to_numpy(), book.pieces.iloc[runs["piece"]]
    return pd.DataFrame({"student_id": piece["student_id"].to_numpy(), "school_id": piece["school_id"].to_numpy(),
                         "first_date": dates[runs["first_row"]], "last_date": dates[runs["last_row"]],
                         "n_days": runs["n_days"].to_numpy("int64"), "is_current": runs["is_current"].to_numpy(bool)})


def _runs(rows: pd.DataFrame, whole_days: bool) -> pd.DataFrame:
    units = rows["units"] if whole_days else 1
    missed = (rows["absent_units"] >= units).to_numpy(bool)
    student = rows["student"].to_numpy()
    before = np.concatenate([[-1], student[:-1]])
    after = np.concatenate([student[1:], [-1]])
    starts = missed & (~np.concatenate([[False], missed[:-1]]) | (before != student))
    stops = missed & (~np.concatenate([missed[1:], [False]]) | (after != student))
    begin, end = np.flatnonzero(starts), np.flatnonzero(stops)
    return pd.DataFrame({"piece": rows["piece"].to_numpy()[end], "first_row": rows["day_row"].to_numpy()[begin],
                         "last_row": rows["day_row"].to_numpy()[end], "n_days": end - begin + 1,
                         "is_current": after[end] != student[end]})


def longest_runs(windows: pd.DataFrame, *, book: DayBook) -> np.ndarray:
    """The longest run of whole school days missed inside each window (student_id, start, end; both ends count): one
    number a row, 0 where none was missed. Runs are those of `spells`, cut at the window's ends."""
    number = _own_day_number(book)
    marks = book.marks
    missed = ~marks["is_out"].to_numpy(bool) & (marks["absent_units"] >= marks["units"]).to_numpy(bool)
    piece, row = (marks[name].to_numpy("int64")[missed] for name in ("piece", "day_row"))
    gone = pd.DataFrame({"student_id": book.pieces["student_id"].to_numpy()[piece], "number": number[missed],
                         "date": book.days["date"].to_numpy()[row]})
    both = windows[["student_id", "start", "end"]].assign(window=np.arange(len(windows))).merge(gone, on="student_id")
    both = both[both["date"].ge(both["start"]) & (both["end"].isna() | both["date"].le(both["end"]))]
    both = both.sort_values(["window", "number"], kind="stable")
    run = both["number"] - both.groupby("window").cumcount()
    length = both.groupby(["window", run.rename("run")]).size().groupby(level="window").max()
    return length.reindex(range(len(windows)), fill_value=0).to_numpy("int64")


def _own_day_number(book: DayBook) -> np.ndarray:
    """Of every mark, which of its student's own school days it stands on: days not expected have no number."""
    pieces, out = book.pieces, book.mark_totals["out_days"]
    width, begin = len(book.days) + 1, pieces["row_first"].to_numpy("int64")
    owner = pieces["piece"].to_numpy("int64") * width
    low, high = (np.searchsorted(book.mark_places, owner + row, "left")
                 for row in (begin, pieces["row_end"].to_numpy("int64")))
    own = pieces["row_end"].to_numpy("int64") - begin - (out[high] - out[low])
    before = pd.Series(own).groupby(pieces["student"].to_numpy()).cumsum().to_numpy() - own
    piece = book.marks["piece"].to_numpy("int64")
    return before[piece] + book.marks["day_row"].to_numpy("int64") - begin[piece] - (out[:-1] - out[low[piece]])
