"""A study as of a date, a month, a school; what it can show; what changes nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest
from sources_world import BASE, TOTALS, opened, write

from evalkit.errors import UsageError, UserError
from evalkit.schemas import tables
from evalkit.study import open_study

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def test_every_table_has_all_its_columns_in_order_and_their_types(tmp_path):
    study = opened(tmp_path)
    for name in tables():
        frame = study.table(name)
        assert tuple(frame.columns) == tables()[name].frame_columns
        for field in tables()[name].fields:
            kind = str(frame[field.name].dtype)
            assert kind == {"date": "datetime64[us]", "bool": "boolean", "int": "Int64", "num": "float64"}.get(
                field.kind, "str"
            )
            if field.exact:
                assert str(frame[field.units_name].dtype) == "Int64"


def test_thirds_are_exact_for_parts_of_days_and_not_for_totals(tmp_path):
    events = BASE["attendance_event"].replace("A,0.5", "A,0.33")
    assert (
        opened(tmp_path / "a", {"attendance_event": events}).table("attendance_event")["absent_days_units"][1] == 40_000
    )
    totals = TOTALS["attendance_total"].replace("20,2\n", "20,0.33\n")
    assert (
        opened(tmp_path / "b", {"attendance_total": totals}, base=TOTALS).table("attendance_total")[
            "days_absent_units"
        ][0]
        == 39_600
    )


def test_complete_through_is_the_last_date_with_any_event(tmp_path):
    study = opened(tmp_path / "a")
    assert study.as_of == pd.Timestamp("2024-09-13") and dict(study.complete_through) == {
        "0042": pd.Timestamp("2024-09-13")
    }
    stated = "school_id,complete_through\n0042,2024-09-10\n"
    assert opened(tmp_path / "b", {"school": stated}).as_of == pd.Timestamp("2024-09-10")
    ruled = opened(tmp_path / "c", {"school": stated}, toml="[rules]\ncomplete_through = 2024-09-11\n")
    assert ruled.as_of == pd.Timestamp("2024-09-11")


def test_nothing_after_as_of_is_known(tmp_path):
    held = ("student_id,mentor_id,begin_date,end_date,end_reason\n"
            "0001,M1,2024-09-04,2024-09-10,goal_met\n0002,M1,2024-09-11,,\n")
    found = "student_id,pattern,identified_date,status,resolved_date\n0001,housing,2024-09-04,resolved,2024-09-12\n"
    folder = write(tmp_path, {"assignment": held, "barrier": found})
    study = open_study(folder, as_of="2024-09-09")
    assert study.table("assignment")["student_id"].tolist() == ["0001"]
    assert study.table("assignment")[["end_date", "end_reason"]].isna().all(axis=None)
    assert (
        study.table("barrier")["status"].tolist() == ["open"] and study.table("barrier")["resolved_date"].isna().all()
    )
    assert study.table("attendance_event")["date"].max() == pd.Timestamp("2024-09-05")
    later = study.at("2024-09-13")
    assert (
        later.table("assignment")["end_reason"].tolist()[0] == "goal_met" and len(later.table("attendance_event")) == 3
    )
    assert study.account == later.account


def test_month_is_its_last_school_day_or_the_last_complete_day():
    study = open_study(SAMPLE, month="2026-01")
    assert study.as_of == pd.Timestamp("2026-01-30")
    assert open_study(SAMPLE, month="2026-06").as_of == open_study(SAMPLE).as_of


@pytest.mark.parametrize(
    "given",
    [
        {"month": "2026-13"},
        {"month": "26-01"},
        {"as_of": "2026-02-30"},
        {"as_of": "01/02/2026"},
        {"month": "2026-01", "as_of": "2026-01-30"},
        {"school": "9999"},
    ],
)
def test_impossible_moments_are_wrong_usage(given):
    with pytest.raises(UsageError):
        open_study(SAMPLE, **given)


def test_a_date_before_all_attendance_is_refused():
    with pytest.raises(UserError, match="no attendance up to"):
        open_study(SAMPLE, as_of="1999-01-01")


def test_one_school_holds_its_own_rows_and_its_students():
    whole, one = open_study(SAMPLE), open_study(SAMPLE, school="0101")
    assert set(one.table("attendance_event")["school_id"]) == {"0101"} and set(
        one.table("enrollment")["school_id"]
    ) == {"0101"}
    here = set(whole.table("enrollment").query("school_id == '0101'")["student_id"])
    assert set(one.table("student")["student_id"]) <= here and set(one.complete_through) == {"0101"}


def test_the_sample_opens_clean():
    study = open_study(SAMPLE)
    totals = study.account.totals
    assert totals["rows_read"] == totals["loaded"] + totals["repaired"] + totals["quarantined"] + totals["duplicate"]
    assert not study.lacks() and study.school_year == 2026 and study.config.is_sample


def test_what_a_study_lacks_names_the_table_that_would_switch_it_on(tmp_path):
    study = opened(tmp_path)
    assert "contact" in study.lacks("contact")[0] and study.lacks("rates", "daily", "assignment") == ()
    every = "student_id,mentor_id,begin_date,end_date\n" + "".join(f"000{i},M1,2024-09-05,\n" for i in range(1, 5))
    assert opened(tmp_path / "b", {"assignment": every}).lacks("unmentored")


def shuffled(text: str, seed: int) -> str:
    head, *rows = text.splitlines()
    return "\n".join([head, *random.Random(seed).sample(rows, len(rows))]) + "\n"


@pytest.mark.parametrize("seed", range(5))
def test_row_order_repeats_splits_and_an_empty_school_change_nothing(tmp_path, seed):
    base = {
        **BASE,
        "student": BASE["student"] + "0001,04\n",
        "attendance_event": BASE["attendance_event"]
        + "0001,0042,2024-09-04,A,0.5\n0003,0042,2024-09-06,A,0.25\n0003,0042,2024-09-06,A,0.75\n",
    }
    loose = "[rules]\nmax_set_aside = 0.9\n"
    plain = opened(tmp_path / "a", base, toml=loose)
    lines = shuffled(base["attendance_event"], seed).splitlines(keepends=True)
    changed = {
        **{name: shuffled(text, seed) for name, text in base.items()},
        "attendance_event": None,
        "attendance_event_1.csv": "".join(lines[:4]),
        "attendance_event_2.csv": lines[0] + "".join(lines[3:]),
        "school": "school_id,name\n0042,Oak\n0077,Empty\n",
    }
    other = opened(tmp_path / "b", changed, toml=loose)
    for name in plain.tables:
        order = list(tables()[name].key)
        left, right = (s.table(name).sort_values(order, ignore_index=True) for s in (plain, other))
        pd.testing.assert_frame_equal(left, right)
    assert plain.as_of == other.as_of and plain.complete_through == other.complete_through
    assert plain.can | {"school"} == other.can


def test_the_inputs_are_never_changed(tmp_path):
    folder = write(tmp_path)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    open_study(folder)
    assert before == {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
