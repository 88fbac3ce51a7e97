"""Every number printed in the impact report on the sample traces to results.json, or to a constant named here with its
reason. A number that cannot be traced fails, and so does a printed number that was changed by hand."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lxml.html
import pytest

from evalkit.files import repository_root
from evalkit.run import run_report
from evalkit.tables import long_date

TOKEN = re.compile(r"(?<![\w.#])[+−-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])")
AS_IS = (1.0,)
EVERYWHERE = {
    "180": "days of a school year, a rule of the report", "95": "level of the intervals", "10": "the chronic threshold",
    "20": "least days of follow-up (landmark definition)", "30": "least students on a side (standards 7.1)",
    "0.05": "WWC baseline line", "0.25": "WWC baseline line", "2": "R2 and p, names of measures",
}
HEADS = {  # numbers that are part of a name, not a result
    "Grades PK to 5", "Grades 6 to 8", "Grades 9 to 12", "Missed under 20% last year", "Missed 20% or more last year",
    "Under 1 contact a week", "1 to under 3 a week", "3 or more a week", "Share missing 10% or more",
    "Check & Connect, grades 5 to 7", "Case management in 28 schools", "Tutoring 3 times a week", "days per 180",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    made = os.environ.get("EVALKIT_IMPACT_RUN")  # a finished run of the sample, to save a minute while working on pages
    return Path(made) if made else run_report("impact_study", repository_root() / "data" / "sample",
                                              out=tmp_path_factory.mktemp("trace"))


def leaves(value: Any) -> Iterator[float]:
    """Every number in a part of results.json."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def tokens(text: str) -> list[str]:
    for head in sorted(HEADS, key=len, reverse=True):
        text = text.replace(head, " ")
    return [found.rstrip(",") for found in TOKEN.findall(text)]


def is_shown(token: str, values: list[float], factors: tuple[float, ...]) -> bool:
    """Whether some value, times a factor that this block may use, prints as this token (half a unit either way)."""
    text = token.replace(",", "").replace("−", "-").replace("+", "")
    digits = len(text.partition(".")[2])
    half = 0.5 * 10.0**-digits * (1 + 1e-9)  # printing rounds to the digits shown
    return any(abs(value * factor - float(text)) <= half for value in values for factor in factors)


def blocks(page: lxml.html.HtmlElement) -> Iterator[tuple[str, str]]:
    """(title of the figure or table, "" for running text; its words, alt texts and labels; axis numbers left out)."""
    for axis in page.xpath('//*[local-name()="text"][@text-anchor="middle"]'):
        axis.text = ""
    for gone in page.xpath("//style|//head|//script"):
        gone.drop_tree()
    found = []
    for block in page.xpath("//figure|//table[not(ancestor::figure)]"):
        title = block.xpath('.//*[@class="ft"]')[0].text_content()
        alt = " ".join(block.xpath(".//@aria-label"))
        found.append((title, " ".join([*block.itertext(), " ", alt])))
        block.drop_tree()
    yield from found
    yield "", " ".join(page.itertext())


def sources(results: dict[str, Any]) -> dict[str, tuple[Any, tuple[float, ...]]]:
    """Title of a block -> (the part of results.json it shows, how a value may be told)."""
    main = results["analyses"][0]
    planned = {key: main["estimates"][0][key] for key in ("value", "ci_low", "ci_high")}
    return {
        "This program beside": (results["benchmarks"], AS_IS),
        "Who is in the result": ([main["flow"], main["left_out"], _lost(main)], AS_IS),
        "Some groups differ": ([main["groups"], planned], (-180.0, 1.0)),
        "No group clearly": ([main["groups"], planned], (-180.0, 1.0)),
        "The two groups were": (main["balance"], AS_IS),
        "What it cost": ([results["cost"], main["enrolled_days_treated"], main["flow"]], AS_IS),
        "The answer to plan": (main["estimates"], (-180.0, 100.0, 1.0)),
        "Groups before and after": (main["balance"], AS_IS),
        "Days missed before and after": (main["change_since_last_year"], (180.0, 1.0)),
        "The difference, by contacts": (main["doses"], (-180.0, 1.0)),
        "Each strategy": (results["strategies"], AS_IS),
        "Days with a planned session": (results["session_days"], AS_IS),
        "Belonging, beside": (results["belonging"], (100.0, 1.0)),
        "checks hold": ([len(main["checks"]), sum(check["verdict"] == "pass" for check in main["checks"]),
                         [in_text(check["text"]) for check in main["checks"]]], AS_IS),
    }


def in_text(sentence: str) -> list[float]:
    """The numbers of a sentence that results.json holds."""
    return [float(token.replace(",", "").replace("−", "-")) for token in tokens(sentence)]


def _lost(main: dict[str, Any]) -> list[int]:
    first, last = main["flow"][0], main["flow"][-1]
    return [first[arm] - last[arm] for arm in ("treated", "comparison")]


