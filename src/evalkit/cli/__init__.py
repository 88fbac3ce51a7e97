"""The command line: new, check, run, batch, papers, notes, demo, simulate, list. The only room that prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli.terminal import internal, one_thread_each, progress, refuse, say, shown, this_command, use_utf8
from evalkit.errors import DISCLOSURE_STOP, WRONG_USAGE, UsageError, UserError, must_be_one_of

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="Did the mentors help, what do we do this month, what do we celebrate.")
_INTERRUPTED, _STOPPED = 130, "Stopped. Nothing was half-written.\n"

StudyArg = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the row account as JSON.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE",
                                                     help="Any other parameter of the report.")]
OutOption = Annotated[Path, typer.Option("--out", help="The folder that holds all runs.")]


@app.command(short_help="Every report on the sample study.")
def demo(out: OutOption = Path("reports")) -> None:
    """Every report on the sample study data/sample."""
    from evalkit.kernels.notebooks import list_reports, sample_folder

    sample = sample_folder()
    for report in list_reports():
        _run_one(report, sample, {}, out)
    say(f"Open {shown(out / 'index.html')} in a browser.")


@app.command(short_help="Begin a study from exports.")
def new(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The new study's folder.")],
        exports: Annotated[Path, typer.Option("--from", metavar="EXPORTS", help="A folder of exports, or a file.")],
        school_year: Annotated[str, typer.Option(help="The year the school year ends in, if no export says it.")] = "",
        ) -> None:
    """Begin a study from exports: guesses the mapping, writes study.toml, says what to confirm."""
    from evalkit.intake import new_study
    from evalkit.study import open_study

    with progress("Reading the exports"):
        begun = new_study(folder, exports, school_year=school_year)
    for title, lines in (("Read", begun.read), ("Please confirm", begun.confirm), ("Still needed", begun.needed)):
        if lines:
            say(f"{title}:")
        for line in lines:
            say(f"  - {line}")
    say(f"\nWrote {shown(folder)}: study.toml, CONFIRM.md and the tables. The exports were not changed.")
    if begun.needed:
        say(f"Fill in what is still needed, then: {this_command()} check {shown(folder)}")
        return
    try:
        open_study(folder)
        say(f"The study opens. Next: {this_command()} check {shown(folder)}")
    except UserError as problem:
        say(f"Not ready yet: {problem.what}" + (f" ({problem.where})" if problem.where else ""))
        say(f"What to do: {problem.remedy}")


@app.command(short_help="Account for every row of a study's files.")
def check(study: StudyArg, as_json: JsonOption = False, out: OutOption = Path("reports")) -> None:
    """Validate a study and account for every row of its files."""
    from evalkit.study import check_study

    with progress("Reading the study"):
        outcome = check_study(study, out=out)
    if as_json:
        sys.stdout.write(json.dumps(outcome.to_dict(), indent=2, ensure_ascii=False) + "\n")
        return
    _print_account(outcome.study)
    _print_plan_faults(outcome.study)
    if outcome.kept:
        say(f"\nSet-aside rows are kept in {shown(outcome.kept)} (readable only by you).")


@app.command()
def run(report: Annotated[str, typer.Argument(metavar="REPORT", help="A notebook's name: see evalkit list reports.")],
        study: StudyArg,
        month: Annotated[str, typer.Option(help="The month to report, YYYY-MM.")] = "",
        as_of: Annotated[str, typer.Option("--as-of", help="The last day to use, YYYY-MM-DD.")] = "",
        school: Annotated[str, typer.Option(help="One school's id.")] = "",
        audience: Annotated[str, typer.Option(help="team, partner or public.")] = "team",
        out: OutOption = Path("reports"),
        settings: SetOption = None) -> None:
    """Run one report on a study."""
    given = {"month": month, "as_of": as_of, "school": school, "audience": audience}
    params = {**{key: value for key, value in given.items() if value}, **_settings(settings or [])}
    _run_one(report, study, params, out)


@app.command(short_help="Make up a district with a known effect.")
def simulate(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the made-up study goes.")],
             students: Annotated[int, typer.Option(help="How many students.")] = 2400,
             schools: Annotated[int, typer.Option(help="How many schools.")] = 6,
             effect_days: Annotated[float, typer.Option(help="Days absent the mentors change, for example -4.")] = -4.0,
             seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 20260,
             preset: Annotated[str, typer.Option(help="pre, post, elementary or high_school.")] = "post") -> None:
    """Make up a district with a known effect, its truth stored beside it."""
    from evalkit.simulate import simulate_district, write_study

    with progress("Making up a district"):
        district = simulate_district(n_students=students, n_schools=schools, effect_days=effect_days, seed=seed,
                                     preset=preset)
        write_study(folder, district, is_sample=True)
    say(f"Wrote a made-up study into {shown(folder)}. Try: {this_command()} check {shown(folder)}")


@app.command(short_help="Run one report for every school.")
def batch(report: Annotated[str, typer.Argument(metavar="REPORT", help="A notebook's name: see evalkit list reports.")],
          study: StudyArg,
          by: Annotated[str, typer.Option("--by", help="One report for each: school.")],
          month: Annotated[str, typer.Option(help="The month to report, YYYY-MM.")] = "",
          as_of: Annotated[str, typer.Option("--as-of", help="The last day to use, YYYY-MM-DD.")] = "",
          audience: Annotated[str, typer.Option(help="team, partner or public.")] = "team",
          workers: Annotated[int, typer.Option(help="Processes at a time on this machine.")] = 1,
          scheduler: Annotated[str, typer.Option(help="Address of a dask scheduler, instead of --workers.")] = "",
          out: OutOption = Path("reports"),
          settings: SetOption = None) -> None:
    """Run one report for every school; what is finished and unchanged is left alone."""
    from evalkit.batch import FAILED, run_batch
    from evalkit.run import working_on

    given = {"month": month, "as_of": as_of, "audience": audience if audience != "team" else ""}
    params = {**{key: value for key, value in given.items() if value}, **_settings(settings or [])}
    with working_on(study, report):
        done = run_batch(report, study, by=by, params=params, workers=workers, scheduler=scheduler, out=out,
                         tell=_tell_school)
    failed = [outcome for outcome in done if outcome.state == FAILED]
    counts = {state: sum(outcome.state == state for outcome in done) for state in ("made", "unchanged", FAILED)}
    say(f"{len(done)} schools: " + ", ".join(f"{n} {state}" for state, n in counts.items()) + ".")
    say(f"Open {shown(out / 'index.html')} in a browser.")
    if failed:
        raise typer.Exit(min(outcome.exit_code for outcome in failed))


def _tell_school(outcome: Any) -> None:
    seconds = f" ({outcome.seconds:.1f} s)" if outcome.seconds else ""
    say(f"school {outcome.school}: {outcome.state}{seconds}" + (f": {outcome.problem}" if outcome.problem else ""))


@app.command(short_help="Sheets, letters, agenda, certificates.")
def papers(study: StudyArg,
           kind: Annotated[
               str, typer.Option(help="sheet, letter, packet, plan, resource, agenda or certificate.")] = "",
           school: Annotated[str, typer.Option(help="One school's id.")] = "",
           mentor: Annotated[str, typer.Option(help="One mentor's id (sheets, packet, plans).")] = "",
           month: Annotated[str, typer.Option(help="As of that month's last school day, YYYY-MM.")] = "",
           as_of: Annotated[str, typer.Option("--as-of", help="The last day to use, YYYY-MM-DD.")] = "",
           out: OutOption = Path("reports")) -> None:
    """Sheets and packets for mentors, plans, letters, resource sheets, the agenda, certificates. They hold names."""
    from evalkit.reports.papers import KINDS, make_papers
    from evalkit.study import open_study

    if kind:
        must_be_one_of("kind", kind, KINDS)
    with progress("Setting papers"):
        opened = open_study(study, month=month or None, as_of=as_of or None, school=school or None)
        made = make_papers(opened, kinds=(kind,) if kind else KINDS, mentor=mentor, month=month, out=out)
    for one in made:
        pages = f", {one.n_pages} pages" if one.n_pages else ""
        files_ = f"{one.n_files} file{'' if one.n_files == 1 else 's'}"
        say(f"{one.kind}: {shown(one.folder)} ({files_}{pages})" if one.folder else f"{one.kind}: none")
        for remark in one.remarks:
            say(f"  {remark}")
    say("Papers hold names of students. Keep them where only the team can read them.")


@app.command(short_help="Actions, plan changes and insights.")
def notes(study: StudyArg,
          verb: Annotated[str, typer.Argument(metavar="[list|add|close|propose|accept|take|changed]",
                                              help="What to do; list when left out.")] = "list",
          words: Annotated[list[str] | None, typer.Argument(metavar="[TABLE or ID or RUN] [NAME=VALUE]...")] = None,
          month: Annotated[str, typer.Option(help="propose, accept: the month, YYYY-MM.")] = "") -> None:
    """Add or close actions, plan changes and insights in STUDY/notes/; nothing a person typed is changed."""
    from evalkit.notes import run_verb

    plain = [word for word in words or [] if "=" not in word]
    values = _settings([word for word in words or [] if "=" in word], form="NAME=VALUE")
    with progress("Reading the notes"):
        lines = run_verb(verb, study, plain, values, month=month)
    for line in lines:
        say(line)


@app.command(short_help="An analysis file and an R script.")
def export(study: StudyArg,
           analysis: Annotated[str, typer.Option(help="The id of one planned analysis.")],
           out: Annotated[Path, typer.Option("--out", help="A new folder for the files.")]) -> None:
    """Write a pseudonymous analysis file and an R script that redoes the planned estimate."""
    from evalkit.reports.impact_export import export_analysis
    from evalkit.study import open_study

    with progress("Making the analysis file"):
        folder = export_analysis(open_study(study), analysis, out)
    say(f"Wrote {shown(folder)}: analysis.csv, its dictionary, and replicate.R. It is about single students: share it "
        "only under a data agreement.")


@app.command(short_help="How many students do you need?")
def plan(study: Annotated[
             Path | None, typer.Argument(metavar="[STUDY]", help="Its last year gives the spread.")] = None,
         effect_days: Annotated[list[float] | None, typer.Option(help="Days a year you hope for; repeatable.")] = None,
         sd_days: Annotated[float, typer.Option(help="SD of days absent a year, without a study.")] = 0.0,
         who: Annotated[str, typer.Option(help="Whose spread: prior_chronic or all.")] = "prior_chronic",
         share: Annotated[float, typer.Option(help="Part of the students who get a mentor.")] = 0.5,
         r2: Annotated[float, typer.Option(help="What earlier attendance explains of it, 0 to 1.")] = 0.5,
         per_mentor: Annotated[float, typer.Option(help="Students of one mentor.")] = 15.0,
         icc: Annotated[float, typer.Option(help="How alike one mentor's students are, 0 to 1.")] = 0.0,
         power: Annotated[float, typer.Option(help="Chance to see the effect, if it is there.")] = 0.80) -> None:
    """How many students do you need? Before any outcome is there."""
    from evalkit.checks.planning import planning_lines
    from evalkit.study import open_study

    with progress("Reading last year's attendance"):
        lines = planning_lines(study and open_study(study), sd_days=sd_days, effects=effect_days, who=who, share=share,
                               r2=r2, per_mentor=per_mentor, icc=icc, power=power)
    for line in lines:
        say(line)


@app.command(short_help="Combine sites' effects, no student data.")
def pool(effects: Annotated[list[Path], typer.Argument(metavar="EFFECTS...", help="Sites' effects.json files.")],
         outcome: Annotated[str, typer.Option(help="The outcome to pool; the one most sites give when blank.")] = "",
         out: OutOption = Path("reports")) -> None:
    """Combine sites' effects without their student data."""
    from evalkit.reports.impact_pool import pool_sites

    with progress("Pooling the sites"):
        folder, answer = pool_sites(effects, outcome=outcome, out=out)
    say(f"{answer}\n{shown(folder / 'report.html')}")


