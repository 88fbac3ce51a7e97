"""Parameters, names and links as an attacker would choose them."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "spec"))
from tiny import write_notebook

from evalkit import files
from evalkit.errors import UsageError, UserError
from evalkit.run import run_report


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path)
    return tmp_path


@pytest.mark.parametrize("key", [
    "x; import os; open('pwned', 'w')", "month = 1\nopen('pwned','w')", "__import__('os')", "", " month", "month ",
    "kernel_name", "MONTH", "a" * 5000, "mo\u200bnth", "out"])
def test_a_parameters_name_is_never_code(place, key):
    with pytest.raises(UsageError) as refused:
        run_report("tiny", "data", params={key: "1"}, out="reports")
    assert not (place / "pwned").exists()
    assert "pwned" not in refused.value.screen() and len(refused.value.screen()) < 600


@pytest.mark.parametrize("value", [
    "'; import os; open('pwned','w'); '", '"""', "\\'", "{open('pwned','w')}", "%(x)s", "{{7*7}}", "$(touch pwned)",
    "../../../etc", "0001", "é ü 학교", "</script><script>"])
def test_a_parameters_value_is_only_a_value(place, value):
    folder = run_report("tiny", "data", params={"school": value}, out="reports")
    assert not (place / "pwned").exists()
    assert folder.resolve().is_relative_to((place / "reports").resolve())


@pytest.mark.parametrize("name", [
    "../../x", "..", ".", "", "CON", "con", "nul", "a/b", "a\\b", "C:\\x", "x" * 300, "Ab", "aB", "\x00", "-rf", "é",
    "a b", ".hidden", "a:b", "LPT1", "a\nb", "~", "$HOME", "\u202egnp"])
def test_a_file_name_is_safe_on_every_system(name):
    safe = files.safe_name(name)
    assert safe and len(safe) <= 80
    assert not set(safe) & set('/\\:*?"<>|\x00\n ~$') and not safe.startswith((".", "-"))
    assert safe.split(".")[0].lower() not in {"con", "nul", "aux", "prn", "lpt1"}


def test_names_that_differ_stay_different():
    names = ["a b", "a-b", "a_b", "A-B", "a  b", "é", "e", "a/b", "a.b"]
    assert len({files.safe_name(name).lower() for name in names}) == len(names)


@pytest.mark.parametrize("report", ["../tiny", "/etc/passwd", "tiny.ipynb", "tiny\x00", "TINY", "", "."])
def test_a_report_is_one_of_those_at_hand(place, report):
    with pytest.raises(UsageError):
        run_report(report, "data", out="reports")


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights on Windows")
def test_a_link_in_the_output_is_replaced_never_followed(place):
    outside = place / "outside"
    outside.mkdir()
    (outside / "keep.txt").write_text("mine", encoding="utf-8")
    target = place / "reports" / "data" / "2026-01-30"
    target.mkdir(parents=True)
    (target / "tiny").symlink_to(outside, target_is_directory=True)
    folder = run_report("tiny", "data", out="reports")
    assert sorted(p.name for p in outside.iterdir()) == ["keep.txt"]
    assert not folder.is_symlink() and (folder / "report.html").is_file()


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights on Windows")
def test_a_link_in_place_of_a_file_is_replaced_never_followed(place):
    secret = place / "secret.txt"
    secret.write_text("mine", encoding="utf-8")
    (place / "reports").mkdir()
    (place / "reports" / "index.html").symlink_to(secret)
    run_report("tiny", "data", out="reports")
    assert secret.read_text(encoding="utf-8") == "mine"


def test_an_output_that_is_a_file_is_refused_in_words(place):
    (place / "reports").write_text("x", encoding="utf-8")
    with pytest.raises(UserError):
        run_report("tiny", "data", out="reports")


def test_a_study_that_is_no_folder_is_refused_in_words(place):
    (place / "study.csv").write_text("x", encoding="utf-8")
    write_notebook(place, "import evalkit as ek\nek.open_study(study)")
    for study in ("study.csv", os.devnull):
        with pytest.raises(UserError):
            run_report("tiny", study, out="reports")
