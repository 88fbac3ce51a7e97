"""What a person typed never leaves: not in a plan change, not in a theme, not in a quote that names somebody."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from evalkit.disclosure.free_text import People
from evalkit.run import run_report
from evalkit.study import open_study

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The sample, in which somebody typed a student's name and id where they do not belong."""
    folder = shutil.copytree(SAMPLE, tmp_path_factory.mktemp("typed") / "study")
    row = pd.read_csv(folder / "identity.csv", dtype="str").iloc[7]
    secrets = (row["student_id"], row["last_name"])
    with (folder / "plan_change.csv").open("a", encoding="utf-8") as file:
        file.write(pd.DataFrame([{"changed_on": "2026-01-20", "what": f"Move {row['first_name']} {secrets[1]} "
                                  f"({secrets[0]})", "owner": "lead"}]).reindex(
            columns=pd.read_csv(folder / "plan_change.csv", nrows=0).columns).to_csv(index=False, header=False))
    insight = pd.read_csv(folder / "insight.csv", dtype="str")
    insight.loc[insight["quote"].notna(), "quote"] = f"Glad that {secrets[1]} is back."
    insight.loc[insight["works"].eq("works_well"), "theme"] = secrets[1].lower()
    insight.to_csv(folder / "insight.csv", index=False)
    return folder, secrets


@pytest.mark.parametrize("report, audience", [("monthly_review", "partner"), ("celebration", "public"),
                                              ("barrier_patterns", "partner"), ("impact_study", "partner")])
def test_nothing_typed_about_somebody_is_in_a_copy_for_others(typed, report, audience, tmp_path):
    folder, secrets = typed
    made = run_report(report, folder, params={"month": "2026-02", "audience": audience}, out=tmp_path)
    for path in sorted(made.rglob("*")):
        if path.suffix in (".html", ".json", ".csv", ".svg"):
            text = path.read_text(encoding="utf-8").casefold()
            for secret in secrets:
                assert secret.casefold() not in text, f"{path.name} names somebody"


def test_the_team_still_reads_what_it_typed(typed, tmp_path):
    folder, secrets = typed
    made = run_report("monthly_review", folder, params={"month": "2026-02"}, out=tmp_path)
    assert secrets[1] in (made / "report.html").read_text(encoding="utf-8")


def test_a_name_needs_its_capital_and_an_id_does_not():
    people = People(open_study(SAMPLE))
    name = sorted(name for name in people.names if name.isalpha())[0]
    one = sorted(people.ids)[0]
    assert people.in_text(f"Thank you, {name.capitalize()}!") and people.in_text(f"see {one}.")
    assert not people.in_text(f"a {name.lower()} day") and people.in_code(f"more_{name.lower()}")
    assert not people.in_text("They called to help, not to scold.")
