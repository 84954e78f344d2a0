import { CountersignError, quoted } from '../../errors.ts'
import { ApiError } from '../../kubernetes/api-error.ts'
import { readObject } from '../../kubernetes/objects.ts'
import type { ObjectName, Resource } from '../../kubernetes/resource.ts'
import { namespaces, pods, serviceAccounts, type Pod } from '../../kubernetes/workloads.ts'
import type { Provers } from '../../signer/preview/attributes.ts'
import { indexSnapshot } from '../../signer/preview/snapshot.ts'
import type { GatewayConfig } from '../gateway/gateway-configuration.ts'
import { readObjectFiles } from './judging.ts'
import { openClient } from './open-client.ts'

/** The objects that prove what a workload is. */
export interface Workload extends Provers {
  /** Undefined where any pod of the service account is meant. */
  readonly pod: Pod | undefined
}

export interface WorkloadOptions {
  /** What `kubectl get … -o json` has printed, in place of asking the API server. */
  readonly objects?: string
  readonly kubeconfig?: string
}

/** Gives an object by its name; undefined where there is none. */
interface Source {
  namespace(name: string): Promise<Workload['namespace'] | undefined>
  serviceAccount(place: Place): Promise<Workload['serviceAccount'] | undefined>
  pod(place: Place): Promise<Pod | undefined>
}

interface Place {
  readonly namespace: string
  readonly name: string
}

/** Looks up `<namespace>/<service account>` or `<namespace>/pods/<pod>`. Throws `cli/usage`. */
export async function readWorkload(
  identity: string,
  options: WorkloadOptions,
  asking: { readonly config: GatewayConfig; readonly signal: AbortSignal },
): Promise<Workload> {
  const named = /^([a-z0-9-]+)\/(pods\/)?([a-z0-9.-]+)$/.exec(identity)
  const [, namespace = '', ofPod, name = ''] = named ?? []
  if (named === null) throw unknown(`no identity: ${quoted(identity, 300)}`)
  const wanted = { namespace, name, isPod: ofPod !== undefined }
  if (options.objects !== undefined) return find(await inObjects(options.objects), wanted)
  const client = openClient(options.kubeconfig ?? asking.config.kubeconfig, 'explain-list')
  const read = <T>(resource: Resource<T>, of: ObjectName): Promise<T | undefined> =>
    readObject(client, resource, { ...of, signal: asking.signal }).catch(withoutRight(resource))
  try {
    return await find(
      {
        namespace: (of) => read(namespaces, { name: of }),
        serviceAccount: (place) => read(serviceAccounts, place),
        pod: (place) => read(pods, place),
      },
      wanted,
    )
  } finally {
    client.close()
  }
}

async function find(
  source: Source,
  { namespace, name, isPod }: Place & { readonly isPod: boolean },
): Promise<Workload> {
  const there = <T>(object: T | undefined, kind: string, at: string): T => {
    if (object !== undefined) return object
    throw unknown(`there is no ${kind} ${quoted(at, 300)}`)
  }
  const ofNamespace = there(await source.namespace(namespace), 'Namespace', namespace)
  const pod = isPod
    ? there(await source.pod({ namespace, name }), 'Pod', `${namespace}/${name}`)
    : undefined
  const account = pod === undefined ? name : pod.serviceAccountName
  const found = await source.serviceAccount({ namespace, name: account })
  const serviceAccount = there(found, 'ServiceAccount', `${namespace}/${account}`)
  return { namespace: ofNamespace, serviceAccount, pod }
}

async function inObjects(file: string): Promise<Source> {
  const index = indexSnapshot((await readObjectFiles([file])).snapshot)
  const at = ({ namespace, name }: Place): string => `${namespace}/${name}`
  return {
    namespace: (name) => Promise.resolve(index.namespaces.get(`/${name}`)),
    serviceAccount: (place) => Promise.resolve(index.serviceAccounts.get(at(place))),
    pod: (place) => Promise.resolve(index.pods.get(at(place))),
  }
}

function unknown(message: string): CountersignError {
  const hint = 'spiffe://…/ns/…/sa/…, <namespace>/<service account> or <namespace>/pods/<pod>'
  return new CountersignError('cli/usage', message, { hint })
}

/** A gateway may read no service accounts, so whoever may gives what they say. */
function withoutRight({ plural }: Resource<unknown>): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ApiError) || error.status !== 403) throw error
    const message = `no right to get ${plural} here`
    const hint =
      'kubectl get ns/<namespace> sa/<service account> -n <namespace> -o json, with pod/<pod> where one is meant, and --objects <file>'
    throw new CountersignError('cli/usage', message, { cause: error, hint })
  }
}
