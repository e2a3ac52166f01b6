"""The options of an image. Each is declared once, as a field of ``Options``; everything else is derived from it.

Derived are: parsing, resolving, ``/again``, ``/help``, ``/settings``, the settings file, the edit form, labels on
cards, the API body, the command line, and the export. A new option is a field here, its sentences in both message
catalogues (``help.option.NAME``, ``label.NAME``, ``misread.NAME``, ``misread.NAME_missing``, and where they apply
``settings.no_NAME``, ``form.NAME``, ``form.no_NAME``), and a test. Values are stored as JSON by name, so that no
migration is needed; a stored option that this version does not know is ignored.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple

from bot import sizes
from bot.errors import ErrorKind, GlmError, UserError
from bot.text import truncate

HAN = "[\u3400-\u9fff]"  # a pattern of one Chinese character
MAX_COUNT = 4  # the most images that one message can ask for
QUALITIES = ("hd", "standard")
NONE = "none"  # the value in an edit form that removes an option

NUMERALS: Mapping[str, int] = {**{numeral: number for number, numeral in enumerate("一二三四五六七八九十", 1)}, "两": 2}
"""The Chinese numerals up to ten."""

_QUOTE_LENGTH = 40
_WORD = re.compile(r"(?:(?!--)[^\s,;，；。、！？“”「」『』\"/—()（）\[\]［］{}｛｝【】])+")
_SEPARATOR = re.compile(r"[ \t]*[:=]?[ \t]*")
# After a number: no letter, and no sign with a digit, so that 4 is no count in 4x4 and 4.5.
_WHOLE = r"(?![a-z0-9_]|[.:x*/][0-9])"
_SIZE = re.compile(r"[0-9]{3,}x[0-9]{3,}|(?:[1-9]|1[0-9]|2[01]):(?:[1-9]|1[0-9]|2[01])")


class Match(NamedTuple):
    """A value in a text, ``None`` if there is none; of a number option, the text in its place if it is no number."""

    value: str | int | bool | None
    end: int
    certain: bool = False  # whether it can only be a value of this option


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a value is checked against: the options resolved before it, the team's styles, and a permission."""

    resolved: Mapping[str, Any]
    styles: Collection[str] = ()
    may_drop_watermark: bool = True


def read_word(plain: str, at: int) -> Match:
    """Everything up to a space, a comma, a bracket, a quotation mark or a sign of an option."""
    match = _WORD.match(plain, at)
    value = match[0].rstrip(".!?:~") if match else ""
    return Match(value, at + len(value)) if value else Match(None, at)


def reader(
    pattern: str,
    convert: Callable[[re.Match[str]], str | int],
    *,
    words: Mapping[str, str] | None = None,
    certain: Collection[str] | None = None,
) -> Callable[[str, int], Match]:
    """A reader of a pattern, or else of a word: ``words`` are certain values, and all that match unless ``certain``."""
    compiled = re.compile(pattern)

    def read(plain: str, at: int) -> Match:
        if match := compiled.match(plain, at):
            value = convert(match)
            return Match(value, match.end(), certain is None or value in certain)
        word = read_word(plain, at)
        known = (words or {}).get(str(word.value))
        return Match(known, word.end, certain=True) if known else word

    return read


