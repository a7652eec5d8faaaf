// What the examples share: the contract, the connection, and what a refusal says.

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
// The contract, and the vocabulary of its rules, which it imports.
export const FOLDERS = [join(REPOSITORY, "proto"), join(REPOSITORY, "build", "rules")];

// The hub sends up to 1,000 postings in a page and as many verdicts in an acknowledgement; gRPC's own limit is 4 MiB.
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
const PATIENCE_MS = 300_000;

/** Returns the classes of the clients in a file of the contract, by the names of the services. */
export function contract(file) {
  // int64 as text: positions and amounts do not fit in a JavaScript number for ever.
  const options = { includeDirs: FOLDERS, longs: String, enums: String, defaults: true, oneofs: true };
  const folder = file.split("/").slice(0, -1);
  const loaded = grpc.loadPackageDefinition(protoLoader.loadSync(file, options));
  return folder.reduce((found, name) => found[name], loaded);
}

/** Ends the program with a sentence. */
export function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

/** Reads arguments: those that every example has, and its own. */
export function arguments_(own, positionals) {
  const text = (name) => [name, { type: "string" }];
  const shared = Object.fromEntries(["hub", "ca", "cert", "key", "as", "data-dir"].map(text));
  try {
    const { values, positionals: rest } = parseArgs({ options: { ...shared, ...own }, allowPositionals: true });
    if (positionals !== undefined && rest.length !== positionals.length) {
      throw new Error(`give ${positionals.join(" ") || "no arguments besides options"}`);
    }
    return { ...values, rest };
  } catch (error) {
    return fail(error.message);
  }
}

/** Takes an option that must be there. */
export function needed(options, name) {
  return options[name]?.length ? options[name] : fail(`--${name} is needed`);
}

/** Opens a client with mutual TLS. It connects with the first call, and again whenever it must. */
export function connect(Service, options) {
  let { ca, cert, key } = options;
  if (options.as) {
    const folder = join(needed(options, "data-dir"), "dev");
    [ca, cert, key] = ["ca.pem", `${options.as}.pem`, `${options.as}.key.pem`].map((it) => join(folder, it));
  }
  if (!(ca && cert && key)) fail("give --ca, --cert and --key, or --as and --data-dir");
  const credentials = grpc.credentials.createSsl(readFileSync(ca), readFileSync(key), readFileSync(cert));
  const address = (options.hub ?? process.env.PESHUB_HUB ?? "127.0.0.1:7443").replace(/^https:\/\//, "");
  return new Service(address, credentials, {
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    // A connection that died without a word is noticed after half a minute.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
  });
}

// google.rpc.Status and those of its details that the examples read, by the numbers of the published files.
const RPC = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; }
  message FieldViolation { string field = 1; string description = 2; }
  message BadRequest { repeated FieldViolation field_violations = 1; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
`).root;

/** Why a call failed, as the hub tells it in google.rpc.Status. */
export class Refusal {
  constructor(error) {
    if (typeof error.code !== "number" || !error.metadata) throw error;
    this.code = error.code;
    this.message = error.details;
    this.reason = "";
    this.fields = [];
    // How long to wait, where waiting helps.
    this.retryMs = undefined;
    const [encoded] = error.metadata.get("grpc-status-details-bin");
    for (const detail of encoded ? RPC.lookupType("Status").decode(encoded).details : []) {
      const name = detail.typeUrl.split(".").pop();
      const read = () => RPC.lookupType(name).decode(detail.value);
      if (name === "ErrorInfo") this.reason = read().reason;
      if (name === "BadRequest") this.fields = read().fieldViolations.map((it) => `${it.field}: ${it.description}`);
      if (name === "RetryInfo") {
        const delay = read().retryDelay;
        this.retryMs = Number(delay?.seconds ?? 0) * 1000 + (delay?.nanos ?? 0) / 1e6;
      }
    }
  }

  /** Returns whether the same call can succeed later. */
  isPassing() {
    const { UNAVAILABLE, DEADLINE_EXCEEDED, UNKNOWN, INTERNAL, CANCELLED } = grpc.status;
    if (this.retryMs !== undefined || [UNAVAILABLE, DEADLINE_EXCEEDED].includes(this.code)) return true;
    // Everything that the hub says has a reason; what has none is from a proxy or the transport.
    return this.reason === "" && [UNKNOWN, INTERNAL, CANCELLED].includes(this.code);
  }

  toString() {
    // The message of one field's violation is that violation.
    const more = this.fields.filter((it) => it !== this.message);
    return [`${grpc.status[this.code]} ${this.reason}: ${this.message}`, ...more].join("; ");
  }
}

/** Waits between tries: 0.1 s, twice that, … 10 s, each with some chance in it; gives up after five minutes. */
export class Backoff {
  failures = 0;
  since = 0;

  /** Something worked. */
  reset() {
    this.failures = 0;
  }

  /** Waits if trying again can help, or ends the program. */
  async wait(refusal) {
    if (!refusal.isPassing()) fail(`refused: ${refusal}`);
    if (this.failures === 0) this.since = Date.now();
    const own = Math.min(10_000, 100 * 2 ** this.failures) * (0.5 + Math.random() / 2);
    const ms = Math.max(own, refusal.retryMs ?? 0);
    // A quota of the day can be used up for hours.
    if (Date.now() - this.since + ms > PATIENCE_MS) fail(`gave up: ${refusal}`);
    this.failures += 1;
    console.error(`again in ${(ms / 1000).toFixed(1)} s: ${refusal}`);
    await sleep(ms);
  }
}

/** Makes a unary call with a deadline, and again while that can help. What changes something needs a `requestId` in it. */
export async function call(client, method, request, seconds = 30) {
  const backoff = new Backoff();
  for (;;) {
    try {
      const deadline = Date.now() + seconds * 1000;
      return await new Promise((resolve, reject) => {
        client[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
      });
    } catch (error) {
      await backoff.wait(new Refusal(error));
    }
  }
}

/** Yields what a stream brings. Whoever stops listening ends the call with it, which the library by itself does not. */
export async function* messages(stream) {
  // Ending a call is an error to the library.
  stream.on("error", () => {});
  try {
    yield* stream;
  } finally {
    stream.cancel();
  }
}

/** Returns a name for one change: however often it is sent, it happens once. */
export const newRequestId = () => randomUUID();

/** A resume token in a file. */
export class Token {
  constructor(path) {
    this.path = path;
    this.cursor = existsSync(path) ? Buffer.from(readFileSync(path, "utf8"), "hex") : Buffer.alloc(0);
  }

  get isThere() {
    return this.cursor.length > 0;
  }

  /** Writes it so that a crash leaves the old one or the new one. */
  keep(cursor) {
    this.cursor = cursor;
    replace(this.path, cursor.toString("hex"));
  }

  /** Begins anew. */
  forget() {
    this.cursor = Buffer.alloc(0);
    rmSync(this.path, { force: true });
  }
}

/** Writes a file so that a crash leaves the old one or the new one. */
export function replace(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Returns a division: digits are GB/T 2260, all else is ISO 3166-2. */
export function division(code) {
  return { scheme: /^\d+$/.test(code) ? "DIVISION_SCHEME_GBT2260" : "DIVISION_SCHEME_ISO3166_2", code };
}

/** Returns the name of a choice without the name of its enum. */
export const short = (name, prefix) => String(name).replace(`${prefix}_`, "");

/** Returns an instant as google.protobuf.Timestamp. */
export const timestamp = (ms) => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 });
