import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { CountersignError, quoted } from '../../errors.ts'
import { createApiClient } from '../../kubernetes/api-client.ts'
import { ApiError } from '../../kubernetes/api-error.ts'
import { readObject } from '../../kubernetes/objects.ts'
import type { KubernetesObject, ObjectName, Resource } from '../../kubernetes/resource.ts'
import { namespaces, pods, serviceAccounts, type Pod } from '../../kubernetes/workloads.ts'
import type { GatewayConfig } from '../gateway/gateway-configuration.ts'

/** The objects that prove what a workload is. */
export interface Workload {
  readonly namespace: KubernetesObject
  readonly serviceAccount: KubernetesObject
  /** Undefined where any pod of the service account is meant. */
  readonly pod: Pod | undefined
}

export interface WorkloadOptions {
  /** What `kubectl get … -o json` has printed, in place of asking the API server. */
  readonly objects?: string
  readonly kubeconfig?: string
}

/** Gives an object of this name; undefined where there is none. */
type Find = <T>(
  resource: Resource<T>,
  name: ObjectName & { readonly namespace?: string },
) => Promise<T | undefined>

/** Looks up `<namespace>/<service account>` or `<namespace>/pods/<pod>`. Throws `cli/usage`. */
export async function readWorkload(
  identity: string,
  options: WorkloadOptions,
  asking: { readonly config: GatewayConfig; readonly signal: AbortSignal },
): Promise<Workload> {
  const named = /^([a-z0-9-]+)\/(pods\/)?([a-z0-9.-]+)$/.exec(identity)
  const [, namespace = '', ofPod, name = ''] = named ?? []
  if (named === null) {
    const hint = 'spiffe://…/ns/…/sa/…, <namespace>/<service account> or <namespace>/pods/<pod>'
    throw new CountersignError('cli/usage', `no identity: ${quoted(identity, 300)}`, { hint })
  }
  const { objects } = options
  if (objects !== undefined) return find(await inObjects(objects), { namespace, ofPod, name })
  const kubeconfig = options.kubeconfig ?? asking.config.kubeconfig
  const client = createApiClient({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    home: homedir(),
    environment: process.env,
    userAgent: 'countersign-explain-list',
  })
  try {
    const { signal } = asking
    return await find(
      (resource, where) =>
        readObject(client, resource, { ...where, signal }).catch(withoutRight(resource)),
      { namespace, ofPod, name },
    )
  } finally {
    client.close()
  }
}

async function find(
  look: Find,
  {
    namespace,
    ofPod,
    name,
  }: { readonly namespace: string; readonly ofPod: string | undefined; readonly name: string },
): Promise<Workload> {
  const found = async <T>(resource: Resource<T>, where: Parameters<Find>[1]): Promise<T> => {
    const object = await look(resource, where)
    if (object !== undefined) return object
    const at = where.namespace === undefined ? where.name : `${where.namespace}/${where.name}`
    throw new CountersignError('cli/usage', `there is no ${resource.kind} ${quoted(at, 300)}`, {
      hint: '<namespace>/<service account> or <namespace>/pods/<pod>',
    })
  }
  const ofNamespace = await found(namespaces, { name: namespace })
  const pod = ofPod === undefined ? undefined : await found(pods, { namespace, name })
  const account = pod === undefined ? name : pod.serviceAccountName
  return {
    namespace: ofNamespace,
    serviceAccount: await found(serviceAccounts, { namespace, name: account }),
    pod,
  }
}

const howToGive =
  'kubectl get ns/<namespace> sa/<service account> -n <namespace> -o json, with pod/<pod> where one is meant, and --objects <file>'

/** A gateway may read no service accounts, so whoever may gives what they say. */
function withoutRight({ plural }: Resource<unknown>): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ApiError) || error.status !== 403) throw error
    const message = `no right to get ${plural} here`
    throw new CountersignError('cli/usage', message, { cause: error, hint: howToGive })
  }
}

/** Of a list, or of one object. */
async function inObjects(file: string): Promise<Find> {
  const listed = await readFile(file, 'utf8')
    .then((text) => JSON.parse(text) as { readonly kind?: unknown; readonly items?: unknown })
    .catch((cause: unknown) => {
      throw new CountersignError('cli/usage', `cannot read ${quoted(file, 300)}`, {
        cause,
        hint: howToGive,
      })
    })
  const items: readonly unknown[] = Array.isArray(listed.items) ? listed.items : [listed]
  return (resource, { namespace, name }) => {
    const object = items.find((item) => {
      const { kind, metadata } = item as {
        kind?: unknown
        metadata?: { name?: unknown; namespace?: unknown }
      }
      return kind === resource.kind && metadata?.name === name && metadata.namespace === namespace
    })
    return Promise.resolve(object === undefined ? undefined : resource.parse(object))
  }
}
