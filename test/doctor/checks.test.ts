import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { CheckName, Status } from '../../src/doctor/check.ts'
import type { Fact, Facts, NodeFact } from '../../src/doctor/facts.ts'
import { grantLabelPrefixes } from '../../src/identity/governance-key.ts'
import { examine } from '../../src/doctor/report.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { checkOf, signerName, startDoctorWorld } from './doctor-world.ts'

let well: Facts

before(async () => {
  await using world = await startDoctorWorld()
  well = await world.facts()
})

function known<T>(value: T): Fact<T> {
  return { known: true, value }
}

interface Case {
  readonly title: string
  readonly change: (facts: Facts) => Partial<Facts>
  readonly check: CheckName
  readonly want: Status
  /** Stands in summary, evidence or hint. */
  readonly says: RegExp
}

function served(podCertificates: readonly string[], trustBundles: readonly string[] = ['v1']) {
  return known({ podCertificates, trustBundles })
}

function serverOf(facts: Facts, gitVersion: string, minor: number) {
  const { server } = facts
  assert.ok(server.known)
  return known({ ...server.value, gitVersion, minor })
}

const node: NodeFact = {
  name: 'node-a',
  kubeletVersion: 'v1.37.0',
  minor: 37,
  virtual: false,
  ready: true,
}

function expiring(lifetimeSeconds: number, leftSeconds: number) {
  return (facts: Facts): Partial<Facts> => {
    const now = facts.now + leftSeconds * 1000 - lifetimeSeconds * 1000
    const { bundlePem } = createTestAuthority({
      trustDomain: 'agents.example',
      lifetimeSeconds,
      now: () => now,
    })
    return { trustBundle: known({ name: 'bundle', pem: bundlePem }), issued: known([]) }
  }
}

