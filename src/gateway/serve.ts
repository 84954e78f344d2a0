import { askUpstream } from './serve/ask.ts'
import type { Call } from './call.ts'
import { fault } from './serve/fault.ts'
import { forwardCall } from './serve/forward.ts'
import { visibleUpstreams } from './permit/visible.ts'
import type { Means } from './means.ts'
import { unknownMethod } from './refusal.ts'
import { replyAccepted, replyResult } from './door/reply.ts'
import { discoverAll, discoverOne } from './serve/discover.ts'
import { listOfAll } from './serve/list-all.ts'
import { initializeAll, initializeOne } from './serve/initialize.ts'
import { listOfOne } from './serve/list.ts'
import type { Refused } from './table.ts'
import type { Upstream } from './upstream/upstream.ts'

/** Does what a call that passed the table asks for. A refusal here is of the exchange or of its answer. */
export async function serveCall(call: Call, means: Means): Promise<Refused | undefined> {
  const { message, peer, upstream } = call
  if (message === undefined || peer === undefined || message.kind === 'response') {
    throw new TypeError('a call is served before it is judged')
  }
  if (message.kind === 'notification') return notify(call, means)
  if (upstream === undefined) return serveAll(call, means)
  switch (message.method) {
    case 'tools/call':
    case 'ping':
      return forwardCall({ call, peer, message, upstream }, means)
    case 'tools/list':
      return listOfOne(call, means, upstream)
    case 'initialize':
      return initializeOne(call, means, upstream)
    case 'server/discover':
      return discoverOne(call, means, upstream)
    default:
      return { check: 'era', refusal: unknownMethod(message, message.id.raw) }
  }
}

async function serveAll(call: Call, means: Means): Promise<Refused | undefined> {
  const { message } = call
  if (message?.kind !== 'request') return undefined
  switch (message.method) {
    case 'tools/list':
      return listOfAll(call, means)
    case 'initialize':
      return initializeAll(call, means)
    case 'server/discover':
      return discoverAll(call, means)
    case 'ping':
      replyResult(call, {})
      return undefined
    default:
      return { check: 'era', refusal: unknownMethod(message, message.id.raw) }
  }
}

/**
 * Takes a notification. A modern client cancels by going away; a legacy one says so to the upstreams of its own session. That a
 * session is open was said by the gateway itself where it is the client of several upstreams.
 */
async function notify(call: Call, means: Means): Promise<Refused | undefined> {
  const { message, upstream } = call
  if (message?.kind !== 'notification') return undefined
  if (message.era === 'legacy' && upstream !== undefined) {
    const told = await tell(call, means, upstream)
    if (told !== undefined) return told
  } else if (message.era === 'legacy' && message.method === 'notifications/cancelled') {
    await Promise.all(visibleUpstreams(call, means).map((each) => tell(call, means, each)))
  }
  replyAccepted(call)
  return undefined
}

async function tell(call: Call, means: Means, upstream: Upstream): Promise<Refused | undefined> {
  const { message } = call
  if (message?.kind !== 'notification') return undefined
  const session = call.session?.upstreams[upstream.config.server]
  // Without a session of its own, the upstream would take the id for that of any request of the gateway, so of another caller.
  const isNobodys = typeof session?.id !== 'string'
  if (message.method === 'notifications/cancelled' && isNobodys) return undefined
  const told = await askUpstream(call, means, { upstream, body: message.body, session })
  return 'failed' in told ? fault(call, told) : undefined
}
