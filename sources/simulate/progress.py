"""What of the planned delivery has happened: rows of bookings, milestones, tasks, time entries and approvals."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources import lifecycle
from sources.simulate.bookings import Orders
from sources.simulate.calendar import DAY, HOUR, NEVER, Bools, Ids, Ints, Texts
from sources.simulate.copy import NO_ID, or_null
from sources.simulate.delivery import Delivery, Tasks
from sources.simulate.people import People, World
from sources.simulate.statuses import Lives, end_reasons

TASK_TITLES: Final = np.array(["Prepare", "Carry out", "Write up"], dtype=object)
PRIORITIES: Final = ("low", "normal", "high", "urgent")
PRIORITY_SHARES: Final = (0.1, 0.72, 0.14, 0.04)
FULL: Final = 10_000  # 100 percent, in hundredths


@dataclass(frozen=True)
class Progress:
    """Percent in hundredths, as the database's own roll-up computes it."""

    tasks: Ints
    milestones: Ints
    bookings: Ints
    task_status: Texts
    milestone_status: Texts


def measure_progress(world: World, lives: Lives, delivery: Delivery, is_planned: Bools) -> Progress:
    """How far everything is. `is_planned`: bookings that got as far as having milestones."""
    tasks, milestones, calendar = delivery.tasks, delivery.milestones, world.calendar
    until = calendar.worked(lives.happened_until)
    task_status, task_progress = _task_state(tasks, until[tasks.booking], lives.is_cancelled[tasks.booking])
    count = len(milestones.booking)
    by_task = _rolled_up(task_progress, tasks.weight, task_status != "cancelled", tasks.milestone, count)
    at = until[milestones.booking]
    status = np.select(
        [milestones.approved < at, lives.is_cancelled[milestones.booking], milestones.submitted < at,
         milestones.start < at],
        ["approved", "cancelled", "submitted", "in_progress"],
        default="pending",
    ).astype(object)  # fmt: skip
    counted = (status != "cancelled") & is_planned[milestones.booking]
    by_milestone = _rolled_up(by_task, milestones.weight, counted, milestones.booking, len(until))
    return Progress(task_progress, by_task, by_milestone, task_status, status)


