"""Prints the postings that match, a line each, page by page."""

import sys

import grpc

from peshub_client import Refusal, arguments, connect, division, headline
from peshub.common.v1 import types_pb2 as common
from peshub.participants.v1 import participants_service_pb2 as participants
from peshub.participants.v1 import participants_service_pb2_grpc as participants_rpc
from peshub.postings.v1 import postings_service_pb2 as pb
from peshub.postings.v1 import postings_service_pb2_grpc as rpc

SCHEMES = {
    "csco": common.OCCUPATION_SCHEME_CSCO_2022,
    "isco": common.OCCUPATION_SCHEME_ISCO_08,
    "esco": common.OCCUPATION_SCHEME_ESCO,
    "onet": common.OCCUPATION_SCHEME_ONET_SOC,
}


def occupation(text: str) -> common.Occupation:
    """Reads csco:6-06-03-01, isco:2512 and the like."""
    scheme, _, code = text.partition(":")
    if scheme not in SCHEMES or not code:
        sys.exit(f"{text}: write csco:CODE, isco:CODE, esco:URI or onet:CODE")
    return common.Occupation(scheme=SCHEMES[scheme], code=code)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--division", action="append", default=[], help="in this one or below")
    parser.add_argument("--occupation", action="append", default=[], help="of this one or below, such as csco:6-06-03-01")
    parser.add_argument("--source", action="append", default=[])
    parser.add_argument("--text", default="", help="in the title or the employer's name")
    parser.add_argument("--closed-too", action="store_true")
    parser.add_argument("--page-size", type=int, default=500)
    options = parser.parse_args()
    both = [pb.POSTING_STATE_OPEN, pb.POSTING_STATE_CLOSED]
    request = pb.ListPostingsRequest(
        filter=pb.PostingFilter(
            divisions=[division(code) for code in options.division],
            occupations=[occupation(text) for text in options.occupation],
            sources=options.source,
            states=both if options.closed_too else [],
        ),
        text=options.text,
        paging=pb.Paging(page_size=options.page_size),
    )
    with connect(options) as channel:
        try:
            caller = participants_rpc.ParticipantServiceStub(channel).GetCaller(participants.GetCallerRequest(), timeout=10)
            print(f"as {caller.participant.name}, {caller.participant.display_name}", file=sys.stderr)
            stub, shown = rpc.PostingServiceStub(channel), 0
            while True:
                page = stub.ListPostings(request, timeout=30)
                for record in page.records:
                    print(headline(record))
                shown += len(page.records)
                request.paging.page_token = page.next_page_token
                if not page.next_page_token:
                    break
            print(f"{shown} postings", file=sys.stderr)
        except grpc.RpcError as error:
            sys.exit(f"refused: {Refusal.of(error)}")


if __name__ == "__main__":
    main()
