// Verifies a credential: asks the worker for consent, has the wallet present, and prints the verdict with each of its checks.
//
// The wallet is wallet.mjs. A platform would send it what RequestPresentation answers, and get the presentation back.

import { readFileSync } from "node:fs";

import { Token, arguments_, call, connect, contract, needed, newRequestId, short, timestamp } from "./peshub_client.mjs";
import { begin } from "./verification.mjs";
import { present } from "./wallet.mjs";

const { VerificationService } = contract("peshub/credentials/v1/verification_service.proto");
const { ConsentService } = contract("peshub/credentials/v1/consents_service.proto");
const { ParticipantService } = contract("peshub/participants/v1/participants_service.proto");
const DAY_MS = 86_400_000;

/** Records what the worker is asked for, and gets a nonce that binds it. Returns the consent's id and the request. */
async function ask(options) {
  const caller = connect(ParticipantService, options);
  const consents = connect(ConsentService, options);
  const { participant } = await call(caller, "getCaller", {});
  const terms = {
    recipient: participant.name,
    purpose: needed(options, "purpose"),
    typeNames: [options.type],
    claims: needed(options, "claim").map((it) => ({ segments: it.split(".") })),
    until: timestamp(Date.now() + Number(options.days) * DAY_MS),
  };
  // The worker need not be known to the hub: the holder's signature is the evidence.
  const evidence = { kind: "EVIDENCE_KIND_HOLDER_SIGNATURE" };
  const { consent } = await call(consents, "recordConsent", { terms, evidence, requestId: newRequestId() });
  const { consentId } = consent;
  const request = await call(consents, "requestPresentation", { consentId, requestId: newRequestId() });
  caller.close();
  consents.close();
  return { consentId, request };
}

/** Prints a verdict. */
function show(verdict) {
  const outcome = short(verdict.outcome, "VERDICT_OUTCOME");
  console.log(`${verdict.typeName || "credential"} of ${verdict.issuerName || "nobody known"}: ${outcome}`);
  for (const check of verdict.checks) {
    // Not made are those after the one that failed, and those for which there is nothing.
    const state = short(check.outcome, "CHECK_OUTCOME").toLowerCase();
    if (state === "skipped") continue;
    console.log(`  ${state.padEnd(6)} ${check.id.padEnd(27)} ${check.clause}${check.detail ? `: ${check.detail}` : ""}`);
  }
  if (verdict.claimsJson) console.log(`told: ${verdict.claimsJson}`);
  if (verdict.withheld.length) console.log(`withheld: ${verdict.withheld.map((it) => it.segments.join(".")).join(", ")}`);
}

const options = arguments_(
  {
    "wallet-key": { type: "string" },
    type: { type: "string" },
    claim: { type: "string", multiple: true },
    purpose: { type: "string" },
    days: { type: "string", default: "90" },
    token: { type: "string", default: "statuses.token" },
  },
  ["CREDENTIAL"],
);
const client = connect(VerificationService, options);
const key = readFileSync(needed(options, "wallet-key"));
const type = needed(options, "type");
// Before the verdict, so that no change after it is missed.
await begin(client, new Token(options.token));
const { consentId, request } = await ask(options);
console.log(`consent ${consentId}, to be signed by the holder: ${request.termsJson}`);
const { verdict, entryId } = await call(client, "verifyPresentation", {
  presentation: present(readFileSync(options.rest[0], "utf8"), key, request),
  grounds: { consentId },
  policy: { requireBinding: true, follow: true, typeNames: [type] },
  requestId: newRequestId(),
});
client.close();
show(verdict);
console.log(`handle ${verdict.handle}, entry ${entryId} of the audit trail`);
process.exitCode = verdict.outcome === "VERDICT_OUTCOME_VALID" ? 0 : 1;
