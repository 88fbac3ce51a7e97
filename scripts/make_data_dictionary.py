"""Write docs/data-dictionary.md from the canonical tables. Run by `make docs`; a test compares the file with it."""

from pathlib import Path

from evalkit import files
from evalkit.schemas.dictionary import data_dictionary

if __name__ == "__main__":
    files.write_text(Path(__file__).parents[1] / "docs" / "data-dictionary.md", data_dictionary())
