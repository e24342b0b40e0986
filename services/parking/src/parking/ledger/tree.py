"""The Merkle tree of a day's entries (RFC 9162, 2.1, SHA-256)."""

import hashlib

from pymerkle import InmemoryTree

EMPTY_ROOT = hashlib.sha256().hexdigest()


class Tree:
    """Leaves in the order they are added; everything told is lower-case hex."""

    def __init__(self) -> None:
        self._tree = InmemoryTree("sha256")

    def add(self, leaf: bytes) -> None:
        self._tree.append_entry(leaf)

    @property
    def size(self) -> int:
        return int(self._tree.get_size())

    def root(self) -> str:
        """Of no leaves the hash of nothing."""
        return str(self._tree.get_root().hex()) if self.size else EMPTY_ROOT

    def audit_path(self, index: int) -> list[str]:
        """Sibling hashes of the leaf at `index`, counted from 0, from the leaf up."""
        proof = self._tree.prove_inclusion(index + 1)
        return [digest.hex() for digest in proof.path[1:]]  # the first is the leaf's own
