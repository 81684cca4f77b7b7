"""The two sample organisations as data: services, packages, clients, people and terms."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Service:
    name: str
    category: str
    price: int  # whole units of the organisation's currency
    hours: float
    working_days: int  # over which the hours are spread; 0: all at once
    share: float  # of bookings
    lead_days: float  # mean, from booking to service
    milestones: tuple[str, ...]


@dataclass(frozen=True)
class Business:
    name: str
    slug: str
    timezone: str
    country: str
    currency: str
    share: float  # of all bookings
    providers: int
    admins: int
    season: tuple[float, ...]  # demand by month, January first
    given_names: tuple[str, ...]
    family_names: tuple[str, ...]
    services: tuple[Service, ...]


@dataclass(frozen=True)
class Package:
    name: str
    price: float  # times the service's
    hours: float  # times the service's


PACKAGES: Final = (Package("Standard", 0.95, 1.0), Package("Plus", 1.3, 1.25))
ADD_ONS: Final = (("Written summary", 0.15), ("Express turnaround", 0.3))  # of each service; price: times the service's


@dataclass(frozen=True)
class PriceRule:
    name: str
    adjust_pct: int
    weekdays: str | None = None  # an array of ISO weekdays
    min_lead_days: int | None = None


PRICE_RULES: Final = (
    PriceRule("Weekend", 20, weekdays="{6,7}"),
    PriceRule("Four weeks ahead", -5, min_lead_days=28),
)
# Fees for late cancellations by the client.
CANCELLATION_RULES: Final = ({"hours_before": 72, "fee_pct": 25}, {"hours_before": 24, "fee_pct": 50})

PACKAGE_SHARES: Final = (0.3, 0.15)  # of bookings; the rest is booked without one

CLIENT_GROUPS: Final = ("direct", "agency", "enterprise")
CLIENT_GROUP_SHARES: Final = (0.6, 0.25, 0.15)
CLIENT_GROUP_PRICES: Final = (1.0, 0.92, 1.12)  # price level of each group

DEPOSIT_SHARE: Final = 0.4
PREPAID_HOURS: Final = 1.5  # a service this short is paid in full when it is booked

BUSINESSES: Final = (
    Business(
        name="Estudio Meridiano",
        slug="estudio-meridiano",
        timezone="Europe/Madrid",
        country="ES",
        currency="EUR",
        share=0.6,
        providers=20,
        admins=2,
        season=(0.95, 1.02, 1.06, 1.0, 1.08, 1.05, 0.88, 0.62, 1.1, 1.18, 1.14, 0.84),
        given_names=(
            "Lucía", "Hugo", "Martina", "Mateo", "Sofía", "Martín", "Paula", "Daniel", "Carmen", "Javier", "Elena",
            "Álvaro", "Irene", "Pablo", "Nuria", "Diego", "Marta", "Sergio", "Ana", "Jorge", "Clara", "Luis",
        ),
        family_names=(
            "García", "Romero", "López", "Navarro", "Sánchez", "Torres", "Ruiz", "Molina", "Ortega", "Delgado",
            "Castro", "Vega", "Iglesias", "Medina", "Cortés", "Santos", "Fuentes", "Cabrera", "Prieto", "Lozano",
        ),
        services=(
            Service("Discovery call", "Advisory", 90, 1.0, 0, 0.26, 5, ("Call",)),
            Service("Coaching session", "Advisory", 140, 1.5, 0, 0.24, 8, ("Session",)),
            Service("Design review", "Design", 260, 2.5, 0, 0.18, 10, ("Review",)),
            Service("Half-day workshop", "Training", 620, 4.0, 0, 0.14, 18, ("Preparation", "Workshop")),
            Service("Process audit", "Advisory", 1_250, 8.0, 4, 0.10, 22, ("Kick-off", "Analysis", "Report")),
            Service("Brand package", "Design", 2_100, 12.0, 7, 0.04, 26, ("Brief", "Concept", "Delivery")),
            Service("Strategy sprint", "Advisory", 2_900, 16.0, 10, 0.04, 30,
                    ("Discovery", "Options", "Roadmap", "Handover")),
        ),
    ),
    Business(
        name="Harbor & Pine Agency",
        slug="harbor-and-pine",
        timezone="America/New_York",
        country="US",
        currency="USD",
        share=0.4,
        providers=16,
        admins=1,
        season=(1.04, 1.0, 1.06, 1.08, 1.04, 0.98, 0.88, 0.9, 1.08, 1.12, 0.98, 0.8),
        given_names=(
            "Olivia", "Liam", "Emma", "Noah", "Ava", "Ethan", "Maya", "Lucas", "Grace", "Henry", "Zoe", "Owen", "Nora",
            "Caleb", "Ruth", "Isaac", "Jade", "Simon", "Alice", "Marcus", "Dana", "Peter",
        ),
        family_names=(
            "Smith", "Johnson", "Brooks", "Nguyen", "Carter", "Bennett", "Rivera", "Foster", "Hayes", "Murphy", "Reed",
            "Coleman", "Ward", "Price", "Sullivan", "Hughes", "Bryant", "Griffin", "Porter", "Walsh",
        ),
        services=(
            Service("Ad account check", "Media", 110, 1.0, 0, 0.3, 4, ("Check",)),
            Service("Content session", "Content", 230, 2.0, 0, 0.26, 9, ("Session",)),
            Service("Photo shoot", "Content", 540, 3.0, 0, 0.18, 14, ("Preparation", "Shoot")),
            Service("Landing page", "Web", 1_400, 8.0, 5, 0.13, 18, ("Draft", "Build", "Launch")),
            Service("Campaign set-up", "Media", 1_900, 10.0, 6, 0.08, 20, ("Brief", "Set-up", "Launch")),
            Service("Website refresh", "Web", 3_600, 16.0, 10, 0.05, 32,
                    ("Discovery", "Design", "Build", "Handover")),
        ),
    ),
)  # fmt: skip
