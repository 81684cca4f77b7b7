"""What a model is about to be run on, as a few characters: the same ones say that it would say the same again."""

from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

import ml


def fingerprint(model: partial[pd.DataFrame]) -> str:
    """Of the arguments (the order of a frame's rows does not matter) and of the code of `ml`."""
    digest = sha256(_code())
    digest.update(f"{model.func.__module__}.{model.func.__name__}".encode())
    for place, argument in [*enumerate(model.args), *sorted(model.keywords.items())]:
        digest.update(f"{place}={_content(argument)}".encode())
    return digest.hexdigest()


def _content(argument: Any) -> str:
    if isinstance(argument, pd.DataFrame):
        rows = pd.util.hash_pandas_object(argument, index=False).sum() if len(argument) else 0
        return f"{list(argument.columns)} {len(argument)} {rows}"
    if isinstance(argument, dict):
        return repr(sorted(argument.items()))
    return repr(argument)


@cache
def _code() -> bytes:
    folder = Path(ml.__file__).parent
    return b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))
