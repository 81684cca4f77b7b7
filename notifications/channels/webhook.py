"""Channel `webhook`: signed POST requests (standardwebhooks.com); a repeat carries the same webhook-id."""

import base64
import logging
from typing import Final
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from notifications.channels import base
from notifications.channels.base import Delivery, RetryLater, Undeliverable
from notifications.formats import webhook
from notifications.messages import Message
from sources.errors import HubError
from sources.settings import Settings

GONE: Final = 410
RETRY_AFTER_STATUSES: Final = (429, 503)

# httpx logs each address at INFO, and the path of a webhook's address is often its password.
logging.getLogger("httpx").setLevel(logging.WARNING)


def check_target(target: str) -> str:
    """Return an http or https address without user and password. Raises HubError for any other target."""
    target = target.strip()
    try:
        url = urlsplit(target)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable or any(map(str.isspace, target)):
        raise HubError("A webhook needs an address such as https://example.org/hooks/hub.")
    if url.username or url.password:
        raise HubError("A webhook's address must hold no user or password: requests are signed instead.")
    return target


def recipients(target: str) -> list[str]:
    """Return the one address."""
    return [target]


def signing_secret(settings: Settings) -> str:
    """Return the secret that a receiver verifies signatures with, in the form whsec_<base64>."""
    return "whsec_" + base64.b64encode(settings.secret("webhook_secret").encode()).decode()


def send(settings: Settings, delivery: Delivery, message: Message) -> None:
    """Post the message; any 2xx status counts as delivered. Receivers return no id of their own."""
    body = webhook.render(message, at=delivery.attempted_at)
    signature = Webhook(signing_secret(settings)).sign(str(delivery.id), delivery.attempted_at, body)
    headers = {
        "content-type": "application/json",
        "user-agent": "business-services-hub",
        "webhook-id": str(delivery.id),
        "webhook-timestamp": str(int(delivery.attempted_at.timestamp())),
        "webhook-signature": signature,
    }
    host = urlsplit(delivery.recipient).netloc
    try:
        # Streamed: the body of the response is never read, whatever its size. Redirects are not followed.
        with (
            httpx.Client(timeout=base.NETWORK_TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", delivery.recipient, content=body.encode(), headers=headers) as response,
        ):
            _check(response, host, delivery)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error)
        raise RetryLater(None, f"The webhook at {host} cannot be reached: {reason}.") from None


def _check(response: httpx.Response, host: str, delivery: Delivery) -> None:
    status = response.status_code
    if response.is_success:
        return
    if status == GONE:
        raise Undeliverable(f"The webhook at {host} answered 410: it does not exist any more. Remove or correct it.")
    if response.is_redirect:
        raise RetryLater(
            None, f"The webhook at {host} answered {status}: redirects are not followed. Set its final address."
        )
    after = response.headers.get("retry-after") if status in RETRY_AFTER_STATUSES else None
    raise RetryLater(
        base.retry_after_s(after, delivery.attempted_at), f"The webhook at {host} answered {status}, not 2xx."
    )
