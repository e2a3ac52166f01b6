"""Delivery failures by action: what is called again, what is paid, and what the sender sees.

Which code leads to which action is the subject of the unit tests of the codes; here each action has one or two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import (
    CATALOGUE,
    BotUnderTest,
    Conversation,
    all_strings,
    card_actions,
    header_color,
    plain_text,
    uuid_of,
    wait_for,
)


class Row(NamedTuple):
    """When Feishu refuses the call ``on`` with ``code``: the calls that are made, and what is seen.

    ``first`` is the fault of a reply that leads to this call.
    """

    on: str
    code: int
    calls: str
    sees: str
    first: str = ""
    paid: int = 1
    kind: str = "p2p"


RATE, TOKEN, APP, NOBODY, BUG = 230020, 99991663, 99991672, 230002, 230001
WORDS, GONE, RECALLED, NO_TOPIC, BAD_CARD = 230028, 230110, 230011, 230019, 230099
IN_CARD, WITHOUT, APART = "picture in the card", "picture in the card, no prompt", "picture and text"
POINTING = "picture and text, a card that points there"
UNQUOTED, REFUSED = "feishu_231003", "card_bad"

TABLE = (
    # The first answer, which is the card that says "generating". Nothing is paid when it cannot be shown.
    Row("reply", RATE, "card, card, upload, patch", IN_CARD),
    Row("reply", APP, "card, card, upload, patch", IN_CARD),
    Row("reply", TOKEN, "card, token, card, upload, patch", IN_CARD),
    Row("reply", GONE, "card, new card, upload, patch", IN_CARD),
    Row("reply", NO_TOPIC, "card, card, upload, patch", IN_CARD, kind="topic"),
    Row("reply", WORDS, "card, card, upload, patch", WITHOUT),
    Row("reply", BAD_CARD, "card, upload, image, text", APART),
    Row("reply", RECALLED, "card, new card, upload, patch", WITHOUT),
    Row("reply", NOBODY, "card", "nothing", paid=0),
    Row("reply", BUG, "card", "nothing", paid=0),
    # The first answer where there is no message to quote any more; the words of one that was taken back stay out.
    Row("create", RATE, "card, new card, new card, upload, patch", IN_CARD, UNQUOTED),
    Row("create", APP, "card, new card, new card, upload, patch", IN_CARD, UNQUOTED),
    Row("create", TOKEN, "card, new card, token, new card, upload, patch", IN_CARD, UNQUOTED),
    Row("create", WORDS, "card, new card, new card, upload, patch", WITHOUT, UNQUOTED),
    Row("create", BAD_CARD, "card, new card, upload, new image, new text", APART, UNQUOTED),
    Row("create", NOBODY, "card, new card", "nothing", UNQUOTED, paid=0),
    Row("create", GONE, "card, new card", "nothing", UNQUOTED, paid=0),
    Row("create", NO_TOPIC, "card, new card", "nothing", UNQUOTED, paid=0),
    # The picture as a message of its own, after a refused card. Where it cannot be sent, the text has the link.
    Row("reply", RATE, "card, upload, image, image, text", APART, REFUSED),
    Row("reply", APP, "card, upload, image, image, text", APART, REFUSED),
    Row("reply", TOKEN, "card, upload, image, token, image, text", APART, REFUSED),
    Row("reply", GONE, "card, upload, image, new image, new text", APART, REFUSED),
    Row("reply", NO_TOPIC, "card, upload, image, image, text", APART, REFUSED, kind="topic"),
    Row("reply", NOBODY, "card, upload, image, text", "text with the link", REFUSED),
    Row("reply", BAD_CARD, "card, upload, image, text", "text with the link", REFUSED),
    # The result. A card that cannot be changed any more is followed by a new reply, to which it points.
    Row("patch", RATE, "card, upload, patch, patch", IN_CARD),
    Row("patch", APP, "card, upload, patch, patch", IN_CARD),
    Row("patch", TOKEN, "card, upload, patch, token, patch", IN_CARD),
    Row("patch", 230031, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", GONE, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", BUG, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", WORDS, "card, upload, patch, image, text, patch", POINTING),
    Row("patch", NOBODY, "card, upload, patch", "a card that generates"),
    # The upload. A picture that is refused is made smaller once; else the card shows its link.
    Row("image", RATE, "card, upload, upload, patch", IN_CARD),
    Row("image", APP, "card, upload, upload, patch", IN_CARD),
    Row("image", TOKEN, "card, upload, token, upload, patch", IN_CARD),
    Row("image", 234006, "card, upload, upload, patch", "picture in the card, made smaller"),
    Row("image", BUG, "card, upload, patch", "the link and the reason"),
)
"""What to do: https://open.feishu.cn/document/server-docs/im-v1/message/reply and the pages of the other calls."""

