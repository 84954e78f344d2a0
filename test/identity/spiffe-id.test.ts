import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import { parseSpiffeId, workloadOf, workloadSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { requirement } from '../requirements.ts'
import { character } from '../support/character.ts'

const vectors = readFileSync(new URL('../vectors/identity/spiffe-ids.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t'))

for (const [verdict, json, message] of vectors) {
  test(`the SPIFFE ID ${json} is ${verdict}`, () => {
    requirement('identity.spiffe-id-strict')
    const text = JSON.parse(json ?? '') as string
    if (verdict === 'valid') {
      assert.equal(parseSpiffeId(text).uri, text)
      return
    }
    assert.throws(() => parseSpiffeId(text), { code: 'identity/spiffe-id', message })
  })
}

test('a SPIFFE ID comes apart into trust domain and path', () => {
  const id = parseSpiffeId('spiffe://prod.example/ns/a/sa/b')
  assert.equal(id.trustDomain, 'prod.example')
  assert.equal(id.path, '/ns/a/sa/b')
  assert.equal(parseSpiffeId('spiffe://prod.example').path, '')
})

test('a SPIFFE ID has at most 2048 octets and a trust domain at most 255', () => {
  const longest = `spiffe://e.x/${'a'.repeat(2048 - 13)}`
  assert.equal(parseSpiffeId(longest).uri, longest)
  assert.throws(() => parseSpiffeId(`${longest}a`), {
    message: 'SPIFFE ID is too long, want=..2048 got=2049',
  })
  assert.equal(parseTrustDomain('a.'.repeat(127) + 'a').length, 255)
  assert.throws(() => parseTrustDomain('a'.repeat(256)), {
    code: 'identity/trust-domain',
    message: 'trust domain has the wrong length, want=1..255 got=256',
  })
})

test('the ID of a workload is made of its namespace and service account', () => {
  const trustDomain = parseTrustDomain('prod.example')
  const id = workloadSpiffeId({ trustDomain, namespace: 'shop', serviceAccount: 'agent.one' })
  assert.equal(id.uri, 'spiffe://prod.example/ns/shop/sa/agent.one')
  assert.deepEqual(workloadOf(id), { namespace: 'shop', serviceAccount: 'agent.one' })
  assert.deepEqual(parseSpiffeId(id.uri), id)
})

test('a workload ID is refused for what is no Kubernetes name', () => {
  const trustDomain = parseTrustDomain('prod.example')
  const names = ['', '.', '..', 'A', 'a/b', 'a_b', '-a', 'a-', 'é', 'a'.repeat(254)]
  for (const name of names) {
    assert.throws(() => workloadSpiffeId({ trustDomain, namespace: name, serviceAccount: 'a' }), {
      message: `namespace is not a DNS label, got=${JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)}`,
    })
    assert.throws(
      () => workloadSpiffeId({ trustDomain, namespace: 'a', serviceAccount: name }),
      /^CountersignError: service account is not a DNS subdomain, got=/,
    )
  }
  assert.throws(() => workloadSpiffeId({ trustDomain, namespace: 'a.b', serviceAccount: 'a' }))
})

test('only IDs of our own shape name a workload', () => {
  const shapes = [
    '',
    '/ns/a',
    '/ns/a/sa/b/c',
    '/sa/b/ns/a',
    '/x/ns/a/sa/b',
    '/ns/A/sa/b',
    '/ns/a/sa/_',
  ]
  for (const path of shapes) {
    assert.equal(workloadOf(parseSpiffeId(`spiffe://e.x${path}`)), undefined, path)
  }
})

test('any text is a SPIFFE ID or refused by its code', () => {
  requirement('identity.spiffe-id-strict')
  const text = fc.oneof(
    fc.string({ unit: character }),
    fc.string().map((rest) => `spiffe://${rest}`),
    fc.string().map((rest) => `spiffe://e.x/${rest}`),
  )
  fc.assert(
    fc.property(text, (uri) => {
      try {
        assert.equal(parseSpiffeId(uri).uri, uri)
      } catch (error) {
        assert.ok(error instanceof CountersignError && error.code === 'identity/spiffe-id')
      }
    }),
  )
})
