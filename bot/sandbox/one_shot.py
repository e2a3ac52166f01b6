"""One message without a browser: sends it, prints the transcript, and checks the answer."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, TextIO

from PIL import Image

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage, Upload
from bot.sandbox.glm.stand_in import GlmCall

SENDER = "ou_lin"

_POLL = 0.05
_CARD_CALLS = ("reply", "create", "patch")
_IMAGE_KEY = re.compile(r'"(?:img_key|image_key)":\s*"([^"]+)"')
_PARTS = ("header", "title", "subtitle", "text_tag_list", "body", "text", "img_list", "columns", "elements")
_WARNING_COLORS = ("yellow", "orange", "red")


def send(
    feishu: FeishuStandIn, text: str, *, idle: Callable[[], bool], seconds: float, out: TextIO = sys.stdout
) -> tuple[ChatMessage, bool]:
    """Prints the transcript to ``out`` until the bot is idle, or for ``seconds``; returns whether it was in time."""
    chat_id = feishu.state.direct_chat(SENDER).chat_id
    printed = {key for key, _ in _transcript(feishu, chat_id)}
    message = feishu.say(chat_id=chat_id, sender=SENDER, text=text)
    deadline = time.monotonic() + seconds
    # A bot that has not received the message yet is idle, too.
    while not (finished := _acknowledged(feishu, message) and idle()) and time.monotonic() < deadline:
        _print_news(feishu, chat_id, printed, out)
        time.sleep(_POLL)
    _print_news(feishu, chat_id, printed, out)
    return message, finished


def problems_with_answer(feishu: FeishuStandIn, sent: ChatMessage, *, paid: Sequence[GlmCall] | None) -> list[str]:
    """What is wrong with the bot's answer, the last in its chat, one line per problem.

    It has to be one card, or an image and a text where Feishu rejected the card, or an emoji on thanks; with an image
    of the requested size for each of the ``paid`` calls (``None``: to the real platform), and no warning or mention.
    """
    answer = _answer(feishu, sent)
    reacted = any(one.message_id == sent.message_id for one in list(feishu.state.reactions.values()))
    kinds = Counter(message.msg_type for message in answer)
    rejected = any(call.name in _CARD_CALLS and call.code for call in feishu.calls)
    problems = [f"{whom} was mentioned" for whom in feishu.pings]
    fallback = rejected and kinds["text"] == 1 and kinds["interactive"] <= 1
    if kinds != {"interactive": 1} and not fallback and (kinds or not reacted):
        received = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing"
        problems.append(f"the answer is not one card: {received}")
    for message in answer:
        header = json.loads(message.content).get("header", {})
        if header.get("template") in _WARNING_COLORS:
            problems.append(f"the answer reports a problem: {header['title']['content']}")
    if paid is not None:
        sizes = Counter("{}x{}".format(*Image.open(BytesIO(image.content)).size) for image in images(feishu, sent))
        requested = Counter(str(call.body["size"]) for call in paid)
        if sizes != requested:
            shown, wanted = (", ".join(sorted(some.elements())) or "none" for some in (sizes, requested))
            problems.append(f"the images do not match the paid calls: {shown} instead of {wanted}")
    return problems


def images(feishu: FeishuStandIn, sent: ChatMessage) -> list[Upload]:
    """The images in the answer to a message, each once, in their order."""
    keys = (key for message in _answer(feishu, sent) for key in _IMAGE_KEY.findall(message.content))
    return [feishu.uploads[key] for key in dict.fromkeys(keys) if key in feishu.uploads]


def _answer(feishu: FeishuStandIn, sent: ChatMessage) -> list[ChatMessage]:
    since = (one for one in feishu.messages if one.chat_id == sent.chat_id and one.created >= sent.created)
    return [one for one in since if one.sender == feishu.app_id]


def _acknowledged(feishu: FeishuStandIn, message: ChatMessage) -> bool:
    events = (attempt.event.get("event", {}) for attempt in feishu.attempts if attempt.outcome == "acknowledged")
    return any(event.get("message", {}).get("message_id") == message.message_id for event in events)


def _print_news(feishu: FeishuStandIn, chat_id: str, printed: set[str], out: TextIO) -> None:
    for key, line in _transcript(feishu, chat_id):
        if key not in printed:
            printed.add(key)
            out.write(f"{time.strftime('%H:%M:%S')}  {line}\n")
    out.flush()


def _transcript(feishu: FeishuStandIn, chat_id: str) -> Iterator[tuple[str, str]]:
    """Each version of each message, then each reaction: a key of its own, and its words."""
    for message in feishu.messages:
        if message.chat_id == chat_id:
            who = feishu.bot_name if message.sender == feishu.app_id else feishu.state.people[message.sender].name
            for number, content in enumerate(message.versions or (message.content,)):
                text = "\n".join(_texts(json.loads(content))).replace("\n", "\n" + " " * 10)
                yield f"{message.message_id}/{number}", f"{who}：{text}"
    for reaction in list(feishu.state.reactions.values()):
        yield reaction.reaction_id, f"{feishu.bot_name}：[表情 {reaction.emoji_type}]"


def _texts(element: Any) -> Iterator[str]:
    """The texts of a message from top to bottom, as a Chinese reader sees them."""
    if isinstance(element, str):
        yield element
    elif isinstance(element, list):
        for part in element:
            yield from _texts(part)
    elif isinstance(element, Mapping):
        if element.get("tag") in {"plain_text", "markdown"}:
            yield str(element.get("content", ""))
        elif key := element.get("image_key") or (element.get("tag", "img") == "img" and element.get("img_key")):
            yield f"[图片 {key}]"
        else:
            for name in _PARTS:
                yield from _texts(element.get(name))
