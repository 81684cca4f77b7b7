"""The size of an insight: the money at stake, or where it has none the distance from what was expected."""

from dataclasses import dataclass
from typing import Final

from insights.findings import Finding

# A fall cannot exceed the whole: a larger share that would be asked of it is cut to this one.
LARGEST_FALL: Final = 0.95


@dataclass(frozen=True)
class Size:
    """How large a finding or an event is. share: of the expected figure; None: not known."""

    amount: float | None
    share: float | None
    is_money: bool

    def is_comparable(self, other: "Size") -> bool:
        """Return True if both are known, and both or neither are money."""
        return self.amount is not None and other.amount is not None and self.is_money == other.is_money

    def exceeds(self, other: "Size", times: float, share_times: float | None) -> bool:
        """Return True if this size is at least `times` the other, and its share `share_times` the other's.

        False where they are not comparable. share_times None: shares are not compared.
        """
        if self.amount is None or other.amount is None or not self.is_comparable(other):
            return False
        is_larger = 0 < self.amount >= times * float(other.amount)
        if share_times is None or self.share is None or other.share is None:
            return is_larger
        asked = share_times * float(other.share)
        return is_larger and self.share >= (min(asked, LARGEST_FALL) if self.share <= 1 else asked)


def size_of(finding: Finding) -> Size:
    """Return the size of a finding: the largest money of itself and its effects, if any of them has money.

    Of a workload it is the hours beyond capacity: those of the whole team may be fewer than it has.
    """
    value, expected = finding["value"], finding["expected"]
    distance = None if value is None or expected is None else abs(float(value) - float(expected))
    distance = finding.get("beyond", distance)
    share = distance / abs(float(expected)) if distance is not None and expected else None
    impacts = [finding["impact"], *(effect.get("impact") for effect in finding.get("effects") or [])]
    money = [abs(float(impact)) for impact in impacts if impact is not None]
    return Size(max(money, default=distance), share, bool(money))