def _closest(value: object, context: Context) -> str | None:
    """The model, quality or style whose name is most like a wrong one."""
    near = difflib.get_close_matches(str(value), (*sizes.MODELS, *QUALITIES, *context.styles), n=1, cutoff=0.7)
    return near[0] if near else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """The declaration of one option; its name and default are those of its field.

    Typed texts are in the plain form of :func:`bot.text.fold`.
    """

    # Parsing
    words: tuple[str, ...] = ()  # the names that are typed before a value; the first one is canonical
    flags: Mapping[str, bool] = field(default_factory=dict)  # the names that are a value themselves
    kind: type = str
    read: Callable[[str, int], Match] = read_word  # the value at an offset
    standalone: Callable[[str, str], bool] = lambda *_: False  # (typed, value): whether it is clear without a name
    after_letter: bool = False  # whether it counts after a slash without a space before it: "cat/size 16:9"
    off_words: frozenset[str] = frozenset()  # the values that remove a default, stored as an empty string
    # Resolving
    depends_on: tuple[str, ...] = ()  # options declared before it; typing one makes /again drop this one's old value
    check: Callable[[Any, Context], Any] = lambda value, _: value  # the canonical value; raises GlmError
    adapt: Callable[[Any, Context], Any] | None = None  # the same for a default, if it differs
    choices: tuple[str, ...] = ()  # what is suggested, and unless `explain` is set, all that is allowed
    explain: Callable[[Context], Mapping[str, str]] | None = None  # the placeholders of misread.NAME
    nearest: Callable[[Any, Context], Any] = _closest  # what a wrong value was probably meant to be, or None
    # Showing
    of_image: bool = True  # whether it belongs to an image: shown on its card, exported, and kept by /again
    is_style: bool = False  # whether its value names a style, which is shown in the reader's language
    display: Callable[[Any], Mapping[str, object]] = lambda _: {}  # further placeholders of label.NAME
    form: Callable[[Sequence[str]], Sequence[str]] | None = None  # the choices of the edit form, from the styles
    # Elsewhere
    setting: bool = False  # whether the settings file holds a default
    api_field: str | None = None
    cli: tuple[str, ...] = ()
    cli_help: str = ""


def _declare(default: Any, **declaration: Any) -> Any:
    return field(default=default, metadata={"option": Option(**declaration)})


def _is_size(typed: str, value: str) -> bool:
    # 12/25 is a date, and 16:30 a time.
    return "/" not in typed and (not value[0].isdigit() or _SIZE.fullmatch(value) is not None)


def _explain_size(context: Context) -> Mapping[str, str]:
    model = context.resolved["model"]
    rule = sizes.rule(model)
    return {
        "model": model,
        "ratios": ", ".join(sizes.RATIOS),
        "allowed": ", ".join(rule.recommended),
        "minimum": str(rule.minimum),
        "maximum": str(rule.maximum),
        "multiple": str(rule.multiple),
        "pixels": f"{rule.max_pixels:,}",
    }


def _check_quality(quality: str, _: Context) -> str:
    plain = quality.strip().lower()
    if plain not in QUALITIES:
        shown = quality[:_QUOTE_LENGTH]
        message = f"Invalid quality: {shown}. Must be hd or standard"
        raise GlmError(message, ErrorKind.INVALID_QUALITY, values={"quality": shown})
    return plain


def _check_style(style: str, context: Context) -> str:
    if known := next((name for name in context.styles if name.casefold() == style.casefold()), None):
        return known
    raise GlmError("Unknown style", ErrorKind.REQUEST_REJECTED)


def _check_watermark(watermark: bool, context: Context) -> bool:  # noqa: FBT001 - the value of an option
    if watermark or context.may_drop_watermark:
        return watermark
    raise GlmError("The watermark may not be removed", ErrorKind.REQUEST_REJECTED)


