import type { Fact, ToolServerFact } from '../facts.ts'
import { at, listAt, textAt } from '../lenient.ts'
import { learnList, type Asker } from './learn.ts'

/** Every ToolServer of the cluster, with what a gateway has said of it. */
export function learnToolServers(asker: Asker): Promise<Fact<readonly ToolServerFact[]>> {
  const listed = {
    path: '/apis/countersign.dev/v1alpha1/toolservers',
    right: 'list toolservers.countersign.dev',
  }
  return learnList(asker, listed, readToolServer)
}

function readToolServer(raw: unknown): ToolServerFact {
  const condition = listAt(raw, 'status', 'conditions').find(
    (each) => textAt(each, 'type') === 'Accepted',
  )
  return {
    namespace: textAt(raw, 'metadata', 'namespace'),
    name: textAt(raw, 'metadata', 'name'),
    generation: numberAt(raw, 'metadata', 'generation'),
    said:
      condition === undefined
        ? undefined
        : {
            accepted: textAt(condition, 'status') === 'True',
            reason: textAt(condition, 'reason'),
            message: textAt(condition, 'message'),
            generation: numberAt(condition, 'observedGeneration'),
          },
  }
}

function numberAt(value: unknown, ...path: readonly string[]): number {
  const found = at(value, ...path)
  return typeof found === 'number' ? found : 0
}
