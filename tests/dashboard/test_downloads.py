"""Files that pages give: names in them."""

import pytest

from dashboard.downloads import inert


@pytest.mark.parametrize("text", ["=1+1", "+49", "-x", "@sum", "\tx"])
def test_a_spreadsheet_calculates_no_name(text: str) -> None:
    assert inert(text) == f"'{text}"
    assert inert("Workshop = fun") == "Workshop = fun"
