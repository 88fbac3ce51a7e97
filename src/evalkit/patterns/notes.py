"""Notes only propose: words of a note point to a barrier, a person confirms it. The words are never printed or kept.

Whole words, case and accents folded on both sides, the longest phrase first. A negation up to three words before, in
the same clause, cancels unless the phrase itself holds it. An ambiguous short word (bus, cold, work ...), or a word
that two barriers share, needs a second cue of the same barrier in the note; without one it is only "weak".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

import pandas as pd

from evalkit.errors import UserError, must_be_one_of
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
_BREAK = "|"


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
    found = list(_matches(words, language))
    cues: dict[str, set[tuple[str, ...]]] = {}
    sure: set[str] = set()
    for phrase, patterns, ambiguous in found:
        for pattern in patterns:
            cues.setdefault(pattern, set()).add(phrase)
            if not ambiguous and len(patterns) == 1:
                sure.add(pattern)
    if re.search(r"\bICE\b", note) and not note.isupper() and "safety_community" in cues:
        sure.add("safety_community")
        cues.pop("weather_personal", None)
    return {
        pattern: "cue" if pattern in sure or len(phrases) > 1 else "weak" for pattern, phrases in sorted(cues.items())
    }


def fold(text: str) -> str:
    """Lower case, accents and apostrophes off."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return plain.replace("'", "")


def _words(note: str) -> list[str]:
    """The note's words; the end of a clause is a mark of its own, so that a negation does not reach over it."""
    text = fold(note.replace("\u2019", "'"))
    text = re.sub(r"[.,;:!?()\n]+|\b(?:but|pero|because|porque)\b", f" {_BREAK} ", text)
    return re.findall(r"[a-z0-9]+|\|", text)


@cache
def _phrases(language: str) -> dict[str, list[tuple[tuple[str, ...], tuple[str, ...], bool]]]:
    """First word -> phrases (words, their patterns, ambiguous), longest first."""
    merged: dict[tuple[str, ...], tuple[set[str], bool]] = {}
    for row in reason_words(language):
        words = tuple(re.findall(r"[a-z0-9]+", fold(row.phrase)))
        patterns, ambiguous = merged.get(words, (set(), False))
        merged[words] = (patterns | {row.pattern}, ambiguous or row.needs_second_cue)
    table: dict[str, list[tuple[tuple[str, ...], tuple[str, ...], bool]]] = {}
    for words, (patterns, ambiguous) in merged.items():
        table.setdefault(words[0], []).append((words, tuple(sorted(patterns)), ambiguous))
    return {first: sorted(found, key=lambda item: -len(item[0])) for first, found in table.items()}


def _matches(words: list[str], language: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], bool]]:
    """Phrases from left to right, the longest at each place, those negated left out."""
    table, at = _phrases(language), 0
    while at < len(words):
        hit = next((item for item in table.get(words[at], []) if tuple(words[at : at + len(item[0])]) == item[0]), None)
        if hit is None:
            at += 1
            continue
        if not _is_negated(words, at):
            yield hit
        at += len(hit[0])


def _is_negated(words: list[str], at: int) -> bool:
    for back in range(1, REACH + 1):
        place = at - back
        if place < 0 or words[place] == _BREAK:
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


def confirmed_barriers(sheet: pd.DataFrame) -> pd.DataFrame:
    """The confirmed rows of the sheet as barriers. Grain: student_id x pattern; source is text_suggested."""
    answers = sheet["confirmed"].fillna("").astype("str").str.strip().str.casefold()
    wrong = ~answers.isin(["", "yes", "no"])
    if wrong.any():
        raise UserError(
            "The confirmation sheet holds an answer that is neither yes nor no.",
            column="confirmed",
            row=int(wrong.to_numpy().argmax()) + 2,
            remedy="Write yes, no, or leave the cell blank.",
        )
    kept = sheet[answers.eq("yes")].drop_duplicates(["student_id", "pattern"])
    return kept[["student_id", "pattern"]].assign(source="text_suggested").reset_index(drop=True)


def precision_of(sheet: pd.DataFrame) -> pd.DataFrame:
    """How often a person said yes. Grain: pattern x strength; n_judged, n_yes, precision."""
    answers = sheet["confirmed"].fillna("").astype("str").str.strip().str.casefold()
    judged = sheet[answers.isin(["yes", "no"])].assign(yes=answers.eq("yes"))
    table = judged.groupby(["pattern", "strength"])["yes"].agg(n_judged="size", n_yes="sum").reset_index()
    return table.assign(precision=table["n_yes"] / table["n_judged"])
