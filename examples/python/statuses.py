"""Tells when a credential that was verified no longer stands, and goes on where it stopped.

verify.py says `follow`, so that the hub tells of changes. The resume token is kept as in watch.py: what changed
while nobody listened comes first.
"""

import sys
from pathlib import Path

import grpc
import jwt

from peshub_client import Backoff, Refusal, Token, arguments, connect, short
from peshub.credentials.v1 import credential_pb2 as credential
from peshub.credentials.v1 import verification_service_pb2 as pb
from peshub.credentials.v1 import verification_service_pb2_grpc as rpc


def begin(stub: rpc.VerificationServiceStub, token: Token) -> None:
    """Gets a first token from the bookmark with which a watch begins, if there is none yet."""
    if token.cursor:
        return
    watch = stub.WatchStatuses(pb.WatchStatusesRequest(bookmark_seconds=1), timeout=30)
    try:
        token.keep(next(watch).bookmark.cursor)
    except grpc.RpcError as error:
        sys.exit(f"refused: {Refusal.of(error)}")
    finally:
        watch.cancel()


def holds(statement: str, keys: jwt.PyJWKClient, status: int) -> bool:
    """Returns whether the hub has signed that the credential stands so. What is signed can be shown to others."""
    try:
        key = keys.get_signing_key_from_jwt(statement).key
        # A status list counts from 0 on.
        return jwt.decode(statement, key, algorithms=["EdDSA"], leeway=60)["status"] == status - 1
    except jwt.PyJWTError as error:
        sys.exit(f"the statement does not hold: {error}")


def run(stub: rpc.VerificationServiceStub, options, token: Token, backoff: Backoff) -> None:
    """Watches until the stream ends, or as many changes came as were asked for."""
    came, keys = 0, jwt.PyJWKClient(options.keys) if options.keys else None
    for answer in stub.WatchStatuses(pb.WatchStatusesRequest(cursor=token.cursor)):
        backoff.reset()
        if answer.WhichOneof("message") == "bookmark":
            token.keep(answer.bookmark.cursor)
            continue
        event = answer.event
        status = short(credential.CredentialStatus, event.status)
        said = "; the hub's signature holds" * (keys is not None and holds(event.statement, keys, event.status))
        print(f"{event.position:>8} {event.handle} is {status} since {event.at.ToJsonString()}{said}", flush=True)
        token.keep(event.cursor)
        came += 1
        if came == options.events:
            return


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--token", type=Path, default=Path("statuses.token"), help="file of the resume token")
    parser.add_argument("--keys", help="address of the hub's keys, such as https://HUB/.well-known/peshub-keys")
    parser.add_argument("--events", type=int, help="end after so many changes")
    options = parser.parse_args()
    token, backoff = Token(options.token), Backoff()
    with connect(options) as channel:
        stub = rpc.VerificationServiceStub(channel)
        begin(stub, token)
        while True:
            try:
                run(stub, options, token, backoff)
                return
            except grpc.RpcError as error:
                # After CURSOR_EXPIRED or FEED_REWOUND verify anew what you rely on: changes were missed.
                backoff.wait(Refusal.of(error))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
