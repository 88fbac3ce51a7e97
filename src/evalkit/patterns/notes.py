"""Notes only propose: words of a note point to a barrier, a person confirms it. The words are never printed or kept.

Whole words, case and accents folded on both sides, the longest phrase first. A negation up to three words before, in
the same clause, cancels unless the phrase itself holds it. An ambiguous short word (bus, cold, work ...), or a word
that two barriers share, needs a second cue of the same barrier in the note; without one it is only "weak". Praise,
play, wishes, the past and somebody else's illness are never enough (`note_context`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pandas as pd

from evalkit.errors import UserError, must_be_one_of
from evalkit.patterns.note_context import (
    BREAK,
    NOT_OTHERS,
    fold,
    has_second_cue,
    is_about_other_things,
    is_lack,
    is_somebody_elses,
    words_of,
)
from evalkit.vocabulary import reason_words

NEGATIONS = {
    "no",
    "not",
    "never",
    "without",
    "nor",
    "sin",
    "nunca",
    "tampoco",
    "ni",
    "isnt",
    "wasnt",
    "doesnt",
    "didnt",
    "dont",
    "hasnt",
    "havent",
    "arent",
    "werent",
    "cannot",
    "cant",
    "wont",
}
ATTENDING = {
    "come",
    "came",
    "coming",
    "attend",
    "here",
    "go",
    "going",
    "make",
    "show",
    "call",
    "called",
    "vino",
    "viene",
    "venir",
    "fue",
    "asistio",
    "llego",
    "pudo",
    "puede",
    "va",
    "llamo",
    "estuvo",
}
"""A negation of these says that the student stayed away, not that the reason is absent: "did not come, fever"."""
REACH = 3


def propose(
    notes: pd.DataFrame, *, text: str = "note_text", key: str = "contact_id", language: str = ""
) -> pd.DataFrame:
    """Barriers that notes may be about. Grain: key x pattern; strength (cue, weak). No word of the note is in it.

    notes: a row per note with `key` and `text`. language: "en", "es", or both lists when not given.
    """
    must_be_one_of("language", language, ("", "en", "es"))
    rows = [
        (identity, pattern, strength)
        for identity, note in zip(notes[key], notes[text], strict=True)
        if isinstance(note, str) and note.strip()
        for pattern, strength in proposals(note, language=language).items()
    ]
    return pd.DataFrame(rows, columns=[key, "pattern", "strength"])


def proposals(note: str, *, language: str = "") -> dict[str, str]:
    """pattern -> "cue" or "weak" for one note."""
    words = _words(note)
    cues: dict[str, set[tuple[str, ...]]] = {}
    sure: set[str] = set()
    for at, phrase, patterns, ambiguous in _matches(words, language):
        for pattern in patterns:
            strength = _strength(words, (at, at + len(phrase)), pattern, ambiguous or len(patterns) > 1, language)
            if strength == "":
                continue
            cues.setdefault(pattern, set())
            cues[pattern] |= {phrase} if strength != "aside" else set()
            sure |= {pattern} if strength == "cue" else set()
    if re.search(r"\bICE\b", note) and not note.isupper() and "safety_community" in cues:
        sure.add("safety_community")
        cues.pop("weather_personal", None)
    return {
        pattern: "cue" if pattern in sure or len(phrases) > 1 else "weak" for pattern, phrases in sorted(cues.items())
    }


def _strength(words: list[str], hit: tuple[int, int], pattern: str, ambiguous: bool, language: str) -> str:
    """What one place in the note says of a pattern: cue, weak (waits for another phrase), aside (never enough), or
    ""."""
    if _is_negated(words, hit[0]):
        return "cue" if is_lack(words, pattern, language, hit) else ""
    negated = {at for at in range(len(words)) if _is_negated(words, at)}
    if is_about_other_things(words, language, hit, negated):
        return "aside"
    if pattern in NOT_OTHERS and is_somebody_elses(words, language, hit):
        return "aside"
    return "weak" if ambiguous and not has_second_cue(words, pattern, language, hit) else "cue"


def _words(note: str) -> list[str]:
    """The note's words; the end of a clause is a mark of its own, so that a negation does not reach over it."""
    text = fold(note.replace("\u2019", "'"))
    text = re.sub(r"[.,;:!?()\n]+|\b(?:but|pero|because|porque)\b", f" {BREAK} ", text)
    return re.findall(r"[a-z0-9]+|\|", text)


@cache
def _phrases(language: str) -> dict[str, list[tuple[tuple[str, ...], tuple[str, ...], bool]]]:
    """First word -> phrases (words, their patterns, ambiguous), longest first."""
    merged: dict[tuple[str, ...], tuple[set[str], bool]] = {}
    for row in reason_words(language):
        words = words_of(row.phrase)
        patterns, ambiguous = merged.get(words, (set(), False))
        merged[words] = (patterns | {row.pattern}, ambiguous or row.needs_second_cue)
    table: dict[str, list[tuple[tuple[str, ...], tuple[str, ...], bool]]] = {}
    for words, (patterns, ambiguous) in merged.items():
        table.setdefault(words[0], []).append((words, tuple(sorted(patterns)), ambiguous))
    return {first: sorted(found, key=lambda item: -len(item[0])) for first, found in table.items()}


