"""The worker's side: holds a key and a credential, and shows of it what a request asks for, signed for this request alone.

A real wallet is an application on the worker's telephone. It needs nothing of the hub's: an SD-JWT (RFC 9901) is text, and what
the hub adds is one check, that the nonce binds the terms which the holder reads.
"""

import argparse
import base64
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def encoded(raw: bytes) -> str:
    """Returns base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Reads base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def make_key(path: Path) -> str:
    """Makes a key of P-256, writes it as PKCS #8, and returns its public half as a JSON Web Key."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(*form))
    return jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())


def binds(nonce: str, terms_json: str) -> bool:
    """Returns whether a nonce was made for these terms. If it was not, somebody shows other terms than will be signed."""
    raw = decoded(nonce)
    bound = hashlib.sha256(b"peshub consent terms 1\0" + raw[:16] + terms_json.encode()).digest()
    return raw[16:] == bound


def is_on_the_way(path: list[str], asked: list[list[str]]) -> bool:
    """Returns whether a claim lies below one that is asked for, or leads to it; `*` is every element of a list."""
    return any(all(name in ("*", step) for step, name in zip(path, wanted)) for wanted in asked)


def chosen(node, asked: list[list[str]], by_digest: dict[str, str], path: list[str]) -> set[str]:
    """Returns the disclosures within a node that are needed to show what is asked for."""
    found: set[str] = set()

    def disclose(digest: str, element: str | None) -> None:
        disclosure = by_digest.get(digest)
        if disclosure is None:
            return
        *_, value = content = json.loads(decoded(disclosure))
        here = [*path, element or content[1]]
        if is_on_the_way(here, asked):
            found.update({disclosure}, chosen(value, asked, by_digest, here))

    if isinstance(node, dict):
        for digest in node.get("_sd", []):
            disclose(digest, None)
        for name, value in node.items():
            if name != "_sd" and is_on_the_way([*path, name], asked):
                found |= chosen(value, asked, by_digest, [*path, name])
    elif isinstance(node, list):
        for place, value in enumerate(node):
            if isinstance(value, dict) and "..." in value:
                disclose(value["..."], str(place))
            elif is_on_the_way([*path, str(place)], asked):
                found |= chosen(value, asked, by_digest, [*path, str(place)])
    return found


def present(credential: str, key_pem: bytes, nonce: str, audience: str, terms_json: str) -> str:
    """Shows what the terms ask for, with a proof over exactly that, for this nonce and this audience."""
    if not binds(nonce, terms_json):
        raise ValueError("the nonce is not made for these terms: nothing is signed")
    issued, *disclosures = credential.strip().rstrip("~").split("~")
    by_digest = {encoded(hashlib.sha256(it.encode()).digest()): it for it in disclosures}
    payload = json.loads(decoded(issued.split(".")[1]))
    wanted = chosen(payload, json.loads(terms_json)["claims"], by_digest, [])
    shown = "~".join([issued, *(it for it in disclosures if it in wanted), ""])
    claims = {
        "iat": int(time.time()),
        "aud": audience,
        "nonce": nonce,
        "sd_hash": encoded(hashlib.sha256(shown.encode()).digest()),
    }
    key = serialization.load_pem_private_key(key_pem, None)
    return shown + jwt.encode(claims, key, algorithm="ES256", headers={"typ": "kb+jwt"})


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the key of a wallet and prints its public half for the issuer.")
    parser.add_argument("key", type=Path, help="file to be written")
    try:
        print(make_key(parser.parse_args().key))
    except FileExistsError as error:
        sys.exit(f"{error.filename} is there already")


if __name__ == "__main__":
    main()
