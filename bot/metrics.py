"""Prometheus metrics: counters of this process, and gauges of the state in the database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.errors import STALLED, UNKNOWN_OUTCOME, UPLOAD_FAILED, DatabaseUnavailable, ErrorKind
from bot.models import GenerationView, State
from bot.sizes import MODELS

# https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds; after three Feishu sends the event again.
ACKNOWLEDGED = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
CALLED = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
MADE = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0)
# How an image may end.
OUTCOMES = (
    State.DONE,
    State.CANCELLED,
    UNKNOWN_OUTCOME,
    STALLED,
    UPLOAD_FAILED,
    *sorted({kind.code for kind in ErrorKind}),
)

GAUGES = {
    "bot_database_up": "Whether the database answers.",
    "bot_database_bytes": "Bytes of the database.",
    "bot_workers": "Workers alive, on all machines.",
    "bot_month_yuan": "Yuan spent this month.",
    "bot_month_yuan_limit": "Monthly budget in yuan; 0 means no limit.",
    "bot_month_images": "Images paid for this month.",
    "bot_month_feishu_calls": "Calls to Feishu this month.",
    "bot_queue_length": "Generations that wait for a slot.",
    "bot_queue_oldest_seconds": "Waiting time of the oldest of them in seconds.",
    "bot_slots_in_use": "Paid calls in progress, over all processes.",
    "bot_slots": "Paid calls that may run at once.",
}

Snapshot = Mapping[str, float | Mapping[str, float]]
"""The present state over all processes by the names of the gauges; of the last four a value for each model."""


class Metrics:
    """The metrics of one process, in a registry of its own; thread-safe.

    Counters belong to the process. Gauges of the state are the same in every process: use ``max``, not ``sum``; a
    ``DatabaseUnavailable`` of ``snapshot`` makes ``bot_database_up`` 0.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        budget: float,
        count_feishu_call: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._count_feishu_call = count_feishu_call
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        seconds = partial(Histogram, registry=self.registry)
        self._events = counter("bot_events", "Events by kind and outcome.", ("kind", "outcome"))
        self._acknowledged = seconds(
            "bot_acknowledgement_seconds", "Seconds from a received event to its answer.", buckets=ACKNOWLEDGED
        )
        self._requests = counter("bot_requests", "Requests by kind and outcome.", ("kind", "outcome"))
        self._generations = counter(
            "bot_generations", "Images by outcome: done, cancelled, or the error code.", ("model", "outcome")
        )
        # A counter that begins at 1 has no increase for Prometheus, and the first failures would raise no alert.
        for model, outcome in itertools.product(MODELS, OUTCOMES):
            self._generations.labels(model, outcome)
        self._made = seconds(
            "bot_generation_seconds", "Seconds of a paid call that made an image.", ("model",), buckets=MADE
        )
        self._feishu = seconds(
            "bot_feishu_call_seconds", "Calls to Feishu by code; 0 means success.", ("call", "code"), buckets=CALLED
        )
        self._glm = seconds(
            "bot_glm_call_seconds", "Paid calls to GLM by the platform's code, or ok.", ("model", "code"), buckets=MADE
        )
        self._crashes = counter("bot_task_crashes", "Unexpected errors in background tasks.", ("task",))
        self.registry.register(_StateCollector(snapshot, budget))
        ProcessCollector(registry=self.registry)

    def event_answered(self, kind: str, outcome: str, seconds: float) -> None:
        self._events.labels(kind, outcome).inc()
        self._acknowledged.observe(seconds)

    def request_received(self, kind: str, outcome: str) -> None:
        self._requests.labels(kind, outcome).inc()

    def ended(self, model: str, images: Iterable[GenerationView]) -> None:
        for image in images:
            self._generations.labels(model, image.failure.code if image.failure else str(image.state)).inc()
            if image.seconds is not None:
                self._made.labels(model).observe(image.seconds)

    def feishu_called(self, name: str, seconds: float, code: int | None) -> None:
        """A call to Feishu has ended; ``code`` is ``None`` without an answer."""
        self._count_feishu_call(name)
        self._feishu.labels(name, "none" if code is None else code).observe(seconds)

    def glm_called(self, model: str, seconds: float, code: str) -> None:
        self._glm.labels(model, code).observe(seconds)

    def task_crashed(self, name: str) -> None:
        self._crashes.labels(name).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)


@dataclass(frozen=True)
class _StateCollector(Collector):
    read: Callable[[], Snapshot]
    budget: float

    def collect(self) -> Iterator[GaugeMetricFamily]:
        state: Snapshot = {"bot_database_up": 0}
        with suppress(DatabaseUnavailable):
            state = {"bot_database_up": 1, "bot_month_yuan_limit": self.budget, **self.read()}
        for name, value in state.items():
            if isinstance(value, Mapping):
                family = GaugeMetricFamily(name, GAUGES[name], labels=["model"])
                for model, one in value.items():
                    family.add_metric([model], one)
                yield family
            else:
                yield GaugeMetricFamily(name, GAUGES[name], value=value)
