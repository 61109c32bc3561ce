"""The real client's facade over the hardened cluster and runners.

Heavy (~100 MB) and unsafe to fork: imported only by asking.py, which is imported late.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from model_runner_client.model_concurrent_runners import (
    DynamicSubclassModelConcurrentRunner,
)

from competitions.gateway.cluster import Cluster
from competitions.gateway.link import disarm
from competitions.gateway.model_runner import Runner


class Client(DynamicSubclassModelConcurrentRunner):
    """Connect to all models of a crunch through the hardened cluster."""

    model_cluster: Cluster

    def __init__(
        self,
        *,
        on_joined: Callable[[Runner], Awaitable[None]],
        setup_timeout_s: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        disarm(self.model_cluster.ws_client)
        self._setup_timeout_s = setup_timeout_s
        self.model_cluster = Cluster(
            crunch_id=kwargs["crunch_id"],
            host=self.host,
            port=self.port,
            create_runner=self.create_model_runner,
            on_joined=on_joined,
        )

    def create_model_runner(self, **kwargs: Any) -> Runner:
        return Runner(
            self.base_classname,
            secure_credentials=self.secure_credentials,
            gateway_credentials=self.gateway_credentials,
            setup_timeout_s=self._setup_timeout_s,
            **kwargs,
        )
