"""The life of each booking as moments of status changes, planned whole and then cut at the end of as_of."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources import lifecycle
from sources.simulate.bookings import WORKDAY, Orders
from sources.simulate.calendar import DAY, HOUR, MINUTE, NEVER, Bools, Ids, Ints, Texts
from sources.simulate.copy import or_null
from sources.simulate.delivery import Delivery
from sources.simulate.incidents import BURST_SHARE, PAYMENTS_HIT
from sources.simulate.people import People, World

# Stages in order of time; "pause" and "end" stand for a status that differs by booking.
STAGES: Final = (
    "draft", "requested", "under_review", "quoted", "approved", "awaiting_payment", "confirmed", "scheduled",
    "in_progress", "pause", "resumed", "delivered", "revision_requested", "reworked", "redelivered", "disputed", "end",
)  # fmt: skip
STATUS_OF: Final = {"resumed": "in_progress", "reworked": "in_progress", "redelivered": "delivered"}
FATES: Final = ("completed", "cancelled", "declined", "no_show", "refunded", "expired")
FATE_SHARES: Final = (0.83, 0.085, 0.03, 0.025, 0.012, 0.018)
COMPLETED, CANCELLED_FATE, DECLINED, NO_SHOW, REFUNDED, EXPIRED = range(len(FATES))

DRAFT_SHARE: Final = 0.05
REVIEWED_FROM_HOURS: Final = 4.0  # services this long are reviewed and quoted first
REVISED_SHARE: Final = 0.06
DISPUTED_SHARE: Final = 0.02
SILENT_SHARE: Final = 0.2  # clients who never answer a delivery
EXPIRES_AFTER: Final = 14 * DAY
COMPLETES_AFTER: Final = 7 * DAY

STAGE_REASONS: Final = {
    "confirmed": "first payment received",
    "in_progress": "first time entry",
    "delivered": "every milestone approved",
}
END_REASONS: Final = {
    DECLINED: "outside our services",
    NO_SHOW: "client did not appear",
    REFUNDED: "dispute settled in favour of the client",
    EXPIRED: "unanswered for 14 days",
}
CANCEL_REASONS: Final = ("client: change of plans", "client: budget", "client: found another provider",
                         "provider: not available", "client: moved to a later date")  # fmt: skip


@dataclass(frozen=True)
class Approach:
    """From the request to the confirmation."""

    fate: Ints
    stages: dict[str, Ints]  # local; NEVER where left out
    tried: Ints  # local: when the client first tries to pay
    start: Ints  # worked: when work begins, later than planned if confirmed late


@dataclass(frozen=True)
class Lives:
    """What has happened by the end of as_of. Local moments."""

    moments: Ints  # bookings x STAGES; NEVER where it did not happen
    ended: Ints  # when the booking reached its last status of all; NEVER if not yet
    fate: Ints
    is_paused_by_client: Bools
    was_silent: Bools
    was_struck: Bools  # by the burst of cancellations
    happened_until: Ints  # for each booking: what lies at or after this did not happen
    tried: Ints
    status: Texts

    def at(self, stage: str) -> Ints:
        return self.moments[:, STAGES.index(stage)]

    @property
    def is_cancelled(self) -> Bools:
        is_cancelled: Bools = (self.ended < NEVER) & (self.fate != COMPLETED)
        return is_cancelled


def approach(world: World, orders: Orders) -> Approach:
    """Everything up to the start: reviewed services take more steps; an outage delays who pays during it."""
    rng, calendar, count = world.rng, world.calendar, len(orders)
    created = calendar.worked(orders.created)
    lead_days = (calendar.local(orders.start) - orders.created) // DAY
    fate = rng.choice(len(FATES), count, p=FATE_SHARES)
    fate = np.where((fate == EXPIRED) & (lead_days < EXPIRES_AFTER // DAY), COMPLETED, fate)
    is_reviewed = (orders.hours >= REVIEWED_FROM_HOURS) | (fate == DECLINED)
    is_draft = (rng.random(count) < DRAFT_SHARE) & (fate != EXPIRED)
    is_scheduled = is_reviewed | (rng.random(count) < 0.5)
    everyone = np.ones(count, dtype=bool)
    hours_and_who = {
        "requested": (5, is_draft), "under_review": (3, is_reviewed), "quoted": (7, is_reviewed),
        "approved": (6, everyone), "awaiting_payment": (0.5, everyone), "confirmed": (5, everyone),
        "scheduled": (2, is_scheduled),
    }  # fmt: skip
    gaps = np.stack([(rng.gamma(1.3, hours / 1.3, count) * HOUR + 30) * who for hours, who in hours_and_who.values()])
    planned = np.cumsum(gaps, axis=0)
    room = (orders.start - created) * 0.85
    planned = created + (planned * np.minimum(1, room / planned[-1])).astype(np.int64)
    stages = {
        name: np.where(who, calendar.local(at), NEVER)
        for (name, (_, who)), at in zip(hours_and_who.items(), planned, strict=True)
    }
    stages["draft"] = np.where(is_draft, orders.created, NEVER)
    stages["requested"] = np.where(is_draft, stages["requested"], orders.created)
    tried = stages["confirmed"]
    start = orders.start
    if outage := world.incidents.get("payment_outage"):
        is_hit = outage.covers(tried) & (rng.random(count) < PAYMENTS_HIT)
        later = calendar.worked(np.full(count, outage.until)) + (rng.random(count) * 6 * HOUR).astype(np.int64) + HOUR
        stages["confirmed"] = np.where(is_hit, calendar.local(later), tried)
        stages["scheduled"] = np.where(is_hit, NEVER, stages["scheduled"])
        start = np.where(is_hit, np.maximum(start, later + HOUR), start)
    return Approach(fate, stages, tried, start)


def live(world: World, orders: Orders, before: Approach, delivery: Delivery) -> Lives:
    """Join approach and delivery to whole lives, end them by their fates, and cut them at the end of as_of."""
    rng, calendar, count = world.rng, world.calendar, len(orders)
    fate = before.fate
    is_revised = rng.random(count) < REVISED_SHARE
    redelivered = delivery.delivered + (rng.uniform(1, 3, count) * WORKDAY).astype(np.int64)
    is_disputed = (fate == REFUNDED) | (rng.random(count) < DISPUTED_SHARE)
    final = np.where(is_revised, redelivered, delivery.delivered)
    answer = final + 2 * MINUTE + (rng.gamma(1.4, 5, count) * HOUR).astype(np.int64)
    settled = answer + (rng.uniform(2, 9, count) * WORKDAY).astype(np.int64)
    was_silent = (rng.random(count) < SILENT_SHARE) & ~is_disputed
    end = calendar.local(np.where(is_disputed, settled, answer))
    end = np.where(was_silent, calendar.local(final) + COMPLETES_AFTER, end)
    end = np.where(fate == EXPIRED, orders.created + EXPIRES_AFTER, end)
    end = np.where(fate == DECLINED, before.stages["quoted"], end)
    end = np.where(fate == NO_SHOW, calendar.local(delivery.begun) + 20 * MINUTE, end)
    end = np.where(fate == CANCELLED_FATE, _cancelled(world, before, delivery), end)
    works = fate != NO_SHOW
    two_thirds = delivery.delivered + (redelivered - delivery.delivered) * 2 // 3
    planned = {
        **before.stages,
        "in_progress": np.where(works, calendar.local(delivery.begun), NEVER),
        "pause": np.where(delivery.is_paused & works, calendar.local(delivery.pause), NEVER),
        "resumed": np.where(delivery.is_paused & works, calendar.local(delivery.resume), NEVER),
        "delivered": np.where(works, calendar.local(delivery.delivered), NEVER),
        "revision_requested": np.where(is_revised & works, calendar.local(delivery.delivered + HOUR), NEVER),
        "reworked": np.where(is_revised & works, calendar.local(two_thirds), NEVER),
        "redelivered": np.where(is_revised & works, calendar.local(redelivered), NEVER),
        "disputed": np.where(is_disputed & works, calendar.local(answer), NEVER),
    }
    # A request that expires was never looked at.
    for stage in STAGES[2:-1]:
        planned[stage] = np.where(fate == EXPIRED, NEVER, planned[stage])
    was_struck, burst_end = _struck_by_burst(world, before, end)
    fate, end = np.where(was_struck, CANCELLED_FATE, fate), np.where(was_struck, burst_end, end)
    moments = np.stack([*(planned[stage] for stage in STAGES[:-1]), end], axis=1)
    until = np.minimum(end, world.now)
    moments[:, :-1] = np.where(moments[:, :-1] < until[:, None], moments[:, :-1], NEVER)
    moments[:, -1] = np.where(end < world.now, end, NEVER)
    is_paused_by_client = rng.random(count) < 0.5
    return Lives(
        moments=moments,
        ended=moments[:, -1],
        fate=fate,
        is_paused_by_client=is_paused_by_client,
        was_silent=was_silent,
        was_struck=was_struck,
        happened_until=until,
        tried=before.tried,
        status=_last_status(moments, _statuses(fate, is_paused_by_client)),
    )


def _struck_by_burst(world: World, before: Approach, end: Ints) -> tuple[Bools, Ints]:
    """Which of the bookings on hand a burst of cancellations strikes, and when it would."""
    rng, count = world.rng, len(end)
    burst = world.incidents.get("cancellation_burst")
    if burst is None:
        return np.zeros(count, dtype=bool), end
    is_on_hand = (before.stages["awaiting_payment"] < burst.first * DAY) & (end >= burst.until)
    is_on_hand &= (world.calendar.local(before.start) >= burst.until) & ~np.isin(before.fate, [DECLINED, EXPIRED])
    moment = rng.integers(burst.first, burst.last + 1, count) * DAY + 9 * HOUR + rng.integers(0, WORKDAY, count)
    return is_on_hand & (rng.random(count) < BURST_SHARE), moment


def _cancelled(world: World, before: Approach, delivery: Delivery) -> Ints:
    """When a booking is called off: mostly between confirmation and start, some unpaid, some half-way."""
    rng, count = world.rng, len(before.fate)
    worked = world.calendar.worked
    asked, confirmed = worked(before.stages["awaiting_payment"]), worked(before.stages["confirmed"])
    when = rng.random(count)
    begin = np.select([when < 0.15, when < 0.85], [asked, confirmed], delivery.begun)
    finish = np.select([when < 0.15, when < 0.85], [confirmed, delivery.begun], delivery.delivered)
    return world.calendar.local(begin + ((finish - begin) * rng.uniform(0.05, 0.98, count)).astype(np.int64))


def _statuses(fate: Ints, is_paused_by_client: Bools) -> Texts:
    """The status that each stage brings: bookings x STAGES."""
    named = np.array([STATUS_OF.get(stage, stage) for stage in STAGES], dtype=object)
    statuses = np.tile(named, (len(fate), 1))
    statuses[:, STAGES.index("pause")] = np.where(is_paused_by_client, "awaiting_client", "on_hold")
    statuses[:, -1] = np.array(FATES, dtype=object)[fate]
    return statuses


def _last_status(moments: Ints, statuses: Texts) -> Texts:
    last = len(STAGES) - 1 - (moments[:, ::-1] < NEVER).argmax(axis=1)
    chosen: Texts = statuses[np.arange(len(statuses)), last]
    return chosen


def add_history(world: World, people: People, orders: Orders, lives: Lives, booking_ids: Ids) -> None:
    """Add booking_status_history: every change of every booking, with who made it and why."""
    statuses = _statuses(lives.fate, lives.is_paused_by_client)
    booking, stage = np.nonzero(lives.moments < NEVER)
    to_status = statuses[booking, stage]
    is_first = np.concatenate([[True], booking[1:] != booking[:-1]])
    from_status = or_null(~is_first, np.roll(to_status, 1))
    impossible = {step for step in set(zip(from_status, to_status, strict=True)) if not lifecycle.is_step(*step)}
    assert not impossible, f"the lifecycle has no such steps: {impossible}"
    changed = lives.moments[booking, stage]
    ids = world.new_ids(changed)
    world.add_rows(
        "booking_status_history", ids, changed, changed, booking_id=booking_ids[booking],
        from_status=from_status, to_status=to_status,
        actor_id=_actors(people, orders, lives)[booking, stage], reason=_reasons(lives)[booking, stage],
        changed_at=changed,
    )  # fmt: skip


def _actors(people: People, orders: Orders, lives: Lives) -> Ids:
    """Who makes each change: bookings x STAGES; no one where the system does."""
    client, provider = people.clients[orders.client], people.providers[orders.provider]
    admin = people.admins[np.arange(len(client)) % len(people.admins)]
    by = {"draft": client, "requested": client, "under_review": admin, "quoted": admin, "approved": admin,
          "awaiting_payment": admin, "scheduled": provider, "pause": provider, "resumed": provider,
          "revision_requested": client, "reworked": provider, "redelivered": provider,
          "disputed": client}  # fmt: skip
    actors = np.zeros((len(client), len(STAGES)), dtype="S32")
    for stage, who in by.items():
        actors[:, STAGES.index(stage)] = who
    ends = {COMPLETED: np.where(lives.was_silent, b"", client), CANCELLED_FATE: client, DECLINED: admin,
            NO_SHOW: provider, REFUNDED: admin}  # fmt: skip
    for fate, who in ends.items():
        actors[:, -1] = np.where(lives.fate == fate, who, actors[:, -1])
    return actors


def _reasons(lives: Lives) -> Texts:
    reasons = np.full(lives.moments.shape, None, dtype=object)
    for stage, reason in STAGE_REASONS.items():
        reasons[:, STAGES.index(stage)] = reason
    reasons[:, -1] = end_reasons(lives)
    return reasons


def end_reasons(lives: Lives) -> Texts:
    """Why each booking ends as it does; null where there is nothing to say."""
    turn = np.arange(len(lives.fate)) % len(CANCEL_REASONS)
    reasons: Texts = np.full(len(turn), None, dtype=object)
    for fate, reason in END_REASONS.items():
        reasons[lives.fate == fate] = reason
    is_cancelled = lives.fate == CANCELLED_FATE
    reasons[is_cancelled] = np.array(CANCEL_REASONS, dtype=object)[turn[is_cancelled]]
    reasons[(lives.fate == COMPLETED) & lives.was_silent] = "delivery unanswered for 7 days"
    reasons[lives.was_struck] = "client: storm warning"
    return reasons
