import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { definitions, namespace, tableCases, type TableCase } from '../support/table-cases.ts'
import {
  tableMedia,
  shownAs,
  vectorsFile,
  type TableColumn,
  type TableVector,
} from '../support/table-vectors.ts'

let cluster: Cluster
let client: PlainClient
const vectors: TableVector[] = []

before(async () => {
  cluster = await startRealCluster({})
  client = await createPlainClient(cluster.adminKubeconfig)
  const wanted = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  await send('POST', '/api/v1/namespaces', wanted)
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  for (const definition of definitions) await send('POST', path, definition)
  const served = `/apis/tables.countersign.dev/v1/namespaces/${namespace}/`
  for (const plural of ['shown', 'plainer']) {
    await eventually(async () => (await client({ path: served + plural })).status === 200)
  }
})

after(async () => {
  await cluster?.[Symbol.asyncDispose]()
  // COUNTERSIGN_WRITE=1 writes the vectors anew, for a new version of Kubernetes.
  if (process.env['COUNTERSIGN_WRITE'] !== '1') return
  const source =
    '# Source: kube-apiserver 1.37.0, observed. What a table shows of an object at a time.'
  const lines = vectors.map((vector) => JSON.stringify(vector))
  await writeFile(vectorsFile, `${[source, ...lines].join('\n')}\n`)
})

async function send(
  method: 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body: object,
): Promise<void> {
  const answer = await client({ method, path, body })
  assert.ok(answer.status < 300, JSON.stringify(answer.body))
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail('not served')
}

/** The object and its row, from one answer. */
async function observe({ title, path, object, status, deleted }: TableCase): Promise<TableVector> {
  const place = `${path}/${object.metadata.name}`
  await send('POST', path, object)
  if (status !== undefined) await send('PATCH', `${place}/status`, { status })
  if (deleted === true) await send('DELETE', place, {})
  const asked = Date.now()
  const { body } = await client({ path: `${place}?includeObject=Object`, accept: tableMedia })
  const columns = (body.columnDefinitions as TableColumn[]).map(
    ({ name, type, format, priority }) => ({ name, type, format, priority }),
  )
  const [{ cells, object: seen }] = body.rows
  const { managedFields: _, ...metadata } = seen.metadata
  return { case: title, path, now: asked, columns, object: { ...seen, metadata }, cells }
}

for (const tableCase of tableCases) {
  test(`a table shows ${tableCase.title} as the embedded control plane does`, async () => {
    const vector = await observe(tableCase)
    // Ages are of the server's moment, which lies a little after the question.
    const moments = Array.from({ length: 20 }, (_, index) => vector.now + index * 100)
    const shown = moments.map((now) => ({ now, ...shownAs({ ...vector, now }) }))
    const same = shown.find(({ cells }) => JSON.stringify(cells) === JSON.stringify(vector.cells))
    const { now, columns, cells } = same ?? shown[0] ?? assert.fail('no moment')
    vectors.push({ ...vector, now })
    assert.deepEqual({ columns, cells }, { columns: vector.columns, cells: vector.cells })
  })
}
