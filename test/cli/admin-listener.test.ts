import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openAdminListener } from '../../src/cli/admin-listener.ts'
import { createMetrics } from '../../src/metrics.ts'

test('health, readiness, metrics and pages are served; nothing else is', async () => {
  const metrics = createMetrics()
  const state = { ready: false }
  await using admin = await openAdminListener({
    host: '127.0.0.1',
    port: 0,
    metrics,
    ready: () => state.ready,
    pages: { '/page': () => ({ contentType: 'text/x', body: 'hello' }) },
  })
  const get = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const response = await fetch(`${admin.url}${path}`, { method })
    return [response.status, await response.text()]
  }
  assert.deepEqual(await get('/healthz'), [200, 'ok\n'])
  assert.deepEqual(await get('/readyz'), [503, 'not ready\n'])
  state.ready = true
  assert.deepEqual(await get('/readyz'), [200, 'ok\n'])
  metrics.count('countersign_ledger_records_total', { kind: 'issuance-intent' }, 3)
  const [status, page] = await get('/metrics')
  assert.equal(status, 200)
  assert.match(page, /countersign_ledger_records_total\{kind="issuance-intent"\} 3/)
  assert.doesNotMatch(page, /countersign_issuer_expiry_seconds/, 'a gauge that nobody set')
  metrics.set('countersign_issuer_expiry_seconds', 60)
  assert.match((await get('/metrics'))[1], /countersign_issuer_expiry_seconds 60/)
  assert.deepEqual(await get('/page'), [200, 'hello'])
  assert.equal((await get('/debug'))[0], 404)
  assert.equal((await get('/healthz', 'POST'))[0], 405)
})

test('a port that is taken is an error, not a silent other port', async () => {
  const options = { host: '127.0.0.1', metrics: createMetrics(), ready: () => true }
  await using first = await openAdminListener({ ...options, port: 0 })
  const port = Number(new URL(first.url).port)
  await assert.rejects(openAdminListener({ ...options, port }), /EADDRINUSE/)
})
