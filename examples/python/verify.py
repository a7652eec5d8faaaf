"""Verifies a credential: asks the worker for consent, has the wallet present, and prints the verdict with each of its checks.

The wallet is wallet.py. A platform would send it what RequestPresentation answers, and get the presentation back.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import wallet
from peshub_client import Token, arguments, call, connect, new_request_id, short
from peshub.credentials.v1 import consents_service_pb2 as consents
from peshub.credentials.v1 import consents_service_pb2_grpc as consents_rpc
from peshub.credentials.v1 import credential_pb2 as credential
from peshub.credentials.v1 import verification_service_pb2 as pb
from peshub.credentials.v1 import verification_service_pb2_grpc as rpc
from peshub.participants.v1 import participants_service_pb2 as participants
from peshub.participants.v1 import participants_service_pb2_grpc as participants_rpc
from statuses import begin


def ask(channel, options) -> tuple[str, consents.RequestPresentationResponse]:
    """Records what the worker is asked for, and gets a nonce that binds it. Returns the consent's id and the request."""
    caller = call(participants_rpc.ParticipantServiceStub(channel).GetCaller, participants.GetCallerRequest())
    terms = consents.ConsentTerms(
        recipient=caller.participant.name,
        purpose=options.purpose,
        type_names=[options.type],
        claims=[credential.ClaimPath(segments=claim.split(".")) for claim in options.claim],
    )
    terms.until.FromDatetime(datetime.now(timezone.utc) + timedelta(days=options.days))
    stub = consents_rpc.ConsentServiceStub(channel)
    # The worker need not be known to the hub: the holder's signature is the evidence.
    evidence = consents.Evidence(kind=consents.EVIDENCE_KIND_HOLDER_SIGNATURE)
    record = consents.RecordConsentRequest(terms=terms, evidence=evidence, request_id=new_request_id())
    consent = call(stub.RecordConsent, record).consent
    request = consents.RequestPresentationRequest(consent_id=consent.consent_id, request_id=new_request_id())
    return consent.consent_id, call(stub.RequestPresentation, request)


def show(verdict: credential.Verdict) -> None:
    """Prints a verdict."""
    outcome = short(credential.VerdictOutcome, verdict.outcome)
    print(f"{verdict.type_name or 'credential'} of {verdict.issuer_name or 'nobody known'}: {outcome}")
    for check in verdict.checks:
        # Not made are those after the one that failed, and those for which there is nothing.
        if check.outcome != credential.CHECK_OUTCOME_SKIPPED:
            state = short(credential.CheckOutcome, check.outcome).lower()
            print(f"  {state:<6} {check.id:<27} {check.clause}{': ' + check.detail if check.detail else ''}")
    if verdict.claims_json:
        told = json.dumps(json.loads(verdict.claims_json), ensure_ascii=False, separators=(",", ":"))
        print(f"told: {told}")
    if verdict.withheld:
        print(f"withheld: {', '.join('.'.join(it.segments) for it in verdict.withheld)}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("credential", type=Path, help="file with the credential, as its issuer gave it to the worker")
    parser.add_argument("--wallet-key", type=Path, required=True, help="file that wallet.py has made")
    parser.add_argument("--type", required=True, help="type of credentials that is asked for")
    parser.add_argument("--claim", action="append", required=True, help="claim that is asked for, such as course")
    parser.add_argument("--purpose", required=True, help="what for, as the worker reads it")
    parser.add_argument("--days", type=int, default=90, help="how long the consent is to hold")
    parser.add_argument("--token", type=Path, default=Path("statuses.token"), help="resume token of statuses.py")
    options = parser.parse_args()
    with connect(options) as channel:
        stub = rpc.VerificationServiceStub(channel)
        # Before the verdict, so that no change after it is missed.
        begin(stub, Token(options.token))
        consent_id, request = ask(channel, options)
        print(f"consent {consent_id}, to be signed by the holder: {request.terms_json}")
        key = options.wallet_key.read_bytes()
        bound = (request.nonce, request.audience, request.terms_json)
        presentation = wallet.present(options.credential.read_text(), key, *bound)
        answer = call(
            stub.VerifyPresentation,
            pb.VerifyPresentationRequest(
                presentation=presentation,
                grounds=credential.Grounds(consent_id=consent_id),
                policy=pb.VerificationPolicy(require_binding=True, follow=True, type_names=[options.type]),
                request_id=new_request_id(),
            ),
        )
    show(answer.verdict)
    print(f"handle {answer.verdict.handle}, entry {answer.entry_id} of the audit trail")
    sys.exit(0 if answer.verdict.outcome == credential.VERDICT_OUTCOME_VALID else 1)


if __name__ == "__main__":
    main()
