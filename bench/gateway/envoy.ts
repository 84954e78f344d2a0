/** Envoy itself as a contestant: the server of its PyPI wheel, and the configurations that do what it can of a gateway's work. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:net'
import { freePort } from '../../test/support/free-port.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import type { Started } from '../rig/contest.ts'
import { regions, type Setting } from './contest.ts'

export interface EnvoyKind {
  /** Its MCP filter, and RBAC on the caller's SPIFFE ID, the method and the tool's name. */
  readonly mcp: boolean
  /** RBAC on an argument too, and a line in an access log for each call. */
  readonly args: boolean
}

/** The file below the folder of a contestant that has a line a call. */
export const accessLogFile = 'access.ndjson'

/** Starts one with one worker thread. Its folder holds its configuration, its key and its access log. */
export async function startEnvoy(
  program: string,
  setting: Setting,
  o: EnvoyKind & { readonly callerSpiffeIds: readonly string[] },
): Promise<Started> {
  mkdirSync(setting.folder, { recursive: true })
  const port = await freePort()
  const file = join(setting.folder, 'envoy.json')
  writeFileSync(file, JSON.stringify(bootstrap(setting, { ...o, port })), { mode: 0o600 })
  const words = ['--config-path', file, '--concurrency', '1', '--log-level', 'error']
  const child = spawn(program, [...words, '--use-dynamic-base-id'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await listening(child, port)
  return {
    pid: child.pid ?? 0,
    port,
    async close() {
      if (child.exitCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    },
  }
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null) throw new Error(`envoy: want=running got=exit ${child.exitCode}`)
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => {
        resolve(false)
      })
      socket.once('connect', () => socket.destroy())
    })
    if (open) return
    await delay(50)
  }
  throw new Error('envoy: want=a port that is open')
}

interface Wanted extends EnvoyKind {
  readonly callerSpiffeIds: readonly string[]
  readonly port: number
}

const type = 'type.googleapis.com/envoy'

function bootstrap(setting: Setting, wanted: Wanted): object {
  const tls = tlsContext(setting)
  const listener = {
    name: 'door',
    address: addressOf(wanted.port),
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': `${type}.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
            require_client_certificate: true,
            disable_stateless_session_resumption: true,
            disable_stateful_session_resumption: true,
            common_tls_context: tls,
          },
        },
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: connectionManager(setting, wanted),
          },
        ],
      },
    ],
  }
  return { static_resources: { listeners: [listener], clusters: [clusterOf(setting, tls)] } }
}

function addressOf(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}

/** A name may be any: certificates are verified by their chain and by their SPIFFE ID. */
function tlsContext({ credentialPem, bundlePem, trustDomain }: Setting): object {
  const { chainPem, privateKeyPem } = parseCredentialBundle(credentialPem)
  return {
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_3',
      tls_maximum_protocol_version: 'TLSv1_3',
    },
    tls_certificates: [
      {
        certificate_chain: { inline_string: chainPem },
        private_key: { inline_string: privateKeyPem },
      },
    ],
    validation_context: {
      trusted_ca: { inline_string: bundlePem },
      match_typed_subject_alt_names: [
        { san_type: 'URI', matcher: { prefix: `spiffe://${trustDomain}/` } },
      ],
    },
  }
}

function clusterOf({ upstreamPort }: Setting, tls: object): object {
  const endpoint = { endpoint: { address: addressOf(upstreamPort) } }
  return {
    name: 'tools',
    connect_timeout: '5s',
    type: 'STATIC',
    load_assignment: { cluster_name: 'tools', endpoints: [{ lb_endpoints: [endpoint] }] },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': `${type}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
        common_tls_context: tls,
      },
    },
  }
}

function connectionManager(setting: Setting, wanted: Wanted): object {
  const router = { '@type': `${type}.extensions.filters.http.router.v3.Router` }
  return {
    '@type': `${type}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'door',
    codec_type: 'HTTP1',
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            { match: { path: '/mcp/tools' }, route: { cluster: 'tools', prefix_rewrite: '/mcp' } },
          ],
        },
      ],
    },
    http_filters: [
      ...(wanted.mcp ? [mcpFilter(wanted), rbacFilter(wanted)] : []),
      { name: 'envoy.filters.http.router', typed_config: router },
    ],
    ...(wanted.args ? { access_log: [accessLog(setting)] } : {}),
  }
}

/** Reads the message into metadata of its own name. */
const mcpName = 'envoy.filters.http.mcp'

function mcpFilter({ args }: Wanted): object {
  const paths = ['params.name', ...(args ? ['params.arguments.region'] : [])]
  const rules = paths.map((path) => ({ path }))
  return {
    name: mcpName,
    typed_config: {
      '@type': `${type}.extensions.filters.http.mcp.v3.Mcp`,
      traffic_mode: 'REJECT_NO_MCP',
      parser_config: { methods: [{ method: 'tools/call', extraction_rules: rules }] },
    },
  }
}

function rbacFilter({ args, callerSpiffeIds }: Wanted): object {
  const found = (path: readonly string[], matcher: object): object => ({
    sourced_metadata: {
      metadata_matcher: { filter: mcpName, path: path.map((key) => ({ key })), value: matcher },
    },
  })
  const exact = (text: string): object => ({ string_match: { exact: text } })
  const allowed = { or_match: { value_matchers: regions.map(exact) } }
  const rules = [
    found(['method'], exact('tools/call')),
    found(['params', 'name'], exact('search')),
    ...(args ? [found(['params', 'arguments', 'region'], allowed)] : []),
  ]
  const principals = callerSpiffeIds.map((uri) => ({
    authenticated: { principal_name: { exact: uri } },
  }))
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: {
      '@type': `${type}.extensions.filters.http.rbac.v3.RBAC`,
      rules: {
        action: 'ALLOW',
        policies: { callers: { permissions: [{ and_rules: { rules } }], principals } },
      },
    },
  }
}

function accessLog({ folder }: Setting): object {
  return {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': `${type}.extensions.access_loggers.file.v3.FileAccessLog`,
      path: join(folder, accessLogFile),
      log_format: {
        json_format: {
          time: '%START_TIME%',
          id: '%REQ(X-REQUEST-ID)%',
          caller: '%DOWNSTREAM_PEER_URI_SAN%',
          method: `%DYNAMIC_METADATA(${mcpName}:method)%`,
          tool: `%DYNAMIC_METADATA(${mcpName}:params:name)%`,
          region: `%DYNAMIC_METADATA(${mcpName}:params:arguments:region)%`,
          status: '%RESPONSE_CODE%',
        },
      },
    },
  }
}
