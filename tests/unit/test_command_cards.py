"""The cards of commands, the help, the form, notices, errors and toasts."""

from __future__ import annotations

import dataclasses
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot import sizes
from bot.chat.cards.command_cards import (
    NOTICES,
    bars,
    render_changed,
    render_error,
    render_history,
    render_ids,
    render_not_allowed,
    render_notice,
    render_queue,
    render_quota,
    render_settings,
    render_stats,
)
from bot.chat.cards.elements import CardContext, render_toast
from bot.chat.cards.form_card import render_form
from bot.chat.cards.help_cards import (
    EXAMPLES,
    render_help,
    render_models,
    render_sizes,
    render_styles,
    render_tips,
    render_welcome,
)
from bot.chat.cards.prompt_tips import tip_for
from bot.chat.messages import LOCALES
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import COMMAND_NAMES
from bot.errors import UserError
from bot.models import Command, ImagePrompt, Language, State
from bot.options import OPTIONS, Options, PartialOptions, resolve_options
from bot.view_models import HistoryView
from tests.unit.card_samples import (
    QUOTA,
    SETTINGS,
    STATS,
    cards,
    catalogue,
    history,
    line,
    lines,
    pressable,
    styles,
    tagged,
    waiting,
)

QUEUE_ROWS: list[tuple[dict[str, Any], str, str]] = [
    ({"number": 2}, "你的第 2 个 · 等待中", "Yours, no. 2 · waiting"),
    ({"number": None}, "别人的 · 等待中", "Someone else's · waiting"),
    ({"number": 1, "state": State.GENERATING}, "你的第 1 个 · 正在生成", "Yours, no. 1 · being made"),
    ({"number": 1, "state": State.MADE}, "你的第 1 个 · 正在取回", "Yours, no. 1 · being fetched"),
    ({"number": 1, "here": False}, "你的第 1 个 · 等待中 · 在别的会话", "Yours, no. 1 · waiting · in another chat"),
    ({"ahead": 3}, "别人的 · 等待中 · 前面 3 张", "Someone else's · waiting · 3 ahead"),
    (
        {"number": 1, "ahead": 0, "wait_seconds": 40.0},
        "你的第 1 个 · 等待中 · 下一张 · 预计不到 1 分钟",
        "Yours, no. 1 · waiting · next · less than 1 min to go",
    ),
]


@pytest.mark.parametrize(("entry", "zh", "en"), QUEUE_ROWS)
def test_queue_shows_whose_each_is_and_its_position(entry: dict[str, Any], zh: str, en: str) -> None:
    """Each row says whose it is without a name, its number for /cancel, its state and its position."""
    card = render_queue(cards(), line(waiting(**entry)))
    assert (lines(card)[0], lines(card, "en_us")[0]) == (zh, en)


def test_images_of_one_message_share_a_row() -> None:
    """Four images of one message are one row per state, because /cancel takes them together."""
    entries = [waiting(1, state=State.GENERATING), *(waiting(1, ahead=place) for place in range(3)), waiting(2)]
    said = lines(render_queue(cards(), line(*entries)))
    assert said[:5:2] == ["你的第 1 个 · 正在生成", "你的第 1 个 · 3 张 · 等待中 · 下一张", "你的第 2 个 · 等待中"]
    assert said[-1] == "取消自己的，请写序号，例如：/cancel 1"


def test_prompts_of_other_chats_and_people_are_protected() -> None:
    """A group does not read what somebody asked for elsewhere, and other people's prompts are shortened."""
    secret = waiting(1, here=False, prompt="给老板的生日惊喜")
    assert "惊喜" not in "".join(lines(render_queue(cards(), line(secret))))
    assert "给老板的生日惊喜" in lines(render_queue(cards(), line(secret, private=True)))
    said = lines(render_queue(cards(), line(waiting(1, prompt="猫" * 200), waiting(prompt="狗" * 200))))
    assert (said[1], said[3]) == ("猫" * 99 + "…", "狗" * 39 + "…")


