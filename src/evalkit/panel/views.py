"""Views of the day book: who was enrolled and absent, by student, school, month, or any window of dates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import UserError, must_be_one_of
from evalkit.panel import totals
from evalkit.panel.book import DayBook, open_days
from evalkit.panel.calendar import as_ordinal
from evalkit.panel.judge import is_chronic

SUMS = ["enrolled_units", "absent_units", "n_days", "tardy_days", "excused_units", "suspended_units",
        "provisional_units"]
SHOWN = ["enrolled_days", "absent_days", "absence_rate"]


def has_days(study: Any) -> bool:
    """True where the study has dated attendance; otherwise its totals are used."""
    here = [name for name in ("attendance_event", "attendance_total", "attendance_period")
            if study.tables.get(name) is not None]
    return "attendance_event" in here or here == ["attendance_period"]


def school_days(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """Every school day of the year: grain school_id x calendar_code x date.

    day_number counts 1.. in a school's calendar over the whole planned year; counted = not after complete_through and
    as_of; provisional = one of the last `provisional_days` counted days. units: of 1/120,000 day.
    """
    book = book or open_days(study)
    return book.days[["school_id", "calendar_code", "date", "day_number", "units", "counted", "provisional", "month"]]


def enrolled_spans(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """Enrolment without overlaps: grain student_id x first_date; each date of a student lies in one row.

    school_id, calendar_code, setting, grade_level, first_date, last_date (last counted school day),
    first_day_number, last_day_number, enrolled_units, n_days, is_open (no exit known at as_of).
    Rows without any counted day are left out.
    """
    book = book or open_days(study)
    pieces = book.pieces[book.pieces["row_end"] > book.pieces["row_first"]]
    begin, end = pieces["row_first"].to_numpy(), pieces["row_end"].to_numpy()
    number, dates, cum = book.days["day_number"].to_numpy(), book.days["date"].to_numpy(), book.cum_units
    return pd.DataFrame({
        **{name: pieces[name] for name in ("student_id", "school_id", "calendar_code", "setting", "grade_level")},
        "first_date": dates[begin], "last_date": dates[end - 1], "first_day_number": number[begin],
        "last_day_number": number[end - 1], "enrolled_units": cum[end] - cum[begin], "n_days": end - begin,
        "is_open": pieces["is_open"]}).reset_index(drop=True)


def absences(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """Every absent, tardy or suspended student-day: grain student_id x date, in that order.

    school_id, day_number, absent_units (0 for a tardy that counts as present), is_whole_day, is_tardy, is_excused,
    is_suspension, status, pattern, reason_code, code_local, provisional, month.
    """
    book = book or open_days(study)
    marks = book.marks[~book.marks["is_gap"] & ~book.marks["is_out"]]
    said = (marks["absent_units"] > 0) | marks["is_tardy"] | marks["suspension"].ne("")
    marks = marks[said]
    day, piece = book.days.iloc[marks["day_row"]], book.pieces.iloc[marks["piece"]]
    frame = pd.DataFrame({
        "student_id": piece["student_id"].to_numpy(), "date": day["date"].to_numpy(),
        "school_id": piece["school_id"].to_numpy(), "day_number": day["day_number"].to_numpy(),
        "absent_units": marks["absent_units"].to_numpy("int64"),
        "is_whole_day": (marks["absent_units"] >= marks["units"]).to_numpy(bool),
        "is_tardy": marks["is_tardy"].to_numpy(bool), "is_excused": marks["is_excused"].to_numpy(bool),
        "is_suspension": marks["suspension"].ne("").to_numpy(bool),
        "status": _said(book, marks, "code_status", "status"), "pattern": _said(book, marks, "pattern"),
        "reason_code": marks["reason_code"].to_numpy(), "code_local": _said(book, marks, "code_local", "code_local"),
        "provisional": day["provisional"].to_numpy(),
        "month": day["month"].to_numpy()})
    texts = ["student_id", "school_id", "status", "pattern", "reason_code", "code_local", "month"]
    frame = frame.astype(dict.fromkeys(texts, "str"))
    return frame.sort_values(["student_id", "date"], kind="stable", ignore_index=True)


def _said(book: DayBook, marks: pd.DataFrame, of_code: str, own: str = "") -> pd.Series:
    """A text of each mark: its own where it has one, else what its code says."""
    place = marks["code_row"].fillna(-1).to_numpy("int64")
    texts = book.codes.set_index("code_row")[of_code].reindex(place).astype("str").reset_index(drop=True)
    return marks[own].astype("str").reset_index(drop=True).fillna(texts) if own else texts


def _slices(book: DayBook, piece: np.ndarray, begin: np.ndarray, end: np.ndarray) -> pd.DataFrame:
    """Sums over day rows begin..end-1 of the given pieces (one output row each): the one place where days are added."""
    end, width, totals = np.maximum(begin, end), len(book.days) + 1, book.mark_totals
    low, high = (np.searchsorted(book.mark_places, piece * width + row, "left") for row in (begin, end))
    sums = {name: running[high] - running[low] if running[-1] else np.zeros(len(low), dtype="int64")
            for name, running in totals.items()}
    enrolled = book.cum_units[end] - book.cum_units[begin] - sums.pop("out_units")
    days = end - begin - sums.pop("out_days")
    return pd.DataFrame({"enrolled_units": enrolled, "n_days": days, **sums}, copy=False)[SUMS]


def _summed(sums: pd.DataFrame, keys: dict[str, tuple[np.ndarray, pd.Index]], book: DayBook) -> pd.DataFrame:
    """Add up rows of the same key, in the order of the keys (given as codes and sorted labels, so that no text is
    compared); rows without a day are left out, days enrolled are missing where not known."""
    keep = ((sums["enrolled_units"] > 0) | (sums["absent_units"] > 0)).to_numpy()
    if not keep.all():
        sums, keys = sums[keep], {name: (codes[keep], labels) for name, (codes, labels) in keys.items()}
    place = np.zeros(len(sums), dtype="int64")
    for codes, labels in keys.values():
        place = place * max(1, len(labels)) + codes
    order = slice(None) if (place[1:] >= place[:-1]).all() else np.argsort(place, kind="stable")
    first = np.flatnonzero(np.diff(place[order], prepend=-1))
    columns = {name: labels.take(codes[order][first]).astype("str") for name, (codes, labels) in keys.items()}
    for name in SUMS:
        values = sums[name].to_numpy("int64")[order]
        columns[name] = np.add.reduceat(values, first) if 0 < len(first) < len(values) else values
    summed = pd.DataFrame(columns, copy=False)
    return finish(summed if book.has_rates else _unknown(summed), book.day_units)


def _keys(book: DayBook, piece: np.ndarray) -> dict[str, tuple[np.ndarray, pd.Index]]:
    """Student and school of the given pieces as codes and their labels."""
    return {name: (codes[piece], labels) for name, (codes, labels) in book.labels.items()}


def _unknown(frame: pd.DataFrame) -> pd.DataFrame:
    blank = pd.Series(pd.NA, index=frame.index, dtype="Int64")
    return frame.assign(enrolled_units=blank, n_days=blank)


def finish(frame: pd.DataFrame, day_units: int) -> pd.DataFrame:
    """Add what is shown: enrolled_days and absent_days (floats), absence_rate (0-1, missing without enrolled days)."""
    enrolled, absent = (frame[name].to_numpy("float64", na_value=np.nan) for name in ("enrolled_units", "absent_units"))
    rate = np.divide(absent, enrolled, out=np.full(len(frame), np.nan), where=enrolled > 0)
    return frame.assign(enrolled_days=enrolled / day_units, absent_days=absent / day_units, absence_rate=rate)


def student_panel(study: Any, *, start: Any = None, end: Any = None, by_school: bool = False,
                  book: DayBook | None = None) -> pd.DataFrame:
    """A row per student (by_school: per student and school) over the year so far, or from `start` to `end`.

    enrolled_units, absent_units (integers that decide), n_days (enrolled school days), enrolled_days, absent_days
    (shown), absence_rate 0-1, tardy_days, excused_units, suspended_units, provisional_units, and
    school_id: the school of the student's last enrolled day.
    Students without any enrolled day in the window are left out. With totals only, `start`/`end` must fall on periods.
    """
    if book is None and not has_days(study):
        return totals.student_totals(study, start=start, end=end, by_school=by_school)
    book = book or open_days(study)
    begin, stop = _rows_between(book, start, end)
    piece = np.flatnonzero(stop > begin)
    sums, keys = _slices(book, piece, begin[piece], stop[piece]), _keys(book, piece)
    if by_school:
        return _summed(sums, keys, book)
    whole = _summed(sums, {"student_id": keys["student_id"]}, book)
    last = book.pieces.iloc[piece].groupby("student_id")["school_id"].last()
    whole.insert(1, "school_id", whole["student_id"].map(last).astype("str"))
    return whole


def _rows_between(book: DayBook, start: Any, end: Any,
                  pieces: pd.DataFrame | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The day rows of each piece from `start` to `end` (dates, arrays of dates, or None for the whole piece)."""
    pieces = book.pieces if pieces is None else pieces
    begin, stop = pieces["row_first"].to_numpy("int64"), pieces["row_end"].to_numpy("int64")
    stamp = book.days["calendar"].to_numpy("int64") * 1_000_000 + as_ordinal(book.days["date"])
    owner = pieces["calendar"].to_numpy("int64") * 1_000_000
    if start is not None:
        begin = np.maximum(begin, np.searchsorted(stamp, owner + _ordinals(start, len(pieces)), "left"))
    if end is not None:
        stop = np.minimum(stop, np.searchsorted(stamp, owner + _ordinals(end, len(pieces)), "right"))
    return np.minimum(begin, np.maximum(stop, begin)), np.maximum(stop, begin)


