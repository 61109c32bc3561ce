"""Asking 200 models in 2 processes: our gateway against the bare client's own `call`.

Both ask the same runners over real gRPC, in turn. A second part lets 10 % of the models
hang or die and compares the rounds after the first with those before.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import summary

METHOD_ARGUMENTS = ("BTCUSDT", 60, 15)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=60, help="rounds per repeat")
    parser.add_argument("--timeout-s", type=float, default=1.0)


def run(args: argparse.Namespace) -> dict[str, Any]:
    with runners(args.models, args.processes) as (folder, sockets):
        orchestrator = announce(sockets)
        try:
            return _measure(args, orchestrator, folder)
        finally:
            orchestrator.stop()


def _measure(
    args: argparse.Namespace, orchestrator: Any, folder: Path
) -> dict[str, Any]:
    from competitions.gateway.gateway import ModelGateway

    gateway = ModelGateway(
        host="127.0.0.1",
        port=orchestrator.port,
        crunch_id="bench",
        base_classname="tracker.TrackerBase",
        timeout_s=args.timeout_s,
    )
    bare = _BareClient(orchestrator.port, args.timeout_s)
    expected = sorted(orchestrator.models)
    gateway.start()
    started = time.perf_counter()
    while len(gateway.live()) < args.models:
        time.sleep(0.005)
    connect_s = time.perf_counter() - started
    bare.start()

    def ours() -> None:
        answers = gateway.ask(feed=None, question=question(), expected=expected).answers
        assert all(answer.outcome == "ANSWERED" for answer in answers)

    times: dict[str, list[float]] = {"ours": [], "limit": []}
    for _ in range(5):  # warm both
        ours()
        bare.ask()
    for _ in range(args.repeats):
        for side, work in (("ours", ours), ("limit", bare.ask)):
            times[side] += [_timed(work) for _ in range(args.rounds)]
    bare.close()

    healthy = [_timed(ours) for _ in range(args.rounds)]
    bad = expected[::10]
    for index, model_id in enumerate(bad):
        # Odd ones hang from now on; even ones' addresses die.
        name = "hang" if index % 2 else "die"
        (folder / f"{model_id}.{name}").touch()
    time.sleep(1.0)  # they look a few times a second
    first = _timed(
        lambda: gateway.ask(feed=None, question=question(), expected=expected)
    )
    outcomes = {"ANSWERED": 0, "FAILED": 0, "ABSENT": 0}
    after = []
    for _ in range(args.rounds):
        start = time.perf_counter()
        found = gateway.ask(feed=None, question=question(), expected=expected)
        after.append(time.perf_counter() - start)
        for answer in found.answers:
            outcomes[answer.outcome] += 1
    gateway.close()
    ours_s, limit_s = summary(times["ours"]), summary(times["limit"])
    return {
        "name": "gateway",
        "ratio": round(limit_s["median_s"] / ours_s["median_s"], 3),
        "ours": ours_s,
        "limit": limit_s,
        "repeats": args.repeats,
        "rounds": len(times["ours"]),
        "models": args.models,
        "processes": args.processes,
        "connect_all_s": round(connect_s, 3),
        "with_bad_models": {
            "bad": len(bad),
            "healthy_median_s": statistics.median(healthy),
            "first_round_s": first,
            "later_median_s": statistics.median(after),
            "later_to_healthy": round(
                statistics.median(after) / statistics.median(healthy), 3
            ),
            "later_max_s": max(after),
            "outcomes": outcomes,
        },
    }


def question() -> Any:
    """The call of the default contract."""
    from competitions.gateway.types import Argument, Call

    return Call(
        "predict",
        tuple(
            Argument("INT" if isinstance(value, int) else "STRING", value)
            for value in METHOD_ARGUMENTS
        ),
    )


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class _BareClient:
    """The unmodified client on an event loop of its own: connect, then call."""

    def __init__(self, port: int, timeout_s: float) -> None:
        self._port, self._timeout_s = port, timeout_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._client: Any = None

    def start(self) -> None:
        from model_runner_client.model_concurrent_runners import (
            DynamicSubclassModelConcurrentRunner,
        )

        self._thread.start()

        async def begin() -> None:
            self._client = DynamicSubclassModelConcurrentRunner(
                timeout=self._timeout_s,
                crunch_id="bench",
                host="127.0.0.1",
                port=self._port,
                base_classname="tracker.TrackerBase",
            )
            await self._client.init()

        self._run(begin())

    def ask(self) -> None:
        from model_runner_client.grpc.generated.commons_pb2 import (
            Argument,
            Variant,
            VariantType,
        )
        from model_runner_client.utils.datatype_transformer import encode_data

        arguments = []
        for position, value in enumerate(METHOD_ARGUMENTS, start=1):
            kind = VariantType.INT if isinstance(value, int) else VariantType.STRING
            data = Variant(type=kind, value=encode_data(kind, value))
            arguments.append(Argument(position=position, data=data))
        found = self._run(self._client.call("predict", (arguments, [])))
        assert all(answer.status.value == "SUCCESS" for answer in found.values())

    def close(self) -> None:
        async def end() -> None:
            self._client.model_cluster.ws_client.disconnect_sync = lambda: None
            await self._client.model_cluster.ws_client.disconnect()
            for runner in self._client.model_cluster.models_run.values():
                await runner.close()

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


def announce(sockets: dict[str, Path]) -> Any:
    """An orchestrator that announces the runners."""
    from tests.fakes.orchestrator import ScriptedOrchestrator

    orchestrator = ScriptedOrchestrator().start()
    for model_id, socket in sockets.items():
        orchestrator.announce(model_id, address=socket)
    return orchestrator


@contextlib.contextmanager
def runners(models: int, processes: int) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Many model servers in few processes, each at a socket of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        ids = [f"m{index:03d}" for index in range(models)]
        context = multiprocessing.get_context("spawn")
        children = [
            context.Process(target=_serve, args=(folder, ids[part::processes]))
            for part in range(processes)
        ]
        for child in children:
            child.start()
        sockets = {model_id: folder / f"{model_id}.sock" for model_id in ids}
        try:
            while not all(
                (folder / f"{child.pid}.ready").exists() for child in children
            ):
                if not all(child.is_alive() for child in children):
                    raise RuntimeError("a process of models ended while it started")
                time.sleep(0.02)
            yield folder, sockets
        finally:
            for child in children:
                if child.pid is not None and child.is_alive():
                    os.kill(child.pid, signal.SIGKILL)
                child.join()


def _serve(folder: Path, model_ids: list[str]) -> None:
    """Serve models on one event loop until killed."""
    asyncio.run(_serve_all(folder, model_ids))


async def _serve_all(folder: Path, model_ids: list[str]) -> None:
    import grpc
    from model_runner_client.grpc.generated.commons_pb2 import Status
    from model_runner_client.grpc.generated.dynamic_subclass_pb2 import (
        CallResponse,
        SetupResponse,
    )
    from model_runner_client.grpc.generated.dynamic_subclass_pb2_grpc import (
        DynamicSubclassServiceServicer,
        add_DynamicSubclassServiceServicer_to_server,
    )

    from competitions.local_models.variants import decode_variant, encode

    hanging: set[str] = set()
    raising: set[str] = set()

    class Servicer(DynamicSubclassServiceServicer):
        def __init__(self, model_id: str) -> None:
            self._model_id = model_id

        async def Setup(self, request: Any, context: Any) -> Any:  # noqa: N802
            return SetupResponse(status=Status(code="SUCCESS"))

        async def Call(self, request: Any, context: Any) -> Any:  # noqa: N802
            if self._model_id in hanging:
                await asyncio.sleep(3600)
            if self._model_id in raising:
                return CallResponse(status=Status(code="MODEL_FAILED", message="no"))
            for argument in request.methodArguments:
                decode_variant(argument.data)
            return CallResponse(
                status=Status(code="SUCCESS"), methodResponse=encode({"value": 0.001})
            )

    async def started(model_id: str) -> Any:
        server = grpc.aio.server()
        add_DynamicSubclassServiceServicer_to_server(Servicer(model_id), server)
        server.add_insecure_port(f"unix:{folder / model_id}.sock")
        await server.start()
        return server

    servers = {model_id: await started(model_id) for model_id in model_ids}
    (folder / f"{os.getpid()}.ready").touch()
    while True:
        await asyncio.sleep(0.2)
        hanging, raising, dying = await asyncio.to_thread(_wishes, folder)
        for model_id in dying & servers.keys():
            await servers.pop(model_id).stop(0)
        for model_id in set(model_ids) - servers.keys() - dying:
            servers[model_id] = await started(model_id)


def _wishes(folder: Path) -> tuple[set[str], ...]:
    """Models that are to hang, to raise, and to be dead."""
    return tuple(
        {path.stem for path in folder.glob(f"*.{wish}")}
        for wish in ("hang", "raise", "die")
    )
