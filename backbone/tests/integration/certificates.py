"""Certificates of another city's CA, which nobody here may trust."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from city_backbone.settings import TlsSettings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def impostor(folder: Path, name: str, ca_file: Path) -> TlsSettings:
    """`name`'s identity as another CA certifies it; it trusts the CA in `ca_file`."""
    authority, subject = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    now = datetime.now(UTC)
    common = x509.CertificateBuilder().not_valid_before(now - timedelta(hours=1))
    common = common.not_valid_after(now + timedelta(days=1)).issuer_name(_name("another city"))
    root = (
        common.subject_name(_name("another city"))
        .public_key(authority.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority, hashes.SHA256())
    )
    names = [
        x509.UniformResourceIdentifier(f"spiffe://citymesh/{name}"),
        x509.DNSName(name),
        x509.DNSName("localhost"),
    ]
    leaf = (
        common.subject_name(_name(name))
        .public_key(subject.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority, hashes.SHA256())
    )
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    pem = serialization.Encoding.PEM
    certificate.write_bytes(leaf.public_bytes(pem) + root.public_bytes(pem))
    key.write_bytes(
        subject.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return TlsSettings(cert_file=certificate, key_file=key, ca_file=ca_file)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
