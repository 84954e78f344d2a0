import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CompactSign, decodeJwt } from 'jose'
import { CountersignError } from '../../src/errors.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createTokenSigner } from '../../src/token/sign.ts'
import { createTokenVerifier } from '../../src/token/verify.ts'
import type { PresentedCall } from '../../src/token/verify.ts'
import { requirement } from '../requirements.ts'
import { caller, keyKinds, party, sourceOf, start } from './parties.ts'
import type { Algorithm, Party } from './parties.ts'

const gatewayId = 'spiffe://example.test/ns/gateway/sa/gateway'
const self = parseSpiffeId('spiffe://example.test/ns/tools/sa/files')
const argumentsSha256 = 'x'.repeat(43)
const gateway = party(gatewayId)
const call: PresentedCall = {
  peer: gateway.svid,
  method: 'tools/call',
  target: 'read',
  argumentsSha256,
}

function verifierAt(milliseconds = start, server?: string): ReturnType<typeof createTokenVerifier> {
  return createTokenVerifier({
    server,
    trustDomain: parseTrustDomain('example.test'),
    audience: () => self,
    now: () => milliseconds,
  })
}

function honestToken(from: Party = gateway, lifetimeSeconds = 10): Promise<string> {
  const credential = sourceOf(() => from.credential)
  const upstream = { server: 'files', spiffeId: self }
  return createTokenSigner({ credential, now: () => start, lifetimeSeconds }).sign({
    caller: caller(),
    upstream,
    method: 'tools/call',
    tool: 'read',
    target: undefined,
    argumentsSha256,
    transactionId: 'd-1',
  })
}

type Json = Record<string, unknown>

/** A token signed by the gateway, with something changed before it was signed. */
async function changed(
  change: (claims: Json & { tctx: Json }) => object,
  header: object = {},
  by: Party = gateway,
): Promise<string> {
  const claims = decodeJwt<{ tctx: Json }>(await honestToken(by))
  const octets = Buffer.from(JSON.stringify(change(claims)))
  const thumbprint = Buffer.from(by.svid.sha256, 'hex').toString('base64url')
  const fixed = { alg: 'ES256', typ: 'txntoken+jwt', 'x5t#S256': thumbprint }
  return await new CompactSign(octets)
    .setProtectedHeader({ ...fixed, ...header })
    .sign(by.privateKey)
}

const same = (claims: object): object => claims

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

for (const algorithm of Object.keys(keyKinds) as Algorithm[]) {
  test(`a token of ${algorithm} names the caller, its ceiling and its pod`, async () => {
    const peer = party(gatewayId, algorithm)
    const verified = await verifierAt().verify(await honestToken(peer), {
      ...call,
      peer: peer.svid,
    })
    assert.equal(verified.transactionId, 'd-1')
    assert.equal(verified.tool, 'read')
    assert.deepEqual(verified.expiresAt, new Date(start + 10_000))
    assert.equal(verified.caller.spiffeId.uri, 'spiffe://example.test/ns/research/sa/reader')
    assert.equal(verified.caller.tenant, 'acme')
    assert.equal(verified.caller.role, 'agent')
    assert.deepEqual(verified.caller.ceiling.models, ['large', 'small'])
    assert.deepEqual(
      verified.caller.ceiling.toolScopes.map(({ text }) => text),
      ['files:read'],
    )
    assert.deepEqual(verified.caller.pod, { namespace: 'research', name: 'reader-0', uid: 'p-1' })
  })
}

test('a caller without tenant and role is verified without them', async () => {
  const token = await changed(({ tctx: { tenant: _t, role: _r, ...tctx }, ...claims }) => ({
    ...claims,
    tctx,
  }))
  const { caller: verified } = await verifierAt().verify(token, call)
  assert.equal('tenant' in verified, false)
  assert.equal('role' in verified, false)
})

const [stranger, renewed] = [party(gatewayId), party(gatewayId)]
const strangerThumbprint = Buffer.from(stranger.svid.sha256, 'hex').toString('base64url')
const publicPem = gateway.svid.publicKey.export({ format: 'pem', type: 'spki' })

