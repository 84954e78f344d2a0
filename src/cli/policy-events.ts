import { quoted } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { recordEvent } from '../kubernetes/event.ts'
import type { Log } from '../log.ts'
import { BundleServiceError } from '../policy/bundle-exchange.ts'
import type { OpenPolicy } from './open-policy.ts'

/** The pod that a program runs in. */
export interface OwnPod {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** As the chart says it; undefined where nobody does: outside of a cluster there is nothing to say anything of. */
export function ownPodOf(
  environment: Readonly<Record<string, string | undefined>>,
): OwnPod | undefined {
  const [namespace, name, uid] = ['POD_NAMESPACE', 'POD_NAME', 'POD_UID'].map((variable) => {
    const value = environment[variable] ?? ''
    return /^[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?$/.test(value) ? value : undefined
  })
  return namespace === undefined || name === undefined || uid === undefined
    ? undefined
    : { namespace, name, uid }
}

export interface PolicyEventsOptions {
  readonly policy: Pick<OpenPolicy, 'status' | 'bundleProblem'>
  readonly client: ApiClient
  /** Undefined: there is nothing to say it of. */
  readonly pod: OwnPod | undefined
  /** Who says it, for example `countersign-gateway`. */
  readonly component: string
  readonly now: () => number
  readonly log: Log
}

export interface PolicyEvents extends AsyncDisposable {
  /** Says what has changed since it was looked last. Never throws. */
  look(): Promise<void>
}

/** Bounds what is said, too: whoever sends one bad bundle after the other is heard so often. */
const lookMilliseconds = 15_000

/**
 * Says in Events of our own pod that another bundle is in force, or that one is refused: as it is when it is looked. A server that cannot be
 * asked has refused nothing, and an event that cannot be written is in the log and the status, as it is anyway.
 */
export function startPolicyEvents(options: PolicyEventsOptions): PolicyEvents | undefined {
  const { policy, client, pod, component, now, log } = options
  if (pod === undefined) return undefined
  const regarding = { apiVersion: 'v1', kind: 'Pod', ...pod }
  const stop = new AbortController()
  let inForce = policy.status().active_revision
  let refusal: string | undefined
  let isMissed = false

  async function say(said: Said): Promise<void> {
    try {
      await recordEvent(client, { regarding, ...said, component, now, signal: stop.signal })
      isMissed = false
    } catch (error) {
      if (!isMissed && !stop.signal.aborted) log.warn({ error }, 'no event tells of the policy')
      isMissed = true
    }
  }
  async function tell(): Promise<void> {
    const { active_revision: revision } = policy.status()
    const problem = policy.bundleProblem()
    const isRefused = problem !== undefined && !(problem instanceof BundleServiceError)
    const before = { inForce, refusal }
    inForce = revision
    refusal = isRefused ? problem.message : undefined
    if (inForce !== before.inForce) await say(sayReplaced(inForce, before.inForce))
    if (refusal !== undefined && refusal !== before.refusal) await say(sayRefused(refusal, inForce))
  }
  let work = Promise.resolve()
  const look = (): Promise<void> => (work = work.then(tell))
  const timer = setInterval(() => void look(), lookMilliseconds)
  timer.unref()
  // What was refused at the start is told at once.
  void look()
  return {
    look,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      stop.abort()
      await work
    },
  }
}

type Said = Pick<Parameters<typeof recordEvent>[1], 'type' | 'reason' | 'message'>

function sayReplaced(revision: string | undefined, before: string | undefined): Said {
  const place = before === undefined ? '' : `, in the place of ${quoted(before)}`
  const message = `policy bundle ${quoted(revision ?? 'none')} is in force${place}`
  return { type: 'Normal', reason: 'PolicyReplaced', message }
}

function sayRefused(why: string, inForce: string | undefined): Said {
  const stays = inForce === undefined ? 'all is denied' : `${quoted(inForce)} stays in force`
  const message = `a policy bundle is not taken, ${stays}: ${why}`
  return { type: 'Warning', reason: 'PolicyRefused', message }
}
