"""Prometheus metrics: counters of this process, and gauges of the state in the database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

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

MAX_CODES = 50
"""How many codes of a platform become labels, each of which is a time series."""

MAX_CODE_LENGTH = 40

OUTCOMES = (
    State.DONE,
    State.CANCELLED,
    UNKNOWN_OUTCOME,
    STALLED,
    UPLOAD_FAILED,
    *sorted({kind.code for kind in GlmError.__subclasses__()}),
)
"""The outcomes of an image."""


class Metrics:
    """The metrics of one process, in a registry of its own; thread-safe.

    Counters belong to the process. Gauges of the state are the same in every process: use ``max``, not ``sum``.

    Args:
        snapshot: reads the state; its ``DatabaseUnavailable`` makes ``bot_database_up`` 0.
        budget: monthly budget in yuan; 0 means no limit.
        event_types: the types of events that have a label; any other is ``other``.
    """

    def __init__(
        self, *, snapshot: Callable[[], StateSnapshot], budget: float, event_types: Collection[str] = ()
    ) -> None:
        self._kinds = {*event_types, "url_verification", "unknown"}
        self.registry = CollectorRegistry()
        self._events = self._counter(
            "bot_events", "Events at the webhook or on the long connection.", "kind", "outcome"
        )
        self._acknowledged = self._seconds(
            "bot_acknowledgement_seconds", "Seconds from a received event to its answer.", ACKNOWLEDGED
        )
        self._requests = self._counter("bot_requests", "Requests by kind and outcome.", "kind", "outcome")
        self._generations = self._counter(
            "bot_generations", "Images by outcome: done, cancelled, or the error code.", "model", "outcome"
        )
        # A counter that begins at 1 has no increase for Prometheus, and the first failures would raise no alert.
        for model, outcome in itertools.product(MODELS, OUTCOMES):
            self._generations.labels(model, outcome)
        self._made = self._seconds(
            "bot_generation_seconds", "Seconds of a paid call that made an image.", MADE, "model"
        )
        self._feishu = self._seconds(
            "bot_feishu_call_seconds",
            "Calls to Feishu by the platform's code; 0 means success.",
            CALLED,
            "call",
            "code",
        )
        self._glm = self._seconds(
            "bot_glm_call_seconds", "Paid calls to GLM by the platform's code, or ok.", MADE, "model", "code"
        )
        self._crashes = self._counter("bot_task_crashes", "Unexpected errors in background tasks.", "task")
        self._feishu_codes, self._glm_codes = _Codes(), _Codes()
        self.registry.register(_StateCollector(snapshot, budget))
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _seconds(self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, help_text, labels, buckets=buckets, registry=self.registry)

    def event_answered(self, kind: str, outcome: str, seconds: float) -> None:
        """An event of a kind was answered."""
        self._events.labels(kind if kind in self._kinds else "other", outcome).inc()
        self._acknowledged.observe(seconds)

    def request_received(self, kind: str, outcome: str) -> None:
        """A request was accepted, known before, or rejected."""
        self._requests.labels(kind, outcome).inc()

    def ended(self, model: str, pictures: Iterable[GenerationView]) -> None:
        """The final card of a request was published."""
        for picture in pictures:
            outcome = picture.failure.code if picture.failure else str(picture.state)
            self._generations.labels(model, outcome).inc()
            if picture.seconds is not None:
                self._made.labels(model).observe(picture.seconds)

    def feishu_called(self, name: str, seconds: float, code: int | None) -> None:
        """A call to Feishu has ended; ``code`` is ``None`` without an answer."""
        self._feishu.labels(name, self._feishu_codes.label("none" if code is None else str(code))).observe(seconds)

    def glm_called(self, model: str, seconds: float, code: str) -> None:
        """A paid call has ended."""
        self._glm.labels(model, self._glm_codes.label(code)).observe(seconds)

    def task_crashed(self, name: str) -> None:
        """A background task has ended with an unexpected error."""
        self._crashes.labels(name).inc()

    def text(self) -> bytes:
        """All metrics, in the text format of :data:`CONTENT_TYPE`."""
        return generate_latest(self.registry)


class _Codes:
    """The first :data:`MAX_CODES` codes as labels; any further one is ``other``, and its number is in the log."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def label(self, code: str) -> str:
        """The label of a code."""
        code = code[:MAX_CODE_LENGTH]
        if code not in self._seen and len(self._seen) >= MAX_CODES:
            return "other"
        self._seen.add(code)
        return code


@dataclass(frozen=True)
class _StateCollector(Collector):
    """The present state, read from the database at each scrape."""

    read: Callable[[], StateSnapshot]
    budget: float

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: a registration must not read the database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges; without a database only that it does not answer."""
        try:
            state = self.read()
        except DatabaseUnavailable:
            yield GaugeMetricFamily("bot_database_up", "Whether the database answers.", value=0)
            return
        gauges = {
            "bot_database_up": ("Whether the database answers.", 1),
            "bot_database_bytes": ("Bytes of the database.", state.database_bytes),
            "bot_workers": ("Workers alive, on all machines.", state.workers),
            "bot_month_yuan": ("Yuan spent this month.", state.month_yuan),
            "bot_month_yuan_limit": ("Monthly budget in yuan; 0 means no limit.", self.budget),
            "bot_month_images": ("Images paid for this month.", state.month_images),
            "bot_month_feishu_calls": ("Calls to Feishu this month.", state.month_feishu_calls),
        }
        for name, (help_text, value) in gauges.items():
            yield GaugeMetricFamily(name, help_text, value=value)
        by_model = {
            "bot_queue_length": ("Generations that wait for a slot.", "waiting"),
            "bot_queue_oldest_seconds": ("Waiting time of the oldest of them in seconds.", "oldest_seconds"),
            "bot_slots_in_use": ("Paid calls in progress, over all processes.", "slots_taken"),
            "bot_slots": ("Paid calls that may run at once.", "slots"),
        }
        for name, (help_text, field) in by_model.items():
            family = GaugeMetricFamily(name, help_text, labels=["model"])
            for model, snapshot in state.models.items():
                family.add_metric([model], getattr(snapshot, field))
            yield family
