"""Papers for people: sheets, packets, plans, letters, resource sheets, agenda, certificates. Whole, private folders.

No file name holds a student's name or id; names are read only to set these pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit import files
from evalkit.errors import UserError, must_be_one_of
from evalkit.figures.canvas import covers
from evalkit.render.folder import outputs
from evalkit.render.pdf import can_print, page_pdf, set_pdf
from evalkit.reports import papers_certificates, papers_letters, papers_plans, papers_resources, papers_sheets
from evalkit.reports.papers_agenda import agenda
from evalkit.reports.papers_people import People, pairs_of, spoken

KINDS = ("sheet", "letter", "packet", "agenda", "certificate", "plan", "resource")
BY_MENTOR = ("sheet", "packet", "plan")
ALL = "all"
WRITE_IN = "________________"
NO_FONT = ("This machine has no font for the letters of some names: a line stands there to write on. "
           "To print them, install Noto Sans for that script.")
Pages = list[dict[str, Any]]


@dataclass(frozen=True)
class Papers:
    """One kind of paper, set: file stem -> pdf. pages: how many (0: not
    counted); remarks: what was left out and why."""

    kind: str
    pdfs: Mapping[str, bytes]
    pages: int
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """A finished folder of papers."""

    kind: str
    folder: Path | None
    n_files: int
    n_pages: int
    remarks: tuple[str, ...] = field(default=())


def make_papers(study, *, kinds: Sequence[str] = KINDS, mentor: str = "", month: str = "",
                out: str | Path = "reports") -> list[Made]:
    """Write each kind of paper of a study into DIR/<study>/<period>/papers/<kind>[-<school>][-<mentor>]/.

    study: as `open_study` gives it (its `school` narrows every kind). mentor: only this mentor's sheets, packet,
    plans; other kinds are not made by mentor and refused. A folder appears whole or not at all; files are
    readable by their owner only. A kind for which the study has nothing gets no folder, and its remarks say why.
    """
    for kind in kinds:
        must_be_one_of("kind", kind, KINDS)
    if mentor and not set(kinds) & set(BY_MENTOR):
        raise UserError("--mentor goes with --kind sheet, packet or plan.", remedy="Use --school for the other kinds.")
    kinds = [kind for kind in kinds if not mentor or kind in BY_MENTOR]
    _must_know_mentor(study, mentor)
    people = People(study)
    home = Path(out) / files.safe_name(study.folder.resolve().name) / (month or f"{study.as_of:%Y-%m-%d}") / "papers"
    files.must_lie_outside(home, study.folder)
    return [_write(study, set_papers(study, kind, people=people, mentor=mentor, month=month), home, mentor)
            for kind in kinds]


def set_papers(study, kind: str, *, people: People | None = None, mentor: str = "", month: str = "") -> Papers:
    """One kind of paper as pdfs, nothing written."""
    must_be_one_of("kind", kind, KINDS)
    return _MAKERS[kind](study, people or People(study), mentor, month)


def _must_know_mentor(study, mentor: str) -> None:
    if mentor and not study.table("assignment")["mentor_id"].eq(mentor).any():
        raise UserError("No assignment names that mentor.", file="assignment",
                        remedy="Give a mentor_id as it stands in the assignment table, zeros included.")


def _write(study, papers: Papers, home: Path, mentor: str) -> Made:
    if not papers.pdfs:
        return Made(papers.kind, None, 0, 0, papers.remarks)
    parts = [papers.kind, files.safe_name(study.school) if study.school else "", _stem(study, mentor) if mentor else ""]
    target = home / "-".join(part for part in parts if part)
    with files.held(target.parent / f".{target.name}.lock", what="This folder of papers"), \
            files.whole_folder(target) as folder:
        for stem, data in papers.pdfs.items():
            files.write_bytes(folder / f"{stem}.pdf", data, private=True)
        files.write_json(folder / "MANIFEST.json", _manifest(study, papers, folder, mentor), private=True)
    return Made(papers.kind, target, len(papers.pdfs), papers.pages, papers.remarks)


def _manifest(study, papers: Papers, folder: Path, mentor: str) -> dict[str, Any]:
    from evalkit import __version__

    inputs = {name: dict(known) for name, known in study.inputs.items()}
    return {"evalkit": __version__, "papers": papers.kind, "study": study.name, "as_of": f"{study.as_of:%Y-%m-%d}",
            "parameters": {"school": study.school, "mentor": mentor}, "pages": papers.pages, "inputs": inputs,
            "rules": study.rules.to_dict(), "outputs": outputs(folder), "audience": "team"}


def _sheets(study, people: People, mentor: str, month: str) -> Papers:
    kinds = study.table("mentor").set_index("mentor_id")["mentor_type"].to_dict()
    by_mentor = {name: _sheet_pages(study, people, name, students, kinds)
                 for name, students in _students(study, people, mentor)}
    return _by_mentor(study, "sheet", by_mentor, mentor)


def _packets(study, people: People, mentor: str, month: str) -> Papers:
    kinds = study.table("mentor").set_index("mentor_id")["mentor_type"].to_dict()
    by_mentor = {}
    for name, rows in _students(study, people, mentor):
        cover = papers_sheets.packet_cover(study, name, len(rows), kinds.get(name) == papers_sheets.PEER)
        by_mentor[name] = [cover, *_sheet_pages(study, people, name, rows, kinds),
                           papers_sheets.packet_prompts(study, name)]
    return _by_mentor(study, "packet", by_mentor, mentor)


def _students(study, people: People, mentor: str) -> list[tuple[str, list[str]]]:
    """(mentor, students by the name on the sheet) for every mentor with a student now."""
    pairs = pairs_of(study, mentor)
    pairs = pairs.assign(name=[people.person(s).name.casefold() for s in pairs["student_id"]])
    pairs = pairs.sort_values(["mentor_id", "name", "student_id"])
    return [(str(name), list(rows["student_id"])) for name, rows in pairs.groupby("mentor_id", sort=True)]


def _sheet_pages(study, people: People, mentor: str, students: Sequence[str], kinds: Mapping[str, str]) -> Pages:
    return [papers_sheets.sheet_page(study, people.person(s), mentor, kinds.get(mentor, "")) for s in students]


def _by_mentor(study, kind: str, pages: Mapping[str, Pages], mentor: str) -> Papers:
    """One file a mentor, and one with all of them where there are several."""
    if not pages:
        said = study.lacks("assignment") or ("No student has a mentor on this date.",)
        return Papers(kind, {}, 0, tuple(said))
    title = "Student information sheets" if kind == "sheet" else "Mentor packet"
    named = {f"mentor-{_stem(study, name)}": found for name, found in pages.items()}
    remarks = study.lacks("identity", "barrier", "contact")
    return _set(kind, "papers.typ", title, named, "en", remarks)


def _letters(study, people: People, mentor: str, month: str) -> Papers:
    if "identity" not in study.can:
        return Papers("letter", {}, 0, ("Letters need names and home languages: add the table identity.",))
    students = papers_letters.families_to_write(study, people)
    pages = papers_letters.letters(study, people, students)
    n = sum(map(len, pages.values()))
    remarks = []
    if n < len(students):
        remarks.append(f"No letter for {len(students) - n} students whose name is not on file.")
    other = sum(spoken(people.identity.get(s, {}).get("home_language")) == "other" for s in students)
    if other:
        remarks.append(f"{other} families speak neither English nor Spanish at home: their letter is in English. "
                       "Ask for help to read it to them.")
    if not pages:
        remarks.append("No family is to be written to on this date.")
    return _set("letter", "papers.typ", "Family letters", _by_school(pages), _language(study), tuple(remarks))


def _certificates(study, people: People, mentor: str, month: str) -> Papers:
    pages = papers_certificates.certificates(study, people)
    asked = study.table("recognition")["student_id"].nunique()
    named = papers_certificates.consented(study)["student_id"].nunique()
    remarks = [f"{asked - named} students were recognized and get no certificate: their family's yes "
               "(recognition.name_consent) is not on file."] if asked > named else []
    if not asked:
        remarks.append("No student's recognition is on file: the table recognition would switch certificates on.")
    named_pages = _by_school(pages) | {"mentor-blank": [papers_certificates.mentor_page(study)]}
    return _set("certificate", "certificate.typ", "Certificates", named_pages, _language(study), tuple(remarks))


def _plans(study, people: People, mentor: str, month: str) -> Papers:
    pages = papers_plans.plan_pages(study, people, mentor)
    if not pages:
        return Papers("plan", {}, 0, tuple(study.lacks("assignment")) or ("No student has a mentor on this date.",))
    named = {name if name == papers_plans.LEAD else f"mentor-{_stem(study, name)}": list(found)
             for name, found in pages.items()}
    remarks = study.lacks("identity")
    return _set("plan", "papers.typ", "Success plans", named, _language(study), remarks)


def _resources(study, people: People, mentor: str, month: str) -> Papers:
    pages = papers_resources.resource_pages(study)
    if not pages:
        return Papers("resource", {}, 0, ("Resource sheets need the table resource or barrier.",))
    return _set("resource", "papers.typ", "Resource sheets", pages, _language(study), study.lacks("resource"))


def _agenda(study, people: People, mentor: str, month: str) -> Papers:
    return Papers("agenda", {"agenda": page_pdf(agenda(study, month=month))}, 0)


_MAKERS: Mapping[str, Callable[[Any, People, str, str], Papers]] = {
    "sheet": _sheets, "letter": _letters, "packet": _packets, "agenda": _agenda, "certificate": _certificates,
    "plan": _plans, "resource": _resources}


def _set(kind: str, template: str, title: str, named: Mapping[str, Pages], language: str,
         remarks: Sequence[str]) -> Papers:
    """The pdfs: one a name in order, and `all` where there are several."""
    ordered = {name: [_printable(page) for page in named[name]] for name in sorted(named)}
    if ordered != {name: list(pages) for name, pages in named.items()}:
        remarks = (*remarks, NO_FONT)
    pdfs = {name: _pdf(template, title, pages, language) for name, pages in ordered.items()}
    everything = [page for pages in ordered.values() for page in pages]
    if len(ordered) > 1:
        pdfs[ALL] = _pdf(template, title, everything, language)
    return Papers(kind, pdfs, len(everything), tuple(remarks))


def _pdf(template: str, title: str, pages: Pages, language: str) -> bytes:
    fallback = not all(covers(text) for text in _texts(pages))
    return set_pdf(template, {"title": title, "language": language, "pages": pages, "fallback": fallback})


def _printable(value: Any) -> Any:
    """The page with a line to write on in place of words that no font of this machine can print."""
    if isinstance(value, Mapping):
        if value.get("f") and not can_print(value["t"]):
            return {**value, "t": WRITE_IN, "f": False}
        return {key: _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list | tuple):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def _by_school(pages: Mapping[str, Pages]) -> dict[str, Pages]:
    return {f"school-{files.safe_name(school) if school else 'none'}": found for school, found in pages.items()}


def _language(study) -> str:
    return study.config.language if study.config.language in ("en", "es") else "en"


def _stem(study, mentor: str) -> str:
    """A mentor as a file name; a trained peer's id may be a student's, so it is told by its place among the mentors."""
    students = set(study.table("student")["student_id"])
    if mentor not in students:
        return files.safe_name(mentor)
    order = sorted(study.table("assignment")["mentor_id"].dropna().unique())
    return f"peer-{order.index(mentor) + 1:03d}"
