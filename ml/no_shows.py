"""No-shows: the calibrated probability of each coming booking that its client does not come."""

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.panel import Day, midnight

Floats = npt.NDArray[np.float64]

COLUMNS: Final = (
    "booking_id", "client_id", "service_id", "provider_id", "booked_day", "service_day", "hour", "amount",
    "is_prepaid", "outcome", "outcome_day",
)  # fmt: skip
NEEDED: Final = ("booking_id", "client_id", "service_day", "outcome")  # a business may not know the others
# What describes a booking beside its client: the past rate of each, as a shrunk log-odds beside the rate of all.
CATEGORIES: Final = ("service_id", "provider_id", "weekday", "part_of_day")
PART_OF_DAY_HOURS: Final = 3
# A rate is shrunk to that of all bookings as if so many bookings at that rate were known beside its own: the number
# with which the rates before each past booking foretold its outcome best.
WEIGHTS: Final = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
UNTRIED_WEIGHT: Final = 8.0  # with too few outcomes to try them
# Of an organisation whose bookings have not begun to be missed: two in a hundred, as if a hundred were known.
FIRST_RATE: Final = 0.02
FIRST_WEIGHT: Final = 100.0
LEAST_MISSED: Final = 20  # with fewer, the client's shrunk rate alone: a regression would describe chance
MOST_OUTCOMES: Final = 10_000  # the latest; more change the probabilities by less than a thousandth
# The regression is a maximum a posteriori: each log-odds of a rate counts about once, as if rates were independent,
# and each other figure (by its standard deviation) not at all, unless the outcomes speak against it. Spreads of these
# priors, chosen on made salons of 2,000 and 6,000 bookings and a hotel's cancellations.
RATES: Final = ("base", "client", *CATEGORIES)
RATE_SPREAD: Final = 0.5
FIGURE_SPREAD: Final = 0.1
FOLD_SHARES: Final = (0.4, 0.55, 0.7, 0.85, 1.0)  # a fold is predicted from all bookings before it, to calibrate
INTERCEPT_SPREAD: Final = 0.5
SLOPE_SPREAD: Final = 0.25
RECENT_SHARE: Final = 0.3  # of the outcomes: their rate is that of the coming bookings (prior shift)
RECENT_SPREAD: Final = 0.3
NEWTON_STEPS: Final = 12


class Past(NamedTuple):
    """Outcomes of the same client, service, ... before the service day of each booking."""

    missed: Floats
    visits: Floats
    last_day: npt.NDArray[np.datetime64]
    last_missed: Floats


def no_show_probabilities(bookings: pd.DataFrame, *, as_of: Day, horizon: int) -> pd.DataFrame:
    """Return booking_id and probability of each open booking of the `horizon` days after `as_of`.

    bookings: booking_id, client_id, service_id, provider_id, booked_day, service_day, hour (of the start, 0 to 24, or
    missing), amount, is_prepaid, outcome (came, missed, cancelled; missing: open), outcome_day (when it was known;
    missing: the service day). Columns that are not NEEDED may be left out. Raises ValueError where one of NEEDED is.
    Each booking is described by what was known on the evening before its service day, a coming one by what is known at
    the end of `as_of`; outcomes of later days are open.
    """
    missing = [name for name in NEEDED if name not in bookings]
    if missing:
        raise ValueError(f"bookings has no column {missing[0]}; it needs {', '.join(NEEDED)}")
    today = midnight(as_of)
    known = _known(bookings, today)
    is_coming = known["outcome"].isna() & (known["service_day"] > today)
    is_coming &= known["service_day"] <= today + pd.Timedelta(days=horizon)
    coming = known[is_coming]
    judged = known[known["outcome"].isin(["came", "missed"]) & (known["service_day"] <= today)]
    judged = judged.sort_values(["service_day", "booking_id"]).tail(MOST_OUTCOMES)
    described = pd.concat([judged, coming], ignore_index=True)
    missed: Floats = (judged["outcome"] == "missed").to_numpy().astype(np.float64)
    features = _features(described, known, missed)
    past, ahead = features.iloc[: len(judged)], features.iloc[len(judged) :]
    return pd.DataFrame(
        {"booking_id": coming["booking_id"].to_numpy(), "probability": _probabilities(past, missed, ahead)}
    )


