"""python -m cli: the same as `hub`."""

from cli import main

main()