def test_long_queue_is_cut_and_counted() -> None:
    """Own images are listed whatever the length of the queue, and what is omitted is counted."""
    view = line(*(waiting() for _ in range(50)), waiting(1, prompt="我的猫"), elsewhere=7)
    said = lines(render_queue(cards(), view))
    assert {"我的猫", "这里还有 31 张没有列出。", "别的会话里还有 7 张。"} <= set(said)
    assert lines(render_queue(cards(), line())) == ["这里没有等待中或正在生成的图片。"]
    paused = render_queue(cards(), line(waiting(1), paused=True))
    assert lines(paused, "en_us")[0].startswith("An admin has paused the bot")
    assert paused["header"]["template"] == "orange"


def test_settings_show_who_has_set_what() -> None:
    """Each default has its value, and whether the person, the chat or the team has set it; the person comes first."""
    assert lines(render_settings(cards(), SETTINGS))[0].splitlines() == [
        "模型 glm-image · 默认",
        "尺寸 1568x1056（≈3:2） · 你设置的",
        "质量 hd · 默认",
        "风格 水墨 · 本会话设置的",
        "有水印 · 默认",
        "一次 2 张 · 默认",
        "文字回复用中文 · 你设置的",
    ]
    both = dataclasses.replace(SETTINGS, own=("style",), chat=("style",), language=None, options=Options(style=None))
    said = lines(render_settings(cards(), both), "en_us")[0].splitlines()
    assert (said[3], said[-1]) == ("No style · set by you", "Text replies in the language of the message")


def test_settings_of_a_chat_have_no_language() -> None:
    """The chat's settings have their own title and say nothing of a person."""
    card = render_settings(cards(), dataclasses.replace(SETTINGS, own=(), of_chat=True))
    assert card["header"]["title"]["content"] == "本会话的默认选项"
    assert lines(card, "en_us")[0].splitlines()[-1] == "Images at once: 2 · default"


def test_changed_defaults_read_as_in_the_settings() -> None:
    """A changed default reads as it does in the settings, in each language."""
    card = render_changed(cards(), {"size": "1728x960", "style": "ink", "watermark": False, "count": 2}, for_chat=False)
    assert lines(card) == ["你以后的图片默认用：尺寸 1728x960（≈16:9） · 风格 水墨 · 无水印 · 一次 2 张"]
    said = "Your images now use: Size 1728x960 (≈16:9) · Style ink · No watermark · Images at once: 2"
    assert lines(card, "en_us") == [said]
    of_chat = render_changed(cards(), {"style": None}, for_chat=True)
    assert of_chat["header"]["title"]["content"] == "本会话的默认选项已更新"


def test_history_shows_thumbnails_with_their_prompts() -> None:
    """Each image is small with its prompt, its options, and a button to run it again where there are buttons."""
    entries = [history(1, prompt="<at id=all></at>"), history(2, prompt="狗" * 300)]
    view = HistoryView(entries=tuple(entries), more=True)
    card = render_history(cards(), view, request_id="req_0")
    assert [image["scale_type"] for image in tagged(card, "img")] == ["crop_center"] * 2
    assert lines(card)[:3] == ["<at id=all></at>", "glm-image · 尺寸 1280x1280（1:1）", "狗" * 99 + "…"]
    values = [button["behaviors"][0]["value"] for button in tagged(card, "button")]
    again = [value for value in values if value["a"] == "again"]
    assert again == [{"a": "again", "r": "req_1"}, {"a": "again", "r": "req_2"}]
    assert values[-1] == {"a": "older", "r": "req_0"}
    assert pressable(render_history(cards(buttons=False), view, request_id="req_0")) == {}
    empty = render_history(cards(), HistoryView(entries=()), request_id="req_0")
    assert lines(empty, "en_us")[0].startswith("You have no images here yet.")


