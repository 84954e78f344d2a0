import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader } from 'jose'
import type { JSONWebKeySet } from 'jose'
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
    method: 'tools/call',
    tool: 'read',
    target: undefined,
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
    const token = await signer.sign(callOf())
    await compactVerify(token, gateway.svid.publicKey, { algorithms: [algorithm] })
    assert.deepEqual(decodeProtectedHeader(token), {
      alg: algorithm,
      typ: 'txntoken+jwt',
      kid: thumbprintOf(gateway),
      'x5t#S256': thumbprintOf(gateway),
    })
  })
}

test('a token says who calls what through whom, for ten seconds', async () => {
  requirement('token.seconds-of-life')
  const gateway = gatewayWith()
  const credential = sourceOf(() => gateway.credential)
  const signer = createTokenSigner({ credential, now: () => start + 999 })
  const token = await signer.sign(callOf())
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
      method: 'tools/call',
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

test('a token never outlives the certificate that it is bound to', async () => {
  const gateway = gatewayWith('ES256', new Date(start + 3500))
  const credential = sourceOf(() => gateway.credential)
  const signer = createTokenSigner({ credential, now: () => start })
  const token = await signer.sign(callOf())
  assert.equal(decodeJwt(token).exp, start / 1000 + 3)
  await assert.rejects(createTokenSigner({ credential, now: () => start + 3000 }).sign(callOf()), {
    code: 'token/sign',
    message: "gateway's certificate is over",
  })
})

test('the key is that of the credential in force now', async () => {
  const [before, after] = [gatewayWith('ES256'), gatewayWith('Ed25519')]
  let current = before
  const credential = sourceOf(() => current.credential)
  const signer = createTokenSigner({ credential, now: () => start })
  assert.equal(decodeProtectedHeader(await signer.sign(callOf())).alg, 'ES256')
  current = after
  const header = decodeProtectedHeader(await signer.sign(callOf()))
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

test('a caller without identity extension gets no token', async () => {
  const gateway = gatewayWith()
  const signer = createTokenSigner({
    credential: sourceOf(() => gateway.credential),
    now: () => start,
  })
  await assert.rejects(signer.sign(callOf({ ...caller(), identity: undefined })), {
    code: 'token/sign',
    message: 'caller has no identity extension',
  })
})

test('a ceiling too large for a header gets no token', async () => {
  const scopes = Array.from({ length: 32 }, (_, index) =>
    `files:${index}${'x'.repeat(126)}`.slice(0, 134),
  )
  const gateway = gatewayWith('PS256')
  const signer = createTokenSigner({
    credential: sourceOf(() => gateway.credential),
    now: () => start,
  })
  const fits = await signer.sign(callOf(caller(scopes.slice(0, 16).join(','))))
  assert.ok(fits.length <= 8192)
  const pod = { name: 'p'.repeat(253), uid: 'u'.repeat(128) }
  const large = caller(scopes.join(','))
  const identity = { ...large.identity, pod } as X509Svid['identity']
  const call = { ...callOf({ ...large, identity }), transactionId: 'd'.repeat(800) }
  await assert.rejects(signer.sign(call), {
    code: 'token/sign',
    message: /^token is too large, want=..8192 got=\d+$/,
  })
})

test('each of many tokens is the one that was asked for', async () => {
  const gateway = gatewayWith()
  const signer = createTokenSigner({
    credential: sourceOf(() => gateway.credential),
    now: () => start,
  })
  const all = Array.from({ length: 50 }, async (_, index) => {
    const token = await signer.sign({ ...callOf(), transactionId: `d-${index}` })
    await compactVerify(token, gateway.svid.publicKey, { algorithms: ['ES256'] })
    return decodeJwt(token)['txn']
  })
  assert.deepEqual(
    await Promise.all(all),
    all.map((_, index) => `d-${index}`),
  )
})

test('a token that cannot be signed holds nobody up', async () => {
  const gateway = gatewayWith()
  const signer = createTokenSigner({
    credential: sourceOf(() => gateway.credential),
    now: () => start,
  })
  const outcomes = await Promise.allSettled(
    Array.from({ length: 12 }, (_, index) =>
      signer.sign(index % 2 === 0 ? callOf() : { ...callOf(), transactionId: 'd'.repeat(9000) }),
    ),
  )
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    outcomes.map((_, index) => (index % 2 === 0 ? 'fulfilled' : 'rejected')),
  )
})

test('the set of keys has that of every token of the last minute, and a library verifies with it', async () => {
  const parties = [gatewayWith('ES256'), gatewayWith('ES256'), gatewayWith('PS256')]
  let [current] = parties
  let milliseconds = start
  const signer = createTokenSigner({
    credential: sourceOf(() => current?.credential ?? assert.fail()),
    now: () => milliseconds,
  })
  const kids = (): unknown[] =>
    (JSON.parse(signer.currentJwks()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
  const tokens: string[] = []
  for (const next of parties) {
    current = next
    tokens.push(await signer.sign(callOf()))
  }
  assert.deepEqual(kids(), parties.toReversed().map(thumbprintOf))
  const keySet = createLocalJWKSet(JSON.parse(signer.currentJwks()) as JSONWebKeySet)
  for (const token of tokens) await compactVerify(token, keySet)
  assert.doesNotMatch(signer.currentJwks(), /"(?:d|p|q|dp|dq|qi)":/, 'no half that is secret')
  milliseconds += 60_000
  assert.deepEqual(kids(), parties.slice(-1).map(thumbprintOf))
})
