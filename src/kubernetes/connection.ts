import { existsSync } from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import { Agent, type AgentOptions } from 'node:https'
import { readCredential, type ClusterCredential } from './cluster-credential.ts'
import { runExecPlugin, type ExecCredential } from './exec-credential.ts'
import {
  defaultKubeconfigs,
  readKubeconfig,
  type ClusterAccess,
  type ExecPlugin,
} from './kubeconfig.ts'
import { inClusterAccess, isInPod } from './service-account.ts'

/** Idle connections are closed by us before an API server or a load balancer does it in the middle of a request. */
const idleMilliseconds = 30_000
/** Files are read again after so long: tokens and certificates are renewed in place. */
const keptMilliseconds = 60_000
/** A credential that is refused is fetched anew, but no more often than this. */
const renewedMilliseconds = 10_000

/**
 * Connections for requests that are answered at once. Each costs a handshake on both sides and some hundred KiB of ours, and a burst would
 * open one for each of its requests; those that find none wait for one, which is shorter.
 */
const connectionsMax = 16

/** What is slow, or hangs, must not take from us the Leases that say that we live. */
const leaseConnectionsMax = 2

interface Agents {
  /** Few connections, for what is answered at once. */
  readonly plain: Agent
  readonly lease: Agent
  /** A connection for each stream, which keeps it for as long as it lasts. */
  readonly stream: Agent
}

/** What differs from request to request of one connection. */
export interface ConnectionOptions {
  readonly agents: Agents
  readonly headers: OutgoingHttpHeaders
}

/** The server of a kubeconfig or of the cluster that we run in, and how to talk to it. */
export interface Connection {
  readonly server: URL
  /** For people: where a request goes first, when it is not the server. */
  readonly proxy: string | undefined
  /** TLS options, credentials and agent for the next request. */
  options(): Promise<ConnectionOptions>
  /** After a 401: true where there is another credential now than the one that was refused. */
  renew(refused: ConnectionOptions): Promise<boolean>
  close(): void
}

export interface ConnectionSource {
  /** Paths of kubeconfigs, merged; undefined: the service account of the pod that we run in. */
  readonly kubeconfig?: string | readonly string[] | undefined
  /** Of the person who gives a command: where no kubeconfig is named, theirs is used, as kubectl does it. */
  readonly home?: string
  /** Unless told, the kubeconfig's current one. */
  readonly context?: string | undefined
  /** Says where the cluster of our pod is, and is what exec plugins run with. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly serviceAccountFolder?: string
  readonly now?: () => number
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
}

/** Agents are kept by credential, so that a rotated client certificate or CA opens new connections with the new one. */
function createAgents(): {
  get(access: ClusterAccess, credential: ClusterCredential): Agents
  close(): void
} {
  let current: { readonly key: string; readonly agents: Agents } | undefined
  return {
    get({ serverName, proxy }, { ca, certificate, privateKey }) {
      const key = JSON.stringify([ca, certificate, privateKey, serverName, proxy?.href])
      if (current?.key === key) return current.agents
      const options: AgentOptions = {
        keepAlive: true,
        timeout: idleMilliseconds,
        minVersion: 'TLSv1.2',
        ...(ca === undefined ? {} : { ca }),
        ...(certificate === undefined ? {} : { cert: certificate }),
        ...(privateKey === undefined ? {} : { key: privateKey }),
        ...(serverName === undefined ? {} : { servername: serverName }),
        ...(proxy === undefined ? {} : { proxyEnv: { HTTPS_PROXY: proxy.href } }),
      }
      // Running requests of the old agents finish; their idle connections end by themselves.
      const agents = {
        plain: new Agent({ ...options, maxSockets: connectionsMax }),
        lease: new Agent({ ...options, maxSockets: leaseConnectionsMax }),
        stream: new Agent(options),
      }
      current = { key, agents }
      return current.agents
    },
    close() {
      for (const agent of Object.values(current?.agents ?? {}) as Agent[]) agent.destroy()
    },
  }
}

function readAccess(source: ConnectionSource): ClusterAccess {
  const { kubeconfig, context, home, environment = {}, serviceAccountFolder } = source
  if (kubeconfig !== undefined) {
    return readKubeconfig(typeof kubeconfig === 'string' ? [kubeconfig] : kubeconfig, context)
  }
  // A person's command in a pod: as for kubectl, a kubeconfig goes before the pod's service account.
  const theirs = home === undefined ? undefined : defaultKubeconfigs(environment, home)
  if (theirs !== undefined && !(isInPod(environment) && !theirs.some((path) => existsSync(path)))) {
    return readKubeconfig(theirs, context)
  }
  return inClusterAccess(environment, serviceAccountFolder)
}

class ClusterConnection implements Connection {
  readonly server: URL
  readonly proxy: string | undefined
  readonly #source: ConnectionSource
  readonly #now: () => number
  readonly #clock: () => number
  readonly #agents = createAgents()
  /** The last ones that could be read. */
  #access: ClusterAccess
  #credential: ClusterCredential
  /** What the exec plugin gave, and which one it was. */
  #executed: { readonly key: string; readonly credential: ExecCredential } | undefined
  #kept: { readonly until: number; readonly value: Promise<ConnectionOptions> } | undefined
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(source: ConnectionSource) {
    this.#source = source
    this.#now = source.now ?? Date.now
    this.#clock = source.clock ?? (() => performance.now())
    this.#access = readAccess(source)
    this.#credential = readCredential(this.#access)
    this.server = this.#access.server
    this.proxy = this.#access.proxy?.host
  }