async function withAlgorithm(alg: string, signature: (input: string) => Buffer): Promise<string> {
  const [, payload] = (await honestToken()).split('.')
  const input = `${encoded({ alg, typ: 'txntoken+jwt' })}.${payload}`
  return `${input}.${signature(input).toString('base64url')}`
}

const notSigned = 'token is not signed by the peer with ES256'

/** Every hostile token: how it is made, the code of its refusal and what the refusal says. */
const hostile: Readonly<Record<string, readonly [() => string | Promise<string>, string, string]>> =
  {
    'is empty': [() => '', 'token/malformed', 'token is not a compact JWS'],
    'has two parts': [() => 'e30.e30', 'token/malformed', 'token is not a compact JWS'],
    'has five parts': [() => 'a.b.c.d.e', 'token/malformed', 'token is not a compact JWS'],
    'is padded': [
      async () => `${await honestToken()}=`,
      'token/malformed',
      'token is not a compact JWS',
    ],
    'has a space before it': [
      async () => ` ${await honestToken()}`,
      'token/malformed',
      'token is not a compact JWS',
    ],
    'is two tokens in one header': [
      async () => `${await honestToken()}, ${await honestToken()}`,
      'token/malformed',
      'token is not a compact JWS',
    ],
    'is too large': [
      () => `${'a'.repeat(8191)}.b.c`,
      'token/malformed',
      'token is too large, want=..8192 got=8195',
    ],
    'has a header that is not JSON': [
      async () => (await honestToken()).replace(/^[^.]+/, 'bm9wZQ'),
      'token/signature',
      notSigned,
    ],
    'is signed with none': [
      () => withAlgorithm('none', () => Buffer.from('x')),
      'token/signature',
      notSigned,
    ],
    'is signed with the public key as a secret': [
      () =>
        withAlgorithm('HS256', (input) => createHmac('sha256', publicPem).update(input).digest()),
      'token/signature',
      notSigned,
    ],
    'says another algorithm': [
      () => withAlgorithm('ES384', () => Buffer.alloc(96)),
      'token/signature',
      notSigned,
    ],
    'is signed with another key': [() => honestToken(stranger), 'token/signature', notSigned],
    'brings its own key': [
      () => {
        const jwk = stranger.svid.publicKey.export({ format: 'jwk' })
        return changed(same, { jwk }, stranger)
      },
      'token/signature',
      notSigned,
    ],
    'was changed after it was signed': [
      async () => {
        const [header, payload, signature] = (await honestToken()).split('.')
        const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as object
        return `${header}.${encoded({ ...claims, sub: `${gatewayId}2` })}.${signature}`
      },
      'token/signature',
      notSigned,
    ],
    'has a critical header that nobody knows': [
      () => {
        const crit = ['https://example.test/rule']
        return new CompactSign(Buffer.from('{}'))
          .setProtectedHeader({ alg: 'ES256', crit, [crit[0] ?? '']: 1 })
          .sign(gateway.privateKey, { crit: { [crit[0] ?? '']: true } })
      },
      'token/signature',
      notSigned,
    ],
    'is of another type': [
      () => changed(same, { typ: 'JWT' }),
      'token/malformed',
      'token is of another type, want=txntoken+jwt',
    ],
    'has no type': [
      () => changed(same, { typ: undefined }),
      'token/malformed',
      'token is of another type, want=txntoken+jwt',
    ],
    'has the type as a media type': [
      () => changed(same, { typ: 'application/txntoken+jwt' }),
      'token/malformed',
      'token is of another type, want=txntoken+jwt',
    ],
    'has a header that names another certificate': [
      () => changed(same, { 'x5t#S256': strangerThumbprint }),
      'token/binding',
      'x5t#S256 is of another certificate',
    ],
    'has a header that names no certificate': [
      () => changed(same, { 'x5t#S256': undefined }),
      'token/binding',
      'x5t#S256 is of another certificate',
    ],
    'is bound to another certificate': [
      () => changed((claims) => ({ ...claims, cnf: { 'x5t#S256': strangerThumbprint } })),
      'token/binding',
      'cnf is of another certificate',
    ],
    'has no binding': [
      () => changed((claims) => ({ ...claims, cnf: undefined })),
      'token/malformed',
      'cnf is missing or of the wrong type, want=object',
    ],
    'is from another gateway by its own word': [
      () => changed((claims) => ({ ...claims, iss: `${gatewayId}-2` })),
      'token/issuer',
      `iss is not the peer, want=${gatewayId}`,
    ],
    'is for another server': [
      () => changed((claims) => ({ ...claims, aud: 'spiffe://example.test/ns/tools/sa/mail' })),
      'token/audience',
      `aud is not this server, want=${self.uri}`,
    ],
    'is for several servers': [
      () => changed((claims) => ({ ...claims, aud: [self.uri] })),
      'token/malformed',
      'aud is missing or of the wrong type, want=1..2048 characters',
    ],
    'is for a server in another case': [
      () => changed((claims) => ({ ...claims, aud: self.uri.toUpperCase() })),
      'token/audience',
      `aud is not this server, want=${self.uri}`,
    ],
    'lives too long': [
      () => changed((claims) => ({ ...claims, exp: start / 1000 + 61 })),
      'token/expired',
      'life of the token is out of range, want=1..60 got=61',
    ],
    'ends before it begins': [
      () => changed((claims) => ({ ...claims, exp: start / 1000 - 1 })),
      'token/expired',
      'life of the token is out of range, want=1..60 got=-1',
    ],
    'begins later': [
      () => changed((claims) => ({ ...claims, iat: start / 1000 + 6, exp: start / 1000 + 7 })),
      'token/expired',
      'token is not yet valid',
    ],
    'is over': [
      () => changed((claims) => ({ ...claims, iat: start / 1000 - 15, exp: start / 1000 - 5 })),
      'token/expired',
      'token is over',
    ],
    'is for another tool': [
      () => changed((claims) => ({ ...claims, tctx: { ...claims.tctx, tool: 'write' } })),
      'token/call',
      'token is for another tool',
    ],
    'is for another method': [
      () => changed((claims) => ({ ...claims, tctx: { ...claims.tctx, method: 'prompts/get' } })),
      'token/call',
      'token is for another method',
    ],
    'has another scope than its tool': [
      () => changed((claims) => ({ ...claims, scope: 'files:*' })),
      'token/call',
      'scope is not the tool',
    ],
    'is for other arguments': [
      () =>
        changed(({ tctx, ...claims }) => ({ ...claims, tctx: { ...tctx, argumentsSha256: 'y' } })),
      'token/call',
      'token is for other arguments',
    ],
    'names a tool outside the scopes that it names': [
      () => changed(({ tctx, ...claims }) => ({ ...claims, tctx: { ...tctx, toolScopes: [] } })),
      'token/call',
      'it is outside the scopes that the token names',
    ],
    'names a caller of another trust domain': [
      () => {
        const sub = 'spiffe://other.test/ns/research/sa/reader'
        return changed((claims) => ({ ...claims, sub, req_wl: sub }))
      },
      'token/issuer',
      'sub is not a workload that the peer may speak for',
    ],
    'was asked for by another workload than the caller': [
      () => changed((claims) => ({ ...claims, req_wl: gatewayId })),
      'token/issuer',
      'sub is not a workload that the peer may speak for',
    ],
    'names a caller that is no SPIFFE ID': [
      () => changed((claims) => ({ ...claims, sub: 'secret', req_wl: 'secret' })),
      'token/malformed',
      'a name in the claims is not well-formed',
    ],
    'names an unknown role': [
      () => changed(({ tctx, ...claims }) => ({ ...claims, tctx: { ...tctx, role: 'admin' } })),
      'token/malformed',
      'a name in the claims is not well-formed',
    ],
    'names a malformed scope': [
      () => changed(({ tctx, ...claims }) => ({ ...claims, tctx: { ...tctx, toolScopes: ['*'] } })),
      'token/malformed',
      'a name in the claims is not well-formed',
    ],
    'has no claims': [
      () => changed(() => ({})),
      'token/malformed',
      'cnf is missing or of the wrong type, want=object',
    ],
  }

