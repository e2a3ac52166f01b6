"""One table of cards, each in every state that it has, and ways to read the cards that are rendered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bot.chat.cards import command_cards as commands
from bot.chat.cards.elements import COLORS, Card, CardContext, content
from bot.chat.cards.form_card import render_form
from bot.chat.cards.request_card import render_request
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.errors import UserError
from bot.models import (
    ContentFinding,
    Failure,
    GenerationView,
    HistoryEntry,
    HistoryView,
    ModelStats,
    QueueEntry,
    QueueView,
    Quota,
    QuotaView,
    RequestView,
    State,
    StatsView,
    Usage,
)
from bot.options import Options

CONFIG = Path(__file__).parents[2] / "config"
PRICES = {"glm-image": 0.1, "cogview-4": 0.06, "cogview-3-flash": 0.0}
LINK = "https://maas-watermark-prod-new.cn-wlcb.ufileos.com/1_watermark.png?Signature=x%3D&Expires=1795996800"
MARCH_NINTH = 1_773_000_000.0  # 2026-03-09 04:00 in Shanghai, in seconds since 1970
PROMPT = "一只橘猫，坐在窗台上，水彩"
PERSON = "ou_0001"
NOTICES = tuple(title.split(".")[1] for title in COLORS if title.startswith("notice."))


@cache
def catalogue() -> Messages:
    return Messages.load(CONFIG)


FAILURES = [key for key in sorted(catalogue().keys) if re.fullmatch(r"failure\.\w+(?<!_plain)", key)]


@cache
def styles() -> Styles:
    return Styles.load(CONFIG)


@cache
def cards(*, buttons: bool = True, alerts_admins: bool = True) -> CardContext:
    """The cards as the bot makes them, in the time of Shanghai."""
    zone = ZoneInfo("Asia/Shanghai")
    return CardContext(
        messages=catalogue(), styles=styles(), zone=zone, buttons=buttons, prices=PRICES, alerts_admins=alerts_admins
    )


def generation(state: State, number: int = 1, **more: Any) -> GenerationView:
    """One generation of a request; a finished one has its image key, link and time."""
    if state is State.DONE:
        more = {"image_key": f"img_v3_{number}", "url": LINK, "seconds": 21.4, "calls_billed": 1, **more}
    return GenerationView(generation_id=f"gen_{number}", state=state, **more)


def failed(sentence: str, number: int = 1, *, billed: int = 0, **more: Any) -> GenerationView:
    of_failure = {name: more.pop(name) for name in ("roles", "values", "platform") if name in more}
    failure = Failure(code="server_error", sentence=sentence, **of_failure)
    return generation(State.FAILED, number, failure=failure, calls_billed=billed, **more)


def request(*images: GenerationView, prompt: str = PROMPT, **more: Any) -> RequestView:
    known = {"options": Options(), "price": 0.1, **more}
    return RequestView(request_id="req_1", prompt=prompt, images=images, **known)


WARNED = (ContentFinding(role="assistant", level=2), ContentFinding(role="user", level=3))
FOUR = tuple(generation(State.DONE, number) for number in range(1, 5))

STAGES: dict[str, RequestView] = {
    "queued": request(generation(State.WAITING), ahead=3, wait_seconds=130.0),
    "backing off": request(generation(State.WAITING), ahead=0, backing_off=True),
    "generating": request(generation(State.GENERATING), recognized_words=("竖版",), recognized_options=("size",)),
    "made": request(generation(State.MADE, calls_billed=1)),
    "ready": request(generation(State.DONE), options=Options(size="1728x960", style="ink")),
    "recognized": request(
        generation(State.DONE, link_expires_at=MARCH_NINTH),
        options=Options(size="1056x1568"),
        recognized_words=("竖版",),
        recognized_options=("size",),
    ),
    "repeated": request(generation(State.DONE, repeated=True, reencoded=True, calls_billed=2)),
    "warned": request(generation(State.DONE, findings=WARNED)),
    "recalled": request(generation(State.DONE), prompt="", recalled=True),
    "refused by the prompt": request(
        failed("failure.content", billed=1, roles=("user",), values={"level": "0"}, platform="1301 系统检测到敏感内容")
    ),
    "failed for all": request(failed("failure.balance", platform="1113 余额不足或无可用资源包,请充值。")),
    "failed": request(failed("failure.timeout", billed=1, platform_request_id="20261129161")),
    "cancelled": request(generation(State.CANCELLED)),
    "cancelled in call": request(generation(State.CANCELLED, calls_billed=1)),
    "kept": request(generation(State.CANCELLED, calls_billed=1, kept=True)),
    "first of four": request(
        FOUR[0], generation(State.GENERATING, 2), generation(State.WAITING, 3), generation(State.WAITING, 4)
    ),
    "two": request(*FOUR[:2]),
    "three": request(*FOUR[:3], options=Options(size="1056x1568")),
    "four": request(*FOUR),
    "mixed": request(
        FOUR[0],
        failed("failure.timeout", 2, billed=1),
        failed("failure.download", 3, billed=1, url=LINK, resumable=True),
        generation(State.CANCELLED, 4),
    ),
}
"""A request in each state, by name."""


def queued(number: int | None = None, **more: Any) -> QueueEntry:
    """A waiting request of this chat: one's own where it has a number, otherwise somebody else's."""
    known = {"request_id": "req_1", "prompt": "一只橘猫", "here": True, "running": 0, "waiting": 1, "price": 0.1}
    return QueueEntry(mine=number is not None, number=number, **{**known, **more})


def line(*entries: QueueEntry, **more: Any) -> QueueView:
    return QueueView(entries=entries, **{"elsewhere": 0, "paused": False, **more})


def history(number: int = 1, **more: Any) -> HistoryEntry:
    known = {"request_id": f"req_{number}", "prompt": PROMPT, "image_key": f"img_v3_{(number - 1) % 4 + 1}"}
    return HistoryEntry(
        **{**known, "generation_id": f"gen_{number}", "accepted_at": MARCH_NINTH, "options": Options(), **more}
    )


QUOTA = QuotaView(
    own=(Quota(name="today", used=3, most=20), Quota(name="pending", used=1, most=5)),
    budgets=(Quota(name="budget_person", used=1.2, most=10.0), Quota(name="budget_chat", used=3.0, most=30.0)),
    team=(Quota(name="images", used=120, most=1000), Quota(name="yuan", used=11.5, most=100.0)),
    resets_at=MARCH_NINTH,
)

STATS = StatsView(
    month="2026-11",
    models=(
        ModelStats(model="cogview-4", images=20, yuan=1.2, generation_seconds=8.4, waiting_seconds=None),
        ModelStats(model="glm-image", images=1100, yuan=110.0, generation_seconds=31.6, waiting_seconds=75.2),
    ),
    people=(Usage(open_id=PERSON, images=700, yuan=70.0), Usage(open_id="ou_0002", images=420, yuan=41.2)),
    chats=(
        Usage(open_id="", chat_id="oc_0000a1b2c3", images=700, yuan=70.0),
        Usage(open_id=PERSON, chat_id="oc_1", images=420, yuan=41.2),
    ),
    days=(("11-01", 1), ("11-02", 70), ("11-04", 35), *((f"11-{day:02}", day * 7 % 60) for day in range(5, 29))),
    outcomes={"done": 1100, "cancelled": 12, "failure.content": 8, "failure.timeout": 2, "of_another_version": 1},
    feishu_calls=4321,
    paused=False,
)

ERRORS = {
    "unknown word": UserError(sentence="misread.unknown_word", values={"word": "/sise", "suggestion": "/size"}),
    "nothing to cancel": UserError(sentence="command.nothing_to_cancel", command="cancel"),
    "no prompt": UserError(sentence="misread.prompt_missing"),
    "day used up": UserError(sentence="limit.day", values={"used": "20", "most": "20", "count": "1"}),
}

Render = Callable[[CardContext], Card]


def samples(text: str | None = None) -> dict[str, Render]:
    """Every card in every state that it has; a text is then in all places of what people write."""
    prompt, style, word, unclear = (
        default if text is None else text for default in (PROMPT, "ink", "周二", "我想喝咖啡")
    )
    person, chat = f"ou_{text or 'fake'}", f"oc_{text or 'fake'}"
    rendered: dict[str, Render] = {}
    for name, view in STAGES.items():
        rendered[name] = partial(render_request, view=view if text is None else replace(view, prompt=prompt))
    for name, error in ERRORS.items():
        values = error.values if text is None else dict.fromkeys(error.values, text)
        shown = UserError(sentence=error.sentence, values=values, command=error.command)
        rendered[name] = partial(commands.render_error, error=shown)
    for name in NOTICES:
        placeholders = [*catalogue().placeholders(f"notice.{name}.text"), *([] if text is None else ["prompt"])]
        filled: dict[str, Any] = dict.fromkeys(placeholders, text or "1")
        rendered[f"notice {name}"] = partial(commands.render_notice, name=name, **filled)
    question = partial(commands.render_question, request_id="req_1", prompt=unclear)
    pages = tuple(history(number, prompt=prompt) for number in range(1, 7))
    entries = [
        queued(1, running=1, waiting=3, ahead=2, wait_seconds=150.0),
        *(queued(prompt=prompt, ahead=8, wait_seconds=700.0), queued(3, here=False, prompt=prompt)),
    ]
    own_options, chat_options = Options(size="1568x1056", style=style, count=2), Options(watermark=False)
    own: dict[str, Any] = {"options": own_options, "language": "zh", "own": ("size", "language"), "chat": ("style",)}
    of_chat: dict[str, Any] = {"options": chat_options, "language": None, "own": (), "chat": ("watermark",)}
    return rendered | {
        "cancelled two": lambda ctx: commands.render_cancelled(ctx, count=2, in_call=0, price=0.0, prompt=prompt),
        "cancelled one in call": lambda ctx: commands.render_cancelled(ctx, count=2, in_call=1, price=0.1, prompt=""),
        "question": partial(question, price=0.1),
        "question for four": partial(question, price=0.4, count=4),
        "question answered": partial(question, price=0.1, result="drawn"),
        "question declined": partial(question, price=0.1, result="declined"),
        "duplicate": lambda ctx: commands.render_duplicate(ctx, request_id="req_1", price=0.1),
        "moved": commands.render_moved,
        "queue": lambda ctx: commands.render_queue(ctx, line(*entries, elsewhere=4, private=True)),
        "empty queue": lambda ctx: commands.render_queue(ctx, line(paused=True)),
        "history": lambda ctx: commands.render_history(
            ctx, HistoryView(entries=pages, more=True, everywhere=True), request_id="req_9"
        ),
        "filtered history": lambda ctx: commands.render_history(
            ctx, HistoryView(entries=pages[:1], filter=word), request_id="req_9"
        ),
        "no history": lambda ctx: commands.render_history(ctx, HistoryView(entries=(), filter=word), request_id="r"),
        "quota": lambda ctx: commands.render_quota(ctx, QUOTA),
        "settings": lambda ctx: commands.render_settings(ctx, **own),
        "settings of a chat": lambda ctx: commands.render_settings(ctx, **of_chat, of_chat=True),
        "changed": lambda ctx: commands.render_changed(ctx, {"size": "1728x960", "style": style}, for_chat=False),
        "stats": lambda ctx: commands.render_stats(ctx, STATS),
        "id": lambda ctx: commands.render_ids(ctx, person=person, chat=chat),
        "not allowed": lambda ctx: commands.render_not_allowed(ctx, person=person, chat=chat),
        "form": lambda ctx: render_form(ctx, request_id="req_1", prompt=prompt, options=Options(style=style)),
        "help": commands.render_short_help,
        "commands": commands.render_help,
        "sizes": commands.render_sizes,
        "models": commands.render_models,
        "styles": commands.render_styles,
        "tips": commands.render_tips,
        "welcome": commands.render_welcome,
    }


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
    return [element for element in elements(card) if element["tag"] == tag]


def lines(card: dict[str, Any], locale: str = "zh_cn") -> list[str]:
    """What a reader of that language reads between the header and the buttons, paragraph by paragraph."""
    texts = [
        element.get("text", element) for element in elements(card["body"]) if element["tag"] in ("div", "markdown")
    ]
    return [text.get("i18n_content", {}).get(locale, text["content"]) for text in texts]


def header(card: dict[str, Any], locale: str = "zh_cn") -> list[str]:
    """The title, the line under it and the tags."""
    texts = [text for text in elements(card["header"]) if text["tag"] != "text_tag"]
    return [text.get("i18n_content", {}).get(locale, text["content"]) for text in texts]


def pressable(card: dict[str, Any]) -> dict[str, Any]:
    """What each control sends or opens, by its Chinese label; a choice in a menu counts as a control."""
    found = {}
    for element in elements(card):
        if element["tag"] in ("button", "select_static") and "behaviors" in element:
            label, behavior = element.get("text") or element["placeholder"], element["behaviors"][0]
            found[label["content"]] = behavior.get("value", behavior.get("default_url"))
        elif element["tag"] == "overflow":
            ids = element["behaviors"][0]["value"]
            found |= {option["text"]["content"]: {**ids, "a": option["value"]} for option in element["options"]}
    return found


def bytes_of(card: dict[str, Any]) -> int:
    """The length of the whole request that sends the card."""
    body = {"content": content(card), "msg_type": "interactive", "reply_in_thread": True, "uuid": "u" * 50}
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
