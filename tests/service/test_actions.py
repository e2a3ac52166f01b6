"""Every refusal of Feishu leads to its action: what is called again, what is paid, and what the person sees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bot.sandbox.feishu.codes import MESSAGES
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.world import ChatMessage
from tests.support.world import Talk, World, catalogue, colour, strings_in, text_in, uuid_of

SAID = catalogue()
SENT = ["reply card"]
MADE = [*SENT, "image", "patch"]
PLAINLY = ["reply image", "reply text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """When Feishu refuses the call ``on`` with one of ``codes``: the calls that are made, and what is seen."""

    on: str
    codes: tuple[int, ...]
    calls: list[str]
    sees: str
    paid: int = 1
    kind: str = "p2p"


RATES = (1500, 2200, 230020, 230049, 232096, 99991400)
TOKENS = (99991661, 99991663, 99991664, 99991665, 99991668, 99991671)
QUOTA = (99991403,)
SETTINGS = (230006, 230027, 99991401, 99991662, 99991672, 99991673)
NOBODY = (230002, 230013, 230018, 230035, 230038, 230050, 230054, 230055, 230075, 230111, 232009)
BUGS = (230001, 230017, 99992402)
SOURCE_GONE = (230110, 231003)
TAKEN_BACK = (230011,)
TOPIC_GONE = (230019, 230071, 230072)
WORDS = (230022, 230025, 230028)
PICTURE = (234001, 234006, 234010, 234011, 234039)
STORAGE = (234002, 234007, 234041, 234042)

TABLE = (
    # The first answer, which is the card that says "generating". Nothing is paid when it cannot be shown.
    Row(on="reply", codes=RATES, calls=["reply card", *MADE], sees="picture in the card"),
    Row(on="reply", codes=TOKENS, calls=["reply card", "token", *MADE], sees="picture in the card"),
    Row(
        on="reply", codes=SOURCE_GONE, calls=["reply card", "create card", "image", "patch"], sees="picture in the card"
    ),
    Row(on="reply", codes=TOPIC_GONE, calls=["reply card", *MADE], sees="picture in the card", kind="topic"),
    Row(on="reply", codes=WORDS, calls=["reply card", *MADE], sees="picture in the card, no prompt"),
    Row(on="reply", codes=(230099,), calls=["reply card", "image", *PLAINLY], sees="picture and text"),
    Row(
        on="reply",
        codes=(*QUOTA, *SETTINGS, *NOBODY, *BUGS, *TAKEN_BACK, 99992354),
        calls=SENT,
        sees="nothing",
        paid=0,
    ),
    # The result. A card that cannot be changed any more is followed by a new reply, to which it points.
    Row(on="patch", codes=RATES, calls=[*MADE, "patch"], sees="picture in the card"),
    Row(on="patch", codes=TOKENS, calls=[*MADE, "token", "patch"], sees="picture in the card"),
    Row(
        on="patch",
        codes=(230031, 230099, *SOURCE_GONE, *TAKEN_BACK, *TOPIC_GONE, *SETTINGS, *BUGS, 99992354),
        calls=[*MADE, *PLAINLY, "patch"],
        sees="picture and text, a card that points there",
    ),
    Row(on="patch", codes=WORDS, calls=[*MADE, *PLAINLY, "patch"], sees="picture and text, a card that points there"),
    Row(on="patch", codes=(*QUOTA, *NOBODY), calls=MADE, sees="a card that generates"),
    # The upload. A picture that is refused is made smaller once; else the card shows its link.
    Row(on="image", codes=RATES, calls=[*SENT, "image", "image", "patch"], sees="picture in the card"),
    Row(on="image", codes=TOKENS, calls=[*SENT, "image", "token", "image", "patch"], sees="picture in the card"),
    Row(on="image", codes=PICTURE, calls=[*SENT, "image", "image", "patch"], sees="picture in the card, made smaller"),
    Row(on="image", codes=(*QUOTA, *SETTINGS, *STORAGE, *BUGS), calls=MADE, sees="the link and the reason"),
)
"""What to do: facts/feishu.md 3.3 and https://open.feishu.cn/document/server-docs/im-v1/message/reply."""

NOT_MET_HERE = {
    *range(231001, 231022),  # reactions, which the bot does not use; but for 231003, which is in the table
    230026,  # taking back, which the bot does not do
    234003, 234005, 234043,  # fetching the original
    10003, 10014,  # the token's own refusals, below
    91402, 91403, *range(1_063_001, 1_255_041),  # those of a Base, in test_base_log.py
}  # fmt: skip


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One bot for all refusals; each meets a new person in a new chat."""
    with World(folder=tmp_path_factory.mktemp("bot")) as world:
        yield world
        assert world.feishu.pings == []


@pytest.fixture
def world(bot: World) -> Iterator[World]:
    """The bot, with no fault left armed by another test."""
    yield bot
    bot.feishu.faults.disarm()


@pytest.mark.parametrize(
    ("row", "code"),
    [pytest.param(row, code, id=f"{row.on}-{code}") for row in TABLE for code in row.codes],
)
def test_a_code_has_its_action(world: World, row: Row, code: int) -> None:
    """A refusal leads to exactly the calls of its row, is paid for once or not at all, and shows what the row says."""
    talk = world.somebody(kind=row.kind)
    world.feishu.faults.arm(f"feishu_{code}", on=row.on)
    said = talk.say()
    talk.wait(lambda: len(talk.calls) >= len(row.calls) and world.idle)
    assert (names(talk), seen(talk, said)) == (row.calls, row.sees)
    assert len(talk.posts(said)) == row.paid
    assert not world.feishu.faults.armed
    sends = {(name(call), uuid_of(call)) for call in talk.calls if uuid_of(call)}
    assert len(sends) == len({uuid for _, uuid in sends}) == len({step for step, _ in sends})


def test_the_table_holds_every_code() -> None:
    """No code of the platform's table is without an action here, but for those of calls that the bot does not make."""
    listed = {code for row in TABLE for code in row.codes}
    assert set(MESSAGES) - listed - NOT_MET_HERE == set()


def names(talk: Talk) -> list[str]:
    """The calls to Feishu in this conversation, messages with their kind."""
    return [name(call) for call in talk.calls]


def name(call: ApiCall) -> str:
    """What a call is named in the table."""
    kind = re.search(r'"msg_type"\s*:\s*"(\w+)"', call.body)
    return f"{call.name} {'card' if kind[1] == 'interactive' else kind[1]}" if kind else call.name


def seen(talk: Talk, said: ChatMessage) -> str:
    """What stands in the chat in the end, in the words of the table."""
    kinds = [one.msg_type for one in talk.answers]
    if "text" not in kinds:
        return card_seen(talk, said) if kinds else "nothing"
    assert kinds[-2:] == ["image", "text"]
    points = [one for one in talk.answers if one.msg_type == "interactive" and colour(one) == "grey"]
    return "picture and text, a card that points there" if points else "picture and text"


def card_seen(talk: Talk, said: ChatMessage) -> str:
    """What the one card in the chat shows."""
    (card,) = talk.answers
    words = list(strings_in(json.loads(card.content)))
    match colour(card):
        case "wathet":
            return "a card that generates"
        case "red":
            return "the link and the reason" if any("ufileos.com" in word for word in words) else "the reason"
    picture = "picture in the card" if set(words) & talk.world.feishu.uploads.keys() else "no picture"
    if not any(text_in(said) in word for word in words):
        return f"{picture}, no prompt"
    return f"{picture}, made smaller" if SAID.text("note.shrunk", "zh") in words else picture
