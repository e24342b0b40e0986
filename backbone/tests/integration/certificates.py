"""Certificates of other cities' authorities, which nobody here may trust."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from city_backbone.settings import TlsSettings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM
_DAY = timedelta(days=1)


class Authority:
    """The CA of a city."""

    def __init__(self, city: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, city)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._root = (
            self._certificate(self._key.public_key(), self._name, datetime.now(UTC) + _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self._root.public_bytes(_PEM)

    def certify(self, folder: Path, name: str, until: datetime | None = None) -> TlsSettings:
        """`name`'s identity in files of `folder`, as cert-manager calls them; they are replaced."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [
            x509.UniformResourceIdentifier(f"spiffe://citymesh/{name}"),
            x509.DNSName(name),
            x509.DNSName("localhost"),
        ]
        leaf = (
            self._certificate(key.public_key(), subject, until or datetime.now(UTC) + _DAY)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = TlsSettings(
            cert_file=folder / "tls.crt", key_file=folder / "tls.key", ca_file=folder / "ca.crt"
        )
        folder.mkdir(exist_ok=True)
        files.cert_file.write_bytes(leaf.public_bytes(_PEM) + self.pem)
        files.key_file.write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        files.ca_file.write_bytes(self.pem)
        return files

    def _certificate(
        self, key: ec.EllipticCurvePublicKey, subject: x509.Name, until: datetime
    ) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=datetime.now(UTC) - _DAY,
            not_valid_after=until,
        )


def impostor(folder: Path, name: str, ca_file: Path) -> TlsSettings:
    """`name`'s identity as another city certifies it; it trusts the CA in `ca_file`."""
    files = Authority("another city").certify(folder / name, name)
    return files.model_copy(update={"ca_file": ca_file})
