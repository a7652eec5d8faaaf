"""Receives the postings of a division and every change after them, and goes on where it stopped.

The resume token is kept in a file. It is written after the events before it were worked off, here: printed. So
after a crash an event may come again, and none is ever missing.
"""

import sys
from pathlib import Path

import grpc

from peshub_client import Backoff, Refusal, Token, arguments, connect, division, headline, short
from peshub.feed.v1 import feed_pb2 as feed
from peshub.postings.v1 import postings_service_pb2 as pb
from peshub.postings.v1 import postings_service_pb2_grpc as rpc

# Events between two writes of the token, when no bookmark comes first.
EVENTS_A_TOKEN = 100


def run(stub: rpc.PostingServiceStub, options, token: Token, backoff: Backoff) -> None:
    """Watches until the position that was asked for, or until the stream ends."""
    filtered = pb.PostingFilter(divisions=[division(code) for code in options.division])
    request = pb.WatchPostingsRequest(filter=filtered, cursor=token.cursor, bookmark_seconds=options.bookmark_seconds)
    print(f"resuming after {token.path.name}" if token.cursor else "beginning with a snapshot", flush=True)
    since = 0
    for answer in stub.WatchPostings(request):
        backoff.reset()
        if answer.WhichOneof("message") == "event":
            event = answer.event
            kind = short(feed.EventKind, event.kind).lower()
            print(f"{event.position:>8} {kind:<8} {headline(event.record)}", flush=True)
            since += 1
            # An event of the snapshot has no token: a snapshot cannot be resumed midway.
            if event.cursor and since >= EVENTS_A_TOKEN:
                token.keep(event.cursor)
                since = 0
            position = event.position if event.cursor else -1
        else:
            bookmark = answer.bookmark
            token.keep(bookmark.cursor)
            since, position = 0, bookmark.position
            if bookmark.snapshot_complete:
                # What you have and the snapshot did not name is gone.
                print(f"{bookmark.position:>8} the snapshot is complete", flush=True)
            elif bookmark.closing:
                print(f"{bookmark.position:>8} the hub is shutting down", flush=True)
            elif options.bookmarks:
                print(f"{bookmark.position:>8} bookmark", flush=True)
        if options.until is not None and position >= options.until:
            if answer.WhichOneof("message") == "event":
                token.keep(answer.event.cursor)
            return


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--division", action="append", default=[], help="this one or below; may be given several times")
    parser.add_argument("--token", type=Path, default=Path("watch.token"), help="file of the resume token")
    parser.add_argument("--until", type=int, help="end at this position of the feed; 0 ends after the snapshot")
    parser.add_argument("--bookmarks", action="store_true", help="print bookmarks, too")
    parser.add_argument("--bookmark-seconds", type=int, default=0, help="longest silence, 1 to 60; 5 when absent")
    options = parser.parse_args()
    token, backoff = Token(options.token), Backoff()
    with connect(options) as channel:
        stub = rpc.PostingServiceStub(channel)
        while True:
            try:
                run(stub, options, token, backoff)
                return
            except grpc.RpcError as error:
                refusal = Refusal.of(error)
                if refusal.reason in ("CURSOR_EXPIRED", "FEED_REWOUND") and token.cursor:
                    print(f"beginning again: {refusal}", file=sys.stderr)
                    token.forget()
                else:
                    backoff.wait(refusal)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
