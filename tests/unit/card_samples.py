"""Requests at every stage, what commands show, and ways to read the cards that are rendered of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bot.chat.cards.elements import CardContext, content
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.models import ContentFinding, Failure, GenerationView, RequestView, State
from bot.options import Options
from bot.view_models import HistoryEntry, ModelStats, QueueEntry, QueueView, QuotaView, SettingsView, StatsView, Usage

CONFIG = Path(__file__).parents[2] / "config"
PRICES = {"glm-image": 0.1, "cogview-4": 0.06, "cogview-3-flash": 0.0}
LINK = "https://maas-watermark-prod-new.cn-wlcb.ufileos.com/1_watermark.png?Signature=x%3D&Expires=1795996800"
MARCH_NINTH = 1_773_000_000.0
"""2026-03-09 04:00 in Shanghai, in seconds since 1970."""


@cache
def catalogue() -> Messages:
    """The catalogue that ships."""
    return Messages.load(CONFIG)


@cache
def styles() -> Styles:
    """The styles that ship."""
    return Styles.load(CONFIG)


@cache
def cards(*, buttons: bool = True) -> CardContext:
    """The cards as the bot makes them, in the time of Shanghai."""
    zone = ZoneInfo("Asia/Shanghai")
    return CardContext(messages=catalogue(), styles=styles(), zone=zone, buttons=buttons, prices=PRICES)


def generation(state: State, number: int = 1, **more: Any) -> GenerationView:
    """One generation of a request; a finished one has its image key, link and time."""
    if state is State.DONE:
        more = {"image_key": f"img_v3_{number}", "url": LINK, "seconds": 21.4, "calls_billed": 1, **more}
    return GenerationView(generation_id=f"gen_{number}", state=state, **more)


def failed(sentence: str, number: int = 1, *, url: str | None = None, **more: Any) -> GenerationView:
    """A generation that failed for the reason that the sentence names."""
    return generation(State.FAILED, number, url=url, failure=Failure(code="server_error", sentence=sentence, **more))


def request(*images: GenerationView, prompt: str = "一只橘猫，坐在窗台上，水彩", **more: Any) -> RequestView:
    """A request with these images."""
    options = more.pop("options", Options())
    return RequestView(request_id="req_1", prompt=prompt, options=options, images=images, **more)


WARNED = (ContentFinding(role="assistant", level=2), ContentFinding(role="user", level=3))

STAGES: dict[str, RequestView] = {
    "queued": request(generation(State.WAITING), ahead=3, wait_seconds=130.0),
    "next": request(generation(State.WAITING), ahead=0, wait_seconds=20.0),
    "backing off": request(generation(State.WAITING), ahead=0, backing_off=True),
    "generating": request(generation(State.GENERATING)),
    "made": request(generation(State.MADE)),
    "ready": request(generation(State.DONE), price=0.1),
    "warned": request(generation(State.DONE, findings=WARNED), price=0.1),
    "failed": request(failed("failure.balance", platform="1113 余额不足或无可用资源包,请充值。")),
    "cancelled": request(generation(State.CANCELLED)),
    "first of four": request(
        generation(State.DONE, 1),
        generation(State.GENERATING, 2),
        generation(State.WAITING, 3),
        generation(State.WAITING, 4),
    ),
    "mixed": request(
        generation(State.DONE, 1),
        failed("failure.timeout", 2),
        failed("failure.download", 3, url=LINK),
        generation(State.CANCELLED, 4),
    ),
}
"""A request at each stage, by name."""


def waiting(number: int | None = None, **more: Any) -> QueueEntry:
    """A waiting generation of this chat: one's own where it has a number, otherwise somebody else's."""
    known = {"prompt": "一只橘猫", "state": State.WAITING, "model": "glm-image", "here": True, **more}
    return QueueEntry(mine=number is not None, number=number, **known)


def line(*entries: QueueEntry, **more: Any) -> QueueView:
    """A line of these generations."""
    return QueueView(entries=entries, **{"elsewhere": 0, "paused": False, **more})


def history(number: int = 1, **more: Any) -> HistoryEntry:
    """A image that somebody got."""
    known = {"request_id": f"req_{number}", "prompt": "一只橘猫", "image_key": "img_v3_1", "options": Options()}
    return HistoryEntry(**{**known, **more})


QUOTA = QuotaView(
    today=3,
    per_day=20,
    resets_at=MARCH_NINTH,
    pending=1,
    pending_most=5,
    team_images=120,
    team_images_most=1000,
    team_yuan=11.5,
    team_yuan_most=100.0,
)

SETTINGS = SettingsView(
    options=Options(size="1568x1056", style="ink", count=2), language="zh", own=("size", "language"), chat=("style",)
)

STATS = StatsView(
    month="2026-11",
    models=(
        ModelStats(model="cogview-4", images=20, yuan=1.2, generation_seconds=8.4, waiting_seconds=None),
        ModelStats(model="glm-image", images=1100, yuan=110.0, generation_seconds=31.6, waiting_seconds=75.2),
    ),
    people=(
        Usage(open_id="ou_0001", images=700, yuan=70.0),
        Usage(open_id="ou_0002", images=420, yuan=41.2),
    ),
    days=(("11-01", 1), ("11-02", 70), ("11-04", 35)),
    outcomes={"done": 1100, "cancelled": 12, "content_filter_violation": 8},
    feishu_calls=4321,
    paused=False,
)


def elements(card: Any) -> Iterator[dict[str, Any]]:
    """Every object with a tag that is in the card, the outer before the inner."""
    if isinstance(card, dict):
        if "tag" in card:
            yield card
        for value in card.values():
            yield from elements(value)
    elif isinstance(card, list):
        for value in card:
            yield from elements(value)


def tagged(card: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    """The objects of one tag in the card."""
    return [element for element in elements(card) if element["tag"] == tag]


def lines(card: dict[str, Any], locale: str = "zh_cn") -> list[str]:
    """What a reader of that language reads between the header and the buttons, paragraph by paragraph."""
    texts = [
        element.get("text", element) for element in card["body"]["elements"] if element["tag"] in ("div", "markdown")
    ]
    return [text.get("i18n_content", {}).get(locale, text["content"]) for text in texts]


def pressable(card: dict[str, Any]) -> dict[str, Any]:
    """What each button and select carries: its value or its address, by its Chinese label."""
    found = [*tagged(card, "button"), *tagged(card, "select_static")]
    labels = [(element.get("text") or element["placeholder"])["content"] for element in found]
    behaviours = [element["behaviors"][0] for element in found]
    return {label: b.get("value", b.get("default_url")) for label, b in zip(labels, behaviours, strict=True)}


def bytes_of(card: dict[str, Any]) -> int:
    """The length of the whole request that sends the card."""
    body = {"content": content(card), "msg_type": "interactive", "reply_in_thread": True, "uuid": "u" * 50}
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
