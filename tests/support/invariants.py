"""What holds for every bot that has come to rest, whatever was said to it and whatever went wrong before.

The stand-ins say what was sent and paid, and the tables are read as they are: no query of the bot is used.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection, Text, select

from bot.db.tables import generations, metadata, monthly_usage, requests
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmCall, GlmStandIn

_MENTION = re.compile(r"@_user_\d+")
_OPTION = re.compile(r"\s[/\-—].*|[“”\"「」]", re.DOTALL)


def violations(feishu: FeishuStandIn, glm: GlmStandIn, connection: Connection, *, kills: int = 0) -> list[str]:
    """Everything that is wrong with a bot at rest whose process was killed so many times.

    Each kill may hide the outcome of one paid call, which is then charged whether it was sent or not, and of one
    upload, which is then repeated.
    """
    return [
        *_unfinished(feishu, connection),
        *_repeated_answers(feishu),
        *_wrong_charges(glm, connection, kills=kills),
        *_repeated_uploads(feishu, kills=kills),
        *_recalled_words(feishu, connection),
    ]


def _from_bot(feishu: FeishuStandIn) -> list[ChatMessage]:
    return [one for one in feishu.messages if one.sender == feishu.app_id and not one.recalled]


def _unfinished(feishu: FeishuStandIn, connection: Connection) -> Iterator[str]:
    """Cards that still say "queued" or "generating", and work that was left open."""
    for message in _from_bot(feishu):
        if _is_stuck(feishu, message):
            continue
        header = json.loads(message.content).get("header", {})
        title = json.dumps(header.get("title", {}), ensure_ascii=False)
        # A queued card has the color of the cards of commands.
        if header.get("template") == "wathet" or "排队中" in title:
            yield f"a card never came to its end: {title}"
    for table in (requests, generations):
        if left := len(connection.execute(select(table).where(table.c.ended_at.is_(None))).all()):
            yield f"{left} {table.name} were left open"


def _is_stuck(feishu: FeishuStandIn, message: ChatMessage) -> bool:
    """Whether the platform refused the last change of a card for good."""
    patches = [call for call in feishu.calls_named("patch") if call.path.endswith(message.message_id)]
    return bool(patches and patches[-1].code)


def _repeated_answers(feishu: FeishuStandIn) -> Iterator[str]:
    """Two equal answers to one message, which nobody asked for twice; the ``uuid`` of a send prevents them."""
    seen = Counter((one.parent_id, one.msg_type, one.versions or one.content) for one in _from_bot(feishu))
    for (parent, kind, _), times in seen.items():
        # The file of an original is sent for each press.
        if parent and times > 1 and kind != "file":
            yield f"the same {kind} was sent {times} times in reply to {parent}"


def _wrong_charges(glm: GlmStandIn, connection: Connection, *, kills: int) -> Iterator[str]:
    """A budget that differs from what the platform may bill, or from what is charged to people.

    The personal count is the sum of what is charged.
    """
    paid = sum(call.paid for call in glm.calls)
    possible = sum(call.paid or _may_be_billed(call) for call in glm.calls)
    usage = monthly_usage.c
    budget = sum(connection.scalars(select(usage["count"]).where(usage.name != "feishu_calls")))
    if not paid <= budget <= possible + kills:
        yield f"the budget holds {budget} images; {paid} were paid for, {possible} may be billed"
    charged = sum(row.calls_billed for row in connection.execute(select(generations)))
    # What a person had is erased with them; the budget stays.
    if charged > budget:
        yield f"the generations were charged {charged} images, the budget {budget}"


def _may_be_billed(call: GlmCall) -> bool:
    """Whether a caller has to fear that a call was billed: it was not refused before any work."""
    return call.status is None or not 400 <= call.status < 500 or call.fault in {"glm_1301", "output_refused"}


def _repeated_uploads(feishu: FeishuStandIn, *, kills: int) -> Iterator[str]:
    """An image that was uploaded again although the bot had learnt of the first upload.

    A kill may hide one upload of each image: of several that were on their way.
    """
    unknown = sum(call.code == 0 and call.fault is not None for call in feishu.calls_named("image"))
    seen = Counter(one.content for one in feishu.uploads.values() if one.kind == "image" and one.owner == feishu.app_id)
    if (again := sum(max(0, uploads - 1 - kills) for uploads in seen.values())) > unknown:
        yield f"{again} images were uploaded again"


def _recalled_words(feishu: FeishuStandIn, connection: Connection) -> Iterator[str]:
    """The words of a recalled message, wherever the bot still shows or keeps them."""
    people = [one for one in feishu.messages if one.sender != feishu.app_id and one.msg_type in {"text", "post"}]
    said = " ".join(prompt_of(one) for one in people if not one.recalled)
    gone = {prompt_of(one) for one in people if one.recalled and not prompt_of(one).startswith("/")}
    for words in (one for one in gone if len(one) > 1 and one not in said):
        for message in _from_bot(feishu):
            if words in json.dumps(json.loads(message.content), ensure_ascii=False) and not _is_stuck(feishu, message):
                yield f"a card still shows a recalled message: {words}"
        for table in metadata.sorted_tables:
            for column in (one for one in table.columns if isinstance(one.type, Text)):
                if connection.scalar(select(column).where(column.contains(words, autoescape=True)).limit(1)):
                    yield f"{table.name}.{column.name} still holds a recalled message: {words}"


def prompt_of(message: ChatMessage) -> str:
    """What a person wrote, without mentions and from the first option on."""
    texts: list[str] = []
    # The words of a text, or of all parts of a rich text in their order.
    json.loads(message.content, object_hook=lambda part: texts.append(str(part.get("text", ""))))
    return _OPTION.sub("", _MENTION.sub("", "".join(texts))).strip()
