import { setTimeout as delay } from 'node:timers/promises'
import { CountersignError } from '../../src/errors.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import type { Log } from '../../src/log.ts'
import type { Cluster } from '../cluster.ts'
import type { Ports } from './cast.ts'
import type { Manifest } from './manifests.ts'
import type { OwnServer } from './own-server.ts'
import type { PodRunner } from './pod-runner.ts'

/** Everything that the story's steps act on. */
export interface World {
  readonly cluster: Cluster
  readonly admin: ApiClient
  readonly runner: PodRunner
  readonly ports: Ports
  readonly own?: OwnServer | undefined
  /** Private (0700); keys in it are 0600. */
  readonly folder: string
  /** Moves the gateway's clock, and nobody else's, by so many seconds from now on. */
  readonly setGatewayClock: (offsetSeconds: number) => void
  readonly paths: {
    readonly ledger: string
    readonly decisionLog: string
    readonly trustBundle: string
    readonly devFile: string
    readonly signerConfig: string
    readonly policyData: string
  }
  readonly log: Log
}

/** One thing that the story shows, and the check that it is so. */
export interface Step {
  readonly title: string
  /** Returns what was seen, in a few words. Throws when it is not as the title says. */
  readonly check: (world: World) => Promise<string>
}

export interface Chapter {
  readonly title: string
  readonly steps: readonly Step[]
}

/** What a step throws when something is not as it should be. */
export class Surprise extends Error {
  override readonly name = 'Surprise'
}

export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Surprise(message)
}

/** Asks again and again until there is an answer. Throws 'dev/timeout', with the last failure as its cause. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  options: { readonly secondsMax?: number; readonly everyMilliseconds?: number } = {},
): Promise<T> {
  const { secondsMax = 60, everyMilliseconds = 50 } = options
  const end = performance.now() + secondsMax * 1000
  let cause: unknown
  while (performance.now() < end) {
    try {
      const answer = await ask()
      if (answer !== undefined) return answer
    } catch (error) {
      cause = error
    }
    await delay(everyMilliseconds)
  }
  const last = cause instanceof Error ? `: ${cause.message}` : ''
  throw new CountersignError('dev/timeout', `${what}: not within ${secondsMax} s${last}`, { cause })
}

const collections: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  Node: '/api/v1/nodes',
  Pod: '/api/v1/namespaces/:namespace/pods',
  ServiceAccount: '/api/v1/namespaces/:namespace/serviceaccounts',
  Service: '/api/v1/namespaces/:namespace/services',
  Secret: '/api/v1/namespaces/:namespace/secrets',
  Lease: '/apis/coordination.k8s.io/v1/namespaces/:namespace/leases',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  Role: '/apis/rbac.authorization.k8s.io/v1/namespaces/:namespace/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/namespaces/:namespace/rolebindings',
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  PodCertificateRequest:
    '/apis/certificates.k8s.io/v1/namespaces/:namespace/podcertificaterequests',
  Revocation: '/apis/countersign.dev/v1alpha1/revocations',
}

/** The path of a kind's collection. */
export function collectionOf(kind: string, namespace = ''): string {
  const path = collections[kind]
  if (path === undefined) throw new CountersignError('dev/workload', `no such kind: ${kind}`)
  return path.replace(':namespace', namespace)
}

/** Creates an object; one that is there already is left as it is. */
export async function create<T = unknown>(
  client: ApiClient,
  manifest: Manifest,
): Promise<T | undefined> {
  const path = collectionOf(manifest.kind, manifest.metadata.namespace)
  try {
    return await client.request<T>({ method: 'POST', path, body: manifest })
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'AlreadyExists') return undefined
    throw error
  }
}

/** A client with the credentials of this user. */
export async function clientOf(
  cluster: Cluster,
  user: { readonly name: string; readonly groups: readonly string[] },
): Promise<ApiClient> {
  return createApiClient({ kubeconfig: await cluster.kubeconfigFor(user) })
}
