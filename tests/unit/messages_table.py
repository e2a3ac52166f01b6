"""What people type, and what each message means; reads as documentation of the parser."""

from __future__ import annotations

from typing import Any

from bot.errors import UserError
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.options import PartialOptions

RATIOS = "16:9, 3:2, 4:3, 1:1, 3:4, 2:3, 9:16"
MODELS = "glm-image, cogview-4, cogview-4-250304, cogview-3-flash"


def draw(prompt: str, **options: Any) -> ImagePrompt:
    return ImagePrompt(prompt=prompt, options=PartialOptions(**options))


def does(name: str, argument: str = "", **options: Any) -> Command:
    return Command(name=name, argument=argument, options=PartialOptions(**options))


def wrong(sentence: str, **values: str) -> UserError:
    return UserError(sentence=f"misread.{sentence}", values=values)


def fails(command: str, sentence: str, **values: str) -> UserError:
    """The message is a command with an error."""
    return UserError(sentence=f"misread.{sentence}", values=values, command=command)


def each(meaning: ParsedMessage, texts: str) -> list[tuple[str, ParsedMessage]]:
    """One meaning of several texts, with bars between them."""
    return [(text, meaning) for text in texts.split(" | ")]


def as_typed(texts: str) -> list[tuple[str, ParsedMessage]]:
    """Texts that are prompts as they stand."""
    return [(text, draw(text)) for text in texts.split(" | ")]


LEADING_WORDS: list[tuple[str, ParsedMessage]] = [
    *as_typed("画一只猫 | 画画的小女孩 | create images of robots | draw a cat | 我想画 一只猫"),
    *each(draw("a lighthouse at dusk"), "/draw a lighthouse at dusk | /imagine a lighthouse at dusk"),
    ("/Draw: a lighthouse", draw("a lighthouse")),
    ("／ｄｒａｗ　灯塔", draw("灯塔")),
    ("/draw一座灯塔", draw("一座灯塔")),
    *each(
        draw("一只猫"),
        "画 一只猫 | 画：一只猫 | 画　一只猫 | /画 一只猫 | /画图 一只猫 | /生成 一只猫 | 生图 一只猫 | "
        "文生图：一只猫 | AI绘画 一只猫 | ai 绘画: 一只猫",
    ),
    *each(
        draw("a red bicycle"),
        "/image a red bicycle | /img: a red bicycle | /generate a red bicycle | generate image a red bicycle | "
        "Text-to-Image: a red bicycle | create image\na red bicycle",
    ),
    *each(draw("a cat"), "/generate image of a cat | generate image of a cat | create image of a cat | ，/draw a cat"),
    ("generate image often seen", draw("often seen")),
    ("/size 16:9 画 一只猫", draw("一只猫", size="16:9")),
    ("画 画 的人", draw("画 的人")),
    ("画 帮助", draw("帮助")),
    ("画 历史", draw("历史")),
    ("/画一只猫", wrong("unknown_word", word="/画一只猫", suggestion="/画")),
    ("一只猫 /draw 一只狗", wrong("not_first", word="/draw")),
]