const cases: readonly Case[] = [
  {
    title: 'an API server that does not answer is a problem, and nothing else is said',
    change: () => ({ server: { known: false, why: 'no answer: ECONNREFUSED' } }),
    check: 'api-server',
    want: 'problem',
    says: /ECONNREFUSED/,
  },
  {
    title: 'an API server before 1.35 is too old',
    change: (facts) => ({ server: serverOf(facts, 'v1.34.9', 34) }),
    check: 'api-server',
    want: 'problem',
    says: /1\.34 is too old/,
  },
  {
    title: 'requests that are not served on 1.36 need the gate and --runtime-config',
    change: (facts) => ({ served: served([]), server: serverOf(facts, 'v1.36.3', 36) }),
    check: 'pod-certificate-api',
    want: 'problem',
    says: /--feature-gates=PodCertificateRequest=true and --runtime-config=certificates\.k8s\.io\/v1beta1=true/,
  },
  {
    title: 'requests that are not served on 1.37 were turned off',
    change: () => ({ served: served([]) }),
    check: 'pod-certificate-api',
    want: 'problem',
    says: /take --feature-gates=PodCertificateRequest=false/,
  },
  {
    title: 'requests of v1alpha1 alone are of no use',
    change: () => ({ served: served(['v1alpha1']) }),
    check: 'pod-certificate-api',
    want: 'problem',
    says: /only in v1alpha1/,
  },
  {
    title: 'trust bundles that are not served are a warning with a way out',
    change: () => ({ served: served(['v1'], []) }),
    check: 'trust-bundle-api',
    want: 'warning',
    says: /\/trust-bundle\.pem/,
  },
  {
    title: 'a dropped clusterTrustBundle source names its own gate',
    change: () => ({ kept: known({ podCertificate: true, trustBundle: false }) }),
    check: 'pod-certificate-volumes',
    want: 'problem',
    says: /ClusterTrustBundleProjection/,
  },
  {
    title: 'a kubelet of 1.35 is read in v1beta1 where that is served',
    change: () => ({
      served: served(['v1', 'v1beta1']),
      nodes: known([{ ...node, kubeletVersion: 'v1.35.6', minor: 35 }]),
    }),
    check: 'kubelets',
    want: 'ok',
    says: /reads v1beta1 for their sake/,
  },
  {
    title: 'a NodeRestriction that accepts is none',
    change: () => ({ foreignNode: known({ outcome: 'accepted' }) }),
    check: 'node-restriction',
    want: 'problem',
    says: /--enable-admission-plugins=NodeRestriction/,
  },
  {
    title: 'a policy that the API server cannot evaluate is a problem',
    change: ({ policies }) => ({
      policies: policies.known
        ? known(policies.value.map((each) => ({ ...each, typeWarnings: ['undefined field x'] })))
        : policies,
    }),
    check: 'admission-policy',
    want: 'problem',
    says: /undefined field x/,
  },
  {
    title: 'others who may create requests are no matter while the policy refuses theirs',
    change: ({ access }) => ({ access: access.known ? known(withCreator(access.value)) : access }),
    check: 'request-creators',
    want: 'ok',
    says: /the admission policy refuses theirs/,
  },
  {
    title: 'a CA that has ended is a problem',
    change: expiring(86_400, -60),
    check: 'authority',
    want: 'problem',
    says: /every CA has ended/,
  },
  {
    title: 'a CA that ends before a new certificate would is a problem',
    change: expiring(86_400, 1800),
    check: 'authority',
    want: 'problem',
    says: /ends before a new certificate would/,
  },
  {
    title: 'a CA with less than a tenth of its life is a warning',
    change: expiring(100 * 86_400, 9 * 86_400),
    check: 'authority',
    want: 'warning',
    says: /the CA ends in \d days/,
  },
  {
    title: 'a trust bundle that nothing was issued from lately is not compared',
    change: () => ({ issued: known([]) }),
    check: 'trust-bundle',
    want: 'ok',
    says: /nothing was compared/,
  },
  {
    title: 'a trust bundle of another trust domain is of no use',
    change: () => {
      const { bundlePem } = createTestAuthority({ trustDomain: 'other.example' })
      return { trustBundle: known({ name: 'bundle', pem: bundlePem }) }
    },
    check: 'trust-bundle',
    want: 'problem',
    says: /holds no anchor of this trust domain/,
  },
  {
    title: 'replicas that open what each other seals are well, whichever key each seals with',
    change: sayingOfKeys(
      '2 keys, 0a0a0a0a seals, 0b0b0b0b opens',
      '2 keys, 0b0b0b0b seals, 0a0a0a0a opens',
    ),
    check: 'handle-keys',
    want: 'ok',
    says: /2 gateways, what one seals opens at all/,
  },
  {
    title: 'replicas with keys that others have not are a problem',
    change: sayingOfKeys(
      '2 keys, 0a0a0a0a seals, 0b0b0b0b opens',
      'one key, 0b0b0b0b seals; what is there now: bad',
    ),
    check: 'handle-keys',
    want: 'problem',
    says: /what 1 replica of 2 seals does not open at all of them.*pod-1: one key, 0b0b0b0b seals/,
  },
  {
    title: 'a replica with a key of its own start is a problem beside another one',
    change: sayingOfKeys('one key, 0a0a0a0a seals', 'made at this start: no handle outlives it'),
    check: 'handle-keys',
    want: 'problem',
    says: /1 gateway with a key of its own start/,
  },
  {
    title: 'a gateway alone with a key of its own start is a warning',
    change: sayingOfKeys('made at this start: no handle outlives it'),
    check: 'handle-keys',
    want: 'warning',
    says: /key of its own start/,
  },
  {
    title: 'of keys of which no gateway says anything nothing is known',
    change: sayingOfKeys(),
    check: 'handle-keys',
    want: 'warning',
    says: /not checked/,
  },
  {
    title: 'a gateway that keeps approvals needs their resource',
    change: (facts) => ({ gateway: keepingApprovals(facts), approvalResource: known(undefined) }),
    check: 'custom-resources',
    want: 'problem',
    says: /there is no resource Approval: no call is made that needs an approval/,
  },
  {
    title: 'a resource of approvals without the schema is a problem',
    change: (facts) => ({
      gateway: keepingApprovals(facts),
      approvalResource: known({ ...approvalResource, revision: 0 }),
    }),
    check: 'custom-resources',
    want: 'problem',
    says: /Approval has schema revision 0, want=1/,
  },
  {
    title: 'a gateway that keeps approvals is well with their resource',
    change: (facts) => ({
      gateway: keepingApprovals(facts),
      approvalResource: known(approvalResource),
    }),
    check: 'custom-resources',
    want: 'ok',
    says: /Approval v1alpha1 is served/,
  },
  {
    title: 'a list that was cut short leaves no check ok',
    change: ({ access }) => ({
      access: { ...access, partial: 'only the first 10000' } as Facts['access'],
    }),
    check: 'node-impersonators',
    want: 'warning',
    says: /only the first 10000/,
  },
]

