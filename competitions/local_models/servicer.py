"""Serve one model's class over gRPC, inside the sandbox.

The class is imported at the first Setup, when the sandbox is already closed.
"""

import contextlib
import faulthandler
import importlib
import inspect
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from model_runner_client.grpc.generated.commons_pb2 import Status
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import (
    CallResponse,
    RestResponse,
    SetupResponse,
)
from model_runner_client.grpc.generated.dynamic_subclass_pb2_grpc import (
    DynamicSubclassServiceServicer,
    add_DynamicSubclassServiceServicer_to_server,
)

from competitions.local_models.round_marks import LABEL, marked
from competitions.local_models.variants import UnsendableError, decode_variant, encode

LONGEST_TEXT = 4_000
LARGEST_REQUEST_BYTES = 64 * 2**20
# How long after its caller's limit a call counts as hung: the caller notices first.
HUNG_AFTER_S = 1.0


class ModelServicer(DynamicSubclassServiceServicer):
    """Serve one model: Setup creates it, Call calls it, Rest drops it.

    One request at a time; a second one is refused as busy, as the official runner does.
    A call that outlasts `hang_s`, and its caller's own limit, ends the process, with
    the stack of every thread in the log: a deadline at the caller does not free a hung
    model.
    """

    def __init__(self, model_dir: Path, *, hang_s: float, setup_hang_s: float) -> None:
        self._model_dir = model_dir
        self._hang_s = hang_s
        self._setup_hang_s = setup_hang_s
        self._turn = threading.Lock()
        self._model: Any = None

    def Setup(self, request: Any, context: Any) -> Any:  # noqa: N802  protobuf's name
        with self._one_at_a_time(context, self._setup_hang_s):
            if self._model is not None:
                return SetupResponse(status=Status(code="SUCCESS"))
            try:
                model_class = self._find_class(request.className)
            except _BadImplementationError as error:
                return _setup_failure("BAD_IMPLEMENTATION", str(error))
            except BaseException as error:  # noqa: BLE001  participants' code
                return _setup_failure("BAD_IMPLEMENTATION", self._explain(error))
            try:
                self._model = model_class(
                    *_positional(request.instanceArguments),
                    **_keywords(model_class, request.instanceKwArguments),
                )
            except BaseException as error:  # noqa: BLE001  participants' code
                return _setup_failure("SETUP_FAILED", self._explain(error))
            return SetupResponse(status=Status(code="SUCCESS"))

    def Call(self, request: Any, context: Any) -> Any:  # noqa: N802
        # Without a context: `check-model --no-sandbox` calls it in its own process.
        told = dict(context.invocation_metadata()) if context else {}
        with (
            self._one_at_a_time(context, self._hung_after_s(context)),
            marked(str(told.get(LABEL, "")), request.methodName),
        ):
            if not request.methodName:
                return _failure("INVALID_ARGUMENT", "methodName was empty")
            if self._model is None:
                return _failure("FAILED_PRECONDITION", "Setup has not been called yet")
            method = getattr(self._model, request.methodName, None)
            if not callable(method):
                name = type(self._model).__name__
                return _failure(
                    "BAD_IMPLEMENTATION", f"{name} has no method {request.methodName}"
                )
            try:
                result = method(
                    *_positional(request.methodArguments),
                    **_keywords(method, request.methodKwArguments),
                )
                return CallResponse(
                    status=Status(code="SUCCESS"), methodResponse=encode(result)
                )
            except UnsendableError as error:
                return _failure("MODEL_FAILED", str(error))
            except BaseException as error:  # noqa: BLE001  participants' code
                return _failure("MODEL_FAILED", self._explain(error))

    def Rest(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._one_at_a_time(context, self._hang_s):
            self._model = None
            return RestResponse(status=Status(code="SUCCESS"))

    def _hung_after_s(self, context: Any) -> float:
        left_s: float | None = context.time_remaining() if context else None
        if left_s is None or math.isinf(left_s):  # its caller sets no limit
            return self._hang_s
        return max(self._hang_s, left_s + HUNG_AFTER_S)

    @contextlib.contextmanager
    def _one_at_a_time(self, context: Any, hang_s: float) -> Iterator[None]:
        if not self._turn.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server busy")
        try:
            faulthandler.dump_traceback_later(hang_s, exit=True)
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._turn.release()

    def _find_class(self, base_path: str) -> type:
        """Return the first subclass of the base class in `main.py`."""
        module_name, _, class_name = base_path.rpartition(".")
        try:
            base = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError, ValueError) as error:
            raise _BadImplementationError(
                f"base class {base_path} is not known to the runner: {error}"
            ) from error
        if not (self._model_dir / "main.py").is_file():
            raise _BadImplementationError("the model has no main.py")
        main = importlib.import_module("main")
        for _, found in inspect.getmembers(main, inspect.isclass):
            if issubclass(found, base) and found.__module__ != base.__module__:
                return found
        raise _BadImplementationError(f"no subclass of {base_path} in main.py")

    def _explain(self, error: BaseException) -> str:
        """Return the error with its place in the model's code; log the rest.

        The log begins where the model's code does, not with how it was called.
        """
        whole = error.__traceback__
        own = whole
        while own is not None and not self._is_own(own.tb_frame.f_code.co_filename):
            own = own.tb_next
        begin = own or (whole and whole.tb_next)
        traceback.print_exception(error.with_traceback(begin))
        text = f"{type(error).__name__}: {error}"
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if self._is_own(frame.filename):
                path = Path(frame.filename).relative_to(self._model_dir)
                return f"{text} ({path}:{frame.lineno})"
        return text

    def _is_own(self, file_name: str) -> bool:
        return Path(file_name).is_relative_to(self._model_dir)


class _BadImplementationError(Exception):
    """The submission is not a model of this competition."""


def _setup_failure(code: str, message: str) -> Any:
    status = _status(code, message)
    print(f"setup failed: {status.message}", flush=True)  # noqa: T201  the model's log
    return SetupResponse(status=status)


def _failure(code: str, message: str) -> Any:
    return CallResponse(status=_status(code, message))


def _status(code: str, message: str) -> Any:
    """Build a status whose text coordinators and protobuf accept."""
    text = message[:LONGEST_TEXT].encode(errors="replace").decode()
    return Status(code=code, message=text)


def _positional(arguments: Any) -> list[Any]:
    return [decode_variant(a.data) for a in sorted(arguments, key=lambda a: a.position)]


def _keywords(target: Any, arguments: Any) -> dict[str, Any]:
    """Return only the keywords that the target's signature names."""
    if not arguments:
        return {}
    named = inspect.signature(target).parameters
    return {a.keyword: decode_variant(a.data) for a in arguments if a.keyword in named}


def serve(
    model_dir: Path,
    package_dir: Path,
    socket: Path,
    *,
    hang_s: float,
    setup_hang_s: float,
    on_listening: Callable[[], None],
) -> None:
    """Serve the model of a folder at a unix socket until SIGTERM.

    `on_listening` is called before anything of the model can have run.
    """
    server = grpc.server(
        ThreadPoolExecutor(max_workers=4),
        options=[("grpc.max_receive_message_length", LARGEST_REQUEST_BYTES)],
    )
    servicer = ModelServicer(model_dir, hang_s=hang_s, setup_hang_s=setup_hang_s)
    add_DynamicSubclassServiceServicer_to_server(servicer, server)
    health_servicer = health.HealthServicer()
    health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    on_listening()
    sys.path[:0] = [str(model_dir), str(package_dir)]
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(0)
    os._exit(0)  # threads of the model must not delay the exit
