"""python -m dagster_project.cli: the same as `hub`."""

from dagster_project.cli import main

main()
