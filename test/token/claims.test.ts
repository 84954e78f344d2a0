import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseClaims } from '../../src/token/claims.ts'

const claims = {
  txn: 'd-1',
  sub: 'spiffe://example.test/ns/research/sa/reader',
  aud: 'spiffe://example.test/ns/tools/sa/files',
  iss: 'spiffe://example.test/ns/gateway/sa/gateway',
  iat: 1000,
  exp: 1010,
  scope: 'files:read',
  req_wl: 'spiffe://example.test/ns/research/sa/reader',
  tctx: {
    server: 'files',
    method: 'tools/call',
    tool: 'read',
    argumentsSha256: 'x'.repeat(43),
    tenant: 'acme',
    role: 'agent',
    models: ['small'],
    toolScopes: ['files:read'],
    pod: { namespace: 'research', name: 'reader-0', uid: 'p-1' },
  },
  cnf: { 'x5t#S256': 'y'.repeat(43) },
}

function octetsOf(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

test('claims are read as they are, and unknown ones are ignored', () => {
  assert.deepEqual(parseClaims(octetsOf(claims)), claims)
  const more = { ...claims, nbf: 'soon', tctx: { ...claims.tctx, allow: true } }
  assert.deepEqual(parseClaims(octetsOf(more)), claims)
})

test('a caller may have no tenant and no role', () => {
  const { tenant: _tenant, role: _role, ...context } = claims.tctx
  assert.deepEqual(parseClaims(octetsOf({ ...claims, tctx: context })).tctx, context)
})

test('octets that are not one JSON object are refused, without quoting them', () => {
  for (const [text, message] of [
    ['', 'claims are not JSON'],
    ['{"secret"', 'claims are not JSON'],
    ['{"secret":1}{}', 'claims are not JSON'],
    ['\xff\xfe', 'claims are not JSON'],
    ['null', 'claims is missing or of the wrong type, want=object'],
    ['["secret"]', 'claims is missing or of the wrong type, want=object'],
    ['"secret"', 'claims is missing or of the wrong type, want=object'],
  ] as const) {
    assert.throws(
      () => parseClaims(Buffer.from(text, 'latin1')),
      (error: Error) => error.message === message && error.cause === undefined,
    )
  }
})

const wrong: readonly unknown[] = [undefined, null, '', 0, true, [], {}, 'x'.repeat(3000)]

for (const name of ['txn', 'sub', 'aud', 'iss', 'scope', 'req_wl'] as const) {
  test(`${name} has to be text of some characters`, () => {
    for (const value of wrong) {
      assert.throws(() => parseClaims(octetsOf({ ...claims, [name]: value })), {
        code: 'token/malformed',
        message: new RegExp(
          `^${name} is missing or of the wrong type, want=1\\.\\.\\d+ characters$`,
        ),
      })
    }
  })
}

for (const name of ['iat', 'exp'] as const) {
  test(`${name} has to be whole seconds`, () => {
    for (const value of [undefined, null, '1000', 1.5, -1, 1e300, [1000], {}]) {
      assert.throws(() => parseClaims(octetsOf({ ...claims, [name]: value })), {
        code: 'token/malformed',
        message: `${name} is missing or of the wrong type, want=whole seconds`,
      })
    }
  })
}

for (const name of [
  'server',
  'method',
  'tool',
  'targetSha256',
  'argumentsSha256',
  'tenant',
  'role',
] as const) {
  test(`${name} of the context has to be text of some characters`, () => {
    for (const value of wrong.slice(1)) {
      const context = { ...claims.tctx, [name]: value }
      assert.throws(() => parseClaims(octetsOf({ ...claims, tctx: context })), {
        code: 'token/malformed',
        message: new RegExp(`^${name} is missing or of the wrong type`),
      })
    }
  })
}

for (const name of ['models', 'toolScopes'] as const) {
  test(`${name} of the context has to be a short list of texts`, () => {
    const long = Array.from({ length: 33 }, () => 'x')
    for (const value of [undefined, null, 'files:read', {}, [1], [null], long]) {
      const context = { ...claims.tctx, [name]: value }
      assert.throws(() => parseClaims(octetsOf({ ...claims, tctx: context })), {
        code: 'token/malformed',
        message: new RegExp(`^${name} is (missing or )?of the wrong type, want=array of`),
      })
    }
  })
}

test('the pod and the confirmation have to be complete', () => {
  for (const value of [undefined, null, 'reader-0', [], {}, { namespace: 'a', name: 'b' }]) {
    const context = { ...claims.tctx, pod: value }
    assert.throws(() => parseClaims(octetsOf({ ...claims, tctx: context })), {
      code: 'token/malformed',
    })
  }
  for (const value of [undefined, null, [], {}, { 'x5t#S256': 1 }, { jwk: {} }]) {
    assert.throws(() => parseClaims(octetsOf({ ...claims, cnf: value })), {
      code: 'token/malformed',
    })
  }
})
