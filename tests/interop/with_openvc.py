"""Verifies and makes presentations with the PyPI package openvc-core. Reads and writes as with_sd_jwt.py does."""

import json
import sys

from openvc.keys import Ed25519SigningKey, P256SigningKey
from openvc.proof.sd_jwt import SdJwtVcProofSuite

SUITE = SdJwtVcProofSuite()
KINDS = {"ES256": P256SigningKey, "EdDSA": Ed25519SigningKey}


def verify(it):
    try:
        verified = SUITE.verify(
            it["text"], public_key_jwk=it["issuer"], audience=it["audience"], nonce=it["nonce"],
            require_key_binding=it["nonce"] is not None,
        )
        assert verified.key_bound == (it["nonce"] is not None)
        return verified.claims
    except Exception as error:  # whatever it is, it was not verified
        print(f"openvc: {error!r}", file=sys.stderr)
        return None


def make(it, algorithm):
    issuer, holder = KINDS[algorithm].generate("1"), KINDS[algorithm].generate("holder")
    issued = SUITE.issue(
        it["claims"], signing_key=issuer, disclosable=it["hidden"], holder_jwk=holder.public_jwk(), decoys=3,
    )
    # It shows everything: which disclosures go along is chosen by taking the others out.
    jwt, *disclosures = issued.rstrip("~").split("~")
    shown = [text for text in disclosures if name_of(text) in it["shown"]]
    bare = "~".join([jwt, *shown]) + "~"
    bound = SUITE.create_presentation(bare, holder_key=holder, audience=it["audience"], nonce=it["nonce"])
    return {"issuer": issuer.public_jwk(), "issued": issued, "bare": bare, "bound": bound}


def name_of(disclosure):
    from base64 import urlsafe_b64decode

    return json.loads(urlsafe_b64decode(disclosure + "=" * (-len(disclosure) % 4)))[1]


asked = json.load(sys.stdin)
json.dump(
    {
        "claims": [verify(it) for it in asked["verify"]],
        "made": [make(asked["make"], algorithm) for algorithm in KINDS],
    },
    sys.stdout,
)