def test_ids_can_be_copied() -> None:
    """Each id is a paragraph of its own, also for a person who may not use the bot."""
    ids = ["你的编号（open_id）：", "ou_fake", "本会话的编号（chat_id）：", "oc_fake"]
    assert lines(render_ids(cards(), person="ou_fake", chat="oc_fake"))[:4] == ids
    assert "chat_id" not in "".join(lines(render_ids(cards(), person="ou_fake", chat=None)))
    refused = lines(render_not_allowed(cards(), person="ou_fake", chat="oc_fake"))
    assert refused[1:] == ids
    assert "管理员" in refused[0]


def test_quota_shows_what_is_left_and_until_when() -> None:
    """A person reads what was used, what is left and when it starts again; a lowered limit leaves nothing, not less."""
    assert lines(render_quota(cards(), QUOTA)) == [
        "今天：已用 3 张，上限 20 张，还剩 17 张\n未完成：1 张，同时最多 5 张",
        "团队本月：120 张，上限 1000 张\n团队本月费用：¥11.50，上限 ¥100.00",
        "2026-03-09 04:00 重新计算；可能已计费的都算，包括失败和取消的",
    ]
    assert "还剩 0 张" in lines(render_quota(cards(), dataclasses.replace(QUOTA, per_day=2)))[0]
    free = dataclasses.replace(QUOTA, per_day=0, pending_most=0, team_images_most=0, team_yuan_most=0.0)
    said = "\n".join(lines(render_quota(cards(), free), "en_us")[:2]).splitlines()
    assert [text.endswith(", no limit") for text in said] == [True] * 4


def test_statistics_show_the_month() -> None:
    """Images, yuan and times per model, a chart of the days, outcomes, people and calls are on the card."""
    card = render_stats(cards(), STATS)
    assert card["header"]["title"]["content"] == "2026-11 统计"
    assert lines(card, "en_us") == [
        "Images charged in all: 1,120 · ¥111.20",
        "cogview-4 · Images: 20 · ¥1.20 · 8 s to make",
        "glm-image · Images: 1,100 · ¥110.00 · 32 s to make · 75 s in line",
        "Images a day (11-01 to 11-04, at most 70 in a day):\n▂█▁▅",
        "Outcomes:\ndone · 1,100\ncancelled · 12\ncontent_filter_violation · 8",
        "Most images:\nou_0001 · 700\nou_0002 · 420",
        "Feishu calls this month: about 4,321. Times are medians.",
    ]
    empty = dataclasses.replace(STATS, models=(), people=(), days=(), outcomes={}, feishu_calls=0, paused=True)
    said = ["现在是暂停状态，发送 /resume 恢复。", "这个月还没有图片。", "本月飞书接口约调用 0 次；时间是中位数。"]
    assert lines(render_stats(cards(), empty)) == said


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ((("11-09", 2),), "11-09 至 11-09，最多一天 2 张）：\n█"),
        ((("10-31", 9), ("11-01", 1), ("11-03", 1)), "11-01 至 11-03，最多一天 1 张）：\n█▁█"),
    ],
)
def test_chart_has_a_block_for_each_day_of_its_month(days: tuple[tuple[str, int], ...], said: str) -> None:
    """Days without images are shown between the others, and a day of the month before is omitted."""
    text = lines(render_stats(cards(), dataclasses.replace(STATS, days=days)))
    assert [row for row in text if row.startswith("每天")] == [f"每天的图片（{said}"]
    charts = {(): "", (0, 0): "▁▁", (1,): "█", (0, 1, 1000): "▁▂█", (1, 2, 3, 4, 5, 6, 7): "▂▃▄▅▆▇█"}
    assert {counts: bars(counts) for counts in charts} == charts


