"""Channel `slack`: Web API (chat.postMessage); a resolved message goes into the thread of its alert."""

import re
from http.client import HTTPException
from typing import Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from notifications.channels import base
from notifications.channels.base import Delivery, RetryLater, Undeliverable
from notifications.formats import slack
from notifications.messages import Message
from sources.errors import HubError
from sources.settings import Settings

TARGET: Final = re.compile(r"#[^\s#@<>&,]{1,80}|[CDGU][A-Z0-9]{6,}")

# https://docs.slack.dev/reference/methods/chat.postMessage: errors that a repeat of the same message would get too.
PERMANENT_ERRORS: Final = frozenset(
    {"channel_not_found", "is_archived", "invalid_blocks", "invalid_blocks_format", "msg_too_long", "no_text"}
)
ADVICE: Final = {
    "not_in_channel": "Invite the Hub's app to the channel.",
    "channel_not_found": "Check the channel's name, and invite the Hub's app to it if it is private.",
    "is_archived": "Choose another channel.",
    "missing_scope": "Give the Hub's app the scope chat:write.",
    "invalid_auth": "Set HUB_SLACK_TOKEN to a valid bot token.",
    "token_revoked": "Set HUB_SLACK_TOKEN to a new bot token.",
}


def check_target(target: str) -> str:
    """Return a Slack channel's name with #, or its id. Raises HubError for any other target."""
    target = target.strip()
    if not TARGET.fullmatch(target):
        raise HubError(f"{target!r} is not a Slack channel: write #name, or its id such as C0123456789.")
    return target


def recipients(target: str) -> list[str]:
    """Return the one Slack channel."""
    return [target]


def send(settings: Settings, delivery: Delivery, message: Message) -> str:
    """Post the message and return its `ts`."""
    token = settings.slack_token.get_secret_value()
    if not token:
        raise RetryLater(None, "HUB_SLACK_TOKEN is not set: give it the bot token of the Hub's Slack app.")
    client = WebClient(
        token=token,
        base_url=settings.slack_base_url.rstrip("/") + "/",
        timeout=int(base.NETWORK_TIMEOUT_S),
        retry_handlers=[],  # the ledger repeats and logs attempts
    )
    try:
        response = client.chat_postMessage(
            channel=delivery.recipient,
            **slack.render(message),
            thread_ts=delivery.opened_receipt_ref,
            metadata={"event_type": "hub_delivery", "event_payload": {"delivery_id": str(delivery.id)}},
            unfurl_links=False,
            unfurl_media=False,
        )
    except SlackApiError as error:
        raise _refusal(settings, delivery, error.response) from None
    except (SlackClientError, OSError, HTTPException, ValueError) as error:
        reason = base.redacted(settings, str(error) or type(error).__name__)
        raise RetryLater(None, f"Slack cannot be reached: {reason}.") from None
    return str(response["ts"])


def _refusal(settings: Settings, delivery: Delivery, response: Any) -> RetryLater | Undeliverable:
    code, status = str(response.data.get("error", "")), response.status_code
    headers = {name.lower(): value for name, value in response.headers.items()}
    if status == 429 or status >= 500 or not code:
        wait = base.retry_after_s(headers.get("retry-after"), delivery.attempted_at)
        return RetryLater(wait, f"Slack answered {status}{' (too many messages)' if status == 429 else ''}.")
    sentence = f"Slack refuses the message to {delivery.recipient}: {code}."
    sentence = base.redacted(settings, f"{sentence} {ADVICE.get(code, '')}".strip())
    return Undeliverable(sentence) if code in PERMANENT_ERRORS else RetryLater(None, sentence)
