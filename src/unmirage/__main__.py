"""`python -m unmirage` is the command line."""

from unmirage.cli import run

run()
