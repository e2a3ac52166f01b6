"""One message without a browser: says it in a direct chat and writes what the chat then shows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from bot.sandbox.feishu.changes import Change, Subscription
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.judging import texts

SPEAKER = "ou_lin"

_GLANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message, and whether the bot had done all that it leads to when nothing more was waited for."""

    message: ChatMessage
    finished: bool


def say(
    feishu: FeishuStandIn, text: str, *, idle: Callable[[], bool], seconds: float, out: TextIO = sys.stdout
) -> Said:
    """Says ``text`` to the bot, and prints the transcript until the answer can change no more.

    Args:
        feishu: the stand-in with the chats.
        text: what is typed.
        idle: whether the bot has nothing left to do.
        seconds: how long that is waited for.
        out: where the transcript goes.
    """
    chat_id = feishu.world.direct_chat(SPEAKER).chat_id
    with feishu.listen() as changes:
        message = feishu.say(chat_id=chat_id, sender=SPEAKER, text=text)
        ends_at = time.monotonic() + seconds
        # A bot that has not taken the message yet is idle, too.
        while not (finished := _taken(feishu, message) and idle()) and time.monotonic() < ends_at:
            _write(feishu, changes.wait(_GLANCE), chat_id=chat_id, out=out)
        _write_rest(feishu, changes, chat_id=chat_id, out=out)
    return Said(message=message, finished=finished)


def _taken(feishu: FeishuStandIn, message: ChatMessage) -> bool:
    events = (attempt.event.get("event", {}) for attempt in feishu.attempts if attempt.outcome == "acknowledged")
    return any(event.get("message", {}).get("message_id") == message.message_id for event in events)


def _write_rest(feishu: FeishuStandIn, changes: Subscription, *, chat_id: str, out: TextIO) -> None:
    while (change := changes.wait(0)) is not None:
        _write(feishu, change, chat_id=chat_id, out=out)


def _write(feishu: FeishuStandIn, change: Change | None, *, chat_id: str, out: TextIO) -> None:
    if change is None or change.kind not in {"message", "card"} or change.subject.chat_id != chat_id:
        return
    message: ChatMessage = change.subject
    who = feishu.bot_name if message.sender == feishu.app_id else feishu.world.people[message.sender].name
    words = "\n".join(texts(message)).replace("\n", "\n" + " " * 10)
    out.write(f"{time.strftime('%H:%M:%S', time.localtime(change.at))}  {who}：{words}\n")
    out.flush()
