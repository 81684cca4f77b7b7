"""The neutral message: blocks that every format can show, and the message of a test."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from sources import formatting
from sources.insight_values import Severity

Tone = Literal["neutral", "good", Severity]


@dataclass(frozen=True)
class Heading:
    """A title: level 1 once per message, level 2 for its sections."""

    text: str
    level: Literal[1, 2] = 1
    tone: Tone = "neutral"
    url: str = ""  # of a section: the page of what it is about


@dataclass(frozen=True)
class Text:
    """A paragraph; a muted one is a note."""

    text: str
    muted: bool = False


@dataclass(frozen=True)
class Facts:
    """Pairs of label and value."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """One item of a list: a title, its text (a paragraph a line), and the steps to take."""

    title: str
    text: str
    tone: Tone = "neutral"
    steps: "tuple[Step, ...]" = ()


@dataclass(frozen=True)
class Plot:
    """A daily series with its expected range; every sequence has one value per day, None where it is missing."""

    title: str
    days: tuple[date, ...]
    actual: tuple[float | None, ...]
    expected: tuple[float | None, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    marked: date | None = None  # the day of the message
    locale: str = field(default_factory=formatting.locale_in_use)  # of its figures

    @property
    def coming_from(self) -> int | None:
        """Return the position of the first coming day, after the last actual value; None where no day is to come."""
        known = [position for position, value in enumerate(self.actual) if value is not None]
        position = known[-1] + 1 if known else len(self.days)
        return position if position < len(self.days) and self.expected[position] is not None else None

    @property
    def description(self) -> str:
        """Return the text for readers without pictures."""
        return f"{self.title}, {formatting.short_day(self.days[0])} to {formatting.short_day(self.days[-1])}"


@dataclass(frozen=True)
class Chart:
    """A chart as a page shows it; `lines`: the figures of its series by name, for readers without pictures."""

    description: str
    spec: str  # of Vega-Lite, as JSON
    lines: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True)
class Step:
    """One thing to do; url: the page of what it is about, empty where there is none."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Actions:
    """Links for the reader."""

    links: tuple[Link, ...]


Block = Heading | Text | Facts | Entry | Plot | Chart | Actions


@dataclass(frozen=True)
class Message:
    """A message; `id` is the same for each channel and each repeat."""

    id: str
    type: str  # insight.opened, insight.worsened, insight.resolved, digest, dashboard, test
    subject: str
    blocks: tuple[Block, ...]
    data: Mapping[str, Any] = field(default_factory=dict)  # the same facts for programs

    def __post_init__(self) -> None:
        # The subject becomes a mail header and a Slack fallback: one line, whatever a name contains.
        object.__setattr__(self, "subject", " ".join(self.subject.split()))


def hub_link(link_base: str) -> Iterable[Block]:
    """Return the link at the end of a message; nothing where the Hub's address is not set."""
    return [Actions((Link("Open the Hub", link_base),))] if link_base else []


def trial_message(channel_name: str, *, at: datetime, link_base: str) -> Message:
    """Return the message that tests a channel."""
    return Message(
        id=f"test:{channel_name}:{at.isoformat()}",
        type="test",
        subject=f"Test of the channel {channel_name}",
        blocks=(
            Heading("It works"),
            Text(f"The Hub can reach you through the channel {channel_name}. Alerts and digests use it too."),
            *hub_link(link_base),
        ),
        data={"channel": channel_name},
    )
