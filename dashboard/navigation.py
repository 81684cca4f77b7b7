"""The pages that the navigation leads to, and for whom."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation. `roles`: who sees it."""

    path: str
    name: str
    roles: frozenset[str]


OWNERS: Final = frozenset({"admin", "analyst"})  # who see everything of their organisation
EVERYONE: Final = OWNERS | {"provider", "client"}

PLACES: Final = (
    Place("/", "Overview", OWNERS),
    Place("/", "Today", frozenset({"provider"})),
    Place("/", "Home", frozenset({"client"})),
    Place("/insights", "Insights", OWNERS),
    Place("/bookings", "Bookings", EVERYONE),
    Place("/explore", "Explore", OWNERS),
    Place("/dashboards", "My dashboards", OWNERS),
    Place("/forecast", "Forecast", OWNERS),
    Place("/providers", "Providers", OWNERS),
    Place("/clients", "Clients", OWNERS),
    Place("/services", "Services", OWNERS),
    Place("/receivables", "Receivables", OWNERS),
    Place("/data-health", "Data health", OWNERS),
    Place("/settings", "Settings", frozenset({"admin"})),
)


def places_for(role: str) -> list[Place]:
    """Return the entries of the navigation for a role, in their order."""
    return [place for place in PLACES if role in place.roles]


def current_place(path: str, role: str) -> Place | None:
    """Return the entry under which the page at `path` is found."""
    return next((place for place in places_for(role) if path == place.path or path.startswith(f"{place.path}/")), None)
