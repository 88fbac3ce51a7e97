"""Reports on the sample for partners, made once per test run, and every text a reader of their files could find."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample"


def texts(folder: Path) -> dict[str, str]:
    """File name -> all text in it: bytes as they are, the text of a PDF, the parts of a zip."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        text = data.decode("utf-8", "ignore")
        if data[:4] == b"%PDF":
            text += pdf_text(data)
        elif data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as parts:
                text += "".join(parts.read(name).decode("utf-8", "ignore") for name in parts.namelist())
        found[path.relative_to(folder).as_posix()] = text
    return found


def pdf_text(data: bytes) -> str:
    """The words of every page, and the document's metadata."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    return "\n".join(page.extract_text() for page in reader.pages) + str(reader.metadata) + str(reader.xmp_metadata)


def numbers_in(text: str) -> set[str]:
    """Whole words of digits and letters."""
    return set(re.findall(r"[A-Za-z0-9_-]+", text))


def evalkit(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    import sys

    command = [sys.executable, "-m", "evalkit", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
