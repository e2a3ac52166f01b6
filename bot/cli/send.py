"""The bot's result card for an image that the command line made."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from bot.chat.cards.cards import Cards, content
from bot.chat.cards.elements import Card
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.cli.generate_image import Request
from bot.cli.id_args import kind_of
from bot.errors import FeishuAction, FeishuError
from bot.feishu.client import FeishuClient
from bot.glm.client import link_expires_at
from bot.glm.images import LARGEST_FOR_FEISHU, shrink
from bot.models import GeneratedImage, GenerationView, ImageFile, RequestView, State
from bot.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was asked, what the paid call gave, the picture's bytes, and how many seconds the call took."""

    request: Request
    made: GeneratedImage
    image: ImageFile
    seconds: float


class Sender:
    """Sends results to one chat or person, as the bot whose settings are those of ``serve``.

    Its cards have no buttons but the link: behind the others stands a request, which the command line does not store.

    Args:
        recipient: a ``chat_id`` or an ``open_id``.
        settings: the bot's, with the app's id and secret.

    Raises:
        SettingsError: the sentences or the styles cannot be read.
    """

    def __init__(self, recipient: str, settings: Settings) -> None:
        self.domain = settings.domain
        self._recipient = recipient
        self._prices = settings.prices.by_model()
        self._cards = _cards(settings)
        self._client = FeishuClient(
            domain=settings.domain, app_id=settings.app_id, app_secret=settings.app_secret.get_secret_value()
        )

    def send(self, result: Result) -> None:
        """Uploads the picture and sends the card; a card that Feishu refuses goes out as a picture and text.

        Nothing is tried twice, so a chat that is busy refuses at once.

        Raises:
            FeishuError: Feishu refused, or did not answer; in that case the card may be there all the same.
            DownloadFailed: the picture has to be made smaller for Feishu and turns out to be damaged.
        """
        try:
            image_key, shrunk = self._upload(result.image)
            card = self._card(result, image_key=image_key, shrunk=shrunk)
            try:
                self._send_one("interactive", self._cards.request(card))
            except FeishuError as error:
                if error.action is not FeishuAction.SEND_PLAIN:
                    raise
                self._send_one("image", {"image_key": image_key})
                self._send_one("text", {"text": self._cards.plain(card, "zh")})
        finally:
            self._client.close()

    def _upload(self, image: ImageFile) -> tuple[str, bool]:
        shown = shrink(image) if len(image.content) > LARGEST_FOR_FEISHU else image
        key = self._client.upload_image(shown.content, filename=f"image{shown.suffix}")
        return key, shown is not image

    def _card(self, result: Result, *, image_key: str, shrunk: bool) -> RequestView:
        made, options = result.made, result.request.options
        picture = GenerationView(
            generation_id="",
            state=State.DONE,
            image_key=image_key,
            url=made.url,
            link_ends_at=link_expires_at(made.url),
            findings=made.findings,
            seconds=result.seconds,
            shrunk=shrunk,
        )
        price = self._prices.get(options.model)
        return RequestView(
            request_id="", prompt=result.request.prompt, options=options, pictures=(picture,), price=price
        )

    def _send_one(self, msg_type: str, body: Card) -> None:
        self._client.send(
            self._recipient,
            receive_id_type=kind_of(self._recipient),
            msg_type=msg_type,
            content=content(body),
            uuid=f"cli-{secrets.token_hex(8)}",
        )


def _cards(settings: Settings) -> Cards:
    return Cards(
        words=Messages.load(settings.config_dir),
        styles=Styles.load(settings.config_dir),
        zone=settings.team.zone,
        buttons=False,
    )
