"""The daily digest: what happened, why and what to do, and what is to come. `reading` reads it, `telling` words it."""

from notifications.digest.reading import Digest, build_digest
from notifications.digest.telling import digest_html, digest_message, digest_text

__all__ = ["Digest", "build_digest", "digest_html", "digest_message", "digest_text"]
