"""Imports are for admins, also where a caller reaches the operation by another way than the pages."""

from uuid import uuid4

import pytest

from sources.operations import imports
from sources.operations.errors import Refusal
from tests.sources.business import Business


@pytest.mark.parametrize("person", ["client", "provider"])
def test_only_admins_import(business: Business, person: str) -> None:
    for operation in (
        imports.list_imports,
        lambda tx: imports.get_import(tx, uuid4()),
        lambda tx: imports.files_of(tx, uuid4()),
        lambda tx: imports.request_import(tx, uuid4()),
        lambda tx: imports.discard_check(tx, uuid4()),
    ):
        with pytest.raises(Refusal, match="Imports are for the admins of the organisation"):
            business.run(person, operation)
