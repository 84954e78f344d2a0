import assert from 'node:assert/strict'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import type { Node } from '../rig/node.ts'
import { system } from '../stage/cast.ts'
import { chart, install } from '../stage/install.ts'
import { canCall } from './calls.ts'

const definition = 'customresourcedefinition/revocations.countersign.dev'

/** The chart of a later version, whose custom resource has a column more. */
async function laterChart(folder: string): Promise<string> {
  const later = join(folder, 'later-chart')
  await cp(chart, later, { recursive: true })
  const file = join(later, 'files/crds/revocations.yaml')
  const column = '- { name: Story, type: string, jsonPath: .spec.reason }'
  const text = await readFile(file, 'utf8')
  const changed = text.replace(/^( *)additionalPrinterColumns:\n/m, `$&$1  ${column}\n`)
  assert.notEqual(changed, text)
  await writeFile(file, changed)
  return later
}

async function columns(node: Node): Promise<string> {
  const path = 'jsonpath={.spec.versions[*].additionalPrinterColumns[*].name}'
  return node.kubectl(`get ${definition} --output`, path)
}

/** Kept on purpose: with them would go revocations in force, and the record of what was decided. */
const leftByHelm = [
  'CustomResourceDefinition/approvals.countersign.dev',
  'CustomResourceDefinition/issuedcertificates.countersign.dev',
  'CustomResourceDefinition/revocations.countersign.dev',
  'CustomResourceDefinition/toolservers.countersign.dev',
  'PersistentVolumeClaim/ledger-countersign-signer-0',
  'PersistentVolumeClaim/ledger-countersign-signer-1',
]

/** What the API server makes of a custom resource, and the namespace that helm did not make. */
const notOurs = ['APIService/', 'Namespace/']

/** Every object of the cluster with our name in its own. */
async function ourObjects(node: Node): Promise<readonly string[]> {
  const kinds = await node.kubectl('api-resources --verbs=list --output=name')
  const names = kinds
    .trim()
    .split('\n')
    .filter((kind) => !kind.startsWith('events'))
  const line = '{range .items[*]}{.kind}/{.metadata.name}{"\\n"}{end}'
  const listed = await node.kubectl(
    `get ${names.join()} --all-namespaces --output`,
    `jsonpath=${line}`,
  )
  return listed
    .split('\n')
    .filter((line) => line.includes('countersign'))
    .filter((line) => !notOurs.some((kind) => line.startsWith(kind)))
    .toSorted()
}

export async function tellReleases(t: TestContext, node: Node): Promise<void> {
  const later = await laterChart(node.folder)
  const before = await columns(node)

  await t.test('an upgrade brings the new custom resource, and keeps its objects', async () => {
    await node.apply({
      apiVersion: 'countersign.dev/v1alpha1',
      kind: 'Revocation',
      metadata: { name: 'kept' },
      spec: { podUID: '00000000-0000-4000-8000-000000000000', reason: 'kept' },
    })
    await install(node, { chart: later })
    assert.ok((await columns(node)).split(' ').includes('Story'))
    await node.kubectl('get revocation kept')
    assert.ok(await canCall(node))
  })

  await t.test('a rollback brings back what was, and calls go on', async () => {
    await node.helm(`rollback countersign 1 --namespace ${system} --wait --timeout=120s`)
    assert.equal(await columns(node), before)
    await node.kubectl('get revocation kept')
    assert.ok(await canCall(node))
  })

  await t.test('uninstalled, it leaves what holds state and cannot be had again', async () => {
    await node.helm(`uninstall countersign --namespace ${system} --wait --timeout=120s`)
    await eventually(
      'no pod left',
      async () => (await node.kubectl(`get pods --namespace ${system} --output=name`)) === '',
      90,
    )
    // The trust bundle is the garbage collector's to remove.
    await eventually(
      'nothing left but that',
      async () => (await ourObjects(node)).join() === leftByHelm.join(),
      30,
    )
    await node.kubectl('get revocation kept')
  })
}