def _known(bookings: pd.DataFrame, today: pd.Timestamp) -> pd.DataFrame:
    """Return the bookings made by the end of `today`, with outcomes known by then, and their derived categories."""
    known = bookings.reindex(columns=list(COLUMNS))
    for name in ("booked_day", "service_day", "outcome_day"):
        known[name] = pd.to_datetime(known[name]).astype("datetime64[s]")
    known = known[known["booked_day"].isna() | (known["booked_day"] <= today)]
    known["outcome_day"] = known["outcome_day"].fillna(known["service_day"])
    known["outcome"] = known["outcome"].where(known["outcome_day"] <= today, None)
    known["weekday"] = known["service_day"].dt.day_of_week
    known["part_of_day"] = known["hour"].astype(float).fillna(-1) // PART_OF_DAY_HOURS
    return known.reset_index(drop=True)


def _features(described: pd.DataFrame, known: pd.DataFrame, missed: Floats) -> pd.DataFrame:
    """Return one row of figures for each of `described`, known before its service day; `missed`: of the first rows."""
    outcomes = known.dropna(subset=["outcome"])
    seen = outcomes[outcomes["outcome"] != "cancelled"]
    every = _past(described.assign(every=0), seen.assign(every=0), "every")
    base = (every.missed + FIRST_WEIGHT * FIRST_RATE) / (every.visits + FIRST_WEIGHT)
    client = _past(described, seen, "client_id")
    called_off = outcomes.assign(outcome=np.where(outcomes["outcome"] == "cancelled", "missed", "came"))
    cancelling = _past(described, called_off, "client_id")
    since = (described["service_day"] - pd.Series(client.last_day, described.index)).dt.days.fillna(0.0)
    lead = (described["service_day"] - described["booked_day"]).dt.days.clip(lower=0).astype(float)
    amount = described["amount"].astype(float).clip(lower=0)
    usual = amount.groupby(described["service_id"].to_numpy()).transform("median").replace(0.0, np.nan)
    table = {
        "base": _log_odds(base),
        "client": _beside(base, client, missed),
        **{name: _beside(base, _past(described, seen, name), missed) for name in CATEGORIES},
        "last_missed": client.last_missed,
        "is_new": client.visits == 0,
        "visits": np.log1p(client.visits),
        "since": np.log1p(since),
        "cancelling": (cancelling.missed + 1) / (cancelling.visits + 4),
        "lead": np.log1p(lead.fillna(lead.median() if lead.notna().any() else 0.0)),
        "is_same_day": lead == 0,
        "price": np.log(np.clip((amount / usual).fillna(1.0), 0.2, 5.0)),
        "is_prepaid": described["is_prepaid"].astype(float).fillna(0.0),
    }
    return pd.DataFrame({name: np.asarray(column, dtype=float) for name, column in table.items()})


def _past(described: pd.DataFrame, outcomes: pd.DataFrame, key: str) -> Past:
    """Return the outcomes of the same `key` that were known before each service day."""
    days = outcomes.assign(
        day=outcomes[["outcome_day", "service_day"]]
        .min(axis=1)
        .where(outcomes["outcome"] == "cancelled", outcomes[["outcome_day", "service_day"]].max(axis=1)),
        missed=(outcomes["outcome"] == "missed").astype(float),
    ).sort_values("day", kind="stable")
    groups = days.groupby(key, dropna=False)
    days = days.assign(total=groups["missed"].cumsum(), visits=groups.cumcount() + 1.0)
    wanted = described[[key, "service_day"]].assign(position=np.arange(len(described))).sort_values("service_day")
    found = pd.merge_asof(
        wanted,
        days[[key, "day", "total", "visits", "missed"]],
        left_on="service_day",
        right_on="day",
        by=key,
        allow_exact_matches=False,
    ).sort_values("position")
    total, visits, last_missed = (
        found[name].fillna(0.0).to_numpy(dtype=float) for name in ("total", "visits", "missed")
    )
    return Past(total, visits, found["day"].to_numpy(), last_missed)