for (const [name, [make, code, message]] of Object.entries(hostile)) {
  test(`a token that ${name} is refused, and nothing of it is said`, async () => {
    if (code === 'token/expired') requirement('token.seconds-of-life')
    else requirement('token.bound-to-call')
    const token = await make()
    await assert.rejects(verifierAt().verify(token, call), (error: CountersignError) => {
      assert.deepEqual([error.code, error.message], [code, message])
      assert.equal(error.cause, undefined)
      const parts = token.split(/[., ]/).filter((part) => part.length > 8)
      assert.equal(
        parts.some((part) => error.message.includes(part)),
        false,
      )
      return true
    })
  })
}

test('an honest token is worth nothing on the connection of another gateway, or of the same one renewed', async () => {
  requirement('attack.tokens-passed-on')
  requirement('token.bound-to-gateway')
  const token = await honestToken()
  for (const peer of [stranger.svid, renewed.svid]) {
    await assert.rejects(verifierAt().verify(token, { ...call, peer }), { code: 'token/signature' })
  }
  // The same key in a new certificate, as an attacker with the key's old certificate would like it.
  const recertified = { ...gateway.svid, sha256: stranger.svid.sha256 }
  await assert.rejects(verifierAt().verify(token, { ...call, peer: recertified }), {
    code: 'token/binding',
  })
})

