import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import type { Node } from '../rig/node.ts'
import { ask } from '../stage/ask.ts'
import { agentPod, cast, system, trustDomain } from '../stage/cast.ts'

export const researcher = { namespace: 'acme', pod: 'researcher' }
const researcherId = `spiffe://${trustDomain}/ns/acme/sa/researcher`
const permitted = ['github_issues_create', 'github_issues_list']

interface ToolResult {
  readonly content: readonly { readonly text: string }[]
}

const website = JSON.stringify({ repository: 'acme/website' })
const newIssue = (repository: string): string => JSON.stringify({ repository, title: 'hello' })

/** The gateway's answer to what an identity may not do. */
export const refused = -31_403

export async function canCall(node: Node): Promise<boolean> {
  const { ok } = await ask<ToolResult>(node, researcher, 'call', 'github_issues_list', website)
  return ok !== undefined
}

export async function raiseCurtain(node: Node): Promise<void> {
  await node.apply(...cast)
  const asks = { models: 'small', 'tool-scopes': 'github:issues_*' }
  await node.apply(agentPod('acme', 'researcher', 'researcher', asks))
  await node.kubectl('wait --namespace acme --for=condition=Ready pod/researcher --timeout=90s')
  await node.kubectl('rollout status --namespace tools deployment/github --timeout=90s')
}

async function eventsIn(node: Node, namespace: string): Promise<string> {
  const path = 'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}'
  return node.kubectl(`get events --namespace ${namespace} --output`, path)
}

/** The main story: who is certified, what an agent sees and does, and what is refused to whom. */
export async function tellCalls(t: TestContext, node: Node): Promise<void> {
  await t.test('an agent and a tool server start with certificates', () => raiseCurtain(node))

  await t.test('the certificate names the agent, and its key is for its user alone', async () => {
    const { ok } = await ask<Record<string, unknown>>(node, researcher, 'certificate')
    assert.equal(ok?.['subjectAltName'], `URI:${researcherId}`)
    assert.deepEqual([ok['mode'], ok['uid']], ['600', 65532])
  })

  await t.test("nobody but the gateway's user can read its key", async () => {
    const file = '/var/run/countersign/credential-bundle.pem'
    const script = `const { mode, uid } = require('node:fs').statSync('${file}'); console.log((mode & 0o777).toString(8), uid)`
    const found = await node.kubectl(
      `exec --namespace ${system} deployment/countersign-gateway -- /usr/bin/node -e`,
      script,
    )
    assert.equal(found, '600 65532\n')
  })

  await t.test('the agent lists what its ceiling and the policy allow', async () => {
    await eventually(
      'a list',
      async () => (await ask(node, researcher, 'list')).ok !== undefined,
      20,
    )
    assert.deepEqual(await ask(node, researcher, 'list'), { ok: permitted })
  })

  await t.test('the agent calls a tool, and the tool server knows who calls', async () => {
    const words = ['call', 'github_issues_create', newIssue('acme/website')]
    const { ok } = await ask<ToolResult>(node, researcher, ...words)
    const said = JSON.parse(ok?.content[0]?.text ?? '{}') as object
    const caller = { openedBy: researcherId, tenant: 'acme' }
    assert.deepEqual(said, { repository: 'acme/website', title: 'hello', ...caller })
  })

  const refusals = [
    ['an argument that policy does not allow', 'github_issues_create', newIssue('globex/vault')],
    ['a tool outside of its ceiling', 'github_repository_delete', website],
  ] as const
  for (const [title, tool, input] of refusals) {
    await t.test(`the agent is refused ${title}`, async () => {
      assert.equal((await ask(node, researcher, 'call', tool, input)).failed?.code, refused)
    })
  }

  await t.test(
    'who asks for the tenant of others gets no certificate and does not run',
    async () => {
      await node.apply(agentPod('globex', 'thief', 'thief', { tenant: 'acme' }))
      await eventually(
        'an event that says why',
        async () => (await eventsIn(node, 'globex')).includes('TenantNotProved'),
        30,
      )
      const phase = 'jsonpath={.status.phase}'
      const found = await node.kubectl('get pod thief --namespace globex --output', phase)
      assert.equal(found, 'Pending')
      await node.kubectl('delete pod thief --namespace globex')
    },
  )

  await t.test('a revocation of its pod bites, and is lifted', async () => {
    const path = 'jsonpath={.metadata.uid}'
    const uid = await node.kubectl('get pod researcher --namespace acme --output', path)
    await node.apply({
      apiVersion: 'countersign.dev/v1alpha1',
      kind: 'Revocation',
      metadata: { name: 'story' },
      spec: { podUID: uid, reason: 'a story' },
    })
    await eventually('refused', async () => !(await canCall(node)), 20)
    await node.kubectl('delete revocation story')
    await eventually('served again', () => canCall(node), 20)
  })
}
