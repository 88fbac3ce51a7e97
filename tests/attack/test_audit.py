"""`evalkit audit` and `evalkit verify` on finished folders: the attacker reads rendered files only.

EVALKIT_LONG=1 also attacks January and December of the district and of every school together (about 4 minutes).
"""

import json
import os

import pytest
from sample_runs import SAMPLE, evalkit

from evalkit.disclosure.audit import Copy, audit
from evalkit.run import audit_folders, run_report, verify_run


def copy(name="c", school="", tables=None, results=None, report="monthly_review", rounded_to=1, text=""):
    return Copy(name, "study", report, "2026-01-30", school, "partner", results or {}, tables or {}, text, rounded_to)


def test_nothing_can_be_deduced_from_the_partner_copies_of_the_sample(partner_folders):
    findings, n_copies = audit_folders(list(partner_folders.values()))
    assert n_copies == len(partner_folders)
    assert not findings, "\n".join(f"{f.copy}: {f.where}: {f.text}" for f in findings)


BANDS = {"when": "Now", "satisfactory": "100", "at_risk": "40", "moderate": "20", "severe": "hidden",
         "extreme": "12", "n": "180", "n_chronic": "hidden"}
LEAKS = {
    "a count in sight": copy(tables={"help": [{"need": "x", "n": "7"}]}),
    "a count in results.json": copy(results={"totals": {"n_students": 3}}),
    "a sentence": copy(text="Now 4 students are back."),
    "one hidden part of a sum": copy(tables={"bands": [BANDS]}),
    "those left over": copy(tables={"funnel": [{"label": "x", "n_barriers": "36", "n_referred": "25",
                                               "n_connected": "18", "n_waiting": "hidden"}]},
                            report="barrier_patterns"),
    "a share and its base": copy(tables={"fidelity": [{"what": "x", "n": "hidden", "of": "27", "share": "0.2962963"}]}),
    "steps": copy(tables={"flow": [{"stage": "a", "treated": "207"}, {"stage": "b", "treated": "205"}]},
                  report="impact_study"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_attack_finds_a_planted_leak(leak):
    assert audit([LEAKS[leak]])


def test_the_district_less_a_school_is_found_unless_rounded():
    row = {"need": "x", "n": "34", "connected": "hidden", "waiting": "hidden", "ended": "hidden"}
    district, exact = copy(tables={"help": [row]}), copy("s", "A", tables={"help": [row | {"n": "30"}]})
    rounded = copy("s", "A", tables={"help": [row | {"n": "30"}]}, rounded_to=10)
    assert audit([district, exact]) and not audit([district]) and not audit([district, rounded])




def test_two_copies_that_contradict_each_other_are_a_finding():
    """The page said "All 100" where the other said 148: dropped in silence, nothing was attacked."""
    row = {"school_id": None, "n_students": 148, "n_chronic": 26}
    review = copy(results={"measures": [row]})
    for whole, is_found in (("100", True), ("150", False)):
        bands = copy("b", tables={"bands": [{"when": "Now", "n": whole, "n_chronic": "30"}]}, rounded_to=10)
        assert bool(audit([review, bands])) is is_found


def test_verify_catches_a_flipped_byte(partner_folders, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(partner_folders["data_check"], folder)
    assert not verify_run(folder).faults
    results = folder / "results.json"
    results.write_bytes(results.read_bytes().replace(b"2", b"3", 1))
    assert verify_run(folder).faults == ("results.json was changed",)
    assert evalkit("verify", str(folder)).returncode == 1


def test_verify_runs_the_report_again(partner_folders):
    found = verify_run(partner_folders["data_check"], study=SAMPLE)
    assert found.run_again and not found.faults


def test_audit_says_so_and_ends_with_3(partner_folders, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(partner_folders["data_check"], folder)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (folder / "results.json").write_text(json.dumps(results | {"n_students": 4}), encoding="utf-8")
    said = evalkit("audit", str(folder))
    assert said.returncode == 3 and "can be deduced" in said.stdout and "Traceback" not in said.stderr
    assert evalkit("audit", str(tmp_path / "nowhere")).returncode == 1


@pytest.mark.skipif(not os.environ.get("EVALKIT_LONG"), reason="Minutes long: set EVALKIT_LONG=1 to run it.")
def test_months_and_schools_together(tmp_path):
    schools = ["", "0101", "0102", "0103", "0104", "0105", "0106"]
    for month in ("2025-12", "2026-01"):
        for school in schools:
            params = {"month": month, "audience": "partner", **({"school": school} if school else {})}
            run_report("monthly_review", SAMPLE, params=params, out=tmp_path)
    findings, n_copies = audit_folders([tmp_path])
    assert n_copies == 14 and not findings, "\n".join(f"{f.copy}: {f.where}: {f.text}" for f in findings)
