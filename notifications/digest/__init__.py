"""The daily digest: its facts, the queries that read them, and their wording as blocks of a message."""

from notifications.digest.facts import Digest
from notifications.digest.queries import build_digest
from notifications.digest.wording import digest_html, digest_message, digest_text

__all__ = ["Digest", "build_digest", "digest_html", "digest_message", "digest_text"]
