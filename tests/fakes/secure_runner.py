"""A model's server with TLS: mutual with a wallet's word, or behind a token gateway."""

import base64
import datetime as dt
import ipaddress
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import base58
import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from model_runner_client.grpc.generated.commons_pb2 import Status
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import (
    CallResponse,
    SetupResponse,
)
from model_runner_client.grpc.generated.dynamic_subclass_pb2_grpc import (
    DynamicSubclassServiceServicer,
    add_DynamicSubclassServiceServicer_to_server,
)

from competitions.local_models.variants import encode

PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority that signs for any name."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        self.certificate = self._sign(self.name, self.key.public_key(), is_ca=True)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    def issue(self, host: str) -> tuple[rsa.RSAPrivateKey, bytes, bytes]:
        """A key with its certificate for `host`, both in PEM."""
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._sign(name, key.public_key(), host=host)
        private = key.private_bytes(
            PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return key, private, certificate.public_bytes(PEM)

    def write_client(self, folder: Path) -> Path:
        folder.mkdir()
        _, private, certificate = self.issue("coordinator")
        (folder / "ca.crt").write_bytes(self.pem)
        (folder / "tls.key").write_bytes(private)
        (folder / "tls.crt").write_bytes(certificate)
        return folder

    def _sign(self, name, public_key, *, is_ca=False, host="") -> x509.Certificate:
        now = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + dt.timedelta(days=36500))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        )
        if host:
            names = [x509.DNSName(host), x509.DNSName("localhost")]
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
            builder = builder.add_extension(
                x509.SubjectAlternativeName(names), critical=False
            )
        return builder.sign(self.key, hashes.SHA256())


class SecureRunner(DynamicSubclassServiceServicer):
    """Answers {"value": 1.0}. `is_forged` makes it use another wallet's signature.

    `oath` replaces what its own wallet signs.
    """

    def __init__(self, authority: Authority, model_id: str, *, mutual: bool) -> None:
        self.model_id = model_id
        self.wallet = ed25519.Ed25519PrivateKey.generate()
        self.is_forged = False
        self.oath: object = None
        self.tokens: list[dict[str, str]] = []
        self._mutual = mutual
        host = f"model-node-{model_id}.crunchdao.internal"
        self._key, private, certificate = authority.issue(host)
        self._server = grpc.server(ThreadPoolExecutor(2))
        add_DynamicSubclassServiceServicer_to_server(self, self._server)
        credentials = grpc.ssl_server_credentials(
            [(private, certificate)],
            root_certificates=authority.pem if mutual else None,
            require_client_auth=mutual,
        )
        self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self._server.start()

    @property
    def wallet_address(self) -> str:
        raw = self.wallet.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        return base58.b58encode(raw).decode()

    def stop(self) -> None:
        self._server.stop(0).wait()

    def Setup(self, request, context):  # noqa: N802
        self._authenticate(context)
        return SetupResponse(status=Status(code="SUCCESS"))

    def Call(self, request, context):  # noqa: N802
        self._authenticate(context)
        return CallResponse(
            status=Status(code="SUCCESS"), methodResponse=encode({"value": 1.0})
        )

    def _authenticate(self, context) -> None:
        if self._mutual:
            context.send_initial_metadata(self._word_of_the_wallet())
        else:
            self._check_token(dict(context.invocation_metadata()))

    def _word_of_the_wallet(self):
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        oath = {
            "cert_pub": base64.b64encode(public).decode(),
            "model_id": self.model_id,
            "hotkey": None,
        }
        if isinstance(self.oath, dict):
            oath |= self.oath
        elif self.oath is not None:
            oath = self.oath
        message = json.dumps(oath).encode()
        signer = ed25519.Ed25519PrivateKey.generate() if self.is_forged else self.wallet
        return (
            ("x-server-auth-message", base64.b64encode(message).decode()),
            (
                "x-server-auth-signature",
                base64.b64encode(signer.sign(message)).decode(),
            ),
            ("x-server-wallet-pubkey", self.wallet_address),
        )

    def _check_token(self, metadata: dict[str, str]) -> None:
        message = base64.b64decode(metadata["x-gateway-auth-message"])
        public = serialization.load_der_public_key(
            base64.b64decode(metadata["x-gateway-auth-pubkey"])
        )
        public.verify(
            base64.b64decode(metadata["x-gateway-auth-signature"]),
            message,
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
        self.tokens.append(json.loads(message))
