"""What a person sees on a terminal: lines folded to its width under their beginning; files and pipes get them whole."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from evalkit.cli import terminal

LONG = ('What to do: Did you mean "monthly_review"? Use one of: barrier_patterns, celebration, data_check, '
        "impact_study.\n"
        "  - 46: exit_type: a no-show or invalid enrolment, dropped with a reason that is long enough to be folded "
        "here")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_keep_to_the_width_and_lose_no_word(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = terminal.fitted(LONG, Terminal())
    assert max(len(line) for line in shown.split("\n")) <= columns
    assert shown.split() == LONG.split()
    if columns == 60:
        assert "\n    " in shown.split("  - 46", 1)[1], "a folded item stands under its own words"


def test_a_file_or_pipe_gets_the_line_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert terminal.fitted(LONG, io.StringIO()) == LONG


def test_a_path_is_never_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "reports/a-study-with-a-long-name/2026-06-09/monthly_review-partner/report.html"
    assert path in terminal.fitted(f"monthly_review: {path}", Terminal())


def test_the_next_command_is_written_as_the_reader_called_evalkit(tmp_path, monkeypatch):
    from evalkit.cli.terminal import this_command

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [".venv/bin/evalkit", "new"])
    assert this_command() == str(Path(".venv/bin/evalkit"))
    monkeypatch.setattr("sys.argv", ["evalkit", "new"])
    assert this_command() == "evalkit"
