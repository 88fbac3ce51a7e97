"""A run's folder: whole or not at all, the same bytes, a manifest silent about the machine, hashes that hold."""

from __future__ import annotations

import dataclasses
import getpass
import json
import re
import socket
import stat
from pathlib import Path

import pages_gallery as gallery
import pandas as pd
import pytest

from evalkit import files
from evalkit.errors import UserError
from evalkit.render import blocks as b
from evalkit.render import folder as run_folder
from evalkit.render.publish import publish


@dataclasses.dataclass(frozen=True)
class Params:
    study: str = "data/sample"
    month: str = "2026-01"
    as_of: str = ""
    school: str = ""
    audience: str = "team"
    out: str = ""


def written(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_without_out_the_page_is_shown_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVALKIT_STAGING", raising=False)
    found = publish(Params(), gallery.sections("team"))
    assert list(tmp_path.iterdir()) == [] and found.folder is None
    assert repr(found) == repr(publish(Params(), gallery.sections("team"))) and "\n" not in repr(found)
    assert found._repr_html_().startswith('<div class="evalkit"') and "@font-face" in found._repr_html_()


@pytest.mark.parametrize(("audience", "school", "name"), [("team", "", "monthly_review"),
                                                          ("partner", "", "monthly_review-partner"),
                                                          ("public", "0003", "monthly_review-0003-public")])
def test_the_folder_has_its_place_and_its_files(tmp_path: Path, audience: str, school: str, name: str) -> None:
    params = Params(out=str(tmp_path), audience=audience, school=school)
    found = publish(params, gallery.sections(audience))
    assert found.folder == tmp_path / "sample" / "2026-01" / name
    assert str(tmp_path) not in repr(found)
    names = set(written(found.folder))
    assert {
        "report.html",
        "report.pdf",
        "results.json",
        "MANIFEST.json",
        "tables/needs.csv",
        "figures/band_bars.svg",
    } <= names
    assert ("tables.xlsx" in names) == (audience == "team") and not [n for n in names if n.endswith(".ipynb")]
    assert {n for n in names if n.startswith("figures/")} == {
        f"figures/{k}.svg" for k in [*gallery.DRAWINGS, "day_dots"]
    }
    assert run_folder.faults(found.folder) == []
    said = f"Monthly review, school {school}" if school else "Monthly review"
    listed = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert f'href="sample/2026-01/{name}/report.html">{said}</a>' in listed


def test_same_input_same_bytes_in_another_folder(tmp_path: Path) -> None:
    one, two = (publish(Params(out=str(tmp_path / n)), gallery.sections("team")).folder for n in ("a", "another place"))
    assert written(one) == written(two)


def test_manifest_says_what_made_it_and_nothing_of_the_machine(tmp_path: Path) -> None:
    folder = publish(Params(out=str(tmp_path), study="/somewhere/secret/sample"), gallery.sections("team")).folder
    manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    assert manifest["parameters"] == {
        "study": "sample",
        "month": "2026-01",
        "as_of": "",
        "school": "",
        "audience": "team",
    }
    assert manifest["outputs"]["report.pdf"] == files.sha256(folder / "report.pdf")
    assert {
        "evalkit",
        "libraries",
        "report",
        "parameters",
        "audience",
        "rules",
        "seed",
        "inputs",
        "outputs",
    } <= manifest.keys()
    everything = b"".join(written(folder).values())
    for word in (str(tmp_path), "/somewhere/secret", str(Path.cwd())):
        assert word.encode() not in everything
    said = re.findall(r'"([^"]*)"', json.dumps(manifest))
    assert not {socket.gethostname(), getpass.getuser(), str(Path.home())} & set(said)


def test_team_files_are_private_and_partner_files_are_not(tmp_path: Path) -> None:
    team = publish(Params(out=str(tmp_path)), gallery.sections("team")).folder
    partner = publish(Params(out=str(tmp_path)), gallery.sections("partner")).folder
    assert {stat.S_IMODE(path.stat().st_mode) for path in team.rglob("*") if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in partner.rglob("*") if path.is_file()} == {0o644}


def test_a_failed_page_leaves_the_earlier_one(tmp_path: Path) -> None:
    folder = publish(Params(out=str(tmp_path)), gallery.sections("team")).folder
    before = written(folder)
    broken = [*gallery.sections("team"), b.Section(gallery.context("team"), "x", "X", ({},))]
    with pytest.raises(TypeError):
        publish(Params(out=str(tmp_path)), broken)
    assert written(folder) == before and not [p for p in folder.parent.iterdir() if p.name.startswith(".")]


def test_a_runner_gets_the_files_in_its_staging_folder_and_seals_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = tmp_path / ".run.part"
    staging.mkdir()
    monkeypatch.setenv("EVALKIT_STAGING", str(staging))
    found = publish(Params(out=str(tmp_path / "reports")), gallery.sections("team"))
    assert found.folder == staging and not (tmp_path / "reports").exists() and str(tmp_path) not in repr(found)
    (staging / "notebook.ipynb").write_text("{}", encoding="utf-8")
    assert run_folder.faults(staging) == ["notebook.ipynb was added"]
    run_folder.seal(staging)
    assert run_folder.faults(staging) == []


def test_verify_names_what_changed(tmp_path: Path) -> None:
    folder = publish(Params(out=str(tmp_path)), gallery.sections("team")).folder
    (folder / "report.html").write_bytes((folder / "report.html").read_bytes().replace(b"92.4%", b"92.5%", 1))
    (folder / "tables.xlsx").unlink()
    assert run_folder.faults(folder) == ["tables.xlsx is missing", "report.html was changed"]
    with pytest.raises(UserError, match="no finished run"):
        run_folder.read_run(tmp_path)


def test_read_back(tmp_path: Path) -> None:
    run = run_folder.read_run(publish(Params(out=str(tmp_path)), gallery.sections("partner")).folder)
    assert run.results["measures"][0]["ada"] == 0.924 and run.manifest["audience"] == "partner"
    assert run.table("needs")["students"].tolist() == ["41", "33", "hidden", "hidden"]
    assert "needs" in run.table_names


def test_results_merge_keep_precision_and_null_what_is_missing() -> None:
    context = gallery.context("team")
    one = b.Section(context, "a", "A", numbers={"measures": [{"school_id": None, "ada": float("nan"), "rate": 1 / 3}],
                                                "programme": {"x": pd.NA}})
    two = b.Section(context, "b", "B", numbers={"programme": {"y": pd.Timestamp("2026-01-30")}})
    found = run_folder.results([one, two])
    assert found["measures"] == [{"school_id": None, "ada": None, "rate": 1 / 3}]
    assert found["programme"] == {"x": None, "y": "2026-01-30"}
    assert found["report"] == "monthly_review" and found["as_of"] == "2026-01-30" and "rules" in found
    json.dumps(found, allow_nan=False)
    with pytest.raises(ValueError, match="different values"):
        run_folder.results([one, b.Section(context, "c", "C", numbers={"measures": []})])


def test_publish_refuses_sections_of_two_runs() -> None:
    with pytest.raises(ValueError, match="same study"):
        publish(
            Params(),
            [b.Section(gallery.context("team"), "a", "A"), b.Section(gallery.context("team", seed=1), "b", "B")],
        )
    with pytest.raises(ValueError):
        publish(Params(), [])


@pytest.mark.parametrize("study", ["../../x", "CON", "a\x00b", "é" * 300, "..", ""])
def test_names_stay_inside_the_out_folder(tmp_path: Path, study: str) -> None:
    context = gallery.context("team", folder=study, study=study or "x")
    path = run_folder.run_path(tmp_path, context, month="2026-01", school="../../etc")
    assert path.resolve().is_relative_to(tmp_path.resolve()) and len(path.relative_to(tmp_path).parts) == 3
    assert all(len(part) <= 120 for part in path.relative_to(tmp_path).parts)


def test_index_of_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert "No finished report" in run_folder.write_index(tmp_path).read_text(encoding="utf-8")
