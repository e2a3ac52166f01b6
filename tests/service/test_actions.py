"""Delivery failures by action: what is called again, what is paid, and what the sender sees.

Which code leads to which action is the subject of the unit tests of the codes; here each action has one or two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.state import ChatMessage
from tests.support.card_actions import card_actions
from tests.support.dsl import (
    CATALOGUE,
    BotUnderTest,
    Conversation,
    all_strings,
    header_color,
    plain_text,
    uuid_of,
    wait_for,
)

SENT = ["reply card"]
CREATED = [*SENT, "create card"]
MADE = [*SENT, "image", "patch"]
PLAINLY = ["reply image", "reply text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """When Feishu refuses the call ``on`` with one of ``codes``: the calls that are made, and what is seen.

    ``first`` is the fault of a reply that leads to this call.
    """

    on: str
    codes: tuple[int, ...]
    calls: list[str]
    sees: str
    first: str = ""
    paid: int = 1
    kind: str = "p2p"

    @property
    def name(self) -> str:
        """What a test with this row is called, but for the code."""
        return f"{self.first}-{self.on}".removeprefix("-")


RATES, TOKENS, APP = (230020, 99991400), (99991663,), (99991672,)
"""After a refusal of the app, the same call is made again until it passes."""
NOBODY, BUGS, SOURCE_GONE, RECALLED = (230002,), (230001,), (230110,), (230011,)
TOPIC_GONE, WORDS, PICTURE = (230019,), (230028,), (234006, 234010)

TABLE = (
    # The first answer, which is the card that says "generating". Nothing is paid when it cannot be shown.
    Row(on="reply", codes=(*RATES, *APP), calls=["reply card", *MADE], sees="picture in the card"),
    Row(on="reply", codes=TOKENS, calls=["reply card", "token", *MADE], sees="picture in the card"),
    Row(
        on="reply", codes=SOURCE_GONE, calls=["reply card", "create card", "image", "patch"], sees="picture in the card"
    ),
    Row(on="reply", codes=TOPIC_GONE, calls=["reply card", *MADE], sees="picture in the card", kind="topic"),
    Row(on="reply", codes=WORDS, calls=["reply card", *MADE], sees="picture in the card, no prompt"),
    Row(on="reply", codes=(230099,), calls=["reply card", "image", *PLAINLY], sees="picture and text"),
    Row(
        on="reply",
        codes=RECALLED,
        calls=["reply card", "create card", "image", "patch"],
        sees="picture in the card, no prompt",
    ),
    Row(on="reply", codes=(*NOBODY, *BUGS, 99992354), calls=SENT, sees="nothing", paid=0),
    # The first answer where there is no message to quote any more; the words of one that was taken back stay out.
    Row(
        on="create",
        first="feishu_231003",
        codes=(*RATES, *APP),
        calls=[*CREATED, "create card", "image", "patch"],
        sees="picture in the card",
    ),
    Row(
        on="create",
        first="feishu_231003",
        codes=TOKENS,
        calls=[*CREATED, "token", "create card", "image", "patch"],
        sees="picture in the card",
    ),
    Row(
        on="create",
        first="feishu_231003",
        codes=WORDS,
        calls=[*CREATED, "create card", "image", "patch"],
        sees="picture in the card, no prompt",
    ),
    Row(
        on="create",
        first="feishu_231003",
        codes=(230099,),
        calls=[*CREATED, "image", "create image", "create text"],
        sees="picture and text",
    ),
    Row(
        on="create",
        first="feishu_231003",
        codes=(*NOBODY, *BUGS, *SOURCE_GONE, *TOPIC_GONE, 99992354),
        calls=CREATED,
        sees="nothing",
        paid=0,
    ),
    # The picture as a message of its own, after a refused card. Where it cannot be sent, the text has the link.
    Row(
        on="reply",
        first="card_bad",
        codes=(*RATES, *APP),
        calls=[*SENT, "image", "reply image", *PLAINLY],
        sees="picture and text",
    ),
    Row(
        on="reply",
        first="card_bad",
        codes=TOKENS,
        calls=[*SENT, "image", "reply image", "token", *PLAINLY],
        sees="picture and text",
    ),
    Row(
        on="reply",
        first="card_bad",
        codes=SOURCE_GONE,
        calls=[*SENT, "image", "reply image", "create image", "create text"],
        sees="picture and text",
    ),
    Row(
        on="reply",
        first="card_bad",
        codes=TOPIC_GONE,
        calls=[*SENT, "image", "reply image", *PLAINLY],
        sees="picture and text",
        kind="topic",
    ),
    Row(
        on="reply",
        first="card_bad",
        codes=(*NOBODY, *BUGS, *WORDS, *TOPIC_GONE, 230099, 99992354),
        calls=[*SENT, "image", *PLAINLY],
        sees="text with the link",
    ),
    # The result. A card that cannot be changed any more is followed by a new reply, to which it points.
    Row(on="patch", codes=(*RATES, *APP), calls=[*MADE, "patch"], sees="picture in the card"),
    Row(on="patch", codes=TOKENS, calls=[*MADE, "token", "patch"], sees="picture in the card"),
    Row(
        on="patch",
        codes=(230031, *SOURCE_GONE, *RECALLED, *TOPIC_GONE, *BUGS, 99992354),
        calls=[*MADE, *PLAINLY, "patch"],
        sees="picture and text, a card that points there",
    ),
    Row(on="patch", codes=WORDS, calls=[*MADE, *PLAINLY, "patch"], sees="picture and text, a card that points there"),
    Row(on="patch", codes=NOBODY, calls=MADE, sees="a card that generates"),
    # The upload. A picture that is refused is made smaller once; else the card shows its link.
    Row(on="image", codes=(*RATES, *APP), calls=[*SENT, "image", "image", "patch"], sees="picture in the card"),
    Row(on="image", codes=TOKENS, calls=[*SENT, "image", "token", "image", "patch"], sees="picture in the card"),
    Row(on="image", codes=PICTURE, calls=[*SENT, "image", "image", "patch"], sees="picture in the card, made smaller"),
    Row(on="image", codes=BUGS, calls=MADE, sees="the link and the reason"),
)
"""What to do: https://open.feishu.cn/document/server-docs/im-v1/message/reply and the pages of the other calls."""