def _ordinals(dates: Any, n: int) -> np.ndarray:
    if isinstance(dates, str) or np.isscalar(dates) or hasattr(dates, "isoformat"):
        dates = np.repeat(np.datetime64(pd.Timestamp(dates), "D"), n)
    return np.clip(as_ordinal(pd.to_datetime(pd.Series(np.asarray(dates)))), 0, 900_000)


def window_panel(study: Any, windows: pd.DataFrame, *, book: DayBook | None = None) -> pd.DataFrame:
    """Days in each student's own window: the rows of `windows` (student_id, start, end, any further key), same order.

    Adds enrolled_units, absent_units, n_days, tardy_days, ..., enrolled_days, absent_days, absence_rate. Both ends
    count; a missing start is the year's beginning, a missing end the last counted day. A student never
    enrolled has 0 days.
    """
    for name in ("student_id", "start", "end"):
        if name not in windows:
            raise UserError(f"The windows have no column {name}.", column=name,
                            remedy="Give student_id, start and end.")
    book = book or open_days(study)
    asked = pd.DataFrame({"window": np.arange(len(windows)), "student_id": windows["student_id"].to_numpy(),
                          "start": pd.to_datetime(windows["start"]).fillna(pd.Timestamp(1971, 1, 1)).to_numpy(),
                          "end": pd.to_datetime(windows["end"]).fillna(pd.Timestamp(2200, 1, 1)).to_numpy()})
    both = asked.merge(book.pieces[["student_id", "piece", "calendar", "row_first", "row_end"]], on="student_id")
    begin, stop = _rows_between(book, both["start"], both["end"], both)
    sums = _slices(book, both["piece"].to_numpy("int64"), begin, stop)
    whole = pd.DataFrame({name: _added(sums[name], both["window"], len(windows)) for name in SUMS}, copy=False)
    whole = whole if book.has_rates else _unknown(whole)
    kept = windows.drop(columns=[name for name in (*SUMS, *SHOWN) if name in windows])
    return pd.concat([kept, finish(whole, book.day_units).set_index(windows.index)], axis=1)


