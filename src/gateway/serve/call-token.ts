import { hash } from 'node:crypto'
import type { Permit } from '../permit/authorize.ts'
import { refused, type Refused } from '../refusal.ts'
import type { InNameOf } from '../upstream/hearing.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { nameThere } from './as-there.ts'
import type { Parts } from './serve.ts'

/**
 * The token that says for whom something is asked of a tool server: of whatever has a name there. What is asked of a server as a whole is
 * asked by the gateway too, and has none. Signing takes a moment: who is gone after it is not spoken for.
 */
export async function tokenFor(
  permit: Permit,
  upstream: Upstream,
  { tokens, judge }: Pick<Parts, 'tokens' | 'judge'>,
): Promise<string | Refused | undefined> {
  const { decisionId, call } = permit
  const { target, message, taskId } = call
  if (target.kind === 'server') return undefined
  if (decisionId === undefined) throw new TypeError('a token is signed for a decision alone')
  const { server, spiffeId } = upstream.config
  const isCall = message.method === 'tools/call'
  const token = await tokens.sign({
    caller: call.caller.svid,
    upstream: { server, spiffeId },
    method: message.method,
    tool: target.kind === 'tool' ? target.tool : undefined,
    target: isCall ? undefined : (taskId ?? nameThere(target)),
    argumentsSha256: base64urlOf(call.arguments?.sha256 ?? sha256OfNothing),
    transactionId: decisionId,
  })
  const judged = judge(call.caller)
  const refusal = judged instanceof Promise ? await judged : judged
  return refusal === undefined ? token : refused('peer', refusal)
}

/**
 * In whose name its servers are asked to tell of resources that it may read: a legacy server that demands a token has one for each of them, as
 * if the caller had subscribed there itself.
 */
export function inNameOf(
  permit: Permit,
  upstream: Upstream,
  parts: Pick<Parts, 'tokens' | 'judge'>,
): InNameOf {
  const { call } = permit
  const message = { ...call.message, method: 'resources/subscribe' }
  return {
    owner: call.caller.owner,
    async tokenFor(uri) {
      const target = { kind: 'resource', upstream, name: uri } as const
      const asked = { ...permit, call: { ...call, message, target, arguments: undefined } }
      const token = await tokenFor(asked, upstream, parts)
      return typeof token === 'string' ? token : undefined
    },
  }
}

/** Of no octets: the arguments of a call that has none. */
const sha256OfNothing = hash('sha256', '', 'hex')

function base64urlOf(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64url')
}
