"""Channel `webhook`: signed POST requests (standardwebhooks.com); a repeat carries the same webhook-id."""

import logging
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from standardwebhooks import Webhook

from notifications.channels import base
from notifications.channels.base import Delivery, RetryLater, Undeliverable
from notifications.formats import webhook
from notifications.messages import Message
from sources.channel_secrets import channel_secret, encoded
from sources.errors import HubError
from sources.settings import Settings

GONE: Final = 410
RETRY_AFTER_STATUSES: Final = (429, 503)
LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
SITE_LOCAL: Final = ip_network("fec0::/10")  # deprecated by RFC 3879, and global to Python
NAT64: Final = ip_network("64:ff9b::/96")  # RFC 6052

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


def signing_secret(settings: Settings, channel_id: UUID, number: int = 0) -> str:
    """Return the channel's secret of this number, with which its receiver verifies signatures."""
    return channel_secret(settings.secret("webhook_secret"), channel_id, number)


def _signatures(settings: Settings, delivery: Delivery, body: str) -> str:
    """Return the signatures of the message, of which a receiver needs one (Standard Webhooks, "zero downtime").

    Receivers may still verify with the channel's former secret, with one of HUB_WEBHOOK_SECRET_FORMER, or with that
    secret itself, the only one before channels had secrets of their own.
    """
    keys = [signing_secret(settings, delivery.channel_id, number) for number in delivery.secret_numbers]
    if former := settings.webhook_secret_former.get_secret_value():
        keys += [channel_secret(former, delivery.channel_id, number) for number in delivery.secret_numbers]
        keys.append(encoded(former.encode()))
    return " ".join(Webhook(key).sign(str(delivery.id), delivery.attempted_at, body) for key in keys)


def send(settings: Settings, delivery: Delivery, message: Message) -> None:
    """Post the message; any 2xx status counts as delivered. Receivers return no id of their own."""
    body = webhook.render(message, at=delivery.attempted_at)
    headers = {
        "host": urlsplit(delivery.recipient).netloc,
        "content-type": "application/json",
        "user-agent": "business-services-hub",
        "webhook-id": str(delivery.id),
        "webhook-timestamp": str(int(delivery.attempted_at.timestamp())),
        "webhook-signature": _signatures(settings, delivery, body),
    }
    host = headers["host"]
    try:
        url = httpx.URL(delivery.recipient)
        # The address that was checked is the one that is connected to: a name may resolve differently the next time.
        address = _reachable_address(settings, url)
        # Streamed: the body of the response is never read, whatever its size. Redirects are not followed. A proxy of
        # the environment is not used: it would look the name up again, and TLS would be verified against the address.
        # The authorities of the environment (SSL_CERT_FILE) are.
        trusted = httpx.create_ssl_context()
        with (
            httpx.Client(
                timeout=base.NETWORK_TIMEOUT_S, follow_redirects=False, trust_env=False, verify=trusted
            ) as client,
            client.stream(
                "POST", url.copy_with(host=str(address)), content=body.encode(), headers=headers,
                extensions={"sni_hostname": url.host},
            ) as response,
        ):  # fmt: skip
            _check(response, host, delivery)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error)
        raise RetryLater(None, f"The webhook at {host} cannot be reached: {reason}.") from None


def _reachable_address(settings: Settings, url: httpx.URL) -> IPv4Address | IPv6Address:
    """Return the first address of the host of `url`. Raises RetryLater where any of its addresses may not be called."""
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except OSError:
        raise RetryLater(None, f"The webhook at {url.host} cannot be reached: the name is unknown.") from None
    addresses = [ip_address(item[4][0]) for item in found]
    allowed = [*settings.webhook_networks, *(LOOPBACK if settings.env == "development" else ())]
    for address in map(_innermost, addresses):
        is_public = address.is_global and address not in SITE_LOCAL
        if not (is_public or any(address in network for network in allowed)) or address.is_multicast:
            raise RetryLater(
                None, f"The webhook at {url.host} is not called: {address} is no public address. HUB_WEBHOOK_NETWORKS "
                "lists the private networks that may be called.",
            )  # fmt: skip
    return addresses[0]


def _innermost(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address within an IPv6 address that leads to one (mapped, 6to4, NAT64), or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


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
