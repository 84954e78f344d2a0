import { hostname } from 'node:os'
import * as z from 'zod'
import { parseClusterDomain } from '../../identity/cluster-domain.ts'
import { isDnsLabel, isDnsSubdomain } from '../../identity/kubernetes-name.ts'
import { parseTrustDomain, type TrustDomain } from '../../identity/trust-domain.ts'
import { segmentOctetsDefault } from '../../ledger/ledger.ts'
import { isKeyName } from '../../tlog/note.ts'
import {
  prepareBeforeSecondsOf,
  scheduleProblem,
  type RotationSchedule,
} from '../../pki/rotation-schedule.ts'
import { keyTypes, type KeyType } from '../../pki/subject-key.ts'
import type { SigningRequestsOptions } from '../../signer/lanes.ts'
import type { Unclaimed } from '../../signer/verdict/check.ts'
import { enforcementModes, type EnforcementMode } from '../../signer/verdict/enforcement.ts'
import { ownersSchema, type ClaimsConfig } from '../claims-configuration.ts'
import { parsedBy, pathIn } from '../configuration.ts'
import { decisionLogFields, type DecisionLogConfig } from '../decision-log.ts'
import {
  adminSchema,
  logSchema,
  policySchema,
  type AdminConfig,
  type LogConfig,
  type PolicyConfig,
} from '../shared-configuration.ts'
import { tracingSchema, type TracingConfig } from '../tracing-configuration.ts'

/** A CA that the signer makes and keeps in a Secret. */
export interface SelfSignedConfig {
  readonly namespace: string
  readonly secret: string
  readonly lifetimeSeconds: number
  readonly constrainUris?: boolean
  /** By command alone when absent. */
  readonly rotation?: RotationConfig | undefined
}

/** A CA whose key is in a token, used through a PKCS#11 module that p11-kit serves on a Unix socket. */
export interface Pkcs11Config {
  /** PEM file of the CA, then those above it. */
  readonly certificate: string
  /** Path of the socket. */
  readonly socket: string
  /** Label of the token. */
  readonly token: string
  /** Label of the private key. */
  readonly key: string
  /** Path; none where the token asks for no PIN. */
  readonly pinFile?: string | undefined
}

/** A CA that the signer asks for by a CertificateSigningRequest, and keeps in a Secret. */
export interface CsrConfig {
  /** Who is to sign it: not this signer, and none of Kubernetes' own. */
  readonly signerName: string
  /** PEM file of the roots that it may lead to, which are published. */
  readonly anchors: string
  readonly namespace: string
  readonly secret: string
  /** As it is asked for; whoever signs may give less. */
  readonly lifetimeSeconds: number
  readonly keyType: KeyType
  readonly annotations: Readonly<Record<string, string>>
  /** Whether Revocations of the cluster end a CA, by the issuance that its serial number is. */
  readonly revocations?: boolean
}

/** How often the signer replaces the CA that it makes. */
export interface RotationConfig {
  readonly everySeconds: number
  /** A quarter of `everySeconds`, a week at most, when absent. */
  readonly prepareBeforeSeconds?: number | undefined
}

