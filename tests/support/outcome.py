"""How large a run of accidents is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a run is; a paid call takes ``seconds``."""

    messages: int
    people: int = 20
    worker_kills: int
    web_kills: int = 1
    seconds: float = 0.08


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a run; ``faults`` is empty when all went well."""

    messages: int
    deliveries: int = 0
    """Pushes that were taken."""
    turned_away: int = 0
    """Pushes that met a dead process or a database that was away, and were made again."""
    kills: int = 0
    """Accidents that may have hidden a paid call: workers killed, and cut off past their lease."""
    restarts: int = 0
    """Processes that found no database when they started, left, and were started again."""
    paid: int = 0
    refused: int = 0
    """Calls that the platform refused because it was still working on one that nobody waited for any more."""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The run in a line."""
        return (
            f"{self.messages} messages, {self.deliveries} deliveries taken, {self.turned_away} turned away and made "
            f"again, {self.kills} kills and cuts, {self.restarts} starts without a database, "
            f"{self.paid} paid calls ({self.paid - self.messages:+}), "
            f"{self.refused} refused with 1302, {self.seconds:.0f} s: {'; '.join(self.faults) or 'one result each'}"
        )
