"""A machine on which LightGBM cannot be loaded still forecasts and judges, and says what is missing."""

import sys
from collections.abc import Iterator

import pytest

from ml.anomalies import detect
from ml.boosting_library import lightgbm
from ml.forecasting import forecast
from tests.ml.series import AS_OF, frame, seasonal


class Unloadable:
    """Stands in the way of an import as a wheel without its system library does."""

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
def test_without_its_library_the_rest_goes_on() -> None:
    history = frame(a=seasonal(370), b=seasonal(370, seed=2))
    with pytest.warns(UserWarning, match="libgomp1"):
        said = forecast(history, as_of=AS_OF)
    assert set(said["model"]) == {"smoothing+regression"}
    assert said.drop(columns="on_hand").notna().all(axis=None)
    judged = detect(history, start=AS_OF, as_of=AS_OF)
    assert judged["expected"].notna().all()
