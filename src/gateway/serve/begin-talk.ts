import type { Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { badRequest, refused, type Refused } from '../refusal.ts'
import type { UpstreamRequest } from '../upstream/upstream.ts'
import { toldOf } from './crossing.ts'
import type { Forwarding } from './forward.ts'
import type { Parts } from './serve.ts'
import { answersOf, type Audience } from './audience.ts'
import { Talk } from './talk.ts'

/** Sends a call to a legacy server that may ask its modern client something in it. */
export async function beginTalk(
  forwarding: Forwarding & { readonly repeatable: boolean },
  request: UpstreamRequest,
): Promise<Refused | undefined> {
  const { permit, reply, parts, upstream, session, crossing, own, repeatable, trace } = forwarding
  if (crossing === undefined || session === undefined || own === undefined) {
    throw new TypeError('a call at a legacy server is in a session')
  }
  const leave = own.keep()
  let hasLeft = false
  const { asked } = crossing
  const { stay } = permit.call
  const talk = new Talk(
    {
      upstream,
      there: session,
      request,
      asked,
      params: permit.call.message.params,
      repeatable,
      stay,
      parts,
      leave(isSpoiled) {
        if (hasLeft) return
        hasLeft = true
        parts.ears.leave(session, isSpoiled)
        if (isSpoiled) own.spoil()
        leave()
      },
    },
    permit,
  )
  const { account, unsent } = permit.call.caller
  await parts.ears.listen(talk, { upstream, session, account, unsent })
  return new Promise((resolve) => {
    const settle = (refusal: Refused | undefined): void => {
      trace?.end(refusal?.check)
      resolve(refusal)
    }
    const refusal = talk.begin(audienceOf(permit, reply, settle))
    if (refusal !== undefined) settle(refusal)
  })
}

/** Goes on with a call that is open at its server, with what the client has brought back. */
export function goOn(permit: Permit, reply: Reply, parts: Parts): Promise<Refused | undefined> {
  const { suspended } = permit.call
  const talk = suspended && parts.talks.get(suspended)
  // Somebody was faster with the same state.
  if (talk === undefined) return Promise.resolve(goneOn)
  const { call } = permit
  return new Promise((resolve, reject) => {
    talk.goOn(audienceOf(permit, reply, resolve), answersOf(call)).catch(reject)
  })
}

const goneOn = refused(
  'retry',
  badRequest(400, 'the call that asked has gone on: call again without requestState'),
)

function audienceOf(permit: Permit, reply: Reply, settle: Audience['settle']): Audience {
  const { message } = permit.call
  if (message.kind !== 'request') throw new TypeError('a notification has no answer')
  const meta = (message.params['_meta'] ?? {}) as Readonly<Record<string, unknown>>
  const level = meta['io.modelcontextprotocol/logLevel']
  return { permit, reply, told: toldOf(permit, message), level, settle }
}
