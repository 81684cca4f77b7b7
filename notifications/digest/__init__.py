"""The daily digest: what happened, why and what to do, and what is to come: its facts, reading and telling them."""

from notifications.digest.facts import Digest
from notifications.digest.reading import build_digest
from notifications.digest.telling import digest_html, digest_message, digest_text

__all__ = ["Digest", "build_digest", "digest_html", "digest_message", "digest_text"]
