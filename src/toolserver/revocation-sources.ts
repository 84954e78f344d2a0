import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { createListeners } from '../listeners.ts'
import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import { openReloadingFiles } from '../pki/reloading-files.ts'
import {
  createRevocationFinder,
  type Revocation,
  type RevocationSource,
} from '../pki/revocation.ts'
import { parseRevocationList } from './revocation-list.ts'

/** Follows a file that somebody else writes. What cannot be read may mean anybody: until it can, the source is not complete. */
export async function openRevocationFile(options: {
  readonly file: string
  readonly log: Log
}): Promise<RevocationSource & AsyncDisposable> {
  const list = await openReloadingFiles({
    files: [options.file],
    code: 'toolserver/revocations',
    parse: ([text = '']) => parseRevocationList(text),
    log: options.log,
  })
  return {
    find: createRevocationFinder(() => list.current()),
    get staleSeconds() {
      return list.problem === undefined ? 0 : Number.POSITIVE_INFINITY
    },
    onChange: (listener) => list.onChange(listener),
    [Symbol.asyncDispose]: () => list[Symbol.asyncDispose](),
  }
}

/** Where the API server is, and who we are to it: what every pod is given, unless told. */
export interface ClusterAccess {
  /** https; default `https://kubernetes.default.svc` */
  readonly server?: string
  /** Folder with `token` and `ca.crt`. */
  readonly account?: string
}

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'
const path = '/apis/countersign.dev/v1alpha1/revocations?resourceVersion=0'
const pollMilliseconds = 10_000
const timeoutMilliseconds = 5_000
const octetsMax = 8 * 1024 * 1024

/**
 * Lists the Revocations of the cluster every ten seconds: a list from the API server's cache, which costs it next to nothing, and no
 * watch that could break without a word. The pod's service account needs the right to `list` them.
 */
export async function followClusterRevocations(options: {
  readonly access: ClusterAccess
  readonly log: Log
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
}): Promise<RevocationSource & AsyncDisposable & { readonly poll: () => Promise<void> }> {
  const { access, log, clock = () => performance.now() } = options
  const listeners = createListeners()
  let revocations: readonly Revocation[] = []
  let text = ''
  let knownAt = Number.NEGATIVE_INFINITY
  let problem = ''

  async function poll(): Promise<void> {
    try {
      const next = await readRevocations(access)
      if (next !== text) revocations = parseRevocationList(next)
      knownAt = clock()
      problem = ''
      if (next === text) return
      text = next
      listeners.tell()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (why !== problem) log.warn({ error }, 'revocations could not be listed')
      problem = why
    }
  }
  await poll()
  const timer = setInterval(() => void poll(), pollMilliseconds).unref()
  return {
    poll,
    find: createRevocationFinder(() => revocations),
    get staleSeconds() {
      return (clock() - knownAt) / 1000
    },
    onChange: listeners.onChange,
    [Symbol.asyncDispose]() {
      clearInterval(timer)
      listeners.clear()
      return Promise.resolve()
    },
  }
}

async function readRevocations(access: ClusterAccess): Promise<string> {
  const { server = 'https://kubernetes.default.svc', account = accountFolder } = access
  // Read each time: both are renewed where they are mounted.
  const [token, ca] = await Promise.all([
    readFile(join(account, 'token'), 'utf8'),
    readFile(join(account, 'ca.crt'), 'utf8'),
  ])
  const headers = { accept: 'application/json', authorization: `Bearer ${token.trim()}` }
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMilliseconds)
    const asked = request(new URL(path, server), { ca, headers, signal, agent: false })
    asked.on('error', reject)
    asked.on('response', (response) => {
      const chunks: Buffer[] = []
      let octets = 0
      response.on('data', (chunk: Buffer) => {
        octets += chunk.length
        if (octets <= octetsMax) chunks.push(chunk)
        else asked.destroy(refused(`list is too large, want=..${octetsMax} octets`))
      })
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode } = response
        if (statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'))
        else reject(refused(`API server answers ${statusCode}`))
      })
    })
    asked.end()
  })
}

function refused(message: string): CountersignError {
  return new CountersignError('toolserver/revocations', message)
}
