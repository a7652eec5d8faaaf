// Sends a folder of JSON lines to a source, in batches, and goes on where it stopped.
//
// Each line is a peshub.postings.v1.PostingChange in ProtoJSON. The folder is a spool: files are taken in the order of their
// names, lines are only ever added. A journal beside them remembers which line each batch ended with. Without the journal
// everything is sent again, which does no harm: what the hub has already is counted as unchanged.

import { createReadStream, existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { Backoff, Refusal, arguments_, connect, contract, fail, needed, replace, short } from "./peshub_client.mjs";
import { lookup, read } from "./proto_json.mjs";

const FILE = "peshub/postings/v1/postings_service.proto";
const { PostingService } = contract(FILE);
const PostingChange = lookup(FILE, "peshub.postings.v1.PostingChange");
// Where the next record stands: name of the file, and how many of its lines were taken.
const START = ["", 0];

/** Which place each of the last batches ended at. */
class Journal {
  static KEPT = 16;

  constructor(path) {
    this.path = path;
    this.ends = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  }

  /** Returns where to go on after a batch that the hub has. */
  after(batch) {
    return this.ends[batch] ?? START;
  }

  /** Notes a batch; to be done before it is sent. */
  note(batch, end) {
    this.ends[batch] = end;
    const kept = Object.entries(this.ends).filter(([it]) => batch - Journal.KEPT < it && it <= batch);
    this.ends = Object.fromEntries(kept);
    replace(this.path, JSON.stringify(this.ends));
  }
}

/** Reads changes after a place, each with the place behind it. What cannot be read is told and left out. */
async function* changes(folder, [startFile, startLine]) {
  const files = readdirSync(folder).filter((it) => it.endsWith(".jsonl") && it >= startFile);
  for (const file of files.sort()) {
    let number = 0;
    for await (const line of createInterface({ input: createReadStream(join(folder, file)), crlfDelay: Infinity })) {
      number += 1;
      if ((file === startFile && number <= startLine) || !line.trim()) continue;
      try {
        // A line of JSON is longer than the message that it says.
        yield [read(PostingChange, JSON.parse(line)), Buffer.byteLength(line), [file, number]];
      } catch (error) {
        console.log(`${file}:${number}: not sent: ${error.message}`);
      }
    }
  }
}

/** Cuts changes into batches that keep both limits of the hub. */
async function* batches(records, changesMax, bytesMax) {
  let [batch, size, end] = [[], 0, START];
  for await (const [change, length, place] of records) {
    if (batch.length && (batch.length === changesMax || size + length > bytesMax)) {
      yield [batch, end];
      [batch, size] = [[], 0];
    }
    batch.push(change);
    [size, end] = [size + length, place];
  }
  if (batch.length) yield [batch, end];
}

/** Prints an acknowledgement with its verdicts. Returns its position. */
function show({ acknowledgement: ack }) {
  const counts = ["created", "changed", "unchanged", "closed", "held", "rejected"];
  const told = counts.filter((it) => ack[it]).map((it) => `${ack[it]} ${it}`).join(", ");
  const notes = (ack.replayed ? " (committed before)" : "") + (ack.validateOnly ? " (nothing stored)" : "");
  console.log(`batch ${ack.batchId} at position ${ack.position}: ${told || "nothing to do"}${notes}`);
  for (const verdict of ack.verdicts) {
    for (const it of verdict.findings) {
      const given = it.given ? `, not '${it.given}'` : "";
      const suggested = it.suggested ? `; suggested: '${it.suggested}'` : "";
      const what = `${short(verdict.outcome, "OUTCOME")} ${verdict.externalId}: ${short(it.code, "FINDING_CODE")}`;
      console.log(`  ${what} ${it.field || "the record"}: expected ${it.expected}${given}${suggested}`);
    }
  }
  return Number(ack.position);
}

/** Sends what is left over one stream. Returns the position of the last batch that has one. */
async function run(client, options, journal, backoff) {
  const stream = client.syncPostings();
  const answers = stream[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await answers.next();
    return done ? fail("the hub ended the stream before it acknowledged everything") : value;
  };
  const { source, lane = "", "validate-only": validateOnly = false, folder } = options;
  stream.write({ open: { source, lane, validateOnly } });
  const { opened } = await answer();
  let number = Number(opened.lastBatchId);
  const begin = validateOnly ? START : journal.after(number);
  console.log(`lane ${lane || "main"} of ${source}: batch ${number} was the last, going on at ${JSON.stringify(begin)}`);
  const sizes = [Math.min(Number(options.batch ?? 1000), opened.changesPerBatchMax), opened.bytesPerBatchMax];
  let [underWay, position] = [0, 0];
  for await (const [batch, end] of batches(changes(folder, begin), ...sizes)) {
    for (; underWay >= opened.credits; underWay -= 1) {
      position = Math.max(position, show(await answer()));
      backoff.reset();
    }
    number += 1;
    if (!validateOnly) journal.note(number, end);
    stream.write({ batch: { batchId: number, changes: batch } });
    underWay += 1;
  }
  for (; underWay > 0; underWay -= 1) position = Math.max(position, show(await answer()));
  stream.end();
  return position;
}

const options = arguments_(
  {
    source: { type: "string" },
    lane: { type: "string" },
    batch: { type: "string" },
    "validate-only": { type: "boolean" },
    journal: { type: "string" },
  },
  ["FOLDER"],
);
[options.folder] = options.rest;
const name = `journal-${needed(options, "source")}-${options.lane || "main"}.json`;
const journal = new Journal(options.journal ?? join(options.folder, name));
const backoff = new Backoff();
const client = connect(PostingService, options);
for (;;) {
  try {
    const position = await run(client, options, journal, backoff);
    console.log(position ? `done, everything is at or before position ${position}` : "done");
    break;
  } catch (error) {
    // After a lost connection nobody here knows what was committed; the next opening tells.
    await backoff.wait(new Refusal(error));
  }
}
client.close();
