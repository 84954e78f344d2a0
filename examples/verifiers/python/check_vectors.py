"""Runs the verifier over the vectors: python check_vectors.py ../vectors.json"""

import json
import sys
from pathlib import Path

from cryptography import x509
from txn_token import Here, Refused, verify

file = json.loads(Path(sys.argv[1]).read_text())
wrong = 0
for vector in file["vectors"]:
    here = Here(file["trustDomain"], file["audience"], vector.get("server", file["server"]))
    peer = x509.load_pem_x509_certificate(file["peers"][vector["peer"]].encode())
    now = vector.get("now", file["now"])
    try:
        verify(vector["token"], peer=peer, body=vector["body"].encode(), here=here, now=now)
        got = "valid"
    except Refused as refused:
        got = str(refused)
    if got != vector["want"]:
        wrong += 1
        print(f"{vector['name']}: want={vector['want']} got={got}")
print(f"{len(file['vectors']) - wrong} of {len(file['vectors'])} vectors")
sys.exit(1 if wrong else 0)
