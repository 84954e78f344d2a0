import { namespacesOf, serviceAccountsOf, spiffeIdOf, stage, type CastPod } from './cast.ts'
import { ownName, type OwnServer } from './own-server.ts'

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string } & Record<
    string,
    unknown
  >
  readonly [member: string]: unknown
}

/** The users that the signer and the gateway are to the API server, as their service accounts would be. */
export const platformUsers: { readonly signer: string; readonly gateway: string } = {
  signer: `system:serviceaccount:${stage.system}:countersign-signer`,
  gateway: `system:serviceaccount:${stage.system}:countersign-gateway`,
}

export function namespaceManifests(own: OwnServer | undefined): readonly Manifest[] {
  return namespacesOf(own).map(({ name, labels }) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels },
  }))
}

export function serviceAccountManifests(own: OwnServer | undefined): readonly Manifest[] {
  const platform = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'countersign-signer', namespace: stage.system },
  }
  const cast = serviceAccountsOf(own).map(({ namespace, name, role, models, toolScopes }) => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      name,
      namespace,
      labels: { 'countersign.dev/role': role },
      annotations: {
        ...(models === undefined ? {} : { 'countersign.dev/models': models }),
        ...(toolScopes === undefined ? {} : { 'countersign.dev/tool-scopes': toolScopes }),
      },
    },
  }))
  return [platform, ...cast]
}

/** A Service for everybody who serves: it is what gives a certificate its DNS name. */
export function serviceManifests(own: OwnServer | undefined): readonly Manifest[] {
  const serving = [
    [stage.system, 'countersign-gateway'],
    ['tools', 'github'],
    ['tools', 'notes'],
    ['acme', 'inference-worker'],
    ...(own === undefined ? [] : [['tools', ownName] as const]),
  ] as const
  return serving.map(([namespace, name]) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 443 }] },
  }))
}

/** A pod with one projected volume: its certificate and the anchors it trusts. */
export function podManifest(pod: CastPod, command: readonly string[]): Manifest {
  const { signerName, volume, credentialBundle, trustBundle } = stage
  const podCertificate = {
    signerName,
    keyType: pod.keyType ?? 'ECDSAP256',
    maxExpirationSeconds: 3600,
    credentialBundlePath: credentialBundle,
    ...(Object.keys(pod.asks).length === 0 ? {} : { userAnnotations: pod.asks }),
  }
  const clusterTrustBundle = { signerName, labelSelector: {}, path: trustBundle }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod.name, namespace: pod.namespace, labels: { app: pod.name } },
    spec: {
      nodeName: stage.node,
      serviceAccountName: pod.serviceAccount,
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'main',
          image: `countersign.dev/example/${pod.workload ?? 'none'}`,
          command,
          env: environmentOf(pod),
          volumeMounts: [{ name: volume, mountPath: '/var/run/countersign' }],
        },
      ],
      volumes: [
        { name: volume, projected: { sources: [{ podCertificate }, { clusterTrustBundle }] } },
      ],
    },
  }
}

function environmentOf(pod: CastPod): readonly { name: string; value: string }[] {
  const all = {
    TRUST_DOMAIN: stage.trustDomain,
    GATEWAY_SPIFFE_ID: spiffeIdOf(stage.system, 'countersign-gateway'),
    ...pod.environment,
  }
  return Object.entries(all).map(([name, value]) => ({ name, value }))
}

/** A pod that asks for no certificate at all. */
export const bystander: Manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'bystander', namespace: 'acme', labels: { app: 'bystander' } },
  spec: {
    nodeName: stage.node,
    serviceAccountName: 'researcher',
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'countersign.dev/example/none' }],
  },
}
