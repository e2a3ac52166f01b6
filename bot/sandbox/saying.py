"""One prompt without a browser: says it in a direct chat, writes what the chat shows, judges the reply."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage, Upload
from bot.sandbox.glm.stand_in import GlmStandIn

SPEAKER = "ou_lin"
LONGEST_WAIT = 60.0
ENDS = frozenset({"green", "orange", "red", "grey", "yellow"})
"""The header colours of cards that will not change any more."""

REMINDER = "请及时下载保存"


def say(feishu: FeishuStandIn, glm: GlmStandIn, text: str, *, save: Path, out: TextIO = sys.stdout) -> int:
    """Says ``text`` to the bot and prints the transcript.

    Args:
        feishu: the stand-in with the chats.
        glm: the stand-in that made the picture.
        text: what is typed.
        save: where the picture is written.
        out: where the transcript goes.

    Returns:
        0 when exactly one card came back, with the picture of the asked size, the prompt and the reminder; else 1.
    """
    chat_id = feishu.world.direct_chat(SPEAKER).chat_id
    said = feishu.say(chat_id=chat_id, sender=SPEAKER, text=text)
    _write(out, said.created, "林小雨", text)
    shown = 0
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        versions = [version for reply in feishu.replies(said.message_id) for version in _versions(reply)]
        for version in versions[shown:]:
            _write(out, time.time(), feishu.bot_name, "\n".join(texts(version)))
        shown = len(versions)
        if versions and _is_last(versions[-1]):
            break
        feishu.wait_for(lambda stand_in, seen=shown: _count(stand_in, said) > seen, seconds=0.5)  # type: ignore[misc]
    faults = faults_of(feishu, glm, said)
    picture = next(_pictures(feishu, said), None)
    if picture is not None:
        save.parent.mkdir(parents=True, exist_ok=True)
        save.write_bytes(picture.content)
        out.write(f"图片已保存 / saved: {save} ({picture.width}x{picture.height})\n")
    out.writelines(f"✗ {fault}\n" for fault in faults)
    return 1 if faults else 0


def faults_of(feishu: FeishuStandIn, glm: GlmStandIn, said: ChatMessage) -> list[str]:
    """What is not right about the bot's reply to a message, a line each."""
    replies = feishu.replies(said.message_id)
    if len(replies) != 1:
        return [f"{len(replies)} replies came instead of one"]
    card = _versions(replies[0])[-1]
    pictures = list(_pictures(feishu, said))
    if not pictures:
        return ["the card shows no picture"]
    asked = glm.paid[-1].body["size"] if glm.paid else "nothing paid"
    real = "{}x{}".format(*Image.open(BytesIO(pictures[0].content)).size)
    words = "\n".join(texts(card))
    faults = [] if real == asked else [f"the picture is {real}, the platform was asked for {asked}"]
    if glm.paid and glm.paid[-1].body["prompt"] not in words:
        faults.append("the card does not show the prompt")
    if REMINDER not in words:
        faults.append("the card does not remind to save the picture")
    return faults + [f"{ping.whom} was pinged" for ping in feishu.pings]


def texts(element: Any) -> Iterator[str]:
    """The words of a card or of a plain message, top down, as a Chinese reader sees them."""
    if isinstance(element, str):
        yield element
    elif isinstance(element, list):
        for part in element:
            yield from texts(part)
    elif isinstance(element, Mapping):
        if element.get("tag") in {"plain_text", "markdown"}:
            yield str(element.get("content", ""))
        elif element.get("tag") == "img":
            yield f"[图片 {element.get('img_key')}]"
        elif "image_key" in element:
            yield f"[图片 {element['image_key']}]"
        else:
            for name in ("header", "title", "body", "text", "columns", "elements"):
                yield from texts(element.get(name))


def _versions(reply: ChatMessage) -> list[dict[str, Any]]:
    return [json.loads(version) for version in reply.versions or (reply.content,)]


def _count(feishu: FeishuStandIn, said: ChatMessage) -> int:
    return sum(len(_versions(reply)) for reply in feishu.replies(said.message_id))


def _is_last(content: Mapping[str, Any]) -> bool:
    """Whether nothing follows: a card that has come to its end, or the text that replaces a refused one."""
    return "text" in content or content.get("header", {}).get("template") in ENDS


def _pictures(feishu: FeishuStandIn, said: ChatMessage) -> Iterator[Upload]:
    uploads = feishu.uploads
    for reply in feishu.replies(said.message_id):
        for key in _image_keys(json.loads(reply.content)):
            if key in uploads:
                yield uploads[key]


def _image_keys(element: Any) -> Iterator[str]:
    if isinstance(element, list):
        for part in element:
            yield from _image_keys(part)
    elif isinstance(element, Mapping):
        if element.get("tag") == "img":
            yield str(element.get("img_key"))
        for part in element.values():
            yield from _image_keys(part)


def _write(out: TextIO, at: float, who: str, words: str) -> None:
    indented = words.replace("\n", "\n" + " " * 10)
    out.write(f"{time.strftime('%H:%M:%S', time.localtime(at))}  {who}：{indented}\n")
    out.flush()
