"""Notes only propose: rules of the matching, and precision and recall on the labelled made notes."""

from __future__ import annotations

import zlib
from pathlib import Path

import pandas as pd
import pytest

from evalkit.errors import UserError
from evalkit.patterns.notes import confirmation_sheet, confirmed_barriers, precision_of, proposals

FRESH = Path(__file__).parent / "patterns_notes" / "hard_fresh.csv"
SPLIT = Path(__file__).parent / "patterns_notes" / "hard_split.csv"
CORPUS = Path(__file__).parent / "patterns_notes" / "labelled.csv"


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("Missed the bus again", {"transportation": "cue"}),  # the phrase holds the ambiguous word
        ("The bus was green", {"transportation": "weak"}),  # an ambiguous word alone
        ("sickle cell", {"health_physical": "cue"}),
        ("homesickness", {}),  # whole words
        ("not sick", {}),
        ("Not at all sick", {}),
        ("no one at home, sick", {"health_physical": "cue"}),  # 3 words, one clause
        ("no ride", {"transportation": "cue"}),  # the phrase holds the negation
        ("ENFERMO", {"health_physical": "cue"}),
        ("estomago", {"health_physical": "cue"}),  # case and accents
        ("cold and cough", {"health_physical": "cue", "weather_personal": "weak"}),  # second cue
        ("afraid of ICE", {"safety_community": "cue"}),
        ("ice", {"safety_community": "weak", "weather_personal": "weak"}),
        ("did not come, fever", {"health_physical": "cue"}),
        ("Mom's car is in the shop", {"transportation": "cue"}),  # a second cue
        ("He drew a car", {"transportation": "weak"}),
        ("No gas until payday", {"transportation": "cue"}),  # the lack is the reason
        ("Brother is sick", {"health_physical": "weak"}),  # somebody else
        ("Mom says he is sick", {"health_physical": "cue"}),
        ("No fever today", {}),
        ("No tiene fiebre", {}),
        ("sin tos ni fiebre", {}),  # a negation reaches over "ni"
        ("Perdio el camion", {"transportation": "cue"}),  # accents folded on both sides, the longest phrase
        ("The washing machine is broken", {"clothing_hygiene": "cue"}),  # not a broken arm
        ("No tiene que comer, no hay comida", {"food": "cue"}),  # the phrase holds the negation
        ("", {}),
    ],
)
def test_rules_of_matching(note, expected):
    assert proposals(note) == expected


def measure(corpus: pd.DataFrame | None = None) -> pd.DataFrame:
    """Precision and recall by pattern, counting cues only. Grain: pattern."""
    corpus = pd.read_csv(CORPUS, dtype=str, keep_default_na=False) if corpus is None else corpus
    rows = []
    for note in corpus.itertuples():
        truth = {label for label in note.labels.split(";") if label}
        said = {pattern for pattern, strength in proposals(note.text).items() if strength == "cue"}
        rows += [(pattern, pattern in said, pattern in truth) for pattern in truth | said]
    table = pd.DataFrame(rows, columns=["pattern", "said", "true"])
    table["right"] = table["said"] & table["true"]
    table = table.groupby("pattern").agg(n_true=("true", "sum"), n_said=("said", "sum"), n_right=("right", "sum"))
    return table.assign(precision=table["n_right"] / table["n_said"], recall=table["n_right"] / table["n_true"])


def test_the_corpus_is_large_bilingual_and_hard():
    corpus = pd.read_csv(CORPUS, dtype=str, keep_default_na=False)
    assert len(corpus) >= 600 and corpus["text"].is_unique
    assert (corpus["language"] == "es").sum() >= 150 and (corpus["kind"] == "hard").sum() >= 70


def test_precision_and_recall_stay_where_they_were_measured():
    total = measure()[["n_true", "n_said", "n_right"]].sum()
    # measured when written (docs/methods/patterns.md); two points of room for edits of the word lists
    assert total["n_right"] / total["n_said"] >= MEASURED_PRECISION - 0.02
    assert total["n_right"] / total["n_true"] >= MEASURED_RECALL - 0.02


MEASURED_PRECISION, MEASURED_RECALL = 0.991, 0.978


def test_hard_notes_written_before_the_rules_were_changed():
    total = measure(pd.read_csv(FRESH, dtype=str, keep_default_na=False))[["n_true", "n_said", "n_right"]].sum()
    # measured .95 and .92 (the lists were made longer with these in sight); the labels are few, so five points of room
    assert total["n_right"] / total["n_said"] >= 0.90 and total["n_right"] / total["n_true"] >= 0.87


def halves(corpus: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The half that edits of the lists may look at, and the half held out: by the text's checksum, so that it is
    fixed."""
    mine = corpus["text"].map(lambda text: zlib.crc32(text.encode("utf-8")) % 2).astype(bool)
    return corpus[mine], corpus[~mine]


def test_hard_notes_of_the_half_held_out():
    open_, held = halves(pd.read_csv(SPLIT, dtype=str, keep_default_na=False))
    total = measure(held)[["n_true", "n_said", "n_right"]].sum()
    assert min(len(open_), len(held)) >= 80 and set(held["language"]) == {"en", "es"}
    # measured .85 and .90 (.71 and .60 before the lists were made longer on the other half); five points of room
    assert total["n_right"] / total["n_said"] >= 0.80 and total["n_right"] / total["n_true"] >= 0.85


def test_a_person_confirms_and_no_word_of_the_note_is_kept():
    contacts = pd.DataFrame(
        {
            "contact_id": ["C1", "C2", "C3"],
            "student_id": ["S1", "S2", "S1"],
            "note_text": ["Fever since Monday zzyzx", None, "asthma, inhaler"],
        }
    )
    sheet = confirmation_sheet(contacts)
    assert not sheet.to_csv().count("zzyzx") and not sheet.to_csv().lower().count("fever")
    answered = sheet.assign(confirmed=["yes", "no"])
    assert confirmed_barriers(answered).to_dict("records") == [
        {"student_id": "S1", "pattern": "health_physical", "source": "text_suggested"}
    ]
    assert precision_of(answered)["precision"].tolist() == [0.5]
    with pytest.raises(UserError) as problem:
        confirmed_barriers(sheet.assign(confirmed="maybe"))
    assert problem.value.column == "confirmed"