/** What `countersign signer --config` reads. */
export interface SignerConfig {
  readonly trustDomain: TrustDomain
  /** The cluster's name, written into every certificate; 1..253 characters. */
  readonly cluster: string
  readonly signerName: string
  /** For DNS names `<service>.<namespace>.svc.<clusterDomain>`. */
  readonly clusterDomain: string
  /** Path; the pod's own service account when absent. */
  readonly kubeconfig?: string | undefined
  /** Names this process in the ledger and in the lease; the host name when absent. */
  readonly replica: string
  readonly authority:
    | { readonly files: { readonly certificate: string; readonly privateKey: string } }
    | { readonly pkcs11: Pkcs11Config }
    | { readonly csr: CsrConfig }
    | { readonly selfSigned: SelfSignedConfig }
  readonly profile: {
    readonly keyTypes?: readonly KeyType[] | undefined
    readonly lifetimeSecondsMax: number
    readonly backdateSeconds: number
  }
  /** The number of the identity extension; required in production. */
  readonly identityExtensionOid?: string | undefined
  /** Refuses what is only fit for trying out: docs/OPERATING.md, Production. */
  readonly production: boolean
  /** The Lease by which one of several replicas publishes the trust bundle. */
  readonly lease: { readonly namespace: string; readonly name: string }
  /** What becomes of the published trust bundle. */
  readonly trustBundle: {
    readonly ownerClusterRole?: string | undefined
    /** Name of the ConfigMaps that have the anchors, too; none when absent. */
    readonly configMap?: string | undefined
    /** How long readers have to take up an anchor that is added before its authority signs. */
    readonly propagationSeconds: number
  }
  /** Where other trust domains read the published anchors; not at all when absent. */
  readonly bundleEndpoint?: BundleEndpointConfig | undefined
  /** Name of the ValidatingAdmissionPolicy, and of its binding, that lets nobody but kubelets make requests. */
  readonly admissionPolicy?: string | undefined
  /** Pods may ask by CertificateSigningRequests, too; where `approve` is not set, others approve them. */
  readonly certificateSigningRequests?: SigningRequestsOptions | undefined
  /** The cluster whose Revocations that name this trust domain are made in the one that is signed for; none are when absent. */
  readonly revocations?: { readonly from: string; readonly kubeconfig: string } | undefined
  /** Pods may be given to somebody after they started; they are not when absent. */
  readonly claims?: SignerClaimsConfig | undefined
  /** How strictly a namespace is held to what it may claim; one that is not named is enforced. */
  readonly enforcement: { readonly namespaces: Readonly<Record<string, EnforcementMode>> }
  readonly ledger: {
    readonly file: string
    /** The file is sealed at so many octets, and a new one begun. */
    readonly segmentOctets: number
    /** Sealed segments are removed when all in them is so old; never when absent. */
    readonly retentionDays?: number | undefined
    /** Published in `<file>.log` for others to check; not at all when absent. */
    readonly log?:
      | {
          /** PKCS#8 PEM, Ed25519. */
          readonly keyFile: string
          /** Makes a key where there is none. */
          readonly makeKey: boolean
          /** The log's name: unlike any other's, for ever. */
          readonly origin?: string | undefined
        }
      | undefined
  }
  /** What the issuance policy was asked and has answered; in the ledger's words alone when absent. */
  readonly decisionLog?: DecisionLogConfig | undefined
  /** No request is traced when absent. */
  readonly tracing?: TracingConfig | undefined
  readonly policy: PolicyConfig
  readonly admin: AdminConfig
  readonly log: LogConfig
}

export interface SignerClaimsConfig extends ClaimsConfig {
  /** What becomes of one that has not been given yet. */
  readonly unclaimed: Unclaimed
}

/** The SPIFFE bundle endpoint, with what it shows to be itself: one of the two. */
export interface BundleEndpointConfig {
  readonly host: string
  readonly port: number
  /** How often others are asked to read it again. */
  readonly refreshHintSeconds: number
  readonly web?: { readonly certificate: string; readonly privateKey: string } | undefined
  /** The one-file bundle of an SVID of this trust domain. */
  readonly spiffe?: { readonly credentialBundle: string } | undefined
}

/** SPIFFE Federation §4.1: so many refresh hints before a new anchor's first use it is published. */
const hintsAhead = 3

function bundleEndpointSchema(folder: string): z.ZodType<BundleEndpointConfig> {
  return z
    .strictObject({
      host: z.string().min(1).default('0.0.0.0'),
      port: z.int().min(0).max(65_535).default(8_445),
      refreshHintSeconds: z.int().min(10).max(86_400).default(60),
      web: z.strictObject({ certificate: pathIn(folder), privateKey: pathIn(folder) }).optional(),
      spiffe: z.strictObject({ credentialBundle: pathIn(folder) }).optional(),
    })
    .refine(
      ({ web, spiffe }) => (web === undefined) !== (spiffe === undefined),
      'want=web or spiffe, and not both',
    )
}

const enforcementSchema = z
  .strictObject({
    namespaces: z
      .record(z.string(), z.enum(enforcementModes))
      .superRefine((modes, context) => {
        for (const name of Object.keys(modes).filter((each) => !isDnsLabel(each))) {
          const message = 'want=the name of a namespace, a lower-case DNS label'
          context.addIssue({ code: 'custom', path: [name], message })
        }
      })
      .default({}),
  })
  .prefault({})

