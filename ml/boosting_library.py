"""LightGBM, where the machine can load it."""

import warnings
from functools import cache
from types import ModuleType


@cache
def lightgbm() -> ModuleType | None:
    """The module, loaded on first use (half a second that only models should cost); None where it cannot be loaded.

    Its Linux wheel needs the system's libgomp, which minimal images lack. The methods then do without boosting.
    """
    try:
        import lightgbm
    except OSError as error:
        warnings.warn(
            f"LightGBM cannot be loaded ({error}): forecasts and anomalies do without boosting and are less accurate. "
            "Install the system library libgomp (Debian and Ubuntu: libgomp1; Fedora: libgomp).",
            stacklevel=2,
        )
        return None
    return lightgbm
