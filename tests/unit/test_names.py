"""Names of mentioned people: text to the parser, whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given

from bot.chat.parsing.events import MAX_NAMES, MentionMask, unmask, unmask_parsed
from bot.chat.parsing.parser import parse
from bot.errors import UserError
from bot.models import ImagePrompt, Message, ParsedMessage
from bot.options import PartialOptions
from tests.unit.event_bodies import AT_BOT, body_of, heard, mention
from tests.unit.test_parser_properties import anything

HOSTILE = [
    "张三 /n 4",
    "/cancel",
    "/sise",
    "取消",
    "--size 16:9",
    '"',
    "“",
    "」/n 4「",
    "画 图",
    "，",
    "\ufdd0가",
    "https://a/",
]


def understood(text: str, *names: str, message_type: str = "text") -> ParsedMessage:
    """What a message asks for in which the second mention and those after it are of people with these names."""
    mentions = [AT_BOT, *(mention(number, name, f"ou_{number}") for number, name in enumerate(names, 2))]
    content: object = {"text": text}
    if message_type == "post":
        content = {"content": [[{"tag": "text", "text": text}, {"tag": "at", "user_id": "", "user_name": names[0]}]]}
    message = heard(body_of(content, message_type=message_type, mentions=mentions))
    assert isinstance(message, Message)
    return unmask_parsed(parse(message.text), message.names)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_drawn_and_asks_for_nothing(name: str) -> None:
    """Options, commands and quotation marks in a name are letters of it, in a text and in a rich text."""
    assert understood("@_user_1 画 @_user_2 的头像 /n 2", name) == ImagePrompt(
        prompt=f"{name} 的头像", options=PartialOptions(count=2)
    )
    assert understood("画 一只猫 /n 2 送给", name, message_type="post") == ImagePrompt(
        prompt=f"一只猫 送给{name}", options=PartialOptions(count=2)
    )
    assert understood("@_user_2 的头像", name) == ImagePrompt(prompt=f"{name} 的头像")
    assert understood("画 @_user_2", name) == ImagePrompt(prompt=name)


@pytest.mark.parametrize(
    ("text", "names", "meaning"),
    [
        (
            '画 "@_user_2 /n 4" /n 2',
            ['a" /n 3 "b'],
            ImagePrompt(prompt='"a" /n 3 "b /n 4"', options=PartialOptions(count=2)),
        ),
        ("画 “@_user_2” /n 2", ["” /n 3 “"], ImagePrompt(prompt="“” /n 3 “”", options=PartialOptions(count=2))),
        ("@_user_2/size 16:9", ["Tom"], ImagePrompt(prompt="Tom", options=PartialOptions(size="16:9"))),
        ("猫 /n 4@_user_2", ["张三"], ImagePrompt(prompt="猫 张三", options=PartialOptions(count=4))),
        ("猫 /style @_user_2", ["水彩 /n 4"], ImagePrompt(prompt="猫", options=PartialOptions(style="水彩 /n 4"))),
        ("@_user_2 和 @_user_3，@_user_2", ["甲", "乙"], ImagePrompt(prompt="甲 和 乙，甲")),
        ("猫 /n @_user_2", ["/help"], UserError(sentence="misread.count", values={"value": "/help", "most": "4"})),
        ("画 \ufdd0가\ufdd0 猫", ["甲"], ImagePrompt(prompt="가 猫")),
    ],
)
def test_a_name_beside_what_was_typed(text: str, names: list[str], meaning: ParsedMessage) -> None:
    """Round a name everything means what it means round a word, and quotation marks in it end no quotation."""
    assert understood(text, *names) == meaning


@given(anything, anything, anything)
def test_no_name_changes_what_is_asked(before: str, after: str, name: str) -> None:
    """Whatever is typed and whatever the name, the same is asked as with any other name in its place."""
    asked = [understood(f"{before}@_user_2 {after}", one) for one in (f"甲{name}", "甲乙")]
    assert isinstance(asked[0], type(asked[1]))
    if isinstance(asked[0], ImagePrompt) and isinstance(asked[1], ImagePrompt):
        assert asked[0].options.given.get("count") == asked[1].options.given.get("count")


def test_no_message_holds_more_names_than_can_be_told_apart() -> None:
    """Beyond a thousand names the others are left out, and each that is there stands in its place."""
    names = MentionMask()
    people = [f"某{number}" for number in range(MAX_NAMES + 5)]
    text = "".join(names.mask(person) for person in [*people, people[0]])
    assert unmask(text, names.names) == "".join([*people[:MAX_NAMES], people[0]])
