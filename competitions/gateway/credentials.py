"""Loads the credentials for the models' nodes: none, mutual TLS, or a token."""

from pathlib import Path
from typing import Any

from competitions.gateway.errors import GatewayError

# Files of each kind of credentials, as `crunch-certificate` writes them.
SECURE_FILES = ("ca.crt", "tls.crt", "tls.key")
GATEWAY_FILES = ("tls.crt", "tls.key")


def load(*, secure_dir: str = "", gateway_dir: str = "") -> Any:
    """Load the client's credentials from a folder; None without a folder.

    Raises GatewayError naming the setting when both are given, or a file is missing or
    cannot be read as what it should be.
    """
    if secure_dir and gateway_dir:
        raise GatewayError(
            f"SECURE_CERT_DIR was {secure_dir} and GATEWAY_CERT_DIR {gateway_dir}; "
            "the nodes speak one or the other: unset one."
        )
    if secure_dir:
        from model_runner_client.security.credentials import SecureCredentials

        folder = _complete("SECURE_CERT_DIR", secure_dir, SECURE_FILES)
        return _read("SECURE_CERT_DIR", folder, SecureCredentials.from_directory)
    if gateway_dir:
        from model_runner_client.security.gateway_credentials import GatewayCredentials

        folder = _complete("GATEWAY_CERT_DIR", gateway_dir, GATEWAY_FILES)
        return _read(
            "GATEWAY_CERT_DIR",
            folder,
            lambda path: GatewayCredentials.from_files(
                path / "tls.crt", path / "tls.key"
            ),
        )
    return None


def _complete(setting: str, name: str, files: tuple[str, ...]) -> Path:
    folder = Path(name)
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise GatewayError(
            f"{setting} was {folder}, which lacks {', '.join(missing)}; "
            "make them with crunch-certificate."
        )
    return folder


def _read(setting: str, folder: Path, read: Any) -> Any:
    try:
        return read(folder)
    except (OSError, ValueError, TypeError) as error:
        raise GatewayError(
            f"{setting} was {folder}, whose files cannot be used: {error}."
        ) from error
