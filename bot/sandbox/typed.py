"""What a message that was typed asks for, by a reader of the sandbox's own, which is none of the bot's."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_SIGN = r"(?:/|-{1,3}|、)"
# A straight mark behind a digit means inches.
_QUOTED = re.compile(r"(?<!\d)\"[^\"]*\"|“[^”]*”|「[^」]*」|『[^』]*』")
_INPUT_METHODS = str.maketrans({**dict.fromkeys("✕✖╳×*", "x"), "∶": ":", **dict.fromkeys("—–―", "-")})

_SHAPES = {
    **dict.fromkeys(("square", "方形", "正方形", "方图"), 1.0),
    **dict.fromkeys(("landscape", "横版", "横向", "横图", "横屏"), 3 / 2),
    **dict.fromkeys(("portrait", "竖版", "纵向", "竖图", "竖屏"), 2 / 3),
    **dict.fromkeys(("wide", "宽屏"), 16 / 9),
    **dict.fromkeys(("phone", "手机"), 9 / 16),
}
_SIZE = re.compile(
    rf"{_SIGN}(?:size|ar|ratio|尺寸|比例|画幅)[ :=]*"
    rf"(?:(?P<width>\d{{1,5}}) *(?P<between>[x:/比]) *(?P<height>\d{{1,5}})|(?P<shape>{'|'.join(_SHAPES)}))"
)
_COUNT = re.compile(rf"{_SIGN}(?:n|张数)[ :=]*([1-4一二两三四])")
_COUNTS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4}
_STYLE = re.compile(rf"{_SIGN}(?:style|风格|画风)")

_CHINESE = "帮助|菜单|怎么用|[你您]好|技巧|队列|(?:全部)?取消|停止|再来|重画|历史|设置|额度|语言|编号|统计|暂停|恢复"
_ENGLISH = "help|sizes|models|styles|tips|queue|cancel|again|history|settings|set|quota|lang|id|stats|pause|resume"
_ENGLISH_ALONE = "help|hi|hello|cancel|stop|again"
_ALSO_OPTIONS = "尺寸|模型|风格"
_COMMAND = re.compile(
    rf"{_SIGN}(?:{_CHINESE}|{_ENGLISH})(?![a-z]).*"
    # Without a sign, a word counts where the message says no more than it and its argument.
    rf"|(?:{_SIGN})?(?:{_CHINESE}|{_ALSO_OPTIONS}|{_ENGLISH_ALONE})"
    r"|(?:取消|cancel) *"
    r"(?:[第#]? *[\d一二三四五六七八九十]+ *[个张号]?|all|全部|所有|排队|(?:上一|最后一|刚才那)[个张])"
    rf"|(?:再来|again) *(?:[\d一两二三四]+ *[个张次遍])? *(?:图片?)?"
    rf"(?: *{_SIGN}.*| *(?:尺寸|比例)? *(?:16:9|3:2|4:3|1:1|3:4|2:3|9:16|{'|'.join(_SHAPES)}))?"
    rf"|设置[ :]*(?:{_ALSO_OPTIONS}|质量|size|quality|model|style) .*|语言[ :]*[a-z中英文]+",
    re.DOTALL,
)

LEEWAY = 0.03
"""How far from a ratio a picture may be: the sizes that the platform recommends are up to two per cent off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was asked for; where nothing was said, the bot may choose."""

    command: bool
    """Whether it is no prompt, so that nothing is to be paid for."""
    size: str | None = None
    """The size as it was typed, in plain signs."""
    pixels: tuple[int, int] | None = None
    ratio: float | None = None
    """The width divided by the height."""
    count: int = 1
    styled: bool = False
    """Whether words of a style are added to the prompt."""

    def fits(self, width: int, height: int) -> bool:
        """Whether a picture of ``width`` by ``height`` pixels is of the size that was asked for."""
        if self.pixels is not None:
            return (width, height) == self.pixels
        return self.ratio is None or abs(width / height / self.ratio - 1) <= LEEWAY


def read(text: str) -> Typed:
    """Reads a message; what stands in quotes is text to be drawn and asks for nothing."""
    plain = unicodedata.normalize("NFKC", text).translate(_INPUT_METHODS).lower()
    plain = _QUOTED.sub(" ", plain).strip(" \n,:")
    if _COMMAND.fullmatch(plain.rstrip(".!?~。… ").rstrip("吧啊呀了")):
        return Typed(command=True)
    count = _COUNT.search(plain)
    size = _SIZE.search(plain)
    pixels = ratio = None
    if size and size["shape"]:
        ratio = _SHAPES[size["shape"]]
    elif size:
        width, height = int(size["width"]), int(size["height"])
        if size["between"] == "x":
            pixels = width, height
        elif height:
            ratio = width / height
    return Typed(
        command=False,
        size=size[0] if size else None,
        pixels=pixels,
        ratio=ratio,
        count=(_COUNTS.get(count[1]) or int(count[1])) if count else 1,
        styled=bool(_STYLE.search(plain)),
    )
