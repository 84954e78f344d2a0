/**
 * A complete Kubernetes of one node, on this machine and without a network: the real programs, in Linux namespaces
 * of their own, with everything that they write in one folder. Root is needed, and `node test/tools/build.ts node`.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeImageArchive } from '../../../image/archive.ts'
import { copied } from '../../../image/layer.ts'
import { toolPath } from '../../tools/build.ts'
import { groups, type ToolName } from '../../tools/programs.ts'
import { createControlGroups, removeControlGroups } from './cgroups.ts'
import { Components, type ComponentName } from './components.ts'
import { writeConfiguration } from './configuration.ts'
import { writeCredentials } from './credentials.ts'
import { layOut, nodeName, type Layout } from './layout.ts'
import { furnish } from './mounts.ts'
import { Namespaces, type Ran, type RunOptions } from './namespaces.ts'
import { volumeManifests } from './volumes.ts'
import { Watchdog } from './watchdog.ts'

export interface ImageArchive {
  /** As pods name it. */
  readonly name: string
  /** An OCI archive. */
  readonly path: string
}

export const pauseImage = 'countersign.test/pause:1'
const corednsImage = 'countersign.test/coredns:1'

type Progress = (line: string) => void

function requireTool(name: ToolName): string {
  const path = toolPath(name)
  if (path === undefined) throw new Error(`${name} is not built: npx node test/tools/build.ts node`)
  return path
}

/** The folders, keys and configuration that a first boot finds. */
async function install(layout: Layout): Promise<void> {
  const network = join(layout.configuration, 'network')
  const { keys, logs, bin, kubelet, podLogs, home, temporary } = layout
  for (const path of [network, keys, logs, bin, kubelet, podLogs, home, temporary]) {
    await mkdir(path, { recursive: true })
  }
  for (const name of groups['node'] ?? []) await symlink(requireTool(name), join(bin, name))
  await writeCredentials(layout)
  await writeConfiguration(layout, pauseImage)
}

/** What every node runs besides what a test brings. */
async function ownImages(folder: string): Promise<readonly ImageArchive[]> {
  const images = [
    { name: pauseImage, program: 'pause' },
    { name: corednsImage, program: 'coredns' },
  ] as const
  const archives: ImageArchive[] = []
  for (const { name, program } of images) {
    const path = join(folder, `${program}.tar`)
    await writeImageArchive({
      file: path,
      reference: name,
      config: { Entrypoint: [`/${program}`], User: '65532:65532' },
      layers: [[copied(program, requireTool(program), 0o755)]],
    })
    archives.push({ name, path })
  }
  return archives
}

export class Node {
  readonly #layout: Layout
  readonly #watchdog: Watchdog
  readonly #report: Progress
  readonly #onSwitchedOn: (node: Node) => void
  readonly #ownsFolder: boolean
  #namespaces: Namespaces | undefined
  #components: Components | undefined

  constructor(options: {
    readonly layout: Layout
    readonly ownsFolder: boolean
    readonly report: Progress
    readonly onSwitchedOn: (node: Node) => void
  }) {
    this.#layout = options.layout
    this.#ownsFolder = options.ownsFolder
    this.#report = options.report
    this.#onSwitchedOn = options.onSwitchedOn
    const { controlGroup, folder } = this.#layout
    const folderToRemove = this.#ownsFolder ? folder : ''
    this.#watchdog = new Watchdog({ controlGroup, folderToRemove })
  }

  get folder(): string {
    return this.#layout.folder
  }

  get controlGroup(): string {
    return this.#layout.controlGroup
  }

  /** The administrator's; its address can be reached from inside only. */
  get kubeconfig(): string {
    return this.#layout.adminKubeconfig
  }

  /** Runs a command inside, where the node's programs and this machine's are on the PATH. */
  async run(command: string, words: readonly string[], options?: RunOptions): Promise<Ran> {
    if (this.#namespaces === undefined) throw new Error('the node is switched off')
    return this.#namespaces.run(command, words, options)
  }

  /**
   * kubectl as the administrator: a line that is split at its spaces, and words that are taken as they are. An exit
   * code other than 0 is an error with what it said.
   */
  async kubectl(line: string, ...words: readonly string[]): Promise<string> {
    return this.#must('kubectl', [...line.split(' '), ...words])
  }

  async helm(line: string, ...words: readonly string[]): Promise<string> {
    return this.#must('helm', [...line.split(' '), ...words])
  }

  async #must(command: string, words: readonly string[], options?: RunOptions): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, words, options)
    if (code === 0) return stdout
    throw new Error(`${command} ${words.join(' ')}: exit code ${code}\n${stdout}${stderr}`.trim())
  }

  /** Objects as JSON, or manifests as YAML text. */
  async apply(...manifests: readonly (object | string)[]): Promise<void> {
    const documents = manifests.map((manifest) =>
      typeof manifest === 'string' ? manifest : JSON.stringify(manifest),
    )
    const input = documents.join('\n---\n')
    await this.#must('kubectl', ['apply', '--server-side', '-f', '-'], { input })
  }

