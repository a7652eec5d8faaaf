// Tells when a credential that was verified no longer stands, and goes on where it stopped.
//
// verify.mjs says `follow`, so that the hub tells of changes. The resume token is kept as in watch.mjs: what changed
// while nobody listened comes first.

import { createPublicKey, verify } from "node:crypto";

import { Backoff, Refusal, Token, arguments_, connect, contract, fail, messages, short } from "./peshub_client.mjs";
import { begin } from "./verification.mjs";

const { VerificationService } = contract("peshub/credentials/v1/verification_service.proto");

// As a status list has them.
const LISTED = ["CREDENTIAL_STATUS_VALID", "CREDENTIAL_STATUS_REVOKED", "CREDENTIAL_STATUS_SUSPENDED"];

/** Returns whether the hub has signed that the credential stands so. What is signed can be shown to others. */
async function holds(statement, url, status) {
  const [header, payload, signature] = statement.split(".");
  const read = (part) => JSON.parse(Buffer.from(part, "base64url"));
  const { alg, kid } = read(header);
  const { keys } = await (await fetch(url)).json();
  const key = keys.find((it) => it.kid === kid && alg === "EdDSA");
  const signed = Buffer.from(`${header}.${payload}`);
  const publicKey = key && createPublicKey({ key, format: "jwk" });
  if (!publicKey || !verify(null, signed, publicKey, Buffer.from(signature, "base64url"))) fail("the statement does not hold");
  return LISTED[read(payload).status] === status;
}

/** Watches until the stream ends, or as many changes came as were asked for. */
async function run(client, options, token, backoff) {
  let came = 0;
  for await (const { message, event, bookmark } of messages(client.watchStatuses({ cursor: token.cursor }))) {
    backoff.reset();
    if (message === "bookmark") {
      token.keep(bookmark.cursor);
      continue;
    }
    const since = new Date(Number(event.at.seconds) * 1000 + event.at.nanos / 1e6).toISOString();
    const status = short(event.status, "CREDENTIAL_STATUS");
    const isSigned = options.keys && (await holds(event.statement, options.keys, event.status));
    const said = isSigned ? "; the hub's signature holds" : "";
    console.log(`${String(event.position).padStart(8)} ${event.handle} is ${status} since ${since}${said}`);
    token.keep(event.cursor);
    came += 1;
    if (came === Number(options.events)) return;
  }
}

const options = arguments_(
  {
    token: { type: "string", default: "statuses.token" },
    keys: { type: "string" },
    events: { type: "string" },
  },
  [],
);
const [token, backoff] = [new Token(options.token), new Backoff()];
const client = connect(VerificationService, options);
await begin(client, token);
for (;;) {
  try {
    await run(client, options, token, backoff);
    break;
  } catch (error) {
    // After CURSOR_EXPIRED or FEED_REWOUND verify anew what you rely on: changes were missed.
    await backoff.wait(new Refusal(error));
  }
}
client.close();
