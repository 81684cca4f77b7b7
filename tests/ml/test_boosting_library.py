"""Without LightGBM: forecasts and anomalies are computed all the same, with a warning that names what is missing."""

import sys
from collections.abc import Iterator

import pytest

from ml.anomalies import detect
from ml.boosting_library import lightgbm
from ml.forecasting import forecast
from tests.ml.series import AS_OF, frame, seasonal


class Unloadable:
    """An import finder that fails as the wheel does without its system library."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")


@pytest.fixture
def without_lightgbm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Unloadable(), *sys.meta_path])
    lightgbm.cache_clear()
    yield
    lightgbm.cache_clear()


@pytest.mark.usefixtures("without_lightgbm")
def test_methods_work_without_the_boosting_library() -> None:
    history = frame(a=seasonal(370), b=seasonal(370, seed=2))
    with pytest.warns(UserWarning, match="libgomp1"):
        forecasts = forecast(history, as_of=AS_OF)
    assert set(forecasts["model"]) == {"smoothing+regression"}
    assert forecasts.drop(columns="on_hand").notna().all(axis=None)
    anomalies = detect(history, start=AS_OF, as_of=AS_OF)
    assert anomalies["expected"].notna().all()
