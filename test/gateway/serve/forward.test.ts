import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { modern } from '../world/client.ts'
import { openWorld, type World } from '../world/world.ts'

const echo = modern('tools/call', { name: 'echo', arguments: { a: 1 } })

const meanwhile: Readonly<Record<string, readonly [(world: World) => void, number | undefined]>> = {
  'whose certificate is revoked': [
    (world) => world.revocations.set([{ name: 'leaked', tenant: 'acme', reason: 'secret' }]),
    undefined,
  ],
  'whose pod nobody knows of any more': [(world) => (world.stale.pods = 121), 503],
}

for (const [who, [change, status]] of Object.entries(meanwhile)) {
  test(`a caller ${who} while its token is signed is not spoken for`, async () => {
    requirement('token.caller-judged-after')
    let world: World | undefined
    await using opened = await openWorld({
      authorizer: (real) => ({
        ...real,
        decide(texts) {
          const evaluated = real.decide(texts)
          assert.ok(world !== undefined && evaluated.value.allow)
          change(world)
          return evaluated
        },
      }),
    })
    world = opened
    const agent = await world.agent()
    const reply = await agent
      .post('/mcp/files', echo.body, echo.headers)
      .catch((error: unknown) => ({ error, status: undefined }))
    assert.equal(reply.status, status)
    const sent = world.upstreams['files']?.received.filter(({ body }) =>
      body.includes('tools/call'),
    )
    assert.deepEqual(sent, [])
  })
}
