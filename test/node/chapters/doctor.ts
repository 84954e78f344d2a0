import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { CheckName } from '../../../src/doctor/check.ts'
import type { Report } from '../../../src/doctor/report.ts'
import { eventually } from '../../support/eventually.ts'
import type { Node } from '../rig/node.ts'
import { system } from '../stage/cast.ts'
import { install } from '../stage/install.ts'

const main = join(import.meta.dirname, '../../../src/cli/main.ts')

async function examine(node: Node): Promise<Report & { readonly code: number }> {
  const path = 'jsonpath={.spec.clusterIP}'
  const ip = await node.kubectl(
    `get service countersign-gateway --namespace ${system} --output`,
    path,
  )
  const words = ['doctor', '--kubeconfig', node.kubeconfig, '--gateway', `https://${ip}`, '--json']
  const { code, stdout, stderr } = await node.run(process.execPath, [main, ...words])
  assert.equal(stderr, '')
  return { ...(JSON.parse(stdout) as Report), code }
}

function unwell({ checks }: Report): readonly string[] {
  return checks
    .filter(({ status }) => status !== 'ok')
    .map(
      ({ name, status, summary, evidence }) =>
        `${status} ${name}: ${summary}: ${evidence.join('; ')}`,
    )
}

/** Waits until exactly these checks are not ok. */
async function finds(
  node: Node,
  names: readonly CheckName[],
): Promise<Report & { readonly code: number }> {
  let last: (Report & { readonly code: number }) | undefined
  const same = async (): Promise<boolean> => {
    last = await examine(node)
    const found = last.checks.filter(({ status }) => status !== 'ok').map(({ name }) => name)
    return JSON.stringify(found) === JSON.stringify(names)
  }
  await eventually('the report', same, 60).catch(() =>
    assert.deepEqual(last === undefined ? [] : unwell(last), names),
  )
  assert.ok(last)
  return last
}

/** What `countersign doctor` says of the node when all is well, and of what is then broken. */
export async function tellDoctor(t: TestContext, node: Node): Promise<void> {
  await t.test('the doctor finds all well once the policy is enforced', async () => {
    assert.deepEqual(
      (await finds(node, ['admission-policy'])).checks.find(
        ({ name }) => name === 'admission-policy',
      )?.summary,
      'the admission policy only watches',
    )
    await install(node, { more: ['--set', 'admissionPolicy.mode=enforce'] })
    assert.equal((await finds(node, [])).code, 0)
  })

  await t.test('the doctor names a tool server that is away', async () => {
    await node.kubectl('scale --namespace tools deployment/github --replicas=0')
    await node.kubectl(
      'wait --namespace tools --for=delete pod --selector=app=github --timeout=60s',
    )
    await node.kubectl(`rollout restart --namespace ${system} deployment/countersign-gateway`)
    await node.kubectl(
      `rollout status --namespace ${system} deployment/countersign-gateway --timeout=120s`,
    )
    const report = await finds(node, ['upstreams'])
    assert.equal(report.code, 1)
    await node.kubectl('scale --namespace tools deployment/github --replicas=1')
    await node.kubectl('rollout status --namespace tools deployment/github --timeout=90s')
    await finds(node, [])
    const name = 'get pods --namespace tools --selector app=github --output'
    const pod = await node.kubectl(name, 'jsonpath={.items[0].metadata.name}')
    const program = 'node /opt/countersign/dist/cli/main.mjs ledger history'
    const signers = await node.kubectl(
      `get pods --namespace ${system} --selector app.kubernetes.io/component=signer --output name`,
    )
    // Either replica may have answered it.
    const histories = await Promise.all(
      signers
        .trim()
        .split('\n')
        .map((signer) =>
          node.kubectl(
            `exec --namespace ${system} ${signer} -- ${program} /var/lib/countersign/ledger.jsonl --json --pod tools/${pod}`,
          ),
        ),
    )
    assert.match(histories.join(''), /"requester":"shown"/, 'the policy was in force before')
  })

  await t.test('the doctor names a namespace that lost its label', async () => {
    await node.kubectl('label namespace acme roles.countersign.dev/agent-')
    assert.equal((await finds(node, ['roles'])).code, 0)
    await node.kubectl('label namespace acme roles.countersign.dev/agent=allow')
  })
  // The chapters after this one are told with what the chart gives without being asked.
  await install(node)
}
