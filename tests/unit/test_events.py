"""What each event means: whose message it is for, what it says, and which events are ignored."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from bot.chat.parsing.events import parse_event, unmask, unmask_parsed
from bot.chat.parsing.parser import parse
from bot.errors import UserError
from bot.models import CardAction, Event, Ignored, ImagePrompt, Message, ParsedMessage
from tests.unit.test_parser import anything

BOT, SENDER = "ou_bot", "ou_sender"
MESSAGE = "im.message.receive_v1"


def parsed(body: Any, event_type: str = MESSAGE, *, bot_open_id: str | None = BOT) -> object:
    event = Event(event_id="e1", event_type=event_type, created_at=1700000000.0, body=body)
    return parse_event(event, bot_open_id=bot_open_id)


def mention(number: int, name: str, open_id: str) -> dict[str, Any]:
    """An entry of a message's mentions."""
    return {"key": f"@_user_{number}", "id": {"open_id": open_id}, "name": name, "mentioned_type": "user"}


AT_BOT = mention(1, "画图", BOT)


def body_of(content: object, *, message_type: str = "text", chat_type: str = "p2p", **message: Any) -> dict[str, Any]:
    """The ``event`` object of a message; ``content`` is turned into JSON unless it is a text."""
    encoded = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    known = {"message_id": "om_1", "chat_id": "oc_1", "chat_type": chat_type, "message_type": message_type}
    return {
        "sender": {"sender_id": {"open_id": SENDER}, "sender_type": "user"},
        "message": {**known, "create_time": "1609073151345", "content": encoded, **message},
    }


def message_of(content: object, **message: Any) -> Message:
    found = parsed(body_of(content, **message))
    assert isinstance(found, Message)
    return found


def text_of(content: object, **message: Any) -> str:
    """Its text, with the names of people."""
    found = message_of(content, **message)
    return unmask(found.text, found.names)


def group(mentions: Any = (AT_BOT,), **more: Any) -> dict[str, Any]:
    return {"chat_type": "group", "mentions": mentions if mentions is None else list(mentions), **more}


def test_direct_text_is_a_message() -> None:
    known = {"message_id": "om_1", "event_id": "e1", "chat_id": "oc_1", "sender": SENDER}
    expected = Message(**known, chat_type="p2p", thread_id=None, text="一只猫 /size 1:1")  # type: ignore[arg-type]
    assert parsed(body_of({"text": "一只猫 /size 1:1"})) == expected
    assert message_of({"text": "猫"}, root_id="om_0", thread_id="omt_1").thread_id == "omt_1"


NOT_MENTIONED: list[tuple[str, list[dict[str, Any]] | None]] = [
    ("@画图 一只猫", None),
    ("@_all 大家好", [{"key": "@_all", "id": {"open_id": ""}, "name": "所有人"}]),
    ("@_user_1 一只猫", [mention(1, "画图", "ou_other_bot")]),
    ("@_user_1 一只猫", [{"key": "@_user_1", "id": None, "name": "画图"}]),
]


def test_group_message_without_own_mention_is_ignored() -> None:
    """Only a mention by the bot's own open_id counts; until that is known a direct message has its mentions' names."""
    for text, mentions in NOT_MENTIONED:
        assert parsed(body_of({"text": text}, **group(mentions))) == Ignored("the bot is not mentioned")
    for open_id in (BOT, ""):
        body = body_of({"text": "@_user_1 猫"}, **group([mention(1, "画图", open_id)]))
        assert isinstance(parsed(body, bot_open_id=None), Ignored)
    direct = parsed(body_of({"text": "@_user_1 猫"}, mentions=[AT_BOT]), bot_open_id=None)
    assert isinstance(direct, Message)
    assert unmask(direct.text, direct.names) == "画图 猫"


