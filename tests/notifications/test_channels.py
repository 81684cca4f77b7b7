"""Each channel with a real server of its protocol: received messages, and the error for each refusal."""

import base64
import datetime as dt
import logging
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from standardwebhooks import Webhook

from notifications.alerts import insight_message
from notifications.channels import CHANNELS, base, email
from notifications.channels.base import Delivery, RetryLater, Undeliverable
from notifications.channels.webhook import signing_secret
from sources.settings import Settings
from tests.conftest import free_port
from tests.notifications.examples import AWKWARD, EVERY_BLOCK, INSIGHT, INSIGHT_ROW, NOW, ORG
from tests.notifications.servers import Answer, MailServer, SlackServer, WebhookServer, mail_server, webhook_server

DELIVERY_ID = UUID("01890000-0000-7000-8000-0000000000dd")
OPENED = insight_message(INSIGHT_ROW, occasion="opened", link_base="http://hub.example", currency="EUR")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings without a database: sending needs none."""
    return Settings(home=tmp_path)


def delivery(recipient: str, **changes: Any) -> Delivery:
    given: dict[str, Any] = {
        "id": DELIVERY_ID,
        "org_id": ORG,
        "channel_id": ORG,
        "insight_id": INSIGHT,
        "digest_day": None,
        "recipient": recipient,
        "occasion": "opened",
        "attempt": 1,
        "attempted_at": dt.datetime.now(dt.UTC),
    }
    return Delivery(**{**given, **changes})


@pytest.fixture
def webhook(settings: Settings) -> Iterator[WebhookServer]:
    """A receiver that knows the secret of the channel of `delivery`."""
    with webhook_server() as server:
        server.secrets.append(signing_secret(settings, ORG))
        yield server


@pytest.mark.parametrize("kind", CHANNELS)
def test_a_channel_has_the_whole_interface(kind: str) -> None:
    assert all(callable(getattr(CHANNELS[kind], name, None)) for name in ("check_target", "recipients", "send"))


# --- e-mail --------------------------------------------------------------------------------------


def test_mail_arrives_as_text_and_html_with_its_pictures(wired: Settings, mail: MailServer) -> None:
    reference = email.send(wired, delivery("owner@example.org"), EVERY_BLOCK)
    (received,) = mail.mails
    assert mail.recipients == ["owner@example.org"]
    assert received["Subject"] == EVERY_BLOCK.subject
    assert received["Message-ID"] == reference == f"<{DELIVERY_ID}@localhost>"
    assert received["X-Hub-Delivery"] == str(DELIVERY_ID)
    text_part, html_part = received.get_body(("plain",)), received.get_body(("html",))
    assert text_part is not None
    assert html_part is not None
    assert "€4,200 on Monday" in text_part.get_content()
    pictures = [part for part in received.walk() if part.get_content_type() == "image/png"]
    assert [f"cid:{part['Content-ID'][1:-1]}" in html_part.get_content() for part in pictures] == [True]


def test_mail_with_awkward_names_keeps_its_headers(wired: Settings, mail: MailServer) -> None:
    email.send(wired, delivery("owner@example.org"), AWKWARD)
    (received,) = mail.mails
    assert received["Bcc"] is None
    assert received["Subject"] == AWKWARD.subject


def test_mail_of_a_resolved_insight_answers_its_alert(wired: Settings, mail: MailServer) -> None:
    email.send(wired, delivery("owner@example.org", opened_receipt_ref="<first@hub.example>"), EVERY_BLOCK)
    assert mail.mails[0]["In-Reply-To"] == mail.mails[0]["References"] == "<first@hub.example>"


def test_mail_logs_in_where_the_url_has_a_login(wired: Settings, mail: MailServer) -> None:
    address = mail.url.replace("smtp://", "smtp://hub%40example.org:p%40ss%2Fword@")
    email.send(wired.model_copy(update={"smtp_url": SecretStr(address)}), delivery("owner@example.org"), OPENED)
    assert mail.logins == [("hub@example.org", "p@ss/word")]
    assert len(mail.mails) == 1


@pytest.mark.parametrize(("reply", "error"), [("451 try later", RetryLater), ("554 refused", Undeliverable)])
def test_mail_refusals_are_temporary_or_permanent(
    wired: Settings, mail: MailServer, reply: str, error: type[Exception]
) -> None:
    mail.script.append(reply)
    with pytest.raises(error, match=reply):
        email.send(wired, delivery("owner@example.org"), OPENED)


def test_mail_server_that_is_down_is_tried_later(wired: Settings) -> None:
    down = wired.model_copy(update={"smtp_url": SecretStr(f"smtp://127.0.0.1:{free_port()}")})
    with pytest.raises(RetryLater, match="refused"):
        email.send(down, delivery("owner@example.org"), OPENED)


def test_mail_without_a_server_says_what_to_set(settings: Settings) -> None:
    with pytest.raises(RetryLater, match="HUB_SMTP_URL"):
        email.send(settings, delivery("owner@example.org"), OPENED)


def test_mail_password_is_in_no_error(wired: Settings, mail: MailServer) -> None:
    mail.password = "the right one"
    address = mail.url.replace("smtp://", "smtp://hub:wrong-secret-9@")
    with pytest.raises(RetryLater, match="login of HUB_SMTP_URL") as error:
        email.send(wired.model_copy(update={"smtp_url": SecretStr(address)}), delivery("owner@example.org"), OPENED)
    assert "wrong-secret-9" not in str(error.value)


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a self-signed certificate of 127.0.0.1 and hooks.example: a file to trust, and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("hooks.example")]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def test_mail_is_encrypted_where_the_server_offers_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = certificate(tmp_path)
    with mail_server(context) as server:
        secured = settings.model_copy(update={"smtp_url": SecretStr(server.url)})
        with pytest.raises(RetryLater, match="certificate"):
            email.send(secured, delivery("owner@example.org"), OPENED)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        email.send(secured, delivery("owner@example.org"), OPENED)
        assert server.encrypted == [True]


# --- Slack ---------------------------------------------------------------------------------------


def test_slack_message_arrives(wired: Settings, slack: SlackServer) -> None:
    reference = CHANNELS["slack"].send(wired, delivery("#alerts"), OPENED)
    (posted,) = slack.posted
    assert reference == posted["ts"]
    assert posted["channel"] == "#alerts"
    assert posted["text"] == OPENED.subject
    assert posted["blocks"][0]["text"]["text"] == "🔴 Booked revenue fell by half"
    assert posted["metadata"]["event_payload"] == {"delivery_id": str(DELIVERY_ID)}
    assert "thread_ts" not in posted


def test_slack_resolved_message_goes_into_the_thread(wired: Settings, slack: SlackServer) -> None:
    CHANNELS["slack"].send(wired, delivery("#alerts", opened_receipt_ref="1700000000.000042"), OPENED)
    assert slack.posted[0]["thread_ts"] == "1700000000.000042"


def test_slack_rate_limit_says_how_long_to_wait(wired: Settings, slack: SlackServer) -> None:
    slack.script.append(Answer(429, {"Retry-After": "7", "content-type": "application/json"}, b'{"ok":false}'))
    with pytest.raises(RetryLater, match="429") as error:
        CHANNELS["slack"].send(wired, delivery("#alerts"), OPENED)
    assert error.value.after_s == 7
    assert len(slack.requests) == 1  # only the ledger repeats


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(500, body=b"<html>oops</html>"), RetryLater, "500"),
        (Answer(200, body=b'{"ok":false,"error":"channel_not_found"}'), Undeliverable, "#alerts: channel_not_found"),
        (Answer(200, body=b'{"ok":false,"error":"not_in_channel"}'), RetryLater, "Invite the Hub"),
        (Answer(200, body=b"not json"), RetryLater, "Slack"),
    ],
)
def test_slack_refusals(
    wired: Settings, slack: SlackServer, answer: Answer, error: type[Exception], words: str
) -> None:
    slack.script.append(answer)
    with pytest.raises(error, match=words):
        CHANNELS["slack"].send(wired, delivery("#alerts"), OPENED)


def test_slack_token_is_in_no_error_and_no_log(
    wired: Settings, slack: SlackServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = wired.model_copy(update={"slack_token": SecretStr("xoxb-a-wrong-secret")})
    with pytest.raises(RetryLater, match="HUB_SLACK_TOKEN") as error:
        CHANNELS["slack"].send(wrong, delivery("#alerts"), OPENED)
    unreachable = wrong.model_copy(update={"slack_base_url": f"http://127.0.0.1:{free_port()}/xoxb-a-wrong-secret/"})
    with pytest.raises(RetryLater, match="cannot be reached") as second:
        CHANNELS["slack"].send(unreachable, delivery("#alerts"), OPENED)
    echoing = Answer(200, body=b'{"ok":false,"error":"bad token xoxb-a-wrong-secret"}')
    slack.script.append(echoing)
    with pytest.raises(RetryLater) as third:
        CHANNELS["slack"].send(wrong, delivery("#alerts"), OPENED)
    for raised in (error, second, third):
        assert "xoxb-a-wrong-secret" not in str(raised.value)
    assert "Bearer xoxb" not in caplog.text


# --- webhook -------------------------------------------------------------------------------------


def test_webhook_is_signed_and_carries_the_delivery_id(settings: Settings, webhook: WebhookServer) -> None:
    CHANNELS["webhook"].send(settings, delivery(webhook.url), OPENED)
    (received,) = webhook.verified
    assert received["type"] == "insight.opened"
    assert received["data"]["insight"]["value"] == 4200
    assert webhook.requests[0].headers["webhook-id"] == str(DELIVERY_ID)


def test_webhook_with_another_secret_does_not_verify(settings: Settings, webhook: WebhookServer) -> None:
    other = settings.model_copy(update={"webhook_secret": SecretStr("another secret")})
    with pytest.raises(RetryLater, match="401"):
        CHANNELS["webhook"].send(other, delivery(webhook.url), OPENED)


def test_the_receiver_of_a_webhook_cannot_sign_for_another_channel(settings: Settings, webhook: WebhookServer) -> None:
    with pytest.raises(RetryLater, match="401"):
        CHANNELS["webhook"].send(settings, delivery(webhook.url, channel_id=INSIGHT), OPENED)
    assert signing_secret(settings, ORG) == signing_secret(settings, ORG) != signing_secret(settings, INSIGHT)


def test_receivers_may_verify_with_the_former_secret(settings: Settings, webhook: WebhookServer) -> None:
    former, used = (SecretStr(letter * 40) for letter in "fu")
    changed = settings.model_copy(update={"webhook_secret": used, "webhook_secret_former": former})
    of_channel = signing_secret(settings.model_copy(update={"webhook_secret": former}), ORG)
    of_all = "whsec_" + base64.b64encode(b"f" * 40).decode()  # before channels had secrets of their own
    for secret in (signing_secret(changed, ORG), of_channel, of_all):
        webhook.secrets[:] = [secret]
        CHANNELS["webhook"].send(changed, delivery(webhook.url), OPENED)
    assert len(webhook.verified) == 3
    with pytest.raises(RetryLater, match="401"):
        CHANNELS["webhook"].send(
            changed.model_copy(update={"webhook_secret_former": SecretStr("")}), delivery(webhook.url), OPENED
        )


def test_webhooks_use_no_proxy_of_the_environment(
    settings: Settings, webhook: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    CHANNELS["webhook"].send(settings, delivery(webhook.url), OPENED)
    assert len(webhook.verified) == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.7", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::",
        "fec0::1",
    ],
)  # fmt: skip
def test_webhooks_call_no_private_address(
    settings: Settings, webhook: WebhookServer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Neither as the target itself, nor as one of the addresses of a name."""
    port = urlsplit(webhook.url).port
    production = settings.model_copy(update={"env": "production", "webhook_secret": SecretStr("s" * 40)})
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(RetryLater, match="no public address"):
        CHANNELS["webhook"].send(production, delivery(f"http://{literal}:{port}/x"), OPENED)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    resolved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port)),
                (family, socket.SOCK_STREAM, 6, "", (address, port))]  # fmt: skip
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: resolved)
    with pytest.raises(RetryLater, match="no public address"):
        CHANNELS["webhook"].send(production, delivery(f"http://hooks.example:{port}/x"), OPENED)
    assert webhook.requests == []


