"""`python -m evalkit` does what `evalkit` does."""

from evalkit.cli import main

if __name__ == "__main__":
    main()
