"""What is not right about the bot's answer to a message, by what was typed and what the stand-ins saw."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

from PIL import Image

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage, Upload
from bot.sandbox.glm.stand_in import GlmCall
from bot.sandbox.typed import Typed, read

PROMPT_SHOWN = 800
"""How many characters of a prompt a card has to show."""

REMINDERS = ("请及时下载保存", "download and save the image in time")
"""What asks to save the picture; a text message, unlike a card, has one language."""

_CARDS = ("reply", "create", "patch")
"""The calls by which cards are sent and changed."""

_WORDS_UNWANTED = {230011, 230022, 230025, 230028}
"""The message was taken back; sensitive words, too long a content, the tenant's audit.

https://open.feishu.cn/document/server-docs/im-v1/message/reply
"""


def faults_of(feishu: FeishuStandIn, said: ChatMessage, *, text: str, paid: Sequence[GlmCall] | None) -> list[str]:
    """What is not right, a line each.

    A command is to have one reply, and nothing is to be paid for. A prompt is to have one card with as many pictures
    as were typed, each of the size that was typed, with the prompt and the reminder. Where Feishu refused a card, image
    messages and one text may stand in its place, and where it refused the words or the message was taken back, the
    prompt may be left out. Nobody is to be pinged.

    Args:
        feishu: the stand-in, in whose chat nothing else was said since.
        said: the message.
        text: what was typed.
        paid: the calls that were paid for; ``None`` where the platform's own stand-in was not asked.
    """
    typed = read(text)
    answer = answer_to(feishu, said)
    pictures = pictures_of(feishu, said)
    if typed.command:
        faults = _of_command(answer, paid=paid or ())
    elif not pictures:
        faults = ["the answer shows no picture"]
    else:
        words = "\n".join(line for message in answer for line in texts(message))
        refused = {call.code for call in feishu.calls if call.name in _CARDS and call.code}
        faults = [
            *_of_shape(answer, may_be_plain=bool(refused)),
            *_of_pictures(pictures, typed, paid=paid),
            *([] if any(reminder in words for reminder in REMINDERS) else ["the answer does not remind to save"]),
            *_of_prompt(words if not refused & _WORDS_UNWANTED else None, typed, text=text, paid=paid),
        ]
    return faults + [f"{ping.whom} was pinged" for ping in feishu.pings]


def answer_to(feishu: FeishuStandIn, said: ChatMessage) -> list[ChatMessage]:
    """What the bot has sent into the chat since a message, whether or not it quotes it."""
    since = (one for one in feishu.messages if one.chat_id == said.chat_id and one.created >= said.created)
    return [one for one in since if one.sender == feishu.app_id]


def pictures_of(feishu: FeishuStandIn, said: ChatMessage) -> list[Upload]:
    """The pictures that the answer to a message shows, each once, in their order."""
    uploads = feishu.uploads
    keys = (key for message in answer_to(feishu, said) for key in _image_keys(json.loads(message.content)))
    return [uploads[key] for key in dict.fromkeys(keys) if key in uploads]


def texts(message: ChatMessage) -> Iterator[str]:
    """The words of a message as it stands, top down, as a Chinese reader sees them."""
    yield from _texts(json.loads(message.content))


def _of_command(answer: Sequence[ChatMessage], *, paid: Sequence[GlmCall]) -> list[str]:
    faults = [] if len(answer) == 1 else [f"{len(answer)} replies came instead of one"]
    return faults + ([f"{len(paid)} images were paid for, for a command"] if paid else [])


def _of_shape(answer: Sequence[ChatMessage], *, may_be_plain: bool) -> Iterator[str]:
    kinds = Counter(message.msg_type for message in answer)
    plainly = may_be_plain and kinds["text"] == 1 and kinds["interactive"] <= 1
    if kinds != {"interactive": 1} and not plainly:
        came = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing"
        yield f"the answer is not one card: {came}"


def _of_pictures(pictures: Sequence[Upload], typed: Typed, *, paid: Sequence[GlmCall] | None) -> Iterator[str]:
    if len(pictures) != typed.count:
        yield f"{len(pictures)} pictures came, {typed.count} were asked for"
    real = [Image.open(BytesIO(picture.content)).size for picture in pictures]
    for width, height in real:
        if not typed.fits(width, height):
            yield f"a picture is {width}x{height}, typed was {typed.size}"
    if paid is None:
        return
    if len(paid) != typed.count:
        yield f"{len(paid)} images were paid for, {typed.count} were asked for"
    asked = [call.body.get("size") for call in paid]
    # Without a size it is the platform that chooses one.
    if None not in asked and (unasked := Counter(f"{width}x{height}" for width, height in real) - Counter(asked)):
        yield f"pictures of {', '.join(unasked)} came, the platform was asked for {', '.join(asked)}"


def _of_prompt(words: str | None, typed: Typed, *, text: str, paid: Sequence[GlmCall] | None) -> Iterator[str]:
    """What is wrong with the prompt, in the words that are shown (``None`` where they need not be) and in the calls."""
    prompts = None if paid is None else {str(call.body["prompt"]) for call in paid}
    if words is not None and not _shows(words, prompts, typed, text=text):
        yield "the answer does not show the prompt"
    if prompts and not typed.styled and not all(_is_part(prompt, text) for prompt in prompts):
        yield "the platform was asked for words that were not typed"


def _shows(words: str, prompts: set[str] | None, typed: Typed, *, text: str) -> bool:
    if prompts is None:
        return typed.styled or any(line.strip() and _is_part(line, text) for line in words.split("\n"))
    return all(_plain(prompt[:PROMPT_SHOWN]) in _plain(words) for prompt in prompts)


def _is_part(prompt: str, text: str) -> bool:
    """Whether a prompt is what was typed, but for what was taken out of it."""
    left = iter(text)
    return all(character in left for character in prompt if not character.isspace())


def _plain(text: str) -> str:
    # In a text message some signs become their full-width forms, so that nobody is mentioned by them.
    return unicodedata.normalize("NFKC", text)


def _texts(element: Any) -> Iterator[str]:
    if isinstance(element, str):
        yield element
    elif isinstance(element, list):
        for part in element:
            yield from _texts(part)
    elif isinstance(element, Mapping):
        if element.get("tag") in {"plain_text", "markdown"}:
            yield str(element.get("content", ""))
        elif element.get("tag") == "img":
            yield f"[图片 {element.get('img_key')}]"
        elif "image_key" in element:
            yield f"[图片 {element['image_key']}]"
        else:
            for name in ("header", "title", "body", "text", "columns", "elements"):
                yield from _texts(element.get(name))


def _image_keys(element: Any) -> Iterator[str]:
    if isinstance(element, list):
        for part in element:
            yield from _image_keys(part)
    elif isinstance(element, Mapping):
        for name in ("img_key", "image_key"):
            if name in element:
                yield str(element[name])
        for part in element.values():
            yield from _image_keys(part)