@app.command(short_help="Attack copies for partners and the public.")
def audit(folders: Annotated[
              list[Path], typer.Argument(metavar="FOLDER...", help="Finished runs, or folders of them.")],
          ) -> None:
    """Attack finished copies for partners and the public, all together: what can be deduced?
    Ends with 3 if anything."""
    from evalkit.run import audit_folders

    with progress("Attacking the copies"):
        findings, n_copies = audit_folders(folders)
    if not n_copies:
        say("No copy for partners or the public is there; nothing is hidden in the team's copies, "
            "so none was attacked.")
        return
    copies = f"{n_copies} {'copy' if n_copies == 1 else 'copies'} attacked"
    if not findings:
        say(f"{copies}: no group of fewer than ten students can be deduced from counts, sums, shares and other tables.")
        return
    say(f"{copies}: {len(findings)} {'number' if len(findings) == 1 else 'numbers'} can be deduced.")
    for finding in findings:
        say(f"  - {finding.copy}: {finding.where}: {finding.text}")
    say("What to do: do not hand these copies out together.")
    raise typer.Exit(DISCLOSURE_STOP)


@app.command(short_help="Recompute a finished run.")
def verify(folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")],
           study: Annotated[Path | None, typer.Option(help="The study's folder, to run the report again.")] = None,
           ) -> None:
    """Recompute a finished run: every file against its manifest, then the report from its inputs.
    Ends with 1 if any differs."""
    from evalkit.run import verify_run

    with progress("Recomputing the run"):
        found = verify_run(folder, study=study)
    if found.faults:
        raise UserError("This run is not as it was made.", culprits=list(found.faults), file=folder.name,
                        remedy="Do not rely on it; run the report again.")
    say(f"All {found.n_files} files are as they were made (sha256 against MANIFEST.json).")
    if found.run_again:
        say("The report was run again from its inputs: results.json and every table came out the same, byte for byte.")
    for remark in found.remarks:
        say(f"Note: {remark}")


