"""The development certificate authority: one identity per principal, made on the first run."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meshctl.state import write_text

TRUST_DOMAIN = "citymesh"
_CA_VALID = timedelta(days=3650)
_LEAF_VALID = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(minutes=5)


class Authority:
    """A certificate authority in a folder: ``ca.pem``, ``ca.key`` and ``<name>.pem/.key``.

    Files are reused; what expires within 30 days, or was signed by another authority, is renewed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate_file = folder / "ca.pem"
        self._now = datetime.now(UTC)
        stored = _read(self.certificate_file, folder / "ca.key")
        if stored is None or self._expires_soon(stored[0]):
            stored = self._make_authority()
        self._certificate, self._key = stored

    def files(self, name: str) -> tuple[Path, Path]:
        """Certificate and key files of a principal, whether they exist or not."""
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def ensure(self, name: str) -> tuple[Path, Path]:
        """Certificate and key files of a principal, made or renewed when needed."""
        certificate_file, key_file = self.files(name)
        stored = _read(certificate_file, key_file)
        if stored is None or self._expires_soon(stored[0]) or not self._signed(stored[0]):
            self._make_leaf(name, certificate_file, key_file)
        return certificate_file, key_file

    def _expires_soon(self, certificate: x509.Certificate) -> bool:
        return certificate.not_valid_after_utc - self._now < _RENEW_BEFORE

    def _signed(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    def _make_authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("citymesh development CA")
        certificate = (
            self._builder(name, name, key.public_key(), _CA_VALID)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(self.certificate_file, self.folder / "ca.key", certificate, key)
        return certificate, key

    def _make_leaf(self, name: str, certificate_file: Path, key_file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [
                x509.UniformResourceIdentifier(f"spiffe://{TRUST_DOMAIN}/{name}"),
                x509.DNSName("localhost"),
                x509.DNSName(name),
                x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
            ]
        )
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            self._builder(_name(name), self._certificate.subject, key.public_key(), _LEAF_VALID)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(names, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        _write(certificate_file, key_file, certificate, key)

    def _builder(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        valid: timedelta,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _CLOCK_SKEW)
            .not_valid_after(self._now + valid)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _read(
    certificate_file: Path, key_file: Path
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """A stored pair, None when it is missing, broken or does not belong together."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return (certificate, key) if certificate.public_key() == key.public_key() else None


def _write(
    certificate_file: Path,
    key_file: Path,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_text(key_file, private.decode(), mode=0o600)
    write_text(certificate_file, certificate.public_bytes(serialization.Encoding.PEM).decode())
