"""The stand-in of the platform for an app that takes its events over long connections."""

from __future__ import annotations

from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connections import PATH, LongConnections
from bot.sandbox.feishu.stand_in import FeishuStandIn


class ConnectedStandIn(FeishuStandIn):
    """The platform after "receive through a persistent connection" was chosen in the console.

    Events, their repetitions and card actions go over ``line``, plain, as the platform sends them there; a request URL
    is not used.

    Args:
        delivery: how events are pushed; see the stand-in.
    """

    def __init__(self, *, delivery: RetrySchedule | None = None) -> None:
        super().__init__(delivery=delivery)
        self.line = LongConnections(app_id=self.app_id, app_secret=self.app_secret)
        self._server.route("POST", PATH, self.line.tell)
        self._courier.push_over(self.line.push)

    def __exit__(self, *error: object) -> None:
        self.line.close()
        super().__exit__(*error)
