import { CountersignError, quoted } from '../../errors.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { readProtection, type Protection } from '../../signer/preview/protection.ts'
import { readRequest, type NamedRequest } from '../../signer/preview/read-request.ts'
import { readSnapshotFor } from '../../signer/preview/read-snapshot.ts'
import { nameOf, type Snapshot } from '../../signer/preview/snapshot.ts'
import type { SignerConfig } from '../signer/signer-configuration.ts'
import { readObjectFiles } from './judging.ts'
import { openClient } from './open-client.ts'

/** What is judged, with everything that is known of it. */
export interface Asked {
  readonly snapshot: Snapshot
  readonly protection: Protection | undefined
  readonly request?: PodCertificateRequest
  /** `<namespace>/<name>` of a pod whose volumes ask, in the place of a request. */
  readonly pod?: string
}

export interface FindOptions {
  readonly kubeconfig?: string
  /** Files that are looked at in the place of a cluster. */
  readonly objects?: readonly string[]
  readonly signal: AbortSignal
}

/** What a command line names; a pod as `<namespace>/<name>`. */
type Named = NamedRequest | { readonly kind: 'pod'; readonly name: string }

/** Finds what is to be judged, in files or in a cluster. Throws `cli/usage` where it is not there. */
export async function findAsked(
  what: string,
  config: SignerConfig,
  options: FindOptions,
): Promise<Asked> {
  const { objects } = options
  if (/\.(?:ya?ml|json)$/.test(what)) {
    const request = await onlyRequestOf(what)
    if (objects === undefined) return fromCluster({ request }, config, options)
    const { requests: _, ...seen } = await readObjectFiles([...objects, what], config.claims)
    return { ...seen, request }
  }
  const named = parseNamed(what)
  if (objects === undefined) return fromCluster(named, config, options)
  const { requests, ...seen } = await readObjectFiles(objects, config.claims)
  if (named.kind === 'pod') return { ...seen, pod: named.name }
  const request = requests.find((each) => isNamed(each, named))
  if (request === undefined) throw notThere(named)
  return { ...seen, request }
}

function parseNamed(what: string): Named {
  const [first = '', second = '', third, ...more] = what.split('/')
  const isWhole = first !== '' && second !== '' && third !== '' && more.length === 0
  if (isWhole && first === 'pod' && third !== undefined) {
    return { kind: 'pod', name: `${second}/${third}` }
  }
  if (isWhole && first === 'csr' && third === undefined) return { kind: 'csr', name: second }
  if (isWhole && third === undefined) return { kind: 'request', name: what }
  const want = '<namespace>/<request>, csr/<name>, pod/<namespace>/<pod> or a YAML file'
  throw new CountersignError('cli/usage', `want=${want} got=${quoted(what, 300)}`)
}

function isNamed(request: PodCertificateRequest, { kind, name }: Named): boolean {
  const isSigningRequest = request.stated !== undefined
  if (kind === 'csr') return isSigningRequest && request.metadata.name === name
  return !isSigningRequest && nameOf(request) === name
}

async function onlyRequestOf(file: string): Promise<PodCertificateRequest> {
  const [request, another] = (await readObjectFiles([file])).requests
  if (request !== undefined && another === undefined) return request
  const got = another === undefined ? 'none' : 'several'
  const want = 'one PodCertificateRequest or CertificateSigningRequest'
  throw new CountersignError('cli/usage', `${quoted(file, 200)}: want=${want} got=${got}`)
}

const nothing: Snapshot = {
  pods: [],
  namespaces: [],
  serviceAccounts: [],
  nodes: [],
  services: [],
}

async function fromCluster(
  wanted: Named | { readonly request: PodCertificateRequest },
  config: SignerConfig,
  options: FindOptions,
): Promise<Asked> {
  const { signal } = options
  const { admissionPolicy, claims } = config
  const claimOwners = claims?.owners
  const client = openClient(options.kubeconfig ?? config.kubeconfig, 'evaluate')
  try {
    const protection =
      admissionPolicy === undefined
        ? undefined
        : await readProtection(client, admissionPolicy, signal)
    if ('kind' in wanted && wanted.kind === 'pod') {
      const [namespace = '', pod = ''] = wanted.name.split('/')
      const snapshot = await readSnapshotFor(client, { namespace, pod, claimOwners }, signal)
      return { snapshot, protection, pod: wanted.name }
    }
    const request =
      'request' in wanted ? wanted.request : await foundRequest(client, wanted, signal)
    // Of whoever is no pod the API server states no names to look up.
    if (request.stated?.isPod === false) return { snapshot: nothing, protection, request }
    const { namespace } = request.metadata
    const { pod, serviceAccount, node } = request.spec
    const names = {
      namespace,
      pod: pod.name,
      serviceAccount: serviceAccount.name,
      node: node.name,
      claimOwners,
    }
    return { snapshot: await readSnapshotFor(client, names, signal), protection, request }
  } finally {
    client.close()
  }
}

async function foundRequest(
  client: ApiClient,
  named: NamedRequest,
  signal: AbortSignal,
): Promise<PodCertificateRequest> {
  const request = await readRequest(client, named, signal)
  if (request === undefined) throw notThere(named)
  return request
}

const whereToLook = {
  pod: { what: 'pod', hint: 'kubectl get pods --all-namespaces' },
  csr: { what: 'CertificateSigningRequest', hint: 'kubectl get csr' },
  request: {
    what: 'PodCertificateRequest',
    hint: 'it is deleted soon after it ends; pod/<namespace>/<pod> asks anew',
  },
} as const

/** An error that says what is not there, and where to look. */
export function notThere({ kind, name }: Named): CountersignError {
  const { what, hint } = whereToLook[kind]
  return new CountersignError('cli/usage', `no ${what} ${quoted(name, 300)}`, { hint })
}
