"""The metrics by the API before the first run. Those over built figures: tests/dashboard/test_explore.py."""

import pytest

from tests.sources.api.conftest import Api


def test_before_the_first_run_there_are_no_metrics(api: Api) -> None:
    assert api.client("admin").get("/v1/metrics").json() == {"as_of": None, "currency": None, "items": []}
    answer = api.client("admin").get("/v1/metrics/query", params={"metrics": "booked_revenue"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_built")


@pytest.mark.parametrize("who", ["client", "provider"])
@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/metrics/query?metrics=booked_revenue"])
def test_figures_are_for_those_who_see_all(api: Api, who: str, path: str) -> None:
    answer = api.client(who).get(path)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "metrics=a&grain=hour",
        "metrics=a&from=tomorrow",
        "metrics=a&to=0001-01-01",
        "metrics=a&compare=budget",
        "metrics=a&sort=b",
    ],
)
def test_a_query_that_is_not_one_is_refused(api: Api, query: str) -> None:
    answer = api.client("admin").get(f"/v1/metrics/query?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
