"""Status changes of each booking, as moments of stages: planned to the end, then cut off at the end of as_of."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources import lifecycle
from sources.simulate.bookings import WORKDAY, Orders
from sources.simulate.calendar import DAY, HOUR, MINUTE, NEVER, Bools, Ids, Ints, Texts
from sources.simulate.copy import NO_ID, or_null
from sources.simulate.incidents import BURST_SHARE, PAYMENTS_HIT
from sources.simulate.people import People, World
from sources.simulate.planned_work import Delivery

# A stage is a step that a booking takes at most once; its status may be one that the booking had before. In order of
# time. The status of "pause" and of "end" differs by booking.
STAGES: Final = (
    *lifecycle.PENDING, "confirmed", "scheduled",
    "in_progress", "pause", "resumed", "delivered", "revision_requested", "reworked", "redelivered", "disputed", "end",
)  # fmt: skip
STATUS_OF: Final = {"resumed": "in_progress", "reworked": "in_progress", "redelivered": "delivered"}
# The status in which a booking ends, and its share.
OUTCOME_SHARES: Final = {
    "completed": 0.83, "cancelled": 0.085, "declined": 0.03, "no_show": 0.025, "refunded": 0.012, "expired": 0.018,
}  # fmt: skip
OUTCOMES: Final = tuple(OUTCOME_SHARES)
COMPLETED, CANCELLED, DECLINED, NO_SHOW, REFUNDED, EXPIRED = range(len(OUTCOMES))

DRAFT_SHARE: Final = 0.05
REVIEWED_FROM_HOURS: Final = 4.0  # services this long are reviewed and quoted first
REVISED_SHARE: Final = 0.06
DISPUTED_SHARE: Final = 0.02
UNANSWERED_SHARE: Final = 0.2  # of deliveries, which the client never accepts
EXPIRES_AFTER: Final = lifecycle.EXPIRES_AFTER_DAYS * DAY
COMPLETES_AFTER: Final = lifecycle.COMPLETES_AFTER_DAYS * DAY

STAGE_REASONS: Final = {
    "confirmed": "first payment received",
    "in_progress": "first time entry",
    "delivered": "every milestone approved",
}
END_REASONS: Final = {
    DECLINED: "outside our services",
    NO_SHOW: "client did not appear",
    REFUNDED: "dispute settled in favour of the client",
    EXPIRED: f"unanswered for {lifecycle.EXPIRES_AFTER_DAYS} days",
}
CANCEL_REASONS: Final = ("client: change of plans", "client: budget", "client: found another provider",
                         "provider: not available", "client: moved to a later date")  # fmt: skip


@dataclass(frozen=True)
class Intake:
    """Planned steps from the request to the confirmation."""

    outcome: Ints  # position in OUTCOMES
    stages: dict[str, Ints]  # local; NEVER where skipped
    first_attempt: Ints  # local: when the client first tries to pay
    start: Ints  # worked: when work begins, later than planned if confirmed late


@dataclass(frozen=True)
class Timelines:
    """Stages reached by the end of as_of, in local moments; one item per booking."""

    moments: Ints  # bookings x STAGES; NEVER where not reached
    ended: Ints  # when the booking reached its outcome; NEVER if not yet
    outcome: Ints  # position in OUTCOMES
    is_paused_by_client: Bools
    is_unanswered: Bools  # the client does not answer the delivery, and the booking is completed automatically
    is_in_burst: Bools  # cancelled by the burst of cancellations
    cut_off: Ints  # what was planned for this moment or later is not part of the sample
    first_attempt: Ints
    status: Texts

    def at(self, stage: str) -> Ints:
        """Return the moment of the stage in each booking, NEVER where not reached."""
        return self.moments[:, STAGES.index(stage)]

    @property
    def is_cancelled(self) -> Bools:
        is_cancelled: Bools = (self.ended < NEVER) & np.isin(np.array(OUTCOMES)[self.outcome], lifecycle.CANCELLED)
        return is_cancelled


def plan_intake(world: World, orders: Orders) -> Intake:
    """Plan the stages up to the start: reviewed services take more steps; a payment outage delays confirmations."""
    rng, calendar, count = world.rng, world.calendar, len(orders)
    created = calendar.worked(orders.created)
    lead_days = (calendar.local(orders.start) - orders.created) // DAY
    outcome = rng.choice(len(OUTCOMES), count, p=list(OUTCOME_SHARES.values()))
    outcome = np.where((outcome == EXPIRED) & (lead_days < EXPIRES_AFTER // DAY), COMPLETED, outcome)
    is_reviewed = (orders.hours >= REVIEWED_FROM_HOURS) | (outcome == DECLINED)
    is_draft = (rng.random(count) < DRAFT_SHARE) & (outcome != EXPIRED)
    is_scheduled = is_reviewed | (rng.random(count) < 0.5)
    everyone = np.ones(count, dtype=bool)
    # Mean working hours from the stage before, and the bookings that pass it.
    steps = {
        "requested": (5, is_draft), "under_review": (3, is_reviewed), "quoted": (7, is_reviewed),
        "approved": (6, everyone), "awaiting_payment": (0.5, everyone), "confirmed": (5, everyone),
        "scheduled": (2, is_scheduled),
    }  # fmt: skip
    gaps = np.stack([(rng.gamma(1.3, hours / 1.3, count) * HOUR + 30) * passes for hours, passes in steps.values()])
    elapsed = np.cumsum(gaps, axis=0)
    available = (orders.start - created) * 0.85
    moments = created + (elapsed * np.minimum(1, available / elapsed[-1])).astype(np.int64)
    stages = {
        name: np.where(passes, calendar.local(moment), NEVER)
        for (name, (_, passes)), moment in zip(steps.items(), moments, strict=True)
    }
    stages["draft"] = np.where(is_draft, orders.created, NEVER)
    stages["requested"] = np.where(is_draft, stages["requested"], orders.created)
    first_attempt = stages["confirmed"]
    start = orders.start
    if outage := world.incidents.get("payment_outage"):
        is_hit = outage.covers(first_attempt) & (rng.random(count) < PAYMENTS_HIT)
        later = calendar.worked(np.full(count, outage.until)) + (rng.random(count) * 6 * HOUR).astype(np.int64) + HOUR
        stages["confirmed"] = np.where(is_hit, calendar.local(later), first_attempt)
        stages["scheduled"] = np.where(is_hit, NEVER, stages["scheduled"])
        start = np.where(is_hit, np.maximum(start, later + HOUR), start)
    return Intake(outcome, stages, first_attempt, start)


def make_timelines(world: World, orders: Orders, intake: Intake, delivery: Delivery) -> Timelines:
    """Join intake and delivery to whole timelines that end by their outcome, and cut them off at the end of as_of."""
    rng, calendar, count = world.rng, world.calendar, len(orders)
    outcome = intake.outcome
    is_revised = rng.random(count) < REVISED_SHARE
    redelivered = delivery.delivered + (rng.uniform(1, 3, count) * WORKDAY).astype(np.int64)
    is_disputed = (outcome == REFUNDED) | (rng.random(count) < DISPUTED_SHARE)
    last_delivery = np.where(is_revised, redelivered, delivery.delivered)
    answer = last_delivery + 2 * MINUTE + (rng.gamma(1.4, 5, count) * HOUR).astype(np.int64)
    settled = answer + (rng.uniform(2, 9, count) * WORKDAY).astype(np.int64)
    is_unanswered = (rng.random(count) < UNANSWERED_SHARE) & ~is_disputed

    end = calendar.local(np.where(is_disputed, settled, answer))
    end = np.where(is_unanswered, calendar.local(last_delivery) + COMPLETES_AFTER, end)
    end = np.where(outcome == EXPIRED, orders.created + EXPIRES_AFTER, end)
    end = np.where(outcome == DECLINED, intake.stages["quoted"], end)
    end = np.where(outcome == NO_SHOW, calendar.local(delivery.begun) + 20 * MINUTE, end)
    end = np.where(outcome == CANCELLED, _cancellations(world, intake, delivery), end)

    is_worked_on = outcome != NO_SHOW
    two_thirds = delivery.delivered + (redelivered - delivery.delivered) * 2 // 3

    def planned_at(is_reached: Bools, worked: Ints) -> Ints:
        """Return the moments as local ones, NEVER for bookings that do not reach the stage."""
        return np.where(is_reached & is_worked_on, calendar.local(worked), NEVER)

    planned = dict.fromkeys(STAGES[:-1], np.full(count, NEVER)) | {
        **intake.stages,
        "in_progress": planned_at(is_worked_on, delivery.begun),
        "pause": planned_at(delivery.is_paused, delivery.pause),
        "resumed": planned_at(delivery.is_paused, delivery.resume),
        "delivered": planned_at(is_worked_on, delivery.delivered),
        "revision_requested": planned_at(is_revised, delivery.delivered + HOUR),
        "reworked": planned_at(is_revised, two_thirds),
        "redelivered": planned_at(is_revised, redelivered),
        "disputed": planned_at(is_disputed, answer),
    }
    # A request that expires is never reviewed.
    for stage in STAGES[STAGES.index("requested") + 1 : -1]:
        planned[stage] = np.where(outcome == EXPIRED, NEVER, planned[stage])

    is_in_burst, burst_end = _burst(world, intake, end)
    outcome, end = np.where(is_in_burst, CANCELLED, outcome), np.where(is_in_burst, burst_end, end)
    cut_off = np.minimum(end, world.now)
    moments = np.stack([*(planned[stage] for stage in STAGES[:-1]), end], axis=1)
    moments[:, :-1] = np.where(moments[:, :-1] < cut_off[:, None], moments[:, :-1], NEVER)
    moments[:, -1] = np.where(end < world.now, end, NEVER)
    is_paused_by_client = rng.random(count) < 0.5
    return Timelines(
        moments=moments,
        ended=moments[:, -1],
        outcome=outcome,
        is_paused_by_client=is_paused_by_client,
        is_unanswered=is_unanswered,
        is_in_burst=is_in_burst,
        cut_off=cut_off,
        first_attempt=intake.first_attempt,
        status=_last_status(moments, _statuses(outcome, is_paused_by_client)),
    )


def _burst(world: World, intake: Intake, end: Ints) -> tuple[Bools, Ints]:
    """Return the bookings on hand that a burst of cancellations cancels, and for each booking the moment."""
    rng, count = world.rng, len(end)
    burst = world.incidents.get("cancellation_burst")
    if burst is None:
        return np.zeros(count, dtype=bool), end
    is_on_hand = (intake.stages["awaiting_payment"] < burst.first * DAY) & (end >= burst.until)
    is_on_hand &= (world.calendar.local(intake.start) >= burst.until) & ~np.isin(intake.outcome, [DECLINED, EXPIRED])
    moment = rng.integers(burst.first, burst.last + 1, count) * DAY + 9 * HOUR + rng.integers(0, WORKDAY, count)
    return is_on_hand & (rng.random(count) < BURST_SHARE), moment


def _cancellations(world: World, intake: Intake, delivery: Delivery) -> Ints:
    """Return moments of cancellation: mostly between confirmation and start, some unpaid, some during the work."""
    rng, count = world.rng, len(intake.outcome)
    worked = world.calendar.worked
    asked, confirmed = worked(intake.stages["awaiting_payment"]), worked(intake.stages["confirmed"])
    chance = rng.random(count)
    is_unpaid, is_before_start = chance < 0.15, chance < 0.85
    begin = np.select([is_unpaid, is_before_start], [asked, confirmed], delivery.begun)
    finish = np.select([is_unpaid, is_before_start], [confirmed, delivery.begun], delivery.delivered)
    return world.calendar.local(begin + ((finish - begin) * rng.uniform(0.05, 0.98, count)).astype(np.int64))


def _statuses(outcome: Ints, is_paused_by_client: Bools) -> Texts:
    """Return the status that each stage brings: bookings x STAGES."""
    by_stage = np.array([STATUS_OF.get(stage, stage) for stage in STAGES], dtype=object)
    statuses = np.tile(by_stage, (len(outcome), 1))
    statuses[:, STAGES.index("pause")] = np.where(is_paused_by_client, "awaiting_client", "on_hold")
    statuses[:, -1] = np.array(OUTCOMES, dtype=object)[outcome]
    return statuses


def _last_status(moments: Ints, statuses: Texts) -> Texts:
    last = len(STAGES) - 1 - (moments[:, ::-1] < NEVER).argmax(axis=1)
    chosen: Texts = statuses[np.arange(len(statuses)), last]
    return chosen


def add_history(world: World, people: People, orders: Orders, timelines: Timelines, booking_ids: Ids) -> None:
    """Add booking_status_history: every change of every booking, with its actor and reason."""
    statuses = _statuses(timelines.outcome, timelines.is_paused_by_client)
    booking, stage = np.nonzero(timelines.moments < NEVER)
    to_status = statuses[booking, stage]
    is_first = np.concatenate([[True], booking[1:] != booking[:-1]])
    from_status = or_null(~is_first, np.roll(to_status, 1))
    impossible = {step for step in set(zip(from_status, to_status, strict=True)) if not lifecycle.is_step(*step)}
    assert not impossible, f"the lifecycle has no such steps: {impossible}"
    changed = timelines.moments[booking, stage]
    ids = world.new_ids(changed)
    world.add_rows(
        "booking_status_history", ids, changed, changed, booking_id=booking_ids[booking],
        from_status=from_status, to_status=to_status,
        actor_id=_actors(people, orders, timelines)[booking, stage], reason=_reasons(timelines)[booking, stage],
        changed_at=changed,
    )  # fmt: skip


def _actors(people: People, orders: Orders, timelines: Timelines) -> Ids:
    """Return the person who makes each change: bookings x STAGES; NO_ID where the system does."""
    client, provider = people.clients[orders.client], people.providers[orders.provider]
    admin = people.admins[np.arange(len(client)) % len(people.admins)]
    by_stage = {"draft": client, "requested": client, "under_review": admin, "quoted": admin, "approved": admin,
                "awaiting_payment": admin, "scheduled": provider, "pause": provider, "resumed": provider,
                "revision_requested": client, "reworked": provider, "redelivered": provider,
                "disputed": client}  # fmt: skip
    by_outcome = {COMPLETED: np.where(timelines.is_unanswered, NO_ID, client), CANCELLED: client, DECLINED: admin,
                  NO_SHOW: provider, REFUNDED: admin}  # fmt: skip
    actors = np.zeros((len(client), len(STAGES)), dtype="S32")
    for stage, actor in by_stage.items():
        actors[:, STAGES.index(stage)] = actor
    for outcome, actor in by_outcome.items():
        actors[:, -1] = np.where(timelines.outcome == outcome, actor, actors[:, -1])
    return actors


def _reasons(timelines: Timelines) -> Texts:
    reasons = np.full(timelines.moments.shape, None, dtype=object)
    for stage, reason in STAGE_REASONS.items():
        reasons[:, STAGES.index(stage)] = reason
    reasons[:, -1] = end_reasons(timelines)
    return reasons


def end_reasons(timelines: Timelines) -> Texts:
    """Return the reason of each booking's outcome; null where it needs none."""
    turn = np.arange(len(timelines.outcome)) % len(CANCEL_REASONS)
    reasons: Texts = np.full(len(turn), None, dtype=object)
    for outcome, reason in END_REASONS.items():
        reasons[timelines.outcome == outcome] = reason
    is_cancelled = timelines.outcome == CANCELLED
    reasons[is_cancelled] = np.array(CANCEL_REASONS, dtype=object)[turn[is_cancelled]]
    is_unanswered = (timelines.outcome == COMPLETED) & timelines.is_unanswered
    reasons[is_unanswered] = f"delivery unanswered for {lifecycle.COMPLETES_AFTER_DAYS} days"
    reasons[timelines.is_in_burst] = "client: storm warning"
    return reasons
