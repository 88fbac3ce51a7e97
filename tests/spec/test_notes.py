"""Notes: appended to and never rewritten, whoever else is writing; the last row of an id wins."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import recount

from evalkit import notes
from evalkit.errors import UsageError, UserError
from evalkit.notes.rows import next_id

TODAY = dt.date(2026, 2, 3)
HEAD = "action_id,decided_on,about,about_id,what,owner,due_on,status,closed_on"


@pytest.fixture
def study(tmp_path):
    """The tables that notes add to; nothing else of a study is read to write a note."""
    folder = tmp_path / "study"
    folder.mkdir()
    for name in ("study.toml", "action.csv", "plan_change.csv", "insight.csv"):
        shutil.copy(recount.SAMPLE / name, folder / name)
    return folder


def test_an_action_is_added_closed_and_found_again(study) -> None:
    row = notes.add_note(study, "action", {"what": "Call every family", "owner": "Ana", "due_on": "2026-03-01"},
                         today=TODAY)
    assert (row["action_id"], row["decided_on"], row["status"]) == ("n0001", "2026-02-03", "open")
    assert "n0001" in set(notes.open_actions(study)["action_id"])
    notes.close_action(study, "n0001", {}, today=dt.date(2026, 2, 20))
    last = notes.read_notes(study, "action").set_index("action_id").loc["n0001"]
    assert (last["status"], last["what"]) == ("done", "Call every family")
    assert f"{last['closed_on']:%Y-%m-%d}" == "2026-02-20"
    assert "n0001" not in set(notes.open_actions(study)["action_id"])


def test_an_action_of_an_export_is_closed_by_a_row_in_notes_only(study) -> None:
    before = (study / "action.csv").read_bytes()
    name = notes.open_actions(study)["action_id"].iloc[0]
    notes.close_action(study, name, {"status": "dropped"}, today=TODAY)
    assert (study / "action.csv").read_bytes() == before
    assert name not in set(notes.open_actions(study)["action_id"])


@pytest.mark.parametrize(("table", "values", "key"), [
    ("plan_change", {"what": "Later bus", "check_back_on": "2026-03-01"}, None),
    ("insight", {"theme": "bus", "source_role": "family", "works": "works_well", "quote": "Ñandú, sí"}, "insight_id")])
def test_every_table_can_be_added_to(study, table, values, key) -> None:
    row = notes.add_note(study, table, values, today=TODAY)
    found = notes.read_notes(study, table)
    hit = found[found[key].eq(row[key])] if key else found[found["what"].eq("Later bus")]
    assert len(hit) == 1 and (key is None or hit.iloc[0]["quote"] == "Ñandú, sí")


TYPED = {
    "excel": "\ufeff" + HEAD + "\r\nT1,2026-01-05,,,Typed by hand; ünïcode,Ana,,open,\r\n",
    "no_newline": HEAD + "\nT1,2026-01-05,,,Typed,Ana,,open,",
    "semicolons": HEAD.replace(",", ";") + "\nT1;2026-01-05;;;Typed, with a comma;Ana;;open;\n",
    "own_order": "what,owner,action_id,status,due_on,decided_on,closed_on,about\nTyped,Ana,T1,open,,2026-01-05,,\n",
}


@pytest.mark.parametrize("shape", TYPED)
def test_what_a_person_typed_stays_byte_for_byte(study, shape) -> None:
    path = study / "notes" / "action.csv"
    path.parent.mkdir()
    typed = TYPED[shape].encode("utf-8")
    path.write_bytes(typed)
    notes.add_note(study, "action", {"what": "Say hello, again", "owner": "Bo"}, today=TODAY)
    notes.close_action(study, "T1", {}, today=TODAY)
    assert path.read_bytes().startswith(typed)
    found = notes.read_notes(study, "action").set_index("action_id")
    assert found.loc["T1", "status"] == "done" and found.loc["T1", "what"].startswith("Typed")
    assert found.loc["n0001", "what"] == "Say hello, again"


def test_utf16_of_excel_is_added_to_in_utf16(study) -> None:
    path = study / "notes" / "action.csv"
    path.parent.mkdir()
    text = HEAD.replace(",", "\t") + "\r\nT1\t2026-01-05\t\t\tTyped\tAna\t\topen\t\r\n"
    typed = b"\xff\xfe" + text.encode("utf-16-le")
    path.write_bytes(typed)
    notes.add_note(study, "action", {"what": "Más"}, today=TODAY)
    assert path.read_bytes().startswith(typed)
    assert set(notes.read_notes(study, "action")["what"]) >= {"Typed", "Más"}


def test_a_new_file_opens_in_excel_and_is_private(study) -> None:
    notes.add_note(study, "action", {"what": "Más"}, today=TODAY)
    path = study / "notes" / "action.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbfaction_id,") and path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["action.csv"]


def test_many_hands_at_once_lose_no_row(study) -> None:
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda n: notes.add_note(study, "action", {"what": f"Step {n}"}, today=TODAY), range(12)))
    assert len({row["action_id"] for row in rows}) == 12
    found = notes.read_notes(study, "action")
    assert set(found["what"]) >= {f"Step {n}" for n in range(12)}


def test_two_processes_lose_no_row(study) -> None:
    code = ("import sys; from evalkit import notes\n"
            "for n in range(3): notes.add_note(sys.argv[1], 'action', {'what': f'{sys.argv[2]} {n}'})")
    running = [subprocess.Popen([sys.executable, "-c", code, str(study), who]) for who in ("Ana", "Bo")]
    assert [process.wait() for process in running] == [0, 0]
    assert set(notes.read_notes(study, "action")["what"]) >= {f"{who} {n}" for who in ("Ana", "Bo") for n in range(3)}


def test_a_full_disk_leaves_the_file_as_it_was(study, monkeypatch) -> None:
    notes.add_note(study, "action", {"what": "First"}, today=TODAY)
    path = study / "notes" / "action.csv"
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        notes.add_note(study, "action", {"what": "Second"}, today=TODAY)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("table", "values", "says"), [
    ("action", {"wat": "x"}, 'Did you mean "what"'), ("action", {"what": "=1+1"}, "formula"),
    ("action", {"what": "＝1"}, "formula"), ("action", {"what": "x", "due_on": "1/2/2026"}, "YYYY-MM-DD"),
    ("action", {"what": "x", "about": "everything"}, "programme"), ("action", {}, "has no what"),
    ("action", {"what": "a\u202eb"}, "cannot be printed"), ("actions", {"what": "x"}, 'Did you mean "action"')])
def test_what_cannot_be_written_is_refused_and_nothing_is_written(study, table, values, says) -> None:
    with pytest.raises(UsageError) as refused:
        notes.add_note(study, table, values, today=TODAY)
    assert says in refused.value.screen() and not (study / "notes").exists()


def test_an_unknown_id_and_a_lost_column_are_refused(study) -> None:
    with pytest.raises(UsageError, match="No action has that id"):
        notes.close_action(study, "A999", {})
    path = study / "notes" / "action.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("action_id,what\nT1,Typed\n", encoding="utf-8")
    with pytest.raises(UserError, match="no column for: decided_on"):
        notes.add_note(study, "action", {"what": "x"}, today=TODAY)


def test_proposals_are_copied_once_and_never_over_a_person(study) -> None:
    proposed = [{"action_id": "2026-01-meet", "what": "Meet families", "status": "open", "decided_on": "2026-01-30"}]
    assert len(notes.accept_actions(study, proposed)) == 1
    path = study / "notes" / "action.csv"
    typed = path.read_text(encoding="utf-8").replace("Meet families", "Meet families on Friday")
    path.write_text(typed, encoding="utf-8")
    before = path.read_bytes()
    assert notes.accept_actions(study, proposed) == [] and path.read_bytes() == before


def test_ids_go_on_from_what_is_there() -> None:
    import pandas as pd

    assert next_id(pd.Series(["n0001", "A7", None], dtype="str"), "n") == "n0002"


@pytest.mark.parametrize(("verb", "words", "values", "month", "says"), [
    ("lits", [], {}, "", "list, add, close"), ("list", ["x"], {}, "", "more than"),
    ("list", [], {}, "2026-01", "--month"), ("add", [], {}, "", "needs one table"),
    ("close", [], {}, "", "needs one action")])
def test_what_a_verb_has_no_use_for_is_refused(study, verb, words, values, month, says) -> None:
    with pytest.raises(UsageError) as refused:
        notes.run_verb(verb, study, words, values, month=month)
    assert says in refused.value.screen()


PROPOSED = ("\ufeffkeep;table;id;date;what;why;owner;due_on;about;works\r\n"
            "Yes;action;2026-01-meet;2026-01-30;Meet six families at the bus;;Ana;2026-02-27;programme;\r\n"
            ";action;2026-01-visit;2026-01-30;Not wanted;;;2026-02-27;student;\r\n"
            "x;plan_change;;2026-01-30;Calls before nine;61%, 71% before;;2026-02-27;;\r\n"
            "ja;insight;2026-01-no;2026-01-30;never;;;;;works_less\r\n"
            "yes;insight;2026-01-b_call_absent;2026-01-30;b_call_absent;;;;;works_less\r\n")


def test_marked_proposals_are_taken_once_in_the_persons_words(study, tmp_path) -> None:
    """As Excel saves it (semicolons, BOM); rows without yes are left alone; the second time nothing is added."""
    file = tmp_path / "proposals.csv"
    file.write_bytes(PROPOSED.encode())
    assert notes.run_verb("take", study, [str(file)], {}) == [
        "3 rows were added to notes/; 0 marked rows were there already."]
    kept = {path.name: path.read_bytes() for path in (study / "notes").glob("*.csv")}
    assert set(kept) == {"action.csv", "plan_change.csv", "insight.csv"}
    assert notes.run_verb("take", study, [str(file)], {}) == [
        "0 rows were added to notes/; 3 marked rows were there already."]
    assert {path.name: path.read_bytes() for path in (study / "notes").glob("*.csv")} == kept
    row = notes.read_notes(study, "action").set_index("action_id").loc["2026-01-meet"]
    assert (row["what"], row["owner"], row["status"]) == ("Meet six families at the bus", "Ana", "open")
    assert "2026-01-visit" not in set(notes.read_notes(study, "action")["action_id"])
    assert "Calls before nine" in set(notes.read_notes(study, "plan_change")["what"])
    file.write_bytes(PROPOSED.replace("six families", "all families").encode())
    notes.run_verb("take", study, [str(file)], {})
    assert {path.name: path.read_bytes() for path in (study / "notes").glob("*.csv")} == kept


@pytest.mark.parametrize(("old", "new", "error"), [
    ("action;2026-01-meet", "actions;2026-01-meet", UserError), ("02-27;programme", "02/31;programme", UserError),
    ("Meet six", "=cmd|six", UserError), ("keep;table", "kept;table", UserError), ("2026-01-meet", "", UserError)])
def test_a_proposals_file_that_cannot_be_taken_writes_nothing(study, tmp_path, old, new, error) -> None:
    file = tmp_path / "proposals.csv"
    file.write_bytes(PROPOSED.replace(old, new, 1).encode())
    with pytest.raises(error):
        notes.take_proposals(study, file)
    assert not (study / "notes").exists() or not list((study / "notes").glob("*.csv"))


@pytest.mark.parametrize(("first", "due"), [("1/30/2026", "2/6/2026"), ("30.01.2026", "06.02.2026"),
                                            ("30/01/26", "06/02/26"), ("30-Jan-26", "6-Feb-26")])
def test_dates_as_excel_rewrites_them_are_taken(study, tmp_path, first, due) -> None:
    file = tmp_path / "proposals.csv"
    file.write_bytes(PROPOSED.replace("2026-01-30;", f"{first};").replace("2026-02-27", due).encode())
    assert notes.take_proposals(study, file) == (3, 0)
    row = notes.read_notes(study, "action").set_index("action_id").loc["2026-01-meet"]
    assert f"{row['decided_on']:%Y-%m-%d} {row['due_on']:%Y-%m-%d}" == "2026-01-30 2026-02-06"


def test_a_date_that_cannot_be_taken_is_named_by_its_row_and_the_files_own_column(study, tmp_path) -> None:
    file = tmp_path / "proposals.csv"
    wrong = PROPOSED.replace("2026-01-30;Meet", "soon;Meet").replace("2026-01-30;b_call", "later;b_call")
    file.write_bytes(wrong.encode())
    with pytest.raises(UserError) as refused:
        notes.take_proposals(study, file)
    assert refused.value.where == "file proposals.csv, row 2, column date" and refused.value.exit_code == 1
    assert refused.value.culprits == ("row 6: date is not a date evalkit can read.",)
    file.write_bytes(PROPOSED.replace("2026-01-30;", "2/6/2026;").replace("2026-02-27", "3/6/2026").encode())
    with pytest.raises(UserError, match="month/day and as day/month"):
        notes.take_proposals(study, file)


def test_a_months_folder_holds_proposals_that_can_be_taken() -> None:
    """The sample's January: an action for each list that asks, in the columns that take reads."""
    import evalkit as ek
    from evalkit.reports import month_proposals

    rows = month_proposals.month_proposal_rows(ek.open_study(recount.SAMPLE, as_of="2026-01-30"))
    assert tuple(rows.columns) == month_proposals.COLUMNS and set(rows["table"]) <= {"action", "plan_change", "insight"}
    assert {"2026-01-meet", "2026-01-decide", "2026-01-visit", "2026-01-answer"} <= set(rows["id"])
    assert rows["keep"].eq("").all() and rows.loc[rows["table"].ne("plan_change"), "id"].is_unique
    assert rows.loc[rows["works"].eq("could_do"), "what"].size
    students = {row["student_id"] for row in recount.rows("student")}
    assert not any(student in text for text in rows.to_csv().split("\n") for student in students)


def test_work_that_rose_or_fell_is_proposed_only_beyond_chance() -> None:
    from evalkit.programme import Element
    from evalkit.reports.month_proposals import moves

    before = (Element("b_call_absent", 60, 100), Element("a_greet", 500, 1000), Element("d_meeting", 10, 20))
    now = (Element("b_call_absent", 63, 100), Element("a_greet", 400, 1000), Element("d_meeting", 20, 20))
    assert [code for code, *_ in moves(now, before)] == ["a_greet"]  # 63 of 100 is chance; 20 weeks are too few
