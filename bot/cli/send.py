"""The bot's result card for an image that the ``glm-image`` command made."""

from __future__ import annotations

import secrets

from bot import logs
from bot.chat.cards.elements import Card, CardContext, content, text_of
from bot.chat.cards.request_card import render_request
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.errors import ErrorKind, FeishuAction, FeishuError, GlmError
from bot.feishu.client import FeishuClient
from bot.feishu.error_codes import describe, suggest_fix
from bot.glm.client import link_expires_at
from bot.glm.images import LARGEST_FOR_FEISHU, shrink
from bot.models import GeneratedImage, GenerationView, ImageFile, RequestView, State
from bot.options import Options
from bot.settings import Settings


class Sender:
    """Sends results to one chat or person, as the bot whose settings are those of ``serve``.

    Its cards have no button but the link, since the command line stores no request. ``SettingsError`` if the messages
    or the styles cannot be read.
    """

    def __init__(self, recipient: str, settings: Settings) -> None:
        logs.configure("error")
        self._recipient, self._settings, folder = recipient, settings, settings.config_dir
        messages, styles = Messages.load(folder), Styles.load(folder)
        self._cards = CardContext(messages=messages, styles=styles, zone=settings.team.timezone, buttons=False)
        self._client = FeishuClient(**settings.feishu_access)

    def send(self, prompt: str, options: Options, image: GeneratedImage, file: ImageFile, *, seconds: float) -> None:
        """Uploads the image and sends the card; a card that Feishu rejects goes out as an image and text.

        Nothing is retried, so a busy chat refuses at once. The ``GlmError`` has what Feishu answered and what to do; if
        Feishu did not answer, the card may be there all the same.
        """
        uploaded = shrink(file) if len(file.content) > LARGEST_FOR_FEISHU else file
        price = self._settings.prices.by_model().get(options.model)
        try:
            image_key = self._client.upload_image(uploaded.content, filename=f"image{uploaded.suffix}")
            view = GenerationView(
                generation_id="",
                state=State.DONE,
                image_key=image_key,
                url=image.url,
                link_expires_at=link_expires_at(image.url),
                findings=image.findings,
                seconds=seconds,
                reencoded=uploaded is not file,
                calls_billed=1,
            )
            request = RequestView(request_id="", prompt=prompt, options=options, images=(view,), price=price)
            card = render_request(self._cards, request)
            try:
                self._send_one("interactive", card)
            except FeishuError as error:
                if error.action is not FeishuAction.SEND_PLAIN:
                    raise
                self._send_one("image", {"image_key": image_key})
                self._send_one("text", {"text": text_of(card, "zh")})
        except FeishuError as error:
            advice = suggest_fix(error, domain=self._settings.domain)
            raise GlmError(
                f"Failed to send the image to {self._recipient}: {describe(error)}. What to do: {advice}",
                ErrorKind.SEND_FAILED,
                status=error.status,
                provider_code=None if error.code is None else str(error.code),
            ) from error
        finally:
            self._client.close()

    def _send_one(self, msg_type: str, body: Card) -> None:
        uuid = f"cli-{secrets.token_hex(8)}"
        self._client.send(self._recipient, msg_type=msg_type, content=content(body), uuid=uuid)