/** The service account whose pods may ask for what IssuedCertificates declare. */
const agentSchema = z.strictObject({
  namespace: z.string().refine(isDnsLabel, 'want=the name of a namespace'),
  serviceAccount: z.string().refine(isDnsSubdomain, 'want=the name of a service account'),
})

const selfSignedSchema = z.strictObject({
  namespace: z.string().min(1).max(63),
  secret: z.string().min(1).max(253).default('countersign-authority'),
  lifetimeSeconds: z.int().min(86_400).max(315_360_000).default(31_536_000),
  constrainUris: z.boolean().default(false),
  rotation: z
    .strictObject({ everySeconds: z.int(), prepareBeforeSeconds: z.int().optional() })
    .optional(),
})

function pkcs11Schema(folder: string): z.ZodType<Pkcs11Config> {
  return z.strictObject({
    certificate: pathIn(folder),
    socket: pathIn(folder),
    // A token's label has 32 octets, in UTF-8 (PKCS#11 2.40 §3.3).
    token: z
      .string()
      .min(1)
      .refine((label) => Buffer.byteLength(label) <= 32, 'want=1..32 octets'),
    key: z.string().min(1).max(255),
    pinFile: pathIn(folder).optional(),
  })
}

function csrSchema(folder: string): z.ZodType<CsrConfig> {
  return z.strictObject({
    signerName: z
      .string()
      .max(571)
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+\/[a-z0-9.-]+$/, 'want=<domain>/<name>')
      // Of Kubernetes' own none issues a CA, and its client CA would have ours vouch for users of the cluster.
      .refine(
        (name) => !/^([^/]*\.)?kubernetes\.io\//.test(name),
        'want=a signer that issues CAs, none of kubernetes.io',
      ),
    anchors: pathIn(folder),
    namespace: z.string().min(1).max(63),
    secret: z.string().min(1).max(253).default('countersign-intermediate'),
    lifetimeSeconds: z.int().min(172_800).max(315_360_000).default(7_776_000),
    keyType: z.enum(keyTypes).default('ECDSAP256'),
    annotations: z.record(z.string().min(1).max(317), z.string().max(4096)).default({}),
    revocations: z.boolean().default(false),
  })
}

/** Longer than any certificate lives (a day), its key is remembered (another) and its request is kept (a quarter of an hour). */
const retentionDaysMin = 3

function ledgerSchema(folder: string): z.ZodType<SignerConfig['ledger']> {
  return z
    .strictObject({
      file: pathIn(folder),
      segmentOctets: z.int().min(1_048_576).max(1_073_741_824).default(segmentOctetsDefault),
      retentionDays: z.int().min(retentionDaysMin).max(36_500).optional(),
      log: z
        .strictObject({
          keyFile: pathIn(folder),
          makeKey: z.boolean().default(false),
          origin: z.string().max(255).refine(isKeyName, 'no spaces and no +').optional(),
        })
        .optional(),
    })
    .refine(({ retentionDays, log }) => retentionDays === undefined || log !== undefined, {
      path: ['retentionDays'],
      message: 'want=ledger.log, too: what is removed is proved by a published log alone',
    })
}

/** One of the sources: none takes the place of another. */
function authoritySchema(folder: string): z.ZodType<SignerConfig['authority']> {
  return z.union([
    z.strictObject({
      files: z.strictObject({ certificate: pathIn(folder), privateKey: pathIn(folder) }),
    }),
    z.strictObject({ pkcs11: pkcs11Schema(folder) }),
    z.strictObject({ csr: csrSchema(folder) }),
    z.strictObject({ selfSigned: selfSignedSchema }),
  ])
}

function carriedSchema(folder: string): z.ZodType<NonNullable<SignerConfig['revocations']>> {
  return z.strictObject({
    from: z.string().refine(isDnsLabel, 'want=a name for that cluster: a DNS label'),
    kubeconfig: pathIn(folder),
  })
}

