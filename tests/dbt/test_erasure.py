"""A person who is erased is gone from raw, snapshots, marts and views after the next build, and from deleted rows."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest

from sources.operations.settings import people
from sources.operations.settings.people import Erasure, PersonDetails
from sources.operations.transaction import Tx
from sources.settings import Settings
from tests.dbt.conftest import Dbt, land_tables
from tests.sources.business import NORTH, open_business
from tests.sources.planting import NAMES, found, plant

pytestmark = pytest.mark.slow

# What keeps texts of people, with all that it is made from; views follow by themselves.
TEXTS = (
    "run", "--select", "+dim_client", "+dim_provider", "+dim_member", "+fct_bookings", "+fct_booking_status_changes",
    "+fct_milestones", "+fct_tasks", "+fct_reviews", "+fct_invoice_lines", "+fct_payments", "+int_milestone_delays",
)  # fmt: skip
EARLIER = """
update app.organizations set created_at = '2025-05-01';
update app.profiles set created_at = '2025-05-01';
update app.bookings set status = 'completed', created_at = '2025-05-02', scheduled_start = '2025-05-05 09:00+00',
    scheduled_end = '2025-05-05 11:00+00', completed_at = '2025-05-06' where org_id = %(org)s;
update app.booking_status_history set changed_at = '2025-05-06', to_status = 'completed' where org_id = %(org)s;
update app.milestones set created_at = '2025-05-02' where org_id = %(org)s;
update app.tasks set created_at = '2025-05-02' where org_id = %(org)s;
update app.reviews set reviewed_at = '2025-05-07', created_at = '2025-05-07' where org_id = %(org)s;
update app.invoices set issued_at = '2025-05-07', created_at = '2025-05-07' where org_id = %(org)s;
"""


def erasure_of(who: str, name: str) -> Callable[[Tx], Awaitable[PersonDetails]]:
    """Return the operation that erases a person of NORTH."""
    return lambda tx: people.erase_person(tx, NORTH.id_of(who), Erasure(name=name))


def test_nothing_of_two_people_is_left_in_the_warehouse(writable: Settings, dbt: Dbt) -> None:
    with psycopg.connect(writable.database_url, autocommit=True) as owner:
        plant(owner)
        with owner.transaction():
            for statement in EARLIER.strip().split(";\n"):
                owner.execute(statement.encode(), {"org": NORTH.id})
        owner.execute(
            "insert into app.tasks (org_id, booking_id, milestone_id, title, created_at) "
            "select org_id, booking_id, milestone_id, title || ' deleted', created_at from app.tasks where id = %s",
            [NORTH.id_of("task")],
        )
        land_tables(writable)
        owner.execute("delete from app.tasks where title like '%% deleted'", [])
        land_tables(writable)
        deleted = "select title from raw.tasks where org_id = %s and _deleted_at is not null"
        assert "deleted" in str(owner.execute(deleted, [NORTH.id]).fetchall())
        dbt(writable, *TEXTS)
        before = found(owner)
        assert {
            "raw.bookings", "raw.messages", "staging.stg_app__messages", "marts.dim_client", "marts.dim_provider",
            "marts.fct_bookings", "marts.fct_milestones", "marts.fct_tasks", "marts.fct_reviews",
            "marts.fct_booking_status_changes", "analytics.bookings_full_view",
        } <= before.keys()  # fmt: skip
        with open_business(writable) as business:
            for who, name in NAMES.items():
                business.run("system", erasure_of(who, name))
        land_tables(writable)
        dbt(writable, *TEXTS)
        assert found(owner) == {}
