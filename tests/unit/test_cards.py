"""What the card of a request shows at each stage."""

from __future__ import annotations

from typing import Any

import pytest

from bot.chat.cards.command_cards import render_error, render_moved
from bot.chat.cards.elements import content
from bot.chat.cards.request_card import render_request
from bot.errors import UserError
from bot.models import Failure, RequestView, State
from bot.options import Options
from tests.unit.card_samples import (
    LINK,
    MARCH_NINTH,
    STAGES,
    cards,
    catalogue,
    elements,
    failed,
    lines,
    picture,
    pressable,
    request,
    tagged,
)

HEADERS = [
    ("queued", "blue", "排队中", "In the queue"),
    ("next", "blue", "排队中", "In the queue"),
    ("backing off", "blue", "排队中", "In the queue"),
    ("generating", "wathet", "正在生成", "Generating"),
    ("made", "wathet", "正在生成", "Generating"),
    ("ready", "green", "图片已生成", "Your image is ready"),
    ("warned", "orange", "图片已生成，有内容安全提示", "Image ready, with a content warning"),
    ("failed", "red", "这次没有成功", "This did not work"),
    ("cancelled", "grey", "已取消", "Cancelled"),
    ("first of four", "wathet", "正在生成，已完成 1/4 张", "Generating: 1 of 4 images ready"),
    ("mixed", "green", "4 张中已生成 1 张", "1 of 4 images are ready"),
]


@pytest.mark.parametrize(("name", "colour", "zh", "en"), HEADERS, ids=[row[0] for row in HEADERS])
def test_the_header_tells_the_stage(name: str, colour: str, zh: str, en: str) -> None:
    """Header and summary say where the request stands, in both languages and in the stage's colour."""
    card = render_request(cards(), STAGES[name])
    assert card["schema"] == "2.0"
    assert card["header"]["template"] == colour
    assert card["header"]["title"]["i18n_content"] == {"zh_cn": zh, "en_us": en}
    assert card["config"] == {
        "update_multi": True,
        "summary": {"content": zh, "i18n_content": {"zh_cn": zh, "en_us": en}},
    }


@pytest.mark.parametrize("name", STAGES)
def test_every_label_has_both_languages(name: str) -> None:
    """Every text but the prompt, the platform's message and the names of ratios has both languages."""
    card = render_request(cards(), STAGES[name])
    texts = [e for e in elements(card) if e["tag"] in ("plain_text", "markdown") and "i18n_content" not in e]
    ratios = {option["text"]["content"] for select in tagged(card, "select_static") for option in select["options"]}
    assert {text["content"] for text in texts} <= {STAGES[name].prompt, "1113 余额不足或无可用资源包,请充值。", *ratios}


WAITING: list[tuple[dict[str, Any], str, str]] = [
    ({}, "已排队", "Waiting in line"),
    ({"ahead": 3}, "前面还有 3 张", "3 ahead of you"),
    ({"ahead": 3, "wait_seconds": 130.0}, "前面还有 3 张 · 预计不到 3 分钟", "3 ahead of you · less than 3 min to go"),
    ({"ahead": 0, "wait_seconds": 59.0}, "下一张就轮到你 · 预计不到 1 分钟", "You are next · less than 1 min to go"),
    ({"ahead": 1, "wait_seconds": 60.0}, "前面还有 1 张 · 预计不到 3 分钟", "1 ahead of you · less than 3 min to go"),
    (
        {"ahead": 9, "wait_seconds": 599.0},
        "前面还有 9 张 · 预计不到 10 分钟",
        "9 ahead of you · less than 10 min to go",
    ),
    (
        {"ahead": 30, "wait_seconds": 600.0},
        "前面还有 30 张 · 预计超过 10 分钟",
        "30 ahead of you · more than 10 min to go",
    ),
    (
        {"ahead": 0, "backing_off": True},
        "平台现在繁忙，稍后自动再试，最多等 15 分钟",
        "The platform is busy; the bot keeps trying for up to 15 minutes",
    ),
]


@pytest.mark.parametrize(("place", "zh", "en"), WAITING)
def test_who_waits_is_told_the_place(place: dict[str, Any], zh: str, en: str) -> None:
    """The place in the line and the estimate stand first, and nothing of a result is there yet."""
    card = render_request(cards(), request(picture(State.WAITING), price=0.1, **place))
    assert lines(card)[0] == zh
    assert lines(card, "en_us")[0] == en
    assert "费用" not in content(card)
    assert pressable(card) == {"取消": {"a": "cancel", "r": "req_1"}}


