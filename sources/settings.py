"""Settings of the Hub, read from the environment (HUB_*)."""

import os
import secrets
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from sources.errors import HubError

SECRET_MIN_LENGTH = 32  # RFC 7518 section 3.2: an HS256 key has at least 256 bits
DAGSTER_PATH = "/dagster"  # of the Dagster UI, behind the front door


class Settings(BaseSettings):
    """The settings, each from the variable HUB_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore")

    env: Literal["development", "production"] = "development"
    home: Path = Path(".hub")

    database_url: str = ""  # empty: the embedded server under `home`
    source_url: str = ""  # database of the operational tables; empty: the same database
    database_password: SecretStr = SecretStr("")  # of the embedded server
    api_database_password: SecretStr = SecretStr("")  # of the role hub_api, with which the API connects
    api_entry_secret: SecretStr = SecretStr("")  # with which the API proves on whose behalf a transaction is
    port_database: int = Field(5433, ge=1, le=65535)
    port_dagster: int = Field(3000, ge=1, le=65535)
    port_api: int = Field(8000, ge=1, le=65535)
    statement_timeout_ms: int = Field(8000, ge=1)

    api_workers: int = Field(1, ge=1)
    api_pool_size: int = Field(6, ge=1)  # connections per worker; on 2 cores 2 were fastest, more are for slow queries
    jwt_secret: SecretStr = SecretStr("")  # for tokens signed with HS256; not used if jwks_url is set
    jwks_url: str = ""  # for tokens signed with RS256 or ES256 by an identity provider
    jwt_issuer: str = ""  # the `iss` of the identity provider's tokens; required with jwks_url and oidc_client_id
    jwt_audience: str = "business-services-hub"
    oidc_client_id: str = (
        ""  # of the Hub at the identity provider jwt_issuer: people sign in there; empty: by links alone
    )
    oidc_client_secret: SecretStr = SecretStr("")  # empty: a public client, with PKCE alone
    cors_origins: list[str] = []
    rate_limit: str = "600/minute"  # per caller, in the notation of the library `limits`
    rate_limit_address: str = "1200/minute"  # per address
    trusted_proxies: list[IPv4Network | IPv6Network] = []  # addresses and networks whose X-Forwarded-For is believed
    live_streams: int = Field(20, ge=1)  # open at a time for one person, per worker
    live_stream_s: int = Field(900, ge=1)  # duration of a live stream; its reader reconnects after that
    stripe_webhook_secret: SecretStr = SecretStr("")

    slack_token: SecretStr = SecretStr("")
    slack_base_url: str = "https://slack.com/api/"
    smtp_url: SecretStr = SecretStr("")  # smtp://user:password@host:587 (STARTTLS) or smtps://...:465
    mail_from: str = "Business Services Hub <hub@localhost>"
    webhook_secret: SecretStr = SecretStr("")  # from which the secret of each channel is derived
    webhook_secret_former: SecretStr = SecretStr("")  # with which receivers may still verify
    webhook_networks: list[IPv4Network | IPv6Network] = []  # that are not public and may be called nevertheless
    public_url: str = ""  # the front door as people reach it; empty: this machine's loopback address
    dagster_socket: str = ""  # of Dagster's webserver; `hub up` sets it; empty: the front door serves no Dagster UI

    @field_validator("database_url", "source_url")
    @classmethod
    def _one_server_one_user(cls, url: str) -> str:
        """Return `url`, if every part of the Hub reads the same server, user and password from it."""
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            raise ValueError("it needs one host and one port, such as postgresql://user@host:5432/database") from None
        moved = {"user", "password"} & {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        if moved:
            raise ValueError("user and password belong before the host: postgresql://user:password@host/database")
        return url

    @field_validator("oidc_client_id")
    @classmethod
    def _of_an_issuer(cls, client_id: str, info: ValidationInfo) -> str:
        if client_id and not info.data.get("jwt_issuer"):
            raise ValueError("it needs HUB_JWT_ISSUER, the address of the identity provider")
        return client_id

    @field_validator("public_url")
    @classmethod
    def _origin(cls, url: str) -> str:
        """Return `url` as browsers write an origin: lower case, and no port that is the scheme's own."""
        if not url:
            return ""
        try:
            parts = AnyHttpUrl(url)
        except ValidationError:
            parts = None
        if parts is None or parts.path != "/" or parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("it is an address such as https://hub.example.com, without a path")
        return str(parts).rstrip("/")

    @property
    def uses_embedded_server(self) -> bool:
        return not self.database_url

    @property
    def link_base(self) -> str:
        """The address of the front door, without a slash at its end."""
        return self.public_url or f"http://127.0.0.1:{self.port_api}"

    def secret(self, name: str) -> str:
        """Return the secret `name` (a field such as `webhook_secret`), generated once under `home` in development.

        Raises HubError if it is shorter than SECRET_MIN_LENGTH in production, where it may not be missing either, or,
        anywhere, if it signs tokens: who guesses it is an admin.
        """
        value: str = getattr(self, name).get_secret_value()
        if value and name == "jwt_secret" and len(value) < SECRET_MIN_LENGTH:
            raise HubError(f"HUB_JWT_SECRET is shorter than {SECRET_MIN_LENGTH} characters: it could be guessed.")
        if self.env == "production" and len(value) < SECRET_MIN_LENGTH:
            raise HubError(
                f"HUB_{name.upper()} is missing or shorter than {SECRET_MIN_LENGTH} characters: "
                "in production every secret comes from the environment."
            )
        return value or _stored_secret(self.home / "secrets" / name)


def _stored_secret(path: Path) -> str:
    """Return the secret in `path`; generate it if there is none. Safe when two processes start at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(SECRET_MIN_LENGTH))
    return path.read_text()


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, with an absolute `home`.

    Raises HubError with the name of an invalid variable and the error.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        raise HubError(f"The setting HUB_{name} is not usable: {first['msg']}.") from None
    settings.home = settings.home.absolute()
    return settings
