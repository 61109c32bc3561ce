"""The hardened client's parts where the whole cannot be brought there at will."""

import asyncio

from competitions.gateway.model_runner import Runner


def test_a_runner_that_was_closed_while_it_connected_is_not_set_up(stage):
    """gRPC's core spins for ever on a channel that is gone, and the loop with it."""
    model = stage.add("steady")

    async def close_before_setup():
        runner = Runner(
            "tracker.TrackerBase",
            deployment_id="steady_1",
            model_id="steady",
            model_name="steady",
            ip="unix",
            port=str(model.socket),
            infos={},
            setup_timeout_s=5,
        )
        assert await runner.init() == (True, None)
        channel = runner.grpc_channel
        await runner.close()
        return await runner.setup(channel)

    is_set_up, kind = asyncio.run(close_before_setup())

    assert not is_set_up
    assert kind is Runner.ErrorType.ABORTED