def test_a_generating_card_tells_the_usual_time() -> None:
    """While it is being made the card says how long the model usually takes, and can be cancelled."""
    for model, seconds in (("glm-image", "20–50"), ("cogview-4", "5–20")):
        card = render_request(cards(), request(picture(State.GENERATING), options=Options(model=model)))
        assert lines(card)[0] == f"正在生成，通常需要 {seconds} 秒"
        assert list(pressable(card)) == ["取消"]


def test_a_result_shows_everything() -> None:
    """A result shows image, prompt, parameters, reminder and what can be done next."""
    card = render_request(
        cards(), request(picture(State.DONE), price=0.1, options=Options(size="1728x960", style="INK"))
    )
    assert tagged(card, "img") == [
        {
            "tag": "img",
            "img_key": "img_v3_1",
            "alt": {
                "tag": "plain_text",
                "content": "生成的图片",
                "i18n_content": {"zh_cn": "生成的图片", "en_us": "The generated image"},
            },
            "scale_type": "fit_horizontal",
            "preview": True,
        }
    ]
    assert lines(card) == [
        "一只橘猫，坐在窗台上，水彩",
        "模型 glm-image · 尺寸 1728x960（≈16:9） · 质量 hd · 风格 水墨 · 有水印 · 用时 21 秒 · 费用 ¥0.10",
        "图片链接有效期 30 天，请及时下载保存",
    ]
    assert pressable(card) == {
        "再来一次": {"a": "again", "r": "req_1"},
        "换比例": {"a": "ratio", "r": "req_1"},
        "改提示词": {"a": "edit", "r": "req_1"},
        "发原图文件": {"a": "original", "g": "gen_1"},
        "打开原图": LINK,
    }
    options = tagged(card, "select_static")[0]["options"]
    assert [option["value"] for option in options] == ["16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16"]


def test_without_card_actions_the_link_remains() -> None:
    """Where the app receives no card actions only the link can be pressed, and nothing while waiting."""
    assert pressable(render_request(cards(buttons=False), STAGES["ready"])) == {"打开原图": LINK}
    assert pressable(render_request(cards(buttons=False), STAGES["queued"])) == {}


@pytest.mark.parametrize(
    "url",
    [
        None,
        "http://example.com/1.png",
        "https:///1.png",
        "https://[::1",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://exämple.com/",
        "javascript:alert(1)",
        "https://example.com/" + "a" * 1000,
    ],
)
def test_only_a_sound_https_link_is_shown(url: str | None) -> None:
    """No other address than a sound https one becomes a button, and without a link there is no reminder."""
    card = render_request(cards(buttons=False), request(picture(State.DONE, url=url)))
    assert pressable(card) == {}
    assert "30 天" not in content(card)


@pytest.mark.parametrize(
    ("ends", "zh"),
    [
        ([None], "图片链接有效期 30 天，请及时下载保存"),
        ([MARCH_NINTH], "图片链接将于 2026-03-09 04:00 失效（平台标注有效期 30 天），请及时下载保存"),
        (
            [None, MARCH_NINTH + 86400, MARCH_NINTH],
            "图片链接将于 2026-03-09 04:00 失效（平台标注有效期 30 天），请及时下载保存",
        ),
    ],
)
def test_the_reminder_tells_the_first_end_in_the_teams_time(ends: list[float | None], zh: str) -> None:
    """An unsigned link is good for 30 days; of signed ones the first end counts, and it is said once."""
    pictures = [picture(State.DONE, number, link_ends_at=end) for number, end in enumerate(ends, 1)]
    said = lines(render_request(cards(), request(*pictures)))
    assert [line for line in said if "30 天" in line] == [zh]


def test_the_content_filter_is_told_with_place_and_level() -> None:
    """Each finding beside a picture is a warning with where and how bad it was."""
    said = lines(render_request(cards(), STAGES["warned"]))
    assert said[:2] == [
        "⚠ 内容安全提示：生成的图片，级别 2（0 最严重，3 最轻），请留意。",
        "⚠ 内容安全提示：提示词，级别 3（0 最严重，3 最轻），请留意。",
    ]


NOTES = [
    (request(picture(State.GENERATING), options=Options(quality="standard")), "note.standard"),
    (request(picture(State.DONE, repeated=True)), "note.repeated"),
    (request(picture(State.GENERATING, repeated=True)), "note.repeated"),
    (request(picture(State.DONE, shrunk=True)), "note.shrunk"),
    (request(picture(State.DONE), prompt="好看的图片"), "advice.vague"),
    (request(picture(State.DONE), prompt="猫" * 1001), "advice.long"),
]


@pytest.mark.parametrize(("card", "key"), NOTES, ids=[key for _, key in NOTES])
def test_notes_stand_small(card: RequestView, key: str) -> None:
    """What a person should know stands small and grey under the parameters."""
    note = catalogue().text(key, "zh")
    small = [
        d["text"] for d in tagged(render_request(cards(), card), "div") if d["text"].get("text_size") == "notation"
    ]
    assert [text["text_color"] for text in small if text["content"] == note] == ["grey"]


