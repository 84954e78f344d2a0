import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { schemasFile } from '../../dev/control-plane/openapi/built-in-schemas.ts'
import { reduceDocuments } from '../support/reduce-openapi.ts'
import { ResourceTable } from '../../dev/control-plane/resource-table.ts'
import { apiVersionOf } from '../../dev/control-plane/resource-type.ts'
import { createPlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

/** COUNTERSIGN_WRITE=1 writes the file anew, for a new version of Kubernetes. */
test('the types that the embedded control plane knows are those of a real API server', async () => {
  await using cluster = await startRealCluster({
    runtimeConfig: ['certificates.k8s.io/v1beta1=true'],
  })
  const client = await createPlainClient(cluster.adminKubeconfig)
  const types = new ResourceTable({ podCertificateVersions: ['v1', 'v1beta1'] }).all()
  const kinds = types.flatMap(({ group, versions, kind }) =>
    versions.map((version) => ({ group, version, kind })),
  )
  const places = new Set(
    kinds.map(
      ({ group, version }) => (group === '' ? 'api/' : 'apis/') + apiVersionOf(group, version),
    ),
  )
  const documents = await Promise.all(
    [...places].map(async (place) => (await client({ path: `/openapi/v3/${place}` })).body),
  )
  const lines = reduceDocuments(documents, kinds).map((named) => JSON.stringify(named))
  const text = `${lines.join('\n')}\n`
  if (process.env['COUNTERSIGN_WRITE'] === '1') await writeFile(schemasFile, text)
  assert.equal(await readFile(schemasFile, 'utf8'), text)
})
