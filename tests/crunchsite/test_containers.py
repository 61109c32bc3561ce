from pathlib import Path

import pytest
import yaml
from django.core.management import call_command

from competitions.models import Competition
from crunchsite.celery import QUEUES
from crunchsite.settings.env import Env

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


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


def test_the_models_see_neither_the_environment_file_nor_any_network():
    models = SERVICES["models"]
    assert "env_file" not in models
    assert models["network_mode"] == "none"
    assert "networks" not in models
    assert "SECRET_KEY" not in models["environment"]


def test_the_gateway_and_the_orchestrator_share_one_socket():
    socket = SERVICES["models"]["command"].split("--socket ")[1].split()[0]
    worker = SERVICES["worker-models"]
    assert worker["environment"]["MODEL_RUNNER_NODE_HOST"] == socket
    for service in (worker, SERVICES["models"]):
        assert "sockets:/sockets" in service["volumes"]


def test_the_models_cannot_write_one_anothers_code():
    assert "models:/app/var/models:ro" in SERVICES["models"]["volumes"]


@pytest.mark.parametrize(
    "name", ["backfill_data_dir", "livepool_output_dir", "workspaces_dir", "var_dir"]
)
def test_what_the_site_writes_is_on_a_volume_that_all_its_parts_share(name):
    """The rest of an image is root's, and ends with its container."""
    default = Env.model_fields[name].default
    sites = [each for each in SERVICES.values() if "env_file" in each]
    assert len(sites) == 7
    for service in sites:
        folder = Path("/app", service["environment"].get(name.upper(), default))
        data = Path(next(v for v in service["volumes"] if v[:5] == "data:")[5:])
        assert folder.is_relative_to(data)


def test_every_service_is_bounded_and_has_no_more_than_it_needs():
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"], name
        assert service["mem_limit"], name
        assert service["logging"]["options"]["max-size"], name


def test_parallel_work_on_a_large_table_finds_shared_memory():
    """Docker gives 64 MB, and building an index in parallel takes as much at once."""
    assert SERVICES["postgres"]["shm_size"] == "256m"


def test_the_proxy_alone_is_published_and_on_the_loopback_address():
    ports = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert ports == {"proxy": ["127.0.0.1:${PORT:-8000}:8080"]}


def test_the_proxy_finds_a_site_that_was_made_anew():
    """Of a name that stands in `proxy_pass`, nginx asks only when it starts."""
    nginx = COMPOSE["configs"]["nginx"]["content"]
    target = nginx.split("proxy_pass ")[1].split(";")[0]
    assert target.startswith("$$")
    assert f"set {target} http://web:8000;" in nginx
    assert "resolver 127.0.0.11 valid=5s" in nginx  # Docker's own


def test_what_a_client_says_of_forwarding_does_not_count():
    said = SERVICES["web"]["command"]
    assert "--clear-untrusted-proxy-headers" in said
    assert "--trusted-proxy-count=2" in said
    assert "ports" not in SERVICES["web"]


def test_the_models_image_holds_no_site():
    assert SERVICES["models"]["build"]["target"] == "models"
    stage = (ROOT / "Dockerfile").read_text().split("AS models")[1].split("FROM")[0]
    copied = [line.split()[1] for line in stage.splitlines() if line.startswith("COPY")]
    assert copied == ["core", "competitions/__init__.py", "competitions/local_models"]


def test_only_what_is_named_enters_an_image():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert "!.env" not in rules
    assert all((ROOT / rule[1:]).exists() for rule in rules if rule.startswith("!"))


@pytest.mark.django_db
def test_it_ends_with_a_running_competition_that_the_models_take_part_in(
    frozen_clock, capsys
):
    service = SERVICES["competition"]
    assert service["restart"] == "no"
    command = service["command"].removeprefix("python manage.py ").split()
    call_command(*command)
    crunch_id = SERVICES["models"]["command"].split("--crunch-id ")[1].split()[0]
    assert Competition.objects.get(slug=crunch_id).status == "ACTIVE"
    Competition.objects.update(status="PAUSED", name="Edited")
    call_command(*command)
    made = Competition.objects.get()
    assert (made.status, made.name) == ("PAUSED", "Edited")
    assert "exists, and stays as it is" in capsys.readouterr().out
