import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import type { X509Svid } from '../../src/pki/x509-svid.ts'
import { createTokenSigner } from '../../src/token/sign.ts'
import type { SignableCall } from '../../src/token/sign.ts'
import { requirement } from '../requirements.ts'
import { caller, keyKinds, party, sourceOf, start } from './parties.ts'
import type { Algorithm, Party } from './parties.ts'

const upstream = {
  server: 'files',
  spiffeId: party('spiffe://example.test/ns/tools/sa/files').svid.spiffeId,
}

function callOf(from: X509Svid = caller()): SignableCall {
  return {
    caller: from,
    upstream,
    tool: 'read',
    argumentsSha256: 'x'.repeat(43),
    transactionId: 'd-1',
  }
}

function gatewayWith(algorithm: Algorithm = 'ES256', notAfter?: Date): Party {
  return party('spiffe://example.test/ns/gateway/sa/gateway', algorithm, notAfter)
}

function thumbprintOf({ svid }: Party): string {
  return Buffer.from(svid.sha256, 'hex').toString('base64url')
}

for (const algorithm of Object.keys(keyKinds) as Algorithm[]) {
  test(`a gateway with such a key signs with ${algorithm}, as another JOSE library verifies`, async () => {
    const gateway = gatewayWith(algorithm)
    const signer = createTokenSigner({
      credential: sourceOf(() => gateway.credential),
      now: () => start,
    })
    const token = signer.sign(callOf())
    await compactVerify(token, gateway.svid.publicKey, { algorithms: [algorithm] })
    assert.deepEqual(decodeProtectedHeader(token), {
      alg: algorithm,
      typ: 'txntoken+jwt',
      'x5t#S256': thumbprintOf(gateway),
    })
  })
}

test('a token says who calls what through whom, for ten seconds', () => {
  requirement('token.seconds-of-life')
  const gateway = gatewayWith()
  const credential = sourceOf(() => gateway.credential)
  const token = createTokenSigner({ credential, now: () => start + 999 }).sign(callOf())
  assert.deepEqual(decodeJwt(token), {
    txn: 'd-1',
    sub: 'spiffe://example.test/ns/research/sa/reader',
    aud: 'spiffe://example.test/ns/tools/sa/files',
    iss: 'spiffe://example.test/ns/gateway/sa/gateway',
    iat: start / 1000,
    exp: start / 1000 + 10,
    scope: 'files:read',
    req_wl: 'spiffe://example.test/ns/research/sa/reader',
    tctx: {
      server: 'files',
      tool: 'read',
      argumentsSha256: 'x'.repeat(43),
      tenant: 'acme',
      role: 'agent',
      models: ['large', 'small'],
      toolScopes: ['files:read'],
      pod: { namespace: 'research', name: 'reader-0', uid: 'p-1' },
    },
    cnf: { 'x5t#S256': thumbprintOf(gateway) },
  })
})

test('a token never outlives the certificate that it is bound to', () => {
  const gateway = gatewayWith('ES256', new Date(start + 3500))
  const credential = sourceOf(() => gateway.credential)
  const token = createTokenSigner({ credential, now: () => start }).sign(callOf())
  assert.equal(decodeJwt(token).exp, start / 1000 + 3)
  assert.throws(() => createTokenSigner({ credential, now: () => start + 3000 }).sign(callOf()), {
    code: 'token/sign',
    message: "gateway's certificate is over",
  })
})

test('the key is that of the credential in force now', () => {
  const [before, after] = [gatewayWith('ES256'), gatewayWith('Ed25519')]
  let current = before
  const credential = sourceOf(() => current.credential)
  const signer = createTokenSigner({ credential, now: () => start })
  assert.equal(decodeProtectedHeader(signer.sign(callOf())).alg, 'ES256')
  current = after
  const header = decodeProtectedHeader(signer.sign(callOf()))
  assert.equal(header.alg, 'Ed25519')
  assert.equal(header['x5t#S256'], thumbprintOf(after))
})

test('a life outside 1 to 60 seconds is refused when the signer is made', () => {
  requirement('token.seconds-of-life')
  const credential = sourceOf(() => gatewayWith().credential)
  for (const lifetimeSeconds of [0, -1, 61, Number.NaN]) {
    assert.throws(() => createTokenSigner({ credential, now: () => start, lifetimeSeconds }), {
      code: 'token/sign',
      message: `life of a token is out of range, want=1..60 got=${lifetimeSeconds}`,
    })
  }
})

test('a caller without identity extension gets no token', () => {
  const gateway = gatewayWith()
  const signer = createTokenSigner({
    credential: sourceOf(() => gateway.credential),
    now: () => start,
  })
  assert.throws(() => signer.sign(callOf({ ...caller(), identity: undefined })), {
    code: 'token/sign',
    message: 'caller has no identity extension',
  })
})

test('a ceiling too large for a header gets no token', () => {
  const scopes = Array.from({ length: 32 }, (_, index) =>
    `files:${index}${'x'.repeat(126)}`.slice(0, 134),
  )
  const gateway = gatewayWith('PS256')
  const signer = createTokenSigner({
    credential: sourceOf(() => gateway.credential),
    now: () => start,
  })
  const fits = signer.sign(callOf(caller(scopes.slice(0, 16).join(','))))
  assert.ok(fits.length <= 8192)
  const pod = { name: 'p'.repeat(253), uid: 'u'.repeat(128) }
  const large = caller(scopes.join(','))
  const identity = { ...large.identity, pod } as X509Svid['identity']
  const call = { ...callOf({ ...large, identity }), transactionId: 'd'.repeat(800) }
  assert.throws(() => signer.sign(call), {
    code: 'token/sign',
    message: /^token is too large, want=..8192 got=\d+$/,
  })
})