const approvalResource = {
  name: 'approvals.countersign.dev',
  established: true,
  served: ['v1alpha1'],
  stored: ['v1alpha1'],
  revision: 1,
}

function keepingApprovals({ gateway }: Facts): Facts['gateway'] {
  assert.ok(gateway.known)
  return known({ ...gateway.value, approvals: { namespace: 'countersign-system' } })
}

/** A gateway for each reason, which says it of its keys. */
function sayingOfKeys(...reasons: readonly string[]): (facts: Facts) => Partial<Facts> {
  return ({ readiness }) => {
    const gateway = reasons.map((reason, at) => ({
      pod: `pod-${at}`,
      conditions: [{ name: 'handle-keys', ok: true, optional: false, reason }],
      why: '',
    }))
    return { readiness: { ...readiness, gateway: known(gateway) } }
  }
}

function withCreator(access: Extract<Facts['access'], { known: true }>['value']) {
  const rule = {
    verbs: ['create'],
    groups: ['certificates.k8s.io'],
    resources: ['podcertificaterequests'],
    names: [],
  }
  const role = { kind: 'ClusterRole', namespace: '', name: 'creator', rules: [rule] } as const
  const binding = {
    kind: 'ClusterRoleBinding',
    namespace: '',
    name: 'creator',
    role: { kind: 'ClusterRole', name: 'creator' },
    subjects: [{ kind: 'User', namespace: '', name: 'mallory' }],
  } as const
  return { roles: [...access.roles, role], bindings: [...access.bindings, binding] }
}

for (const { title, change, check, want, says } of cases) {
  test(title, () => {
    const report = examine({ ...well, ...change(well) }, 'https://server')
    const found = checkOf(report, check)
    assert.equal(found.status, want, JSON.stringify(found))
    assert.match(JSON.stringify([found.summary, found.evidence, found.hint]), says)
  })
}

test('a check that lacks a fact says which right would give it, and blames nobody', () => {
  const missing = { known: false, why: 'no right to list nodes', right: 'list nodes' } as const
  const found = checkOf(examine({ ...well, nodes: missing }, 'https://server'), 'kubelets')
  assert.equal(found.status, 'warning')
  assert.equal(found.summary, 'not checked: no right to list nodes')
  assert.match(found.hint ?? '', /somebody who may list nodes/)
})

test('every label that grants means something on a namespace, and nowhere else', () => {
  const labels = Object.fromEntries(
    Object.values(grantLabelPrefixes).map((prefix) => [`${prefix}agent`, 'allow']),
  )
  const object = { namespace: '', name: 'acme', labels, annotations: {} }
  const judged = (changed: Partial<Facts>) =>
    checkOf(examine({ ...well, ...changed }, 'https://server'), 'governance-keys')
  assert.equal(judged({ namespaces: known([object]) }).status, 'ok')
  const refused = { ...labels, 'tenants.countersign.dev/Blue': 'allow' }
  const found = judged({ namespaces: known([{ ...object, labels: refused }]) })
  assert.match(JSON.stringify(found.evidence), /tenant is not a lower-case label value/)
  const elsewhere = judged({ serviceAccounts: known([{ ...object, namespace: 'acme' }]) })
  assert.equal(elsewhere.evidence?.length, 4)
})

test('what stands under an inherited name is not there', () => {
  const namespaces = known([{ namespace: '', name: 'acme', labels: {}, annotations: {} }])
  const serviceAccounts = known([
    {
      namespace: 'acme',
      name: 'a',
      labels: { 'countersign.dev/role': 'constructor' },
      annotations: { 'countersign.dev/models': '__proto__' },
    },
  ])
  const report = examine({ ...well, namespaces, serviceAccounts }, 'https://server')
  assert.equal(checkOf(report, 'governance-keys').status, 'problem')
  assert.equal(checkOf(report, 'ceilings').status, 'problem')
  assert.equal(signerName, well.signerName)
})
