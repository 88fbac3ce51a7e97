"""The canonical tables and the vocabulary: whole, unique, labelled; a bad edit is refused with its line."""

from __future__ import annotations

import pytest

from evalkit import vocabulary
from evalkit.errors import UserError
from evalkit.schemas import KINDS, MINIMAL_SETS, empty_frame, must_have_grain, table, tables
from evalkit.vocabulary import plain, read_rows, spellings


def test_every_table_states_its_key_grain_and_kinds():
    for name, schema in tables().items():
        assert (
            schema.grain and set(schema.key) <= set(schema.columns) and len(set(schema.columns)) == len(schema.columns)
        )
        assert all(field.kind in KINDS for field in schema.fields) and len(empty_frame(name)) == 0
        for field in schema.fields:
            assert not field.choices or spellings(field.choices), field
    assert all(name in tables() for names in MINIMAL_SETS for name in names)


def test_an_unknown_table_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="studnet") as problem:
        table("studnet")
    assert "student" in problem.value.remedy


def test_the_wrong_grain_is_refused():
    frame = empty_frame("student").reindex([0, 1])
    frame["student_id"] = ["a", "a"]
    with pytest.raises(UserError, match="1 rows too many"):
        must_have_grain(frame, ("student_id",), name="roster")
    must_have_grain(frame.head(1), ("student_id",), name="roster")


def test_reasons_are_unique_labelled_and_belong_to_a_category():
    found = vocabulary.reasons()
    assert len({item.pattern for item in found}) == len(found) == 35
    assert all(item.label_en and item.label_es for item in found)
    assert {item.category for item in found} == {c.category for c in vocabulary.categories()}
    for language in ("en", "es"):
        assert {phrase.language for phrase in vocabulary.reason_words(language)} == {language}


def test_code_systems_lead_to_patterns_or_statuses():
    statuses = {
        "late_after_register",
        "excused_only",
        "unexcused_only",
        "not_expected",
        "present_iss",
        "tardy",
        "tardy_extreme",
    }
    patterns = {item.pattern for item in vocabulary.reasons()}
    for system in ("ceds", "england", "vermont", "columbus_oh", "sequoia_az"):
        codes = vocabulary.absence_codes(system)
        assert codes and set(codes.values()) <= patterns | statuses


def test_bands_grades_activities_and_day_types():
    assert [band.band for band in vocabulary.bands()] == ["satisfactory", "at_risk", "moderate", "severe", "extreme"]
    assert [band.is_chronic for band in vocabulary.bands()] == [False, False, True, True, True]
    orders = [grade.order for grade in vocabulary.grades()]
    assert orders == sorted(set(orders)) and vocabulary.grade_label("KG") == "Kindergarten"
    assert "".join(item.letter for item in vocabulary.activities()) == "abcdefgh"
    assert [item.activity for item in vocabulary.activities() if not item.has_student] == ["h_team_meeting"]
    assert {item.day_type for item in vocabulary.day_types() if item.is_instructional} == {
        "instructional",
        "make_up",
        "early_dismissal",
        "late_start",
        "remote",
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [("a,c\nx,1\n", 1), ("a,b\nx,1\nx,2\n", 3), ("a,b\nx\n", 2), ("a,b\nx,1\n,2\n", 3), ('a,b\nx,"1\n', 2)],
)
def test_a_bad_edit_is_refused_with_its_line(text, line):
    with pytest.raises(UserError) as problem:
        list(read_rows(text, ("a", "b"), file="vocabulary/x.csv", key=("a",)))
    assert problem.value.row == line and problem.value.file == "vocabulary/x.csv" and problem.value.remedy


def test_spellings_are_compared_without_case_spaces_and_marks():
    assert plain("Excused Absence") == plain("excused_absence") == "excusedabsence"
    assert plain("-1") == "-1" and plain("3.0") == "3"


def test_the_data_dictionary_is_the_one_the_tables_make():
    from pathlib import Path

    from evalkit.config import STUDY_KEYS
    from evalkit.schemas.dictionary import data_dictionary

    page = (Path(__file__).parents[2] / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert page == data_dictionary(), "run scripts/make_data_dictionary.py"
    assert all(f"`{key}`" in page for key in STUDY_KEYS)
