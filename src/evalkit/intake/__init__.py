"""`evalkit new`: from a stranger's exports to a study folder. What is guessed is marked, and said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit import files
from evalkit.errors import UserError
from evalkit.intake.codes import Code, code_lines, codes_of
from evalkit.intake.facts import Facts, facts_of
from evalkit.intake.names import Guess, column_score, guess_of
from evalkit.intake.tables import Made, make_tables
from evalkit.schemas import MINIMAL_SETS
from evalkit.schemas import table as schema_table
from evalkit.sources.exports import Export, export_files, read_export
from evalkit.sources.text import plain_name

CONFIRM = "CONFIRM.md"


@dataclass(frozen=True)
class Begun:
    """A study begun from exports. read: a line per export; confirm: what was guessed; needed: what is still missing."""

    folder: Path
    read: tuple[str, ...]
    confirm: tuple[str, ...]
    needed: tuple[str, ...]


def new_study(folder: str | Path, exports: str | Path, *, school_year: str = "") -> Begun:
    """Begin a study folder from a folder of exports (or one file): guess the mapping, write study.toml, say the rest.

    Exports are never changed. The folder appears whole or not at all and must not be there yet. Every guess carries
    the mark "confirm" in study.toml and stands in CONFIRM.md. Refuses exports that cannot be read or hold no year.
    """
    folder, place = Path(folder), files.locate(exports)
    _must_be_new(folder, place)
    guesses = [guess_of(_read(path)) for path in export_files(place)]
    if not any(guess.table for guess in guesses):
        raise UserError("None of the files looks like an export of attendance, enrollment or students.",
                        culprits=[f"{g.export.file}: columns {_heads(g.export)}" for g in guesses], file=place.name,
                        remedy="A file needs a line of column names such as student_id, date, code.")
    facts, codes = facts_of(guesses, school_year), codes_of(guesses)
    made = make_tables(guesses, facts)
    _still_needed(made, codes)
    confirm = (*facts.confirm, *made.confirm, *_code_confirmations(codes))
    begun = Begun(folder, tuple(_line(guess) for guess in guesses), confirm, tuple(made.needed))
    with files.whole_folder(folder) as work:
        for path, _ in made.copies.values():
            files.write_bytes(work / copied_as(path, made), path.read_bytes(), private=True)
        for name, text in made.texts.items():
            files.write_text(work / name, text, private=True)
        files.write_text(work / "study.toml", _settings(folder, facts, made, codes))
        files.write_text(work / CONFIRM, _page(begun))
    return begun


def copied_as(path: Path, made: Made) -> str:
    """The name of a copied export in the study; one that a written table has gets another."""
    return f"export-{path.name}" if path.name in made.texts else path.name


def _must_be_new(folder: Path, place: Path) -> None:
    if (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))) or folder.is_symlink():
        raise UserError("The folder is there already and is not empty.", file=f"{folder.name}/",
                        remedy="Give the name of a new folder; nothing was changed.")
    if place.is_dir() and folder.resolve().is_relative_to(place.resolve()):
        raise UserError("The new study would lie inside the exports.", file=f"{folder.name}/",
                        remedy="Give a folder of its own, outside the exports.")


def _read(path: Path) -> Export:
    return read_export(path, column_score)


def _heads(export: Export) -> str:
    """The head's words where it is one; a line that may be data is not shown."""
    words = [cell.strip()[:30] for cell in export.head[:6] if cell.strip()]
    return ", ".join(words) if column_score(export.head) else "not found"


def _line(guess: Guess) -> str:
    """One export in a line: what it was taken for, and the columns that are used."""
    if not guess.table:
        return f"{guess.export.file}: not recognized, not used"
    used = ", ".join(f"{guess.name(column)} = {column}" for column in guess.columns)
    return f"{guess.export.file}: {guess.table} ({len(guess.export.rows)} lines; {used})"


def _still_needed(made: Made, codes: Sequence[Code]) -> None:
    """What no export bears; without a mentor list the study is begun as one in which nobody has a mentor yet."""
    have = made.tables
    wanted = MINIMAL_SETS[1] if "attendance_total" in have and "attendance_event" not in have else (
        MINIMAL_SETS[2] if "attendance_period" in have and "attendance_event" not in have else MINIMAL_SETS[0])
    for table in wanted:
        if table == "assignment" and table not in have:
            made.confirm.append("no_mentors_yet: no export says who has which mentor since when. If students have "
                                f"mentors, add assignment.csv ({', '.join(schema_table(table).required)}) and take "
                                "the line no_mentors_yet out of study.toml")
        elif table not in have:
            made.needed.append(f"{table}: no export holds it; add {table}.csv or export it")
    unknown = [code for code in codes if code.code and not code.meaning]
    if unknown:
        made.needed.append(f"[codes]: codes without a meaning yet: {len(unknown)}; study.toml lists them")


def _code_confirmations(codes: Sequence[Code]) -> list[str]:
    guessed = sum(bool(code.code and code.meaning) for code in codes)
    lines = [f"[codes]: the meaning of each attendance code ({guessed} guessed)"] if guessed else []
    if any(not code.code and code.meaning == "Present" for code in codes):
        lines.append("blank_code: a blank code means present, as the code table says")
    elif any(not code.code and code.n for code in codes):
        lines.append('blank_code: some rows have no code; if that means present, take the # off blank_code = "present"')
    return lines


def _settings(folder: Path, facts: Facts, made: Made, codes: Sequence[Code]) -> str:
    """study.toml: every guess marked, what is not known left as a comment."""
    blank = next((code for code in codes if not code.code), None)
    lines = ["# Begun by `evalkit new`. Look at every line marked confirm, correct it, and take the mark off.", "",
             "[study]", f"name = {json.dumps(folder.resolve().name, ensure_ascii=False)}",
             f"school_year = {facts.school_year}  # confirm"]
    if facts.date_order:
        lines.append(f'date_order = "{facts.date_order}"  # confirm')
    elif any(line.startswith("date_order") for line in facts.confirm):
        lines.append('# date_order = "month_first"  # or "day_first": take off the # in front')
    if blank is not None:
        known = blank.meaning == "Present"
        lines.append(('' if known else '# ') + 'blank_code = "present"  # confirm')
    if "assignment" not in made.tables:
        lines.append("no_mentors_yet = true  # confirm")
    if made.copies:
        lines += ["", "[tables]", *(f"{table} = {json.dumps(copied_as(path, made), ensure_ascii=False)}"
                                    for table, (path, _) in made.copies.items())]
    for table, (_, columns) in made.copies.items():
        named = {column: own for column, own in columns.items() if plain_name(own) != column}
        if named:
            lines += ["", f"[columns.{table}]",
                      *(f"{c} = {json.dumps(own, ensure_ascii=False)}  # confirm" for c, own in named.items())]
    told = code_lines(codes)
    return "\n".join([*lines, *(["", "[codes]", *told] if told else [])]) + "\n"


def _page(begun: Begun) -> str:
    """CONFIRM.md: the same list for reading at leisure. It holds no value of any row."""
    parts = [("Still needed", begun.needed), ("Please confirm", begun.confirm), ("What was read", begun.read)]
    found = ["# What to confirm in this study", ""]
    for title, lines in parts:
        found += [f"## {title}", "", *([f"- {line}" for line in lines] or ["- nothing"]), ""]
    return "\n".join([*found, "Then: evalkit check, on this folder.", ""])
