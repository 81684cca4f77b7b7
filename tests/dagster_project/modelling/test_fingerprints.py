"""Fingerprints: a model whose inputs are the same does not run again."""

from datetime import date, timedelta
from functools import partial

import pandas as pd
import psycopg

from dagster_project.modelling.fingerprints import fingerprint, is_unchanged, save_fingerprint
from dagster_project.modelling.organizations import Organization
from ml.forecasting import forecast
from tests.dagster_project.modelling.conftest import DAY


def test_a_model_runs_again_where_its_inputs_changed(
    connection: psycopg.Connection, organization: Organization
) -> None:
    history = pd.DataFrame({"series_id": ["a", "b"], "day": pd.Timestamp(DAY), "value": [1.0, 2.0]})

    def is_unchanged_for(frame: pd.DataFrame, as_of: date = DAY) -> bool:
        return is_unchanged(connection, organization, "m", fingerprint(partial(forecast, frame, as_of=as_of)))

    assert not is_unchanged_for(history)
    assert not is_unchanged_for(history), "the fingerprint is saved once the model has run"
    save_fingerprint(connection, organization, "m", fingerprint(partial(forecast, history, as_of=DAY)))
    assert is_unchanged_for(history.iloc[::-1]), "the order of rows does not matter"
    assert not is_unchanged_for(history.assign(value=[1.0, 2.5]))
    assert not is_unchanged_for(history, as_of=DAY + timedelta(days=1))
