"""The values that columns of operational tables may have; tables, operations and the import derive theirs.

The statuses of a booking are in lifecycle.
"""

from datetime import date
from decimal import Decimal
from typing import Final, Literal, get_args

ActingRole = Literal["client", "provider", "admin"]  # who act on bookings
PersonRole = Literal[ActingRole, "analyst"]
Priority = Literal["low", "normal", "high", "urgent"]
InvoiceKind = Literal["deposit", "final", "fee", "custom"]
InvoiceStatus = Literal["draft", "issued", "part_paid", "paid", "overdue", "void"]
PaymentKind = Literal["payment", "refund"]
PaymentStatus = Literal["pending", "succeeded", "failed"]
MilestoneStatus = Literal["pending", "in_progress", "submitted", "approved", "cancelled"]
TaskStatus = Literal["todo", "in_progress", "done", "cancelled"]
CalendarEventKind = Literal["closure", "campaign", "price_change", "event"]
Grain = Literal["day", "week", "month", "quarter", "year"]  # of a period; a week begins on Monday
SentEvery = Literal["day", "week"]  # how often a dashboard is sent; a week: on its last day
Sensitivity = Literal["quiet", "normal", "keen"]  # of the detection of anomalies
# How figures and money of an organisation are written (CLDR).
FormatLocale = Literal[
    "en_US", "en_GB", "en_IN", "de_DE", "de_AT", "de_CH", "es_ES", "es_MX", "fr_FR", "fr_CH", "it_IT", "nl_NL", "pt_BR",
    "pt_PT", "da_DK", "fi_FI", "nb_NO", "sv_SE", "cs_CZ", "pl_PL", "tr_TR", "ja_JP",
]  # fmt: skip
SMALLEST_EFFECT: Final = Decimal("0.2")  # of a calendar event, as a factor on a usual day; forecasts use no others
LARGEST_EFFECT: Final = Decimal(5)
FIRST_EVENT_DAY: Final = date(1970, 1, 1)
LAST_EVENT_DAY: Final = date(2199, 12, 31)
LONGEST_EVENT_DAYS: Final = 3660
ApprovalStatus = Literal["pending", "approved", "rejected", "closed"]  # closed: its round ended before
ExtraStatus = Literal["proposed", "accepted", "declined"]

ACTING_ROLES: Final[tuple[ActingRole, ...]] = get_args(ActingRole)
PERSON_ROLES: Final[tuple[PersonRole, ...]] = get_args(PersonRole)
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
INVOICE_KINDS: Final[tuple[InvoiceKind, ...]] = get_args(InvoiceKind)
INVOICE_STATUSES: Final[tuple[InvoiceStatus, ...]] = get_args(InvoiceStatus)
PAYMENT_KINDS: Final[tuple[PaymentKind, ...]] = get_args(PaymentKind)
PAYMENT_STATUSES: Final[tuple[PaymentStatus, ...]] = get_args(PaymentStatus)
MILESTONE_STATUSES: Final[tuple[MilestoneStatus, ...]] = get_args(MilestoneStatus)
TASK_STATUSES: Final[tuple[TaskStatus, ...]] = get_args(TaskStatus)
APPROVAL_STATUSES: Final[tuple[ApprovalStatus, ...]] = get_args(ApprovalStatus)
EXTRA_STATUSES: Final[tuple[ExtraStatus, ...]] = get_args(ExtraStatus)
CALENDAR_EVENT_KINDS: Final[tuple[CalendarEventKind, ...]] = get_args(CalendarEventKind)
GRAINS: Final[tuple[Grain, ...]] = get_args(Grain)
SENT_EVERY: Final[tuple[SentEvery, ...]] = get_args(SentEvery)
SENSITIVITIES: Final[tuple[Sensitivity, ...]] = get_args(Sensitivity)
LOCALES: Final[tuple[FormatLocale, ...]] = get_args(FormatLocale)
DEFAULT_LOCALE: Final[FormatLocale] = "en_US"

AuditAction = Literal["insert", "update", "delete", "sign_in", "act_as", "erase"]
AUDIT_ACTIONS: Final[tuple[AuditAction, ...]] = get_args(AuditAction)