SIZES: list[tuple[str, ParsedMessage]] = [
    ("a cat --size=1568X1056", draw("a cat", size="1568x1056")),
    ("a cat /ar3:2", draw("a cat", size="3:2")),
    ("猫 /比例横版", draw("猫", size="横版")),
    *each(
        draw("猫", size="16:9"),
        "猫 ／ｓｉｚｅ　１６：９ | 猫 /size 16∶9 | 猫 /size 16 : 9 | 猫 /size 16比9 | 猫 /size 16:9 /尺寸 １６：９",
    ),
    ("猫 /size 1568 × 1056 像素", draw("猫", size="1568x1056")),
    *each(draw("a cat", size="16:9"), "a cat /size 16/9 | a cat –size 16:9 | a cat--ar 16:9"),
    *each(
        draw("一只猫", size="16:9"),
        "一只猫——size 16:9 | 一只猫 、尺寸 16:9 | 一只猫/size 16:9 | 一只猫/比例16:9 | 一只猫，/size 16:9 | "
        "/size 16:9，一只猫 | /size 16:9一只猫 | 一只猫（/size 16:9）",
    ),
    ("一只猫 ——比例 3：2", draw("一只猫", size="3:2")),
    *each(draw("一只猫，水彩", size="16:9"), "一只猫，/size 16:9，水彩 | 一只猫【 /size 16:9 】，水彩"),
    ("a cat on a mat./size 16:9", draw("a cat on a mat.", size="16:9")),
    ("A cat. /size 16:9. A dog.", draw("A cat. A dog.", size="16:9")),
    ("a cat (/size 16:9) on a mat", draw("a cat on a mat", size="16:9")),
    ("一只猫 [/size 16:9，/n 2]", draw("一只猫", size="16:9", count=2)),
    ("一只猫（水彩，/size 16:9）", draw("一只猫（水彩）", size="16:9")),
    ("一只猫（/style 水墨）", draw("一只猫", style="水墨")),
    ("a cat--n 2", draw("a cat", count=2)),
    ("cat/size 16:9", draw("cat", size="16:9")),
    ("一只猫\n/size 16:9\n水彩", draw("一只猫\n水彩", size="16:9")),
    ("猫 /size 512x512", draw("猫", size="512x512")),
    ("猫 /size 很大", draw("猫", size="很大")),
]

OTHER_OPTIONS: list[tuple[str, ParsedMessage]] = [
    ("猫 /画质：标准", draw("猫", quality="standard")),
    ("猫 /quality ＨＤ 水彩", draw("猫 水彩", quality="hd")),
    ("猫 /模型 CogView-3-Flash", draw("猫", model="cogview-3-flash")),
    ("cat --model glm_image", draw("cat", model="glm-image")),
    ("猫 /model cogview-4一只狗", draw("猫 一只狗", model="cogview-4")),
    ("猫，/去水印，水彩", draw("猫，水彩", watermark=False)),
    ("/no_watermark cat", draw("cat", watermark=False)),
    ("/无水印一只猫", draw("一只猫", watermark=False)),
    *each(
        draw("猫", watermark=False),
        "猫 /watermark off | 猫 --watermark=off | /watermark off 猫 | 猫 /无水印 是 | 猫 /有水印关",
    ),
    *each(draw("猫", watermark=True), "猫 /no-watermark off | 猫 /no-watermark: no"),
    ("猫 /无水印：否，水彩", draw("猫，水彩", watermark=True)),
    ("/无水印 开花的树", draw("开花的树", watermark=False)),
    ("a cat /no-watermark on a mat", draw("a cat on a mat", watermark=False)),
    ("/watermark off-road jeep", draw("off-road jeep", watermark=True)),
    *each(draw("远山", style="水墨"), "远山 /风格：水墨 | 远山 /风格水墨"),
    ("mountains --style line-art", draw("mountains", style="line-art")),
    ("远山 /style 2.5D", draw("远山", style="2.5d")),
    ("远山 /style none", draw("远山", style="")),
    ("猫 /n4", draw("猫", count=4)),
    ("猫 /张数 两张", draw("猫", count=2)),
    ("猫 /张数3张", draw("猫", count=3)),
    ("/n 4 张三的头像", draw("张三的头像", count=4)),
    ("猫 /n 9", draw("猫", count=9)),
    ("猫，/size 3:2，/quality hd，水彩", draw("猫，水彩", size="3:2", quality="hd")),
    ("/style 水墨/size 3:2 远山", draw("远山", style="水墨", size="3:2")),
    ("--ar 3:2--n 2 a cat", draw("a cat", size="3:2", count=2)),
    ("画 猫 /n 2，戴帽子", draw("猫，戴帽子", count=2)),
]

