from pathlib import Path

import yaml

from crunchsite.celery import QUEUES

ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_every_queue_has_exactly_one_worker_and_there_is_one_beat():
    commands = [service.get("command", "") for service in SERVICES.values()]
    consumed = [
        queue
        for command in commands
        if " -Q " in command
        for queue in command.split(" -Q ")[1].split()[0].split(",")
    ]
    assert sorted(consumed) == sorted(QUEUES)
    assert sum(command.endswith(" beat") for command in commands) == 1


def test_the_models_queue_is_consumed_by_threads():
    assert "-P threads" in SERVICES["worker-models"]["command"]


def test_prefork_is_asked_for_by_the_name_that_celery_heeds():
    """`-P prefork` is its default, over which `worker_pool` wins."""
    pools = [
        command.split(" -P ")[1].split()[0]
        for service in SERVICES.values()
        if " -P " in (command := service.get("command", ""))
    ]
    assert sorted(pools) == ["processes", "processes", "threads"]


def test_the_models_see_neither_the_environment_file_nor_the_databases_network():
    models = SERVICES["models"]
    assert "env_file" not in models
    assert models["networks"] == ["models"]
    assert "SECRET_KEY" not in models["environment"]


def test_the_models_cannot_write_one_anothers_code():
    assert "models:/app/var/models:ro" in SERVICES["models"]["volumes"]
