"""Whatever is private is found in the public package, and nothing else is."""

import pytest

from crunchsite.coordinator.checkup.leaks import check_leaks
from crunchsite.settings.workspace import NodeFolder


@pytest.fixture
def node(tmp_path):
    found = NodeFolder(
        node=tmp_path / "node",
        challenge=tmp_path / "challenge",
        package="crunch_x",
        slug="x",
        title="X",
        pack="baseline",
    )
    (found.node / "config").mkdir(parents=True)
    (found.challenge / "crunch_x").mkdir(parents=True)
    (found.node / ".local.env").write_text(
        "CRUNCH_PUBKEY=Zq81mvPq4\nPORT=8000\nMY_TOKEN=short\nHOOK_URL=https://h.example/9f\n"
    )
    return found


def found_in(node, text, name="crunch_x/scoring.py"):
    (node.challenge / name).write_bytes(
        text if isinstance(text, bytes) else text.encode()
    )
    return [line.found for line in check_leaks(node) if line.level == "FAIL"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----", ", line 1 has a private key."),
        ("\nKEY = 'csk_Ab12Cd34'", ", line 2 has a key of the API."),
        ("U = 'postgres://me:pw@db/x'", ", line 1 has an address with a password."),
        ("P = '/home/anna/weights'", ", line 1 has a path of a machine."),
        ("K = 'Zq81mvPq4'", " has the value of CRUNCH_PUBKEY."),
        ("K = 'https://h.example/9f'", " has the value of HOOK_URL."),
        (
            "from runtime_definitions.data import x",
            ", line 1 has a module of the node.",
        ),
        ("import plugins", ", line 1 has a module of the node."),
        ("S = 'extensions.weights:score'", ", line 1 has a module of the node."),
        ("x = 1\nimport scoring.cycle", ", line 2 has a module of the engine."),
        ("u = os.environ['DATABASE_URL']", ", line 1 has a variable of the node."),
        (b"\x00\x01", " has bytes that are no text."),
    ],
)
def test_what_is_private_is_named_by_file_and_line(node, text, what):
    assert found_in(node, text) == [f"crunch_x/scoring.py{what}"]


@pytest.mark.parametrize("name", ["best.pt", "model.pkl", "server.pem", ".local.env"])
def test_weights_and_keys_are_known_by_their_names(node, name):
    assert found_in(node, "x", name) == [
        f"{name} has a file that looks like weights or keys."
    ]


def test_a_large_file_may_hold_weights(node):
    assert found_in(node, "1" * 1_000_001, "data.csv") == [
        "data.csv has a file that looks like weights or keys."
    ]


def test_the_path_of_the_node_is_private(node):
    assert "crunch_x/scoring.py has the node's path." in found_in(
        node, f"P = '{node.node}'"
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("from crunch_x.plugins import prices\nfrom .extensions import y", "a.py"),
        ("The node's `runtime_definitions/` and its `DATABASE_URL`.", "README.md"),
        ("PORT = 8000  # short\nHELP = 'https://docs.example/home/anna'", "b.py"),
        ("import core_metrics", "c.py"),
    ],
)
def test_what_may_be_read_by_all_is_no_leak(node, text, name):
    assert found_in(node, text, name) == []
    (line,) = check_leaks(node)
    assert (line.level, line.code) == ("OK", "public_package")