QUOTES: list[tuple[str, ParsedMessage]] = [
    *as_typed(
        "海报，写着“/size 16:9” | 招牌「/无水印」夜景 | 封面『/help』 | 写着＂／ｎ　２＂的木牌 | "
        '7" and 9", "/n 2" on both | “帮助”'
    ),
    ("海报，写着“买一送一 /n 2” /n 3", draw("海报，写着“买一送一 /n 2”", count=3)),
    ('a sign that says "--ar 3:2" --ar 1:1', draw('a sign that says "--ar 3:2"', size="1:1")),
    ("标题“开业大吉”/size 3:2", draw("标题“开业大吉”", size="3:2")),
    ('a 5" phone /size 3:2 next to a 7" tablet', draw('a 5" phone next to a 7" tablet', size="3:2")),
    ('a 5" screen /size 3:2', draw('a 5" screen', size="3:2")),
]

NO_OPTIONS: list[tuple[str, ParsedMessage]] = [
    *as_typed(
        "一只橘猫，坐在窗台上，水彩 | an orange cat on a windowsill, watercolour | "
        "第一行：远山\n第二行：近水\n\n第三行：云雾 | 🐱 | :) 笑脸图标 | A cat.  Two spaces stay. | "
        "3D 渲染的小狐狸，C4D 风格，50% 透明 | cats and/or dogs | 便利店 24/7 营业 | 男/女 双人照 | 猫/狗 | "
        "颜色/风格统一的海报 | 不同的颜色/尺寸，整齐排列 | 参考 https://example.com/size/n?ar=3:2 的构图 | "
        "example.com/style 的首页 | 名片，邮箱 a.b--size@example.com | 终端里显示 /usr/local/bin | ./size 这个文件 | "
        "C:\\size\\n 的窗口 | 100 km/h 的赛车 | price/quality standard | 日历上写着 /12/25 | open /24h | "
        "钟上显示 /16:30 | a jeep /4x4 | 夜景 ——高清的城市 | 现在是——16:30 | a well--known face | a cat—style icon | "
        "the sea —calm and blue | 夜景——风格独特的城市 | 红、黄、风格各异的房子 | a / b 测试图 | ¯\\_(ツ)_/¯ 表情包 | "
        "<b>粗体</b> 的网页 | 排队的队列 | 历史的天空 | 历史 博物馆 | 帮助老人过马路 | 取消符号的图标 | "
        "取消第2个按钮的海报 | 取消2号线的告示牌 | 取消全部订单的按钮 | cancel 2 buttons | stop sign | "
        "again and again | hello world | 你好，世界 | 额度是什么意思 | 帮助我画一只猫 | 再来 16:30 | 再来一个苹果 | "
        "语言学家 | 设置风格统一的图标 | 设置 风格统一的图标 | 设置 图标 | 再来 一杯咖啡 | help wanted sign | "
        "history | queue"
    ),
    ("  赛博朋克城市夜景  ", draw("赛博朋克城市夜景")),
    ("，一只橘猫", draw("一只橘猫")),
    (": an orange cat", draw("an orange cat")),
]