def _task_state(tasks: Tasks, until: Ints, is_cancelled: Bools) -> tuple[Texts, Ints]:
    is_done = tasks.done < until
    is_begun = tasks.start < until
    share = (until - tasks.start) / np.maximum(tasks.done - tasks.start, 1)
    begun_progress = np.clip(share * 20, 1, 19).astype(np.int64) * (FULL // 20)
    status = np.select([is_done, is_cancelled, is_begun], ["done", "cancelled", "in_progress"], default="todo")
    progress = np.select([is_done, is_cancelled, is_begun], [FULL, 0, begun_progress], default=0)
    return status.astype(object), progress.astype(np.int64)


def _rolled_up(progress: Ints, weight: Ints, counted: Bools, group: Ints, groups: int) -> Ints:
    """Weighted means by group, rounded half up as `round(numeric, 2)` does; 0 where nothing counts."""
    weight = weight * counted
    total = np.bincount(group, weights=progress * weight, minlength=groups).astype(np.int64)
    weights = np.bincount(group, weights=weight, minlength=groups).astype(np.int64)
    return (2 * total + weights) // np.maximum(2 * weights, 1)


def add_bookings(world: World, people: People, orders: Orders, lives: Lives, progress: Progress) -> Ids:
    """Add the bookings themselves."""
    calendar, business, count = world.calendar, world.business, len(orders)
    ids = world.new_ids(orders.created)
    last_change = np.where(lives.moments < NEVER, lives.moments, 0).max(axis=1)
    services = np.array([service.name for service in business.services], dtype=object)
    package = np.where(orders.package < 0, NO_ID, people.packages[orders.package])
    is_cancelled = np.isin(lives.status, lifecycle.CANCELLED)
    world.add_rows(
        "bookings", ids, orders.created, last_change, booking_number=_numbers(orders.created),
        client_id=people.clients[orders.client], provider_id=people.providers[orders.provider],
        service_id=people.services[orders.service], package_id=package, status=lives.status,
        priority=world.rng.choice(np.array(PRIORITIES, dtype=object), count, p=PRIORITY_SHARES),
        title=services[orders.service] + " for " + people.client_names[orders.client],
        total_amount=orders.amount, currency=business.currency, scheduled_start=calendar.local(orders.start),
        scheduled_end=calendar.local_end(orders.start + orders.span), progress_pct=progress.bookings,
        is_exclusive=np.zeros(count, dtype=bool),
        cancel_reason=or_null(is_cancelled, end_reasons(lives)),
        cancelled_at=np.where(is_cancelled, lives.ended, NEVER),
        completed_at=np.where(lives.status == "completed", lives.ended, NEVER),
    )  # fmt: skip
    return ids


def _numbers(created: Ints) -> Texts:
    """BK-2025-000123: counted within the year of booking."""
    years = (created // DAY).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    position = np.arange(len(years)) - np.searchsorted(years, years) + 1
    return np.array(
        [f"BK-{year}-{number:06d}" for year, number in zip(years.tolist(), position.tolist(), strict=True)],
        dtype=object,
    )


def add_delivery(
    world: World, people: People, orders: Orders, lives: Lives, delivery: Delivery, progress: Progress, booking_ids: Ids
) -> None:
    """Add milestones, tasks, time entries and approvals of the bookings that were confirmed."""
    is_planned = lives.at("confirmed") < NEVER
    milestone_ids = _add_milestones(world, orders, lives, delivery, progress, booking_ids, is_planned)
    task_ids = _add_tasks(world, people, orders, lives, delivery, progress, booking_ids, milestone_ids, is_planned)
    _add_entries(world, people, orders, lives, delivery, booking_ids, task_ids, is_planned)
    _add_approvals(world, people, orders, lives, delivery, booking_ids, milestone_ids, is_planned)


def _latest(*moments: Ints, until: Ints) -> Ints:
    """For each row the latest of the moments that lie before `until`; the first moment always does."""
    stacked = np.stack(moments)
    latest: Ints = np.where((stacked < until) | (np.arange(len(moments)) == 0)[:, None], stacked, 0).max(axis=0)
    return latest


def _add_milestones(
    world: World, orders: Orders, lives: Lives, delivery: Delivery, progress: Progress, booking_ids: Ids, kept: Bools
) -> Ids:
    made, calendar = delivery.milestones, world.calendar
    booking = made.booking
    created = lives.at("confirmed")[booking]
    keep = kept[booking]
    titles = np.array([title for service in world.business.services for title in service.milestones], dtype=object)
    first_title = np.cumsum([0, *(len(service.milestones) for service in world.business.services)])
    approved = calendar.local(made.approved)
    updated = _latest(
        created, calendar.local(made.start), calendar.local(made.submitted), approved, lives.ended[booking],
        until=np.minimum(lives.happened_until[booking] + 1, world.now),
    )  # fmt: skip
    ids = np.zeros(len(booking), dtype="S32")
    ids[keep] = world.new_ids(created[keep])
    rows = {
        "booking_id": booking_ids[booking],
        "title": titles[first_title[orders.service[booking]] + made.position],
        "position": made.position + 1,
        "weight": made.weight * 100,
        "status": progress.milestone_status,
        "progress_pct": progress.milestones,
        "due_at": calendar.local_end(made.due),
        "completed_at": np.where(progress.milestone_status == "approved", approved, NEVER),
    }
    world.add_rows("milestones", ids[keep], created[keep], updated[keep], **{k: v[keep] for k, v in rows.items()})
    return ids


def _add_tasks(
    world: World, people: People, orders: Orders, lives: Lives, delivery: Delivery, progress: Progress,
    booking_ids: Ids, milestone_ids: Ids, kept: Bools,
) -> Ids:  # fmt: skip
    made, calendar = delivery.tasks, world.calendar
    booking = made.booking
    keep = kept[booking]
    created = lives.at("confirmed")[booking]
    done = calendar.local(made.done)
    updated = _latest(
        created, calendar.local(made.start), done, lives.ended[booking],
        until=np.minimum(lives.happened_until[booking] + 1, world.now),
    )  # fmt: skip
    ids = np.zeros(len(booking), dtype="S32")
    ids[keep] = world.new_ids(created[keep])
    rows = {
        "booking_id": booking_ids[booking],
        "milestone_id": milestone_ids[made.milestone],
        "assignee_id": people.providers[orders.provider[booking]],
        "title": TASK_TITLES[made.position],
        "status": progress.task_status,
        "weight": made.weight * 100,
        "progress_pct": progress.tasks,
        "estimated_hours": np.maximum(np.rint(made.estimate * 100), 1).astype(np.int64),
        "due_at": calendar.local_end(made.due),
        "completed_at": np.where(progress.task_status == "done", done, NEVER),
    }
    world.add_rows("tasks", ids[keep], created[keep], updated[keep], **{k: v[keep] for k, v in rows.items()})
    return ids


def _add_entries(
    world: World, people: People, orders: Orders, lives: Lives, delivery: Delivery,
    booking_ids: Ids, task_ids: Ids, kept: Bools,
) -> None:  # fmt: skip
    """Add the recorded hours; none while the tracker is down."""
    made = delivery.entries
    start = world.calendar.local(made.start)
    end = start + made.seconds
    keep = kept[made.booking] & (end < lives.happened_until[made.booking])
    if outage := world.incidents.get("tracking_outage"):
        keep &= ~outage.covers(start)
    booking, start, end = made.booking[keep], start[keep], end[keep]
    world.add_rows(
        "time_entries", world.new_ids(end), end, end, booking_id=booking_ids[booking],
        task_id=task_ids[made.task[keep]], provider_id=people.providers[orders.provider[booking]],
        started_at=start, ended_at=end, billable=world.rng.random(len(end)) < 0.93,
        is_exclusive=np.zeros(len(end), dtype=bool),
    )  # fmt: skip


def _add_approvals(
    world: World, people: People, orders: Orders, lives: Lives, delivery: Delivery,
    booking_ids: Ids, milestone_ids: Ids, kept: Bools,
) -> None:  # fmt: skip
    """Add each decision of the client, and each one still waited for."""
    made, local = delivery.milestones, world.calendar.local
    is_twice = np.flatnonzero(made.is_rejected)
    milestone = np.concatenate([np.arange(len(made.booking)), is_twice])
    asked = np.where(made.is_rejected, made.rejected + HOUR, made.submitted)
    asked = local(np.concatenate([asked, made.submitted[is_twice]]))
    decided = local(np.concatenate([made.approved, made.rejected[is_twice]]))
    verdict = np.repeat(np.array(["approved", "rejected"], dtype=object), [len(made.booking), len(is_twice)])
    booking = made.booking[milestone]
    until = lives.happened_until[booking]
    # What a cancelled booking left undecided is withdrawn with it.
    keep = kept[booking] & (asked < until) & ((decided < until) | ~lives.is_cancelled[booking])
    # What was rejected was asked again.
    rounds = np.concatenate([np.where(made.is_rejected, 2, 1), np.ones(len(is_twice), dtype=int)])
    milestone, asked, decided, verdict, booking, rounds = (
        column[keep] for column in (milestone, asked, decided, verdict, booking, rounds)
    )
    is_decided = decided < until[keep]
    world.add_rows(
        "approvals", world.new_ids(asked), asked, np.where(is_decided, decided, asked),
        booking_id=booking_ids[booking], milestone_id=milestone_ids[milestone], level=1,
        round=rounds, approver_id=people.clients[orders.client[booking]],
        status=np.where(is_decided, verdict, "pending"),
        reason=or_null(is_decided & (verdict == "rejected"), "please revise"),
        decided_at=np.where(is_decided, decided, NEVER),
    )  # fmt: skip
