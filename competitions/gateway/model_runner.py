"""The connection to one model: a safer subclass of the real client's.

Differences: the runner's own error text is kept; the setup has a time limit of its own;
a socket is checked before the connection.
"""

import asyncio
from typing import Any

from grpc import StatusCode
from grpc.aio import AioRpcError
from model_runner_client.errors import InvalidCoordinatorUsageError
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import SetupRequest
from model_runner_client.grpc.generated.dynamic_subclass_pb2_grpc import (
    DynamicSubclassServiceStub,
)
from model_runner_client.model_runners import DynamicSubclassModelRunner

from competitions.gateway.link import check_socket
from core.texts import readable

# Of any message of a model: the largest answer that a contract may allow fits.
LARGEST_MESSAGE_BYTES = 2**20 + 64 * 2**10


class Runner(DynamicSubclassModelRunner):
    """Connect to one model and set it up; `error` is the newest reason of a failure."""

    def __init__(self, base_classname: str, **kwargs: Any) -> None:
        setup_timeout_s = kwargs.pop("setup_timeout_s")
        super().__init__(base_classname, **kwargs)
        self.retry_attempts = 1  # the cluster retries, without leaking channels
        # Our limit ends first, with its reason.
        self.setup_timeout = setup_timeout_s + 60
        self._setup_timeout_s = setup_timeout_s
        self.error = ""

    @property
    def grpc_options(self) -> list[tuple[str, Any]]:
        return self._options

    @grpc_options.setter
    def grpc_options(self, options: list[tuple[str, Any]]) -> None:
        limit = ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES)
        self._options = [*options, limit]

    async def init(self) -> tuple[bool, Any]:
        """Connect and set up; raises OSError for a socket that is not the model's."""
        if self.ip == "unix":
            check_socket(str(self.port), owner=self.infos.get("socket_uid"))
        is_set_up, failure = await super().init()
        return is_set_up, failure

    async def setup(self, grpc_channel: Any) -> tuple[bool, Any]:
        if self.closed:
            # Closed while it was connecting. A stub on a closed channel reads freed
            # memory: gRPC's core was seen to loop there for ever, blocking the event
            # loop.
            return False, self.ErrorType.ABORTED
        self.grpc_stub = DynamicSubclassServiceStub(grpc_channel)
        try:
            async with asyncio.timeout(self._setup_timeout_s):
                return await self.set_up()
        except TimeoutError:
            self.error = f"setup did not finish within {self._setup_timeout_s:g} s"
        except AioRpcError as error:
            if error.code() is not StatusCode.RESOURCE_EXHAUSTED:
                raise
            if "larger than max" in (error.details() or ""):
                self.error = "the message of its setup is too long"
                return False, self.ErrorType.FAILED
            self.error = "still busy with an earlier call"
        return False, self.ErrorType.GRPC_CONNECTION_FAILED

    async def set_up(self) -> tuple[bool, Any]:
        """Ask the runner to instantiate the model; also after the runner restarted."""
        response = await self.grpc_stub.Setup(
            SetupRequest(
                className=self.base_classname,
                instanceArguments=self.instance_args,
                instanceKwArguments=self.instance_kwargs,
            )
        )
        status = response.status
        if status.code == "SUCCESS":
            self.error = ""
            return True, None
        self.error = readable(status.message or status.code)
        if status.code == "INVALID_ARGUMENT":
            raise InvalidCoordinatorUsageError(self.error)
        if status.code == "BAD_IMPLEMENTATION":
            return False, self.ErrorType.BAD_IMPLEMENTATION
        return False, self.ErrorType.FAILED


async def close_channels(runner: Runner) -> None:
    """Close what an attempt to connect has opened; the runner may try again."""
    for channel in (runner.grpc_channel, runner.grpc_health_channel):
        if channel is not None:
            await channel.close()
    runner.grpc_channel = runner.grpc_health_channel = None
