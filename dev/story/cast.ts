import { fileURLToPath } from 'node:url'
import type { Role } from '../../src/identity/role.ts'
import { ownName, type OwnServer } from './own-server.ts'

/** Names that the whole story shares. */
export const stage = {
  trustDomain: 'agents.example',
  cluster: 'dev',
  signerName: 'countersign.dev/identity',
  system: 'countersign-system',
  /** Where everybody runs; node-b only tries to speak for it. */
  node: 'node-a',
  volume: 'identity',
  credentialBundle: 'credential-bundle.pem',
  trustBundle: 'trust-bundle.pem',
  /** Without RSA, so that the story has a key type to refuse. */
  keyTypes: ['ECDSAP256', 'ECDSAP384', 'ED25519'],
} as const

export interface CastNamespace {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

export interface CastServiceAccount {
  readonly namespace: string
  readonly name: string
  readonly role: Role
  readonly models?: string
  readonly toolScopes?: string
}

export interface CastPod {
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  /** What the pod asks for: the annotations of its podCertificate volume. */
  readonly asks: Readonly<Record<string, string>>
  readonly keyType?: string
  /** File in ../workloads; `gateway` is run by whoever tells the story. */
  readonly workload?: string
  readonly environment?: Readonly<Record<string, string>>
  /** What this pod is for, in a few words. */
  readonly plot: string
}

/** A pod that is refused. */
export interface Impostor extends CastPod {
  /** The reason of the denial. */
  readonly reason: string
}

const allow = 'allow'
const scopesKey = 'countersign.dev/tool-scopes'
const modelsKey = 'countersign.dev/models'

const namespaces: readonly CastNamespace[] = [
  {
    name: stage.system,
    labels: { 'countersign.dev/tenant': 'platform', 'roles.countersign.dev/tool-broker': allow },
  },
  {
    name: 'tools',
    labels: { 'countersign.dev/tenant': 'platform', 'roles.countersign.dev/tool-server': allow },
  },
  {
    name: 'acme',
    labels: {
      'countersign.dev/tenant': 'acme',
      'roles.countersign.dev/agent': allow,
      'roles.countersign.dev/inference-worker': allow,
      'roles.countersign.dev/model-gateway': allow,
      'models.countersign.dev/llama-3-70b': allow,
      'models.countersign.dev/mistral-small': allow,
      'tools.countersign.dev/github': allow,
      'tools.countersign.dev/notes': allow,
    },
  },
  {
    name: 'globex',
    labels: {
      'countersign.dev/tenant': 'globex',
      'roles.countersign.dev/agent': allow,
      'models.countersign.dev/mistral-small': allow,
      'tools.countersign.dev/github': allow,
      'tools.countersign.dev/notes': allow,
    },
  },
]

const serviceAccounts: readonly CastServiceAccount[] = [
  { namespace: stage.system, name: 'countersign-gateway', role: 'tool-broker' },
  { namespace: stage.system, name: 'other-gateway', role: 'tool-broker' },
  { namespace: 'tools', name: 'github', role: 'tool-server' },
  { namespace: 'tools', name: 'notes', role: 'tool-server' },
  {
    namespace: 'acme',
    name: 'researcher',
    role: 'agent',
    models: 'llama-3-70b',
    toolScopes: 'github:issues_*,notes:*',
  },
  { namespace: 'acme', name: 'model-gateway', role: 'model-gateway', models: 'llama-3-70b' },
  { namespace: 'acme', name: 'inference-worker', role: 'inference-worker' },
  { namespace: 'acme', name: 'false-gateway', role: 'tool-broker' },
  {
    namespace: 'globex',
    name: 'analyst',
    role: 'agent',
    toolScopes: 'github:issues_list,notes:*',
  },
]

/** Everybody's namespaces; acme's allows the server that was brought along. */
export function namespacesOf(own: OwnServer | undefined): readonly CastNamespace[] {
  const allowed = { [`tools.countersign.dev/${ownName}`]: allow }
  return namespaces.map((namespace) =>
    own !== undefined && namespace.name === 'acme'
      ? { ...namespace, labels: { ...namespace.labels, ...allowed } }
      : namespace,
  )
}

/** Everybody's service accounts; the researcher's may use the server that was brought along. */
export function serviceAccountsOf(own: OwnServer | undefined): readonly CastServiceAccount[] {
  if (own === undefined) return serviceAccounts
  const { [scopesKey]: toolScopes = '' } = researcherAsks(own)
  return [
    ...serviceAccounts.map((account) =>
      account.name === 'researcher' ? { ...account, toolScopes } : account,
    ),
    { namespace: 'tools', name: ownName, role: 'tool-server' },
  ]
}

/** The SPIFFE ID of a service account of the story. */
export function spiffeIdOf(namespace: string, serviceAccount: string): string {
  return `spiffe://${stage.trustDomain}/ns/${namespace}/sa/${serviceAccount}`
}

/** The path of a workload's program. */
export function workloadProgram(name: string): string {
  return fileURLToPath(new URL(`../workloads/${name}.ts`, import.meta.url))
}

/** The ports that the story's servers listen on; found free just before it starts. */
export interface Ports {
  readonly gateway: number
  readonly github: number
  readonly notes: number
  readonly worker: number
  readonly own: number
}

/** What acme/researcher asks for: all that it may have. */
export function researcherAsks(own: OwnServer | undefined): Readonly<Record<string, string>> {
  return {
    'countersign.dev/role': 'agent',
    'countersign.dev/tenant': 'acme',
    [modelsKey]: 'llama-3-70b',
    [scopesKey]: `github:issues_*,notes:*${own === undefined ? '' : `,${ownName}:*`}`,
  }
}

/** Everybody who gets a certificate. */
export function actors(ports: Ports, own?: OwnServer): readonly CastPod[] {
  const brought = own === undefined ? [] : [ownPod(ports, own)]
  return [...platform(ports), ...brought, ...agents(ports, own), ...models(ports)]
}

function ownPod(ports: Ports, { upstream }: OwnServer): CastPod {
  return {
    namespace: 'tools',
    name: ownName,
    serviceAccount: ownName,
    asks: {},
    workload: 'own',
    environment: { PORT: String(ports.own), UPSTREAM: JSON.stringify(upstream) },
    plot: 'your own MCP server',
  }
}

function platform(ports: Ports): readonly CastPod[] {
  return [
    {
      namespace: stage.system,
      name: 'countersign-gateway',
      serviceAccount: 'countersign-gateway',
      asks: { 'countersign.dev/role': 'tool-broker' },
      workload: 'gateway',
      plot: 'the gateway itself',
    },
    {
      namespace: stage.system,
      name: 'other-gateway',
      serviceAccount: 'other-gateway',
      asks: {},
      workload: 'agent',
      environment: { GATEWAY_URL: `https://127.0.0.1:${ports.gateway}/mcp` },
      plot: 'a tool broker that no tool server knows',
    },
    {
      namespace: 'tools',
      name: 'github',
      serviceAccount: 'github',
      asks: {},
      workload: 'github',
      environment: { PORT: String(ports.github) },
      plot: 'a tool server of MCP 2026-07-28',
    },
    {
      namespace: 'tools',
      name: 'notes',
      serviceAccount: 'notes',
      asks: {},
      workload: 'notes',
      environment: { PORT: String(ports.notes) },
      plot: 'a tool server of MCP 2025-11-25',
    },
  ]
}

function agents(ports: Ports, own: OwnServer | undefined): readonly CastPod[] {
  const gateway = {
    GATEWAY_URL: `https://127.0.0.1:${ports.gateway}/mcp`,
  }
  const researcher = {
    namespace: 'acme',
    serviceAccount: 'researcher',
    workload: 'agent',
    environment: gateway,
  } as const
  return [
    {
      ...researcher,
      name: 'researcher',
      asks: researcherAsks(own),
      plot: 'asks for all that acme may give it',
    },
    {
      ...researcher,
      name: 'contractor',
      asks: { [scopesKey]: 'github:issues_list' },
      plot: 'asks for less, and will be revoked',
    },
    {
      namespace: 'globex',
      name: 'analyst',
      serviceAccount: 'analyst',
      asks: { [scopesKey]: 'github:issues_list,notes:search' },
      workload: 'agent-legacy',
      environment: gateway,
      plot: 'the other tenant, an agent of MCP 2025-11-25',
    },
  ]
}

function models(ports: Ports): readonly CastPod[] {
  return [
    {
      namespace: 'acme',
      name: 'inference-worker',
      serviceAccount: 'inference-worker',
      asks: {},
      workload: 'inference-worker',
      environment: {
        PORT: String(ports.worker),
        MODELS: 'llama-3-70b,mistral-small',
        TENANT: 'acme',
      },
      plot: 'serves two models',
    },
    {
      namespace: 'acme',
      name: 'model-gateway',
      serviceAccount: 'model-gateway',
      asks: { [modelsKey]: 'llama-3-70b' },
      workload: 'model-gateway',
      environment: {
        WORKER_URL: `https://127.0.0.1:${ports.worker}/v1/completions`,
        WORKER_SPIFFE_ID: spiffeIdOf('acme', 'inference-worker'),
      },
      plot: 'holds one model',
    },
  ]
}

/** Everybody who asks for what the cluster does not prove. */
export const impostors: readonly Impostor[] = [
  {
    namespace: 'acme',
    name: 'false-gateway',
    serviceAccount: 'false-gateway',
    asks: { 'countersign.dev/role': 'tool-broker' },
    reason: 'RoleNotProved',
    plot: 'asks for the role that its tenant gave its service account, and its namespace does not',
  },
  {
    namespace: 'globex',
    name: 'tenant-thief',
    serviceAccount: 'analyst',
    asks: { 'countersign.dev/tenant': 'acme' },
    reason: 'TenantNotProved',
    plot: "asks for another tenant's name",
  },
  {
    namespace: 'acme',
    name: 'model-thief',
    serviceAccount: 'researcher',
    asks: { [modelsKey]: 'llama-3-70b,mistral-small' },
    reason: 'ModelNotGranted',
    plot: 'asks for a model that its service account is not granted',
  },
  {
    namespace: 'acme',
    name: 'scope-thief',
    serviceAccount: 'researcher',
    asks: { [scopesKey]: 'github:*' },
    reason: 'ToolScopeNotGranted',
    plot: 'asks for a wider tool scope than granted',
  },
  {
    namespace: 'acme',
    name: 'misspelt',
    serviceAccount: 'researcher',
    asks: { 'countersign.dev/tennant': 'acme' },
    reason: 'InvalidUnverifiedUserAnnotations',
    plot: 'asks with an annotation that does not exist',
  },
  {
    namespace: 'acme',
    name: 'old-key',
    serviceAccount: 'researcher',
    asks: {},
    keyType: 'RSA3072',
    reason: 'UnsupportedKeyType',
    plot: 'has a key of a type that this signer refuses',
  },
]

/** What the policy grants below the certificates' ceilings. */
export function grantsOf(own: OwnServer | undefined): object {
  const everything = { [ownName]: { tools: {}, prefixes: { '': {} } } }
  const subjects = own === undefined ? {} : { [spiffeIdOf('acme', 'researcher')]: everything }
  return { grants: { tenants, subjects } }
}

const tenants = {
  acme: {
    github: {
      tools: {
        issues_list: {},
        issues_create: { arguments: { repository: ['acme/website', 'acme/handbook'] } },
      },
      prefixes: {},
    },
    notes: { tools: {}, prefixes: { '': {} } },
  },
  globex: {
    github: { tools: { issues_list: {} }, prefixes: {} },
    notes: { tools: { search: {} }, prefixes: {} },
  },
}
