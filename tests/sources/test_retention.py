"""Retention: each rule takes what is due and nothing else, and the documentation lists the rules."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sources import retention
from sources.operations.transaction import make_pool
from sources.retention import RULES, Rule
from tests.sources.business import NORTH, SOUTH, Business
from tests.sources.everything import write_everything

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def apply(business: Business) -> dict[str, int]:
    """Apply the rules as the job does: connected as the owner of the tables."""

    async def run() -> dict[str, int]:
        pool = await make_pool(business.settings.database_url, 1, business.settings.secret("api_entry_secret"))
        try:
            return await retention.apply(pool, NOW)
        finally:
            await pool.close()

    return {name: count for name, count in business.wait_for(run()).items() if count}


@pytest.fixture
def full(own_business: Business) -> Business:
    """A business with a row of each rule in both organisations, of which NORTH's is due by a second, SOUTH's is not."""
    owner = own_business.connection
    write_everything(owner)
    owner.execute("update app.insight_events set status = 'resolved', resolved_at = '2020-01-01'")
    owner.execute("update app.notification_deliveries set state = 'sent', sent_at = told_at")
    owner.execute("update app.processor_events set payload = jsonb_build_object('name', 'x')")
    owner.execute("delete from app.live_changes")  # of the changes above
    for org in (NORTH, SOUTH):
        owner.execute("insert into app.live_changes (org_id, kind, data) values (%s, 'reload', '{}')", [org.id])
        owner.execute(
            "insert into app.sessions (org_id, profile_id, link_hash, link_ends_at, opens_dagster) "
            "values (%s, %s, %s, now(), false)",
            [org.id, org.client, org.slug],
        )
    for rule in RULES:
        for org, by in ((NORTH, timedelta(seconds=1)), (SOUTH, -timedelta(seconds=1))):
            owner.execute(
                f"update app.{rule.table} set {rule.column} = %s where org_id = %s",
                [NOW - timedelta(days=rule.days) - by, org.id],
            )
    return own_business


def left(business: Business, rule: Rule) -> list[str]:
    """Return the organisations whose row is as it was."""
    kept = "payload <> '{}'" if rule.empties else "true"
    rows = business.connection.execute(
        f"select o.slug from app.{rule.table} as t join app.organizations as o on o.id = t.org_id where {kept}"
    )
    return [slug for (slug,) in rows.fetchall()]


def test_each_rule_takes_what_is_due_once(full: Business) -> None:
    assert apply(full) == {f"{rule.table}_pruned": 1 for rule in RULES}
    assert {rule.table: left(full, rule) for rule in RULES} == {rule.table: ["south"] for rule in RULES}
    assert apply(full) == {}


def test_what_could_be_told_again_or_is_not_settled_stays(full: Business) -> None:
    full.connection.execute("update app.insight_events set status = 'open', resolved_at = null")
    full.connection.execute("update app.processor_events set status = 'waiting'")
    gone = apply(full)
    assert not {"notification_deliveries_pruned", "notifications_pruned", "processor_events_pruned"} & gone.keys()


def test_the_documentation_lists_the_rules() -> None:
    assert retention.table() in (Path(__file__).parents[2] / "docs" / "people.md").read_text()
