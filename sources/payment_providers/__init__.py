"""Who moves money. A provider more is a file more here, and a line in PROVIDERS."""

from typing import Final

from sources.payment_providers.interface import PaymentProvider
from sources.payment_providers.manual import Manual
from sources.payment_providers.stripe import Stripe

PROVIDERS: Final[dict[str, PaymentProvider]] = {provider.name: provider for provider in (Manual(), Stripe())}
