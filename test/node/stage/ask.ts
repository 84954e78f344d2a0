import type { Node } from '../rig/node.ts'

/** What an agent in a pod said, when it was asked to do one thing. */
export interface Answer<T> {
  readonly ok?: T
  readonly failed?: {
    readonly message: string
    readonly code?: number | string
    readonly data?: unknown
  }
}

/** Has an agent do one thing: the words are those of `workloads/agent.ts`. */
export async function ask<T>(
  node: Node,
  agent: { readonly namespace: string; readonly pod: string },
  ...words: readonly string[]
): Promise<Answer<T>> {
  const { namespace, pod } = agent
  const program = ['/usr/bin/node', '/app/agent.mjs', ...words]
  const run = await node.run('kubectl', ['--namespace', namespace, 'exec', pod, '--', ...program])
  const line = run.stdout.trim().split('\n').at(-1) ?? ''
  if (!line.startsWith('{')) throw new Error(`${pod} ${words[0]}: ${run.stdout}${run.stderr}`)
  return JSON.parse(line) as Answer<T>
}
