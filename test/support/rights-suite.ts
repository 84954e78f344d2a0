import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { readInstalled } from '../../dev/session/open-session.ts'
import { setStage } from '../../dev/story/stage.ts'
import { formatRight, type Right } from '../../src/kubernetes/access-review.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { watchRights } from '../../src/kubernetes/rights-watch.ts'
import { readDefaultRendering, releaseNamespace, type Rendered } from './chart.ts'
import { eventually } from './eventually.ts'
import { collectionPath } from './installed-chart.ts'
import { createPlainClient, type PlainClient } from './plain-client.ts'
import { lineOf, placeOf, programRights, rolesOf, singleRules } from './rendered-rights.ts'

/** The condition that the program would show at this moment. */
async function conditionOf(client: ApiClient, rights: readonly Right[]): Promise<string> {
  const first = Promise.withResolvers<void>()
  await using watch = watchRights({
    client,
    rights,
    delay: (_milliseconds, signal) => {
      first.resolve()
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error))
      })
    },
  })
  await first.promise
  const { ok, optional, reason } = watch.condition()
  return `${ok ? 'ok' : optional === true ? 'warning' : 'problem'}: ${reason}`
}

/** Takes each right away that the chart gives, one after the other, and asks the program what it lacks. */
export function rightsSuite(
  name: string,
  startCluster: (folder: string) => Promise<Cluster>,
): void {
  describe(name, () => {
    let folder: string
    let cluster: Cluster
    let admin: PlainClient
    let rendering: readonly Rendered[]
    const clients = new Map<string, ApiClient>()

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'countersign-rights-'))
      cluster = await startCluster(folder)
      admin = await createPlainClient(cluster.adminKubeconfig)
      rendering = await readDefaultRendering()
      const stageHand = createApiClient({ kubeconfig: cluster.adminKubeconfig })
      await setStage({ admin: stageHand }, await readInstalled())
      stageHand.close()
      for (const account of Object.keys(programRights)) {
        const name = `system:serviceaccount:${releaseNamespace}:${account}`
        const kubeconfig = await cluster.kubeconfigFor({ name, groups: [] })
        clients.set(account, createApiClient({ kubeconfig }))
      }
    })

    after(async () => {
      for (const client of clients.values()) client.close()
      await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    async function putRules(role: Rendered, rules: readonly object[]): Promise<void> {
      const path = `${collectionPath(role.kind, releaseNamespace)}/${role.metadata.name}`
      const { status, body } = await admin({ method: 'PATCH', path, body: { rules } })
      assert.equal(status, 200, JSON.stringify(body))
    }

    for (const [account, rights] of Object.entries(programRights)) {
      const says = async (said: string): Promise<void> => {
        const client = clients.get(account)
        assert.ok(client)
        let last = ''
        await eventually(
          `${account} says ${said}`,
          async () => (last = await conditionOf(client, rights)).startsWith(said),
          20,
        ).catch((error: unknown) => assert.fail(`${String(error)}; last: ${last}`))
      }

      test(`${account} has all that it needs`, () => says(`ok: all ${rights.length} are given`))

      for (const right of rights) {
        const { optional, without } = right
        test(`${account} without: ${formatRight(right)}`, async () => {
          const line = lineOf(right)
          const role = rolesOf(rendering, account).find(({ rules, metadata }) =>
            singleRules(rules).some((rule) => lineOf(placeOf(rule, metadata.namespace)) === line),
          )
          assert.ok(role)
          const rest = singleRules(role['rules']).filter(
            (rule) => lineOf(placeOf(rule, role.metadata.namespace)) !== line,
          )
          await putRules(role, rest)
          const weight = optional === true ? 'warning' : 'problem'
          await says(`${weight}: missing: ${formatRight(right)} (${without}). Give them`)
          await putRules(role, role['rules'])
        })
      }
    }
  })
}