def prose(results: dict[str, Any]) -> list[float]:
    """What running text may quote: the planned estimate, who it rests on, its sizes, the plan, the account of rows."""
    main = results["analyses"][0]
    first = main["estimates"][0]
    ends = [first[key] for key in ("value", "ci_low", "ci_high")]
    account = results["row_account"]["files"]
    told = [-180 * x for x in ends] + [-100 * x for x in ends] + [first["n_treated"], first["n_comparison"]]
    told += [-main["effect_sizes"][key + end] for key in ("hedges_g", "improvement_index")
             for end in ("", "_ci_low", "_ci_high")]
    told += [x for row in results["mentors"] for x in (100 * row["share"], row["n"], row["of"])]
    told += [main["plan"][key] for key in ("ratio", "caliper", "seed")] + [main["enrolled_days_treated"]]
    told += [sum(f["rows_read"] for f in account), sum(f["quarantined"] for f in account), len(account)]
    told += [x for remark in (*main["remarks"], *main["caveats"]) for x in in_text(remark)]
    told += [row["df"] for row in main["estimates"] if row["df"] is not None and row["df"] < 4]
    return [*told, sum(c["verdict"] == "fail" for c in main["checks"]), len(main["schools"])]


def untraced(page: lxml.html.HtmlElement, results: dict[str, Any]) -> list[tuple[str, str]]:
    """(block, number) of everything printed that comes from nowhere."""
    known, free = sources(results), prose(results)
    wrong = []
    for title, text in blocks(page):
        key = next((key for key in known if key in title), "")
        part, factors = known[key] if title and key else (free, AS_IS)
        values = list(leaves(part))
        for day in (results["as_of"], results["analyses"][0]["plan"]["follow_up_end"]):
            text = text.replace(long_date(day), " ") if day else text
        for fixed in (f"evalkit {version('evalkit')}", results["analyses"][0]["plan_sha256"][:12]):
            text = text.replace(fixed, " ")
        wrong += [(title or "running text", token) for token in tokens(text)
                  if token.strip("+−") not in EVERYWHERE and not is_shown(token, values, factors)]
    return wrong


@pytest.mark.slow
def test_every_number_on_the_pages_traces_to_results_json(run):
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    page = lxml.html.fromstring((run / "report.html").read_text(encoding="utf-8"))
    assert untraced(page, results) == []


@pytest.mark.slow
@pytest.mark.parametrize(("printed", "changed"), [
    ("interval: {low}", "interval: 8.4"), ("{g_low} to {g_high})", "{g_low} to 0.99)"), ("+{value}</td>", "+7.7</td>"),
    ("{n} students", "1{n} students")])
def test_a_number_changed_by_hand_is_found(run, printed, changed):
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    first = results["analyses"][0]["estimates"][0]
    sizes = results["analyses"][0]["effect_sizes"]
    fill = {"g_low": f"{-sizes['hedges_g_ci_high']:.2f}", "g_high": f"{-sizes['hedges_g_ci_low']:.2f}",
            "low": f"{-180 * first['ci_high']:.1f}", "value": f"{-180 * first['value']:.1f}", "n": first["n_treated"]}
    text = (run / "report.html").read_text(encoding="utf-8")
    assert printed.format(**fill) in text
    page = lxml.html.fromstring(text.replace(printed.format(**fill), changed.format(**fill), 1))
    assert untraced(page, results)


@pytest.mark.slow
def test_the_tables_of_the_folder_hold_what_results_json_holds(run):
    import pandas as pd

    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    main = results["analyses"][0]
    table = pd.read_csv(run / "tables" / "estimates_main.csv")
    assert len(table) == len(main["estimates"])
    for shown, kept in zip(table.to_dict("records"), main["estimates"], strict=True):
        scale = {"days": -180.0, "points": 100.0}[shown["unit"]]
        assert shown["value"] == pytest.approx(kept["value"] * scale, rel=1e-9)  # csv holds 15 digits
        assert shown["n"] == kept["n_treated"] and shown["n_comparison"] == kept["n_comparison"]


@pytest.mark.slow
def test_the_replication_bundle_gets_the_number_again_and_holds_no_student(run):
    import subprocess
    import sys

    import pandas as pd

    sample, bundle = repository_root() / "data" / "sample", run / "replication"
    done = subprocess.run([sys.executable, str(bundle / "call.py"), str(sample)], capture_output=True, text=True,
                          check=False)
    first = json.loads((run / "results.json").read_text(encoding="utf-8"))["analyses"][0]
    plan, fingerprint, value, error = done.stdout.split()
    assert (plan, fingerprint) == ("main", first["plan_sha256"]), done.stderr
    assert float(value) == first["estimates"][0]["value"] and float(error) == first["estimates"][0]["standard_error"]
    students = set(pd.read_csv(sample / "student.csv", dtype=str)["student_id"])
    text = " ".join(path.read_text(encoding="utf-8") for path in bundle.iterdir())
    assert not students & set(re.findall(r"\w+", text))


@pytest.mark.slow
def test_the_manifest_holds_the_fingerprint_of_the_plan(run):
    manifest = json.loads((run / "MANIFEST.json").read_text(encoding="utf-8"))
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert manifest["plans"] == {one["id"]: one["plan_sha256"] for one in results["analyses"]}


@pytest.mark.slow
def test_every_table_is_there_for_a_paper(run):
    names = {path.stem for path in (run / "tables").glob("*.tex")}
    assert {"estimates_main", "balance_main", "checks_main", "dose_main", "strategies", "session_days"} <= names
    assert {path.stem for path in (run / "tables").glob("*.csv")} >= {"cost", "groups", "flow", "benchmarks"}


@pytest.mark.slow
def test_page_1_of_the_paper_holds_the_answer_and_what_mentors_did(run):
    from pypdf import PdfReader

    pages = [page.extract_text() for page in PdfReader(run / "report.pdf").pages]
    assert "What mentors did" in pages[0] and "2,488 of 5,140" in pages[0]
    assert pages[1].lstrip().startswith("Who took part") and len(pages) == 5
