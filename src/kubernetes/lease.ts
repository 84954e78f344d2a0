import type { ApiClient } from './api-client.ts'
import { isConflict } from './api-error.ts'
import { createObject, mergeObject, readObject } from './objects.ts'
import {
  readFields,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readOptionalTime,
} from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

export interface Lease extends KubernetesObject {
  /** Undefined: nobody holds it. */
  readonly holderIdentity: string | undefined
  readonly leaseDurationSeconds: number | undefined
  readonly acquireTime: Date | undefined
  readonly renewTime: Date | undefined
  readonly leaseTransitions: number
}

function parseLease(raw: unknown): Lease {
  const spec = readOptionalFields(readFields(raw, 'lease')['spec'], 'spec')
  const integer = (name: string): number | undefined =>
    readOptionalInteger(spec[name], `spec.${name}`)
  const time = (name: string): Date | undefined => readOptionalTime(spec[name], `spec.${name}`)
  return {
    metadata: readMetadata(raw),
    holderIdentity: readOptionalText(spec['holderIdentity'], 'spec.holderIdentity'),
    leaseDurationSeconds: integer('leaseDurationSeconds'),
    acquireTime: time('acquireTime'),
    renewTime: time('renewTime'),
    leaseTransitions: integer('leaseTransitions') ?? 0,
  }
}

export const leases: Resource<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
  parse: parseLease,
}

/** metav1.MicroTime: RFC 3339 with exactly six digits of fraction. */
export function formatMicroTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z')
}

export interface LeasePlace {
  readonly namespace: string
  readonly name: string
}

export interface LeaseHolderOptions extends LeasePlace {
  readonly client: ApiClient
  /** Who we are: unique among the candidates. */
  readonly holder: string
  readonly durationSeconds: number
  /** Milliseconds of a clock that only goes forward within one process. */
  readonly now: () => number
}

export interface LeaseHolder {
  /**
   * Takes the lease when it is free or has not changed for its own duration on *our* clock (clocks of others are not
   * trusted), renews it when it is ours. Answers whether it is ours now. To be called about three times a duration.
   */
  tryHold(signal?: AbortSignal): Promise<boolean>
  /** Takes the lease from whoever holds it, who finds out when it would renew it. Answers whether it is ours now. */
  takeOver(signal?: AbortSignal): Promise<boolean>
  /** Gives it back, so that the next one need not wait. */
  release(signal?: AbortSignal): Promise<void>
}

export function createLeaseHolder(options: LeaseHolderOptions): LeaseHolder {
  const { client, namespace, name, holder, durationSeconds, now } = options
  /** The state that somebody else wrote last, and when we first saw it. */
  let seen: { readonly resourceVersion: string; readonly at: number } | undefined

  function isFree(lease: Lease): boolean {
    if (lease.holderIdentity === undefined || lease.holderIdentity === holder) return true
    const { resourceVersion } = lease.metadata
    if (seen?.resourceVersion !== resourceVersion) seen = { resourceVersion, at: now() }
    return now() - seen.at >= (lease.leaseDurationSeconds ?? durationSeconds) * 1000
  }

  function hold(lease: Lease | undefined): object {
    const renewTime = formatMicroTime(now())
    const spec = { holderIdentity: holder, leaseDurationSeconds: durationSeconds, renewTime }
    if (lease?.holderIdentity === holder) return spec
    const leaseTransitions = lease === undefined ? 0 : lease.leaseTransitions + 1
    return { ...spec, acquireTime: renewTime, leaseTransitions }
  }

  /** Somebody was faster: the lease is theirs. */
  async function unlessConflict(write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write()
      return true
    } catch (error) {
      if (isConflict(error)) return false
      throw error
    }
  }

  async function take(
    mayTake: (lease: Lease) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const aborting = signal === undefined ? {} : { signal }
    const lease = await readObject(client, leases, { namespace, name, ...aborting })
    if (lease === undefined) {
      const body = { metadata: { name, namespace }, spec: hold(undefined) }
      return unlessConflict(() => createObject(client, leases, { namespace, body, ...aborting }))
    }
    if (!mayTake(lease)) return false
    const { metadata } = lease
    const patch = { spec: hold(lease) }
    return unlessConflict(() => mergeObject(client, leases, { metadata, patch, ...aborting }))
  }

  return {
    tryHold: (signal) => take(isFree, signal),
    takeOver: (signal) => take(() => true, signal),
    async release(signal) {
      const aborting = signal === undefined ? {} : { signal }
      const lease = await readObject(client, leases, { namespace, name, ...aborting })
      if (lease?.holderIdentity !== holder) return
      const { metadata } = lease
      // leaseDurationSeconds has to stay positive; one second is the shortest that there is.
      const patch = { spec: { holderIdentity: null, leaseDurationSeconds: 1 } }
      await unlessConflict(() => mergeObject(client, leases, { metadata, patch, ...aborting }))
    },
  }
}
