import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { coversOffer, parseResourceScopes } from '../../src/identity/offer-scope.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import { requirement } from '../requirements.ts'
import { listTexts } from '../policy/call-input.ts'

/** What decides where a URI resolves to, and what only looks as if it did. */
const pieces = [
  '/ // . .. ... \\ ? # ; : :// { } {+x} % @ %2e %2E %2f %5C %25 %00 %002 %252e %2 2e %20 %e2',
  'a B b.c ..a a.. é ． ／ K repo repo:// https://a.example/',
].flatMap((line) => line.split(' '))

const prefixes = ['', 'repo:', 'repo://a/', 'https://a.example/', 'repo://a/x']

test('a scope of a server has by a prefix what the grant of that prefix has', async () => {
  requirement('gateway.scopes-of-a-server')
  const tail = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((each) => each.join(''))
  const uri = fc.tuple(fc.constantFrom(...prefixes), tail).map((parts) => parts.join(''))
  const kind = fc.constantFrom('resource' as const, 'resource_template' as const)
  const offers = fc.array(fc.tuple(kind, uri), { minLength: 30, maxLength: 30 })
  for (const prefix of prefixes) {
    const resources = { prefixes: { [prefix]: {} } }
    const data = { grants: { tenants: { acme: { files: { resources } } }, subjects: {} } }
    const authorizer = createAuthorizer(await loadPolicyBundle({ data }))
    const scopes = parseResourceScopes([`${prefix}*`])
    const seen = { true: 0, false: 0 }
    fc.assert(
      fc.property(offers, (some) => {
        const texts = listTexts(
          some.map(([type, id]) => ({ type, id, properties: { server: 'files' } })),
        )
        const { value } = authorizer.filter({ ...texts, action: 'resources/list' })
        const covered = some.map(([type, id]) => coversOffer(scopes, type, id))
        for (const each of covered) seen[`${each}`] += 1
        assert.deepEqual(value, covered)
      }),
      { numRuns: 40 },
    )
    assert.ok(seen.true > 20 && seen.false > 20, `${prefix}: ${JSON.stringify(seen)}`)
  }
})
