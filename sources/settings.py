"""Every setting of the Hub, read from the environment (HUB_*)."""

import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from sources.errors import HubError

SECRET_MIN_LENGTH = 32  # RFC 7518 section 3.2: an HS256 key has at least 256 bits


class Settings(BaseSettings):
    """The settings, each from the variable HUB_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore")

    env: Literal["development", "production"] = "development"
    home: Path = Path(".hub")

    database_url: str = ""  # empty: the embedded server under `home`
    source_url: str = ""  # where the operational tables are read from; empty: the same database
    database_password: SecretStr = SecretStr("")  # of the embedded server
    api_database_password: SecretStr = SecretStr("")  # of the role hub_api, as which the API connects
    port_database: int = Field(5433, ge=1, le=65535)
    port_dagster: int = Field(3000, ge=1, le=65535)
    port_api: int = Field(8000, ge=1, le=65535)
    statement_timeout_ms: int = Field(8000, ge=1)

    api_workers: int = Field(1, ge=1)
    api_pool_size: int = Field(6, ge=1)  # connections of each worker; on 2 cores 2 read fastest, more bear slow queries
    jwt_secret: SecretStr = SecretStr("")  # tokens signed HS256; where jwks_url is set, that alone counts
    jwks_url: str = ""  # tokens signed RS256 or ES256 by an identity provider
    jwt_audience: str = "business-services-hub"
    cors_origins: list[str] = []
    rate_limit: str = "600/minute"  # of each caller, as the library `limits` writes it
    rate_limit_address: str = "1200/minute"  # of each address
    live_stream_s: int = Field(900, ge=1)  # how long a stream of events lasts; its reader comes back
    stripe_webhook_secret: SecretStr = SecretStr("")

    slack_token: SecretStr = SecretStr("")
    slack_base_url: str = "https://slack.com/api/"
    smtp_url: SecretStr = SecretStr("")  # smtp://user:password@host:587 (STARTTLS) or smtps://...:465
    mail_from: str = "Business Services Hub <hub@localhost>"
    webhook_secret: SecretStr = SecretStr("")
    public_url: str = ""  # where links in messages lead; empty: the Dagster UI on this machine

    @property
    def uses_embedded_server(self) -> bool:
        return not self.database_url

    @property
    def link_base(self) -> str:
        return (self.public_url or f"http://127.0.0.1:{self.port_dagster}").rstrip("/")

    def secret(self, name: str) -> str:
        """The secret `name` (a field such as `webhook_secret`), made once under `home` in development.

        Raises HubError in production where it is missing or shorter than SECRET_MIN_LENGTH.
        """
        given: str = getattr(self, name).get_secret_value()
        if self.env == "production" and len(given) < SECRET_MIN_LENGTH:
            raise HubError(
                f"HUB_{name.upper()} is missing or shorter than {SECRET_MIN_LENGTH} characters: "
                "in production every secret comes from the environment."
            )
        return given or _kept_secret(self.home / "secrets" / name)


def _kept_secret(path: Path) -> str:
    """Read the secret in `path`; make it first if there is none. Safe when two processes start together."""
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
    """The settings of this process, with `home` made absolute.

    Raises HubError that names the variable and what is wrong with it.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        raise HubError(f"The setting HUB_{name} is not usable: {first['msg']}.") from None
    settings.home = settings.home.absolute()
    return settings
