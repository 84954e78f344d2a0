import { request, Agent } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { createCertificateAuthority } from '../../../dev/certificate-authority.ts'
import {
  startApiServer,
  type ApiServer,
  type ApiServerConfig,
} from '../../../dev/control-plane/api-server.ts'
import { writeKubeconfig } from '../../../dev/kubeconfig.ts'
import { silentLog } from '../../../src/log.ts'

export interface Answer {
  readonly status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- tests reach into whatever the server sent
  readonly body: any
}

export interface WatchEvent {
  readonly type: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests reach into whatever the server sent
  readonly object: any
}

/** A client of one user; the plainest possible one, so that a test sees what the server said. */
export interface ApiUser {
  get(path: string, accept?: string): Promise<Answer>
  send(method: string, path: string, body?: unknown, mediaType?: string): Promise<Answer>
  watch(path: string, accept?: string): Promise<Watch>
}

export interface Watch extends AsyncDisposable {
  /** The next event; rejects after a minute without one. */
  next(): Promise<WatchEvent>
  /** All that has come so far and was not taken by `next`. */
  readonly pending: readonly WatchEvent[]
  /** Resolves when the server has ended the watch. */
  readonly ended: Promise<void>
}

export interface ApiWorld extends AsyncDisposable {
  readonly api: ApiServer
  readonly admin: ApiUser
  /** Milliseconds that the server's clock is ahead of the machine's. */
  clockOffset: number
  user(name: string, groups?: readonly string[]): ApiUser
  bearer(token: string): ApiUser
  anonymous(): ApiUser
  /** A user of a certificate that another authority issued. */
  foreigner(name: string, groups: readonly string[]): ApiUser
  /** Writes a kubeconfig of this user and answers with its path. */
  kubeconfig(path: string, user: { name: string; groups: readonly string[] }): Promise<string>
  /** Creates and demands 201. */
  create(path: string, body: object): Promise<Answer['body']>
}

const waitMilliseconds = 60_000

export async function startApiWorld(
  config: Partial<Omit<ApiServerConfig, 'tls' | 'now'>> = {},
): Promise<ApiWorld> {
  const now = Date.now
  const serving = createCertificateAuthority({ commonName: 'serving', now })
  const clients = createCertificateAuthority({ commonName: 'clients', now })
  const strangers = createCertificateAuthority({ commonName: 'strangers', now })
  const { certificatePem: cert, privateKeyPem: key } = serving.issueServer()
  const clock = { offset: 0 }
  const api = await startApiServer({
    log: silentLog,
    ...config,
    tls: { key, cert, clientCa: clients.certificatePem },
    now: () => Date.now() + clock.offset,
  })
  const agents: Agent[] = []
  const open = (options: ConstructorParameters<typeof Agent>[0], token?: string): ApiUser => {
    const agent = new Agent({ ca: serving.certificatePem, keepAlive: true, ...options })
    agents.push(agent)
    return openUser({ agent, port: api.port, token })
  }
  const certified = (ca: typeof clients, name: string, groups: readonly string[]): ApiUser => {
    const credential = ca.issueClient({ name, groups })
    return open({ cert: credential.certificatePem, key: credential.privateKeyPem })
  }
  const admin = certified(clients, 'admin', ['system:masters'])
  return {
    api,
    admin,
    get clockOffset() {
      return clock.offset
    },
    set clockOffset(milliseconds: number) {
      clock.offset = milliseconds
    },
    user: (name, groups = []) => certified(clients, name, groups),
    bearer: (token) => open({}, token),
    anonymous: () => open({}),
    foreigner: (name, groups) => certified(strangers, name, groups),
    kubeconfig: (path, user) =>
      writeKubeconfig({
        path,
        server: `https://127.0.0.1:${api.port}`,
        caPem: serving.certificatePem,
        credential: clients.issueClient(user),
      }),
    async create(path, body) {
      const answer = await admin.send('POST', path, body)
      if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    async [Symbol.asyncDispose]() {
      for (const agent of agents) agent.destroy()
      await api[Symbol.asyncDispose]()
    },
  }
}

interface Settings {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

function openUser(options: {
  readonly agent: Agent
  readonly port: number
  readonly token: string | undefined
}): ApiUser {
  const { agent, port, token } = options
  const ask = (settings: Settings, body?: Buffer): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = {
        ...settings.headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-length': body.length }),
      }
      const outgoing = request({ ...settings, host: '127.0.0.1', port, agent, headers })
      outgoing.once('error', reject)
      outgoing.once('response', resolve)
      outgoing.end(body)
    })
  const send: ApiUser['send'] = async (method, path, body, mediaType) => {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const octets = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body ?? null))
    const response = await ask(
      { method, path, headers: { 'content-type': mediaType ?? type } },
      body === undefined ? undefined : octets,
    )
    return { status: response.statusCode ?? 0, body: await readAnswer(response) }
  }
  return {
    send,
    async get(path, accept = 'application/json') {
      const response = await ask({ method: 'GET', path, headers: { accept } })
      return { status: response.statusCode ?? 0, body: await readAnswer(response) }
    },
    watch: async (path, accept = 'application/json') =>
      openWatch(await ask({ method: 'GET', path, headers: { accept } })),
  }
}

async function readAnswer(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  const isJson = response.headers['content-type']?.includes('json') === true
  return isJson ? (JSON.parse(text) as unknown) : text
}

async function openWatch(response: IncomingMessage): Promise<Watch> {
  if (response.statusCode !== 200) {
    throw new Error(`watch: ${response.statusCode} ${JSON.stringify(await readAnswer(response))}`)
  }
  const pending: WatchEvent[] = []
  const waiting: ((event: WatchEvent) => void)[] = []
  const ended = new Promise<void>((resolve) => response.once('close', () => resolve()))
  response.on('error', () => {})
  createInterface({ input: response }).on('line', (line) => {
    const event = JSON.parse(line) as WatchEvent
    const taker = waiting.shift()
    if (taker === undefined) pending.push(event)
    else taker(event)
  })
  return {
    pending,
    ended,
    next() {
      const event = pending.shift()
      if (event !== undefined) return Promise.resolve(event)
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no event')), waitMilliseconds)
        waiting.push((next) => {
          clearTimeout(timer)
          resolve(next)
        })
      })
    },
    async [Symbol.asyncDispose]() {
      response.destroy()
      await ended
    },
  }
}
