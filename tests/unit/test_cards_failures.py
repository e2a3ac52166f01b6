"""What a failed card says: our sentence, the platform's own words small, then what to do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.chat.cards.request_card import render_request
from bot.models import ContentFinding, State
from tests.unit.card_samples import LINK, cards, catalogue, failed, lines, picture, pressable, request, tagged
from tests.unit.test_catalogue import FAILURES

VALUES = {
    "status": "403",
    "until": "1795363200",
    "size": "512x512",
    "model": "glm-image",
    "allowed": "1280x1280, 1568x1056",
}
PLATFORM = "1234 网络错误 <at id=all></at>"


@pytest.mark.parametrize("key", FAILURES)
def test_each_failure_is_told_in_three_parts(key: str) -> None:
    """Sentence, platform and advice stand in this order, in both languages."""
    card = render_request(cards(), request(failed(key, url=LINK, values=VALUES, platform=PLATFORM, roles=("user",))))
    for language, locale in (("zh", "zh_cn"), ("en", "en_us")):
        where = catalogue().text("role.user", language)  # type: ignore[arg-type]
        values = {**VALUES, "where": where, "until": "2026-11-23 00:00"}
        sentence, advice = (catalogue().text(one, language, **values) for one in (key, f"{key}.advice"))  # type: ignore[arg-type]
        assert lines(card, locale)[:3] == [sentence, PLATFORM, advice]


def test_the_platforms_words_are_small_and_plain() -> None:
    """The platform's own code and message are grey plain text, the same for every reader, and bounded."""
    card = render_request(cards(), request(failed("failure.server", platform=PLATFORM + "x" * 500)))
    text = tagged(card, "div")[1]["text"]
    assert (text["tag"], text["text_size"], text["text_color"]) == ("plain_text", "notation", "grey")
    assert text["content"].startswith(PLATFORM)
    assert len(text["content"]) == 160


@pytest.mark.parametrize(
    ("sentence", "values", "zh"),
    [
        ("failure.quota", {}, "平台额度已用完。"),
        ("failure.quota_plain", {}, "平台额度已用完。"),
        ("failure.quota", {"until": "2026-11-23 00:00:00"}, "平台额度已用完。"),
        ("failure.quota", {"until": "inf"}, "平台额度已用完。"),
        ("failure.quota", {"until": "253402300800"}, "平台额度已用完。"),
        ("failure.size", {"model": "glm-image"}, "模型不支持这个尺寸。"),
        ("failure.content", {}, "没有通过内容安全检查。"),
    ],
)
def test_a_missing_value_leaves_a_plainer_sentence(sentence: str, values: dict[str, str], zh: str) -> None:
    """Where a value is not known the sentence does without it, and its advice stays."""
    said = lines(render_request(cards(), request(failed(sentence, values=values))))
    assert said[0] == zh
    assert said[1] == catalogue().text(f"{sentence.removesuffix('_plain')}.advice", "zh")


@pytest.mark.parametrize(
    ("roles", "zh", "en"),
    [
        (("user",), "提示词", "the prompt"),
        (("assistant", "user"), "生成的图片和提示词", "the image and the prompt"),
        (("user", "assistant", "history"), "提示词、生成的图片和上文", "the prompt, the image and earlier messages"),
        (("history", "history"), "上文", "earlier messages"),
        (("somebody", "user"), "提示词", "the prompt"),
    ],
)
def test_the_content_filter_names_the_place(roles: tuple[str, ...], zh: str, en: str) -> None:
    """A refusal says whether the prompt or the picture was at fault, each once."""
    card = render_request(cards(), request(failed("failure.content", roles=roles)))
    assert lines(card)[0] == f"没有通过内容安全检查，问题出在：{zh}。"
    assert lines(card, "en_us")[0] == f"The content check did not pass; it objected to {en}."


@pytest.mark.parametrize("roles", [("unknown",), ("somebody", "unknown")])
def test_a_finding_without_a_known_place_names_none(roles: tuple[str, ...]) -> None:
    """Where the filter does not say what it objected to, neither a refusal nor a warning makes up a place."""
    card = render_request(cards(), request(failed("failure.content", roles=roles)))
    assert lines(card, "en_us")[:2] == [
        catalogue().text(f"failure.content{end}", "en") for end in ("_plain", ".advice")
    ]
    findings = tuple(ContentFinding(role=role, level=2) for role in roles)
    warned = render_request(cards(), request(picture(State.DONE, findings=findings)))
    warning = catalogue().text("warning.content_plain", "en", level=2)
    assert lines(warned, "en_us")[: len(roles)] == [warning] * len(roles)


