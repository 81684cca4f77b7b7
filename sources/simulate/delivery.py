"""How each booking would be delivered: milestones, tasks and hours, laid out in worked time and never cut short.

What of it has happened by the end of as_of is decided in progress.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources.simulate.bookings import WORKDAY, Orders
from sources.simulate.calendar import DAY, HOUR, MINUTE, Bools, Floats, Ints
from sources.simulate.people import People, World

ENTRY_HOURS: Final = 2.0  # longer tasks are recorded in several sittings
SHORTEST_ENTRY: Final = 15 * MINUTE
PAUSED_SHARE: Final = 0.16  # of engagements of several days
STALLED_SHARE: Final = 0.012  # of all: they wait for months
TROUBLED_SHARE: Final = 0.06  # of all, when the provider has nothing else to do
TROUBLED_BY_LOAD: Final = 0.08  # more of them, with a full week
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
class _Course:
    """How each booking runs: from worked seconds of effort to worked time."""

    start: Ints
    stretch: Floats
    pause_at: Ints  # effort
    pause: Ints
    ill_from: Ints  # worked; far away for those who stay healthy
    illness: Ints

    def place(self, booking: Ints, effort: Ints) -> Ints:
        """Worked time at which `effort` (planned worked seconds) of each booking is done."""
        spent = (effort * self.stretch[booking]).astype(np.int64)
        at = self.start[booking] + spent + np.where(spent > self.pause_at[booking], self.pause[booking], 0)
        return self.after_illness(booking, at)

    def after_illness(self, booking: Ints, at: Ints) -> Ints:
        return at + np.where(at >= self.ill_from[booking], self.illness[booking], 0)


def deliver(world: World, people: People, orders: Orders, start: Ints) -> Delivery:
    """Lay out the delivery of every booking from `start` (worked time: planned, or later if confirmed late)."""
    rng = world.rng
    load = _load(people, orders)
    is_troubled = rng.random(len(orders)) < TROUBLED_SHARE + TROUBLED_BY_LOAD * load
    course, is_paused = _course(world, orders, start, load, is_troubled)
    counts = np.array([len(service.milestones) for service in world.business.services])[orders.service]
    booking = np.repeat(np.arange(len(orders)), counts)
    tasks = _tasks(world, orders, course, booking)
    milestones = _milestones(world, tasks, booking, _positions(counts), is_troubled)
    everyone = np.arange(len(orders))
    pause = course.after_illness(everyone, course.start + course.pause_at)
    resume = course.after_illness(everyone, course.start + course.pause_at + course.pause)
    return Delivery(
        tasks=tasks,
        milestones=milestones,
        entries=_entries(world, tasks),
        begun=course.after_illness(everyone, start),
        pause=pause,
        resume=resume,
        is_paused=is_paused,
        delivered=np.maximum.reduceat(milestones.approved, np.cumsum(counts) - counts),
    )


def _positions(counts: Ints) -> Ints:
    """0, 1, ... within each group of `counts` items."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _load(people: People, orders: Orders) -> Floats:
    """For each booking, its provider's booked hours in the week of its start, against the capacity."""
    week = orders.start // (5 * WORKDAY)
    key = orders.provider * (week.max() + 1) + week
    hours = np.bincount(key, weights=orders.hours)
    load: Floats = np.minimum(hours[key] / (people.capacity[orders.provider] * 5), 2.0)
    return load


def _course(world: World, orders: Orders, start: Ints, load: Floats, is_troubled: Bools) -> tuple[_Course, Bools]:
    rng, count = world.rng, len(orders)
    is_long = orders.span >= WORKDAY
    stretch = rng.lognormal(-0.08 + 0.12 * load, 0.12)
    stretch *= np.where(is_troubled & is_long, rng.uniform(1.3, 2.6, count), 1)
    chance = rng.random(count)
    is_stalled = chance < STALLED_SHARE
    is_paused = is_stalled | (is_long & (chance < STALLED_SHARE + PAUSED_SHARE))
    length = np.where(is_stalled, rng.uniform(60, 200, count), rng.uniform(2, 9, count)) * WORKDAY
    is_ill = np.zeros(count, dtype=bool)
    ill_from = ill_until = 0
    if illness := world.incidents.get("provider_illness"):
        ill_from, ill_until = world.calendar.worked(np.array([illness.first * DAY, illness.until]))
        is_ill = (orders.provider == orders.ill_provider) & (start < ill_until)
    course = _Course(
        start=start,
        stretch=stretch,
        pause_at=(rng.uniform(0.3, 0.7, count) * orders.span * stretch).astype(np.int64),
        pause=np.where(is_paused, length, 0).astype(np.int64),
        ill_from=np.where(is_ill, ill_from, np.iinfo(np.int64).max),
        illness=np.where(is_ill, ill_until - ill_from, 0),
    )
    return course, is_paused


def _tasks(world: World, orders: Orders, course: _Course, booking: Ints) -> Tasks:
    """One to three tasks a milestone, one after the other, each with its share of the hours."""
    rng = world.rng
    per_milestone = 1 + _chance_steps(rng.random(len(booking)), (0.5, 0.9))
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
        start=course.place(task_booking, begins.astype(np.int64)),
        due=orders.start[task_booking] + finishes.astype(np.int64),
        done=course.place(task_booking, finishes.astype(np.int64)),
    )


def _chance_steps(chance: Floats, steps: tuple[float, ...]) -> Ints:
    return np.searchsorted(np.array(steps), chance)


def _milestones(world: World, tasks: Tasks, booking: Ints, position: Ints, is_troubled: Bools) -> Milestones:
    """From the first task to the client's approval; a troubled booking waits for days."""
    rng, count = world.rng, len(booking)
    first = np.searchsorted(tasks.milestone, np.arange(count))
    last = np.searchsorted(tasks.milestone, np.arange(count), side="right") - 1
    submitted = tasks.done[last]
    patience = np.where(is_troubled[booking], rng.uniform(1, 6, count) * WORKDAY, rng.gamma(1.5, 1.2, count) * HOUR)
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
        approved=asked + 5 * MINUTE + patience.astype(np.int64),
        is_rejected=is_rejected,
    )


def _entries(world: World, tasks: Tasks) -> Entries:
    """The hours of each task in sittings of up to ENTRY_HOURS, each within one working day."""
    rng, calendar = world.rng, world.calendar
    sittings = np.ceil(tasks.estimate / ENTRY_HOURS).astype(np.int64)
    task = np.repeat(np.arange(len(sittings)), sittings)
    share = _positions(sittings) / sittings[task]
    start = tasks.start[task] + ((tasks.done - tasks.start)[task] * share).astype(np.int64)
    left = calendar.left_today(start)
    start = np.where(left < SHORTEST_ENTRY, start + left, start)
    hours = tasks.estimate[task] / sittings[task] * rng.lognormal(0, 0.15, len(task))
    minutes = np.maximum(np.rint(hours * 60), 15).astype(np.int64) * MINUTE
    return Entries(tasks.booking[task], task, start, np.minimum(minutes, calendar.left_today(start)))
