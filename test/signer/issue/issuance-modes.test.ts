import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLedgerRecord } from '../../../src/ledger/record.ts'
import { requirement } from '../../requirements.ts'
import { askedOf } from '../asked.ts'
import { declared, evidenceOf } from '../workload.ts'
import { World } from './issuance-world.ts'

const annotations = { 'countersign.dev/models': 'small,large', 'countersign.dev/tenant': 'green' }

/** A pod that asks for more than is proved: model large, and a tenant that its namespace is not of. */
function askingTooMuch(): World {
  const world = new World(askedOf({ annotations }))
  world.live = evidenceOf({
    pod: { certificates: [{ ...declared, annotations }] },
    namespace: {
      labels: { 'models.countersign.dev/small': 'allow', 'countersign.dev/tenant': 'blue' },
    },
    serviceAccount: { annotations: { 'countersign.dev/models': 'small,large' } },
  })
  world.cached = { ...world.live, live: false }
  return world
}

test('a warned namespace is issued what is proved, and record, event and metric say what would be denied', async () => {
  requirement('signer.warn-issues-the-proved')
  const world = askingTooMuch()
  world.mode = 'warn'
  assert.deepEqual(await world.run(), { kind: 'done', as: 'issued' })
  world.checkSettled()
  const [intent] = world.intents()
  assert.ok(intent !== undefined)
  assert.deepEqual(intent.models, ['small'])
  assert.equal(intent.tenant, 'blue')
  assert.deepEqual(intent.annotations, annotations)
  assert.equal(intent.wouldDeny?.reason, 'TenantNotProved')
  assert.deepEqual(
    intent.wouldDeny.fields.map(({ field, asked }) => [field, asked]),
    [
      ['tenant', '"green"'],
      ['models', '"large"'],
    ],
  )
  assert.deepEqual(parseLedgerRecord(JSON.parse(JSON.stringify(intent))), intent)
  assert.deepEqual(world.wouldDeny, [{ reason: 'TenantNotProved' }])
  assert.deepEqual(world.verdicts, [{ verdict: 'issue', reason: '' }])
  const [event, ...others] = world.events
  assert.deepEqual(others, [])
  assert.equal(event?.type, 'Warning')
  assert.equal(event.reason, 'CertificateWouldBeDenied')
  assert.match(event.message, /^issued without what .*: TenantNotProved: tenant: asked "green"; /)
})

test('what would be denied is asked of the API server first, which may know that it is proved', async () => {
  requirement('signer.warn-issues-the-proved')
  const world = askingTooMuch()
  world.mode = 'warn'
  world.live = evidenceOf({
    pod: { certificates: [{ ...declared, annotations }] },
    namespace: {
      labels: {
        'models.countersign.dev/small': 'allow',
        'models.countersign.dev/large': 'allow',
        'countersign.dev/tenant': 'green',
      },
    },
    serviceAccount: { annotations: { 'countersign.dev/models': 'small,large' } },
  })
  assert.deepEqual(await world.run(), { kind: 'done', as: 'issued' })
  const [intent] = world.intents()
  assert.deepEqual(intent?.models, ['large', 'small'])
  assert.equal(intent.wouldDeny, undefined)
  assert.deepEqual(world.wouldDeny, [])
  assert.equal(world.events[0]?.reason, 'CertificateIssued')
})

test('the same request is denied where the namespace is enforced', async () => {
  const world = askingTooMuch()
  assert.deepEqual(await world.run(), { kind: 'done', as: 'denied' })
  assert.deepEqual(world.wouldDeny, [])
})

test('a request that the request itself breaks is denied in a warned namespace', async () => {
  requirement('signer.warn-waives-no-identity')
  const world = new World(askedOf({ annotations: { 'example.com/other': 'x' } }))
  world.mode = 'warn'
  assert.deepEqual(await world.run(), { kind: 'done', as: 'denied' })
})

test('where the namespace is off a request is not looked at: nothing is issued, denied or recorded, and its pod is told', async () => {
  requirement('signer.modes-by-configuration')
  const world = askingTooMuch()
  world.mode = 'off'
  for (let look = 0; look < 3; look += 1) {
    const outcome = await world.step()
    assert.ok(outcome !== 'crashed' && outcome.kind === 'again')
    assert.equal(outcome.grave, true)
    assert.match(outcome.why, /leaves namespace "team-a" alone/)
  }
  assert.deepEqual(world.trace, [])
  assert.deepEqual(world.records, [])
  assert.equal(world.status, undefined)
  assert.deepEqual(world.verdicts, [{ verdict: 'off', reason: '' }])
  world.mode = 'enforce'
  assert.deepEqual(await world.run(), { kind: 'done', as: 'denied' })
})

test('what was signed before the namespace was off is settled all the same', async () => {
  requirement('signer.modes-by-configuration')
  const world = new World(askedOf())
  world.faultAt = new Map([[5, 'crash-after']])
  assert.equal(await world.step(), 'crashed')
  world.mode = 'off'
  await world.settle()
  world.checkSettled()
  assert.equal(world.intents().length, 1)
})
