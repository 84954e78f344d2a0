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
import type { Running } from '../../src/cli/running.ts'
import { watchRights } from '../../src/kubernetes/rights-watch.ts'
import type { Condition } from '../../src/readiness.ts'
import { runFromChart } from './chart-programs.ts'
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
  return textOf(watch.condition())
}

function textOf({ ok, optional, reason }: Condition): string {
  return `${ok ? 'ok' : optional === true ? 'warning' : 'problem'}: ${reason}`
}

function rightsOf(program: Running): string {
  const found = program.conditions().find((condition) => condition.name === 'rights')
  return found === undefined ? 'nothing yet' : textOf(found)
}

async function until(what: string, said: string, ask: () => Promise<string>): Promise<void> {
  let last = ''
  const asked = eventually(what, async () => (last = await ask()).startsWith(said), 30)
  await asked.catch((error: unknown) => assert.fail(`${String(error)}; last: ${last}`))
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
    const kubeconfigs = new Map<string, string>()

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
        kubeconfigs.set(account, kubeconfig)
        clients.set(account, createApiClient({ kubeconfig }))
      }
    })

    after(async () => {
      for (const client of clients.values()) client.close()
      await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    async function putRules(role: Rendered, rules: readonly object[]): Promise<void> {
      const { name, namespace = releaseNamespace } = role.metadata
      const path = `${collectionPath(role.kind, namespace)}/${name}`
      const { status, body } = await admin({ method: 'PATCH', path, body: { rules } })
      assert.equal(status, 200, JSON.stringify(body))
    }

    for (const [account, rights] of Object.entries(programRights)) {
      /** Waits until the API server has learnt it, then starts the program and waits until that says it. */
      const says = async (said: string): Promise<void> => {
        const client = clients.get(account)
        assert.ok(client)
        await until(`the API server: ${said}`, said, () => conditionOf(client, rights))
        const kubeconfig = kubeconfigs.get(account) ?? ''
        await using program = await runFromChart(rendering, account, kubeconfig)
        await until(`${account}: ${said}`, said, () => Promise.resolve(rightsOf(program)))
        if (said.startsWith('problem')) assert.equal(program.ready(), false)
        const page = await (await fetch(`${program.adminUrl}/readyz`)).text()
        assert.ok(page.includes(said.slice(said.indexOf(': ') + 2)), page)
      }

      test(`${account} has all that it needs`, () => says(`ok: all ${rights.length} are given`))

      test(`${account} without any right names them all, and goes on by itself when they are given`, async () => {
        const roles = rolesOf(rendering, account)
        for (const role of roles) await putRules(role, [])
        const all = `problem: missing: ${rights.map((right) => `${formatRight(right)} (${right.without})`).join('; ')}`
        const client = clients.get(account)
        assert.ok(client)
        await until('the API server has taken them', all, () => conditionOf(client, rights))
        const kubeconfig = kubeconfigs.get(account) ?? ''
        await using program = await runFromChart(rendering, account, kubeconfig)
        await until(account, all, () => Promise.resolve(rightsOf(program)))
        for (const role of roles) await putRules(role, role['rules'])
        await until(account, 'ok: ', () => Promise.resolve(rightsOf(program)))
        // The gateway waits for its certificate, which it has from a pod.
        if (account !== 'countersign-signer') return
        await eventually(`${account} is ready`, () => program.ready(), 60)
      })

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
