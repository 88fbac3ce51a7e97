"""Rows taken once and cut at a date give the very day book that reading the study anew gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from sources_world import BASE, DAYS, STUDENTS, opened

from evalkit.panel import book as books
from evalkit.study import open_study

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def anew(study):
    """The day book by way of the engine: without what was read, nothing can be kept."""
    return books.open_days(replace(study, _all=None))


def stored_alike(frame):
    """The frame with columns in order and texts stored as this process does now: storage is not what is compared."""
    texts = [name for name in frame.columns if pd.api.types.is_string_dtype(frame[name].dtype)]
    frame = frame.astype(dict.fromkeys(texts, "str"))
    return frame.set_axis(list(frame.columns), axis=1)[sorted(frame.columns)]


def assert_same(one, other):
    for name in ("days", "pieces", "marks", "codes"):
        pd.testing.assert_frame_equal(stored_alike(getattr(one, name)), stored_alike(getattr(other, name)), obj=name)
    assert dict(one.forms) == dict(other.forms) and one.has_rates == other.has_rates


@pytest.fixture(scope="module")
def sample():
    study = open_study(SAMPLE)
    books.open_days(study)  # the latest moment first, as a review does: the earlier ones are cut from its rows
    return study


@pytest.mark.parametrize("day", ["2025-09-12", "2025-11-28", "2026-02-03", "2026-06-10"])
def test_an_earlier_moment_is_cut_from_the_rows_taken(sample, day):
    then = sample.at(day)
    assert books.kept_rows(then, then.school_year) is not None
    assert_same(books.open_days(then), anew(then))


def test_a_school_and_the_year_before_have_rows_of_their_own(sample):
    one = open_study(SAMPLE, school=sorted(sample.table("school")["school_id"])[0])
    assert_same(books.open_days(one), anew(one))
    year = sample.school_year - 1
    assert_same(books.open_days(sample, school_year=year), books.open_days(replace(sample, _all=None),
                                                                           school_year=year))


def test_every_day_rows_with_gaps_are_cut_too(tmp_path):
    """Present on some days, no row on others: days without a row are neither present nor enrolled, on every date."""
    days = [pd.Timestamp(day) for day in DAYS]
    rows = [f"{student},0042,{day:%Y-%m-%d},{'A' if (place + number) % 4 == 0 else 'P'}"
            for number, student in enumerate(STUDENTS) for place, day in enumerate(days) if (place * 3 + number) % 8]
    events = "student_id,school_id,date,code_local\n" + "\n".join(rows) + "\n"
    codes = BASE["code_table"] + "P,Present,Present,0,true,false,false,false\n"
    study = opened(tmp_path, {"attendance_event": events, "code_table": codes})
    books.open_days(study)
    for day in (days[3], days[5], days[8]):
        then = study.at(day)
        book = books.open_days(then)
        assert_same(book, anew(then))
    assert "every_day" in set(book.forms.values()) and book.marks["is_gap"].any()


def test_tables_that_are_no_longer_what_was_read_are_asked_of_the_engine(sample):
    fewer = replace(sample, tables={**sample.tables, "attendance_event": sample.table("attendance_event").iloc[::2]})
    assert books.kept_rows(fewer, fewer.school_year) is None
