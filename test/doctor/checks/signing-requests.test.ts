import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { signingRequests } from '../../../src/doctor/checks/signing-requests.ts'
import type { Facts, SigningRequestFact } from '../../../src/doctor/facts.ts'
import { startDoctorWorld } from '../doctor-world.ts'

let well: Facts

before(async () => {
  await using world = await startDoctorWorld()
  well = await world.facts()
})

const waiting: SigningRequestFact = {
  name: 'agent-1',
  requester: 'system:serviceaccount:acme:researcher',
  approved: false,
  seconds: 600,
}

function judged(
  answers: { readonly approve: boolean } | undefined,
  ...found: readonly Partial<SigningRequestFact>[]
): readonly [status: string, summary: string, evidence: readonly string[]] {
  assert.ok(well.signer.known)
  const { status, summary, evidence } = signingRequests.judge({
    ...well,
    signer: { known: true, value: { ...well.signer.value, certificateSigningRequests: answers } },
    signingRequests: { known: true, value: found.map((each) => ({ ...waiting, ...each })) },
  })
  return [status, summary, evidence]
}

test('requests that nobody approves are a problem, where the signer is not to', () => {
  const said =
    'agent-1: not approved for 10 minutes, asked by system:serviceaccount:acme:researcher'
  assert.deepEqual(judged({ approve: false }, {}), [
    'problem',
    '1 request that nobody approves',
    [said],
  ])
})

test('requests that wait for long are a warning', () => {
  for (const [approve, approved] of [
    [true, false],
    [true, true],
    [false, true],
  ] as const) {
    const [status, summary] = judged({ approve }, { approved })
    assert.deepEqual([status, summary], ['warning', '1 request without an answer'])
  }
})

test('a signer that answers none is no news, unless somebody asks it', () => {
  assert.equal(judged(undefined)[0], 'ok')
  assert.match(judged(undefined, { seconds: 1 }).join(), /^warning,1 request of a kind that/)
})

test('requests of the last minutes are nothing to tell', () => {
  assert.equal(judged({ approve: false }, { seconds: 60 })[0], 'ok')
  assert.equal(judged({ approve: true })[0], 'ok')
})
