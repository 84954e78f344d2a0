import { cut } from '../../errors.ts'
import type { ConditionFact, Fact, ReadinessFact } from '../facts.ts'
import { at, jsonOf, listAt, textAt } from '../lenient.ts'
import { unlearned, timeoutSeconds, type Asker } from './learn.ts'
import { podsOf, type Account } from '../own-pods.ts'
import type { PodFact } from '../workload-facts.ts'

const podsMax = 20
const pageBytesMax = 256 * 1024
const conditionsMax = 100

/** What each pod of a program says of itself, fetched by the API server. */
export async function learnReadiness(
  asker: Asker,
  options: {
    readonly pods: Fact<readonly PodFact[]>
    readonly namespace: string
    readonly account: Account
    readonly port: number
  },
): Promise<Fact<readonly ReadinessFact[]>> {
  const { pods, namespace, account, port } = options
  if (!pods.known) return pods
  const own = podsOf(pods.value, namespace, account).slice(0, podsMax)
  const right = `get pods/proxy in namespace ${namespace}`
  const facts = await Promise.all(
    own.map(async ({ name }): Promise<ReadinessFact> => {
      const pod = encodeURIComponent(`${name}:${port}`)
      const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${pod}/proxy/readyz`
      try {
        const { client, signal } = asker
        const { status, text } = await client.ask({
          method: 'GET',
          path,
          timeoutSeconds,
          answerBytesMax: pageBytesMax,
          signal,
        })
        const conditions = parseConditions(text)
        if (conditions.length > 0) return { pod: name, conditions, why: '' }
        const said = textAt(jsonOf(text), 'message')
        const why =
          status === 403
            ? `no right to ${right}`
            : `port ${port} of the pod: status ${status}${said === '' ? '' : `: ${cut(said, 200)}`}`
        return { pod: name, conditions: undefined, why }
      } catch (error) {
        asker.signal.throwIfAborted()
        const fact = unlearned(error, `reach port ${port} of the pod`)
        return { pod: name, conditions: undefined, why: fact.known ? '' : fact.why }
      }
    }),
  )
  return { known: true, value: facts }
}

/** The admin listener answers in JSON, as our client asks it to. What is no condition is left out. */
function parseConditions(text: string): readonly ConditionFact[] {
  return listAt(jsonOf(text), 'conditions')
    .slice(0, conditionsMax)
    .map((condition) => ({
      name: textAt(condition, 'name'),
      ok: at(condition, 'ok') === true,
      optional: at(condition, 'optional') === true,
      reason: textAt(condition, 'reason'),
    }))
    .filter(({ name }) => name !== '')
}
