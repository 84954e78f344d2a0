import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Node } from '../rig/node.ts'
import { ask } from '../stage/ask.ts'
import { system } from '../stage/cast.ts'
import { researcher } from './calls.ts'

/** What a loop of calls came to. */
export interface Load {
  readonly calls: number
  readonly failed: number
  readonly slowestMilliseconds: number
  readonly failures: readonly object[]
}

/** Three clients that call while something is done, and on for a while after it. */
export async function underLoad(
  node: Node,
  seconds: number,
  work: () => Promise<unknown>,
): Promise<readonly Load[]> {
  const input = JSON.stringify({ repository: 'acme/website' })
  const words = ['loop', 'github_issues_list', input, `${seconds}`]
  const loops = [1, 2, 3].map(async () => {
    const { ok, failed } = await ask<Load>(node, researcher, ...words)
    assert.ok(ok, JSON.stringify(failed))
    return ok
  })
  const [, ...loads] = await Promise.all([work(), ...loops])
  return loads
}

export async function rollOut(node: Node, namespace: string, deployment: string): Promise<void> {
  const name = `--namespace ${namespace} deployment/${deployment}`
  await node.kubectl(`rollout restart ${name}`)
  await node.kubectl(`rollout status ${name} --timeout=120s`)
}

const rollouts = [
  ['the gateway', system, 'countersign-gateway'],
  ['a tool server', 'tools', 'github'],
] as const

export async function tellRollouts(t: TestContext, node: Node): Promise<void> {
  for (const [what, namespace, deployment] of rollouts) {
    await t.test(`${what} is rolled out under load, and no call fails`, async (t) => {
      const loads = await underLoad(node, 30, () => rollOut(node, namespace, deployment))
      const calls = loads.reduce((sum, load) => sum + load.calls, 0)
      t.diagnostic(
        `${calls} calls, slowest ${Math.max(...loads.map((load) => load.slowestMilliseconds))} ms`,
      )
      assert.ok(calls > 100, `got=${calls}`)
      assert.deepEqual(
        loads.flatMap(({ failures }) => failures),
        [],
      )
    })
  }
}
