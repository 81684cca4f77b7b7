"""Payment processors, which move money. A new processor is one file here and one entry in PROCESSORS."""

from typing import Final

from sources.payment_processors.interface import PaymentProcessor
from sources.payment_processors.manual import Manual
from sources.payment_processors.stripe import Stripe

PROCESSORS: Final[dict[str, PaymentProcessor]] = {processor.name: processor for processor in (Manual(), Stripe())}
