import type { Fact, Facts, Program, ServedFact } from '../facts.ts'
import { learnAccess } from './access.ts'
import { learnPolicies } from './admission.ts'
import { learnLeases, learnNodes, learnServed, learnServer } from './cluster.ts'
import { learnHandshake } from './handshake.ts'
import {
  learnConfigMap,
  learnCustomResource,
  readSettings,
  type ConfigurationReader,
} from './installation.ts'
import type { Asker } from './learn.ts'
import { learnPolicyData } from './policy-data.ts'
import { learnForeignNode, learnKept, learnOwnRequest } from './probes.ts'
import { learnReadiness } from './programs.ts'
import { learnRights } from './rights.ts'
import { learnSigningRequests } from './signing-requests.ts'
import { learnToolServers } from './tool-servers.ts'
import { learnIssued, learnTrustBundle } from './trust.ts'
import { learnNamespaces, learnPods, learnServiceAccounts, learnTemplates } from './workloads.ts'

export interface GatherOptions extends Asker {
  /** Where Countersign is installed. */
  readonly namespace: string
  readonly release: string
  readonly configuration: ConfigurationReader
  /** Where to reach the gateway; its Service when absent. */
  readonly gateway?: { readonly host: string; readonly port: number } | undefined
  readonly now: () => number
}

const signerNameDefault = 'countersign.dev/identity'
const adminPorts: Readonly<Record<Program, number>> = { signer: 9443, gateway: 9444 }

/** Asks the cluster for everything that the checks are about. Where it does not answer nothing more is asked. */
export async function gatherFacts(options: GatherOptions): Promise<Facts> {
  const { now, namespace, release } = options
  const server = await learnServer(options, now)
  const skew = server.known ? (server.value.skewSeconds ?? 0) * 1000 : 0
  const asked = server.known
    ? await gatherFrom(options, () => now() + skew)
    : unasked({ known: false, why: 'the API server does not answer' })
  return { ...asked, now: now(), namespace, release, server }
}

type Asked = Omit<Facts, 'now' | 'namespace' | 'release' | 'server'>

function unasked(fact: Fact<never>): Asked {
  return {
    served: fact,
    kept: fact,
    nodes: fact,
    leases: fact,
    pods: fact,
    templates: fact,
    namespaces: fact,
    serviceAccounts: fact,
    foreignNode: fact,
    ownRequest: fact,
    policies: fact,
    access: fact,
    revocations: fact,
    toolServerResource: fact,
    approvalResource: fact,
    toolServers: fact,
    signingRequests: fact,
    configured: { signer: undefined, gateway: undefined },
    signer: fact,
    gateway: fact,
    signerName: signerNameDefault,
    rights: fact,
    readiness: { signer: fact, gateway: fact },
    remotes: fact,
    trustBundle: fact,
    issued: fact,
    handshake: fact,
    policyData: fact,
  }
}

async function gatherFrom(options: GatherOptions, serverNow: () => number): Promise<Asked> {
  const { namespace, configuration } = options
  const [served, namespaces, signerMap, gatewayMap] = await Promise.all([
    learnServed(options),
    learnNamespaces(options),
    learnConfigMap(options, namespace, 'signer'),
    learnConfigMap(options, namespace, 'gateway'),
  ])
  const signer = readSettings(signerMap, 'signer', configuration.signer)
  const gateway = readSettings(gatewayMap, 'gateway', configuration.gateway)
  const signerName = signer.known ? signer.value.signerName : signerNameDefault
  const lists = await gatherLists(options, serverNow)
  const isMade = namespaces.known && namespaces.value.some(({ name }) => name === namespace)
  const place = { namespace: isMade ? namespace : 'default', signerName, served }
  const { pods } = lists
  const readiness = async (program: Program, settings: typeof signer | typeof gateway) =>
    learnReadiness(options, {
      pods,
      namespace,
      account: program,
      port: settings.known ? settings.value.admin.port : adminPorts[program],
    })
  return {
    ...lists,
    served,
    namespaces,
    configured: { signer: isThere(signerMap), gateway: isThere(gatewayMap) },
    signer,
    gateway,
    signerName,
    ...(await gatherProbes(options, place)),
    readiness: {
      signer: await readiness('signer', signer),
      gateway: await readiness('gateway', gateway),
    },
    // Of each the chart writes the configuration, and the port is not among its values.
    remotes: await learnReadiness(options, {
      pods,
      namespace,
      account: 'remotes',
      port: adminPorts.signer,
    }),
    rights: await learnRights(options, { namespace, signer, gateway }),
    policyData: await learnPolicyData(gatewayMap, gateway),
    toolServerResource: await learnCustomResource(options, 'toolservers.countersign.dev'),
    approvalResource: await learnCustomResource(options, 'approvals.countersign.dev'),
    toolServers: await learnToolServers(options),
    signingRequests: await learnSigningRequests(options, { signerName, serverNow }),
    handshake: await learnHandshake({
      ...(options.gateway ?? { host: `countersign-gateway.${namespace}.svc`, port: 443 }),
      serverName: `countersign-gateway.${namespace}.svc`,
      signal: options.signal,
    }),
  }
}

function isThere(fact: Fact<object | undefined>): boolean | undefined {
  return fact.known ? fact.value !== undefined : undefined
}

async function gatherLists(
  options: GatherOptions,
  serverNow: () => number,
): Promise<
  Pick<
    Facts,
    | 'nodes'
    | 'leases'
    | 'pods'
    | 'templates'
    | 'serviceAccounts'
    | 'policies'
    | 'access'
    | 'revocations'
  >
> {
  const [nodes, leases, pods, templates] = await Promise.all([
    learnNodes(options),
    learnLeases(options, serverNow),
    learnPods(options),
    learnTemplates(options),
  ])
  const [serviceAccounts, policies, access, revocations] = await Promise.all([
    learnServiceAccounts(options),
    learnPolicies(options),
    learnAccess(options),
    learnCustomResource(options, 'revocations.countersign.dev'),
  ])
  return { nodes, leases, pods, templates, serviceAccounts, policies, access, revocations }
}

async function gatherProbes(
  asker: Asker,
  place: {
    readonly namespace: string
    readonly signerName: string
    readonly served: Fact<ServedFact>
  },
): Promise<Pick<Facts, 'kept' | 'foreignNode' | 'ownRequest' | 'trustBundle' | 'issued'>> {
  const [kept, foreignNode, ownRequest, trustBundle, issued] = await Promise.all([
    learnKept(asker, place),
    learnForeignNode(asker, place),
    learnOwnRequest(asker, place),
    learnTrustBundle(asker, place),
    learnIssued(asker, place),
  ])
  return { kept, foreignNode, ownRequest, trustBundle, issued }
}
