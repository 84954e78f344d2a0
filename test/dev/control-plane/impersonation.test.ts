import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createApiClient, type ApiAnswer } from '../../../src/kubernetes/api-client.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startApiWorld, type ApiWorld } from './api-world.ts'

let world: ApiWorld
let folder: string

before(async () => {
  world = await startApiWorld()
  folder = await mkdtemp(join(tmpdir(), 'countersign-impersonation-'))
  const metadata = { name: 'speaks-for-others' }
  const group = 'rbac.authorization.k8s.io'
  await world.create(`/apis/${group}/v1/clusterroles`, {
    metadata,
    rules: [
      {
        apiGroups: [''],
        resources: ['users'],
        resourceNames: ['system:node:a'],
        verbs: ['impersonate'],
      },
      {
        apiGroups: [''],
        resources: ['groups'],
        resourceNames: ['system:nodes'],
        verbs: ['impersonate'],
      },
    ],
  })
  await world.create(`/apis/${group}/v1/clusterrolebindings`, {
    metadata,
    roleRef: { kind: 'ClusterRole', name: metadata.name },
    subjects: [{ kind: 'User', name: 'speaker' }],
  })
})
after(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

let kubeconfigs = 0

async function ask(
  user: string,
  as: { readonly user: string; readonly groups: readonly string[] },
): Promise<ApiAnswer> {
  const path = join(folder, `kubeconfig-${++kubeconfigs}`)
  const client = createApiClient({
    kubeconfig: await world.kubeconfig(path, { name: user, groups: [] }),
  })
  try {
    return await client.ask({ method: 'GET', path: '/api/v1/nodes/a', as })
  } finally {
    client.close()
  }
}

const node = { user: 'system:node:a', groups: ['system:nodes'] }

test('who may impersonate acts with the rights of the other, and with no others', async () => {
  // The node may read itself, and the API server has no such node.
  assert.equal((await ask('speaker', node)).status, 404)
  const alone = await ask('speaker', { user: 'system:node:a', groups: [] })
  assert.match(alone.text, /User \\"system:node:a\\" cannot get resource \\"nodes\\"/)
})

test('who may not impersonate is refused before anything else is looked at', async () => {
  const refused = await ask('somebody', node)
  assert.equal(refused.status, 403)
  assert.match(refused.text, /User \\"somebody\\" cannot impersonate resource \\"users\\"/)
  const other = await ask('speaker', { ...node, groups: ['system:masters'] })
  assert.match(other.text, /cannot impersonate resource \\"groups\\"/)
  const account = { user: 'system:serviceaccount:acme:researcher', groups: [] }
  const asAccount = await ask('speaker', account)
  assert.match(asAccount.text, /resource \\"serviceaccounts\\".* in the namespace \\"acme\\"/)
})