def _matches(words: list[str], language: str) -> Iterator[tuple[int, tuple[str, ...], tuple[str, ...], bool]]:
    """Phrases from left to right, the longest at each place: where, words, patterns, ambiguous."""
    table, at = _phrases(language), 0
    while at < len(words):
        hit = next((item for item in table.get(words[at], []) if tuple(words[at : at + len(item[0])]) == item[0]), None)
        if hit is None:
            at += 1
            continue
        yield at, *hit
        at += len(hit[0])


def _is_negated(words: list[str], at: int) -> bool:
    for back in range(1, REACH + 1):
        place = at - back
        if place < 0 or words[place] == BREAK:
            return False
        if words[place] in NEGATIONS and words[place + 1] not in ATTENDING:
            return True
    return False


CONFIRM_COLUMNS = ["contact_id", "student_id", "pattern", "strength", "confirmed"]


def confirmation_sheet(contacts: pd.DataFrame, *, language: str = "") -> pd.DataFrame:
    """What a person confirms in a csv: a row per contact and proposed barrier, `confirmed` left blank (yes or no)."""
    found = propose(contacts, language=language)
    people = contacts[["contact_id", "student_id"]]
    return found.merge(people, on="contact_id").assign(confirmed="")[CONFIRM_COLUMNS]


def reason_proposals(study: Any) -> pd.DataFrame:
    """The confirmation sheet of a study's contact notes, with the answers given so far: what a run writes as
    tables/reason_proposals.csv and a person returns as STUDY/notes/reason_confirmed.csv. No word of a note is in it.
    """
    contacts = study.table("contact")
    if "note_text" not in contacts:
        return pd.DataFrame(columns=CONFIRM_COLUMNS)
    sheet = confirmation_sheet(contacts.dropna(subset=["note_text"])).drop(columns="confirmed")
    given = answers_given(study)[["contact_id", "pattern", "confirmed"]]
    sheet = sheet.merge(given, on=["contact_id", "pattern"], how="left")
    return sheet.assign(confirmed=sheet["confirmed"].fillna(""))[CONFIRM_COLUMNS]


def answers_given(study: Any) -> pd.DataFrame:
    """STUDY/notes/reason_confirmed.csv: CONFIRM_COLUMNS, each answer yes, no or blank. The student and the strength of
    a row are taken from the study's own contacts where the file leaves them out."""
    from evalkit.sources.confirmed_notes import FILE, read_confirmed

    given = read_confirmed(study.folder)
    checked_answers(given, file=f"notes/{FILE}")
    contacts = study.table("contact")
    own = contacts.drop_duplicates("contact_id").set_index("contact_id")["student_id"] if len(contacts) else pd.Series()
    student = given["contact_id"].map(own) if len(given) else given["student_id"]
    return given.assign(student_id=student.fillna(""))[CONFIRM_COLUMNS]


def checked_answers(sheet: pd.DataFrame, *, file: str = "") -> pd.Series:
    """The answers in small letters; an answer other than yes, no or blank is refused with its row."""
    answers = sheet["confirmed"].fillna("").astype("str").str.strip().str.casefold()
    answers = answers.replace({"y": "yes", "n": "no", "sí": "yes", "si": "yes"})
    wrong = ~answers.isin(["", "yes", "no"])
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        raise UserError(
            "The confirmation sheet holds an answer that is neither yes nor no.",
            file=file,
            column="confirmed",
            row=int(sheet["row"].iloc[at]) if "row" in sheet else at + 2,
            remedy="Write yes, no, or leave the cell blank.",
        )
    return answers


def confirmed_barriers(sheet: pd.DataFrame) -> pd.DataFrame:
    """The confirmed rows of the sheet as barriers. Grain: student_id x pattern; source is text_suggested."""
    answers = checked_answers(sheet)
    kept = sheet[answers.eq("yes")].drop_duplicates(["student_id", "pattern"])
    return kept[["student_id", "pattern"]].assign(source="text_suggested").reset_index(drop=True)


def precision_of(sheet: pd.DataFrame) -> pd.DataFrame:
    """How often a person said yes. Grain: pattern x strength; n_judged, n_yes, precision."""
    answers = checked_answers(sheet)
    judged = sheet[answers.isin(["yes", "no"])].assign(yes=answers.eq("yes"))
    table = judged.groupby(["pattern", "strength"])["yes"].agg(n_judged="size", n_yes="sum").reset_index()
    return table.assign(precision=table["n_yes"] / table["n_judged"])