ORIGINALS = (
    # The upload of the original as a file.
    Row("file", RATE, "upload, upload, file", "the file"),
    Row("file", TOKEN, "upload, token, upload, file", "the file"),
    Row("file", 234006, "upload, card", "notice.original_refused.text"),
    # The file as a message.
    Row("reply", APP, "upload, file, file", "the file"),
    Row("reply", GONE, "upload, file, new file", "the file"),
    Row("reply", NOBODY, "upload, file, card", "notice.original_refused.text"),
    # Feishu's own copy of the picture, when neither the data folder nor the link has it.
    Row("own_image", RATE, "own_image, own_image, upload, file", "the file"),
    Row("own_image", TOKEN, "own_image, token, own_image, upload, file", "the file"),
    Row("own_image", 234003, "own_image, card", "notice.original_gone.text"),
)
"""When somebody presses the button that sends the original; ``sees`` is a sentence where no file comes."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bot's data folder."""
    return tmp_path_factory.mktemp("bot")


@pytest.fixture(scope="module")
def shared_bot(folder: Path) -> Iterator[BotUnderTest]:
    """One bot for all refusals; each meets a new person in a new chat."""
    with BotUnderTest(folder=folder) as bot:
        yield bot
        assert bot.feishu.pings == []


@pytest.fixture
def bot(shared_bot: BotUnderTest) -> Iterator[BotUnderTest]:
    """The bot, with no fault left armed by another test."""
    yield shared_bot
    shared_bot.feishu.faults.disarm()
    shared_bot.glm.disarm()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.first}-{row.on}-{row.code}".removeprefix("-"))
def test_a_refusal_has_its_action(bot: BotUnderTest, row: Row) -> None:
    """A refusal leads to exactly the calls of its row, is paid for once or not at all, and shows what the row says."""
    user = bot.new_user(kind=row.kind)
    if row.first:
        bot.feishu.faults.arm(row.first, on="reply")
    bot.feishu.faults.arm(f"feishu_{row.code}", on=row.on)
    said = user.send()
    wait_for(lambda: len(user.calls) >= len(row.calls.split(", ")) and bot.idle)
    assert (", ".join(map(name, user.calls)), seen(user, said)) == (row.calls, row.sees)
    assert len(user.posts(said)) == row.paid
    assert not bot.feishu.faults.armed
    sends = {(name(call), uuid_of(call)) for call in user.calls if uuid_of(call)}
    assert len(sends) == len({uuid for _, uuid in sends}) == len({step for step, _ in sends})


@pytest.mark.parametrize("row", ORIGINALS, ids=lambda row: f"{row.on}-{row.code}")
def test_a_refusal_has_its_action_for_an_original(bot: BotUnderTest, folder: Path, row: Row) -> None:
    """A refusal on the way of an original leads to exactly the calls of its row, and the person sees what it says."""
    user = bot.new_user()
    user.wait_for_end(user.send())
    (card,) = user.answers
    if row.on == "own_image":
        for path in (folder / "originals").iterdir():
            path.unlink()
        bot.glm.arm("image_403", times=2)
    bot.feishu.faults.arm(f"feishu_{row.code}", on=row.on)
    bot.wait_until_idle()
    before, calls = len(user.calls), row.calls.split(", ")
    (button,) = [one for one in card_actions(bot.feishu, card.message_id) if (one.value or {}).get("a") == "original"]
    bot.feishu.press(card.message_id, user.person, value=button.value)
    wait_for(lambda: len(user.calls) >= before + len(calls) and bot.idle)
    assert [name(call) for call in user.calls[before:]] == calls
    sent = user.answers[-1]
    said = "the file" if sent.msg_type == "file" else CATALOGUE.text(row.sees, "zh")
    assert row.sees == said or said in all_strings(json.loads(sent.content))


def name(call: ApiCall) -> str:
    """What a call is named in the table: the kind of a reply, ``new`` and the kind of a message that quotes nothing."""
    kind = re.search(r'"msg_type"\s*:\s*"(\w+)"', call.body)
    if kind is None:
        return {"image": "upload", "file": "upload"}.get(call.name, call.name)
    return ("new " if call.name == "create" else "") + kind[1].replace("interactive", "card")


def seen(user: Conversation, said: ChatMessage) -> str:
    """What stands in the chat in the end, in the words of the table."""
    kinds = [one.msg_type for one in user.answers]
    if kinds == ["text"]:
        return "text with the link" if "ufileos.com" in user.answers[0].content else "text"
    if "text" not in kinds:
        return card_seen(user, said) if kinds else "nothing"
    assert kinds[-2:] == ["image", "text"]
    points = [one for one in user.answers if one.msg_type == "interactive" and header_color(one) == "grey"]
    return "picture and text, a card that points there" if points else "picture and text"


def card_seen(user: Conversation, said: ChatMessage) -> str:
    """What the one card in the chat shows."""
    (card,) = user.answers
    words = list(all_strings(json.loads(card.content)))
    match header_color(card):
        case "wathet":
            return "a card that generates"
        case "red":
            return "the link and the reason" if any("ufileos.com" in word for word in words) else "the reason"
    picture = "picture in the card" if set(words) & user.bot.feishu.uploads.keys() else "no picture"
    if not any(plain_text(said) in word for word in words):
        return f"{picture}, no prompt"
    return f"{picture}, made smaller" if CATALOGUE.text("note.shrunk", "zh") in words else picture
