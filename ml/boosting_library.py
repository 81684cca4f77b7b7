"""LightGBM, where the machine can load it."""

import warnings
from functools import cache
from types import ModuleType


@cache
def lightgbm() -> ModuleType | None:
    """Return the module, loaded on first use, as that takes half a second; None where it cannot be loaded.

    Its Linux wheel needs the system's libgomp, which minimal images lack. The methods then work without boosting.
    """
    try:
        import lightgbm
    except OSError as error:
        warnings.warn(
            f"LightGBM cannot be loaded ({error}): forecasts and anomalies work without boosting, less accurately. "
            "Install the system library libgomp (Debian and Ubuntu: libgomp1; Fedora: libgomp).",
            stacklevel=2,
        )
        return None
    return lightgbm
