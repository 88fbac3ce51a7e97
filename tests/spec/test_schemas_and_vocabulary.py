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
    patterns = {item.pattern for item in vocabulary.reasons()}
    for system in ("ceds", "england", "vermont", "columbus_oh", "sequoia_az"):
        codes = vocabulary.absence_codes(system)
        assert codes and set(codes.values()) <= patterns | vocabulary.STATUS_WORDS


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


EDITS = [
    ("reason_words.csv", "transport,en,late bus,no", "pattern"),
    ("reason_words.csv", "transportation,fr,bus scolaire,no", "language"),
    ("reason_words.csv", "transportation,en,late shuttle,maybe", "needs_second_cue"),
    ("reason_words.csv", "transportation,en,...,no", "phrase"),
    ("reason_words.csv", "transportation,en,missed the bus,no", "pattern"),  # is there already
    ("reason_words.csv", "transportation,en,late, or no shuttle,no", ""),  # a comma without quotes
    ("reason_context.csv", "cue,transportation,en,late", "kind"),
    ("reason_context.csv", "second_cue,transport,en,shuttle", "pattern"),
    ("absence_reasons.csv", "new_one,barrier,New,Nuevo,high,no,,,,", "category"),
    ("absence_reasons.csv", "new_one,barriers,New,Nuevo,sure,no,,,,", "certainty"),
    ("absence_reasons.csv", "new_one,barriers,New,,high,no,,,,", "label_es"),
    ("absence_codes.csv", "ceds,99999,bus", "meaning"),
]
READERS = {
    "reason_words.csv": vocabulary.reason_words,
    "reason_context.csv": vocabulary.reason_contexts,
    "absence_reasons.csv": vocabulary.reasons,
    "absence_codes.csv": lambda: vocabulary.absence_codes("ceds"),
}


@pytest.fixture
def own_copy(tmp_path, monkeypatch):
    """The vocabulary as a coordinator would edit it: a copy of the folder."""
    import shutil
    from pathlib import Path

    folder = tmp_path / "vocabulary"
    shutil.copytree(Path(vocabulary.__file__).parent, folder)
    monkeypatch.setattr(vocabulary, "package_files", lambda package: folder)
    cached = [item for item in vars(vocabulary).values() if hasattr(item, "cache_clear")]
    for item in cached:
        item.cache_clear()
    yield folder
    for item in cached:
        item.cache_clear()


@pytest.mark.parametrize(("name", "line", "column"), EDITS)
def test_a_coordinators_bad_edit_is_refused_with_file_line_and_column(own_copy, name, line, column):
    text = (own_copy / name).read_text(encoding="utf-8")
    (own_copy / name).write_text(text + line + "\n", encoding="utf-8")
    with pytest.raises(UserError) as problem:
        READERS[name]()
    assert problem.value.file == f"vocabulary/{name}" and problem.value.row == len(text.splitlines()) + 1
    assert problem.value.column == column and problem.value.remedy


def test_a_good_edit_is_used(own_copy):
    from evalkit.patterns import notes

    for name, line in (
        ("reason_words.csv", "transportation,en,zeppelin delayed,no"),
        ("absence_codes.csv", "ceds,99999,transportation"),
        ("absence_reasons.csv", "pets,barriers,Pets,Mascotas,low,no,,,sick dog;sick cat,"),
    ):
        with (own_copy / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    notes._phrases.cache_clear()
    assert notes.proposals("The zeppelin delayed them") == {"transportation": "cue"}
    notes._phrases.cache_clear()
    assert vocabulary.absence_codes("ceds")["99999"] == "transportation"
    assert spellings("pattern")[plain("Sick dog")] == "pets" and spellings("pattern")["pets"] == "pets"


def test_names_in_use_elsewhere_lead_to_the_same_barrier():
    known = spellings("pattern")
    for said, pattern in {
        "asthma/health": "health_physical",
        "Child care": "child_care",
        "family challenges": "family_care",
        "safety": "safety_community",
        "Transporte": "transportation",
    }.items():
        assert known[plain(said)] == pattern
    assert {"negative_school_experiences", "lack_of_engagement", "myths"} <= {
        alias for item in vocabulary.categories() for alias in item.aliases
    }


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
