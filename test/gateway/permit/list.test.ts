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

test('a list is not given to a caller that has ended while it was read', async () => {
  requirement('gateway.revoked-open-connection')
  const definition = parseDefinition(Buffer.from('{"name":"echo"}'))
  assert.ok(typeof definition !== 'string')
  for (const isEnded of [false, true]) {
    const caller = {
      identity: { ceiling: { models: [], toolScopes: [parseToolScope('files:*')] } },
      ended: undefined as unknown,
    }
    const call = { caller, message: { era: 'modern', method: 'tools/list' } } as unknown as Call
    const filtering = {
      turns: createTurns(),
      catalogueOf: () => ({
        async learn() {
          if (isEnded) caller.ended = identityRefusal('certificate is revoked')
          return [definition]
        },
      }),
      decisions: { decideList: () => ({ shown: [true], ageMilliseconds: 0 }) },
      log: silentLog,
    } as unknown as Filtering
    const page = {
      upstream: { config: { server: 'files' } },
      answer: { octets: Buffer.alloc(0), list: {} },
    } as unknown as Page
    const filtered = await filterPages(call, [page], filtering)
    assert.equal(isRefused(filtered), isEnded)
    if (isRefused(filtered)) assert.equal(filtered.check, 'peer')
  }
})
