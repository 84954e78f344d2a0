import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CheckName, Status } from '../../src/doctor/check.ts'
import {
  checkOf,
  startDoctorWorld,
  system,
  type DoctorWorld,
  type DoctorWorldOptions,
} from '../doctor/doctor-world.ts'

export const rbac = '/apis/rbac.authorization.k8s.io/v1'
export const bindings = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings'
export const policyName: string = `countersign-requests.${system}`

/** Gives a subject a rule in the whole cluster. */
export async function grant(world: DoctorWorld, subject: object, rule: object): Promise<void> {
  const metadata = { name: 'too-much' }
  await world.create(`${rbac}/clusterroles`, { metadata, rules: [rule] })
  await world.create(`${rbac}/clusterrolebindings`, {
    metadata,
    roleRef: { kind: 'ClusterRole', name: metadata.name },
    subjects: [subject],
  })
}

/** Merges labels; null takes one away. */
export function label(path: string, labels: object): (world: DoctorWorld) => Promise<void> {
  return (world) => world.patch(path, { metadata: { labels } })
}

/** One thing that is broken, and the checks that say so. */
export interface Fault {
  /** What is broken, as a sentence. */
  readonly title: string
  readonly world?: DoctorWorldOptions
  readonly breakIt?: (world: DoctorWorld) => Promise<unknown> | void
  readonly examine?: { readonly gateway?: string }
  /** The checks that change, with what they say then. */
  readonly changes: Partial<Record<CheckName, Status>>
  /** Stands in the evidence of the first of them. */
  readonly evidence: RegExp
}

/** Breaks one thing of a cluster where all is well, and sees exactly those checks change. */
export function testFault(fault: Fault): void {
  const { title, changes, evidence } = fault
  test(`${Object.keys(changes)[0]}: ${title}`, async () => {
    await using world = await startDoctorWorld(fault.world)
    await fault.breakIt?.(world)
    const report = await world.examine(fault.examine)
    const worse = report.checks.filter(({ status }) => status !== 'ok')
    const wanted = Object.entries(changes).filter(([, status]) => status !== 'ok')
    assert.deepEqual(
      Object.fromEntries(worse.map(({ name, status }) => [name, status])),
      Object.fromEntries(wanted),
      JSON.stringify(worse, undefined, 1),
    )
    const [first] = Object.keys(changes) as CheckName[]
    const found = checkOf(report, first ?? 'api-server')
    const said = found.evidence.some((line) => evidence.test(line))
    assert.ok(said, `want=${String(evidence)} got=${JSON.stringify(found, undefined, 1)}`)
    for (const { name, hint } of worse) assert.ok((hint ?? '').length > 10, name)
  })
}
