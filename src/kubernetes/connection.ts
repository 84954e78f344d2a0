import { KubeConfig } from '@kubernetes/client-node'
import type { OutgoingHttpHeaders } from 'node:http'
import { Agent, type RequestOptions } from 'node:https'
import { CountersignError, quoted } from '../errors.ts'

/** Idle connections are closed by us before an API server or a load balancer does it in the middle of a request. */
const idleMilliseconds = 30_000
const credentialSecondsMax = 60

/** What differs from request to request of one connection. */
export interface ConnectionOptions {
  readonly agent?: RequestOptions['agent']
  readonly auth?: string | null
  readonly headers: OutgoingHttpHeaders
}

/** The server of a kubeconfig or of the cluster that we run in, and how to talk to it. */
export interface Connection {
  readonly server: URL
  /** TLS options, credentials and agent for the next request. Tokens and certificates are read again each minute. */
  options(): Promise<ConnectionOptions>
  close(): void
}

function loadKubeConfig(kubeconfig: string | undefined): KubeConfig {
  const config = new KubeConfig()
  try {
    if (kubeconfig === undefined) config.loadFromCluster()
    else config.loadFromFile(kubeconfig)
  } catch (cause) {
    const from = kubeconfig === undefined ? 'in-cluster' : quoted(kubeconfig)
    // A YAML error quotes the lines around it, which may hold a key: only system errors are safe to pass on.
    const code = (cause as NodeJS.ErrnoException).code
    throw new CountersignError(
      'kubernetes/configuration',
      `kubeconfig ${from}: want=readable got=${code ?? 'malformed'}`,
      code === undefined ? {} : { cause },
    )
  }
  return config
}

function checkServer(config: KubeConfig, kubeconfig: string | undefined): URL {
  const fail = (message: string, hint?: string): CountersignError =>
    new CountersignError('kubernetes/configuration', message, hint === undefined ? {} : { hint })
  const cluster = config.getCurrentCluster()
  if (cluster === null || config.getCurrentUser() === null) {
    throw fail('kubeconfig: want=a current context with cluster and user got=none')
  }
  if (cluster.skipTLSVerify) {
    throw fail('kubeconfig: insecure-skip-tls-verify: want=false got=true', 'name the server’s CA')
  }
  const server = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined
  if (server?.protocol !== 'https:' || server.hostname === 'undefined') {
    const hint =
      kubeconfig === undefined ? 'outside a pod, name a kubeconfig with --kubeconfig' : undefined
    throw fail(`kubernetes server: want=https URL got=${quoted(cluster.server)}`, hint)
  }
  return server
}

/** Agents are kept by credential, so that a rotated client certificate or CA opens new connections with the new one. */
function createAgents(): { get(options: RequestOptions): Agent; close(): void } {
  let current: { readonly key: string; readonly agent: Agent } | undefined
  return {
    get(options) {
      const key = JSON.stringify(
        [options.ca, options.cert, options.key, options.servername].map(String),
      )
      if (current?.key === key) return current.agent
      // Running requests of the old agent finish; its idle connections end by themselves.
      const agent = new Agent({
        keepAlive: true,
        timeout: idleMilliseconds,
        minVersion: 'TLSv1.2',
        ca: options.ca,
        cert: options.cert,
        key: options.key,
        servername: options.servername,
      })
      current = { key, agent }
      return agent
    },
    close: () => current?.agent.destroy(),
  }
}

export function openConnection(options: {
  /** Path of a kubeconfig; undefined: the service account of the pod that we run in. */
  readonly kubeconfig: string | undefined
  readonly now: () => number
}): Connection {
  let config = loadKubeConfig(options.kubeconfig)
  const server = checkServer(config, options.kubeconfig)
  const agents = createAgents()
  let cached: { readonly until: number; readonly value: Promise<ConnectionOptions> } | undefined

  async function readOptions(): Promise<ConnectionOptions> {
    if (options.kubeconfig !== undefined) {
      config = loadKubeConfig(options.kubeconfig)
      checkServer(config, options.kubeconfig)
    }
    const applied: RequestOptions = {}
    await config.applyToHTTPSOptions(applied)
    const proxied = Boolean(config.getCurrentCluster()?.proxyUrl)
    const agent = proxied ? applied.agent : agents.get(applied)
    return {
      ...(agent === undefined ? {} : { agent }),
      ...(applied.auth === undefined ? {} : { auth: applied.auth }),
      // KubeConfig only ever sets an object here, though the type would let it be a list.
      headers: { ...(applied.headers as OutgoingHttpHeaders | undefined) },
    }
  }

  return {
    server,
    async options() {
      const now = options.now()
      if (cached === undefined || cached.until <= now) {
        cached = { until: now + credentialSecondsMax * 1000, value: readOptions() }
        cached.value.catch(() => (cached = undefined))
      }
      return cached.value
    },
    close: () => agents.close(),
  }
}