def _check_count(count: int, _: Context) -> int:
    if 1 <= count <= MAX_COUNT:
        return count
    raise GlmError(f"Not a count: {count}", ErrorKind.REQUEST_REJECTED)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What an image is made with, in the order in which options are shown; ``size`` is ``WIDTHxHEIGHT`` in pixels."""

    model: str = _declare(
        sizes.DEFAULT_MODEL,
        words=("model", "模型"),
        read=reader(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", lambda found: found[0].replace("_", "-"), certain=sizes.MODELS),
        standalone=lambda *_: True,
        choices=sizes.MODELS,
        check=lambda model, _: sizes.check_model(model),
        setting=True,
        api_field="model",
        cli=("-m", "--model"),
        cli_help=f"{', '.join(sizes.MODELS)}; default: {sizes.DEFAULT_MODEL}",
    )
    size: str = _declare(
        sizes.DEFAULT_SIZE,
        words=("size", "ar", "ratio", "尺寸", "比例", "画幅"),
        read=reader(
            rf"([0-9]{{1,5}}) *([x*:/比]) *([0-9]{{1,5}})(?: *(?:px|像素))?{_WHOLE}",
            lambda found: f"{found[1]}{'x' if found[2] in 'x*' else ':'}{found[3]}",
            words={word: word for word in sizes.WORDS},
        ),
        standalone=_is_size,
        after_letter=True,
        depends_on=("model",),
        choices=sizes.RATIOS,
        check=lambda size, context: sizes.resolve(context.resolved["model"], size),
        adapt=lambda size, context: sizes.resolve_default(context.resolved["model"], size),
        explain=_explain_size,
        nearest=lambda size, context: sizes.suggest(context.resolved["model"], size),
        display=lambda size: {"ratio": sizes.ratio_name(size)},
        form=lambda _: sizes.RATIOS,
        setting=True,
        api_field="size",
        cli=("-s", "--size"),
        cli_help=f"WIDTHxHEIGHT or a ratio such as 16:9; default: {sizes.DEFAULT_SIZE}",
    )
    quality: str = _declare(
        QUALITIES[0],
        words=("quality", "质量", "画质"),
        read=reader(r"(?:hd|standard)(?![a-z0-9_-])", lambda found: found[0], words={"高清": "hd", "标准": "standard"}),
        standalone=lambda *_: True,
        choices=QUALITIES,
        check=_check_quality,
        setting=True,
        api_field="quality",
        cli=("-q", "--quality"),
        cli_help=f"{' or '.join(QUALITIES)}; default: {QUALITIES[0]}",
    )
    style: str | None = _declare(
        None,
        words=("style", "风格", "画风"),
        off_words=frozenset({NONE, "无"}),
        check=_check_style,
        # A style that was removed from the file may remain a default, without effect.
        adapt=lambda style, _: style,
        explain=lambda context: {"allowed": ", ".join(context.styles)},
        is_style=True,
        form=lambda styles: styles,
    )
    watermark: bool = _declare(
        default=True,
        flags={
            **dict.fromkeys(("no-watermark", "nowatermark", "无水印", "去水印", "不要水印", "没有水印"), False),
            "去掉水印": False,
            "watermark": True,
            "有水印": True,
        },
        kind=bool,
        check=_check_watermark,
        # A default that was set while it was allowed does not outlive the permission.
        adapt=lambda watermark, context: watermark or not context.may_drop_watermark,
        api_field="watermark_enabled",
        cli=("--no-watermark",),
        cli_help="only for accounts that signed the disclaimer",
        nearest=lambda *_: None,
    )
    count: int = _declare(
        1,
        words=("n", "张数"),
        kind=int,
        # "/n 4 张三的头像" asks for four images of somebody called 张三.
        read=reader(
            rf"([0-9]{{1,4}}){_WHOLE}(?:[张幅]| +[张幅](?!{HAN}))?|([一二两三四])(?:[张幅]|(?!{HAN}))",
            lambda found: int(found[1]) if found[1] else NUMERALS[found[2]],
        ),
        standalone=lambda typed, _: typed.endswith(("张", "幅")),
        check=_check_count,
        explain=lambda _: {"most": str(MAX_COUNT)},
        nearest=lambda count, _: min(max(count, 1), MAX_COUNT),
        of_image=False,
    )

    @property
    def width(self) -> int:
        return int(self.size.partition("x")[0])

    @property
    def height(self) -> int:
        return int(self.size.partition("x")[2])

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Options:
        """Options as they were stored, without those that only another version knows."""
        return cls(**known_options(stored))


OPTIONS: Mapping[str, Option] = {one.name: one.metadata["option"] for one in fields(Options)}
DEFAULTS: Mapping[str, Any] = asdict(Options())
NAMES: Mapping[str, str] = {word: name for name, one in OPTIONS.items() for word in (*one.words, *one.flags)}
"""Every name that can be typed for an option, with the option."""

TypedOptions = dict[str, Any]
"""The options that were typed or chosen, by name; sizes are not yet resolved, an empty string removes a default."""


def quote(text: str) -> str:
    """Typed words as a sentence quotes them: on one line, cut at 40 characters."""
    return truncate(" ".join(text.split()), _QUOTE_LENGTH)


def read_value(name: str, plain: str, at: int) -> Match:
    gap = _SEPARATOR.match(plain, at)
    return OPTIONS[name].read(plain, gap.end() if gap else at)


def infer_option(plain: str, at: int) -> tuple[str, Match] | None:
    """The option of a value that is unambiguous without its name, such as ``16:9``, ``3张`` or ``hd``."""
    for name, option in OPTIONS.items():
        match = read_value(name, plain, at)
        if match.certain and option.standalone(plain[at : match.end], str(match.value)):
            return name, match
    return None


def wrong_value(name: str, value: object, context: Context) -> UserError:
    """The error of a value that is not allowed; its sentence names those that are."""
    if value is False:
        return UserError(sentence=f"misread.no_{name}")
    option = OPTIONS[name]
    more = option.explain(context) if option.explain else {"allowed": ", ".join(option.choices)}
    return UserError(sentence=f"misread.{name}", values={"value": quote(str(value)), **more})


def resolve_options(
    typed: TypedOptions, *, defaults: Options, may_drop_watermark: bool, styles: Collection[str]
) -> Options | UserError:
    """The options that an image is made with, or what is wrong with one that was typed.

    ``may_drop_watermark`` is whether the account has signed the platform's disclaimer; ``styles`` are compared without
    regard to case.
    """
    given: Any = {"defaults": defaults, "may_drop_watermark": may_drop_watermark, "styles": styles}
    resolved: dict[str, Any] = {}
    context = Context(resolved=resolved, styles=styles, may_drop_watermark=may_drop_watermark)
    for name, option in OPTIONS.items():
        value, check = typed.get(name), option.check
        if value in (None, ""):
            # An empty text removes the default of an option that can be absent.
            removed = value == "" and DEFAULTS[name] is None
            value, check = None if removed else getattr(defaults, name), option.adapt or check
        try:
            resolved[name] = check(value, context)
        except GlmError:
            error = wrong_value(name, value, context)
            near = option.nearest(value, context)
            fixed = {key: one for key, one in {**typed, name: near}.items() if one is not None}
            may_fix = near != value and not isinstance(resolve_options(fixed, **given), UserError)
            offer = {"options": fixed, "value": "" if near is None else str(near)}
            return replace(error, offer=offer) if may_fix else error
    return Options(**resolved)


def known_options(stored: Mapping[str, Any]) -> TypedOptions:
    """Typed options as they were stored, without those that only another version knows."""
    return {name: value for name, value in stored.items() if name in OPTIONS}


def repeat_options(before: Mapping[str, Any], typed: TypedOptions) -> TypedOptions:
    """The options of an earlier request, as they were stored, with newly typed ones over them."""
    kept: dict[str, Any] = {name: DEFAULTS[name] for name, option in OPTIONS.items() if not option.of_image}
    for name, option in OPTIONS.items():
        if option.of_image and not typed.keys() & set(option.depends_on):
            # An absent value is kept absent: a default may have been set since.
            kept[name] = before.get(name) or (before.get(name) if DEFAULTS[name] is not None else "")
    return {name: value for name, value in kept.items() if value is not None} | typed


def form_options(form: Mapping[str, str], before: Mapping[str, Any]) -> TypedOptions:
    """The options that were changed in an edit form, which was filled in with those of an earlier request."""
    # An unchanged value was chosen beforehand, and would hold a newly typed model to the size of the old one.
    chosen = {name: form[name] for name, option in OPTIONS.items() if option.form and form.get(name)}
    changed = {name: text for name, text in chosen.items() if text != str(before.get(name))}
    return {name: "" if text == NONE else OPTIONS[name].kind(text) for name, text in changed.items()}


def check_each(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The canonical value of each option that has one, by name; raises ``GlmError`` for one that is not allowed."""
    checked: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        if (value := values.get(name)) is not None:
            checked[name] = option.check(value, Context(resolved=checked))
            yield name, checked[name]


def api_fields(options: Options) -> dict[str, Any]:
    """The fields of the API's body; raises ``GlmError`` for a value that is not allowed."""
    values = {name: getattr(options, name) for name, option in OPTIONS.items() if option.api_field}
    return {str(OPTIONS[name].api_field): value for name, value in check_each(values)}
