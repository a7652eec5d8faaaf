// Receives the postings of a division and every change after them, and goes on where it stopped.
//
// The resume token is kept in a file. It is written after the events before it were worked off, here: printed. So
// after a crash an event may come again, and none is ever missing.

import { Backoff, Refusal, Token, arguments_, connect, contract, division, messages, short } from "./peshub_client.mjs";

const { PostingService } = contract("peshub/postings/v1/postings_service.proto");
// Events between two writes of the token, when no bookmark comes first.
const EVENTS_A_TOKEN = 100;

/** Returns a posting in one line. */
function headline({ key, posting, revision, state }) {
  const places = posting?.workplaces.map((it) => `${it.division.code} ${it.division.name}`.trim()).join(", ");
  const closed = short(state, "POSTING_STATE").toLowerCase();
  const parts = [`${key.source}/${key.externalId} r${revision} ${closed}`, posting?.title, posting?.employer?.name, places];
  return parts.filter(Boolean).join(" · ");
}

/** Prints a line that begins with a position. */
const say = (position, text) => console.log(`${String(position).padStart(8)} ${text}`);

/** Prints a bookmark that says something. */
function show(bookmark, all) {
  if (bookmark.snapshotComplete) {
    // What you have and the snapshot did not name is gone.
    say(bookmark.position, "the snapshot is complete");
  } else if (bookmark.closing) {
    say(bookmark.position, "the hub is shutting down");
  } else if (all) {
    say(bookmark.position, "bookmark");
  }
}

/** Watches until the position that was asked for, or until the stream ends. */
async function run(client, options, token, backoff) {
  const filter = { divisions: (options.division ?? []).map(division) };
  const request = { filter, cursor: token.cursor, bookmarkSeconds: Number(options["bookmark-seconds"] ?? 0) };
  console.log(token.isThere ? `resuming after ${options.token}` : "beginning with a snapshot");
  let since = 0;
  for await (const { message, event, bookmark } of messages(client.watchPostings(request))) {
    backoff.reset();
    let position = -1;
    if (message === "event") {
      say(event.position, `${short(event.kind, "EVENT_KIND").toLowerCase().padEnd(8)} ${headline(event.record)}`);
      since += 1;
      // An event of the snapshot has no token: a snapshot cannot be resumed midway.
      if (event.cursor.length) position = Number(event.position);
    } else {
      position = Number(bookmark.position);
    }
    const isEnd = options.until !== undefined && position >= Number(options.until);
    if (message === "bookmark" || (event.cursor.length && (since >= EVENTS_A_TOKEN || isEnd))) {
      token.keep((event ?? bookmark).cursor);
      since = 0;
    }
    if (message === "bookmark") show(bookmark, options.bookmarks);
    if (isEnd) return;
  }
}

const options = arguments_(
  {
    division: { type: "string", multiple: true },
    token: { type: "string", default: "watch.token" },
    until: { type: "string" },
    bookmarks: { type: "boolean" },
    "bookmark-seconds": { type: "string" },
  },
  [],
);
const [token, backoff] = [new Token(options.token), new Backoff()];
const client = connect(PostingService, options);
for (;;) {
  try {
    await run(client, options, token, backoff);
    break;
  } catch (error) {
    const refusal = new Refusal(error);
    if (["CURSOR_EXPIRED", "FEED_REWOUND"].includes(refusal.reason) && token.isThere) {
      console.error(`beginning again: ${refusal}`);
      token.forget();
    } else {
      await backoff.wait(refusal);
    }
  }
}
client.close();
