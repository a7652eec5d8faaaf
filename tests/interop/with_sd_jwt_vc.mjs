// Verifies and makes presentations with the npm package @sd-jwt/sd-jwt-vc. Reads and writes as with_sd_jwt.py does.

import { createHash, generateKeyPairSync, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';

const KINDS = {
  ES256: ['ec', { namedCurve: 'P-256' }, 'sha256'],
  EdDSA: ['ed25519', undefined, null],
};
const algorithmOf = (jwk) => (jwk.kty === 'EC' ? 'ES256' : 'EdDSA');
const signer = (key, algorithm) => (data) =>
  sign(KINDS[algorithm][2], Buffer.from(data), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
const holds = (jwk, data, signature) =>
  verify(
    KINDS[algorithmOf(jwk)][2],
    Buffer.from(data),
    { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
const common = {
  hasher: (data, algorithm) => createHash(algorithm.replace('-', '')).update(Buffer.from(data)).digest(),
  hashAlg: 'sha-256',
  saltGenerator: (length) => randomBytes(length).toString('base64url'),
};

async function verified(it) {
  const instance = new SDJwtVcInstance({
    ...common,
    verifier: (data, signature) => holds(it.issuer, data, signature),
    kbVerifier: (data, signature, payload) => holds(payload.cnf.jwk, data, signature),
    statusListFetcher: () => { throw new Error('no status list is asked for'); },
  });
  try {
    const options = it.nonce === null ? {} : { keyBindingNonce: it.nonce };
    const { payload, kb } = await instance.verify(it.text, options);
    if (it.nonce !== null && kb.payload.aud !== it.audience) {
      throw new Error('made for another verifier');
    }
    return payload;
  } catch (error) {
    console.error(`sd-jwt-vc: ${error}`);
    return null;
  }
}

async function make(it, algorithm) {
  const [kind, options] = KINDS[algorithm];
  const issuer = generateKeyPairSync(kind, options);
  const holder = generateKeyPairSync(kind, options);
  const instance = new SDJwtVcInstance({
    ...common,
    signer: signer(issuer.privateKey, algorithm),
    signAlg: algorithm,
    verifier: () => true,
    kbSigner: signer(holder.privateKey, algorithm),
    kbSignAlg: algorithm,
  });
  const claims = { ...it.claims, cnf: { jwk: holder.publicKey.export({ format: 'jwk' }) } };
  const issued = await instance.issue(claims, { _sd: it.hidden, _sd_decoy: 2 }, { header: { kid: '1' } });
  const frame = Object.fromEntries(it.shown.map((name) => [name, true]));
  const payload = { iat: Math.floor(Date.now() / 1000), aud: it.audience, nonce: it.nonce };
  return {
    issuer: issuer.publicKey.export({ format: 'jwk' }),
    issued,
    bare: await instance.present(issued, frame),
    bound: await instance.present(issued, frame, { kb: { payload } }),
  };
}

const asked = JSON.parse(readFileSync(0, 'utf8'));
const claims = [];
for (const it of asked.verify) claims.push(await verified(it));
const made = [];
for (const algorithm of Object.keys(KINDS)) made.push(await make(asked.make, algorithm));
process.stdout.write(JSON.stringify({ claims, made }));
