import { readFile } from 'node:fs/promises'
import { CountersignError, quoted } from '../../errors.ts'
import { parseToolScopes, type Ceiling } from '../../identity/ceiling.ts'
import { parseRole } from '../../identity/role.ts'
import { parseSpiffeId, workloadOf, workloadSpiffeId } from '../../identity/spiffe-id.ts'
import { parseTenant } from '../../identity/tenant.ts'
import type { ToolScope } from '../../identity/tool-scope.ts'
import { parseTrustDomain } from '../../identity/trust-domain.ts'
import { parseIdentityExtensionOid } from '../../pki/identity-extension-oid.ts'
import { certificateBlocks } from '../../pki/pem.ts'
import { parseX509Svid } from '../../pki/x509-svid.ts'
import { formatInput, type InputText } from '../../policy/input.ts'
import type { GatewayConfig } from '../gateway/gateway-configuration.ts'
import { readWorkload, type WorkloadOptions } from './cluster-workload.ts'
import { attributesOf } from './proved-attributes.ts'

/** What an identity's certificate would say, or what it says. */
export interface SubjectOptions extends WorkloadOptions {
  readonly certificate?: string
  readonly toolScopes?: string
  readonly role?: string
  readonly tenant?: string
}

export interface ExplainedSubject {
  /** SPIFFE ID. */
  readonly id: string
  readonly role: string | undefined
  readonly tenant: string | undefined
  readonly ceiling: Ceiling
  /** What policy is told of it. */
  readonly text: InputText
}

interface Attributes {
  readonly role?: string | undefined
  readonly tenant?: string | undefined
  readonly models?: readonly string[]
  readonly toolScopes?: readonly ToolScope[]
  readonly pod?: { readonly name: string; readonly uid: string }
  readonly certificate?: { readonly sha256: string; readonly notAfter: string }
}

/** Who is asked about: as a certificate says, as the cluster proves, or as options tell. Throws `cli/usage`. */
export async function readSubject(
  identity: string | undefined,
  options: SubjectOptions,
  { config, signal }: { readonly config: GatewayConfig; readonly signal: AbortSignal },
): Promise<ExplainedSubject> {
  const { certificate } = options
  if (certificate !== undefined || identity?.includes('://') !== true) refuseTold(options)
  if (certificate !== undefined) return ofCertificate(certificate, identity, config)
  if (identity === undefined) throw usage('identity is missing')
  if (identity.includes('://')) return ofOptions(identity, options)
  const workload = await readWorkload(identity, options, { config, signal })
  const trustDomain = parseTrustDomain(config.trustDomain)
  const names = { trustDomain, namespace: workload.namespace.metadata.name }
  const { name: serviceAccount } = workload.serviceAccount.metadata
  return subject(workloadSpiffeId({ ...names, serviceAccount }).uri, {
    ...attributesOf(workload),
    ...(workload.pod === undefined ? {} : { pod: workload.pod.metadata }),
  })
}

/** What is proved is not told as well: whoever mistakes one for the other would be shown somebody else's list. */
function refuseTold(options: SubjectOptions): void {
  const told = (['toolScopes', 'role', 'tenant'] as const).find(
    (name) => options[name] !== undefined,
  )
  if (told === undefined) return
  const option = told === 'toolScopes' ? '--tool-scopes' : `--${told}`
  const hint = 'give a SPIFFE ID to say by options what its certificate would have'
  throw new CountersignError('cli/usage', `${option} is not for an identity that is looked up`, {
    hint,
  })
}

async function ofCertificate(
  file: string,
  identity: string | undefined,
  config: GatewayConfig,
): Promise<ExplainedSubject> {
  const [leaf] = certificateBlocks(await readFile(file, 'utf8').catch(cannotRead(file)))
  if (leaf === undefined) throw usage(`${quoted(file, 300)} has no certificate`)
  const identityExtensionOid = parseIdentityExtensionOid(config.identityExtensionOid, config)
  const svid = parseX509Svid(leaf, { identityExtensionOid })
  const { spiffeId, sha256, notAfter } = svid
  if (identity !== undefined && identity !== spiffeId.uri) {
    throw usage(`the certificate is of ${spiffeId.uri}, want=${quoted(identity, 300)}`)
  }
  if (svid.identity === undefined)
    throw usage(`the certificate of ${spiffeId.uri} has no identity extension`)
  const { role, tenant, ceiling, pod } = svid.identity
  const certificate = { sha256, notAfter: notAfter.toISOString() }
  return subject(spiffeId.uri, { role, tenant, ...ceiling, pod, certificate })
}

function ofOptions(identity: string, options: SubjectOptions): ExplainedSubject {
  const { toolScopes, role = 'agent', tenant } = options
  return subject(parseSpiffeId(identity).uri, {
    role: parseRole(role),
    tenant: tenant === undefined ? undefined : parseTenant(tenant),
    toolScopes: toolScopes === undefined ? [] : parseToolScopes(toolScopes),
  })
}

function subject(id: string, attributes: Attributes): ExplainedSubject {
  const workload = workloadOf(parseSpiffeId(id))
  if (workload === undefined) throw usage('identity: want=SPIFFE ID of a workload')
  const { role, tenant, models = [], toolScopes = [] } = attributes
  const text = formatInput({
    type: 'identity',
    id,
    properties: {
      ...(role === undefined ? {} : { role }),
      ...(tenant === undefined ? {} : { tenant }),
      models,
      toolScopes: toolScopes.map((scope) => scope.text),
      namespace: workload.namespace,
      serviceAccount: workload.serviceAccount,
      // Without a certificate there is none that a rule could depend on, and without a pod no pod.
      pod: { name: attributes.pod?.name ?? '', uid: attributes.pod?.uid ?? '' },
      certificate: attributes.certificate ?? { sha256: '', notAfter: '' },
    },
  })
  return { id, role, tenant, ceiling: { models: [], toolScopes }, text }
}

function cannotRead(file: string): (cause: unknown) => never {
  return (cause) => {
    throw new CountersignError('cli/usage', `cannot read ${quoted(file, 300)}`, { cause })
  }
}

function usage(message: string): CountersignError {
  const hint =
    'spiffe://…/ns/…/sa/…, <namespace>/<service account>, <namespace>/pods/<pod>, or --certificate <file>'
  return new CountersignError('cli/usage', message, { hint })
}
