/** The programs of the node, each with its command line and its log. */
import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeAddress, nodeName, serviceRange, type Layout } from './layout.ts'
import { signalInside, type Namespaces } from './namespaces.ts'

export type ComponentName =
  | 'etcd'
  | 'containerd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubelet'
  | 'kube-proxy'

const etcdUrl = 'http://127.0.0.1:2379'
const etcdPeerUrl = 'http://127.0.0.1:2380'

function apiServerArguments({ keys }: Layout): readonly string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${nodeAddress}`,
    `--advertise-address=${nodeAddress}`,
    '--secure-port=6443',
    `--tls-cert-file=${join(keys, 'apiserver.pem')}`,
    `--tls-private-key-file=${join(keys, 'apiserver-key.pem')}`,
    `--client-ca-file=${join(keys, 'ca.pem')}`,
    `--kubelet-client-certificate=${join(keys, 'apiserver-kubelet.pem')}`,
    `--kubelet-client-key=${join(keys, 'apiserver-kubelet-key.pem')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${join(keys, 'service-account.pem')}`,
    `--service-account-signing-key-file=${join(keys, 'service-account-key.pem')}`,
    `--service-cluster-ip-range=${serviceRange}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
  ]
}

const kubeconfigOf = ({ keys }: Layout, name: string): string =>
  `--kubeconfig=${join(keys, `${name}.kubeconfig`)}`

const argumentsOf: Readonly<Record<ComponentName, (layout: Layout) => readonly string[]>> = {
  etcd: ({ folder }) => [
    '--name=node',
    `--data-dir=${join(folder, 'etcd')}`,
    '--log-level=warn',
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=${etcdPeerUrl}`,
    `--initial-advertise-peer-urls=${etcdPeerUrl}`,
    `--initial-cluster=node=${etcdPeerUrl}`,
    // The power is cut by ending processes: what they wrote is safe with the kernel.
    '--unsafe-no-fsync',
  ],
  containerd: ({ configuration }) => ['--config', join(configuration, 'containerd.toml')],
  'kube-apiserver': apiServerArguments,
  'kube-controller-manager': (layout) => [
    kubeconfigOf(layout, 'kube-controller-manager'),
    `--service-account-private-key-file=${join(layout.keys, 'service-account-key.pem')}`,
    `--root-ca-file=${join(layout.keys, 'ca.pem')}`,
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    '--secure-port=0',
    `--flex-volume-plugin-dir=${layout.volumePlugins}`,
  ],
  'kube-scheduler': (layout) => [
    kubeconfigOf(layout, 'kube-scheduler'),
    '--leader-elect=false',
    '--secure-port=0',
  ],
  kubelet: (layout) => [
    kubeconfigOf(layout, 'kubelet'),
    `--config=${join(layout.configuration, 'kubelet.yaml')}`,
    `--root-dir=${layout.kubelet}`,
    `--cert-dir=${layout.keys}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${nodeAddress}`,
  ],
  'kube-proxy': ({ configuration }) => [`--config=${join(configuration, 'kube-proxy.yaml')}`],
}

interface Running {
  readonly child: ChildProcess
  /** Settles when the process is gone, with how it went. */
  readonly exited: Promise<string>
}

/** What runs in one set of namespaces: a reboot has new ones. */
export class Components {
  readonly #layout: Layout
  readonly #namespaces: Namespaces
  readonly #running = new Map<ComponentName, Running>()
  /** How a component died before it was asked to, worded for an error. */
  #death: string | undefined

  constructor(layout: Layout, namespaces: Namespaces) {
    this.#layout = layout
    this.#namespaces = namespaces
  }

  /** With more arguments, if any, for this once. */
  start(name: ComponentName, more: readonly string[] = []): void {
    const log = openSync(this.#logFile(name), 'a', 0o600)
    const program = join(this.#layout.bin, name)
    const words = [...argumentsOf[name](this.#layout), ...more]
    const child = this.#namespaces.start(program, words, log)
    closeSync(log)
    const exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    const running: Running = { child, exited }
    this.#running.set(name, running)
    void exited.then((how) => {
      if (this.#running.get(name) !== running) return
      this.#death ??= `${name} died: ${how}; the end of its log:\n${this.lastLines(name, 20)}`
    })
  }

  /** Asks it to end, and insists after 20 seconds. */
  async stop(name: ComponentName): Promise<void> {
    const running = this.#running.get(name)
    if (running === undefined) return
    this.#running.delete(name)
    running.child.ref()
    signalInside(running.child, 'SIGTERM')
    const grace = delay(20_000, false, { ref: false })
    const gone = await Promise.race([running.exited.then(() => true), grace])
    if (!gone) signalInside(running.child, 'SIGKILL')
    await running.exited
  }

  /** They end with the namespaces, which is no fault of theirs. */
  async allGone(): Promise<void> {
    const all = [...this.#running.values()]
    this.#running.clear()
    for (const { child } of all) child.ref()
    await Promise.all(all.map(({ exited }) => exited))
  }

  /** The processes, by their ids outside. */
  get running(): readonly ComponentName[] {
    return [...this.#running.keys()]
  }

  #logFile(name: ComponentName): string {
    return join(this.#layout.logs, `${name}.log`)
  }

  lastLines(name: ComponentName, count: number): string {
    const path = this.#logFile(name)
    if (!existsSync(path)) return ''
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-count).join('\n')
  }

  /** Asks until the probe says true; a dead component or the end of the time is an error. */
  async until(what: string, timeoutSeconds: number, probe: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + timeoutSeconds * 1000
    while (performance.now() < deadline) {
      const done = await probe()
      if (this.#death !== undefined) throw new Error(this.#death)
      if (done) return
      await delay(100)
    }
    const logs = this.running.map((name) => `${name}:\n${this.lastLines(name, 5)}`)
    throw new Error(`${what}: not within ${timeoutSeconds} s\n${logs.join('\n')}`)
  }
}