@pytest.mark.parametrize(("name", "is_its_own"), [("hooks.example", True), ("other.example", False)])
def test_the_certificate_of_a_webhook_is_that_of_its_name(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, is_its_own: bool
) -> None:
    """Although the connection is made to the address that was checked."""
    trusted, tls = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with webhook_server(tls) as server:
        server.secrets.append(signing_secret(settings, ORG))
        port = urlsplit(server.url).port
        resolved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: resolved)
        target = delivery(f"https://{name}:{port}/hooks/in")
        if is_its_own:
            CHANNELS["webhook"].send(settings, target, OPENED)
        else:
            with pytest.raises(RetryLater, match="certificate"):
                CHANNELS["webhook"].send(settings, target, OPENED)
        assert [request.headers["host"] for request in server.requests] == [f"{name}:{port}"] * is_its_own


def test_webhooks_call_private_networks_that_are_configured(settings: Settings, webhook: WebhookServer) -> None:
    networks = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    allowed = settings.model_copy(
        update={"env": "production", "webhook_secret": SecretStr("s" * 40), "webhook_networks": networks}
    )
    webhook.secrets.append(signing_secret(allowed, ORG))
    CHANNELS["webhook"].send(allowed, delivery(webhook.url), OPENED)
    assert webhook.requests[0].headers["host"] == urlsplit(webhook.url).netloc