def _beside(base: Floats, past: Past, missed: Floats) -> Floats:
    """Return the log-odds of a rate beside those of all bookings, shrunk with the weight that foretold best."""

    def shrunk(weight: float) -> Floats:
        return _log_odds((past.missed + weight * base) / (past.visits + weight))

    def loss(weight: float) -> float:
        return _log_loss(shrunk(weight)[: len(missed)], missed)

    return shrunk(min(WEIGHTS, key=loss) if _is_enough(missed) else UNTRIED_WEIGHT) - _log_odds(base)


def _is_enough(missed: Floats) -> bool:
    """Return True if there are enough outcomes of both kinds to learn from."""
    return bool(min(missed.sum(), len(missed) - missed.sum()) >= LEAST_MISSED)


def _probabilities(past: pd.DataFrame, missed: Floats, ahead: pd.DataFrame) -> Floats:
    """Return the probability of each row of `ahead`, from the earlier rows `past`, in order of time."""
    if not _is_enough(missed):
        return _sigmoid((ahead["base"] + ahead["client"]).to_numpy())
    figures = [name for name in past.columns if name not in RATES]
    centre, scale = past[figures].mean(), past[figures].std().replace(0.0, 1.0)
    x, x_ahead = (
        np.column_stack([np.ones(len(each)), each[list(RATES)], (each[figures] - centre) / scale])
        for each in (past, ahead)
    )
    prior = np.r_[0.0, np.ones(len(RATES)), np.zeros(len(figures))]
    spread = np.r_[RATE_SPREAD, np.full(len(RATES), RATE_SPREAD), np.full(len(figures), FIGURE_SPREAD)]
    edges = [round(share * len(x)) for share in FOLD_SHARES]
    later = np.concatenate(
        [x[first:last] @ _fit(x[:first], missed[:first], prior, spread) for first, last in pairwise(edges)]
    )
    intercept, slope = _calibration(later, missed[edges[0] :])
    return _sigmoid(intercept + slope * (x_ahead @ _fit(x, missed, prior, spread)))


def _calibration(log_odds: Floats, missed: Floats) -> tuple[float, float]:
    """Return intercept and slope of calibrated log-odds: from later outcomes, at the rate of the most recent ones."""
    design = np.column_stack([np.ones_like(log_odds), log_odds])
    intercept, slope = _fit(design, missed, np.array([0.0, 1.0]), np.array([INTERCEPT_SPREAD, SLOPE_SPREAD]))
    recent = slice(round((1 - RECENT_SHARE) * len(log_odds)), None)
    calibrated = intercept + slope * log_odds[recent]
    design = np.column_stack([np.ones_like(calibrated), calibrated])
    shift, _ = _fit(design, missed[recent], np.array([0.0, 1.0]), np.array([RECENT_SPREAD, 1e-6]))
    return float(intercept + shift), float(max(slope, 0.0))


def _fit(x: Floats, missed: Floats, prior: Floats, spread: Floats) -> Floats:
    """Return the coefficients of a logistic regression with normal priors, by Newton's method."""
    line, penalty = prior.copy(), spread**-2
    for _ in range(NEWTON_STEPS):
        expected = _sigmoid(x @ line)
        gradient = x.T @ (missed - expected) - penalty * (line - prior)
        curvature = (x * (expected * (1 - expected))[:, None]).T @ x + np.diag(penalty)
        line = line + np.linalg.solve(curvature, gradient)
    return line


def _log_loss(log_odds: Floats, missed: Floats) -> float:
    return float(np.mean(np.logaddexp(0.0, log_odds) - missed * log_odds))


def _log_odds(rate: npt.ArrayLike) -> Floats:
    clipped = np.clip(np.asarray(rate, dtype=float), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _sigmoid(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