def test_standard_is_no_news_with_cogview() -> None:
    """Only glm-image documents hd alone, so only there is standard worth a note."""
    card = render_request(cards(), request(picture(State.DONE), options=Options(model="cogview-4", quality="standard")))
    assert catalogue().text("note.standard", "zh") not in lines(card)


@pytest.mark.parametrize(("price", "said"), [(0.1, "费用 ¥0.10"), (0.0, "免费"), (None, None)])
def test_the_price_is_told(price: float | None, said: str | None) -> None:
    """The price of the whole request is in yuan, free is said in words, and an unknown one is left out."""
    parameters = lines(render_request(cards(), request(picture(State.DONE), price=price)))[1]
    assert parameters.endswith(said or "用时 21 秒")


def test_four_pictures_come_one_by_one() -> None:
    """Pictures that are there are shown with their number; of the others the card says where they stand."""
    card = render_request(cards(), STAGES["first of four"])
    assert len(tagged(card, "img")) == 1
    assert lines(card)[:4] == [
        "第 1 张 · 用时 21 秒",
        "第 2 张：正在生成，通常需要 20–50 秒",
        "第 3 张：已排队",
        "第 4 张：已排队",
    ]
    assert "共 4 张，每张单独生成、单独计费。" in lines(card)
    assert list(pressable(card)) == ["发原图文件", "打开原图", "取消"]


def test_failed_images_are_named_beside_those_that_came() -> None:
    """Of four images each failure and cancellation is told with its number, and what came stays."""
    card = render_request(cards(), STAGES["mixed"])
    said = lines(card)
    assert said[1:4] == [
        "第 4 张：已取消",
        "第 2 张：平台没有在时限内返回结果。",
        catalogue().text("failure.timeout.advice", "zh"),
    ]
    assert said[4] == "第 3 张：图片已生成，但没有下载成功。"
    assert pressable(card)["打开第 3 张原图"] == LINK
    assert pressable(card)["再来一次"] == {"a": "again", "r": "req_1"}


def test_equal_failures_are_told_once() -> None:
    """Four images that fail for one reason are one sentence, with all their numbers."""
    card = render_request(cards(), request(*(failed("failure.balance", number) for number in range(1, 5))))
    assert lines(card)[0] == "第 1、2、3、4 张：智谱账号余额不足。"
    assert lines(card, "en_us")[0] == "Images 1, 2, 3, 4: The ZhiPu account has no balance left."
    assert sum("余额不足" in line for line in lines(card)) == 1


def test_the_moved_card_is_one_line() -> None:
    """A card that could no longer be updated becomes one line that points to the new reply."""
    card = render_moved(cards())
    assert lines(card) == ["这张卡片无法再更新，结果在下面的新回复里。"]
    assert pressable(card) == {}


def test_a_misread_message_is_explained() -> None:
    """The sentence of the fault stands with its values, and that nothing was charged."""
    values = {"model": "glm-image", "size": "<at id=all></at>", "allowed": "1280x1280"}
    said = lines(render_error(cards(), UserError(sentence="failure.size", values=values)))
    assert said == ["glm-image 不支持尺寸 <at id=all></at>。可用：1280x1280。", "没有生成图片，也没有产生费用。"]
    assert not tagged(render_error(cards(), UserError(sentence="failure.size", values=values)), "markdown")


def test_an_unknown_style_is_answered_with_one_name_a_style() -> None:
    """The styles are listed by the name of the language that is read, without their aliases."""
    card = render_error(
        cards(), UserError(sentence="misread.style", values={"value": "巴洛克", "allowed": "墨, ink, 水墨"})
    )
    assert "可以写：赛博朋克、水墨、油画、3D渲染、水彩、" in lines(card)[0]
    assert "cyberpunk, ink, oil, 3d, watercolor, " in lines(card, "en_us")[0]


def test_an_unknown_fault_still_gets_an_answer() -> None:
    """A sentence that the catalogue does not have is answered with the way to the help."""
    said = lines(render_error(cards(), UserError(sentence="misread.of_another_version", values={"word": "x"})))
    assert "/help" in said[0]


def test_a_failure_without_a_reason_is_an_internal_one() -> None:
    """A failed generation always says something."""
    said = lines(render_request(cards(), request(picture(State.FAILED))))
    assert said[0] == catalogue().text("failure.internal", "zh")
    assert (
        lines(render_request(cards(), request(picture(State.FAILED, failure=Failure(code="", sentence="?")))))[0]
        == said[0]
    )
