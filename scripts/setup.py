"""Set up and run evalkit with nothing but Python 3.11+: `python scripts/setup.py env|demo|test|...` (make calls it)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / ".evalkit-lock"


def run(*command: object, **kwargs: object) -> None:
    """Run one command in the repository; a failure ends this script with the command's own exit code."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False, **kwargs)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(done.returncode)


def wanted() -> str:
    """What .venv must have been built from: lock file, project file and Python's version."""
    parts = (ROOT / "requirements.lock").read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(parts + sys.version.encode()).hexdigest()


def env() -> None:
    """Make .venv from requirements.lock; does nothing when it is up to date."""
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever Python is there
        sys.exit(f"evalkit needs Python 3.11 or newer; this is {sys.version.split()[0]}. Install it from python.org.")
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted():
        return
    print("Setting up .venv (once, one to two minutes) ...", flush=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    install = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON]
    run(*install, "--require-hashes", "-r", "requirements.lock")
    run(*install, "--no-deps", "--editable", ".")
    STAMP.write_text(wanted(), encoding="utf-8")


def demo() -> None:
    """Every report on data/sample, into reports/."""
    run(PYTHON, "-m", "evalkit", "demo")


def test() -> None:
    """All tests, nbval on the executed notebooks of tests/notebooks/expected included."""
    run(PYTHON, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--nbval", "--nbval-current-env", *sys.argv[2:])


def lab() -> None:
    """JupyterLab on notebooks/."""
    run(PYTHON, "-m", "jupyterlab", "notebooks")


def lint() -> None:
    """Style."""
    run(PYTHON, "-m", "ruff", "check", ".")


def types() -> None:
    """Types."""
    run(PYTHON, "-m", "mypy")


def notebooks() -> None:
    """Rewrite the executed copies that nbval compares against."""
    run(PYTHON, "scripts/expected_notebooks.py")


def sample() -> None:
    """Rewrite data/sample."""
    run(PYTHON, "scripts/make_sample.py")


def docs() -> None:
    """Rewrite the generated tables and examples in docs/."""
    run(PYTHON, "scripts/make_docs.py")


def lock() -> None:
    """Resolve requirements.lock anew for every platform."""
    run(PYTHON, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--extra", "lab",
        "--extra", "dev", "--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate", "--upgrade",
        "pyproject.toml", "-o", "requirements.lock")


COMMANDS = {f.__name__: f for f in (env, demo, test, lab, lint, types, notebooks, sample, docs, lock)}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "help"
    if name not in COMMANDS:
        print("\n".join(f"{key:10} {command.__doc__}" for key, command in COMMANDS.items()))
        sys.exit(0 if name == "help" else 2)
    for library in ("OMP", "OPENBLAS", "MKL"):  # as `evalkit` itself does: the same last digits on every machine
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    if name != "env":
        env()
    COMMANDS[name]()


if __name__ == "__main__":
    main()
