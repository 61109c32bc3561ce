"""A node's containers: what its Dockerfile and compose files say can be done."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from waitress.proxy_headers import proxy_headers_middleware

from competitions import packs
from competitions.scaffold import vendor
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.render import Workspace
from crunchsite.celery import QUEUES

LAYOUTS = ("vendored", "thin", "base")


@pytest.fixture
def made(tmp_path, monkeypatch):
    def make(layout):
        monkeypatch.setattr(vendor, "copy_engine", lambda target: target.mkdir())
        answers = parse_answers({"name": "hot-days", "layout": layout})
        root = Workspace(with_pack(answers, packs.load("realtime"))).write(tmp_path)
        node = root / ("node" if layout == "base" else "crunch-node-hot-days")
        file = node / "deployment" / "docker-compose.yml"
        file = file if layout == "thin" else node / "docker-compose.yml"
        return file, yaml.safe_load(file.read_text())

    return make


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_part_is_there_once_and_published_on_the_loopback_alone(made, layout):
    _, compose = made(layout)
    services = compose["services"]
    assert set(services) == {
        *("postgres", "valkey", "init-db", "beat", "model-orchestrator"),
        *("feed-data-worker", "predict-worker", "score-worker", "checkpoint-worker"),
        *("report-worker", "report-ui"),
    }
    queues = [
        queue
        for service in services.values()
        for queue in re.findall(r" -Q (\S+)", service.get("command", ""))
    ]
    assert sorted(",".join(queues).split(",")) == sorted(QUEUES)
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert sorted(port.split(":", 1)[0] for port in ports) == ["127.0.0.1"] * 3
    assert {port.split(":")[1] for port in ports if "PORT" not in port} == {
        "5432",
        "3000",
    }
    for name, service in services.items():
        if "ports" in service:  # Docker publishes nothing of an internal network alone
            outer = [n for n in service["networks"] if not compose["networks"][n]]
            assert outer, name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_mounted_exists_and_the_challenge_is_among_it(made, layout):
    file, compose = made(layout)
    mounts = {
        mount.split(":")[1]: mount.split(":")[0]
        for service in compose["services"].values()
        for mount in service.get("volumes", ())
    }
    for target, source in mounts.items():
        if source.startswith("."):
            assert (file.parent / source).exists(), target
        else:
            assert source in compose["volumes"], target
    assert (file.parent / mounts["/app/challenge"] / "pyproject.toml").is_file()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_site_writes_is_on_a_volume_that_all_its_parts_share(made, layout):
    _, compose = made(layout)
    services = compose["services"].values()
    sites = [each for each in services if "env_file" in each]
    assert len(sites) == 7
    for service in sites:
        assert "data:/app/var" in service["volumes"]
        for name in ("BACKFILL_DATA_DIR", "LIVEPOOL_OUTPUT_DIR", "WORKSPACES_DIR"):
            assert service["environment"][name].startswith("/app/var/")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_proxy_finds_a_site_that_was_made_anew(made, layout):
    _, compose = made(layout)
    nginx = compose["configs"]["nginx"]["content"]
    target = nginx.split("proxy_pass ")[1].split(";")[0]
    assert target.startswith("$$")
    assert f"set {target} http://report-worker:8000;" in nginx
    assert "resolver 127.0.0.11 valid=5s" in nginx


@pytest.mark.parametrize("layout", LAYOUTS)
def test_behind_tls_each_client_has_its_own_address(made, layout):
    """Else all share one limit of requests, and one lock after wrong passwords."""
    _, compose = made(layout)
    command = compose["services"]["report-worker"]["command"]
    seen = []

    def site(environ, _):
        seen.append((environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]))
        return []

    proxied = proxy_headers_middleware(
        site,
        trusted_proxy="*",
        trusted_proxy_count=int(command.split("--trusted-proxy-count=")[1].split()[0]),
        trusted_proxy_headers={"x-forwarded-for", "x-forwarded-proto"},
        clear_untrusted="--clear-untrusted-proxy-headers" in command,
    )
    environ = {
        "REMOTE_ADDR": "172.18.0.9",
        "HTTP_X_FORWARDED_FOR": "198.51.100.7, 172.18.0.1",
        "HTTP_X_FORWARDED_PROTO": "https",
        "SERVER_NAME": "report-worker",
        "SERVER_PORT": "8000",
        "wsgi.url_scheme": "http",
    }
    proxied(environ, None)
    assert seen == [("198.51.100.7", "https")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parallel_work_on_a_large_table_finds_shared_memory(made, layout):
    _, compose = made(layout)
    assert compose["services"]["postgres"]["shm_size"] == "256m"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_models_take_part_in_the_competition_and_see_neither_secret_nor_network(
    made, layout
):
    _, compose = made(layout)
    models = compose["services"]["model-orchestrator"]
    said = models["command"].split()
    assert said[said.index("--crunch-id") + 1] == "hot-days"
    assert {"--models", "--socket", "--logs"} <= set(said)
    assert models["network_mode"] == "none"
    assert models["environment"] == {"TMPDIR": "/sockets"}
    assert "env_file" not in models


def test_the_image_holds_a_site_of_the_workspace_and_its_examples(made, tmp_path):
    """The steps of the Dockerfile, in a folder that stands for the image."""
    file, compose = made("vendored")
    root, app = file.parent.parent, tmp_path / "app"
    engine = Path(vendor.__file__).resolve().parents[2]
    lines = (file.parent / "Dockerfile").read_text().splitlines()
    app.mkdir()
    for source, target in (
        line.split()[1:] for line in lines if line.startswith("COPY")
    ):
        if source.endswith(("/runtime", "prod.txt")):
            continue
        if (root / source).is_dir():
            shutil.copytree(root / source, app / target, symlinks=True)
        else:
            shutil.copy(root / source, app / target)
    variables = dict(re.findall(r"(\w+)=(/app/\S+)", "\n".join(lines)))
    env = {
        name: value.replace("/app", str(app)) for name, value in variables.items()
    } | {"PYTHONPATH": str(engine), "PATH": ""}
    subprocess.run(
        [sys.executable, "-m", "crunchsite.stack.example_models"],
        cwd=app,
        env=env,
        check=True,
    )
    models = sorted(path.name for path in (app / "var" / "models").iterdir())
    assert models == ["last_move", "snap_back", "volume_weighted"]
    said = compose["services"]["report-worker"]["environment"]
    assert said["WORKSPACE"] == variables["WORKSPACE"]
    assert said["VAR_DIR"] == variables["VAR_DIR"]
    env |= {
        "SECRET_KEY": "abcdefghij" * 6,
        "DATABASE_URL": said["DATABASE_URL"].replace(
            "${POSTGRES_PASSWORD:?set it in .local.env}", "x"
        ),
        "REDIS_URL": said["REDIS_URL"],
        "DJANGO_SETTINGS_MODULE": said["DJANGO_SETTINGS_MODULE"],
    }
    code = (
        "from django.conf import settings\n"
        "print(settings.WORKSPACE.slug, settings.VAR_DIR)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=app,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["hot-days", str(app / "var")]
