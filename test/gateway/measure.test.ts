import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../../src/metrics.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { modern } from './world/client.ts'
import { answerBoth } from './world/upstream.ts'
import { openWorld } from './world/world.ts'

test('what is open is measured when somebody looks, and gone when it has ended', async () => {
  const metrics = createMetrics()
  const held: (() => void)[] = []
  await using world = await openWorld({
    metrics,
    answers: {
      files: (message, response, request) => {
        const answer = (): void => answerBoth()(message, response, request)
        if (message.method === 'tools/call') held.push(answer)
        else answer()
      },
    },
  })
  const page = (): Promise<string> => {
    world.gateway.measure()
    return metrics.page()
  }
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: {} })
  const call = (await world.agent()).post('/mcp/files', body, headers)
  await eventually('the call is open', () => held.length === 1)
  const open = await page()
  assert.match(open, /^countersign_gateway_connections 1$/m)
  assert.match(open, /^countersign_gateway_open_requests 1$/m)
  assert.match(open, new RegExp(`^countersign_gateway_body_octets ${body.length}$`, 'm'))
  assert.match(open, /^countersign_gateway_upstream_calls\{server="files"\} 1$/m)
  assert.match(open, /^countersign_gateway_upstream_waiting\{server="files"\} 0$/m)
  assert.match(open, /^countersign_gateway_upstream_connections\{server="files"\} [1-9]$/m)
  for (const answer of held) answer()
  await call
  const after = await page()
  assert.match(after, /^countersign_gateway_open_requests 0$/m)
  assert.match(after, /^countersign_gateway_body_octets 0$/m)
  assert.match(after, /^countersign_gateway_upstream_calls\{server="files"\} 0$/m)
})

test('of the process and of Node it shows what dashboards ask for', async () => {
  const page = await createMetrics({ process: true }).page()
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'process_open_fds',
    'nodejs_eventloop_lag_p99_seconds',
    'nodejs_heap_size_used_bytes',
  ]) {
    assert.match(page, new RegExp(`^${name} [0-9.e+-]+$`, 'm'))
  }
  assert.doesNotMatch(await createMetrics().page(), /process_/)
})

test('a tool server that is gone is shown no longer', async () => {
  const metrics = createMetrics()
  await using world = await openWorld({ metrics })
  world.gateway.measure()
  metrics.count('countersign_gateway_bad_tools_total', { server: 'files' })
  metrics.count('countersign_gateway_bad_tools_total', { server: 'other' })
  assert.match(await metrics.page(), /upstream_calls\{server="files"\} 0/)
  world.gateway.replaceUpstreams([])
  world.gateway.measure()
  const page = await metrics.page()
  assert.doesNotMatch(page, /server="files"/)
  assert.match(page, /bad_tools_total\{server="other"\} 1/)
})

test('what is known of tools is measured, and is given back when their server is gone', async () => {
  requirement('gateway.catalogues-bounded')
  const metrics = createMetrics()
  await using world = await openWorld({ metrics })
  const octets = async (): Promise<number> => {
    world.gateway.measure()
    const [, said = ''] =
      /^countersign_gateway_catalogue_octets (.*)$/m.exec(await metrics.page()) ?? []
    return Number(said)
  }
  assert.equal(await octets(), 0)
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: {} })
  const { status } = await (await world.agent()).post('/mcp/files', body, headers)
  assert.equal(status, 200)
  assert.ok((await octets()) > 512)
  world.gateway.replaceUpstreams([])
  assert.equal(await octets(), 0)
})