  async options(): Promise<ConnectionOptions> {
    const time = this.#clock()
    if (this.#kept === undefined || this.#kept.until <= time || this.#isOver()) {
      const value = this.#read()
      this.#kept = { until: time + keptMilliseconds, value }
      value.catch(() => (this.#kept = undefined))
    }
    return this.#kept.value
  }

  async renew(refused: ConnectionOptions): Promise<boolean> {
    // Of many requests that are refused at once the first renews for all.
    const seldom = this.#clock() - this.#renewedAt >= renewedMilliseconds
    if (seldom && (await this.options()) === refused) {
      this.#renewedAt = this.#clock()
      this.#kept = undefined
      this.#executed = undefined
    }
    const { agents, headers } = await this.options()
    return agents !== refused.agents || headers.authorization !== refused.headers.authorization
  }

  close(): void {
    this.#agents.close()
  }

  async #read(): Promise<ConnectionOptions> {
    try {
      const access = readAccess(this.#source)
      this.#credential = readCredential(access)
      this.#access = access
    } catch {
      // A file that is being replaced: the server judges whether the last good credential still holds.
    }
    const { as, exec } = this.#access
    const credential = exec === undefined ? this.#credential : await this.#execute(exec)
    return {
      agents: this.#agents.get(this.#access, credential),
      headers: {
        ...(credential.token === undefined ? {} : { authorization: `Bearer ${credential.token}` }),
        ...(as === undefined
          ? {}
          : { 'impersonate-user': as.user, 'impersonate-group': [...as.groups] }),
      },
    }
  }

  /** Runs the plugin where what it gave is over, or was refused. */
  async #execute(exec: ExecPlugin): Promise<ClusterCredential> {
    const { ca } = this.#credential
    const key = JSON.stringify(exec)
    if (this.#executed?.key !== key || this.#isOver()) {
      const { environment = {} } = this.#source
      const credential = await runExecPlugin(exec, { access: this.#access, ca, environment })
      this.#executed = { key, credential }
    }
    const { certificate, privateKey, token } = this.#executed.credential
    return { ca, certificate, privateKey, token }
  }

  #isOver(): boolean {
    const expires = this.#executed?.credential.expires
    return expires !== undefined && this.#now() >= expires.getTime()
  }
}

/** Throws 'kubernetes/configuration' where the first credential cannot be read; later ones that cannot leave the last good one. */
export function openConnection(source: ConnectionSource): Connection {
  return new ClusterConnection(source)
}