def test_messages_of_bots_and_ids_that_no_index_takes_are_ignored() -> None:
    """An id longer than any of the platform's is none, so that nothing is looked up or stored by it."""
    own = {"sender_type": "user", "sender_id": {"open_id": BOT}}
    for sender in ({"sender_type": "bot"}, {"sender_type": "app"}, {"sender_type": None}, own):
        assert isinstance(parsed({**body_of({"text": "猫"}), "sender": sender}), Ignored)
    for length, kind in {256: Message, 257: Ignored, 120_000: Ignored}.items():
        assert isinstance(parsed(body_of({"text": "猫"}, message_id="o" * length)), kind)


def test_attachment_has_no_text() -> None:
    for message_type in ("image", "file", "audio", "media", "sticker", "share_chat", "location"):
        direct = message_of("not even JSON", message_type=message_type)
        assert (direct.attachment, direct.text) == (True, "")
    post = {"content": [[{"tag": "at", "user_id": "@_user_1"}], [{"tag": "img", "image_key": "img_1"}]]}
    mentioned = message_of(post, message_type="post", **group())
    assert (mentioned.attachment, mentioned.text) == (True, "")


def action(**fields: Any) -> object:
    context = {"open_message_id": "om_1", "open_chat_id": "oc_1"}
    return parsed({"operator": {"open_id": SENDER}, "context": context, "action": fields}, "card.action.trigger")


SUBMIT, FILLED = {"a": "submit", "r": "r1"}, {"prompt": "猫"}
ACTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"value": {"a": "again", "r": "r1"}, "tag": "button"}, {"value": {"a": "again", "r": "r1"}}),
    ({"value": '{"a": "again"}'}, {"value": {"a": "again"}}),
    ({"value": {"a": "ratio"}, "option": "16:9"}, {"value": {"a": "ratio"}, "choice": "16:9"}),
    ({"value": {"a": "edit"}, "form_value": {"prompt": "猫", "n": 2}}, {"value": {"a": "edit"}, "form": FILLED}),
    ({"name": "submit", "form_value": FILLED}, {"form": FILLED}),
    # The name of a form's button says the same as its value, which may be missing or a string.
    ({"name": "submit_r1", "value": "x", "form_value": FILLED}, {"value": SUBMIT, "form": FILLED}),
    ({"name": "submit_r1_0a1b2c3d", "form_value": FILLED}, {"value": SUBMIT, "form": FILLED}),
    ({"name": "submit_r1", "form_value": '{"prompt": "猫"}'}, {"value": SUBMIT, "form": FILLED}),
]


def test_card_action_carries_its_value() -> None:
    ids = {"event_id": "e1", "presser": SENDER, "message_id": "om_1", "chat_id": "oc_1"}
    for fields, carried in ACTIONS:
        assert action(**fields) == CardAction(**{**ids, "value": {}, "choice": None, "form": {}, **carried})
    for value in ("", "x", "[]", "[" * 100_000, 5, ["a"], True):
        assert action(value=value) == Ignored("no usable action.value")


MENTIONS: list[tuple[str, list[dict[str, Any]], str]] = [
    ("@_user_1 一只猫", [], "一只猫"),
    ("@_user_1一只猫", [], "一只猫"),
    ("cat@_user_1 dog", [], "cat dog"),
    ("画 @_user_2 的头像 @_user_1", [mention(2, "张三", "ou_2")], "画 张三 的头像"),
    ("@_user_1 画 @_user_10", [mention(10, "李四", "ou_10")], "画 李四"),
    ("@_user_1 @_user_12 的猫", [], "@_user_12 的猫"),
    ("@_user_1 名片：tom@example.com", [], "名片：tom@example.com"),
    ("@_all @_user_1 猫", [{"key": "@_all", "id": {"open_id": ""}, "name": "所有人"}], "猫"),
    ("@_user_1 参考 [首页](https://example.com/size) 的配色", [], "参考 首页 的配色"),
    ("@_user_1 [tom@example.com](mailto:tom@example.com)", [], "tom@example.com"),
    ("@_user_1 a\0b\ud800", [], "ab\ufffd"),
    ("画 @_user_2 @_user_1", [mention(2, "Ada \ud83d", "ou_2")], "画 Ada \ufffd"),
    ("@_user_1", [], ""),
    # A mere mention of somebody else, and the platform's text of a merged forward, are nothing to draw.
    ("@_user_1 @_user_2！", [mention(2, "张三", "ou_2")], ""),
    ("@_user_1 @_user_2\u2060", [mention(2, "张三", "ou_2")], ""),
    ("@_user_1 merged and forwarded message", [], ""),
]


