import type { TrustDomain } from '../identity/trust-domain.ts'
import type { SignerRightsOptions } from '../signer/rights.ts'
import type { Labelled, PodFact, TemplateFact } from './workload-facts.ts'

/** Something that the cluster was asked: what it said, or why it did not. */
export type Fact<T> =
  | {
      readonly known: true
      readonly value: T
      /** Set when not everything was looked at, and says what was not. */
      readonly partial?: string
    }
  | {
      readonly known: false
      readonly why: string
      /** The right that is missing, such as `list nodes`. */
      readonly right?: string
    }

export interface ServerFact {
  readonly url: string
  /** As `/version` says it. */
  readonly gitVersion: string
  readonly minor: number | undefined
  /** The API server's clock less ours, by its Date header; undefined without one. */
  readonly skewSeconds: number | undefined
  /** Half the time that the answer took, and the second that the header leaves out. */
  readonly skewErrorSeconds: number
}

export interface ServedFact {
  /** Versions of certificates.k8s.io that serve PodCertificateRequests, newest first. */
  readonly podCertificates: readonly string[]
  readonly trustBundles: readonly string[]
}

/** What the API server keeps of a pod that asks for a certificate and for anchors. */
export interface KeptFact {
  readonly podCertificate: boolean
  readonly trustBundle: boolean
}

export interface NodeFact {
  readonly name: string
  readonly kubeletVersion: string
  readonly minor: number | undefined
  /** A virtual kubelet, which serves no projected certificates. */
  readonly virtual: boolean
  readonly ready: boolean | undefined
}

export interface LeaseFact {
  readonly node: string
  /** By the node's clock, milliseconds. */
  readonly renewedAt: number | undefined
  readonly durationSeconds: number
  /** By the API server's clock when the lease was read, as far as it is known. */
  readonly readAt: number
}

/** What came of a write that was only tried (dryRun=All). */
export type ProbeFact =
  { readonly outcome: 'accepted' } | { readonly outcome: 'refused'; readonly by: string }

export interface AdmissionPolicyFact {
  readonly name: string
  readonly failurePolicy: string
  /** Whether it looks at the creation of PodCertificateRequests, in whatever version. */
  readonly matchesRequests: boolean
  readonly expressions: readonly string[]
  /** Expressions of its matchConditions. */
  readonly conditions: readonly string[]
  /** What the API server found wrong with its expressions. */
  readonly typeWarnings: readonly string[]
  readonly bindings: readonly {
    readonly name: string
    readonly actions: readonly string[]
    /** It leaves some namespaces or objects out. */
    readonly narrowed: boolean
  }[]
}

export interface Rule {
  readonly verbs: readonly string[]
  readonly groups: readonly string[]
  readonly resources: readonly string[]
  /** Empty: every name. */
  readonly names: readonly string[]
}

export interface Role {
  readonly kind: 'Role' | 'ClusterRole'
  /** Empty for a ClusterRole. */
  readonly namespace: string
  readonly name: string
  readonly rules: readonly Rule[]
}

export interface Binding {
  readonly kind: 'RoleBinding' | 'ClusterRoleBinding'
  readonly namespace: string
  readonly name: string
  readonly role: { readonly kind: string; readonly name: string }
  readonly subjects: readonly {
    readonly kind: string
    readonly namespace: string
    readonly name: string
  }[]
}

export interface AccessFact {
  readonly roles: readonly Role[]
  readonly bindings: readonly Binding[]
}

export interface CustomResourceFact {
  readonly name: string
  readonly established: boolean
  readonly served: readonly string[]
  readonly stored: readonly string[]
  /** Of its schema, as the chart counts them; 0 where nobody counted. */
  readonly revision: number
}

/** A ToolServer, and what a gateway has said of it. */
export interface ToolServerFact {
  readonly namespace: string
  readonly name: string
  readonly generation: number
  /** Its condition `Accepted`; undefined where no gateway has said anything. */
  readonly said:
    | {
        readonly accepted: boolean
        readonly reason: string
        readonly message: string
        /** The generation that this was said of. */
        readonly generation: number
      }
    | undefined
}

/** A CertificateSigningRequest that has no answer yet. */
export interface SigningRequestFact {
  readonly name: string
  readonly requester: string
  readonly approved: boolean
  /** Since it was made, by the API server's clock. */
  readonly seconds: number
}

/** A right of one of our programs, and whether it has it. */
export interface RightFact {
  readonly program: Program
  readonly rule: { readonly verb: string; readonly group: string; readonly resource: string }
  readonly name: string | undefined
  readonly namespace: string | undefined
  /** As an administrator would look for it in a role. */
  readonly text: string
  readonly without: string
  readonly optional: boolean
  readonly held: boolean
}

export type Program = 'signer' | 'gateway'

