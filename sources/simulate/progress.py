"""Progress by the end of as_of, and the rows of bookings, milestones, tasks, time entries and approvals."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources import lifecycle
from sources.simulate.bookings import Orders, popular_service
from sources.simulate.calendar import DAY, HOUR, NEVER, Bools, Ids, Ints, Texts
from sources.simulate.copy import NO_ID, or_null
from sources.simulate.people import People, World
from sources.simulate.planned_work import Delivery, Tasks
from sources.simulate.statuses import Timelines, end_reasons

TASK_TITLES: Final = np.array(["Prepare", "Carry out", "Write up"], dtype=object)
PRIORITIES: Final = ("low", "normal", "high", "urgent")
PRIORITY_SHARES: Final = (0.1, 0.72, 0.14, 0.04)
# The first one is the booking form, which an intake outage breaks.
CHANNEL_SHARES: Final = {"website": 0.52, "phone": 0.24, "partner": 0.15, "front desk": 0.09}
FULL: Final = 10_000  # 100 percent, in hundredths


@dataclass(frozen=True)
class Progress:
    """Progress and status of everything; progress in hundredths of a percent, as the database's roll-up computes it."""

    tasks: Ints
    milestones: Ints
    bookings: Ints
    task_status: Texts
    milestone_status: Texts


def progress_of(world: World, timelines: Timelines, delivery: Delivery, is_planned: Bools) -> Progress:
    """Return the progress of tasks, milestones and bookings. is_planned: bookings that have milestones."""
    tasks, milestones, calendar = delivery.tasks, delivery.milestones, world.calendar
    cut_off = calendar.worked(timelines.cut_off)
    task_status, task_progress = _task_state(tasks, cut_off[tasks.booking], timelines.is_cancelled[tasks.booking])
    count = len(milestones.booking)
    by_task = _rolled_up(task_progress, tasks.weight, task_status != "cancelled", tasks.milestone, count)
    until = cut_off[milestones.booking]
    status = np.select(
        [milestones.approved < until, timelines.is_cancelled[milestones.booking], milestones.submitted < until,
         milestones.start < until],
        ["approved", "cancelled", "submitted", "in_progress"],
        default="pending",
    ).astype(object)  # fmt: skip
    counted = (status != "cancelled") & is_planned[milestones.booking]
    by_milestone = _rolled_up(by_task, milestones.weight, counted, milestones.booking, len(cut_off))
    return Progress(task_progress, by_task, by_milestone, task_status, status)


