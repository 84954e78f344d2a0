import type { TLSSocket } from 'node:tls'
import type { Call } from '../call.ts'
import type { Means } from '../means.ts'
import type { Judgement } from '../caller/caller.ts'
import { refuseIdentity } from './policy.ts'
import { badRequest, type Refusal } from '../refusal.ts'

/** Who is at the other end, and whether that certificate still counts at this moment. */
export function checkPeer(call: Call, means: Means): Judgement {
  const refused = admitPeer(call, means)
  const { peer } = call
  if (refused !== undefined || peer === undefined) return refused
  const { svid } = peer
  const judged = means.peers.judge(peer)
  if (judged === undefined) return undefined
  return judged instanceof Promise
    ? judged.then((refusal) => refusal && refuseIdentity(call, means, { refusal, svid, check }))
    : refuseIdentity(call, means, { refusal: judged, svid, check })
}

/** Lets the request in as one of its peer's, as long as that one has not too many open. */
export function admitPeer(call: Call, means: Means): Refusal | undefined {
  const peer = means.peers.of(call.request.socket as TLSSocket)
  if ('refusal' in peer) return refuseIdentity(call, means, { ...peer, check })
  if (peer.usage.open >= means.limits.inFlightMax) {
    return badRequest(429, 'too many open requests of one identity')
  }
  if (peer.open >= means.limits.connectionInFlightMax) {
    return { ...badRequest(429, 'too many open requests of one connection'), close: true }
  }
  // From here on the request counts as open, until `handleRequest` has done with it.
  peer.usage.open += 1
  peer.open += 1
  call.peer = peer
  return undefined
}

const check = 'peer'