def test_mentions_become_names() -> None:
    for text, mentions, said in MENTIONS:
        assert text_of({"text": text}, **group([AT_BOT, *mentions])) == said, text


AT = {"tag": "at", "user_id": "@_user_1", "user_name": "画图"}
PARAGRAPHS: list[list[dict[str, Any]]] = [
    [AT, {"tag": "text", "text": " 一只猫，", "style": ["bold"]}, {"tag": "a", "href": "//x", "text": "参考"}],
    [{"tag": "img", "image_key": "img_1", "width": 300, "height": 300}],
    [{"tag": "text", "text": "/size 16:9"}, {"tag": "emotion", "emoji_type": "SMILE"}],
]
POST = {"title": "", "content": PARAGRAPHS}
WRAPPED: list[dict[str, Any]] = [
    *(POST, {"zh_cn": POST}, {"ja_jp": POST}, {"en_us": POST, "x": 1}, {"post": {"zh_cn": POST}}, {"post": POST}),
    *({"post": {"en_us": {}, "zh_cn": POST}}, {"title": "", "content_v2": PARAGRAPHS}, {**POST, "content_v2": [[]]}),
    {**POST, "content": [[]], "content_v2": PARAGRAPHS},
]
ELEMENTS: list[tuple[list[Any], str]] = [
    ([{"tag": "md", "text": "**一只猫**"}], "**一只猫**"),
    ([{"tag": "code_block", "language": "text", "text": "line 1\nline 2"}], "line 1\nline 2"),
    ([{"tag": "at", "user_id": "@_user_2", "user_name": "Tom"}, {"tag": "text", "text": "的猫"}], "张三的猫"),
    *(([{"tag": "at", "user_id": who}, {"tag": "text", "text": "猫"}], "猫") for who in ("@_all", "all", BOT)),
    ([{"tag": "a", "href": "https://example.com"}], "https://example.com"),
    ([{"tag": "new", "text": "猫"}, {"tag": "hr"}, "?", {"tag": "text", "text": 5}], "猫"),
    ([{"tag": "md", "text": '<at user_id="ou_2"></at>的猫 ![](img_v3_1)'}], "张三的猫"),
    ([{"tag": "md", "text": "<at user_id=@_user_2>Tom</at> 的[猫](https://example.com)"}], "张三 的猫"),
    ([{"tag": "md", "text": '<at user_id="ou_9">Tom</at>和<at user_id="all"/>猫'}], "Tom和猫"),
]


def test_rich_text_is_read_with_and_without_its_wrapper() -> None:
    """Whether or not a locale is around it, each element in its way; it may mention the bot by its open_id alone."""
    for content in WRAPPED:
        message = message_of(content, message_type="post", **group())
        assert (message.text, message.attachment) == ("一只猫，参考\n/size 16:9", True), content
    for elements, said in ELEMENTS:
        post = {"title": "标题", "content": [elements]}
        found = text_of(post, message_type="post", mentions=[mention(2, "张三", "ou_2")])
        assert found == f"标题\n{said}", elements
    own = {"content": [[{"tag": "at", "user_id": BOT, "user_name": "画图"}, {"tag": "text", "text": " 一只猫"}]]}
    assert text_of(own, message_type="post", **group([])) == "一只猫"


SECOND: list[tuple[Any, str, str]] = [
    ([[AT, {"tag": "text", "text": " 一只猫"}]], "一只**猫**", "一只猫"),
    ([[AT, {"tag": "text", "text": " 一只猫"}]], "![一张旧图](img_v3_12345)", "一只猫"),
    (None, '<at user_id="ou_bot">画图</at> 一只猫 /n 2', "一只猫 /n 2"),
    ("", "<at user_id='@_user_1'></at>一只猫", "一只猫"),
]


