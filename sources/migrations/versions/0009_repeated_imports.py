"""Repeated imports: keys of the source, the last imported state of each record, and unknown moments."""

from alembic import op

revision = "0009"
down_revision = "0008"

CHANGES = """
-- What nobody knows: the moment of a booking, of its end, of a step, of a payment.
alter table app.bookings
    add column created_at_known boolean not null default true,
    drop constraint ck_bookings_completed_at,
    drop constraint ck_bookings_cancelled_at,
    add constraint ck_bookings_completed_at
        check (status <> 'completed' or completed_at is not null or external_ref is not null),
    add constraint ck_bookings_cancelled_at
        check (status not in ('cancelled', 'no_show') or cancelled_at is not null or external_ref is not null);
alter table app.booking_status_history add column changed_at_known boolean not null default true;
alter table app.payments
    alter column invoice_id drop not null,
    drop constraint ck_payments_paid_at,
    add column external_ref text,
    add constraint ck_payments_paid_at
        check (status <> 'succeeded' or paid_at is not null or external_ref is not null),
    add constraint ck_payments_invoice_id check (invoice_id is not null or external_ref is not null),
    add constraint uq_payments_org_id_external_ref unique (org_id, external_ref);
alter table app.invoices
    add column external_ref text,
    add constraint uq_invoices_org_id_external_ref unique (org_id, external_ref);
alter table app.reviews
    add column external_ref text,
    add constraint uq_reviews_org_id_external_ref unique (org_id, external_ref);
alter table app.time_entries
    add column external_ref text,
    add constraint uq_time_entries_org_id_external_ref unique (org_id, external_ref);
alter table app.import_rejections add column kind text, add column external_ref text;

create table app.booking_lines (
    id uuid constraint pk_booking_lines primary key default uuidv7(),
    org_id uuid not null,
    booking_id uuid not null,
    service_id uuid,
    provider_id uuid,
    description text,
    quantity numeric(10, 2) not null,
    unit_price numeric(14, 2),
    amount numeric(14, 2) not null,
    external_ref text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version xid8 not null default pg_current_xact_id(),
    constraint uq_booking_lines_org_id_id unique (org_id, id),
    constraint uq_booking_lines_org_id_external_ref unique (org_id, external_ref),
    constraint fk_booking_lines_org_id_booking_id foreign key (org_id, booking_id)
        references app.bookings (org_id, id) on delete cascade,
    constraint fk_booking_lines_org_id_service_id foreign key (org_id, service_id)
        references app.services (org_id, id),
    constraint fk_booking_lines_org_id_provider_id foreign key (org_id, provider_id)
        references app.profiles (org_id, id)
);
create index ix_booking_lines_org_id_booking_id on app.booking_lines (org_id, booking_id);
create trigger stamp before insert or update on app.booking_lines for each row execute function app.stamp_row();

-- What each record of a file was when it was last taken over, so that a change in the file can be told from one here.
create table app.import_records (
    org_id uuid not null,
    mapping text not null,
    kind text not null,
    external_ref text not null,
    row_id uuid not null,
    digest bigint not null,
    row_version xid8 not null,
    constraint pk_import_records primary key (org_id, mapping, kind, external_ref)
);
"""


def upgrade() -> None:
    op.execute(CHANGES)


def downgrade() -> None:
    op.execute("drop table app.import_records")
    op.execute("drop table app.booking_lines")
    op.execute("alter table app.import_rejections drop column kind, drop column external_ref")
    op.execute("delete from app.payments where invoice_id is null or (status = 'succeeded' and paid_at is null)")
    op.execute("alter table app.payments drop constraint ck_payments_invoice_id, drop constraint ck_payments_paid_at")
    for table in ("time_entries", "reviews", "invoices", "payments"):
        op.execute(f"alter table app.{table} drop column external_ref")
    op.execute(
        "alter table app.payments alter column invoice_id set not null, "
        "add constraint ck_payments_paid_at check (status <> 'succeeded' or paid_at is not null)"
    )
    op.execute("alter table app.booking_status_history drop column changed_at_known")
    op.execute("update app.bookings set completed_at = created_at where status = 'completed' and completed_at is null")
    op.execute(
        "update app.bookings set cancelled_at = created_at "
        "where status in ('cancelled', 'no_show') and cancelled_at is null"
    )
    op.execute(
        "alter table app.bookings drop column created_at_known, "
        "drop constraint ck_bookings_completed_at, drop constraint ck_bookings_cancelled_at, "
        "add constraint ck_bookings_completed_at check (status <> 'completed' or completed_at is not null), "
        "add constraint ck_bookings_cancelled_at "
        "check (status not in ('cancelled', 'no_show') or cancelled_at is not null)"
    )
