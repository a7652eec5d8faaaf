// What verify.mjs and statuses.mjs share.

import { Refusal, fail, messages } from "./peshub_client.mjs";

/** Gets a first token from the bookmark with which a watch begins, if there is none yet. */
export async function begin(client, token) {
  if (token.isThere) return;
  try {
    const watch = client.watchStatuses({ bookmarkSeconds: 1 }, { deadline: Date.now() + 30_000 });
    for await (const { bookmark } of messages(watch)) {
      token.keep(bookmark.cursor);
      return;
    }
  } catch (error) {
    fail(`refused: ${new Refusal(error)}`);
  }
}
