import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { startExchange, type ExchangeFailure } from '../../../src/gateway/upstream/exchange.ts'
import { createUpstream } from '../../../src/gateway/upstream/upstream.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { silentLog } from '../../../src/log.ts'
import { createIdentities } from '../world/identities.ts'
import { changeable } from '../world/world.ts'

test('an exchange that cannot even begin says so after it has been given out', async () => {
  const identities = createIdentities()
  const upstream = createUpstream({
    config: {
      server: 'files',
      url: 'https://files.test/mcp',
      spiffeId: parseSpiffeId('spiffe://test.example/ns/tools/sa/files'),
      eras: ['modern'],
    },
    credential: changeable(identities.issue()),
    trustBundle: changeable(identities.bundle),
    answerBytesMax: 1024,
    seats: { ...defaultLimits, seatsMax: 8, waitMilliseconds: 0 },
    now: Date.now,
    log: silentLog,
  })
  const account = ['acme', 'agents', 'agent'] as const
  const told: string[] = []
  const failure = await new Promise<ExchangeFailure>((resolve) => {
    startExchange(
      {
        upstream,
        account,
        request: { headers: ['traceparent', 'a\r\nb: c'], body: Buffer.from('{}') },
        answerBytesMax: 1024,
      },
      {
        head: () => assert.fail('nothing was asked'),
        data: () => assert.fail('nothing was asked'),
        end: () => assert.fail('nothing was asked'),
        failed(why) {
          told.push('failed')
          resolve(why)
        },
      },
    )
    told.push('given out')
  })
  assert.equal(failure.failed, 'bad request')
  assert.deepEqual(told, ['given out', 'failed'])
  assert.equal(upstream.seats.counts().seated, 0)
  await upstream.close()
})
