"""Is something private in the package that everybody can read?"""

import re
from collections.abc import Iterator

from dotenv import dotenv_values

from core.workspaces import NODE_PACKAGES
from crunchsite.coordinator.checkup.line import Line, or_ok
from crunchsite.settings.workspace import NodeFolder

LARGEST_BYTES = 1_000_000
# Of models that were trained, and of keys.
_SUFFIXES = re.compile(
    r"\.(pt|pth|pkl|pickle|joblib|npy|npz|onnx|h5|safetensors|bin|pem|key|p12|env)$"
)
_SECRET_NAME = re.compile(r"SECRET|PASSWORD|TOKEN|KEY|DSN|_URL$")
_SHORTEST_SECRET = 8
_ENGINE = "core|feeds|proofs|competitions|scoring|emissions|livepool|crunchsite"
_ANYWHERE = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a key of the API": re.compile(r"\bcsk_[A-Za-z0-9]{6}"),
    "an address with a password": re.compile(r"\b\w+://[^\s/:@]+:[^\s/@]+@"),
    "a path of a machine": re.compile(r"(?<![\w.])/(home|root|Users|srv|opt|var)/\w"),
}
# Texts may say where private code is, but programs may not use it.
_IN_CODE = {
    "a module of the node": re.compile(
        rf"\b(from|import) ({'|'.join(NODE_PACKAGES)})\b"
        rf"|['\"]({'|'.join(NODE_PACKAGES)})(\.\w+)*:\w"
    ),
    "a module of the engine": re.compile(
        rf"^\s*(from|import) ({_ENGINE})\b", re.MULTILINE
    ),
    "a variable of the node": re.compile(
        r"\b(DATABASE_URL|REDIS_URL|SECRET_KEY|POSTGRES_PASSWORD|CRUNCH_PUBKEY)\b"
    ),
}


def check_leaks(node: NodeFolder) -> list[Line]:
    """Return a FAIL for each thing of the node's that the public package holds."""
    do = "Move it to the node: the public package is published."
    bad = [
        Line("FAIL", "private_in_public", f"{place} has {what}.", do)
        for place, what in _leaks(node)
    ]
    return or_ok(bad, "public_package", f"nothing private is in {node.challenge}.")


def _leaks(node: NodeFolder) -> Iterator[tuple[str, str]]:
    secrets = {f"the value of {name}": value for name, value in _secrets(node)}
    for path in sorted(node.challenge.rglob("*")):
        inner = path.relative_to(node.challenge)
        if (
            not path.is_file()
            or "__pycache__" in inner.parts
            or inner.parts[0] == ".git"
        ):
            continue
        if _SUFFIXES.search(path.name) or path.stat().st_size > LARGEST_BYTES:
            yield str(inner), "a file that looks like weights or keys"
            continue
        text = path.read_bytes().decode(errors="replace")
        if "\0" in text:
            yield str(inner), "bytes that are no text"
        for what, value in {**secrets, "the node's path": str(node.node)}.items():
            if value in text:
                yield str(inner), what
        is_text = path.suffix == ".md"
        for what, pattern in {**_ANYWHERE, **({} if is_text else _IN_CODE)}.items():
            if found := pattern.search(text):
                line = text.count("\n", 0, found.start()) + 1
                yield f"{inner}, line {line}", what


def _secrets(node: NodeFolder) -> Iterator[tuple[str, str]]:
    for file in node.env_files:
        if file.is_file():
            for name, value in dotenv_values(file).items():
                if (
                    value
                    and len(value) >= _SHORTEST_SECRET
                    and _SECRET_NAME.search(name)
                ):
                    yield name, value
