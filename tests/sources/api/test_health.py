"""What probes are told."""

from tests.sources.api.conftest import Api


def test_a_running_api_is_alive_and_ready(api: Api) -> None:
    anybody = api.new_client()
    assert anybody.get("/healthz").json() == {"status": "ok", "detail": ""}
    assert anybody.get("/readyz").json() == {"status": "ok", "detail": ""}


def test_it_books(api: Api) -> None:
    booking = api.book()
    assert api.client("client").get(f"/v1/bookings/{booking['id']}").json()["client"]["id"] == str(api.org.client)