/** What somebody may do to a text without knowing the key. */
const disturbed = (text: string): fc.Arbitrary<string> => {
  const place = fc.nat(text.length)
  const unit = fc.constantFrom(...Array.from('AZaz09-_.=+/ \n'))
  const letters = fc.string({ unit, maxLength: 3 })
  return fc.oneof(
    fc.tuple(place, fc.nat(3), letters).map(([at, gone, more]) => {
      return text.slice(0, at) + more + text.slice(at + gone)
    }),
    fc.shuffledSubarray(text.split('.')).map((parts) => parts.join('.')),
    fc.tuple(fc.nat(2), fc.jsonValue()).map(([at, value]) => {
      return text.split('.').with(at, encoded({ value })).join('.')
    }),
  )
}

/** Verifies what is not honest: a refusal has a code of ours and says nothing of the token. */
async function refusalOf(token: string): Promise<string> {
  const error: unknown = await verifierAt()
    .verify(token, call)
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
  if (error === undefined) return 'none'
  assert.ok(error instanceof CountersignError)
  assert.match(error.code, /^token\//)
  const parts = token.split('.').filter((part) => part.length > 8)
  assert.ok(!parts.some((part) => error.message.includes(part)))
  return error.code
}

test('whatever is done to an honest token, it is refused, or is the same octets in other letters', async () => {
  requirement('token.bound-to-gateway')
  const honest = await honestToken()
  const octetsOf = (token: string): string =>
    token
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString('hex'))
      .join('.')
  await fc.assert(
    fc.asyncProperty(disturbed(honest), async (token) => {
      const code = await refusalOf(token)
      if (code === 'none') assert.equal(octetsOf(token), octetsOf(honest), token)
    }),
    { numRuns: 500 },
  )
})

test('whatever a gateway signs, it is a token or is refused, and nothing else comes of it', async () => {
  requirement('token.bound-to-call')
  const claims = decodeJwt(await honestToken())
  const odd = fc.oneof(fc.jsonValue(), fc.constant(undefined), fc.constant('\u0000'))
  const names = fc.constantFrom(...Object.keys(claims), ...Object.keys(claims['tctx'] as object))
  await fc.assert(
    fc.asyncProperty(names, odd, fc.boolean(), async (name, value, isInside) => {
      const token = await changed(({ tctx, ...rest }) =>
        isInside ? { ...rest, tctx: { ...tctx, [name]: value } } : { ...rest, tctx, [name]: value },
      )
      await refusalOf(token)
    }),
    { numRuns: 150 },
  )
})