@pytest.mark.parametrize("key", [key for key in FAILURES if f"{key}.advice_plain" in catalogue()])
@pytest.mark.parametrize(("url", "form"), [(LINK, "advice"), (None, "advice_plain"), ("file:///a", "advice_plain")])
def test_the_advice_speaks_of_a_link_only_where_there_is_one(key: str, url: str | None, form: str) -> None:
    """A card without a link says what else can be done, and so does one whose link it cannot lead to."""
    said = lines(render_request(cards(), request(failed(key, url=url))), "en_us")
    assert said[1] == catalogue().text(f"{key}.{form}", "en")
    assert ("link" in said[1]) == (url == LINK)


def test_images_with_and_without_a_link_are_told_apart() -> None:
    """Of two images that failed alike, the one with a link is told to be saved, the other not."""
    card = request(
        failed("failure.download", 1, url=LINK), failed("failure.download", 2), failed("failure.download", 3)
    )
    said = lines(render_request(cards(), card))
    assert said[0] == "第 1 张：图片已生成，但没有下载成功。"
    assert said[2] == "第 2、3 张：图片已生成，但没有下载成功。"
    assert said[1] != said[3]


def test_images_that_failed_alike_show_their_request_ids_once() -> None:
    """The ids of several calls stand in one small line below their common reason."""
    first, second = (failed("failure.server", number) for number in (1, 2))
    card = request(replace(first, platform_request_id="2026a"), replace(second, platform_request_id="2026b"))
    said = lines(render_request(cards(), card))
    assert said[1] == "平台请求编号：2026a, 2026b"


@pytest.mark.parametrize("sentence", ["failure.download", "failure.upload", "failure.upload_barred", "failure.stalled"])
def test_an_image_that_was_paid_for_is_retried_for_free(sentence: str) -> None:
    """While its link works, the button says that it is free, and no other one would pay for it again."""
    failure = replace(failed(sentence, url=LINK), resumable=True)
    buttons = pressable(render_request(cards(), request(failure)))
    assert buttons["免费重新下载"] == {"a": "resume", "r": "req_1"}
    assert "再试一次" not in buttons


def test_an_image_that_feishu_never_takes_is_not_retried() -> None:
    """An upload that fails for the image's size fails again."""
    failure = replace(failed("failure.image_too_large", url=LINK), resumable=True)
    assert "免费重新下载" not in pressable(render_request(cards(), request(failure)))


@pytest.mark.parametrize(
    ("sentence", "labels"),
    [
        ("failure.rate_limit", ["再试一次", "改提示词"]),
        ("failure.timeout", ["再试一次", "改提示词"]),
        ("failure.content", ["改提示词"]),
        ("failure.content_plain", ["改提示词"]),
        ("failure.size", ["改提示词"]),
        ("failure.prompt_too_long", ["改提示词"]),
        ("failure.image_too_large", ["改提示词"]),
        ("failure.upload_barred", ["改提示词"]),
    ],
)
def test_trying_again_is_offered_where_it_can_help(sentence: str, labels: list[str]) -> None:
    """What the same prompt would meet again can only be edited."""
    assert list(pressable(render_request(cards(), request(failed(sentence))))) == labels


def test_a_picture_that_could_not_be_fetched_keeps_its_link() -> None:
    """After a failed download the link is shown, with until when it works."""
    card = render_request(cards(), request(failed("failure.download", url=LINK)))
    assert pressable(card)["打开原图"] == LINK
    assert lines(card)[-1] == "图片链接有效期 30 天，请及时下载保存"


@pytest.mark.parametrize("key", FAILURES)
def test_no_failure_offers_another_way_to_an_image(key: str) -> None:
    """No failure suggests another model, another service, or a description instead of a picture."""
    for language in ("zh", "en"):
        text = catalogue().text(f"{key}.advice", language, **VALUES)
        assert not re.search(r"cogview|其他模型|换.{0,2}模型|another model|describe", text, re.IGNORECASE)


def test_only_the_page_of_the_keys_is_named() -> None:
    """The one address in a failure is the page where keys are made."""
    said = " ".join(catalogue().text(f"{key}.advice", "en", **VALUES) for key in FAILURES)
    assert set(re.findall(r"https?://\S+[^\s,.;]", said)) == {"https://bigmodel.cn/usercenter/proj-mgmt/apikeys"}