def _task_state(tasks: Tasks, until: Ints, is_cancelled: Bools) -> tuple[Texts, Ints]:
    """Return status and progress of each task at the worked time `until`."""
    is_done = tasks.done < until
    is_begun = tasks.start < until
    share = (until - tasks.start) / np.maximum(tasks.done - tasks.start, 1)
    begun_progress = np.clip(share * 20, 1, 19).astype(np.int64) * (FULL // 20)
    status = np.select([is_done, is_cancelled, is_begun], ["done", "cancelled", "in_progress"], default="todo")
    progress = np.select([is_done, is_cancelled, is_begun], [FULL, 0, begun_progress], default=0)
    return status.astype(object), progress.astype(np.int64)


def _rolled_up(progress: Ints, weight: Ints, counted: Bools, group: Ints, groups: int) -> Ints:
    """Return weighted means by group, rounded half up like `round(numeric, 2)`; 0 where nothing is `counted`."""
    weight = weight * counted
    total = np.bincount(group, weights=progress * weight, minlength=groups).astype(np.int64)
    weights = np.bincount(group, weights=weight, minlength=groups).astype(np.int64)
    return (2 * total + weights) // np.maximum(2 * weights, 1)


def add_bookings(world: World, people: People, orders: Orders, timelines: Timelines, progress: Progress) -> Ids:
    """Add bookings, and return their identifiers."""
    calendar, business, count = world.calendar, world.business, len(orders)
    ids = world.new_ids(orders.created)
    last_change = np.where(timelines.moments < NEVER, timelines.moments, 0).max(axis=1)
    services = np.array([service.name for service in business.services], dtype=object)
    package = np.where(orders.package < 0, NO_ID, people.packages[orders.package])
    is_cancelled = np.isin(timelines.status, lifecycle.CANCELLED)
    world.add_rows(
        "bookings", ids, orders.created, last_change, booking_number=_numbers(orders.created),
        client_id=people.clients[orders.client], provider_id=people.providers[orders.provider],
        service_id=people.services[orders.service], package_id=package, status=timelines.status,
        priority=world.rng.choice(np.array(PRIORITIES, dtype=object), count, p=PRIORITY_SHARES),
        title=services[orders.service] + " for " + people.client_names[orders.client], channel=_channels(world, orders),
        total_amount=orders.amount, currency=business.currency, scheduled_start=calendar.local(orders.start),
        scheduled_end=calendar.local_end(orders.start + orders.span), progress_pct=progress.bookings,
        is_exclusive=np.zeros(count, dtype=bool),
        cancel_reason=or_null(is_cancelled, end_reasons(timelines)),
        cancelled_at=np.where(is_cancelled, timelines.ended, NEVER),
        completed_at=np.where(timelines.status == "completed", timelines.ended, NEVER),
    )  # fmt: skip
    return ids


def _channels(world: World, orders: Orders) -> Texts:
    """Return the channel of each booking: while the booking form of a service is broken, none comes by it.

    A random generator of its own: the rest of the business does not depend on the channels' random numbers.
    """
    names = np.array(list(CHANNEL_SHARES), dtype=object)
    shares = np.array(list(CHANNEL_SHARES.values()))
    drawn = np.random.default_rng([world.as_of, len(orders)]).random(len(orders))
    channel = np.searchsorted(np.cumsum(shares), drawn)
    if intake := world.incidents.get("intake_outage"):
        others = 1 + np.searchsorted(np.cumsum(shares[1:] / shares[1:].sum()), drawn)
        has_no_form = intake.covers(orders.created) & (orders.service == popular_service(world))
        channel = np.where(has_no_form, others, channel)
    return names[channel]


def _numbers(created: Ints) -> Texts:
    """Return booking numbers such as BK-2025-000123, counted within the year of booking."""
    years = (created // DAY).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    position = np.arange(len(years)) - np.searchsorted(years, years) + 1
    return np.array(
        [f"BK-{year}-{number:06d}" for year, number in zip(years.tolist(), position.tolist(), strict=True)],
        dtype=object,
    )


def add_delivery(
    world: World, people: People, orders: Orders, timelines: Timelines, delivery: Delivery, progress: Progress,
    booking_ids: Ids,
) -> None:  # fmt: skip
    """Add milestones, tasks, time entries and approvals of the bookings that were confirmed."""
    is_planned = timelines.at("confirmed") < NEVER
    milestone_ids = _add_milestones(world, orders, timelines, delivery, progress, booking_ids, is_planned)
    task_ids = _add_tasks(world, people, orders, timelines, delivery, progress, booking_ids, milestone_ids, is_planned)
    _add_entries(world, people, orders, timelines, delivery, booking_ids, task_ids, is_planned)
    _add_approvals(world, people, orders, timelines, delivery, booking_ids, milestone_ids, is_planned)


def _latest(*moments: Ints, until: Ints) -> Ints:
    """Return, for each row, the latest of the moments before `until`; the first moment always counts."""
    stacked = np.stack(moments)
    latest: Ints = np.where((stacked < until) | (np.arange(len(moments)) == 0)[:, None], stacked, 0).max(axis=0)
    return latest


def _add_milestones(
    world: World, orders: Orders, timelines: Timelines, delivery: Delivery, progress: Progress, booking_ids: Ids,
    kept: Bools,
) -> Ids:  # fmt: skip
    """Add the milestones of the bookings in `kept`; return the identifiers of all."""
    milestones, calendar = delivery.milestones, world.calendar
    booking = milestones.booking
    created = timelines.at("confirmed")[booking]
    keep = kept[booking]
    titles = np.array([title for service in world.business.services for title in service.milestones], dtype=object)
    first_title = np.cumsum([0, *(len(service.milestones) for service in world.business.services)])
    approved = calendar.local(milestones.approved)
    updated = _latest(
        created, calendar.local(milestones.start), calendar.local(milestones.submitted), approved,
        timelines.ended[booking],
        until=np.minimum(timelines.cut_off[booking] + 1, world.now),
    )  # fmt: skip
    ids = np.zeros(len(booking), dtype="S32")
    ids[keep] = world.new_ids(created[keep])
    rows = {
        "booking_id": booking_ids[booking],
        "title": titles[first_title[orders.service[booking]] + milestones.position],
        "position": milestones.position + 1,
        "weight": milestones.weight * 100,
        "status": progress.milestone_status,
        "progress_pct": progress.milestones,
        "due_at": calendar.local_end(milestones.due),
        "completed_at": np.where(progress.milestone_status == "approved", approved, NEVER),
    }
    kept_rows = {name: values[keep] for name, values in rows.items()}
    world.add_rows("milestones", ids[keep], created[keep], updated[keep], **kept_rows)
    return ids


def _add_tasks(
    world: World, people: People, orders: Orders, timelines: Timelines, delivery: Delivery, progress: Progress,
    booking_ids: Ids, milestone_ids: Ids, kept: Bools,
) -> Ids:  # fmt: skip
    """Add the tasks of the bookings in `kept`; return the identifiers of all."""
    tasks, calendar = delivery.tasks, world.calendar
    booking = tasks.booking
    keep = kept[booking]
    created = timelines.at("confirmed")[booking]
    done = calendar.local(tasks.done)
    updated = _latest(
        created, calendar.local(tasks.start), done, timelines.ended[booking],
        until=np.minimum(timelines.cut_off[booking] + 1, world.now),
    )  # fmt: skip
    ids = np.zeros(len(booking), dtype="S32")
    ids[keep] = world.new_ids(created[keep])
    rows = {
        "booking_id": booking_ids[booking],
        "milestone_id": milestone_ids[tasks.milestone],
        "assignee_id": people.providers[orders.provider[booking]],
        "title": TASK_TITLES[tasks.position],
        "status": progress.task_status,
        "weight": tasks.weight * 100,
        "progress_pct": progress.tasks,
        "estimated_hours": np.maximum(np.rint(tasks.estimate * 100), 1).astype(np.int64),
        "due_at": calendar.local_end(tasks.due),
        "completed_at": np.where(progress.task_status == "done", done, NEVER),
    }
    kept_rows = {name: values[keep] for name, values in rows.items()}
    world.add_rows("tasks", ids[keep], created[keep], updated[keep], **kept_rows)
    return ids


def _add_entries(
    world: World, people: People, orders: Orders, timelines: Timelines, delivery: Delivery,
    booking_ids: Ids, task_ids: Ids, kept: Bools,
) -> None:  # fmt: skip
    """Add time_entries of the bookings in `kept`, none during a tracking outage."""
    entries = delivery.entries
    start = world.calendar.local(entries.start)
    end = start + entries.seconds
    keep = kept[entries.booking] & (end < timelines.cut_off[entries.booking])
    if outage := world.incidents.get("tracking_outage"):
        keep &= ~outage.covers(start)
    booking, start, end = entries.booking[keep], start[keep], end[keep]
    world.add_rows(
        "time_entries", world.new_ids(end), end, end, booking_id=booking_ids[booking],
        task_id=task_ids[entries.task[keep]], provider_id=people.providers[orders.provider[booking]],
        started_at=start, ended_at=end, billable=world.rng.random(len(end)) < 0.93,
        is_exclusive=np.zeros(len(end), dtype=bool),
    )  # fmt: skip


def _add_approvals(
    world: World, people: People, orders: Orders, timelines: Timelines, delivery: Delivery,
    booking_ids: Ids, milestone_ids: Ids, kept: Bools,
) -> None:  # fmt: skip
    """Add approvals of the bookings in `kept`, decided and pending: a rejected milestone has two rounds."""
    milestones, local = delivery.milestones, world.calendar.local
    rejected = np.flatnonzero(milestones.is_rejected)
    # The last round of each milestone, then the first round of the rejected ones.
    milestone = np.concatenate([np.arange(len(milestones.booking)), rejected])
    rounds = np.concatenate([np.where(milestones.is_rejected, 2, 1), np.ones(len(rejected), dtype=int)])
    last_asked = np.where(milestones.is_rejected, milestones.rejected + HOUR, milestones.submitted)
    asked = local(np.concatenate([last_asked, milestones.submitted[rejected]]))
    decided = local(np.concatenate([milestones.approved, milestones.rejected[rejected]]))
    decision = np.repeat(np.array(["approved", "rejected"], dtype=object), [len(milestones.booking), len(rejected)])
    booking = milestones.booking[milestone]
    until = timelines.cut_off[booking]
    # The pending approvals of a cancelled booking are withdrawn.
    keep = kept[booking] & (asked < until) & ((decided < until) | ~timelines.is_cancelled[booking])
    milestone, asked, decided, decision, booking, rounds = (
        column[keep] for column in (milestone, asked, decided, decision, booking, rounds)
    )
    is_decided = decided < until[keep]
    world.add_rows(
        "approvals", world.new_ids(asked), asked, np.where(is_decided, decided, asked),
        booking_id=booking_ids[booking], milestone_id=milestone_ids[milestone], level=1,
        round=rounds, approver_id=people.clients[orders.client[booking]],
        status=np.where(is_decided, decision, "pending"),
        reason=or_null(is_decided & (decision == "rejected"), "please revise"),
        decided_at=np.where(is_decided, decided, NEVER),
    )  # fmt: skip
