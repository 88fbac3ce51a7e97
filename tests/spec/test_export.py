"""evalkit export: pseudonyms, the key, what leaves; the R script where R is at hand. LaTeX is escaped."""

import dataclasses
import os
import shutil
import subprocess

import pandas as pd
import pytest

from evalkit.errors import UserError
from evalkit.estimators.sample import drop_with_sets
from evalkit.files import repository_root
from evalkit.render.blocks import Column, Table
from evalkit.reports import impact_export, impact_files, impact_plan

KEY = b"k" * 32


def test_a_pseudonym_is_short_steady_and_keyed():
    one = impact_export.pseudonym("0012345", KEY, kind="student_id")
    assert len(one) == 12 and set(one) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    assert one == impact_export.pseudonym("0012345", KEY, kind="student_id")
    assert one != impact_export.pseudonym("0012345", b"j" * 32, kind="student_id")
    assert one != impact_export.pseudonym("0012345", KEY, kind="school_id")


def test_the_key_is_made_private_and_stays_outside_the_study(tmp_path):
    study, path = tmp_path / "study", tmp_path / "keys" / "key"
    study.mkdir()
    key = impact_export.read_key(path, study)
    assert len(key) == 64 and key == impact_export.read_key(path, study)
    with pytest.raises(UserError, match="inside the study"):
        impact_export.read_key(study / "key", study)
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)
        with pytest.raises(UserError, match="read by others"):
            impact_export.read_key(path, study)


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="other files"):
        impact_export._must_be_ours(tmp_path)


def test_latex_is_escaped():
    assert impact_files.escape(r"5% of a_b & {c} \ ~") == \
        r"5\% of a\_b \& \{c\} \textbackslash{} \textasciitilde{}"
    table = Table("T", "M", pd.DataFrame({"a": ["x_y"], "b": [-1.25]}), (Column("a", "A"), Column("b", "B", "signed1")))
    assert r"x\_y & $-$1.2 \\" in impact_files.latex(table)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    import evalkit as ek

    home = tmp_path_factory.mktemp("export")
    study = ek.open_study(repository_root() / "data" / "sample")
    privacy = dataclasses.replace(study.config.privacy, key_file=str(home / "key"))
    study = dataclasses.replace(study, config=dataclasses.replace(study.config, privacy=privacy))
    return study, impact_export.export_analysis(study, "main", home / "out")


@pytest.mark.slow
def test_no_id_leaves_and_every_file_is_private(exported):
    study, folder = exported
    ids = set(study.table("student")["student_id"])
    frame = pd.read_csv(folder / "analysis.csv", dtype=str)
    assert not ids & set(frame["student_id"]) and "household_id" not in frame
    text = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
    assert not any(f",{one}," in text or f"\n{one}," in text for one in ids)
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def replicated(folder):
    """What the exported script prints; skipped where R is not at hand."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed, so the exported script is not run here.")
    has = subprocess.run(["Rscript", "-e", 'cat(requireNamespace("clubSandwich", quietly = TRUE))'],
                         capture_output=True, text=True, check=False)
    if not has.stdout.endswith("TRUE"):
        pytest.skip("The R package clubSandwich is not installed, so the exported script is not run here.")
    done = subprocess.run(["Rscript", str(folder / "replicate.R")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_r_finds_what_evalkit_found(exported):
    assert "AGREES" in replicated(exported[1])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["optimal", "full", "entropy"])
def test_r_finds_it_for_other_methods_and_without_those_who_refused_research(exported, tmp_path, method):
    study = exported[0]
    plan = dataclasses.replace(study.config.analyses[0], method=method, caliper=None, ratio=1, order="",
                               distance="propensity", exact=(), replace=False)
    other = dataclasses.replace(study, config=dataclasses.replace(study.config, analyses=(plan,)))
    folder = impact_export.export_analysis(other, plan.id, tmp_path / "out")
    assert "AGREES" in replicated(folder)
    if method == "full":
        return  # thousands of rows: R takes 20 seconds a run
    script = folder / "replicate.R"
    text = script.read_text(encoding="utf-8").replace("CONSENTED_ONLY <- FALSE", "CONSENTED_ONLY <- TRUE")
    script.write_text(text, encoding="utf-8")
    comparison = impact_plan.planned_comparison(other, plan)
    used = comparison.used
    kept = drop_with_sets(used, used["research_consent"].isin(["no", "withdrawn"]).to_numpy())
    assert 0 < len(kept) < len(used)
    mine = impact_plan.planned_estimate(dataclasses.replace(comparison, students=kept), plan)
    value = next(line.split()[1] for line in replicated(folder).splitlines() if line.split()[:1] == ["value"])
    assert float(value) == pytest.approx(mine.value, rel=1e-6)  # R prints eight digits


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["did", "poisson", "logistic", "twfe", "sun_abraham", "panel_poisson"])
def test_r_finds_it_for_other_estimators(exported, tmp_path, estimator):
    study, follows = exported[0], estimator in ("twfe", "sun_abraham", "panel_poisson")
    outcome = {"logistic": "is_chronic", "panel_poisson": "absent_days"}.get(estimator, "absence_rate")
    covariates = {"did": ("pre_absence_rate", "english_learner")}.get(
        estimator, ("prior_absence_rate", "english_learner") if follows else study.config.analyses[0].covariates)
    plan = dataclasses.replace(study.config.analyses[0], estimator=estimator, outcome=outcome, covariates=covariates)
    other = dataclasses.replace(study, config=dataclasses.replace(study.config, analyses=(plan,)))
    folder = impact_export.export_analysis(other, plan.id, tmp_path / "out")
    assert (folder / "months.csv").is_file() == follows
    if follows:
        months = pd.read_csv(folder / "months.csv", dtype={"student_id": str})
        assert not set(study.table("student")["student_id"]) & set(months["student_id"])
        assert not months.duplicated(["id", "month"]).any() and set(months["on"]) == {0, 1}
    said = replicated(folder)
    if "NOT REDONE" in said and follows:
        pytest.skip("The R package fixest is not installed, so the months are not redone here.")
    assert "AGREES" in said