def test_webhook_signature_covers_the_exact_bytes(settings: Settings, webhook: WebhookServer) -> None:
    CHANNELS["webhook"].send(settings, delivery(webhook.url), AWKWARD)
    request = webhook.requests[0]
    assert Webhook(webhook.secrets[0]).verify(request.body, request.headers)["data"]["subject"] == AWKWARD.subject


@pytest.mark.parametrize(
    ("answer", "error", "after_s"),
    [
        (Answer(429, {"Retry-After": "30"}), RetryLater, 30),
        (Answer(503, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}), RetryLater, 0),
        (Answer(500, {"Retry-After": "30"}), RetryLater, None),
        (Answer(404), RetryLater, None),
        (Answer(302, {"Location": "http://127.0.0.1:1/elsewhere"}), RetryLater, None),
        (Answer(410), Undeliverable, None),
    ],
)
def test_webhook_refusals(
    settings: Settings, webhook: WebhookServer, answer: Answer, error: type[Exception], after_s: float | None
) -> None:
    webhook.script.append(answer)
    with pytest.raises(error, match=str(answer.status)) as raised:
        CHANNELS["webhook"].send(settings, delivery(webhook.url), OPENED)
    assert getattr(raised.value, "after_s", None) == after_s
    assert len(webhook.requests) == 1


