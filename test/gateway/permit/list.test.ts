import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Call } from '../../../src/gateway/call.ts'
import { parseDefinition } from '../../../src/gateway/catalogue/definition.ts'
import { createTurns } from '../../../src/gateway/turns.ts'
import { filterPages, type Filtering, type Page } from '../../../src/gateway/permit/list.ts'
import { identityRefusal, isRefused } from '../../../src/gateway/refusal.ts'
import { parseToolScope } from '../../../src/identity/tool-scope.ts'
import { silentLog } from '../../../src/log.ts'
import { requirement } from '../../requirements.ts'

test('a long list has a turn of its own, also where all of it is known', async () => {
  requirement('gateway.lists-take-turns')
  const account = ['acme', 'agents', 'agent'] as const
  for (const [octets, turns] of [
    [16 * 1024, 0],
    [16 * 1024 + 1, 1],
  ] as const) {
    const taken: unknown[] = []
    const filtering = {
      turns: { take: (of: unknown) => void taken.push(of) },
      catalogueOf: () => ({ learn: () => [] }),
      log: silentLog,
    } as unknown as Filtering
    const caller = { identity: { ceiling: { models: [], toolScopes: [] } }, account }
    const message = { era: 'modern', method: 'tools/list' }
    const call = { caller, message } as unknown as Call
    const page = {
      upstream: { config: { server: 'files', eras: ['modern'] } },
      answer: { octets: Buffer.alloc(octets), list: {} },
    } as unknown as Page
    await filterPages(call, [page], filtering)
    assert.deepEqual(
      taken,
      Array.from({ length: turns }, () => account),
    )
  }
})

test('a list is not given to a caller that has ended or gone while it was read', async () => {
  requirement('gateway.revoked-open-connection')
  requirement('gateway.gone-callers-not-spoken-for')
  const definition = parseDefinition(Buffer.from('{"name":"echo"}'))
  assert.ok(typeof definition !== 'string')
  for (const what of ['stays', 'ends', 'goes', 'has its answer']) {
    const caller = {
      identity: { ceiling: { models: [], toolScopes: [parseToolScope('files:*')] } },
      ended: undefined as unknown,
    }
    const response = { destroyed: false, writableFinished: what === 'has its answer' }
    const message = { era: 'modern', method: 'tools/list' }
    const call = { caller, message, arrived: { response } } as unknown as Call
    const filtering = {
      turns: createTurns(),
      quarantineOf: () => undefined,
      catalogueOf: () => ({
        async learn() {
          if (what === 'ends') caller.ended = identityRefusal('certificate is revoked')
          response.destroyed = what !== 'stays'
          return [definition]
        },
      }),
      decisions: { decideList: () => ({ shown: [true], ageMilliseconds: 0 }) },
      log: silentLog,
    } as unknown as Filtering
    const page = {
      upstream: { config: { server: 'files', eras: ['modern'] } },
      answer: { octets: Buffer.alloc(0), list: {} },
    } as unknown as Page
    const filtered = await filterPages(call, [page], filtering)
    const check = isRefused(filtered) ? filtered.check : undefined
    assert.equal(check, what === 'ends' ? 'peer' : what === 'goes' ? 'response' : undefined)
  }
})
