"""What people type as commands, and the prompts that begin like one."""

from __future__ import annotations

from typing import Any

from bot.errors import UserError
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.options import PartialOptions


def draw(prompt: str, **options: Any) -> ImagePrompt:
    """The message asks for an image."""
    return ImagePrompt(prompt=prompt, options=PartialOptions(**options))


def does(name: str, argument: str = "", **options: Any) -> Command:
    """The message is a command."""
    return Command(name=name, argument=argument, options=PartialOptions(**options))


def wrong(sentence: str, **values: str) -> UserError:
    """The message has a fault, and nothing is paid."""
    return UserError(sentence=f"misread.{sentence}", values=values)


def fails(command: str, sentence: str, **values: str) -> UserError:
    """The message is a command with a fault."""
    return UserError(sentence=f"misread.{sentence}", values=values, command=command)


RATIOS = "16:9, 3:2, 4:3, 1:1, 3:4, 2:3, 9:16"
MODELS = "glm-image, cogview-4, cogview-4-250304, cogview-3-flash"


COMMANDS: list[tuple[str, ParsedMessage]] = [
    ("", does("help")),
    (" \n　", does("help")),
    ("/help", does("help")),
    ("help", does("help")),
    ("Help!", does("help")),
    ("帮助", does("help")),
    ("帮助。", does("help")),
    ("你好", does("help")),
    ("你好啊", does("help")),
    ("hi", does("help")),
    ("Hello!", does("help")),
    ("怎么用？", does("help")),
    ("菜单", does("help")),
    ("，帮助", does("help")),
    (": help", does("help")),
    ("，/help", does("help")),
    ("/帮助", does("help")),
    ("／帮助", does("help")),
    ("、帮助", does("help")),
    ("——help", does("help")),
    ("/sizes", does("sizes")),
    ("/尺寸", does("sizes")),
    ("尺寸", does("sizes")),
    ("/styles", does("styles")),
    ("风格", does("styles")),
    ("/queue", does("queue")),
    ("队列", does("queue")),
    ("/cancel", does("cancel")),
    ("/cancel 2", does("cancel", "2")),
    ("/取消２", does("cancel", "2")),
    ("取消", does("cancel")),
    ("取消 第2个", does("cancel", "2")),
    ("取消第2个", does("cancel", "2")),
    ("取消第二张。", does("cancel", "2")),
    ("取消2", does("cancel", "2")),
    ("取消２号！", does("cancel", "2")),
    ("取消 #2", does("cancel", "2")),
    ("/取消第2个", does("cancel", "2")),
    ("、取消第十个", does("cancel", "10")),
    ("/cancel2", does("cancel", "2")),
    ("Cancel 2", does("cancel", "2")),
    ("cancel2", does("cancel", "2")),
    ("——cancel #02", does("cancel", "2")),
    ("/cancel 全部", does("cancel")),
    ("取消全部", does("cancel")),
    ("全部取消", does("cancel")),
    ("取消吧", does("cancel")),
    ("取消排队", does("cancel")),
    ("cancel", does("cancel")),
    ("Cancel all.", does("cancel")),
    ("cancel all", does("cancel")),
    ("stop", does("cancel")),
    ("/停止", does("cancel")),
    ("/取消！", does("cancel")),
    ("/cancel.", does("cancel")),
    ("/cancel 0", fails("cancel", "cancel", value="0")),
    ("/cancel 猫", fails("cancel", "cancel", value="猫")),
    ("/cancel 最后一个", does("cancel", "last")),
    ("取消上一张", does("cancel", "last")),
    ("取消刚才那个。", does("cancel", "last")),
    ("取消0", fails("cancel", "cancel", value="0")),
    ("取消2和3", fails("cancel", "cancel", value="2和3")),
    ("取消 1-3", fails("cancel", "cancel", value="1-3")),
    ("取消两个", fails("cancel", "cancel", value="两个")),
    ("取消2个", fails("cancel", "cancel", value="2个")),
    ("取消一个", fails("cancel", "cancel", value="一个")),
    ("/again", does("again")),
    ("再来", does("again")),
    ("再来一张！", does("again")),
    ("再来一个", does("again")),
    ("再来一遍", does("again")),
    ("再来一次吧", does("again")),
    ("再来一张图", does("again")),
    ("重画", does("again")),
    ("again", does("again")),
    ("/again。", does("again")),
    ("再来两张", does("again", count=2)),
    ("再来 3 张图片", does("again", count=3)),
    ("再来一张 16:9", does("again", size="16:9")),
    ("再来一张横版", does("again", size="横版")),
    ("/again 16:9，标准", does("again", size="16:9", quality="standard")),
    ("再来 尺寸 16:9", does("again", size="16:9")),
    ("/again /size 16:9 /n 2", does("again", size="16:9", count=2)),
    ("再来 /尺寸 16：9", does("again", size="16:9")),
    ("/size 16:9 /again", does("again", size="16:9")),
    ("/again 换成狗", fails("again", "again", value="换成狗")),
    ("/again --chat", fails("again", "again", value="--chat")),
    ("/again /size", fails("again", "size_missing", option="/size", allowed=RATIOS)),
    ("/history", does("history")),
    ("历史", does("history")),
    ("/settings", does("settings")),
    ("/set", does("settings")),
    ("设置", does("settings")),
    ("/settings --chat", does("settings", "chat")),
    ("/set size 16:9", does("set", size="16:9")),
    ("/set size 16:9 --chat", does("set", "chat", size="16:9")),
    ("/set —chat /quality hd", does("set", "chat", quality="hd")),
    ("/设置 尺寸 16：9 质量 标准 本群", does("set", "chat", size="16:9", quality="standard")),
    ("设置 风格 水墨", does("set", style="水墨")),
    ("/set no-watermark", does("set", watermark=False)),
    ("/set style none", does("set", style="")),
    ("/set 16:9", does("set", size="16:9")),
    ("/set 很大", fails("set", "set", value="很大")),
    ("/set watermark off", does("set", watermark=False)),
    ("/set size 16:9，quality hd，style 水彩", does("set", size="16:9", quality="hd", style="水彩")),
    ("设置 尺寸 16:9，质量 高清", does("set", size="16:9", quality="hd")),
    ("设置：尺寸 16:9", does("set", size="16:9")),
    ("设置尺寸 16:9", does("set", size="16:9")),
    ("/设置尺寸16:9", does("set", size="16:9")),
    ("/设置 风格水墨", does("set", style="水墨")),
    ("设置尺寸", fails("settings", "size_missing", option="尺寸", allowed=RATIOS)),
    ("/set size", fails("set", "size_missing", option="size", allowed=RATIOS)),
    ("额度", does("quota")),
    ("/balance", does("quota")),
    ("/continue", does("resume")),
    ("/继续", does("resume")),
    ("/lang en", does("lang", "en")),
    ("/语言 中文", does("lang", "zh")),
    ("语言 English", does("lang", "en")),
    ("语言英文", does("lang", "en")),
    ("语言：英文", does("lang", "en")),
    ("/lang：en", does("lang", "en")),
    ("/lang=en", does("lang", "en")),
    ("/lang en.", does("lang", "en")),
    ("/lang", fails("lang", "lang_missing")),
    ("语言", fails("lang", "lang_missing")),
    ("/lang fr", fails("lang", "lang", value="fr")),
    ("编号", does("id")),
    ("/pause", does("pause")),
    ("暂停", does("pause")),
    ("/help size", does("help")),
]

