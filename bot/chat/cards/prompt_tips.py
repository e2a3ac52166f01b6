"""One tip for a prompt that is vague, contradictory, crowded or long, after the GLM-Image skill's advice.

A tip that is wrong annoys more than a missing one, so each rule takes only what is plain.
"""

from __future__ import annotations

import re

from bot.chat.parsing.tokenizer import unquoted
from bot.models import PROMPT_HINT_LENGTH

# Words that say that a picture is wanted, or that it should please, but not what it shows.
_EMPTY_CHINESE = (
    "请|麻烦|帮|给|我|你|来|做|画|生成|制作|设计|随便|随机|任意|什么|一张|一幅|一个|张|幅|个|点|些|很|最|非常|特别|超级|"
    "好看|漂亮|美丽|美观|精美|唯美|优美|高级|高清|酷炫|酷|帅|好|不错|"
    "图片|图像|图画|图案|图|照片|壁纸|配图|头像|画面|东西|吧|呢|啊|呀|的"
)
_EMPTY_ENGLISH = (
    "please|draw|make|create|generate|show|give|me|us|i|want|need|a|an|the|of|some|something|anything|random|"
    "very|really|so|super|nice|beautiful|pretty|good|great|cool|awesome|amazing|lovely|hd|"
    "pictures?|images?|photos?|pic|wallpaper|art"
)
_EMPTY = re.compile(rf"{_EMPTY_CHINESE}|\b(?:{_EMPTY_ENGLISH})\b", re.IGNORECASE)
_LETTER = re.compile(r"[^\W_]")

# A swan (白天鹅), a tower (晴空塔), a rain charm (晴天娃娃) and a fried egg tell no time and no weather.
_OPPOSITES = (
    (
        r"白天(?!鹅)|正午|\bday ?time\b|\bby day\b|\bnoon\b",
        r"夜晚|黑夜|深夜|晚上|午夜|\bnight(?:time)?\b|\bmidnight\b",
    ),
    (r"夏天|夏季|盛夏|\bsummer\b", r"冬天|冬季|寒冬|\bwinter\b"),
    (r"晴天(?!娃娃)|晴空(?!塔)|\bsunny\b(?![ -]side)|\bclear sky\b", r"雨天|暴雨|大雨|下雨|雨夜|\brain(?:y|ing)\b"),
)
# "working day and night" is a way of speaking.
_AT_ONCE = re.compile(
    r"\b(?:day and night|night and day)\b.*\b(?:at once|at the same time|together|simultaneously)\b", re.IGNORECASE
)
# A change from one to the other is a picture that can be made, and so are the two side by side.
_CHANGE = re.compile(
    r"从.+到|渐变|交替|对比|过渡|一半.+一半|各占|各一半|分屏|一边.+一边|左.+右|"
    r"\bfrom\b.+\bto\b|\bhalf\b.+\bhalf\b|\bversus\b|\bvs\b|\bsplit\b|\bleft\b.+\bright\b",
    re.IGNORECASE,
)

_CHINESE_SUBJECT = re.compile(r"[一两二三四五六七八九十几多\d]\s*(?:只|个|位|名|头|匹|辆|群|条|架|艘)")
_COUNT = r"\b(?:an?|one|two|three|four|five|six|several|some)\s+"
# "a cat, a dog, two birds and a car"; articles alone say nothing ("a photo of a woman in a red dress").
_ENGLISH_SUBJECTS = re.compile(
    rf"(?:{_COUNT}(?:\w+\s+){{0,2}}\w+\s*(?:,\s*(?:and\s+)?|\s+and\s+)){{3,}}{_COUNT}\w", re.IGNORECASE
)
_MANY_SUBJECTS = 4


def tip_for(prompt: str, *, raw_prompt: str | None = None) -> str | None:
    """The catalogue key of the tip; the words of a style, which ``raw_prompt`` is without, make nothing clearer."""
    if len(prompt) > PROMPT_HINT_LENGTH:
        return "advice.long"
    said = prompt if raw_prompt is None else raw_prompt
    described = unquoted(said)
    opposed = _AT_ONCE.search(described) or any(
        re.search(one, described, re.IGNORECASE) and re.search(other, described, re.IGNORECASE)
        for one, other in _OPPOSITES
    )
    if opposed and not _CHANGE.search(described):
        return "advice.contradictory"
    if described == said and _LETTER.search(said) and not _LETTER.search(_EMPTY.sub("", said)):
        return "advice.vague"
    if len(_CHINESE_SUBJECT.findall(described)) >= _MANY_SUBJECTS or _ENGLISH_SUBJECTS.search(described):
        return "advice.subjects"
    return None
