/** Who plays in the stories on the node: tenants, a tool server, agents. */

export const system = 'countersign-system'
export const trustDomain = 'agents.example'
/** Made of a random UUID with the command of docs/OPERATING.md. */
export const identityExtensionOid =
  '1.2.840.113556.1.8000.2554.21.51927.65322.19970.36774.1989995.9966077'
export const signerName = 'countersign.dev/identity'
export const workloadImage = 'countersign.test/workloads:1'

const role = (name: string): Record<string, string> => ({
  [`roles.countersign.dev/${name}`]: 'allow',
})

interface Tenancy {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

const tenancies: readonly Tenancy[] = [
  { name: 'tools', labels: { 'countersign.dev/tenant': 'platform', ...role('tool-server') } },
  {
    name: 'acme',
    labels: {
      'countersign.dev/tenant': 'acme',
      ...role('agent'),
      'tools.countersign.dev/github': 'allow',
      'models.countersign.dev/small': 'allow',
    },
  },
  { name: 'globex', labels: { 'countersign.dev/tenant': 'globex', ...role('agent') } },
]

function namespace({ name, labels }: Tenancy): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

/** Where the chart is installed: its pods fit the strictest level of Pod Security. */
export const systemNamespace: object = namespace({
  name: system,
  labels: {
    'pod-security.kubernetes.io/enforce': 'restricted',
    'countersign.dev/tenant': 'platform',
    ...role('tool-broker'),
  },
})

function serviceAccount(
  at: string,
  name: string,
  roleName: string,
  annotations: Readonly<Record<string, string>> = {},
): object {
  const labels = { 'countersign.dev/role': roleName }
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace: at, labels, annotations },
  }
}

const identityMount = { name: 'identity', mountPath: '/var/run/countersign', readOnly: true }

/** The certificate with what is asked for in it, and the trust bundle beside. */
export function identityVolume(asks: Readonly<Record<string, string>> = {}): object {
  const userAnnotations = Object.fromEntries(
    Object.entries(asks).map(([key, value]) => [`countersign.dev/${key}`, value]),
  )
  const podCertificate = {
    signerName,
    keyType: 'ECDSAP256',
    credentialBundlePath: 'credential-bundle.pem',
    ...(Object.keys(asks).length > 0 ? { userAnnotations } : {}),
  }
  const clusterTrustBundle = { signerName, labelSelector: {}, path: 'trust-bundle.pem' }
  return {
    name: 'identity',
    projected: { sources: [{ podCertificate }, { clusterTrustBundle }] },
  }
}

interface PodOptions {
  readonly serviceAccountName: string
  readonly program: 'agent' | 'github'
  readonly asks?: Readonly<Record<string, string>>
  readonly container?: object
}

function podSpec({ serviceAccountName, program, asks, container = {} }: PodOptions): object {
  return {
    serviceAccountName,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 10,
    // No fsGroup: with one the group could read the key, too.
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'main',
        image: workloadImage,
        imagePullPolicy: 'Never',
        args: [`/app/${program}.mjs`],
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        },
        volumeMounts: [identityMount],
        ...container,
      },
    ],
    volumes: [identityVolume(asks)],
  }
}

/** A pod that waits, with what it asks for in its certificate. */
export function agentPod(
  at: string,
  name: string,
  serviceAccountName: string,
  asks: Readonly<Record<string, string>> = {},
): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: at },
    spec: podSpec({ serviceAccountName, program: 'agent', asks }),
  }
}

const labels = { app: 'github' }

const toolServer: object = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'github', namespace: 'tools' },
  spec: {
    selector: { matchLabels: labels },
    strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    template: {
      metadata: { labels },
      spec: podSpec({
        serviceAccountName: 'github',
        program: 'github',
        container: {
          readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
        },
      }),
    },
  },
}

const toolService: object = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'github', namespace: 'tools' },
  spec: { selector: labels, ports: [{ port: 8443 }] },
}

/** Everything but the pods of the agents. */
export const cast: readonly object[] = [
  ...tenancies.map(namespace),
  serviceAccount('tools', 'github', 'tool-server'),
  toolService,
  toolServer,
  serviceAccount('acme', 'researcher', 'agent', {
    'countersign.dev/models': 'small',
    'countersign.dev/tool-scopes': 'github:issues_*',
  }),
  serviceAccount('globex', 'thief', 'agent'),
]
