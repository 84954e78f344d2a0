import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Status } from '../../../src/doctor/check.ts'
import { remoteSigners } from '../../../src/doctor/checks/remote-signers.ts'
import type { Facts, ReadinessFact } from '../../../src/doctor/facts.ts'
import { startDoctorWorld, system } from '../doctor-world.ts'

let well: Facts

before(async () => {
  await using world = await startDoctorWorld()
  well = await world.facts()
})

interface Remotes {
  /** Clusters with a pod of their own here. */
  readonly pods: readonly string[]
  /** Clusters with a StatefulSet; the same when absent. */
  readonly sets?: readonly string[]
  /** What the pods say, if not that all is well. */
  readonly says?: Partial<ReadinessFact>
}

const nameOf = (cluster: string): string => `countersign-signer-of-${cluster}`

/** A cluster where all is well, with signers of other clusters beside. */
function withRemotes({ pods, sets = pods, says }: Remotes): Facts {
  assert.ok(well.pods.known && well.templates.known)
  const [pod] = well.pods.value
  assert.ok(pod)
  const own = { ...pod, namespace: system, serviceAccount: 'countersign-remotes' }
  const set = { kind: 'StatefulSet', namespace: system, uid: '', volumes: [] }
  const conditions = [{ name: 'kubernetes', ok: true, optional: false, reason: 'is followed' }]
  return {
    ...well,
    pods: {
      known: true,
      value: [
        ...well.pods.value,
        ...pods.map((cluster) => ({ ...own, name: `${nameOf(cluster)}-0` })),
      ],
    },
    templates: {
      known: true,
      value: [
        ...well.templates.value,
        ...sets.map((cluster) => ({
          ...set,
          name: nameOf(cluster),
          owner: undefined,
          applied: undefined,
        })),
      ],
    },
    remotes: {
      known: true,
      value: pods.map((cluster) => ({
        pod: `${nameOf(cluster)}-0`,
        conditions,
        why: '',
        ...says,
      })),
    },
  }
}

const away = { name: 'kubernetes', ok: false, optional: false, reason: 'is away' }

const cases: Readonly<Record<string, readonly [remotes: Remotes, want: Status, says: RegExp]>> = {
  'where there are none, nothing is missed': [{ pods: [] }, 'ok', /no signer of another cluster/],
  'each is asked by its pod': [{ pods: ['edge-1', 'edge-2'] }, 'ok', /2 pods: kubernetes/],
  'one that does not reach its cluster is a problem, and it says which': [
    { pods: ['edge-1'], says: { conditions: [away] } },
    'problem',
    /countersign-signer-of-edge-1-0: kubernetes: is away/,
  ],
  'one that has no pod is a problem, though its name begins the one of another': [
    { pods: ['edge-1-0'], sets: ['edge', 'edge-1', 'edge-1-0'] },
    'problem',
    /\["countersign-signer-of-edge","countersign-signer-of-edge-1"\]/,
  ],
  'one that cannot be asked is a warning': [
    { pods: ['edge-1'], says: { conditions: undefined, why: 'no right' } },
    'warning',
    /countersign-signer-of-edge-1-0: not asked: no right/,
  ],
}

for (const [title, [remotes, want, says]] of Object.entries(cases)) {
  test(`signers of other clusters: ${title}`, () => {
    const { status, summary, evidence } = remoteSigners.judge(withRemotes(remotes))
    assert.equal(status, want, summary)
    assert.match(JSON.stringify([summary, evidence]), says)
  })
}

test('signers of other clusters: who may not list what makes them is told so', () => {
  const missing = { known: false, why: 'no right to list', right: 'list' } as const
  const { status, summary } = remoteSigners.judge({ ...well, templates: missing })
  assert.deepEqual([status, summary], ['warning', 'not checked: no right to list'])
})
