"""TLS to the database, by PostgreSQL's own variables: every driver of the Hub verifies the server."""

import asyncio
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import NullPool, create_engine

from sources import database
from sources.operations.transaction import connect
from sources.settings import Settings
from tests.sources.business import running_loop

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # https://www.postgresql.org/docs/18/protocol-message-formats.html


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for 127.0.0.1 and its key, NAME.pem and NAME.key; return the former."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / f"{name}.pem"


class Terminator:
    """A server that speaks TLS for PostgreSQL, as the embedded one cannot; `connections`: the number of those made."""

    def __init__(self, pem: Path, backend: str) -> None:
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(pem, pem.with_suffix(".key"))
        self.backend = urlsplit(backend)
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(8) != SSL_REQUEST:
            writer.close()
            return
        writer.write(b"S")
        with suppress(ssl.SSLError, OSError):
            await writer.start_tls(self.context)
            self.connections += 1
            to, at = await asyncio.open_connection(self.backend.hostname, self.backend.port)
            await asyncio.gather(_pump(reader, at), _pump(to, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
def terminator(settings: Settings, tmp_path: Path) -> Iterator[tuple[Terminator, int]]:
    """A server with TLS in front of the database, and its port."""
    terminator = Terminator(certificate(tmp_path, "server"), settings.database_url)
    with running_loop() as loop:
        serving = asyncio.start_server(terminator.serve, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(serving, loop).result(10)
        yield terminator, server.sockets[0].getsockname()[1]
        loop.call_soon_threadsafe(server.close)


def test_every_driver_verifies_the_server(
    settings: Settings, terminator: tuple[Terminator, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front, port = terminator
    parts = urlsplit(settings.database_url)
    url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
    encrypted = settings.model_copy(update={"database_url": url})

    def by_psycopg() -> None:
        with database.connect(url) as connection:
            assert connection.pgconn.ssl_in_use

    def by_asyncpg() -> None:
        async def of_the_api() -> None:
            connection = await connect(database.api_url(encrypted), "")
            await connection.close()

        asyncio.run(of_the_api())

    def by_psycopg2() -> None:
        create_engine(database.driver_url(url, "psycopg2"), poolclass=NullPool).connect().close()

    drivers: list[Callable[[], None]] = [by_psycopg, by_asyncpg, by_psycopg2]  # the last one of Dagster and dbt
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "server.pem"))
    database.migrate(encrypted)
    for number, driver in enumerate(drivers, start=front.connections + 1):
        driver()
        assert front.connections == number
    monkeypatch.setenv("PGSSLROOTCERT", str(certificate(tmp_path, "another")))
    for driver in drivers:
        with pytest.raises(Exception, match=r"(?i)certificate.verify.failed"):
            driver()