test('an honest token is worth nothing for another tool or other arguments', async () => {
  requirement('token.bound-to-call')
  const token = await honestToken()
  for (const other of [
    { target: 'Read' },
    { target: '' },
    { method: 'prompts/get' },
    { argumentsSha256: 'y'.repeat(43) },
  ]) {
    await assert.rejects(verifierAt().verify(token, { ...call, ...other }), { code: 'token/call' })
  }
})

/** For a prompt, with something changed before it was signed. */
async function promptToken(change: (tctx: Json) => Json = (tctx) => tctx): Promise<string> {
  const credential = sourceOf(() => gateway.credential)
  const signed = await createTokenSigner({ credential, now: () => start }).sign({
    caller: caller(),
    upstream: { server: 'files', spiffeId: self },
    method: 'prompts/get',
    tool: undefined,
    target: 'review',
    argumentsSha256,
    transactionId: 'd-1',
  })
  const { tctx, ...claims } = decodeJwt<{ tctx: Json }>(signed)
  return changed(() => ({ ...claims, tctx: change(tctx) }))
}

test('a token for what is no tool names its method and its target, and no tool', async () => {
  requirement('token.bound-to-call')
  const asked = { ...call, method: 'prompts/get', target: 'review' }
  const verified = await verifierAt().verify(await promptToken(), asked)
  assert.equal(verified.method, 'prompts/get')
  assert.equal(verified.tool, undefined)
  for (const other of [{ target: 'Review' }, { method: 'completion/complete' }, call]) {
    const refused = verifierAt().verify(await promptToken(), { ...asked, ...other })
    await assert.rejects(refused, { code: 'token/call' })
  }
  const outside = await promptToken((tctx) => ({ ...tctx, toolScopes: ['github:*'] }))
  await assert.rejects(verifierAt().verify(outside, asked), {
    code: 'token/call',
    message: 'it is outside the scopes that the token names',
  })
})

test('clocks may be five seconds apart, and no more', async () => {
  const token = await honestToken()
  for (const [seconds, fine] of [
    [-6, false],
    [-5, true],
    [14, true],
    [15, false],
  ] as const) {
    const verified = verifierAt(start + seconds * 1000).verify(token, call)
    if (fine) assert.equal((await verified).tool, 'read')
    else await assert.rejects(verified, { code: 'token/expired' })
  }
})

test('a peer with a key of an unknown kind is refused', async () => {
  const peer = { ...gateway.svid, publicKey: {} as typeof gateway.svid.publicKey }
  await assert.rejects(verifierAt().verify(await honestToken(), { ...call, peer }), {
    code: 'token/signature',
    message: 'key of the peer is of an unknown kind',
  })
})

test('a token is for one name of a server, where two have one SPIFFE ID', async () => {
  requirement('token.bound-to-call')
  const token = await honestToken()
  const verified = await verifierAt(start, 'files').verify(token, call)
  assert.equal(verified.tool, 'read')
  await assert.rejects(verifierAt(start, 'files-2').verify(token, call), {
    code: 'token/audience',
    message: 'token is for another server, want=files-2',
  })
})

test('a gateway speaks for workloads of another trust domain only where this server says so, and for no tenant of it', async () => {
  requirement('federation.names-stay-apart')
  const elsewhere = 'spiffe://other.test/ns/shop/sa/agent'
  const token = (tenant?: string): Promise<string> =>
    changed(({ tctx: { tenant: _ours, ...tctx }, ...claims }) => ({
      ...claims,
      sub: elsewhere,
      req_wl: elsewhere,
      tctx: tenant === undefined ? tctx : { ...tctx, tenant },
    }))
  const knowing = createTokenVerifier({
    trustDomain: parseTrustDomain('example.test'),
    callerTrustDomains: [parseTrustDomain('other.test')],
    audience: () => self,
    now: () => start,
  })
  const { caller: verified } = await knowing.verify(await token(), call)
  assert.equal(verified.spiffeId.uri, elsewhere)
  assert.equal(verified.tenant, undefined)
  await assert.rejects(knowing.verify(await token('acme'), call), {
    code: 'token/issuer',
    message: 'sub is of another trust domain, and of no tenant',
  })
  await assert.rejects(verifierAt().verify(await token(), call), { code: 'token/issuer' })
})
