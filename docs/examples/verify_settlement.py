"""Checks an answer of GetSettlementProof (a file) against the public seals (a file, by lines)."""

import json
import sys
from hashlib import sha256
from pathlib import Path


def root(leaf: bytes, index: int, size: int, path: list[str]) -> str:
    node, last = sha256(b"\0" + leaf).digest(), size - 1  # RFC 9162, 2.1.3.2
    for sibling in map(bytes.fromhex, path):
        right = index % 2 == 1 or index == last
        node = sha256(b"\1" + (sibling + node if right else node + sibling)).digest()
        while right and index % 2 == 0 and index > 0:
            index, last = index // 2, last // 2
        index, last = index // 2, last // 2 if last else -1
    return node.hex() if last == 0 else ""


seals = [json.loads(line)["data"] for line in Path(sys.argv[2]).read_text().splitlines()]
proofs, good = json.loads(Path(sys.argv[1]).read_text()).get("entries", []), set()
for proof in proofs:
    entry, index, size = json.loads(proof["entry"]), int(proof.get("index", 0)), proof["treeSize"]
    found = root(proof["entry"].encode(), index, int(size), proof.get("auditPath", []))
    sealed = {(seal["root"], str(seal["entries"])) for seal in seals if seal["day"] == entry["day"]}
    if holds := sealed == {(found, size)} and 0 <= index < int(size):  # one seal a day, and this
        good.add((entry["day"], index))
    print("OK" if holds else "WRONG: not under one public seal of its day:", proof["entry"])
if not proofs or len(good) < len(proofs):
    sys.exit(f"WRONG: {len(good)} of {len(proofs)} entries are proved, each once")
