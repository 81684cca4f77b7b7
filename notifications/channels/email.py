"""Channel `email`: SMTP, text and HTML in one mail, pictures attached; a repeat carries the same Message-ID."""

import contextlib
import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import UUID

from notifications.channels import base
from notifications.channels.base import Delivery, RetryLater, Undeliverable
from notifications.formats import email_html
from notifications.formats import text as text_format
from notifications.messages import Message
from sources.errors import HubError
from sources.settings import Settings

DEFAULT_PORTS: Final = {"smtp": 587, "smtps": 465}
PERMANENT: Final = 500  # SMTP reply codes from here on are permanent failures (RFC 5321 4.2.1)


def check_target(target: str) -> str:
    """Return one or more addresses, separated by a comma and a space. Raises HubError for any other target."""
    addresses = recipients(target)
    if not addresses:
        raise HubError("An e-mail channel needs an address, such as owner@example.org.")
    for address in addresses:
        if not _is_address(address):
            raise HubError(f"{address!r} is not an e-mail address: write it as name@domain, several with commas.")
    return ", ".join(dict.fromkeys(addresses))


def recipients(target: str) -> list[str]:
    """Return the addresses of the target."""
    return [part.strip() for part in target.split(",") if part.strip()]


def _is_address(address: str) -> bool:
    try:
        parsed = Address(addr_spec=address)
    except (ValueError, MessageError, IndexError):
        return False
    return bool(parsed.username and parsed.domain) and not any(map(str.isspace, address))


def send(settings: Settings, delivery: Delivery, message: Message) -> str:
    """Send one mail and return its Message-ID."""
    letter = Letter(delivery.id, delivery.recipient, delivery.attempted_at, delivery.opened_receipt_ref)
    return send_letter(settings, letter, message)


@dataclass(frozen=True)
class Letter:
    """The envelope of a mail. `answers`: the Message-ID of the mail that it belongs to."""

    id: UUID
    recipient: str
    at: datetime
    answers: str | None = None


def send_letter(settings: Settings, letter: Letter, message: Message) -> str:
    """Send one mail and return its Message-ID. Raises RetryLater or Undeliverable."""
    url = _server(settings)
    mail = _compose(settings, letter, message)
    try:
        server = _connect(url)
        try:
            _authenticate(server, url)
            server.send_message(mail)
        finally:
            # The mail is accepted or refused by now: an error while closing changes neither.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()
    except (smtplib.SMTPException, OSError) as error:
        raise _failure(settings, url, letter, error) from None
    return str(mail["Message-ID"])


def _server(settings: Settings) -> SplitResult:
    url = urlsplit(settings.smtp_url.get_secret_value())
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        raise RetryLater(
            None, "HUB_SMTP_URL is not set to a mail server: write smtp://user:password@host:587 or smtps://..."
        )
    return url


def _connect(url: SplitResult) -> smtplib.SMTP:
    host, port = url.hostname or "", url.port or DEFAULT_PORTS[url.scheme]
    if url.scheme == "smtps":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=base.NETWORK_TIMEOUT_S, context=context)
    server = smtplib.SMTP(host, port, timeout=base.NETWORK_TIMEOUT_S)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=ssl.create_default_context())
        server.ehlo()
    return server


def _authenticate(server: smtplib.SMTP, url: SplitResult) -> None:
    if not url.username:
        return
    if not isinstance(server.sock, ssl.SSLSocket) and not _is_loopback(url.hostname or ""):
        raise RetryLater(
            None, f"The mail server {url.hostname} offers no encryption: the password was not sent. Use smtps://."
        )
    server.login(unquote(url.username), unquote(url.password or ""))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _compose(settings: Settings, letter: Letter, message: Message) -> EmailMessage:
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost"
    mail = EmailMessage()
    mail["From"] = settings.mail_from
    mail["To"] = letter.recipient
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(letter.at)
    mail["Message-ID"] = f"<{letter.id}@{domain}>"
    mail["X-Hub-Delivery"] = str(letter.id)
    mail["Auto-Submitted"] = "auto-generated"
    if letter.answers:  # mail programs then show it as an answer to the alert
        mail["In-Reply-To"] = mail["References"] = letter.answers
    page = email_html.render_mail(message, domain=domain)
    mail.set_content(text_format.render(message))
    mail.add_alternative(page.html, subtype="html")
    html_part = mail.get_body(("html",))
    assert isinstance(html_part, EmailMessage)
    for content_id, image in page.images.items():
        html_part.add_related(image, "image", "png", cid=f"<{content_id}>", disposition="inline")
    return mail


def _failure(settings: Settings, url: SplitResult, letter: Letter, error: Exception) -> RetryLater | Undeliverable:
    """Return the error as a sentence; permanent refusals are Undeliverable, except a failed login: settings fix it."""
    code, text = _reply(error)
    reply = base.redacted(settings, f"{code} {text}" if code else text)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        sentence = f"The mail server refuses {letter.recipient}: {reply}."
    elif isinstance(error, smtplib.SMTPAuthenticationError):
        return RetryLater(None, f"The mail server does not accept the login of HUB_SMTP_URL: {reply}.")
    else:
        sentence = f"The mail server {url.hostname} did not accept the mail: {reply}."
    return Undeliverable(sentence) if code >= PERMANENT else RetryLater(None, sentence)


def _reply(error: Exception) -> tuple[int, str]:
    """Return the server's reply code (0 where there was no reply) and text."""
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            code, text = next(iter(refused.values()))
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=text):
            pass
        case _:
            return 0, str(error) or type(error).__name__
    return code, text.decode(errors="replace") if isinstance(text, bytes) else str(text)