def test_help_lists_every_option_and_the_commands_that_exist() -> None:
    """All options and all commands are in the help, in both languages, and no others."""
    for locale in LOCALES.values():
        text = "\n".join(lines(render_help(cards()), locale))
        for word in ("size", "quality", "model", "no-watermark", "style", "n", *COMMAND_NAMES):
            assert f"`/{word}" in text
    few = CardContext(messages=catalogue(), styles=styles(), zone=ZoneInfo("UTC"), commands=("queue", "set"))
    text = "\n".join(lines(render_help(few), "en_us"))
    assert "`/queue`" in text
    assert "--chat`" in text
    assert "/stats" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_examples_in_the_help_can_be_copied(language: Language) -> None:
    """What is between the marks of a line is that command, or an option that leaves the prompt."""
    for name in COMMAND_NAMES:
        for example in re.findall("`([^`]+)`", catalogue().text(f"help.command.{name}", language)):
            parsed = parse(example)
            assert isinstance(parsed, Command)
            assert parsed.name == name
    for name in OPTIONS:
        values = dict.fromkeys(catalogue().placeholders(f"help.option.{name}"), "x")
        parsed = parse("a cat " + catalogue().text(f"help.option.{name}", language, **values).split("`")[1])
        assert isinstance(parsed, ImagePrompt)
        assert (parsed.prompt, list(parsed.options.given)) == ("a cat", [name])
    examples = re.findall("`([^`]+)`", catalogue().text("help.words", language))
    assert len(examples) >= 5
    for example in examples:
        if example.startswith(("/", "--")):
            parsed = parse(f"猫 {example}")
            assert isinstance(parsed, ImagePrompt)
            assert parsed.options.given
        else:
            assert isinstance(parse(example), Command)


def test_help_cards_name_the_teams_defaults() -> None:
    """What the team has set is called the default, and each model's own size where it cannot make that one."""
    cogview = Options(model="cogview-4", size="1344x768", quality="standard")
    ctx = CardContext(messages=catalogue(), styles=styles(), zone=ZoneInfo("UTC"), defaults=cogview)
    assert [text.count("(default)") for text in lines(render_models(ctx), "en_us")[:2]] == [0, 1]
    glm, others = lines(render_sizes(ctx), "en_us")[:2]
    assert "1728x960 (≈16:9, default)" in glm
    assert "1344x768 (≈16:9, default)" in others
    assert (glm.count("default"), others.count("default")) == (1, 1)
    text = "\n".join(lines(render_help(ctx), "en_us"))
    for said in ("1344x768 by default", "standard by default", "cogview-4 by default"):
        assert said in text


def test_sizes_and_models_are_listed() -> None:
    """Every recommended size has its ratio, each rule its numbers, each model its price and usual time."""
    text = "\n".join(lines(render_sizes(cards())))
    for model, recommended in sizes.RECOMMENDED.items():
        assert model in text
        assert all(f"{size}（{sizes.ratio_name(size)}" in text for size in recommended)
    assert "1280x1280（1:1，默认）" in text
    assert "边长 1024–2048，都是 32 的倍数，总像素不超过 4,194,304" in text
    said = lines(render_models(cards()), "en_us")
    assert said[0] == "glm-image (default) · ¥0.10 an image · usually 20–50 s"
    assert {"cogview-4-250304 · usually 5–20 s", "cogview-3-flash · free · usually 5–20 s"} <= set(said)


def test_styles_and_tips_are_listed_with_examples() -> None:
    """Each style has both names, its words and an example; the tips have examples of what to write and to avoid."""
    for style, text in zip(styles().all, lines(render_styles(cards(buttons=False)), "en_us"), strict=True):
        assert text.splitlines() == [
            f"{style.name['zh']} · {style.name['en']}",
            f"Adds: {style.words['en']}",
            f"Try: {style.example['en']} /style {style.name['en']}",
        ]
    tips = "\n".join(lines(render_tips(cards())))
    for example in ("英国短毛猫", "赛博朋克风格", "柔和的逆光", "特写镜头", "好看的图片", "白天和夜晚同时"):
        assert example in tips