ORIGINALS = (
    # The upload of the original as a file.
    Row(on="file", codes=(*RATES, *APP), calls=["file", "file", "reply file"], sees="the file"),
    Row(on="file", codes=TOKENS, calls=["file", "token", "file", "reply file"], sees="the file"),
    Row(on="file", codes=(*PICTURE, *BUGS), calls=["file", "reply card"], sees="notice.original_refused.text"),
    # The file as a message.
    Row(on="reply", codes=(*RATES, *APP), calls=["file", "reply file", "reply file"], sees="the file"),
    Row(on="reply", codes=SOURCE_GONE, calls=["file", "reply file", "create file"], sees="the file"),
    Row(
        on="reply",
        codes=(*NOBODY, *BUGS, 99992354),
        calls=["file", "reply file", "reply card"],
        sees="notice.original_refused.text",
    ),
    # Feishu's own copy of the picture, when neither the data folder nor the link has it.
    Row(on="own_image", codes=(*RATES, *APP), calls=["own_image", "own_image", "file", "reply file"], sees="the file"),
    Row(on="own_image", codes=TOKENS, calls=["own_image", "token", "own_image", "file", "reply file"], sees="the file"),
    Row(on="own_image", codes=(*BUGS, 234003), calls=["own_image", "reply card"], sees="notice.original_gone.text"),
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


@pytest.mark.parametrize(
    ("row", "code"),
    [pytest.param(row, code, id=f"{row.name}-{row.kind}-{code}") for row in TABLE for code in row.codes],
)
def test_a_code_has_its_action(bot: BotUnderTest, row: Row, code: int) -> None:
    """A refusal leads to exactly the calls of its row, is paid for once or not at all, and shows what the row says."""
    user = bot.new_user(kind=row.kind)
    if row.first:
        bot.feishu.faults.arm(row.first, on="reply")
    bot.feishu.faults.arm(f"feishu_{code}", on=row.on)
    said = user.send()
    wait_for(lambda: len(user.calls) >= len(row.calls) and bot.idle)
    assert (names(user), seen(user, said)) == (row.calls, row.sees)
    assert len(user.posts(said)) == row.paid
    assert not bot.feishu.faults.armed
    sends = {(name(call), uuid_of(call)) for call in user.calls if uuid_of(call)}
    assert len(sends) == len({uuid for _, uuid in sends}) == len({step for step, _ in sends})


@pytest.mark.parametrize(
    ("row", "code"),
    [pytest.param(row, code, id=f"{row.on}-{code}") for row in ORIGINALS for code in row.codes],
)
def test_a_code_has_its_action_for_an_original(bot: BotUnderTest, folder: Path, row: Row, code: int) -> None:
    """A refusal on the way of an original leads to exactly the calls of its row, and the person sees what it says."""
    user = bot.new_user()
    user.wait_for_end(user.send())
    (card,) = user.answers
    if row.on == "own_image":
        for path in (folder / "originals").iterdir():
            path.unlink()
        bot.glm.arm("image_403", times=2)
    bot.feishu.faults.arm(f"feishu_{code}", on=row.on)
    bot.wait_until_idle()
    before = len(user.calls)
    (button,) = [one for one in card_actions(bot.feishu, card.message_id) if (one.value or {}).get("a") == "original"]
    bot.feishu.press(card.message_id, user.person, value=button.value)
    wait_for(lambda: len(user.calls) >= before + len(row.calls) and bot.idle)
    assert names(user)[before:] == row.calls
    sent = user.answers[-1]
    said = "the file" if sent.msg_type == "file" else CATALOGUE.text(row.sees, "zh")
    assert row.sees == said or said in all_strings(json.loads(sent.content))


def names(user: Conversation) -> list[str]:
    """The calls to Feishu in this conversation, messages with their kind."""
    return [name(call) for call in user.calls]


def name(call: ApiCall) -> str:
    """What a call is named in the table."""
    kind = re.search(r'"msg_type"\s*:\s*"(\w+)"', call.body)
    return f"{call.name} {'card' if kind[1] == 'interactive' else kind[1]}" if kind else call.name


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
