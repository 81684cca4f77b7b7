"""Planned delivery of each booking, until every milestone is approved: milestones, tasks and hours, in worked time.

The module progress selects the part that is done by the end of as_of.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources.simulate.bookings import WORKDAY, Orders
from sources.simulate.calendar import DAY, HOUR, MINUTE, Bools, Floats, Ints
from sources.simulate.people import People, World

ENTRY_HOURS: Final = 2.0  # longer tasks are recorded in several time entries
SHORTEST_ENTRY: Final = 15 * MINUTE
PAUSED_SHARE: Final = 0.16  # of bookings of several days
STALLED_SHARE: Final = 0.012  # of all bookings: they are paused for months
DELAYED_SHARE: Final = 0.06  # of all bookings, if the provider has no other
DELAYED_BY_LOAD: Final = 0.08  # in addition, with a full week
REJECTED_SHARE: Final = 0.07  # of milestones


@dataclass(frozen=True)
class Tasks:
    booking: Ints
    milestone: Ints
    position: Ints
    weight: Ints
    estimate: Floats  # hours
    start: Ints  # worked, as are due and done
    due: Ints
    done: Ints


@dataclass(frozen=True)
class Milestones:
    booking: Ints
    position: Ints
    weight: Ints
    start: Ints  # worked, as are the following
    due: Ints
    submitted: Ints
    rejected: Ints  # where is_rejected
    approved: Ints
    is_rejected: Bools


@dataclass(frozen=True)
class Entries:
    booking: Ints
    task: Ints
    start: Ints  # worked
    seconds: Ints


@dataclass(frozen=True)
class Delivery:
    tasks: Tasks
    milestones: Milestones
    entries: Entries
    begun: Ints  # worked
    pause: Ints  # worked; where is_paused
    resume: Ints
    is_paused: Bools
    delivered: Ints  # worked: every milestone approved


@dataclass(frozen=True)
class _Schedule:
    """Schedule of the work on each booking: from seconds of planned effort to worked time."""

    start: Ints  # worked
    stretch: Floats  # actual effort over the planned one
    pause_at: Ints  # actual effort
    pause: Ints  # its length in worked seconds
    ill_from: Ints  # worked; far in the future without an illness
    illness: Ints  # its length in worked seconds

    def worked(self, booking: Ints, effort: Ints) -> Ints:
        """Return the worked time at which `effort` (planned worked seconds) of each booking is done."""
        spent = (effort * self.stretch[booking]).astype(np.int64)
        moment = self.start[booking] + spent + np.where(spent > self.pause_at[booking], self.pause[booking], 0)
        return self.after_illness(booking, moment)

    def after_illness(self, booking: Ints, moment: Ints) -> Ints:
        """Return worked moments, those after the beginning of the provider's illness moved by its length."""
        return moment + np.where(moment >= self.ill_from[booking], self.illness[booking], 0)


def plan_delivery(world: World, people: People, orders: Orders, start: Ints) -> Delivery:
    """Plan the delivery of every booking from `start` (worked time: as booked, or later if confirmed late)."""
    rng = world.rng
    load = _load(people, orders)
    is_delayed = rng.random(len(orders)) < DELAYED_SHARE + DELAYED_BY_LOAD * load
    schedule, is_paused = _schedule(world, orders, start, load, is_delayed)
    counts = np.array([len(service.milestones) for service in world.business.services])[orders.service]
    booking = np.repeat(np.arange(len(orders)), counts)
    tasks = _tasks(world, orders, schedule, booking)
    milestones = _milestones(world, tasks, booking, _positions(counts), is_delayed)
    every = np.arange(len(orders))
    pause = schedule.after_illness(every, schedule.start + schedule.pause_at)
    resume = schedule.after_illness(every, schedule.start + schedule.pause_at + schedule.pause)
    return Delivery(
        tasks=tasks,
        milestones=milestones,
        entries=_entries(world, tasks),
        begun=schedule.after_illness(every, start),
        pause=pause,
        resume=resume,
        is_paused=is_paused,
        delivered=np.maximum.reduceat(milestones.approved, np.cumsum(counts) - counts),
    )


def _positions(counts: Ints) -> Ints:
    """Return 0, 1, ... within each group of `counts` items."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _load(people: People, orders: Orders) -> Floats:
    """Return, for each booking, its provider's booked hours in the week of its start over the capacity, at most 2."""
    week = orders.start // (5 * WORKDAY)
    key = orders.provider * (week.max() + 1) + week
    hours = np.bincount(key, weights=orders.hours)
    load: Floats = np.minimum(hours[key] / (people.capacity[orders.provider] * 5), 2.0)
    return load


