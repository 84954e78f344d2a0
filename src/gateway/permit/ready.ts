import { parseEnvelope } from '../../mcp/envelope.ts'
import type { Call } from '../call.ts'
import type { Means } from '../means.ts'
import { unavailable, type Refusal } from '../refusal.ts'
import type { Condition } from '../../readiness.ts'
import { checkBody } from '../door/body.ts'
import { admitPeer } from './peer.ts'

/** Starting takes seconds; a replica that is ready may be asked at once, on another connection. */
const retrySoon = { 'retry-after': '1' }

/** Until the gateway is ready it listens, and says so: with the id of the request, and the names of what is missing. */
export function checkReady(
  call: Call,
  means: Means,
): Refusal | undefined | Promise<Refusal | undefined> {
  const unmet = means.unmet()
  return unmet.length === 0 ? undefined : refuse(call, means, unmet)
}

async function refuse(call: Call, means: Means, unmet: readonly Condition[]): Promise<Refusal> {
  const unfit = admitPeer(call, means) ?? (await checkBody(call, means))
  if (unfit !== undefined) return unfit
  const names = unmet.map(({ name }) => name)
  const refusal = unavailable(503, `not ready: ${names.join(', ')}`, {
    rawId: idIn(call.body),
    data: { conditions: names },
    detail: unmet.map(({ name, reason }) => `${name}: ${reason}`).join('; '),
  })
  return { ...refusal, headers: retrySoon, close: true }
}

const shallow = { depthMax: 64, membersMax: 10_000 }

function idIn(body: Buffer | undefined): string | undefined {
  const message = parseEnvelope(body ?? Buffer.alloc(0), shallow)
  return 'kind' in message && message.kind === 'request' ? message.id?.raw : undefined
}
