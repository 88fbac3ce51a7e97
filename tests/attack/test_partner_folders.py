"""What a partner is handed: nothing in any byte of it names a student, a mentor's note, a user, a host or a path."""

import getpass
import json
import platform
import re
import socket
from pathlib import Path

import pandas as pd
import pytest
from sample_runs import ROOT, SAMPLE, numbers_in, texts

from evalkit.disclosure.types import HIDDEN

FREE_TEXT = {"contact": ["note"], "barrier": ["note"], "referral": ["note"], "action": ["note", "action"],
             "assignment": ["note"], "insight": ["quote", "text", "note"]}


def column(table: str, name: str) -> pd.Series:
    path = SAMPLE / f"{table}.csv"
    frame = pd.read_csv(path, dtype=str, encoding="utf-8") if path.is_file() else pd.DataFrame()
    return frame[name].dropna().str.strip() if name in frame else pd.Series(dtype=str)


def test_no_students_id_stands_anywhere(partner_folders):
    ids = set(column("student", "student_id")) | set(column("student", "household_id"))
    long = {name for name in ids if len(name) >= 5}
    assert long, "the sample's ids must be long enough to be looked for"
    for report, folder in partner_folders.items():
        for name, text in texts(folder).items():
            assert not long & numbers_in(text), f"{report}/{name} holds a student's or household's id"


def test_no_students_name_stands_anywhere(partner_folders):
    firsts, lasts = column("identity", "first_name"), column("identity", "last_name")
    full = {f"{first} {last}" for first, last in zip(firsts, lasts, strict=False)}
    assert len(full) > 1000
    for report, folder in partner_folders.items():
        for name, text in texts(folder).items():
            pairs = set(re.findall(r"\w[\w'-]+ \w[\w'-]+", text)) | set(re.findall(r"(?<= )\w[\w'-]+ \w[\w'-]+", text))
            assert not full & pairs, f"{report}/{name} holds a student's name"


def test_no_free_text_of_the_log_stands_anywhere(partner_folders):
    notes = {text for table, names in FREE_TEXT.items() if table != "insight" for name in names
             for text in column(table, name) if len(text) > 15}
    for report, folder in partner_folders.items():
        for name, text in texts(folder).items():
            found = [note for note in notes if note in text]
            assert not found, f"{report}/{name} holds {len(found)} notes"


def test_no_contact_detail_stands_anywhere(partner_folders):
    details = {value for name in ("email", "phone", "address", "guardian_email", "guardian_phone", "street")
               for value in column("identity", name) if len(value) > 6}
    for report, folder in partner_folders.items():
        for name, text in texts(folder).items():
            assert not [d for d in details if d in text], f"{report}/{name} holds an address, mail or telephone number"


def test_no_path_user_or_host_stands_in_any_byte(partner_folders):
    folders = {str(ROOT), str(Path.home()), str(SAMPLE)} - {"/"}
    hosts = {name for name in (socket.gethostname(), platform.node()) if len(name) > 4}
    user = getpass.getuser() if len(getpass.getuser()) > 4 else str(Path.home())
    for report, folder in partner_folders.items():
        for name, text in texts(folder).items():
            found = [trace for trace in (*folders, *hosts, user, str(folder.parent.parent)) if trace in text]
            assert not found, f"{report}/{name} holds a trace of this machine"
            assert not re.search(r"(?:/tmp/|/var/folders/|[A-Z]:\\\\Users)", text), f"{report}/{name} holds a path"


def test_a_partner_never_gets_a_notebook_or_a_workbook(partner_folders):
    for folder in partner_folders.values():
        assert not [p.name for p in folder.rglob("*") if p.suffix in (".ipynb", ".xlsx", ".parquet", ".log", ".pkl")]


def test_no_script_and_no_request_in_a_page(partner_folders):
    for report, folder in partner_folders.items():
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert "<script" not in page and "javascript:" not in page, report
        assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page), report
        assert not re.search(r"url\(\s*[\"']?(?!data:|#)", page), report


def test_no_count_of_one_to_nine_in_a_released_table(partner_folders):
    """Every count column of tables/*.csv: hidden or at least 10."""
    for report, folder in partner_folders.items():
        for path in sorted((folder / "tables").glob("*.csv")):
            frame = pd.read_csv(path, dtype=str, encoding="utf-8")
            for name in frame.columns:
                if re.match(r"(n_|number|students|count)", name) and "day" not in name:
                    small = [v for v in frame[name].dropna() if re.fullmatch(r"[1-9]", v)]
                    assert not small, f"{report}/tables/{path.name} column {name}"


def test_results_hold_no_small_count_of_students(partner_folders):
    def walk(value, key=""):
        if isinstance(value, dict):
            for name, item in value.items():
                yield from walk(item, name)
        elif isinstance(value, list):
            for item in value:
                yield from walk(item, key)
        else:
            yield key, value

    students = re.compile(r"n_(students|chronic|satisfactory|at_risk|moderate|severe|extreme|treated|comparison)")
    for report, folder in partner_folders.items():
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        small = {key for key, value in walk(results) if students.match(key) and isinstance(value, int) and value < 10}
        assert not small, f"{report}/results.json: {small}"


def test_lists_of_students_are_for_the_team(partner_folders):
    for report, folder in partner_folders.items():
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        assert not results.get("lists"), report


def test_hidden_cells_say_so(partner_folders):
    """At least one page of the sample has something to hide: the test above would otherwise prove little."""
    assert any(HIDDEN in text for folder in partner_folders.values() for text in texts(folder).values())


def test_manifest_and_results_name_no_path(partner_folders):
    for folder in partner_folders.values():
        manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
        assert manifest["parameters"]["study"] == "sample"
        assert all("/" not in name and "\\" not in name for name in manifest["inputs"])


@pytest.mark.parametrize("name", ["report.html", "report.pdf"])
def test_the_page_names_its_audience(partner_folders, name):
    for folder in partner_folders.values():
        assert "artner copy" in texts(folder)[name] or "artner" in texts(folder)[name]


def test_moves_over_the_line_do_not_follow_from_the_bands(partner_folders):
    """Chronic before = stayed over + back under (+ left): a hidden move must not be the difference of two counts."""
    flows = json.loads((partner_folders["monthly_review"] / "results.json").read_text(encoding="utf-8"))["flows"]
    if flows["n_back_under"] is None:
        assert flows["n_stayed_over"] is None or flows["n_chronic_before"] is None
    if flows["n_crossed"] is None:
        assert flows["n_stayed_over"] is None or flows["n_chronic_now"] is None
