"""Mutual TLS with wallets, token gateways, and refused credentials."""

import pytest

from competitions.gateway import credentials
from competitions.gateway.errors import GatewayError
from tests.competitions.gateway.conftest import ask, wait_live
from tests.fakes.secure_runner import Authority, SecureRunner
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def runner(authority, stage):
    """Start a TLS runner and announce it with its wallet."""
    running = []

    def start(model_id, *, mutual, **infos):
        node = SecureRunner(authority, model_id, mutual=mutual)
        running.append(node)
        infos = {"cruncher_wallet_pubkey": node.wallet_address, **infos}
        stage.orchestrator.announce(model_id, address=("127.0.0.1", node.port), **infos)
        return node

    yield start
    for node in running:
        node.stop()


def test_mutual_tls_asks_models_that_prove_their_wallet(
    authority, runner, stage, tmp_path
):
    runner("honest", mutual=True)
    runner("thief", mutual=True, cruncher_wallet_pubkey="another wallet")
    secure = credentials.load(secure_dir=str(authority.write_client(tmp_path / "tls")))
    gateway = stage.gateway(credentials=secure)
    wait_live(gateway, "honest")
    errors = wait_for(
        lambda: {i.model_id: i.error for i in gateway.roster() if i.error}
    )

    answers = ask(gateway, ["honest", "thief"])

    assert answers["honest"].result == {"value": 1.0}
    assert answers["thief"].outcome == "ABSENT"
    assert "authentication failed" in errors["thief"]


def test_a_forgery_in_mid_life_loses_only_its_own_answer(
    authority, runner, stage, tmp_path
):
    runner("honest", mutual=True)
    turncoat = runner("turncoat", mutual=True)
    secure = credentials.load(secure_dir=str(authority.write_client(tmp_path / "tls")))
    gateway = stage.gateway(credentials=secure)
    wait_live(gateway, "honest", "turncoat")
    assert ask(gateway, ["turncoat"])["turncoat"].outcome == "ANSWERED"

    turncoat.is_forged = True
    answers = ask(gateway, ["honest", "turncoat"])

    assert answers["honest"].outcome == "ANSWERED"
    assert answers["turncoat"].outcome == "FAILED"
    assert "Invalid wallet signature" in answers["turncoat"].reason
    wait_for(lambda: gateway.live() == {"honest"})
    (report,) = wait_for(lambda: stage.orchestrator.reports)
    assert report["failure_code"] == "CONNECTION_FAILED"


@pytest.mark.parametrize("oath", [["a", "list"], {"expires_at": "soon"}])
def test_a_proof_that_the_client_falls_over_loses_only_its_own_answer(
    authority, runner, stage, tmp_path, oath
):
    runner("honest", mutual=True)
    turncoat = runner("turncoat", mutual=True)
    secure = credentials.load(secure_dir=str(authority.write_client(tmp_path / "tls")))
    gateway = stage.gateway(credentials=secure)
    wait_live(gateway, "honest", "turncoat")

    turncoat.oath = oath
    answers = ask(gateway, ["honest", "turncoat"])

    assert answers["honest"].outcome == "ANSWERED"
    assert answers["turncoat"].outcome == "FAILED"
    assert "authentication failed" in answers["turncoat"].reason


def test_plain_connections_to_secure_nodes_are_the_operators_mistake(runner, stage):
    runner("secure", mutual=True)
    stage.add("steady")
    gateway = stage.gateway()
    wait_live(gateway, "steady")

    wait_for(lambda: "secure" in gateway.roster()[0].error)

    assert "credentials were not provided" in gateway.roster()[0].error
    assert stage.orchestrator.reports == []
    assert ask(gateway, ["steady"])["steady"].outcome == "ANSWERED"


def test_a_token_gateway_gets_a_signed_token_with_each_call(
    authority, runner, stage, tmp_path, monkeypatch
):
    (tmp_path / "roots.pem").write_bytes(authority.pem)
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(tmp_path / "roots.pem"))
    node = runner("behind", mutual=False)
    token = credentials.load(gateway_dir=str(authority.write_client(tmp_path / "tls")))
    gateway = stage.gateway(credentials=token)
    wait_live(gateway, "behind")

    assert ask(gateway, ["behind"], feed=None)["behind"].result == {"value": 1.0}
    assert len(node.tokens) == 2  # setup and question
    assert {t["model_id"] for t in node.tokens} == {"behind"}


def test_no_folder_means_no_credentials():
    assert credentials.load() is None


def test_both_folders_are_refused(tmp_path):
    with pytest.raises(GatewayError, match="one or the other"):
        credentials.load(secure_dir=str(tmp_path), gateway_dir=str(tmp_path))


def test_a_missing_file_is_named(authority, tmp_path):
    folder = authority.write_client(tmp_path / "tls")
    (folder / "tls.key").unlink()

    with pytest.raises(GatewayError, match=r"SECURE_CERT_DIR was .* lacks tls\.key"):
        credentials.load(secure_dir=str(folder))


def test_a_file_of_another_kind_is_refused(authority, tmp_path):
    folder = authority.write_client(tmp_path / "tls")
    (folder / "tls.key").write_text("not a key")

    with pytest.raises(GatewayError, match=r"GATEWAY_CERT_DIR was .* cannot be used"):
        credentials.load(gateway_dir=str(folder))
