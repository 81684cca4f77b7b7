"""The Dagster definitions."""

import os

import dagster as dg
import pytest


@pytest.fixture(scope="session")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """Import the definitions, which writes the dbt manifest under HUB_HOME."""
    os.environ.setdefault("HUB_HOME", str(tmp_path_factory.mktemp("definitions")))
    from dagster_project.definitions import defs

    return defs