def test_webhook_address_is_in_no_error_and_no_log(
    settings: Settings, webhook: WebhookServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    webhook.script.append(Answer(500))
    with pytest.raises(RetryLater) as error:
        CHANNELS["webhook"].send(settings, delivery(webhook.url + "/key-in-path"), OPENED)
    assert "key-in-path" not in str(error.value) + caplog.text


def test_webhook_that_does_not_answer_is_given_up(
    settings: Settings, webhook: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "NETWORK_TIMEOUT_S", 0.2)
    webhook.script.append(Answer(204, after_s=0.6))
    with pytest.raises(RetryLater, match="no answer in time"):
        CHANNELS["webhook"].send(settings, delivery(webhook.url), OPENED)


# --- shared functions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (None, None),
        ("12", 12),
        ("soon", None),
        ("Tue, 05 May 2026 07:01:00 GMT", 60),
        ("999999999", 6 * 3600),
        ("-5", None),
    ],
)
def test_retry_after(value: str | None, wait: float | None) -> None:
    assert base.retry_after_s(value, NOW) == wait


def test_redaction_finds_a_password_however_it_is_written() -> None:
    settings = Settings(
        smtp_url=SecretStr("smtp://u:p%40ss-word@h"), slack_token=SecretStr("tok/en"), jwt_secret=SecretStr("jay")
    )
    text = base.redacted(settings, "p@ss-word p%40ss-word tok/en tok%2Fen jay smtp://u:p%40ss-word@h")
    assert text == "*** *** *** *** *** ***"
