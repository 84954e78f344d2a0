import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayHearOfResource } from '../../../src/gateway/permit/heard.ts'
import type { Decisions, Situation } from '../../../src/gateway/permit/policy.ts'
import { parseResourceScopes } from '../../../src/identity/offer-scope.ts'
import { requirement } from '../../requirements.ts'

/** Policy lets everybody read everything. */
function listeningAt(resources: readonly string[] | undefined): {
  readonly hear: (uri: string) => unknown
  readonly decided: string[]
} {
  const decided: string[] = []
  const scopes = resources && { resources: parseResourceScopes(resources) }
  const caller = { identity: { ceiling: { toolScopes: [{ server: 'files' }] } }, ended: undefined }
  const upstream = { config: { server: 'files', eras: ['legacy'], ...scopes } }
  const listening = { caller, target: { kind: 'server', upstream }, message: { era: 'legacy' } }
  const decide: unknown = ({ call }: { readonly call: Situation }) => {
    const { target } = call
    decided.push(target.kind === 'resource' ? target.name : target.kind)
    return { id: 'a', allow: true, reasons: [], obligations: [] }
  }
  const decisions = { decide } as Decisions
  const hear = (uri: string): unknown =>
    mayHearOfResource(listening as unknown as Situation, uri, decisions)
  return { hear, decided }
}

test('nobody is told that what lies outside of the scopes of its server has changed, and policy is not asked', () => {
  requirement('gateway.scopes-of-a-server')
  const { hear, decided } = listeningAt(['repo://docs/*'])
  assert.equal(hear('repo://docs/a'), true)
  for (const uri of ['repo://secrets/a', 'repo://docs/../a', 'repo://docs']) {
    assert.equal(hear(uri), false, uri)
  }
  assert.deepEqual(decided, ['repo://docs/a'])
})

test('of a server without scopes policy alone says what is told', () => {
  const { hear, decided } = listeningAt(undefined)
  assert.equal(hear('repo://secrets/a'), true)
  assert.deepEqual(decided, ['repo://secrets/a'])
})
