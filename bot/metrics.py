"""What Prometheus reads: what this process has counted, and how things stand in the database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.errors import STALLED, UNKNOWN_OUTCOME, UPLOAD_FAILED, DatabaseUnavailable, GlmError
from bot.models import GenerationView, State
from bot.sizes import MODELS
from bot.view_models import StateSnapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format"""

ACKNOWLEDGED = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Seconds; after three Feishu sends the event again."""

CALLED = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
MADE = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0)

MOST_CODES = 50
"""How many different codes of a platform become labels, each a series that Prometheus keeps."""

LONGEST_CODE = 40

OUTCOMES = (
    State.DONE,
    State.CANCELLED,
    UNKNOWN_OUTCOME,
    STALLED,
    UPLOAD_FAILED,
    *sorted({kind.code for kind in GlmError.__subclasses__()}),
)
"""What can become of an image."""


class Metrics:
    """The figures of one process, in a registry of its own; every method may be called from any thread.

    What is counted starts at nothing with the process and is its own; how things stand is the same whichever process
    is asked, so that over several of them it is to be maximised, not added.

    Args:
        stands: reads how things stand, at each look; its ``StoreUnavailable`` makes ``bot_database_up`` 0.
        budget: yuan a month that may be spent; 0 is no limit.
        event_types: the types of events that are counted by themselves; any other is ``other``.
    """

    def __init__(
        self, *, stands: Callable[[], StateSnapshot], budget: float, event_types: Collection[str] = ()
    ) -> None:
        self._kinds = {*event_types, "url_verification", "unknown"}
        self.registry = CollectorRegistry()
        self._events = self._counter(
            "bot_events", "Events at the webhook or on the long connection.", "kind", "outcome"
        )
        self._acknowledged = self._seconds(
            "bot_acknowledgement_seconds", "Seconds from an event that was read to its answer.", ACKNOWLEDGED
        )
        self._requests = self._counter("bot_requests", "What was understood, and whether it was.", "kind", "outcome")
        self._generations = self._counter(
            "bot_generations", "Images by what became of them: done, cancelled, or the error code.", "model", "outcome"
        )
        # A figure that begins at 1 has no increase for Prometheus, and the first failures would raise no alarm.
        for model, outcome in itertools.product(MODELS, OUTCOMES):
            self._generations.labels(model, outcome)
        self._made = self._seconds(
            "bot_generation_seconds", "Seconds of the paid call of an image that came.", MADE, "model"
        )
        self._feishu = self._seconds(
            "bot_feishu_call_seconds", "Calls to Feishu by the platform's code; 0 is good.", CALLED, "call", "code"
        )
        self._glm = self._seconds(
            "bot_glm_call_seconds", "Paid calls to GLM by the platform's code, or ok.", MADE, "model", "code"
        )
        self._crashes = self._counter("bot_task_crashes", "Unexpected errors in background tasks.", "task")
        self._feishu_codes, self._glm_codes = _Codes(), _Codes()
        self.registry.register(_StateCollector(stands, budget=budget))
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(name, words, labels, registry=self.registry)

    def _seconds(self, name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, words, labels, buckets=buckets, registry=self.registry)

    def event_answered(self, kind: str, outcome: str, seconds: float) -> None:
        """An event of a kind was answered."""
        self._events.labels(kind if kind in self._kinds else "other", outcome).inc()
        self._acknowledged.observe(seconds)

    def request_received(self, kind: str, outcome: str) -> None:
        """A request was accepted, known before, or rejected."""
        self._requests.labels(kind, outcome).inc()

    def ended(self, model: str, pictures: Iterable[GenerationView]) -> None:
        """The last word on the images of a request was said."""
        for picture in pictures:
            outcome = picture.failure.code if picture.failure else str(picture.state)
            self._generations.labels(model, outcome).inc()
            if picture.seconds is not None:
                self._made.labels(model).observe(picture.seconds)

    def feishu_called(self, name: str, seconds: float, code: int | None) -> None:
        """A call to Feishu has ended; ``code`` is ``None`` when no answer came."""
        self._feishu.labels(name, self._feishu_codes.label("none" if code is None else str(code))).observe(seconds)

    def glm_called(self, model: str, seconds: float, code: str) -> None:
        """A paid call has ended."""
        self._glm.labels(model, self._glm_codes.label(code)).observe(seconds)

    def task_crashed(self, name: str) -> None:
        """A background task has ended with an unexpected error."""
        self._crashes.labels(name).inc()

    def text(self) -> bytes:
        """Everything, in the text format of :data:`CONTENT_TYPE`."""
        return generate_latest(self.registry)


class _Codes:
    """The first :data:`MOST_CODES` codes as labels; any further one is ``other``, and its number is in the log."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def label(self, code: str) -> str:
        """The label of a code."""
        code = code[:LONGEST_CODE]
        if code not in self._seen and len(self._seen) >= MOST_CODES:
            return "other"
        self._seen.add(code)
        return code


class _StateCollector(Collector):
    """How things stand, read when somebody asks."""

    def __init__(self, read: Callable[[], StateSnapshot], *, budget: float) -> None:
        self._read = read
        self._budget = budget

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: a registration must not read the database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the figures; without a database only that it is away."""
        try:
            reading = self._read()
        except DatabaseUnavailable:
            yield GaugeMetricFamily("bot_database_up", "Whether the database answers.", value=0)
            return
        yield GaugeMetricFamily("bot_database_up", "Whether the database answers.", value=1)
        yield GaugeMetricFamily("bot_database_bytes", "Bytes of the database.", value=reading.database_bytes)
        yield GaugeMetricFamily("bot_workers", "Workers that are alive, on all machines.", value=reading.workers)
        yield GaugeMetricFamily("bot_month_yuan", "Yuan spent this month.", value=reading.month_yuan)
        yield GaugeMetricFamily("bot_month_yuan_limit", "Yuan a month, 0 is no limit.", value=self._budget)
        yield GaugeMetricFamily("bot_month_images", "Images paid for this month.", value=reading.month_images)
        yield GaugeMetricFamily(
            "bot_month_feishu_calls", "Calls to Feishu this month.", value=reading.month_feishu_calls
        )
        yield from _by_model(reading)


def _by_model(reading: StateSnapshot) -> Iterator[GaugeMetricFamily]:
    figures = {
        "bot_queue_length": ("Generations that wait for a slot.", "waiting"),
        "bot_queue_oldest_seconds": ("Seconds for which the oldest of them has waited.", "oldest_seconds"),
        "bot_slots_taken": ("Paid calls in flight, over all processes.", "slots_taken"),
        "bot_slots": ("Paid calls that may be in flight.", "slots"),
    }
    for name, (words, field) in figures.items():
        family = GaugeMetricFamily(name, words, labels=["model"])
        for model, stands in reading.models.items():
            family.add_metric([model], getattr(stands, field))
        yield family
