"""Words for numbers: both sides of every edge, and titles that claim no more than the interval."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from evalkit import wording
from evalkit.wording import verdicts


def an_estimate(value: float, low: float, high: float, outcome: str = "absence_rate") -> SimpleNamespace:
    return SimpleNamespace(
        value=value, ci_low=low, ci_high=high, outcome=outcome, unit="share", n_treated=214, n_comparison=431
    )


def test_dates_follow_the_language() -> None:
    assert wording.date_words("2026-01-30") == "January 30, 2026"
    assert wording.date_words("2026-01-30", "es") == "30 de enero de 2026"
    assert wording.date_words("2026-01-30", year=False) == "January 30"
    assert wording.date_words(None) == "not given"


def test_missed_days_are_said_as_in_the_standard() -> None:
    assert wording.missed_days(9, 60) == "missed 9 of 60 days (15%)"
    assert wording.missed_days(8.5, 60) == "missed 8.5 of 60 days (14%)"
    assert wording.missed_days(0, 0) == "missed 0 of 0 days"


def test_an_interval_across_zero_names_both_ends() -> None:
    assert wording.between(0.9, 5.3) == "between 1 and 5 days"
    assert wording.between(-1.1, 5.3, digits=1) == "between 1.1 days fewer and 5.3 days more"
    assert wording.between(-5, -1) == "between 1 and 5 fewer days"


def test_an_end_that_rounds_to_nothing_keeps_its_side() -> None:
    assert wording.between(-5.0, 0.3) == "between 5 days fewer and under 1 day more"
    assert wording.between(-0.3, 5.0) == "between under 1 day fewer and 5 days more"
    assert wording.between(-0.02, 0.04, digits=1) == "between under 0.1 days fewer and under 0.1 days more"


@pytest.mark.parametrize(
    ("low", "high", "claims"),
    [(0.1, 5, "more days"), (0.0, 5, "in school"), (-0.1, 5, "in school"), (-5, 0.0, "in school"),
     (-5, -0.1, "fewer days")],
)
def test_a_title_claims_no_more_than_the_interval(low: float, high: float, claims: str) -> None:
    title = wording.gain_title(wording.Gain(2.0 if low > -1 else -2.0, low, high))
    assert claims in title and len(title.split()) <= 12
    assert "similar students" in title  # a difference names what it is a difference from
    assert ("no clear difference" in title) == (low <= 0 <= high) and "equal" not in title  # no evidence is no equality
    assert len(title.split()) <= 12


def test_fewer_absences_are_a_gain_in_days() -> None:
    gain = wording.gain_of(an_estimate(-0.0117, -0.029, 0.006))
    assert gain.value == pytest.approx(2.106)  # 180 x 0.0117: exact up to float arithmetic
    assert gain.low < 0 < gain.high


def test_an_estimate_never_stands_without_interval_and_comparison() -> None:
    for outcome in ("absence_rate", "is_chronic", "course_failures"):
        sentence = wording.estimate_sentence(an_estimate(-0.02, -0.03, -0.01, outcome))
        assert "similar student" in sentence
        assert "interval" in sentence or "true figure" in sentence


def test_every_verdict_of_the_monthly_look_has_its_words() -> None:
    from evalkit.estimators import sequence

    assert set(sequence.VERDICTS) == wording.VERDICTS.keys() == wording.MEANING.keys() == wording.IN_A_SENTENCE.keys()


def test_the_avoid_list_finds_words_in_any_case_and_form() -> None:
    found = wording.avoided_words("Truancy letters. Perfect Attendance awards. Habitually late.")
    assert {item.word for item in found} == {"Truancy", "Perfect Attendance", "Habitually"}
    assert not wording.avoided_words("We missed you. Good and improved attendance. A trustworthy adult.")
    assert wording.avoided_words("faltas injustificadas", "es")


def test_our_own_words_pass_our_own_list() -> None:
    for language in wording.LANGUAGES:
        table = {key: value for key, value in wording.string_table(language).items() if key != "avoid"}
        assert not wording.avoided_words(str(table), language)
    said = " ".join([*wording.VERDICTS.values(), *wording.MEANING.values(), *wording.IN_A_SENTENCE.values()])
    assert not wording.avoided_words(said)


def test_spanish_has_every_string_english_has() -> None:
    english, spanish = wording.string_table("en"), wording.string_table("es")
    assert english.keys() == spanish.keys()
    for key in english.keys() - {"avoid"}:
        if isinstance(english[key], dict):
            assert english[key].keys() == spanish[key].keys(), key
        else:
            assert len(english[key]) == len(spanish[key])


def test_reading_grade_tells_easy_from_hard() -> None:
    easy = "We missed you. What would help? Please call us. We are glad to see you back."
    hard = (
        "Notwithstanding considerable methodological heterogeneity, the longitudinal specification demonstrates "
        "statistically distinguishable attenuation of institutional nonattendance."
    )
    assert wording.reading_grade(easy) < 4 < 12 < wording.reading_grade(hard)
    assert wording.reading_grade("") == 0.0


def test_reading_grade_is_the_mean_of_two_published_formulas() -> None:
    """Coleman-Liau 0.0588 L - 0.296 S - 15.8 and ARI 4.71 c/w + 0.5 w/s - 21.43, counted by hand."""
    text = "The bus came late again. Nobody waited outside anymore."  # 9 words, 2 sentences, 45 letters
    letters, words, sentences = 45, 9, 2
    coleman = 0.0588 * (100 * letters / words) - 0.296 * (100 * sentences / words) - 15.8
    ari = 4.71 * letters / words + 0.5 * words / sentences - 21.43
    assert wording.reading_grade(text) == pytest.approx(max(0.0, (coleman + ari) / 2))  # the same closed form


def test_month_titles_are_counts_and_no_more() -> None:
    assert (
        wording.moved_title(104, 76, "January") == "In January, more students moved out of chronic absence than into it"
    )
    assert "43 students came back" in wording.moved_title(43, 108, "January")
    assert "1 student came back" in wording.moved_title(1, 9, "January")
    assert wording.share_title(0.230, 0.252, "last year").endswith("is lower than last year")
    assert wording.share_title(0.250, 0.252, "last year").endswith("about the same as last year")
    for back in (0, 1, 5, 9):
        for over in (0, 1, 5, 9):
            assert len(wording.moved_title(back, over, "September").split()) <= 12


def test_check_results_are_sentences() -> None:
    check = SimpleNamespace(
        name="pre_trend", verdict="caution", value=0.2, text="The lines were not quite parallel before."
    )
    assert wording.check_sentence(check) == "Pre trend: needs care. The lines were not quite parallel before."
    assert set(verdicts.CHECK_WORDS) == {"pass", "caution", "fail"}