/** What a program's own /readyz says, a line each. */
export interface ConditionFact {
  readonly name: string
  readonly ok: boolean
  /** Work goes on without it. */
  readonly optional: boolean
  readonly reason: string
}

export interface ReadinessFact {
  readonly pod: string
  /** Undefined: it could not be asked, and `why` says why. */
  readonly conditions: readonly ConditionFact[] | undefined
  readonly why: string
}

export interface SignerSettings {
  readonly trustDomain: TrustDomain
  readonly signerName: string
  readonly ledger: { readonly file: string }
  readonly lease: { readonly namespace: string; readonly name: string }
  readonly trustBundle: {
    readonly ownerClusterRole?: string | undefined
    readonly configMap?: string | undefined
  }
  readonly admissionPolicy?: string | undefined
  readonly certificateSigningRequests?: { readonly approve: boolean } | undefined
  readonly revocations?: object | undefined
  readonly claims?: { readonly owners: SignerRightsOptions['claimOwners'] } | undefined
  readonly authority:
    | { readonly files: object }
    | { readonly pkcs11: object }
    | {
        readonly csr: {
          readonly namespace: string
          readonly secret: string
          readonly revocations?: boolean
        }
      }
    | { readonly selfSigned: { readonly namespace: string; readonly secret: string } }
  readonly admin: { readonly port: number }
  readonly profile: { readonly lifetimeSecondsMax: number; readonly backdateSeconds: number }
}

export interface GatewaySettings {
  readonly trustDomain: TrustDomain
  readonly policy: {
    readonly bundle?: string | undefined
    readonly service?: object | undefined
    readonly data: readonly string[]
  }
  readonly admin: { readonly port: number }
  readonly upstreams: readonly { readonly server: string }[]
  readonly toolServers: boolean
  /** Where calls wait for an approval. */
  readonly approvals?: { readonly namespace: string } | undefined
  readonly claims?: { readonly owners: NonNullable<SignerRightsOptions['claimOwners']> } | undefined
}

/** The operator's data for the policy, as the gateway would read it. */
export interface PolicyDataFact {
  readonly files: readonly string[]
  /** Why the policy does not take it; undefined where it does, or where nothing was tried. */
  readonly fault: string | undefined
  /** The cluster has a policy bundle of its own, whose schemas are not here. */
  readonly foreignBundle: boolean
}

export interface IssuedFact {
  readonly namespace: string
  readonly name: string
  readonly notBefore: number
  /** PEM, leaf first. */
  readonly chain: string
}

export interface TrustBundleFact {
  readonly name: string
  readonly pem: string
}

/** What a server showed in a TLS handshake, leaf first. */
export interface HandshakeFact {
  readonly address: string
  /** DER. */
  readonly chain: readonly Buffer[]
}

/** Everything that the checks know. */
export interface Facts {
  /** Ours, milliseconds. */
  readonly now: number
  readonly namespace: string
  readonly release: string
  readonly server: Fact<ServerFact>
  readonly served: Fact<ServedFact>
  readonly kept: Fact<KeptFact>
  readonly nodes: Fact<readonly NodeFact[]>
  readonly leases: Fact<readonly LeaseFact[]>
  readonly pods: Fact<readonly PodFact[]>
  readonly templates: Fact<readonly TemplateFact[]>
  readonly namespaces: Fact<readonly Labelled[]>
  readonly serviceAccounts: Fact<readonly Labelled[]>
  readonly foreignNode: Fact<ProbeFact>
  readonly ownRequest: Fact<ProbeFact>
  readonly policies: Fact<readonly AdmissionPolicyFact[]>
  readonly access: Fact<AccessFact>
  /** Undefined: there is none of that name. */
  readonly revocations: Fact<CustomResourceFact | undefined>
  readonly toolServerResource: Fact<CustomResourceFact | undefined>
  readonly approvalResource: Fact<CustomResourceFact | undefined>
  readonly toolServers: Fact<readonly ToolServerFact[]>
  readonly signingRequests: Fact<readonly SigningRequestFact[]>
  /** Whether there is a ConfigMap for the program; undefined where nobody could look. */
  readonly configured: Readonly<Record<Program, boolean | undefined>>
  readonly signer: Fact<SignerSettings>
  readonly gateway: Fact<GatewaySettings>
  /** As configured, or as good a guess as there is. */
  readonly signerName: string
  readonly rights: Fact<readonly RightFact[]>
  readonly readiness: Readonly<Record<Program, Fact<readonly ReadinessFact[]>>>
  /** What the signers of other clusters say that run here. */
  readonly remotes: Fact<readonly ReadinessFact[]>
  readonly trustBundle: Fact<TrustBundleFact | undefined>
  readonly issued: Fact<readonly IssuedFact[]>
  readonly handshake: Fact<HandshakeFact>
  readonly policyData: Fact<PolicyDataFact>
}
