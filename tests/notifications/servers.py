"""Local servers of the channels' protocols: mail (SMTP), Slack's Web API, a webhook receiver.

Each records its requests, and answers by its script: one Answer per request, then success.
"""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from standardwebhooks import Webhook, WebhookVerificationError

from tests.conftest import free_port


@dataclass(frozen=True)
class Answer:
    """An answer in place of success. body: of HTTP; after_s: the delay before it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    after_s: float = 0.0


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpServer:
    url: str
    requests: list[Request] = field(default_factory=list)
    script: list[Answer] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def success(self, request: Request) -> Answer:
        """Return the answer when the script is empty."""
        return Answer(204)


@dataclass
class SlackServer(HttpServer):
    """The part of Slack's Web API for chat.postMessage; accepts `token`."""

    token: str = "xoxb-local-test-token"
    posted: list[dict[str, Any]] = field(default_factory=list)

    def success(self, request: Request) -> Answer:
        body = self._body(request)
        return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())

    def _body(self, request: Request) -> dict[str, Any]:
        if request.path != "/api/chat.postMessage":
            return {"ok": False, "error": "unknown_method"}
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth"}
        self.posted.append({**request.json, "ts": f"1700000000.{len(self.posted) + 1:06d}"})
        return {"ok": True, "channel": "C0123456789", "ts": self.posted[-1]["ts"], "message": {}}


@dataclass
class WebhookServer(HttpServer):
    """A receiver that verifies each request with one of `secrets` (whsec_...); refuses a wrong signature."""

    secrets: list[str] = field(default_factory=list)
    verified: list[dict[str, Any]] = field(default_factory=list)

    def success(self, request: Request) -> Answer:
        for secret in self.secrets:
            with suppress(WebhookVerificationError):
                self.verified.append(Webhook(secret).verify(request.body, request.headers))
                return Answer(204)
        return Answer(401)


S = TypeVar("S", bound=HttpServer)


@contextmanager
def slack_server() -> Iterator[SlackServer]:
    """Serve Slack; its `url` is the value for HUB_SLACK_BASE_URL."""
    with serving(SlackServer, "/api/") as server:
        yield server


@contextmanager
def webhook_server(tls: ssl.SSLContext | None = None) -> Iterator[WebhookServer]:
    """Serve a webhook receiver, without any secret yet: results of notifications.channels.webhook.signing_secret."""
    with serving(WebhookServer, "/hooks/in", tls) as server:
        yield server


@contextmanager
def serving(kind: type[S], path: str, tls: ssl.SSLContext | None = None) -> Iterator[S]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        state = kind(f"http{'s' if tls else ''}://127.0.0.1:{http.server_address[1]}{path}")
        if tls:
            http.socket = tls.wrap_socket(http.socket, server_side=True)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                with state.lock:
                    state.requests.append(request)
                    answer = state.script.pop(0) if state.script else state.success(request)
                time.sleep(answer.after_s)
                self.send_response(answer.status)
                for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        http.RequestHandlerClass = Handler
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()


@dataclass
class MailServer:
    """url: the value for HUB_SMTP_URL (without a login). script: SMTP replies to DATA, such as "451 try later"."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    script: list[str] = field(default_factory=list)
    password: str = ""  # if set, a login with another one is refused
    held: threading.Event | None = None  # no mail is answered before it is set

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.held:
            await asyncio.to_thread(self.held.wait)
        if self.script:
            return self.script.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.extend(envelope.rcpt_tos)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        self.logins.append((login.login.decode(), login.password.decode()))
        return AuthResult(success=self.password in ("", login.password.decode()), handled=False)


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """Serve mail. tls: offered by STARTTLS."""
    state, port = MailServer(), free_port()
    state.url = f"smtp://127.0.0.1:{port}"
    controller = Controller(
        state,
        hostname="127.0.0.1",
        port=port,
        authenticator=state.authenticate,
        auth_require_tls=False,
        tls_context=tls,
    )
    controller.start()
    try:
        yield state
    finally:
        controller.stop()