ERRORS: list[tuple[str, ParsedMessage]] = [
    ("一只猫 /szie 16:9", wrong("unknown_word", word="/szie", suggestion="/size")),
    ("一只猫 /qualty hd", wrong("unknown_word", word="/qualty", suggestion="/quality")),
    ("一只猫 /尺村 16:9", wrong("unknown_word", word="/尺村", suggestion="/尺寸")),
    ("一只猫 --szie 16:9", wrong("unknown_word", word="--szie", suggestion="/size")),
    ("/hlep", wrong("unknown_word", word="/hlep", suggestion="/help")),
    ("/帮助文档", wrong("unknown_word", word="/帮助文档", suggestion="/帮助")),
    ("一只猫 /16:9", wrong("unknown_word", word="/16:9", suggestion="/size 16:9")),
    ("一只猫 ／１６：９", wrong("unknown_word", word="／１６：９", suggestion="/size 16:9")),
    ("一只猫 /1024x1024", wrong("unknown_word", word="/1024x1024", suggestion="/size 1024x1024")),
    ("一只猫 --16:9", wrong("unknown_word", word="--16:9", suggestion="/size 16:9")),
    ("一只猫 ——16:9", wrong("unknown_word", word="——16:9", suggestion="/size 16:9")),
    ("一只猫 、16：9", wrong("unknown_word", word="、16：9", suggestion="/size 16:9")),
    ("一只猫 --3张", wrong("unknown_word", word="--3张", suggestion="/n 3")),
    ("一只猫 --横版", wrong("unknown_word", word="--横版", suggestion="/size 横版")),
    ("一只猫 /3张", wrong("unknown_word", word="/3张", suggestion="/n 3")),
    ("一只猫 /两张", wrong("unknown_word", word="/两张", suggestion="/n 2")),
    ("一只猫 /横版", wrong("unknown_word", word="/横版", suggestion="/size 横版")),
    ("一只猫 /cogview-4", wrong("unknown_word", word="/cogview-4", suggestion="/model cogview-4")),
    ("一只猫 /hd", wrong("unknown_word", word="/hd", suggestion="/quality hd")),
    ("一只猫 /高清", wrong("unknown_word", word="/高清", suggestion="/quality hd")),
    ("一只猫 --no", wrong("unknown_word", word="--no", suggestion="/no-watermark")),
    ("一只猫 /数量 2", wrong("unknown_word", word="/数量", suggestion="/张数")),
    ("一只猫 /型号", wrong("unknown_word", word="/型号", suggestion="/模型")),
    ("/start", wrong("unknown_word", word="/start", suggestion="/help")),
    ("/paint a cat", wrong("unknown_word", word="/paint", suggestion="/draw")),
    ("/remove", wrong("unknown_word_plain", word="/remove")),
    ("/pasue", wrong("unknown_word_plain", word="/pasue")),
    ("a cat --v 6", wrong("unknown_word_plain", word="--v")),
    ("赛博朋克 /霓虹", wrong("unknown_word_plain", word="/霓虹")),
    ("/xyzzy", wrong("unknown_word_plain", word="/xyzzy")),
    ("一只猫 --chat", wrong("unknown_word_plain", word="--chat")),
    ("一只猫 /help", wrong("not_first", word="/help")),
    *each(wrong("size_missing", option="/size", allowed=RATIOS), "一只猫 /size | 海报 /size “16:9”"),
    ("一只猫 /尺寸", wrong("size_missing", option="/尺寸", allowed=RATIOS)),
    ("一只猫 --size --n 2", wrong("size_missing", option="--size", allowed=RATIOS)),
    ("/quality", wrong("quality_missing", option="/quality", allowed="hd, standard")),
    ("/model", wrong("model_missing", option="/model", allowed=MODELS)),
    ("一只猫 /风格", wrong("style_missing", option="/风格")),
    ("一只猫 /n", wrong("count_missing", option="/n")),
    ("一只猫 /n 很多", wrong("count", value="很多", most="4")),
    ("一只猫 /n 2.5", wrong("count", value="2.5", most="4")),
    ("猫 /size 16:9 --ar 3:2", wrong("twice", first="/size 16:9", second="--ar 3:2")),
    ("猫 /无水印 /watermark", wrong("twice", first="/无水印", second="/watermark")),
    *each(wrong("prompt_missing"), "画 | 画。 | 画！ | /draw | ？"),
    ("/size 16:9", wrong("only_options", options="/size 16:9")),
    ("/尺寸 16:9，/n 2", wrong("only_options", options="/尺寸 16:9 /n 2")),
]

