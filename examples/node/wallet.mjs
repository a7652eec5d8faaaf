// The worker's side: holds a key and a credential, and shows of it what a request asks for, signed for this request alone.
//
// A real wallet is an application on the worker's telephone. It needs nothing of the hub's: an SD-JWT (RFC 9901) is text, and
// what the hub adds is one check, that the nonce binds the terms which the holder reads.
//
//   node wallet.mjs KEY    makes the key of a wallet and prints its public half for the issuer

import { createHash, createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { realpathSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((it) => Buffer.from(it)))).digest();
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const decoded = (text) => JSON.parse(Buffer.from(text, "base64url"));

/** Makes a key of P-256, writes it as PKCS #8, and returns its public half as a JSON Web Key. */
function makeKey(path) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flag: "wx" });
  return publicKey.export({ format: "jwk" });
}

/** Returns whether a nonce was made for these terms. If it was not, somebody shows other terms than will be signed. */
function binds(nonce, termsJson) {
  const raw = Buffer.from(nonce, "base64url");
  return sha256("peshub consent terms 1\0", raw.subarray(0, 16), termsJson).equals(raw.subarray(16));
}

/** Returns whether a claim lies below one that is asked for, or leads to it; `*` is every element of a list. */
const isOnTheWay = (path, asked) =>
  asked.some((wanted) => path.every((step, place) => place >= wanted.length || ["*", step].includes(wanted[place])));

/** Returns the disclosures within a node that are needed to show what is asked for. */
function chosen(node, asked, byDigest, path = []) {
  if (typeof node !== "object" || node === null) return [];
  const disclose = (digest, element) => {
    const disclosure = byDigest.get(digest);
    if (disclosure === undefined) return [];
    const content = decoded(disclosure);
    const here = [...path, element ?? content[1]];
    return isOnTheWay(here, asked) ? [disclosure, ...chosen(content.at(-1), asked, byDigest, here)] : [];
  };
  const within = ([name, value]) => {
    if (Array.isArray(node) && value?.["..."]) return disclose(value["..."], name);
    if (name === "_sd" && !Array.isArray(node)) return value.flatMap((digest) => disclose(digest));
    return isOnTheWay([...path, name], asked) ? chosen(value, asked, byDigest, [...path, name]) : [];
  };
  return Object.entries(node).flatMap(within);
}

/** Shows what the terms ask for, with a proof over exactly that, for this nonce and this audience. */
export function present(credential, keyPem, { nonce, audience, termsJson }) {
  if (!binds(nonce, termsJson)) throw new Error("the nonce is not made for these terms: nothing is signed");
  const [issued, ...disclosures] = credential.trim().replace(/~$/, "").split("~");
  const byDigest = new Map(disclosures.map((it) => [sha256(it).toString("base64url"), it]));
  const wanted = new Set(chosen(decoded(issued.split(".")[1]), JSON.parse(termsJson).claims, byDigest));
  const shown = [issued, ...disclosures.filter((it) => wanted.has(it)), ""].join("~");
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iat, aud: audience, nonce, sd_hash: sha256(shown).toString("base64url") };
  const signed = `${encoded({ alg: "ES256", typ: "kb+jwt" })}.${encoded(claims)}`;
  // A JWS has both numbers of the signature one after the other (RFC 7518), and no DER.
  const signature = sign("sha256", signed, { key: createPrivateKey(keyPem), dsaEncoding: "ieee-p1363" });
  return `${shown}${signed}.${signature.toString("base64url")}`;
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (process.argv.length !== 3) {
    console.error("give the file of the key to be written");
    process.exit(2);
  }
  console.log(JSON.stringify(makeKey(process.argv[2])));
}
