"""The tree and its audit paths against RFC 9162, written down here once more."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st
from parking.ledger.seal import seal_hash
from parking.ledger.tree import EMPTY_ROOT, Tree

# Certificate Transparency's own test vectors: leaves, and the root after each of them.
LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1."""
    if len(leaves) < 2:
        return sha256(b"\0" + leaves[0]) if leaves else sha256(b"")
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree_hash(leaves[:split]) + tree_hash(leaves[split:]))


def verifies(leaf: bytes, index: int, size: int, path: list[str], root: str) -> bool:
    """RFC 9162, 2.1.3.2, step by step."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, sha256(b"\0" + leaf)
    for p in map(bytes.fromhex, path):
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = sha256(b"\1" + p + r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\1" + r + p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r.hex() == root


def grown(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree


def test_known_roots() -> None:
    tree = Tree()
    assert tree.root() == EMPTY_ROOT == hashlib.sha256(b"").hexdigest()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.add(bytes.fromhex(leaf))
        assert tree.root() == root


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70, unique=True), st.data())
def test_each_leaf_is_proved_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    tree = grown(leaves)
    root = tree_hash(leaves).hex()
    assert (tree.size, tree.root()) == (len(leaves), root)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = tree.audit_path(index)
    assert verifies(leaves[index], index, len(leaves), path, root)
    assert not verifies(leaves[index] + b"0", index, len(leaves), path, root)
    for other in {index - 1, index + 1} & set(range(len(leaves))):
        assert not verifies(leaves[index], other, len(leaves), path, root)
    if path:
        assert not verifies(leaves[index], index, len(leaves), path[:-1], root)


def test_the_seal_is_the_hash_of_what_the_contract_says() -> None:
    said = f'{{"day":"2024-03-01","entries":3,"previous":"{"0" * 64}","root":"{ROOTS[2]}"}}'
    assert (
        seal_hash("2024-03-01", 3, ROOTS[2], "0" * 64) == hashlib.sha256(said.encode()).hexdigest()
    )
