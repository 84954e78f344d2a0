import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyName } from '../../src/policy/engine.ts'
import { createSharedMembers } from '../../src/policy/shared-members.ts'

function policyOf(name: string | undefined, of: Partial<PolicyName> = {}): PolicyName {
  const own = { revision: 'r1', digest: 'd1', ...of }
  return name === undefined ? own : { ...own, tenant: { name, revision: 't1', digest: 'e1' } }
}

/** How often the members were made anew. */
function counted(): {
  readonly members: (policy: PolicyName) => string
  readonly made: () => number
} {
  let made = 0
  const members = createSharedMembers(() => {
    made += 1
    return { id: 'gateway-0' }
  })
  return { members, made: () => made }
}

test('calls of several tenants in turn make the members of each once', () => {
  const { members, made } = counted()
  for (let turn = 0; turn < 10; turn += 1) {
    for (const name of ['acme', 'globex', undefined]) members(policyOf(name))
  }
  assert.equal(made(), 3)
  assert.equal(
    members(policyOf('acme')),
    '"labels":{"id":"gateway-0"},"bundles":{"countersign":{"revision":"r1"},"data":{"revision":"d1"},"tenants/acme":{"revision":"t1"}}',
  )
  assert.doesNotMatch(members(policyOf(undefined)), /tenants/)
})

test('whatever of a policy changes, its members are those of the new one', () => {
  const { members } = counted()
  members(policyOf('acme'))
  const tenant = { name: 'acme', revision: 't2', digest: 'e1' }
  assert.match(members({ ...policyOf('acme'), tenant }), /"tenants\/acme":\{"revision":"t2"\}/)
  assert.match(members(policyOf('acme', { revision: 'r2' })), /"countersign":\{"revision":"r2"\}/)
  assert.match(members(policyOf('acme', { digest: 'd2' })), /"data":\{"revision":"d2"\}/)
  assert.match(members(policyOf(undefined, { digest: 'd2' })), /"data":\{"revision":"d2"\}/)
  assert.match(members(policyOf(undefined)), /"data":\{"revision":"d1"\}/)
})

test('what is kept does not grow with the number of tenants', () => {
  const { members, made } = counted()
  members(policyOf('first'))
  for (let at = 0; at < 300; at += 1) members(policyOf(`t${at}`))
  members(policyOf('t299'))
  assert.equal(made(), 301)
  members(policyOf('first'))
  assert.equal(made(), 302)
})