export function signerSchema(folder: string): z.ZodType<SignerConfig> {
  const fields = z.strictObject({
    trustDomain: parsedBy(parseTrustDomain),
    cluster: z.string().min(1).max(253),
    signerName: z.string().max(571).default('countersign.dev/identity'),
    clusterDomain: parsedBy(parseClusterDomain).default('cluster.local'),
    kubeconfig: pathIn(folder).optional(),
    replica: z.string().min(1).max(253).default(hostname),
    authority: authoritySchema(folder),
    profile: z
      .strictObject({
        keyTypes: z.array(z.enum(keyTypes)).min(1).optional(),
        lifetimeSecondsMax: z.int().min(3600).max(86_400).default(3600),
        backdateSeconds: z.int().min(0).max(120).default(90),
      })
      .prefault({}),
    identityExtensionOid: z.string().max(128).optional(),
    production: z.boolean().default(true),
    lease: z
      .strictObject({
        namespace: z.string().min(1).max(63).default('countersign-system'),
        name: z.string().min(1).max(253).default('countersign-trust-bundle'),
      })
      .prefault({}),
    trustBundle: z
      .strictObject({
        ownerClusterRole: z.string().min(1).max(253).optional(),
        configMap: z.string().refine(isDnsSubdomain, 'want=the name of a ConfigMap').optional(),
        propagationSeconds: z.int().min(0).max(86_400).default(300),
      })
      .prefault({}),
    bundleEndpoint: bundleEndpointSchema(folder).optional(),
    admissionPolicy: z.string().min(1).max(253).optional(),
    certificateSigningRequests: z
      .strictObject({
        approve: z.boolean().default(false),
        issuedCertificates: agentSchema.optional(),
      })
      .optional(),
    revocations: carriedSchema(folder).optional(),
    claims: z
      .strictObject({ owners: ownersSchema, unclaimed: z.enum(['wait', 'pool']).default('wait') })
      .optional(),
    enforcement: enforcementSchema,
    ledger: ledgerSchema(folder),
    // The ledger is the record: a log for authors need not keep pods waiting.
    decisionLog: z.strictObject(decisionLogFields(folder, 'shed-and-count')).optional(),
    tracing: tracingSchema.optional(),
    policy: policySchema(folder).refine(({ tenants }) => tenants === undefined, {
      path: ['tenants'],
      message: 'want=none: bundles of tenants are asked about calls',
    }),
    admin: adminSchema(9_443),
    log: logSchema,
  })
  return fields
    .superRefine(checkRotation)
    .superRefine(checkAsked)
    .superRefine(({ production, bundleEndpoint, trustBundle }, context) => {
      // Others hear of a new anchor within a hint or two, and refuse what is signed below it before.
      const secondsMax = Math.floor(trustBundle.propagationSeconds / hintsAhead)
      if (!production || bundleEndpoint === undefined) return
      if (bundleEndpoint.refreshHintSeconds <= secondsMax) return
      const message = `want=..${secondsMax}, a third of trustBundle.propagationSeconds`
      context.addIssue({ code: 'custom', path: ['bundleEndpoint', 'refreshHintSeconds'], message })
    })
}

function checkAsked(
  { authority, signerName }: SignerConfig,
  context: z.RefinementCtx<SignerConfig>,
): void {
  if (!('csr' in authority) || authority.csr.signerName !== signerName) return
  const message = 'want=another signer than this one, which would ask itself'
  context.addIssue({ code: 'custom', path: ['authority', 'csr', 'signerName'], message })
}

function checkRotation(
  { authority, profile, trustBundle }: SignerConfig,
  context: z.RefinementCtx<SignerConfig>,
): void {
  const schedule = rotationOf(authority)
  if (!('selfSigned' in authority) || schedule === undefined) return
  const { lifetimeSeconds } = authority.selfSigned
  const { propagationSeconds } = trustBundle
  const beside = { lifetimeSeconds, leafSecondsMax: profile.lifetimeSecondsMax, propagationSeconds }
  const problem = scheduleProblem(schedule, beside)
  if (problem === undefined) return
  const path = ['authority', 'selfSigned', 'rotation', problem.field]
  context.addIssue({ code: 'custom', path, message: problem.message })
}

/** The schedule that is configured, with what follows where it says nothing. */
export function rotationOf(authority: SignerConfig['authority']): RotationSchedule | undefined {
  const rotation = 'selfSigned' in authority ? authority.selfSigned.rotation : undefined
  if (rotation === undefined) return undefined
  const { everySeconds, prepareBeforeSeconds = prepareBeforeSecondsOf(everySeconds) } = rotation
  return { everySeconds, prepareBeforeSeconds }
}
