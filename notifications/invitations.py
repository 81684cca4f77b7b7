"""The mail that invites a person to the Hub."""

import logging
from uuid import uuid4

from notifications.channels import email as mail
from notifications.channels.base import RetryLater, Undeliverable
from notifications.messages import Actions, Heading, Link, Message, Text
from sources import sign_in
from sources.api.invitations import Invitation
from sources.settings import Settings

log = logging.getLogger("hub.invitations")


def send(settings: Settings, invitation: Invitation) -> bool:
    """Send the mail at once; False where no mail is set up (HUB_SMTP_URL), or the server did not accept it."""
    if not settings.smtp_url.get_secret_value():
        return False
    try:
        mail.send_letter(settings, mail.Letter(uuid4(), invitation.email, invitation.at), _message(invitation))
    except (RetryLater, Undeliverable) as error:
        log.error("invitation_mail_failed", extra={"error": str(error)})
        return False
    return True


def _message(invitation: Invitation) -> Message:
    return Message(
        id=f"invitation:{uuid4()}",
        type="invitation",
        subject=f"Your access to {invitation.organization}",
        blocks=(
            Heading(f"Welcome to {invitation.organization}"),
            Text(f"{invitation.name}, you are invited as {invitation.role}. The link signs you in."),
            Actions((Link("Sign in", invitation.link),)),
            Text(
                f"It works once, within {sign_in.INVITATION_DAYS} days. Later the sign-in page mails you another one.",
                muted=True,
            ),
        ),
    )