def test_welcome_shows_examples_to_press() -> None:
    """Each example has its words, and its button carries its name alone; without card actions it can be copied."""
    card = render_welcome(cards())
    assert list(pressable(card).values()) == [{"a": "example", "e": name} for name in EXAMPLES]
    for language, locale in LOCALES.items():
        prompts = [catalogue().text(f"welcome.example.{name}.prompt", language) for name in EXAMPLES]
        assert set(prompts) <= set(lines(card, locale))
        assert "/help" in lines(card, locale)[-1]
        for prompt in prompts:
            assert parse(prompt) == ImagePrompt(prompt=prompt)
            assert tip_for(prompt) is None
    without = render_welcome(cards(buttons=False))
    assert pressable(without) == {}
    assert "点" not in "".join(lines(without))


def form(prompt: str = "一只橘猫", **options: Any) -> dict[str, Any]:
    """The form of a request."""
    return render_form(cards(), request_id="req_1", prompt=prompt, options=Options(**options))


def choices(card: dict[str, Any]) -> dict[str, tuple[list[str], str]]:
    """The values of each drop-down list, and the one that is chosen."""
    return {
        select["name"]: ([option["value"] for option in select["options"]], select["initial_option"])
        for select in tagged(card, "select_static")
    }


def test_form_is_filled_in_with_the_request() -> None:
    """Prompt, size and style are in their fields; the button carries the request alone, and the form is at the root."""
    card = form(size="1568x1056", style="INK")
    assert [(field["name"], field["default_value"]) for field in tagged(card, "input")] == [("prompt", "一只橘猫")]
    assert choices(card)["size"] == (["1568x1056", *sizes.RATIOS], "1568x1056")
    assert choices(card)["style"][1] == "ink"
    button = tagged(card, "button")[0]
    assert button["behaviors"] == [{"type": "callback", "value": {"a": "submit", "r": "req_1"}}]
    assert button["form_action_type"] == "submit"
    assert [element["tag"] for element in card["body"]["elements"]] == ["form"]
    assert choices(form(style="baroque"))["style"][1] == "none"  # a style that was removed from the file


def test_every_choice_of_the_form_is_valid() -> None:
    """Each size and style that the form offers is one that an image can be made with."""
    offered = choices(form())
    assert offered["style"] == (["none", *(style.name["en"] for style in styles().all)], "none")
    assert set(offered["style"][0]) & OPTIONS["style"].off_words == {"none"}
    for name, (values, _) in offered.items():
        for value in values:
            typed = PartialOptions(**{name: "" if value == "none" else value})
            resolved = resolve_options(typed, defaults=Options(), may_drop_watermark=False, styles=styles())
            assert isinstance(resolved, Options)


def test_form_says_how_much_of_a_long_prompt_is_missing() -> None:
    """The field takes 1,000 characters."""
    card = form(prompt="猫" * 1500)
    assert tagged(card, "input")[0]["default_value"] == "猫" * 1000
    assert any("共 1500 字" in label["content"] for label in tagged(card, "plain_text"))
    assert not any("1000 字" in label["content"] for label in tagged(form(prompt="猫" * 1000), "plain_text"))


def test_each_notice_has_its_title_and_sentence() -> None:
    """Every notice is in the catalogue and the other way round; a prompt is plain text, in which nothing is markup."""
    assert {key.split(".")[1] for key in catalogue().keys if key.startswith("notice.")} == set(NOTICES)
    for name in NOTICES:
        values = dict.fromkeys(catalogue().placeholders(f"notice.{name}.text"), "2")
        card = render_notice(cards(), name, **values)
        assert lines(card, "en_us") == [catalogue().text(f"notice.{name}.text", "en", **values)]
    card = render_notice(cards(), "cancelled", count="2", prompt="**猫** <at id=all></at>")
    assert lines(card)[1] == "**猫** <at id=all></at>"
    assert tagged(card, "markdown") == []