def test_second_content_counts_if_it_says_more() -> None:
    for content, text, said in SECOND:
        second = [[{"tag": "md", "text": text}]]
        inside = {"title": "", "content": content, "content_v2": second}
        assert text_of(inside, message_type="post", **group()) == said
        for form in (second, json.dumps({"content": second})):
            assert text_of({"content": content}, message_type="post", **group(content_v2=form)) == said


def test_content_of_another_form_is_ignored() -> None:
    """Deep nesting and huge numbers included; an empty string is no text, even if its mentions name the bot."""
    for content in ("{", "[]", "null", '{"text": 5}', "[" * 100_000, '{"text": ' + "9" * 5_000 + "}"):
        assert parsed(body_of(content)) == Ignored("no usable message.content")
    for message_type in ("text", "post"):
        message = message_of("", message_type=message_type, **group([AT_BOT, mention(2, "张三", "ou_2")]))
        assert (message.text, message.attachment) == ("", False)


def understood(text: str, *names: str, message_type: str = "text") -> ParsedMessage:
    mentions = [AT_BOT, *(mention(number, name, f"ou_{number}") for number, name in enumerate(names, 2))]
    content: object = {"text": text}
    if message_type == "post":
        content = {"content": [[{"tag": "text", "text": text}, {"tag": "at", "user_id": "", "user_name": names[0]}]]}
    message = message_of(content, message_type=message_type, mentions=mentions)
    return unmask_parsed(parse(message.text), message.names)


NAMES = ["张三 /n 4", "/cancel", "/sise", "取消", "--size 16:9", '"', "“", "」/n 4「", "画 图", "，", "\ufdd0가"]


def test_name_is_drawn_and_is_no_option() -> None:
    two = {"count": 2}
    for name in NAMES:
        assert understood("@_user_1 画 @_user_2 的头像 /n 2", name) == ImagePrompt(prompt=f"{name} 的头像", options=two)
        in_post = understood("画 一只猫 /n 2 送给", name, message_type="post")
        assert in_post == ImagePrompt(prompt=f"一只猫 送给{name}", options=two)
        assert understood("画 @_user_2", name) == ImagePrompt(prompt=name)


BESIDE_NAMES: list[tuple[str, list[str], str, dict[str, Any]]] = [
    ('画 "@_user_2 /n 4" /n 2', ['a" /n 3 "b'], '"a" /n 3 "b /n 4"', {"count": 2}),
    ("画 “@_user_2” /n 2", ["” /n 3 “"], "“” /n 3 “”", {"count": 2}),
    ("@_user_2/size 16:9", ["Tom"], "Tom", {"size": "16:9"}),
    ("猫 /style @_user_2", ["水彩 /n 4"], "猫", {"style": "水彩 /n 4"}),
    ("@_user_2 和 @_user_3，@_user_2", ["甲", "乙"], "甲 和 乙，甲", {}),
    ("画 \ufdd0가\ufdd0 猫", ["甲"], "가 猫", {}),
]


def test_text_beside_a_name_keeps_its_meaning() -> None:
    for text, names, prompt, options in BESIDE_NAMES:
        assert understood(text, *names) == ImagePrompt(prompt=prompt, options=options)
    wrong = UserError(sentence="misread.count", values={"value": "/help", "most": "4"})
    assert understood("猫 /n @_user_2", "/help") == wrong


@given(anything, anything, anything)
def test_no_name_changes_the_meaning(before: str, after: str, name: str) -> None:
    first, second = (understood(f"{before}@_user_2 {after}", one) for one in (f"甲{name}", "甲乙"))
    assert isinstance(first, type(second))
    if isinstance(first, ImagePrompt) and isinstance(second, ImagePrompt):
        assert first.options.get("count") == second.options.get("count")
