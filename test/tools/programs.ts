/** What `build.ts` can build: each program with the Go module beside this file that pins it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const nodeProgramNames = [
  'pause',
  'loopback',
  'ptp',
  'host-local',
  'runc',
  'coredns',
  'containerd-shim-runc-v2',
  'containerd',
  'ctr',
  'kubectl',
  'kube-scheduler',
  'kube-proxy',
  'kubelet',
] as const

export type ProgramName =
  | 'opa'
  | 'go-json'
  | 'tlog'
  | 'rego-cases'
  | 'x509-verify'
  | 'spiffe-bundle'
  | 'registry'
  | 'helm'
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kubemark'
  | (typeof nodeProgramNames)[number]

export interface Program {
  /** The folder of the Go module. */
  readonly module: string
  /** The required module whose version the program carries; without one it is our own. */
  readonly versionOf?: string
  readonly package: string
  readonly tags?: string
  /** Needs C, and libseccomp to link with; every other program needs no C compiler. */
  readonly linksSeccomp?: boolean
  /** Linker settings: an unstamped binary reports a version nobody can use. */
  stamp?(version: string): readonly string[]
}

function kubernetesProgram(module: string, source: string): Program {
  const variable = 'k8s.io/component-base/version'
  return {
    module,
    versionOf: 'k8s.io/kubernetes',
    package: source,
    stamp(version) {
      const [major, minor] = version.split('.')
      return [
        `-X ${variable}.gitVersion=v${version}`,
        `-X ${variable}.gitMajor=${major}`,
        `-X ${variable}.gitMinor=${minor}`,
      ]
    },
  }
}

function containerdProgram(name: string, tags: string): Program {
  const source = 'github.com/containerd/containerd/v2'
  return {
    module: 'containerd',
    versionOf: source,
    package: `${source}/cmd/${name}`,
    tags: `no_btrfs,no_zfs,no_devmapper,no_aufs,no_tracing,no_systemd${tags}`,
    stamp: (version) => [`-X ${source}/version.Version=${version}`],
  }
}

function networkPlugin(path: string): Program {
  const source = 'github.com/containernetworking/plugins'
  return {
    module: 'cni',
    versionOf: source,
    package: `${source}/plugins/${path}`,
    stamp: (version) => [`-X ${source}/pkg/utils/buildversion.BuildVersion=v${version}`],
  }
}

/** In build order: the quickest first within a group, because others wait for it. */
export const programs: Readonly<Record<ProgramName, Program>> = {
  opa: {
    module: 'opa',
    versionOf: 'github.com/open-policy-agent/opa',
    package: 'github.com/open-policy-agent/opa',
    stamp: (version) => [`-X github.com/open-policy-agent/opa/version.Version=${version}`],
  },
  helm: {
    module: 'helm',
    versionOf: 'helm.sh/helm/v4',
    package: 'helm.sh/helm/v4/cmd/helm',
    stamp: (version) => [`-X helm.sh/helm/v4/internal/version.version=v${version}`],
  },
  etcd: {
    module: 'cluster',
    versionOf: 'go.etcd.io/etcd/server/v3',
    package: './etcd',
  },
  'kube-apiserver': kubernetesProgram('cluster', 'k8s.io/kubernetes/cmd/kube-apiserver'),
  kubemark: kubernetesProgram('cluster', './kubemark'),
  'kube-controller-manager': kubernetesProgram(
    'cluster',
    'k8s.io/kubernetes/cmd/kube-controller-manager',
  ),
  'go-json': { module: 'go-json', package: '.' },
  tlog: { module: 'tlog', package: '.' },
  'rego-cases': { module: 'rego-cases', package: '.' },
  'x509-verify': { module: 'x509-verify', package: '.' },
  'spiffe-bundle': { module: 'spiffe-bundle', package: '.' },
  registry: {
    module: 'registry',
    versionOf: 'github.com/google/go-containerregistry',
    package: '.',
  },
  pause: { module: 'pause', package: '.' },
  loopback: networkPlugin('main/loopback'),
  ptp: networkPlugin('main/ptp'),
  'host-local': networkPlugin('ipam/host-local'),
  runc: {
    module: 'runc',
    versionOf: 'github.com/opencontainers/runc',
    package: 'github.com/opencontainers/runc',
    tags: 'seccomp,netgo,osusergo',
    linksSeccomp: true,
    stamp: () => ['-extldflags -static'],
  },
  coredns: { module: 'coredns', versionOf: 'github.com/coredns/coredns', package: '.' },
  // One shim runs for each pod: without gRPC it is a third smaller.
  'containerd-shim-runc-v2': containerdProgram('containerd-shim-runc-v2', ',no_grpc'),
  containerd: containerdProgram('containerd', ''),
  ctr: containerdProgram('ctr', ''),
  kubectl: kubernetesProgram('kubernetes', 'k8s.io/kubernetes/cmd/kubectl'),
  'kube-scheduler': kubernetesProgram('kubernetes', 'k8s.io/kubernetes/cmd/kube-scheduler'),
  'kube-proxy': kubernetesProgram('kubernetes', 'k8s.io/kubernetes/cmd/kube-proxy'),
  kubelet: kubernetesProgram('kubernetes', 'k8s.io/kubernetes/cmd/kubelet'),
}

/** What comes from Debian's packages as it is: kube-proxy writes its rules with nft, and softhsm2 has a token with keys. */
export type DebianProgramName = 'nft' | 'softhsm2'

/** What cargo builds: rustls reads certificates by rules of its own. */
export type CargoProgramName = 'webpki-verify'

export type ToolName = ProgramName | DebianProgramName | CargoProgramName

export const toolNames: readonly ToolName[] = [
  ...(Object.keys(programs) as ProgramName[]),
  'nft',
  'softhsm2',
  'webpki-verify',
]

/** What a word on the command line stands for, besides the name of a tool. */
export const groups: Readonly<Record<string, readonly ToolName[]>> = {
  opa: ['opa'],
  helm: ['helm'],
  cluster: ['etcd', 'kube-apiserver', 'kubemark', 'kube-controller-manager'],
  // The real kubelet stands in kubemark's place; the rest of the control plane is the cluster's.
  node: ['helm', 'etcd', 'kube-apiserver', 'kube-controller-manager', ...nodeProgramNames, 'nft'],
  'go-json': ['go-json'],
  tlog: ['tlog'],
  'rego-cases': ['rego-cases'],
  'x509-verify': ['x509-verify'],
  'spiffe-bundle': ['spiffe-bundle'],
  registry: ['registry'],
}

export function moduleFolder(program: Program): string {
  return join(import.meta.dirname, program.module)
}

export function pinnedVersion(program: Program): string {
  const { versionOf } = program
  if (versionOf === undefined) return '0'
  const text = readFileSync(join(moduleFolder(program), 'go.mod'), 'utf8')
  const line = text.split('\n').find((candidate) => candidate.includes(`${versionOf} v`))
  const version = line?.match(/ v([0-9][^ ]*)/)?.[1]
  if (version === undefined) throw new Error(`go.mod of ${program.module} pins no ${versionOf}`)
  return version
}

export function buildArguments(program: Program): readonly string[] {
  const stamp = program.stamp?.(pinnedVersion(program)) ?? []
  const settings = ['-s', '-w', ...stamp].join(' ')
  const tags = program.tags === undefined ? [] : [`-tags=${program.tags}`]
  return ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', `-ldflags=${settings}`, ...tags]
}
