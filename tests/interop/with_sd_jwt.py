"""Verifies and makes presentations with the PyPI package sd-jwt, the reference implementation.

Reads one JSON object: `verify`, a list of presentations with what they must be verified by, and `make`, what to make. Writes one:
`claims` of each that verified, or null, and `made`.
"""

import json
import sys

from jwcrypto.jwk import JWK
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

KINDS = {"ES256": {"kty": "EC", "crv": "P-256"}, "EdDSA": {"kty": "OKP", "crv": "Ed25519"}}


def verify(it):
    key = JWK.from_json(json.dumps(it["issuer"]))
    try:
        verifier = SDJWTVerifier(it["text"], lambda issuer, header: key, it["audience"], it["nonce"])
        return verifier.get_verified_payload()
    except Exception as error:  # whatever it is, it was not verified
        print(f"sd-jwt: {error!r}", file=sys.stderr)
        return None


def hidden(claims, names):
    return {SDObj(name) if name in names else name: value for name, value in claims.items()}


def make(it, algorithm):
    issuer, holder = JWK.generate(**KINDS[algorithm]), JWK.generate(**KINDS["ES256"])
    claims = hidden(it["claims"], it["hidden"])
    issued = SDJWTIssuer(
        claims, issuer, holder, algorithm, add_decoy_claims=True,
        extra_header_parameters={"typ": "dc+sd-jwt", "kid": "1"},
    )
    shown = {name: True for name in it["shown"]}
    texts = []
    for nonce in [None, it["nonce"]]:
        presenter = SDJWTHolder(issued.sd_jwt_issuance)
        presenter.create_presentation(shown, nonce, it["audience"] if nonce else None, holder if nonce else None)
        texts.append(presenter.sd_jwt_presentation)
    public = json.loads(issuer.export_public())
    return {"issuer": public, "issued": issued.sd_jwt_issuance, "bare": texts[0], "bound": texts[1]}


asked = json.load(sys.stdin)
json.dump(
    {
        "claims": [verify(it) for it in asked["verify"]],
        "made": [make(asked["make"], algorithm) for algorithm in KINDS],
    },
    sys.stdout,
)
