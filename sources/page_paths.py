"""The pages of the dashboard that links lead to; stored texts name what they are about by its path in the API."""

import re
from typing import Final

_OF_API: Final = re.compile(r"/v1/(bookings|invoices)/([0-9a-f-]{36})")


def page_of(link: str | None) -> str | None:
    """Return the path of the page of what a path of the API names; None where there is none.

    A path of a page is returned as it is. Invoices have no page of their own: theirs is that of the receivables.
    """
    found = _OF_API.fullmatch(link or "")
    if found is None:
        return link if link and link.startswith("/") and not link.startswith(("//", "/v1/")) else None
    return "/receivables" if found[1] == "invoices" else f"/{found[1]}/{found[2]}"
