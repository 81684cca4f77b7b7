"""The terms of a booking: prices that await consent, list prices, fees and starts at moves; and agreed extras."""

from alembic import op

revision = "0019"
down_revision = "0018"

TERMS = """
alter table app.bookings
    add column offered_amount numeric(14, 2),
    add column list_amount numeric(14, 2),
    add column priced_start timestamptz,
    add column fee_floor numeric(14, 2) constraint ck_bookings_fee_floor check (fee_floor >= 0),
    add column agreed_start timestamptz;

-- A price that a quote, a draft or a provider's request offered, and that was not accepted since, awaits the consent of
-- the client. What is approved stays approved.
update app.bookings as bookings set offered_amount = total_amount
where external_ref is null and (status = 'draft' or status in ('requested', 'under_review', 'quoted') and exists (
    select from app.booking_status_history as offers
    left join app.profiles as makers on makers.org_id = offers.org_id and makers.id = offers.actor_id
    where offers.org_id = bookings.org_id and offers.booking_id = bookings.id
        and (
            offers.to_status = 'quoted'
            or offers.from_status is null and (offers.to_status = 'draft' or makers.role = 'provider')
        )
        and not exists (
            select from app.booking_status_history as accepted
            left join app.profiles as people on people.org_id = accepted.org_id and people.id = accepted.actor_id
            where accepted.org_id = bookings.org_id and accepted.booking_id = bookings.id
                and accepted.changed_at >= offers.changed_at
                and (
                    accepted.from_status = 'quoted' and accepted.to_status = 'approved'
                    or accepted.from_status = 'draft' and people.role <> 'provider'
                )
        )
));

create table app.booking_extras (
    id uuid constraint pk_booking_extras primary key default uuidv7(),
    org_id uuid not null,
    booking_id uuid not null,
    description text not null,
    amount numeric(14, 2) not null,
    status text not null default 'proposed',
    proposer_id uuid not null,
    decider_id uuid,
    decided_at timestamptz,
    reason text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint uq_booking_extras_org_id_id unique (org_id, id),
    constraint fk_booking_extras_org_id_booking_id foreign key (org_id, booking_id) references app.bookings (org_id, id)
        on delete cascade,
    constraint fk_booking_extras_org_id_proposer_id foreign key (org_id, proposer_id) references app.profiles (org_id, id),
    constraint fk_booking_extras_org_id_decider_id foreign key (org_id, decider_id) references app.profiles (org_id, id),
    constraint ck_booking_extras_status check (status in ('proposed', 'accepted', 'declined')),
    constraint ck_booking_extras_amount check (amount > 0),
    constraint ck_booking_extras_decided_at check ((status = 'proposed') = (decided_at is null))
);
create index ix_booking_extras_org_id_booking_id on app.booking_extras (org_id, booking_id);
create trigger touch before update on app.booking_extras for each row execute function app.touch_row();
alter table app.booking_extras enable row level security;
grant select, insert, update on app.booking_extras to hub_api;
create policy caller on app.booking_extras to hub_api using (
    org_id = (select app.org_id()) and ((select app.sees_all()) or exists (
        select 1 from app.bookings as b where b.org_id = app.booking_extras.org_id and b.id = app.booking_extras.booking_id
    ))
);
"""


def upgrade() -> None:
    op.execute(TERMS)


def downgrade() -> None:
    op.execute(
        """
        drop table app.booking_extras;
        alter table app.bookings drop column offered_amount, drop column list_amount,
            drop column priced_start, drop column fee_floor, drop column agreed_start;
        """
    )
