import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Log } from '../../src/log.ts'
import { createAdmission } from './admission.ts'
import { serve, type Room } from './answer.ts'
import { Tokens } from './authentication.ts'
import { createAuthorizer } from './authorizer.ts'
import { bootstrap } from './bootstrap.ts'
import { startControllers, type Controllers } from './controllers.ts'
import { createEncoder } from './encoder.ts'
import { Lister } from './lister.ts'
import { ObjectStore } from './object-store.ts'
import { readBuiltInSchemas } from './openapi/built-in-schemas.ts'
import { Remover } from './remover.ts'
import { ResourceTable } from './resource-table.ts'
import { Watcher } from './watcher.ts'
import { Writer } from './writer.ts'

const closeMilliseconds = 100

export interface ApiServer extends AsyncDisposable {
  readonly port: number
  readonly controllers: Controllers
}

export interface ApiServerConfig {
  readonly tls: { readonly key: string; readonly cert: string; readonly clientCa: string }
  readonly now: () => number
  readonly log: Log
  /** Versions of PodCertificateRequest that are served, over the same storage. */
  readonly podCertificateVersions?: readonly ('v1' | 'v1beta1')[]
  /** The gate PodCertificateRequest: without it pods and templates lose their podCertificate sources. On unless told. */
  readonly podCertificateGate?: boolean
  /** Plugin NodeRestriction: on unless told, off in a bare kube-apiserver. */
  readonly nodeRestriction?: boolean
  /** Events kept per resource at least; a watch from before them is a 410. */
  readonly historyLength?: number
  /** How long a namespace that is being deleted keeps its content; none unless told. */
  readonly namespaceGraceMilliseconds?: number
}

/** Starts the API server and its controllers on a free port of 127.0.0.1. */
export async function startApiServer(config: ApiServerConfig): Promise<ApiServer> {
  const { now, log } = config
  const store = new ObjectStore({ historyLength: config.historyLength ?? 4096 })
  const table = new ResourceTable({
    podCertificateVersions: config.podCertificateVersions ?? ['v1'],
    podCertificateGate: config.podCertificateGate ?? true,
  })
  bootstrap(store, now)
  const schemas = readBuiltInSchemas()
  const authorizer = createAuthorizer({ store, table })
  const admission = createAdmission({
    store,
    authorize: authorizer.authorize,
    nodeRestriction: config.nodeRestriction ?? true,
  })
  const remover = new Remover({ store, admission, now })
  const encoder = createEncoder()
  const watcher = new Watcher({ store, encode: encoder, now })
  const room: Room = {
    now,
    store,
    table,
    authorizer,
    remover,
    watcher,
    tokens: new Tokens({ store, now }),
    lister: new Lister({ store, encode: encoder, now }),
    schemas,
    writer: new Writer({ store, admission, authorize: authorizer.authorize, now, schemas }),
  }
  const { namespaceGraceMilliseconds = 0 } = config
  const controllers = startControllers({
    store,
    table,
    remover,
    now,
    log,
    namespaceGraceMilliseconds,
  })
  const server = createServer(
    {
      key: config.tls.key,
      cert: config.tls.cert,
      ca: config.tls.clientCa,
      minVersion: 'TLSv1.3',
      requestCert: true,
      // Who shows no certificate may show a token; who shows a bad one is refused by authentication.
      rejectUnauthorized: false,
    },
    (request, response) => void serve(room, request, response, log),
  )
  server.keepAliveTimeout = 60_000
  server.requestTimeout = 60_000
  await listen(server)
  return {
    port: (server.address() as AddressInfo).port,
    controllers,
    async [Symbol.asyncDispose]() {
      controllers.close()
      watcher.close()
      await close(server)
    },
  }
}

/** What is being answered has a moment to end. */
async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const hard = setTimeout(() => server.closeAllConnections(), closeMilliseconds)
  await closed
  clearTimeout(hard)
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve())
  })
}
