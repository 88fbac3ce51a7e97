"""Attendance codes of the exports and what they seem to mean: lines for [codes], each to be confirmed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.intake.names import GRID, Guess, day_columns
from evalkit.sources.canonical import shown
from evalkit.vocabulary import plain
from evalkit.vocabulary.exports import code_words, usual_codes


@dataclass(frozen=True)
class Code:
    """One local code. meaning: a word of [codes], "" where nothing tells it. said: the district's own words for it."""

    code: str
    meaning: str
    said: str
    n: int


def codes_of(guesses: Sequence[Guess]) -> list[Code]:
    """Every code of a code table or of attendance rows, in the order of their spelling."""
    counts, said = _counted(guesses), _described(guesses)
    every = sorted(set(counts) | set(said))
    return [Code(code, _meaning(code, said.get(code, "")), said.get(code, ""), counts[code]) for code in every
            if code or said.get("") or counts[""]]


def _counted(guesses: Sequence[Guess]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for guess in guesses:
        if guess.table in ("attendance_event", "attendance_period"):
            cells = [cell.strip() for cell in guess.cells("code_local")]
            counts.update(cell for cell in cells if cell or guess.table == "attendance_event")
        elif guess.table == GRID:
            counts.update(cell.strip() for place in day_columns(guess.export) for cell in guess.export.column(place)
                          if cell.strip())
    return counts


def _described(guesses: Sequence[Guess]) -> dict[str, str]:
    """code -> its description, from a code table or from a column beside the codes."""
    said: dict[str, str] = {}
    for guess in guesses:
        places = [i for i, cell in enumerate(guess.export.head) if plain(cell) in ("description", "codedescription")]
        if "code_local" in guess.columns and places:
            for code, text in zip(guess.cells("code_local"), guess.export.column(places[0]), strict=True):
                if text.strip():
                    said.setdefault(code.strip(), text.strip())
    return said


def _meaning(code: str, said: str) -> str:
    """A description's own word first, then what the code usually means."""
    for pattern, meaning in code_words() if said else ():
        if pattern.search(said):
            return meaning
    return usual_codes().get(code.upper(), "")


def _quoted(said: str) -> str:
    """A description as a comment may hold it; one with a long number, which may be an id, only by its length."""
    return shown(said) if re.search(r"\d{5}", said) or not said.isprintable() else f'"{said[:60]}"'


def code_lines(codes: Sequence[Code]) -> list[str]:
    """Lines of [codes] for study.toml; a code without a guess is a comment to fill in, so that check asks for it."""
    lines = []
    for one in codes:
        if not one.code:
            continue
        words = "; ".join([*([f"described as {_quoted(one.said)}"] if one.said else []), f"rows: {one.n}"])
        key = '"' + one.code.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if not one.code.isprintable():
            continue
        lines.append(f'{key} = "{one.meaning}"  # confirm: {words}' if one.meaning
                     else f'# {key} = ""  # say what it means, then take off the # in front: {words}')
    return lines
