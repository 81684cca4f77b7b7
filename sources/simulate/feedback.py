"""Messages of clients and providers during a booking, and reviews after it."""

from typing import Final

import numpy as np

from sources.simulate.bookings import Orders
from sources.simulate.calendar import DAY, HOUR, NEVER, Ids, in_daytime
from sources.simulate.copy import or_null
from sources.simulate.people import People, World
from sources.simulate.statuses import Timelines

MESSAGES_PER_BOOKING: Final = 1.2
READ_SHARE: Final = 0.9
REVIEW_SHARE: Final = 0.45
RATING_SHARES: Final = (0.03, 0.04, 0.1, 0.33, 0.5)  # of 1 to 5
LATE_AFTER: Final = 3 * DAY  # past the planned end: the review has a star less
BODIES: Final = np.array(
    [
        "Could we start half an hour later?",
        "I have sent the material.",
        "Thank you, that works for us.",
        "Here is what I need from you before we meet.",
        "Is there anything to prepare?",
        "The draft is ready for your comments.",
    ],
    dtype=object,
)


def add_messages(world: World, people: People, orders: Orders, timelines: Timelines, booking_ids: Ids) -> None:
    """Add messages of confirmed bookings, in opening hours between the confirmation and the end."""
    rng, calendar = world.rng, world.calendar
    counts = np.where(timelines.at("confirmed") < NEVER, rng.poisson(MESSAGES_PER_BOOKING, len(orders)), 0)
    booking = np.repeat(np.arange(len(orders)), counts)
    begin = calendar.worked(timelines.at("confirmed")[booking])
    end = calendar.worked(timelines.cut_off[booking])
    sent = calendar.local(begin + ((end - begin) * rng.random(len(booking))).astype(np.int64))
    keep = sent < timelines.cut_off[booking]
    booking, sent = booking[keep], sent[keep]
    read = sent + (rng.exponential(3, len(sent)) * HOUR).astype(np.int64)
    read = np.where((rng.random(len(sent)) < READ_SHARE) & (read < world.now), read, NEVER)
    client, provider = people.clients[orders.client[booking]], people.providers[orders.provider[booking]]
    world.add_rows(
        "messages", world.new_ids(sent), sent, np.where(read < NEVER, read, sent), booking_id=booking_ids[booking],
        sender_id=np.where(rng.random(len(sent)) < 0.5, client, provider), body=rng.choice(BODIES, len(sent)),
        sent_at=sent, read_at=read,
    )  # fmt: skip


def add_reviews(world: World, people: People, orders: Orders, timelines: Timelines, booking_ids: Ids) -> None:
    """Add reviews of completed bookings, with a star less for a late delivery."""
    rng, count = world.rng, len(orders)
    stars = 1 + rng.choice(5, count, p=RATING_SHARES)
    planned_end = world.calendar.local_end(orders.start + orders.span)
    is_late = timelines.at("delivered") > planned_end + LATE_AFTER
    later = in_daytime(timelines.ended + (rng.gamma(1.5, 1.5, count) * DAY).astype(np.int64))
    reviewed = np.maximum(later, timelines.ended + HOUR)
    is_reviewed = (timelines.status == "completed") & (rng.random(count) < REVIEW_SHARE) & (reviewed < world.now)
    chosen = np.flatnonzero(is_reviewed)
    rating = np.maximum(stars - is_late, 1)[chosen]
    comments = np.array(["disappointing", "below what we expected", "fine", "good work", "excellent"], dtype=object)
    has_comment = rng.random(len(chosen)) < 0.4
    moment = reviewed[chosen]
    world.add_rows(
        "reviews", world.new_ids(moment), moment, moment, booking_id=booking_ids[chosen],
        client_id=people.clients[orders.client[chosen]], provider_id=people.providers[orders.provider[chosen]],
        rating=rating, comment=or_null(has_comment, comments[rating - 1]), reviewed_at=moment,
    )  # fmt: skip