COMMANDS: list[tuple[str, ParsedMessage]] = [
    *each(
        does("help"),
        " |  \n　 | /help | help | Help! | 帮助 | 帮助。 | 你好 | 你好啊 | hi | Hello! | 怎么用？ | 菜单 | ，帮助 | "
        ": help | ，/help | /帮助 | ／帮助 | 、帮助 | ——help | /help size",
    ),
    *each(does("sizes"), "/sizes | /尺寸 | 尺寸"),
    *each(does("styles"), "/styles | 风格"),
    *each(does("queue"), "/queue | 队列"),
    *each(
        does("cancel"),
        "/cancel | 取消 | /cancel 全部 | 取消全部 | 全部取消 | 取消吧 | 取消排队 | cancel | Cancel all. | "
        "cancel all | stop | /停止 | /取消！ | /cancel.",
    ),
    *each(
        does("cancel", "2"),
        "/cancel 2 | /取消２ | 取消 第2个 | 取消第2个 | 取消第二张。 | 取消2 | 取消２号！ | 取消 #2 | /取消第2个 | "
        "/cancel2 | Cancel 2 | cancel2 | ——cancel #02",
    ),
    ("、取消第十个", does("cancel", "10")),
    *each(fails("cancel", "cancel", value="0"), "/cancel 0 | 取消0"),
    ("/cancel 猫", fails("cancel", "cancel", value="猫")),
    *each(does("cancel", "last"), "/cancel 最后一个 | 取消上一张 | 取消刚才那个。"),
    ("取消2和3", fails("cancel", "cancel", value="2和3")),
    ("取消 1-3", fails("cancel", "cancel", value="1-3")),
    ("取消两个", fails("cancel", "cancel", value="两个")),
    ("取消2个", fails("cancel", "cancel", value="2个")),
    ("取消一个", fails("cancel", "cancel", value="一个")),
    *each(
        does("again"),
        "/again | 再来 | 再来一张！ | 再来一个 | 再来一遍 | 再来一次吧 | 再来一张图 | 重画 | again | /again。",
    ),
    ("再来两张", does("again", count=2)),
    ("再来 3 张图片", does("again", count=3)),
    *each(does("again", size="16:9"), "再来一张 16:9 | 再来 尺寸 16:9 | 再来 /尺寸 16：9 | /size 16:9 /again"),
    ("再来一张横版", does("again", size="横版")),
    ("/again 16:9，标准", does("again", size="16:9", quality="standard")),
    ("/again /size 16:9 /n 2", does("again", size="16:9", count=2)),
    ("/again 换成狗", fails("again", "again", value="换成狗")),
    ("/again --chat", fails("again", "again", value="--chat")),
    ("/again /size", fails("again", "size_missing", option="/size", allowed=RATIOS)),
    *each(does("history"), "/history | 历史"),
    ("/history 周二", does("history", "周二")),
    ("/历史：昨天 灯塔", does("history", "昨天 灯塔")),
    *each(does("settings"), "/settings | /set | 设置"),
    ("/settings --chat", does("settings", "chat")),
    *each(does("set", size="16:9"), "/set size 16:9 | /set 16:9 | 设置：尺寸 16:9 | 设置尺寸 16:9 | /设置尺寸16:9"),
    ("/set size 16:9 --chat", does("set", "chat", size="16:9")),
    ("/set —chat /quality hd", does("set", "chat", quality="hd")),
    ("/设置 尺寸 16：9 质量 标准 本群", does("set", "chat", size="16:9", quality="standard")),
    *each(does("set", style="水墨"), "设置 风格 水墨 | /设置 风格水墨"),
    *each(does("set", watermark=False), "/set no-watermark | /set watermark off"),
    ("/set style none", does("set", style="")),
    ("/set 很大", fails("set", "set", value="很大")),
    ("/set size 16:9，quality hd，style 水彩", does("set", size="16:9", quality="hd", style="水彩")),
    ("设置 尺寸 16:9，质量 高清", does("set", size="16:9", quality="hd")),
    ("设置尺寸", fails("settings", "size_missing", option="尺寸", allowed=RATIOS)),
    ("/set size", fails("set", "size_missing", option="size", allowed=RATIOS)),
    *each(does("quota"), "额度 | /balance"),
    *each(does("resume"), "/continue | /继续"),
    *each(does("lang", "en"), "/lang en | 语言 English | 语言英文 | 语言：英文 | /lang：en | /lang=en | /lang en."),
    ("/语言 中文", does("lang", "zh")),
    *each(fails("lang", "lang_missing"), "/lang | 语言"),
    ("/lang fr", fails("lang", "lang", value="fr")),
    ("编号", does("id")),
    *each(does("pause"), "/pause | 暂停"),
]

EVERY = [*LEADING_WORDS, *SIZES, *OTHER_OPTIONS, *QUOTES, *NO_OPTIONS, *ERRORS, *COMMANDS]
