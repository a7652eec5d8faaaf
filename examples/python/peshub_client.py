"""What the examples share: the connection, and what a refusal says."""

import argparse
import os
import random
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

GENERATED = Path(__file__).resolve().parent / "generated"
if not GENERATED.exists():
    sys.exit("there is no code of the contract yet: python generate.py")
sys.path.insert(0, str(GENERATED))

# The hub sends up to 1,000 postings in a page and as many verdicts in an acknowledgement; gRPC's own limit is 4 MiB.
MESSAGE_BYTES_MAX = 64 * 1024 * 1024


def arguments(about: str) -> argparse.ArgumentParser:
    """Returns a parser with the arguments that every example has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--hub", default=os.environ.get("PESHUB_HUB", "127.0.0.1:7443"), help="host:port")
    parser.add_argument("--ca", type=Path, help="authorities of the hub's certificate, PEM")
    parser.add_argument("--cert", type=Path, help="your certificate, PEM")
    parser.add_argument("--key", type=Path, help="its private key, PEM")
    parser.add_argument("--as", dest="participant", help="a demo participant of `peshub dev`, in place of the three files")
    parser.add_argument("--data-dir", type=Path, help="data directory of `peshub dev`, for --as")
    return parser


def connect(options: argparse.Namespace) -> grpc.Channel:
    """Opens a channel with mutual TLS. It connects with the first call, and again whenever it must."""
    ca, cert, key = options.ca, options.cert, options.key
    if options.participant:
        if not options.data_dir:
            sys.exit("--as needs --data-dir")
        folder = options.data_dir / "dev"
        ca = folder / "ca.pem"
        cert, key = folder / f"{options.participant}.pem", folder / f"{options.participant}.key.pem"
    if not (ca and cert and key):
        sys.exit("give --ca, --cert and --key, or --as and --data-dir")
    credentials = grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), cert.read_bytes())
    settings = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        # A connection that died without a word is noticed after half a minute.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]
    return grpc.secure_channel(options.hub.removeprefix("https://"), credentials, settings)


@dataclass
class Refusal:
    """Why a call failed, as the hub tells it in google.rpc.Status."""

    code: grpc.StatusCode
    reason: str
    message: str
    fields: list[str] = field(default_factory=list)
    # How long to wait, where waiting helps.
    retry_seconds: float | None = None

    @classmethod
    def of(cls, error: grpc.RpcError) -> "Refusal":
        """Reads an error of gRPC."""
        refusal = cls(error.code(), "", error.details() or "")
        status = rpc_status.from_call(error)
        for detail in status.details if status else []:
            info, request, retry = (
                error_details_pb2.ErrorInfo(),
                error_details_pb2.BadRequest(),
                error_details_pb2.RetryInfo(),
            )
            if detail.Unpack(info):
                refusal.reason = info.reason
            elif detail.Unpack(request):
                refusal.fields = [f"{it.field}: {it.description}" for it in request.field_violations]
            elif detail.Unpack(retry):
                refusal.retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()
        return refusal

    def is_passing(self) -> bool:
        """Returns whether the same call can succeed later."""
        if self.retry_seconds is not None:
            return True
        if self.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return True
        # Everything that the hub says has a reason; what has none is from a proxy or the transport.
        transport = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED)
        return self.reason == "" and self.code in transport

    def __str__(self) -> str:
        # The message of one field's violation is that violation.
        more = [field for field in self.fields if field != self.message]
        return "; ".join([f"{self.code.name} {self.reason}: {self.message}", *more])


class Backoff:
    """Waits between tries: 0.1 s, twice that, … 10 s, each with some chance in it; gives up after five minutes."""

    PATIENCE_SECONDS = 300

    def __init__(self) -> None:
        self.failures, self.since = 0, 0.0

    def reset(self) -> None:
        """Something worked."""
        self.failures = 0

    def wait(self, refusal: Refusal) -> None:
        """Waits if trying again can help, or ends the program."""
        if not refusal.is_passing():
            sys.exit(f"refused: {refusal}")
        if self.failures == 0:
            self.since = time.monotonic()
        seconds = min(10.0, 0.1 * 2**self.failures) * random.uniform(0.5, 1.0)
        seconds = max(seconds, refusal.retry_seconds or 0.0)
        # A quota of the day can be used up for hours.
        if time.monotonic() - self.since + seconds > self.PATIENCE_SECONDS:
            sys.exit(f"gave up: {refusal}")
        self.failures += 1
        print(f"again in {seconds:.1f} s: {refusal}", file=sys.stderr)
        time.sleep(seconds)


def call(method, request, seconds: float = 30.0):
    """Makes a unary call with a deadline, and again while that can help. What changes something needs a `request_id` in it."""
    backoff = Backoff()
    while True:
        try:
            return method(request, timeout=seconds)
        except grpc.RpcError as error:
            backoff.wait(Refusal.of(error))


def new_request_id() -> str:
    """Returns a name for one change: however often it is sent, it happens once."""
    return str(uuid.uuid4())


class Token:
    """A resume token in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cursor = bytes.fromhex(path.read_text()) if path.exists() else b""

    def keep(self, cursor: bytes) -> None:
        """Writes it so that a crash leaves the old one or the new one."""
        self.cursor = cursor
        draft = self.path.with_suffix(".new")
        draft.write_text(cursor.hex())
        draft.replace(self.path)

    def forget(self) -> None:
        """Begins anew."""
        self.cursor = b""
        self.path.unlink(missing_ok=True)


def short(enum, number: int) -> str:
    """Returns the name of a choice without the name of its enum, such as VALID."""
    names = enum.DESCRIPTOR.values_by_number
    prefix = os.path.commonprefix([it.name for it in enum.DESCRIPTOR.values])
    return names[number].name.removeprefix(prefix[: prefix.rfind("_") + 1]) if number in names else str(number)


def division(code: str):
    """Returns a division: digits are GB/T 2260, all else is ISO 3166-2."""
    from peshub.common.v1 import types_pb2 as common

    scheme = common.DIVISION_SCHEME_GBT2260 if code.isdigit() else common.DIVISION_SCHEME_ISO3166_2
    return common.Division(scheme=scheme, code=code)


def headline(record) -> str:
    """Returns a posting in one line."""
    from peshub.postings.v1 import postings_service_pb2 as pb

    posting = record.posting
    places = ", ".join(f"{place.division.code} {place.division.name}".strip() for place in posting.workplaces)
    state = "closed" if record.state == pb.POSTING_STATE_CLOSED else "open"
    return " · ".join(
        part
        for part in (
            f"{record.key.source}/{record.key.external_id} r{record.revision} {state}",
            posting.title,
            posting.employer.name,
            places,
        )
        if part
    )
