"""Entry point of `python -m cli`, which is the same as `hub`."""

from cli import main

main()