ERRORS = [
    *((f"limit.{name}", None, "现在还不能生成", True) for name in ("pending", "day", "waiting", "images", "paused")),
    ("command.admins_only", "stats", "这个命令没有生效", False),
    ("command.no_such_number", "cancel", "这个命令没有生效", False),
    ("misread.quality", None, "有一处没看懂", True),
    ("misread.quality", "again", "有一处没看懂", True),
    ("misread.quality", "set", "有一处没看懂", False),
    ("misread.nothing_to_repeat", None, "这个命令没有生效", False),
]


@pytest.mark.parametrize(("sentence", "command", "title", "noted"), ERRORS)
def test_error_has_the_title_of_its_kind(sentence: str, command: str | None, title: str, *, noted: bool) -> None:
    """A limit is not called unclear; that nothing was charged is said where an image was asked for."""
    values = {"used": "5", "most": "5", "count": "1", "number": "9", "value": "x", "allowed": "hd"}
    card = render_error(cards(), UserError(sentence=sentence, values=values, command=command))
    assert card["header"]["title"]["content"] == title
    assert lines(card)[0] == catalogue().text(sentence, "zh", **values)
    assert (catalogue().text("card.misread_note", "zh") in lines(card)) is noted


def test_error_is_explained_with_its_values() -> None:
    """Values are plain text, styles are listed by one name per language, and an unknown error is a general one."""
    values = {"model": "glm-image", "size": "<at id=all></at>", "allowed": "1280x1280"}
    card = render_error(cards(), UserError(sentence="failure.size", values=values))
    assert lines(card) == ["glm-image 不支持尺寸 <at id=all></at>。可用：1280x1280。", "没有生成图片，也没有产生费用。"]
    assert not tagged(card, "markdown")
    unknown = {"value": "巴洛克", "allowed": "墨, ink, 水墨"}
    card = render_error(cards(), UserError(sentence="misread.style", values=unknown))
    assert "可以写：动漫、写实、国风、赛博朋克、水墨、" in lines(card)[0]
    assert "cyberpunk, ink, oil, 3d, watercolor, " in lines(card, "en_us")[0]
    assert "/help" in lines(render_error(cards(), UserError(sentence="misread.of_another_version")))[0]


def test_each_toast_is_short_in_both_languages() -> None:
    """A toast is read in passing, so it has no more than a few words."""
    for key in (key for key in catalogue().keys if key.startswith("toast.")):
        said = render_toast(catalogue(), key, count=4, price="¥0.40")["toast"]
        assert said["content"] == said["i18n"]["zh_cn"] == catalogue().text(key, "zh", count=4, price="¥0.40")
        assert said["i18n"]["en_us"] == catalogue().text(key, "en", count=4, price="¥0.40")
        assert (len(said["i18n"]["zh_cn"]) <= 20, len(said["i18n"]["en_us"]) <= 60, key) == (True, True, key)
    both = {"zh_cn": "已取消", "en_us": "Cancelled"}
    answer = {"toast": {"type": "warning", "content": "已取消", "i18n": both}}
    assert render_toast(catalogue(), "toast.cancelled", kind="warning") == answer


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("limit.day", {"used": "20", "most": "20", "count": "1"}, "你今天已用 20 张，再加 1 张"),
        *((key, {"value": "x"}, "没有成功") for key in ("limit.of_another_version", "limit.day", "misread.size")),
        ("misread.style", {"value": "浮世绘"}, "没有 浮世绘 这个风格。全部风格和例子见 /styles。"),
        ("misread.cancel", {"value": "\x00" + "9" * 500}, "/cancel 后面只能写序号，不能是 " + "9" * 39 + "…"),
    ],
)
def test_any_sentence_can_be_a_toast(key: str, values: dict[str, str], said: str) -> None:
    """A sentence without its values is replaced by its plain form or a general one, and long values are cut."""
    expected = catalogue().text("toast.refused", "zh") if said == "没有成功" else said
    assert render_toast(catalogue(), key, kind="warning", **values)["toast"]["content"].startswith(expected)
