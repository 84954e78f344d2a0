import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { Cluster } from '../../dev/cluster.ts'
import { chartFolder, helm, releaseNamespace, type HelmAnswer, type Rendered } from './chart.ts'
import { toolPath } from '../tools/build.ts'
import type { PlainAnswer, PlainClient } from './plain-client.ts'
import { root } from './source-tree.ts'

const paths: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  Pod: '/api/v1/namespaces/:namespace/pods',
  ServiceAccount: '/api/v1/namespaces/:namespace/serviceaccounts',
  Service: '/api/v1/namespaces/:namespace/services',
  Secret: '/api/v1/namespaces/:namespace/secrets',
  ConfigMap: '/api/v1/namespaces/:namespace/configmaps',
  PersistentVolumeClaim: '/api/v1/namespaces/:namespace/persistentvolumeclaims',
  StatefulSet: '/apis/apps/v1/namespaces/:namespace/statefulsets',
  Deployment: '/apis/apps/v1/namespaces/:namespace/deployments',
  Lease: '/apis/coordination.k8s.io/v1/namespaces/:namespace/leases',
  PodDisruptionBudget: '/apis/policy/v1/namespaces/:namespace/poddisruptionbudgets',
  NetworkPolicy: '/apis/networking.k8s.io/v1/namespaces/:namespace/networkpolicies',
  Role: '/apis/rbac.authorization.k8s.io/v1/namespaces/:namespace/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/namespaces/:namespace/rolebindings',
  PodMonitor: '/apis/monitoring.coreos.com/v1/namespaces/:namespace/podmonitors',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  ClusterTrustBundle: '/apis/certificates.k8s.io/v1/clustertrustbundles',
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  ValidatingAdmissionPolicy: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding:
    '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
}

export function collectionPath(kind: string, namespace: string): string {
  const path = paths[kind]
  if (path === undefined) throw new Error(`no path for ${kind}`)
  return path.replace(':namespace', namespace)
}

/** What the API server says to the object, without keeping it; an unknown field is an error. */
export function dryRun(admin: PlainClient, object: Rendered): Promise<PlainAnswer> {
  const path = collectionPath(object.kind, object.metadata.namespace ?? releaseNamespace)
  return admin({ method: 'POST', path: `${path}?dryRun=All&fieldValidation=Strict`, body: object })
}

/** Every object that a release of the chart made, and what it and its pods leave behind: `Kind name`, in order. */
export async function listChartObjects(
  admin: PlainClient,
  namespace: string,
): Promise<readonly string[]> {
  const found: string[] = []
  for (const kind of Object.keys(paths)) {
    if (kind === 'Namespace' || kind === 'PodMonitor') continue
    const { status, body } = await admin({ path: collectionPath(kind, namespace) })
    assert.equal(status, 200, kind)
    const items = body.items as readonly Rendered[]
    for (const { metadata } of items) {
      if (/countersign/.test(metadata.name)) found.push(`${kind} ${metadata.name}`)
    }
  }
  return found.toSorted()
}

export interface Release {
  readonly name: string
  readonly namespace: string
  readonly chart: string
  readonly values: string
}

/** `helm <verb>` of one release of the chart; what is given overrides. */
export function helmOn(
  cluster: Pick<Cluster, 'adminKubeconfig'>,
  release: Pick<Release, 'values'> & Partial<Release>,
): (verb: 'install' | 'upgrade', ...more: readonly string[]) => Promise<HelmAnswer> {
  const { name = 'countersign', namespace = releaseNamespace, chart = chartFolder } = release
  return (verb, ...more) =>
    helm([verb, name, chart, '--namespace', namespace, '-f', release.values, ...more], {
      kubeconfig: cluster.adminKubeconfig,
    })
}

/** Runs commands that we tell people to run, as they stand, from the top of the repository. */
export async function kubectl(
  cluster: Pick<Cluster, 'adminKubeconfig'>,
  commands: string,
): Promise<void> {
  const path = toolPath('kubectl')
  if (path === undefined)
    throw new Error('kubectl is not built: run node test/tools/build.ts kubectl')
  const KUBECONFIG = cluster.adminKubeconfig
  // It keeps what it discovered below HOME.
  const env = { PATH: `${dirname(path)}:/usr/bin:/bin`, KUBECONFIG, HOME: dirname(KUBECONFIG) }
  await promisify(execFile)('/bin/sh', ['-ec', commands], { env, cwd: root })
}