  /** One object of the API, by its path. */
  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.kubectl('get --raw', path)) as T
  }

  async import(images: readonly ImageArchive[]): Promise<void> {
    const inKubernetes = ['--namespace', 'k8s.io', 'images']
    const present = await this.#must('ctr', [...inKubernetes, 'list', '--quiet'])
    for (const { name, path } of images) {
      if (present.split('\n').includes(name)) continue
      await this.#must('ctr', [...inKubernetes, 'import', '--all-platforms', path])
      this.#report(`imported ${name}`)
    }
  }

  /** Ends a component and starts it again, with more arguments if any are given. */
  async restart(name: ComponentName, ...more: readonly string[]): Promise<void> {
    if (this.#components === undefined) throw new Error('the node is switched off')
    await this.#components.stop(name)
    this.#components.start(name, more)
  }

  /** Ends every process at once; what is on the disk stays. */
  async powerCut(): Promise<void> {
    await this.#namespaces?.end()
    await this.#components?.allGone()
    this.#namespaces = undefined
    this.#components = undefined
    await removeControlGroups(this.#layout.controlGroup)
  }

  /** Starts everything on what the disk has, and waits until the node is Ready and names are resolved. */
  async boot(images: readonly ImageArchive[] = []): Promise<void> {
    const { folder, bin, logs, home, temporary, controlGroup } = this.#layout
    const bootedAt = Math.floor(Date.now() / 1000) * 1000
    await createControlGroups(controlGroup)
    const environment = {
      PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: home,
      TMPDIR: temporary,
      KUBECONFIG: this.kubeconfig,
    }
    const program = requireTool('pause')
    const logFile = join(logs, 'init.log')
    const namespaces = await Namespaces.create({ program, environment, logFile })
    this.#namespaces = namespaces
    this.#watchdog.guard(namespaces.init)
    await furnish(namespaces, this.#layout)
    this.#report(`switched on in ${folder}`)
    this.#onSwitchedOn(this)
    const components = new Components(this.#layout, namespaces)
    this.#components = components
    for (const name of ['etcd', 'containerd', 'kube-apiserver'] as const) components.start(name)
    await components.until('containerd answers', 30, () => this.#succeeds('ctr', 'version'))
    await this.import(images)
    await components.until('kube-apiserver ready', 60, () =>
      this.#succeeds('kubectl', 'get', '--raw', '/readyz'),
    )
    components.start('kube-controller-manager')
    components.start('kube-scheduler')
    components.start('kubelet')
    components.start('kube-proxy')
    await this.#furnishCluster()
    await components.until('node Ready', 60, () => this.#isReady(bootedAt))
    this.#report('node Ready')
    await components.until('cluster DNS at work', 60, () => this.#resolvesNames(bootedAt))
    this.#report('cluster DNS at work')
  }

  async #succeeds(command: string, ...words: readonly string[]): Promise<boolean> {
    return (await this.run(command, words)).code === 0
  }

  async #furnishCluster(): Promise<void> {
    const manifests = join(import.meta.dirname, 'manifests')
    await this.kubectl('apply --server-side -f', manifests)
    await this.apply(...(await volumeManifests(this.#layout)))
  }

  /** What was said before the power was cut does not count. */
  async #isReady(since: number): Promise<boolean> {
    const account = '/api/v1/namespaces/default/serviceaccounts/default'
    if (!(await this.#succeeds('kubectl', 'get', '--raw', account))) return false
    const path = `/api/v1/nodes/${nodeName}`
    const { code, stdout } = await this.run('kubectl', ['get', '--raw', path])
    if (code !== 0) return false
    const { spec, status } = JSON.parse(stdout) as {
      spec: { taints?: readonly unknown[] }
      status: {
        conditions?: readonly { type: string; status: string; lastHeartbeatTime: string }[]
      }
    }
    const ready = status.conditions?.find(({ type }) => type === 'Ready')
    if (ready === undefined || Date.parse(ready.lastHeartbeatTime) < since) return false
    return ready.status === 'True' && spec.taints === undefined
  }

  async #resolvesNames(since: number): Promise<boolean> {
    const { items } = await this.get<{
      items: readonly {
        status: {
          containerStatuses?: readonly {
            ready: boolean
            state: { running?: { startedAt: string } }
          }[]
        }
      }[]
    }>('/api/v1/namespaces/kube-system/pods?labelSelector=app%3Dcoredns')
    return items.some(({ status }) =>
      status.containerStatuses?.some(
        ({ ready, state }) => ready && Date.parse(state.running?.startedAt ?? '') >= since,
      ),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerCut()
    this.#watchdog.end()
    if (this.#ownsFolder) await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A test runner that was ended leaves its files running with nobody to report to: then the watchdog has to act. */
function endWithRunner(): void {
  if (process.env['NODE_TEST_CONTEXT'] === undefined) return
  const runner = process.ppid
  const check = setInterval(() => {
    if (process.ppid !== runner) process.kill(process.pid, 'SIGKILL')
  }, 1000)
  check.unref()
}

/** Starts a node, and has it Ready with its DNS; two of them do not meet. */
export async function startNode(options: {
  /** Where everything is kept; without it a temporary folder, gone with the node unless COUNTERSIGN_KEEP is set. */
  readonly folder?: string
  /** Besides the node's own. */
  readonly images?: readonly ImageArchive[]
  readonly onProgress?: Progress
  /** Its first process runs, and nothing else yet. */
  readonly onSwitchedOn?: (node: Node) => void
}): Promise<Node> {
  const { onProgress: report = () => undefined, onSwitchedOn = () => undefined } = options
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'countersign-node-')))
  const layout = layOut(folder, `countersign-${randomBytes(4).toString('hex')}`)
  const ownsFolder = options.folder === undefined && !process.env['COUNTERSIGN_KEEP']
  const node = new Node({ layout, ownsFolder, report, onSwitchedOn })
  endWithRunner()
  try {
    await install(layout)
    await node.boot([...(await ownImages(layout.temporary)), ...(options.images ?? [])])
    return node
  } catch (error) {
    await node[Symbol.asyncDispose]()
    throw error
  }
}