def _added(values: pd.Series, window: pd.Series, n: int) -> np.ndarray:
    """The sum of the values of each of n windows, in whole units."""
    total = np.zeros(n, dtype="int64")
    np.add.at(total, window.to_numpy("int64"), values.to_numpy("int64"))
    return total


def month_panel(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """A row per student, school and calendar month with any enrolled day: student_id x school_id x month ("2026-01").

    enrolled_units, absent_units, n_days, tardy_days, excused_units, suspended_units, enrolled_days, absent_days,
    absence_rate.
    From daily attendance, or from monthly totals where the study has only those: the same integers.
    """
    if book is None and not has_days(study):
        return totals.month_totals(study)
    book = book or open_days(study)
    counted = book.days[book.days["counted"]]
    months = counted.groupby(["calendar", "month"], sort=True)["day_row"].agg(["min", "max"]).reset_index()
    code, labels = pd.factorize(months["month"], sort=True)
    used = book.pieces[["piece", "calendar", "row_first", "row_end"]]
    used = used[used["row_end"] > used["row_first"]]
    both = used.merge(months.assign(code=code)[["calendar", "code", "min", "max"]], on="calendar")
    begin = np.maximum(both["row_first"], both["min"]).to_numpy("int64")
    stop = np.minimum(both["row_end"], both["max"] + 1).to_numpy("int64")
    piece = both["piece"].to_numpy("int64")[stop > begin]
    sums = _slices(book, piece, begin[stop > begin], stop[stop > begin])
    keys = {**_keys(book, piece), "month": (both["code"].to_numpy("int64")[stop > begin], labels)}
    return _summed(sums, keys, book)


def daily_panel(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """Every counted student-day, present ones too: grain student_id x date. Wide data: meant for one school or a study
    of some thousand students (a row is one student on one enrolled school day).

    student_id, school_id, date, day_number, enrolled_day (1.. over the student's own days), units, absent_units.
    """
    from evalkit.panel.daily import daily_rows

    book = book or open_days(study)
    rows = daily_rows(book)
    days, pieces = book.days.iloc[rows["day_row"]], book.pieces.iloc[rows["piece"]]
    return pd.DataFrame({"student_id": pieces["student_id"].to_numpy(), "school_id": pieces["school_id"].to_numpy(),
                         "date": days["date"].to_numpy(), "day_number": days["day_number"].to_numpy(),
                         "enrolled_day": rows["enrolled_day"].to_numpy(), "units": rows["units"].to_numpy(),
                         "absent_units": rows["absent_units"].to_numpy()})


def attendance_panel(study: Any, *, by: str = "student", start: Any = None, end: Any = None,
                     form: str = "auto") -> pd.DataFrame:
    """Days enrolled and absent of every student, exactly counted.

    by: student, student_school, month (student x school x month), day (student x date) or absence (only days missed).
    start, end: dates, for student and student_school. form: auto, exceptions (no row = present), every_day (no row =
    not counted) or totals. Shares are 0-1; integers `*_units` (1/120,000 day) decide every threshold. For student and
    student_school `is_chronic` says whether the row reached the rules' share of days missed, missing where it cannot be
    judged (days enrolled not known, or fewer than the rules ask).
    """
    must_be_one_of("by", by, ("student", "student_school", "month", "day", "absence"))
    must_be_one_of("form", form, ("auto", "exceptions", "every_day", "totals"))
    if (start is not None or end is not None) and by not in ("student", "student_school"):
        raise UserError("start and end go with by = student or student_school.", remedy="Leave them out.")
    if form == "totals" or (form == "auto" and not has_days(study)):
        return _judged(totals.totals_panel(study, by=by, start=start, end=end), study, by)
    book = open_days(study, form=form)
    if by in ("student", "student_school"):
        return _judged(student_panel(study, start=start, end=end, by_school=by == "student_school", book=book), study,
                       by)
    return {"month": month_panel, "day": daily_panel, "absence": absences}[by](study, book=book)


def _judged(frame: pd.DataFrame, study: Any, by: str) -> pd.DataFrame:
    """With is_chronic, where a row is a student (at a school)."""
    return frame if by == "month" else frame.assign(is_chronic=is_chronic(frame, rules=study.rules))
