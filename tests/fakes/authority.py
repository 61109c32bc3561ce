"""An authority of time stamps (RFC 3161) that signs what it is sent, here."""

import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyasn1.codec.der import decoder, encoder
from pyasn1.type import univ, useful
from pyasn1_modules import rfc3161, rfc5035, rfc5280, rfc5652

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHA256 = univ.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
ECDSA_SHA256 = univ.ObjectIdentifier("1.2.840.10045.4.3.2")
REJECTION = 2


class Authority:
    """A key and its certificate, which signs itself; `pem` is the certificate."""

    def __init__(self, name="tsa.example"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(AT - timedelta(days=3650))
            .not_valid_after(AT + timedelta(days=3650))
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def answer(self, query, *, at=AT, digest=None):
        """Return a granted time stamp of what a query asks, or of another digest."""
        asked, _ = decoder.decode(query, asn1Spec=rfc3161.TimeStampReq())
        info = rfc3161.TSTInfo()
        info["version"] = 1
        info["policy"] = "1.2.3.4"
        info["messageImprint"] = asked["messageImprint"]
        if digest is not None:
            info["messageImprint"]["hashedMessage"] = digest
        info["serialNumber"] = 1
        info["genTime"] = useful.GeneralizedTime(f"{at:%Y%m%d%H%M%S}Z")
        info["nonce"] = int(asked["nonce"])
        found = rfc3161.TimeStampResp()
        found["status"]["status"] = 0
        found["timeStampToken"]["contentType"] = rfc5652.id_signedData
        found["timeStampToken"]["content"] = self._signed(encoder.encode(info))
        return encoder.encode(found)

    def _signed(self, content):
        der = self.certificate.public_bytes(Encoding.DER)
        certificate, _ = decoder.decode(der, asn1Spec=rfc5280.Certificate())
        signer = rfc5652.SignerInfo()
        signer["version"] = 1
        by = signer["sid"]["issuerAndSerialNumber"]
        by["issuer"] = certificate["tbsCertificate"]["issuer"]
        by["serialNumber"] = certificate["tbsCertificate"]["serialNumber"]
        signer["digestAlgorithm"]["algorithm"] = SHA256
        shown = rfc5035.SigningCertificateV2()
        shown["certs"][0]["certHash"] = hashlib.sha256(der).digest()
        digest = univ.OctetString(hashlib.sha256(content).digest())
        for i, (kind, value) in enumerate(
            (
                (rfc5652.id_contentType, rfc3161.id_ct_TSTInfo),
                (rfc5652.id_messageDigest, digest),
                (rfc5035.id_aa_signingCertificateV2, shown),
            )
        ):
            signer["signedAttrs"][i]["attrType"] = kind
            signer["signedAttrs"][i]["attrValues"][0] = encoder.encode(value)
        signed = univ.SetOf(componentType=rfc5652.Attribute())
        signed.extend(signer["signedAttrs"])
        signer["signatureAlgorithm"]["algorithm"] = ECDSA_SHA256
        signer["signature"] = self.key.sign(
            encoder.encode(signed), ec.ECDSA(hashes.SHA256())
        )
        data = rfc5652.SignedData()
        data["version"] = 3
        data["digestAlgorithms"][0]["algorithm"] = SHA256
        data["encapContentInfo"]["eContentType"] = rfc3161.id_ct_TSTInfo
        data["encapContentInfo"]["eContent"] = content
        data["certificates"][0]["certificate"] = certificate
        data["signerInfos"][0] = signer
        return encoder.encode(data)


def rejection():
    """Return the answer of an authority that stamps nothing."""
    found = rfc3161.TimeStampResp()
    found["status"]["status"] = REJECTION
    return encoder.encode(found)
