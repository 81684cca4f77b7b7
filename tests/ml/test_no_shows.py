"""No-shows: calibrated on later bookings, better than the client's own rate, and blind to the future."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ml.no_shows import COLUMNS, NEEDED, no_show_probabilities

FIRST = pd.Timestamp("2024-01-01")
DAYS = 480


@pytest.fixture(scope="module")
def salon() -> pd.DataFrame:
    """A made salon: clients with habits, services, hours and lead times that matter, 15 % no-shows."""
    random = np.random.default_rng(5)
    count = DAYS * 16
    habit = random.normal(0, 1.0, 700)
    client = random.choice(700, count, p=random.dirichlet(np.full(700, 0.8)))
    day, lead = np.sort(random.integers(0, DAYS, count)), random.geometric(0.12, count) - 1
    service, hour = random.integers(0, 5, count), random.integers(9, 19, count)
    log_odds = -2.3 + habit[client] + 0.35 * np.log1p(lead) + np.array([-0.8, 0, 0.2, 0.6, 0])[service]
    log_odds += 0.5 * (hour < 11) - 0.6
    missed = random.random(count) < 1 / (1 + np.exp(-log_odds))
    service_day = FIRST + pd.to_timedelta(day, "D")
    return pd.DataFrame(
        {
            "booking_id": np.arange(count),
            "client_id": client,
            "service_id": service,
            "provider_id": random.integers(0, 4, count),
            "booked_day": service_day - pd.to_timedelta(lead, "D"),
            "service_day": service_day,
            "hour": hour,
            "amount": 50.0,
            "is_prepaid": False,
            "outcome": np.where(missed, "missed", "came"),
            "outcome_day": service_day,
        }
    )


@pytest.fixture(scope="module")
def foretold(salon: pd.DataFrame) -> pd.DataFrame:
    """The bookings of the last weeks, with the probability of the evening before each week."""
    weeks = [
        no_show_probabilities(salon, as_of=FIRST + pd.Timedelta(days=first), horizon=3)
        for first in range(DAYS - 180, DAYS - 3, 3)
    ]
    return pd.concat(weeks).merge(salon, on="booking_id")


def test_probabilities_are_calibrated_in_five_bins(foretold: pd.DataFrame) -> None:
    missed = (foretold["outcome"] == "missed").astype(float)
    bins = pd.qcut(foretold["probability"].rank(method="first"), 5, labels=False)
    gaps = (foretold["probability"] - missed).groupby(bins).mean().abs()
    assert len(foretold) > 1500
    assert gaps.max() <= 0.045  # 0.03, and the chance of 350 bookings a bin


def test_they_rank_better_than_the_clients_own_past_rate(salon: pd.DataFrame, foretold: pd.DataFrame) -> None:
    before = salon.assign(missed=(salon["outcome"] == "missed").astype(float)).sort_values("service_day")
    past = before.groupby("client_id")["missed"]
    own = (past.cumsum() - before["missed"] + 4 * 0.15) / (past.cumcount() + 4)
    missed = foretold["outcome"] == "missed"
    own_score = roc_auc_score(missed, own.loc[foretold["booking_id"]])
    assert roc_auc_score(missed, foretold["probability"]) > own_score + 0.02


def test_what_was_not_known_at_as_of_changes_nothing(salon: pd.DataFrame) -> None:
    as_of = FIRST + pd.Timedelta(days=300)
    is_later = salon["service_day"] > as_of
    altered = salon.assign(
        outcome=salon["outcome"].where(~is_later, "missed"),
        outcome_day=salon["outcome_day"].where(~is_later, salon["service_day"]),
    )
    open_rows = altered.assign(outcome=altered["outcome"].where(~is_later, None))
    for changed in (altered, open_rows, altered[altered["booked_day"] <= as_of]):
        pd.testing.assert_frame_equal(
            no_show_probabilities(salon, as_of=as_of, horizon=7).reset_index(drop=True),
            no_show_probabilities(changed, as_of=as_of, horizon=7).reset_index(drop=True),
        )


def test_the_rate_of_the_recent_past_holds_where_it_changed(salon: pd.DataFrame) -> None:
    random = np.random.default_rng(1)
    is_late = salon["service_day"] > FIRST + pd.Timedelta(days=DAYS - 200)
    halved = salon.assign(outcome=salon["outcome"].where(~is_late | (random.random(len(salon)) < 0.5), "came"))
    as_of = FIRST + pd.Timedelta(days=DAYS - 8)
    later = no_show_probabilities(halved, as_of=as_of, horizon=7)["probability"].mean()
    assert later < 0.75 * no_show_probabilities(salon, as_of=as_of, horizon=7)["probability"].mean()


def test_a_business_of_few_bookings_gets_shrunk_rates(salon: pd.DataFrame) -> None:
    few = salon[salon["service_day"] <= FIRST + pd.Timedelta(days=4)]
    probabilities = no_show_probabilities(few, as_of=FIRST + pd.Timedelta(days=2), horizon=7)["probability"]
    assert len(probabilities)
    assert probabilities.between(0.01, 0.2).all()


def test_nothing_is_foretold_of_no_bookings(salon: pd.DataFrame) -> None:
    assert no_show_probabilities(salon.head(0), as_of=FIRST, horizon=7).empty
    with pytest.raises(ValueError, match="client_id"):
        no_show_probabilities(salon.drop(columns="client_id"), as_of=FIRST, horizon=7)
    assert set(COLUMNS) == set(salon.columns)


@pytest.mark.parametrize(
    "left_out", [[name] for name in COLUMNS if name not in NEEDED] + [list(set(COLUMNS) - set(NEEDED))]
)
def test_a_business_may_know_less_of_its_bookings(salon: pd.DataFrame, left_out: list[str]) -> None:
    as_of = FIRST + pd.Timedelta(days=200)
    early = salon[salon["service_day"] <= as_of + pd.Timedelta(days=7)]
    foretold = no_show_probabilities(early.drop(columns=left_out), as_of=as_of, horizon=7)
    is_known = (early["booked_day"] <= as_of) | ("booked_day" in left_out)
    assert len(foretold) == ((early["service_day"] > as_of) & is_known).sum()
    assert foretold["probability"].between(0.001, 0.9).all()
    assert foretold["probability"].std() > 0.01