def _schedule(world: World, orders: Orders, start: Ints, load: Floats, is_delayed: Bools) -> tuple[_Schedule, Bools]:
    """Return the schedule, and the bookings that are paused."""
    rng, count = world.rng, len(orders)
    is_long = orders.span >= WORKDAY
    stretch = rng.lognormal(-0.08 + 0.12 * load, 0.12)
    stretch *= np.where(is_delayed & is_long, rng.uniform(1.3, 2.6, count), 1)
    chance = rng.random(count)
    is_stalled = chance < STALLED_SHARE
    is_paused = is_stalled | (is_long & (chance < STALLED_SHARE + PAUSED_SHARE))
    length = np.where(is_stalled, rng.uniform(60, 200, count), rng.uniform(2, 9, count)) * WORKDAY
    is_ill = np.zeros(count, dtype=bool)
    ill_from = ill_until = 0
    if illness := world.incidents.get("provider_illness"):
        ill_from, ill_until = world.calendar.worked(np.array([illness.first * DAY, illness.until]))
        is_ill = (orders.provider == orders.ill_provider) & (start < ill_until)
    schedule = _Schedule(
        start=start,
        stretch=stretch,
        pause_at=(rng.uniform(0.3, 0.7, count) * orders.span * stretch).astype(np.int64),
        pause=np.where(is_paused, length, 0).astype(np.int64),
        ill_from=np.where(is_ill, ill_from, np.iinfo(np.int64).max),
        illness=np.where(is_ill, ill_until - ill_from, 0),
    )
    return schedule, is_paused


def _tasks(world: World, orders: Orders, schedule: _Schedule, booking: Ints) -> Tasks:
    """Return one to three tasks per milestone, one after the other, each with its share of the hours."""
    rng = world.rng
    per_milestone = 1 + np.searchsorted([0.5, 0.9], rng.random(len(booking)))
    milestone = np.repeat(np.arange(len(booking)), per_milestone)
    task_booking = booking[milestone]
    weight = rng.integers(1, 4, len(milestone))
    until = np.cumsum(weight)
    ends = np.cumsum(np.bincount(task_booking, minlength=len(orders)))
    before = np.concatenate([[0], until[ends[:-1] - 1]])[task_booking]
    total = np.bincount(task_booking, weights=weight)[task_booking]
    span = orders.span[task_booking]
    begins, finishes = (span * (until - weight - before) / total), (span * (until - before) / total)
    return Tasks(
        booking=task_booking,
        milestone=milestone,
        position=_positions(per_milestone),
        weight=weight,
        estimate=orders.hours[task_booking] * weight / total,
        start=schedule.worked(task_booking, begins.astype(np.int64)),
        due=orders.start[task_booking] + finishes.astype(np.int64),
        done=schedule.worked(task_booking, finishes.astype(np.int64)),
    )


def _milestones(world: World, tasks: Tasks, booking: Ints, position: Ints, is_delayed: Bools) -> Milestones:
    """Return the milestones, from the first task to the client's approval, which takes days for a delayed booking."""
    rng, count = world.rng, len(booking)
    first = np.searchsorted(tasks.milestone, np.arange(count))
    last = np.searchsorted(tasks.milestone, np.arange(count), side="right") - 1
    submitted = tasks.done[last]
    wait = np.where(is_delayed[booking], rng.uniform(1, 6, count) * WORKDAY, rng.gamma(1.5, 1.2, count) * HOUR)
    is_rejected = rng.random(count) < REJECTED_SHARE
    rejected = submitted + 5 * MINUTE + (rng.gamma(1.5, 1.2, count) * HOUR).astype(np.int64)
    asked = np.where(is_rejected, rejected + HOUR, submitted)
    return Milestones(
        booking=booking,
        position=position,
        weight=rng.integers(1, 4, count),
        start=tasks.start[first],
        due=tasks.due[last],
        submitted=submitted,
        rejected=rejected,
        approved=asked + 5 * MINUTE + wait.astype(np.int64),
        is_rejected=is_rejected,
    )


def _entries(world: World, tasks: Tasks) -> Entries:
    """Return the hours of each task as time entries of up to ENTRY_HOURS, each within one working day."""
    rng, calendar = world.rng, world.calendar
    entries = np.ceil(tasks.estimate / ENTRY_HOURS).astype(np.int64)
    task = np.repeat(np.arange(len(entries)), entries)
    share = _positions(entries) / entries[task]
    start = tasks.start[task] + ((tasks.done - tasks.start)[task] * share).astype(np.int64)
    left = calendar.left_today(start)
    start = np.where(left < SHORTEST_ENTRY, start + left, start)
    hours = tasks.estimate[task] / entries[task] * rng.lognormal(0, 0.15, len(task))
    minutes = np.maximum(np.rint(hours * 60), 15).astype(np.int64) * MINUTE
    return Entries(tasks.booking[task], task, start, np.minimum(minutes, calendar.left_today(start)))
