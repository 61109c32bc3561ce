"""A runner with answers that a test chooses: protobuf permits a lot."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from model_runner_client.grpc.generated.commons_pb2 import Status, Variant
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import (
    CallResponse,
    SetupResponse,
)
from model_runner_client.grpc.generated.dynamic_subclass_pb2_grpc import (
    DynamicSubclassServiceServicer,
    add_DynamicSubclassServiceServicer_to_server,
)

WELL = Status(code="SUCCESS")


class HostileRunner(DynamicSubclassServiceServicer):
    """Well-behaved until `on_setup` or `on_call` is replaced.

    Either is called with the request and the gRPC context.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.on_setup: Callable[[Any, Any], Any] = lambda *_: SetupResponse(status=WELL)
        self.on_call: Callable[[Any, Any], Any] = lambda *_: CallResponse(
            status=WELL, methodResponse=Variant(type=6, value=b'{"value": 1.0}')
        )
        self.hangs = False
        self._over = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        add_DynamicSubclassServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{socket}")
        self._server.start()

    def Setup(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.on_setup(request, context)

    def Call(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.on_call(request, context)

    def hang(self, request: Any, context: Any) -> Any:
        """For `on_setup` or `on_call`: no answer before the end of the test."""
        self.hangs = True
        self._over.wait(60)
        self.hangs = False
        context.abort(grpc.StatusCode.INTERNAL, "it hung to the end")

    def stop(self) -> None:
        self._over.set()
        self._server.stop(0).wait()