WORDS_OF_COMMANDS_IN_PROMPTS: list[tuple[str, ParsedMessage]] = [
    ("排队的队列", draw("排队的队列")),
    ("历史的天空", draw("历史的天空")),
    ("历史 博物馆", draw("历史 博物馆")),
    ("帮助老人过马路", draw("帮助老人过马路")),
    ("取消符号的图标", draw("取消符号的图标")),
    ("取消第2个按钮的海报", draw("取消第2个按钮的海报")),
    ("取消2号线的告示牌", draw("取消2号线的告示牌")),
    ("取消全部订单的按钮", draw("取消全部订单的按钮")),
    ("cancel 2 buttons", draw("cancel 2 buttons")),
    ("stop sign", draw("stop sign")),
    ("again and again", draw("again and again")),
    ("hello world", draw("hello world")),
    ("你好，世界", draw("你好，世界")),
    ("额度是什么意思", draw("额度是什么意思")),
    ("帮助我画一只猫", draw("帮助我画一只猫")),
    ("再来 16:30", draw("再来 16:30")),
    ("再来一个苹果", draw("再来一个苹果")),
    ("语言学家", draw("语言学家")),
    ("设置风格统一的图标", draw("设置风格统一的图标")),
    ("设置 风格统一的图标", draw("设置 风格统一的图标")),
    ("设置 图标", draw("设置 图标")),
    ("再来 一杯咖啡", draw("再来 一杯咖啡")),
    ("help wanted sign", draw("help wanted sign")),
    ("history", draw("history")),
    ("queue", draw("queue")),
]
