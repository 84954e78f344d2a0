import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { formatRight, type Right } from '../../src/kubernetes/access-review.ts'
import type { ApiClient, ApiRequest } from '../../src/kubernetes/api-client.ts'
import { watchRights } from '../../src/kubernetes/rights-watch.ts'
import { CountersignError } from '../../src/errors.ts'
import { gatewayRights } from '../../src/gateway/rights.ts'
import { signerRights } from '../../src/signer/rights.ts'
import { eventually } from '../support/eventually.ts'

interface Asked {
  readonly verb: string
  readonly resource: string
  readonly name?: string
}

/** An API server that only reviews access; a delay that lets the next look begin when the test says so. */
function createWorld(mayI: (asked: Asked) => boolean | Error) {
  const asked: Asked[] = []
  const waits: { readonly milliseconds: number; readonly go: () => void }[] = []
  const client: Pick<ApiClient, 'request'> = {
    async request<T>({ body }: ApiRequest): Promise<T> {
      const { spec } = body as { spec: { resourceAttributes: Asked } }
      asked.push(spec.resourceAttributes)
      const allowed = mayI(spec.resourceAttributes)
      if (allowed instanceof Error) throw allowed
      return { status: { allowed } } as T
    },
  }
  return {
    asked,
    waits,
    client: client as ApiClient,
    random: () => 1,
    delay: (milliseconds: number, signal: AbortSignal) =>
      new Promise<void>((go) => {
        signal.addEventListener('abort', () => go())
        waits.push({ milliseconds, go })
      }),
  }
}

const rights = signerRights({
  signerName: 'example.com/identity',
  trustDomain: parseTrustDomain('agents.example'),
  lease: { namespace: 'system', name: 'bundle' },
  secret: { namespace: 'system', name: 'authority' },
})

function rightTo(verb: string, resource: string): Right {
  const right = rights.find((each) => each.verb === verb && each.resource === resource)
  assert.ok(right)
  return right
}

test('a right is named as an administrator looks for it in a role', () => {
  assert.equal(formatRight(rightTo('list', 'pods')), 'list pods')
  assert.equal(
    formatRight(rightTo('patch', 'podcertificaterequests')),
    'patch podcertificaterequests/status.certificates.k8s.io',
  )
  assert.equal(
    formatRight(rightTo('patch', 'leases')),
    'patch leases.coordination.k8s.io with the name bundle in namespace system',
  )
  assert.equal(
    formatRight(rightTo('get', 'clustertrustbundles')),
    'get clustertrustbundles.certificates.k8s.io with the name example.com:identity:agents.example',
  )
})

test('a right to all signers of the domain counts, which a review of one of them denies', async () => {
  const world = createWorld(
    ({ resource, name }) => resource !== 'signers' || name === 'example.com/*',
  )
  await using watch = watchRights({ ...world, rights })
  await eventually('an answer', () => world.waits.length === 1)
  assert.deepEqual(watch.missing, [])
  assert.deepEqual(watch.condition(), {
    name: 'rights',
    ok: true,
    reason: `all ${rights.length} are given`,
  })
})

test('each missing right is named with what does not work, asked for again in seconds, and found when it is given', async () => {
  let given = false
  const world = createWorld(
    ({ resource, verb }) => resource !== 'nodes' || verb !== 'list' || given,
  )
  await using watch = watchRights({ ...world, rights })
  await eventually('an answer', () => world.waits.length === 1)
  const { ok, reason, optional } = watch.condition()
  assert.deepEqual([ok, optional], [false, false])
  assert.match(reason, /^missing: list nodes \(what a pod claims cannot be compared with the nodes/)
  world.waits[0]?.go()
  await eventually('a second answer', () => world.waits.length === 2)
  given = true
  world.waits[1]?.go()
  await eventually('a third answer', () => world.waits.length === 3)
  assert.equal(watch.condition().ok, true)
  assert.deepEqual(
    world.waits.map(({ milliseconds }) => milliseconds),
    [1000, 2000, 300_000],
  )
})

test('without the right to write events work goes on', async () => {
  const world = createWorld(({ resource }) => resource !== 'events')
  await using watch = watchRights({ ...world, rights })
  await eventually('an answer', () => world.waits.length === 1)
  const { ok, optional } = watch.condition()
  assert.deepEqual([ok, optional], [false, true])
})

test('rights that nobody can be asked about are a warning, and say why', async () => {
  const world = createWorld(() => new CountersignError('kubernetes/unreachable', 'no answer'))
  await using watch = watchRights({ ...world, rights: gatewayRights })
  await eventually('an answer', () => world.waits.length === 1)
  assert.deepEqual(watch.condition(), {
    name: 'rights',
    ok: false,
    reason: 'cannot be asked for: no answer',
    optional: true,
  })
})

test('every right is in the table once, and says what it is for', () => {
  for (const table of [rights, gatewayRights]) {
    assert.equal(new Set(table.map(formatRight)).size, table.length)
    assert.ok(table.every(({ without }) => without.length > 10))
  }
})