@app.command("list")
def list_(what: Annotated[str, typer.Argument(metavar="[reports|estimators|checks|measures|sources]",
                                              help="What to list; all of them when left out.")] = "") -> None:
    """What this copy of evalkit has."""
    from evalkit.catalog import LISTS, listed

    if what:
        must_be_one_of("list", what, LISTS)
    for kind in (what,) if what else LISTS:
        if not what:
            say(f"{kind}:")
        for name, line in listed(kind):
            say(f"{'' if what else '  '}{name:28} {line}".rstrip(), hang=4)


def _run_one(report: str, study: Path, params: dict[str, Any], out: Path) -> None:
    from evalkit.run import run_report, working_on

    with progress(f"Making {report}"), working_on(study, report):
        folder = run_report(report, study, params=params, out=out)
    say(f"{report}: {shown(folder / 'report.html')}")
    as_of = str(json.loads((folder / "results.json").read_text(encoding="utf-8"))["as_of"])[:10]
    if params.get("month") and not as_of.startswith(params["month"]):
        say(f"The study's complete data end on {as_of}: this page is about that day, not about {params['month']}. "
            "Later days were sent? Then move complete_through in the table school.")


def _settings(pairs: Sequence[str], *, form: str = "--set") -> dict[str, str]:
    """NAME=VALUE pairs; a value may itself hold an equals sign."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise UsageError("--set was not given as NAME=VALUE.", remedy="For example: --set title=Spring.")
        if name.strip() in found:
            raise UsageError(f"{form} gives the same name twice.", remedy="Give each name once.")
        found[name.strip()] = value
    return found


def _print_account(study: Any) -> None:
    """Every row of every file, in plain words."""
    year = f"{study.school_year - 1}-{study.school_year % 100:02d}"
    say(f"{study.name}: school year {year}, data to {study.as_of:%Y-%m-%d}.")
    for entry in study.account.to_dict()["files"]:
        named = entry.get("table") and Path(entry["file"]).stem != entry["table"]
        start = f"{entry['file']}{' (' + entry['table'] + ')' if named else ''}: {entry['rows_read']:,} rows read"
        if entry["loaded"] == entry["rows_read"] and not entry["reasons"]:
            say(f"{start}, all used as they stand")
            continue
        parts = [("used as they stand", "loaded"), ("used after a repair", "repaired"), ("set aside", "quarantined"),
                 ("exact duplicates", "duplicate")]
        used = ", ".join(f"{entry[key]:,} {words}" for words, key in parts if entry[key] or key == "loaded")
        say(f"{start}; {used}", hang=2)
        for reason in entry["reasons"]:
            say(f"  - {reason['n']:,}: {reason['reason']}")
    for remark in study.remarks:
        say(f"\nNote: {remark}")


def _print_plan_faults(study: Any) -> None:
    """Plans that cannot be carried out as written: better told while the plan is made than when results are due."""
    from evalkit.reports.impact_plan import check_plan

    for plan in study.config.analyses:
        try:
            check_plan(study, plan)
        except UserError as fault:
            say(f"\nNote: {fault.what} The report impact_study will be refused. {fault.remedy}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end with its exit code: 0 done, 1 input, 2 usage, 3 disclosure, 4 internal."""
    use_utf8()
    one_thread_each()
    sys.exit(_main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    try:
        code = app(args=list(arguments) if arguments is not None else None, prog_name="evalkit", standalone_mode=False)
        if code == _INTERRUPTED:
            sys.stderr.write(_STOPPED)
        return int(code or 0)
    except UserError as problem:
        return refuse(problem)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write(_STOPPED)
        return _INTERRUPTED
    except Exception as problem:
        if hasattr(problem, "format_message"):
            problem.show()  # type: ignore[attr-defined]
            return WRONG_USAGE
        return internal(problem)
