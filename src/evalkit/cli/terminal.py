"""What the command line shows: lines fitted to the terminal, progress, refusals, and errors of ours in a log."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from evalkit.errors import INTERNAL_ERROR, UserError


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def this_command() -> str:
    """evalkit as the reader called it: by its path where that is how it was started, as `.venv/bin/evalkit` is."""
    called = Path(sys.argv[0]) if sys.argv else Path("evalkit")
    is_ours = called.stem == "evalkit" and called.parent != Path()
    on_path = shutil.which("evalkit")
    return shown(called) if is_ours and not (on_path and Path(on_path).absolute() == called.absolute()) else "evalkit"


def say(text: str, *, hang: int | None = None) -> None:
    """One line of plain output; control characters (terminal escapes) are never printed. `hang`: see `fitted`."""
    sys.stdout.write(fitted(printable(text), sys.stdout, hang=hang) + "\n")


def fitted(text: str, stream: TextIO, *, hang: int | None = None) -> str:
    """On a terminal, lines folded between words to its width, under their own beginning; elsewhere as they are.

    hang: spaces before a folded line, where its beginning is not told by its own spaces and dash.
    """
    if not stream.isatty():
        return text
    import shutil
    import textwrap

    width = max(40, shutil.get_terminal_size().columns)
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False,
                      subsequent_indent=" " * (len(line) - len(line.lstrip(" -")) if hang is None else hang))
        for line in text.split("\n")
    )


def printable(text: str) -> str:
    return "".join(c for c in text.replace("\xa0", " ") if c == "\n" or c.isprintable())


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """A moving line on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what, spinner="line"):
        yield


def use_utf8() -> None:
    """A console of another encoding (Windows) shows a question mark, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def refuse(problem: UserError) -> int:
    """One screen on stderr: what is wrong, where, and what to do."""
    sys.stderr.write(fitted(printable(problem.screen()), sys.stderr) + "\n")
    return problem.exit_code


def internal(problem: BaseException) -> int:
    """An error of ours: its type and places go into a private log, never its message, which may hold a record."""
    import tempfile
    import traceback

    from evalkit import files

    frames = traceback.extract_tb(problem.__traceback__)
    kinds, cause = [type(problem).__name__], problem.__cause__
    while cause is not None:
        kinds.append(type(cause).__name__)
        frames += traceback.extract_tb(cause.__traceback__)
        cause = cause.__cause__
    lines = [" from ".join(kinds), *(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames)]
    log = Path(tempfile.gettempdir()) / f"evalkit-error-{os.getpid()}.log"
    files.write_text(log, "\n".join(lines) + "\n", private=True)
    sys.stderr.write("Something went wrong inside evalkit. This is not a fault of your data.\n"
                     f"What to do: report it with the file {log}, which holds no student data.\n")
    return INTERNAL_ERROR


def one_thread_each() -> None:
    """One thread for linear algebra, unless the person chose otherwise: a report's matrices are small, so threads only
    wait for each other (five times the CPU on a busy machine), and one gives the same bytes everywhere."""
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
