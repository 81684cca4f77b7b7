"""The kinds of made businesses, as data: offers, people, demand, and what clients do with their bookings."""

from dataclasses import dataclass, field
from typing import Final

EVERY_DAY: Final = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
OFFICE_DAYS: Final = (1.0, 1.0, 1.0, 1.0, 0.9, 0.0, 0.0)


@dataclass(frozen=True)
class Service:
    """A service. lead: mean days from booking to service; milestones: of each booking."""

    name: str
    price: float
    hours: float
    share: float
    lead: float
    milestones: int = 0


@dataclass(frozen=True)
class Kind:
    """A kind of business. Weights by weekday begin with Monday; shares of groups and channels sum to 1."""

    name: str
    country: str
    timezone: str
    currency: str
    per_day: tuple[float, float]  # mean bookings a day at the start: drawn for each business
    booking_days: tuple[float, ...]
    service_days: tuple[float, ...]
    season: float  # amplitude of the year's wave
    peak: int  # its day of the year
    growth: tuple[float, float]  # factor a year, drawn
    holiday: float  # demand on a public holiday
    services: tuple[Service, ...]
    groups: dict[str, float]
    channels: dict[str, float]
    cancelled: float
    no_shows: float
    failing: float  # share of payment attempts
    pays_after: float  # mean days from the invoice
    providers: int = 0  # 0: the services have no providers
    tracks_hours: bool = False
    returning: float = 0.6  # share of the bookings by earlier clients
    incidents: tuple[str, ...] = field(default=())  # kinds that can strike it


STUDIO: Final = Kind(
    "studio", "ES", "Europe/Madrid", "EUR", (9, 13), (1.1, 1.1, 1.05, 1.0, 0.9, 0.45, 0.35), (1, 1, 1, 1, 1, 0.5, 0),
    0.15, 290, (1.0, 1.25), 0.4,
    (
        Service("Portrait session", 120, 1.5, 0.42, 6), Service("Product shoot", 380, 3.0, 0.26, 9),
        Service("Retouching", 90, 1.0, 0.2, 4), Service("Wedding film", 1_900, 9.0, 0.05, 40, 3),
        Service("Workshop", 260, 4.0, 0.07, 14),
    ),
    {"Private": 0.55, "Shops": 0.3, "Publishers": 0.15}, {"website": 0.5, "phone": 0.2, "marketplace": 0.3},
    0.09, 0.03, 0.03, 4, providers=7, tracks_hours=True,
    incidents=("campaign", "cancellation_burst", "broken_form", "provider_illness", "payment_outage", "tracker_outage",
               "slow_fall", "price_rise", "lost_channel", "double_invoices", "large_group"),
)  # fmt: skip
CLINIC: Final = Kind(
    "clinic", "US", "America/Chicago", "USD", (14, 20), (1.25, 1.1, 1.05, 1.0, 0.9, 0.2, 0.1), OFFICE_DAYS,
    0.08, 30, (0.95, 1.15), 0.15,
    (
        Service("Check-up", 140, 0.5, 0.45, 8), Service("Physiotherapy", 85, 0.75, 0.35, 6),
        Service("Dental treatment", 320, 1.0, 0.14, 12), Service("Imaging", 520, 0.75, 0.06, 9),
    ),
    {"Self-paying": 0.25, "Insurance A": 0.45, "Insurance B": 0.3}, {"phone": 0.45, "online": 0.4, "referral": 0.15},
    0.08, 0.07, 0.02, 1, providers=6, tracks_hours=True,
    incidents=("campaign", "cancellation_burst", "broken_form", "provider_illness", "payment_outage", "tracker_outage",
               "no_show_wave", "closure", "lost_group", "double_invoices", "slow_fall"),
)  # fmt: skip
HOTEL: Final = Kind(
    "hotel", "GB", "Europe/London", "GBP", (9, 14), (1.1, 1.05, 1.0, 1.0, 0.95, 0.9, 1.0),
    (0.8, 0.7, 0.75, 0.9, 1.3, 1.4, 0.9), 0.35, 190, (1.0, 1.15), 0.9,
    (
        Service("Double room", 210, 30.0, 0.5, 24), Service("Single room", 130, 26.0, 0.27, 14),
        Service("Family room", 340, 50.0, 0.15, 40), Service("Suite", 560, 40.0, 0.08, 30),
    ),
    {"Leisure": 0.6, "Corporate": 0.28, "Groups": 0.12}, {"portal": 0.5, "direct": 0.3, "agency": 0.2},
    0.16, 0.02, 0.03, 1,
    incidents=("campaign", "cancellation_burst", "payment_outage", "lost_channel", "large_group", "no_show_wave",
               "slow_fall", "price_rise", "price_cut", "broken_form"),
)  # fmt: skip
FIELD_SERVICE: Final = Kind(
    "field service", "DE", "Europe/Berlin", "EUR", (10, 16), (1.3, 1.1, 1.0, 1.0, 0.9, 0.25, 0.15), OFFICE_DAYS,
    0.2, 340, (1.0, 1.2), 0.1,
    (
        Service("Repair", 190, 2.0, 0.46, 3), Service("Maintenance", 150, 1.5, 0.34, 12),
        Service("Installation", 1_150, 7.0, 0.08, 16, 2), Service("Inspection", 95, 1.0, 0.12, 7),
    ),
    {"Households": 0.5, "Property managers": 0.35, "Industry": 0.15}, {"phone": 0.5, "website": 0.35, "contract": 0.15},
    0.05, 0.02, 0.02, 12, providers=9, tracks_hours=True,
    incidents=("campaign", "cancellation_burst", "broken_form", "provider_illness", "tracker_outage", "closure",
               "lost_group", "price_rise", "large_group", "double_invoices", "payment_outage"),
)  # fmt: skip
KINDS: Final = {kind.name: kind for kind in (STUDIO, CLINIC, HOTEL, FIELD_SERVICE)}
