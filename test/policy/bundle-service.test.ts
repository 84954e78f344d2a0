import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { createLog } from '../../src/cli/create-log.ts'
import { archiveOctetsMax, BundleServiceError } from '../../src/policy/bundle-exchange.ts'
import {
  createBundleService,
  type BundleAnswer,
  type BundleQuestion,
  type BundleServiceConfig,
} from '../../src/policy/bundle-service.ts'
import { requirement } from '../requirements.ts'
import { createAuthority } from '../support/cluster-credentials.ts'
import { openBundleServer, type Answer, type BundleServer } from './bundle-server.ts'

const archive = gzipSync('some archive')

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-bundle-service-'))
})

after(() => rm(folder, { recursive: true, force: true }))

function ask(
  config: Partial<BundleServiceConfig> & { readonly url: string },
  question: Partial<BundleQuestion> = {},
  bodyMilliseconds = 60_000,
): Promise<BundleAnswer> {
  const service = createBundleService(
    { resource: 'bundles/b.tar.gz', responseHeaderTimeoutSeconds: 10, ...config },
    { bodyMilliseconds },
  )
  const signal = new AbortController().signal
  return service.ask({ etag: undefined, waitSeconds: undefined, signal, ...question })
}

async function refusedWith(
  message: RegExp,
  answered: Promise<BundleAnswer>,
): Promise<number | undefined> {
  let httpCode: number | undefined
  await assert.rejects(answered, (error: Error & { code: string; httpCode?: number }) => {
    assert.equal(error.code, 'policy/service')
    assert.match(error.message, message)
    httpCode = error.httpCode
    return true
  })
  return httpCode
}

async function servingOf(answer: Answer): Promise<BundleServer> {
  const server = await openBundleServer()
  server.answer(answer)
  return server
}

test('a bundle is asked for as OPA asks', async () => {
  let path = ''
  await using server = await servingOf((request, response) => {
    path = request.url ?? ''
    const type = 'application/vnd.openpolicyagent.bundles'
    if (request.headers['if-none-match'] === '"1"') {
      response.writeHead(304, { 'content-type': type }).end()
    } else response.writeHead(200, { etag: '"1"', 'content-type': type }).end(archive)
  })
  const token = join(folder, 'token')
  await writeFile(token, 'abc.def==\n')
  const url = `${server.url}/base/`
  const first = await ask({ url, credentials: { bearer: { tokenPath: token } } })
  assert.deepEqual(first, { kind: 'bundle', isLongPoll: true, archive, etag: '"1"' })
  assert.equal(path, '/base/bundles/b.tar.gz')
  const again = await ask({ url }, { etag: '"1"', waitSeconds: 30 })
  assert.deepEqual(again, { kind: 'unchanged', isLongPoll: true })
  const shown = server.asked.map((headers) => [
    headers.authorization,
    headers['if-none-match'],
    headers['prefer'],
  ])
  assert.deepEqual(shown, [
    ['Bearer abc.def==', undefined, 'modes=snapshot'],
    [undefined, '"1"', 'modes=snapshot;wait=30'],
  ])
})

test('an ETag that is none is sent to nobody', async () => {
  for (const etag of ['1', `"${'x'.repeat(1025)}"`, '']) {
    await using server = await servingOf((_request, response) => {
      response.writeHead(200, { etag }).end(archive)
    })
    const answer = await ask({ url: server.url })
    assert.equal(answer.kind === 'bundle' && answer.etag, undefined)
  }
})

test('no more is read than a bundle may have, whatever its length is said to be', async () => {
  requirement('policy.bundle-followed')
  let sent = 0
  const huge: readonly Answer[] = [
    (_request, response) => {
      response.writeHead(200, { 'content-length': archiveOctetsMax + 1 }).flushHeaders()
    },
    (_request, response) => {
      response.writeHead(200)
      const chunk = Buffer.alloc(1024 * 1024, archive)
      const more = (): void => {
        if (response.destroyed) return
        sent += chunk.length
        response.write(chunk, () => setImmediate(more))
      }
      more()
    },
  ]
  for (const answer of huge) {
    await using server = await servingOf(answer)
    const code = await refusedWith(
      /^archive is too large, want=..16777216 octets$/,
      ask({ url: server.url }),
    )
    assert.equal(code, 200)
  }
  assert.ok(sent < 2 * archiveOctetsMax, `sent=${sent}`)
})

test('a server that answers drop by drop, or not at all, is not waited for', async (t) => {
  requirement('policy.bundle-followed')
  const timers: NodeJS.Timeout[] = []
  t.after(() => timers.forEach(clearInterval))
  await using drip = await servingOf((_request, response) => {
    response.writeHead(200).write(archive)
    timers.push(setInterval(() => response.write('.'), 10))
  })
  await refusedWith(
    /^bundle server does not send the archive in time, want=..300 ms$/,
    ask({ url: drip.url }, {}, 300),
  )
  await using silent = await servingOf(() => {})
  await refusedWith(
    /^bundle server does not answer in time, want=..100 ms$/,
    ask({ url: silent.url, responseHeaderTimeoutSeconds: 0.1 }),
  )
})

test('nothing but 200 and 304 is an answer, and 304 only where it was asked for', async () => {
  requirement('policy.bundle-followed')
  for (const status of [201, 204, 206, 301, 302, 307, 308, 401, 404, 500]) {
    await using server = await servingOf((_request, response) => {
      response.writeHead(status, { location: '/other' }).end()
    })
    const answered = ask({ url: server.url }, { etag: '"1"' })
    const message = new RegExp(`^bundle server answers ${status}, want=200 or 304$`)
    assert.equal(await refusedWith(message, answered), status)
    assert.equal(server.asked.length, 1)
  }
  await using server = await servingOf((_request, response) => void response.writeHead(304).end())
  await refusedWith(/^bundle server answers 304, want=200$/, ask({ url: server.url }))
})

test('a server that wants to speak another protocol has answered, and holds nobody', async () => {
  requirement('policy.bundle-followed')
  const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'
  for (const end of [false, true]) {
    await using server = await servingOf((_request, response) => {
      if (end) response.socket?.end(upgrade)
      else response.socket?.write(upgrade)
    })
    const answered = ask({ url: server.url })
    assert.equal(await refusedWith(/^bundle server answers 101, want=200$/, answered), 101)
  }
})

test('whoever ends is not held by a server that answers nothing', async () => {
  const stop = new AbortController()
  const { signal } = stop
  await using server = await servingOf(() => stop.abort())
  await refusedWith(/^bundle server is asked no more$/, ask({ url: server.url }, { signal }))
  await refusedWith(/^bundle server is asked no more$/, ask({ url: server.url }, { signal }))
  assert.equal(server.asked.length, 1)
})

test('what a server sends back of a request is in no error, and in no line of the log', async () => {
  requirement('policy.bundle-followed')
  const token = 's3cr3tTOKEN'
  const tokenPath = join(folder, 'echoed-token')
  const file = join(folder, 'echoed.log')
  await writeFile(tokenPath, token)
  const echoes: readonly Answer[] = [
    ({ headers }, { socket }) => socket?.end(`\0${JSON.stringify(headers)}\r\n\r\n`),
    ({ headers }, { socket }) => {
      const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
      socket?.end(`${chunked}${JSON.stringify(headers)}\r\n`)
    },
    ({ headers }, response) => void response.writeHead(200).end(JSON.stringify(headers)),
    ({ headers }, response) =>
      void response.writeHead(200, { 'content-type': headers.authorization }).end(),
  ]
  const log = createLog({ file })
  for (const echo of echoes) {
    await using server = await servingOf(echo)
    const answered = ask({ url: server.url, credentials: { bearer: { tokenPath } } })
    const error: unknown = await answered.catch((caught: unknown) => caught)
    assert.equal(server.asked[0]?.authorization, `Bearer ${token}`)
    assert.ok(error instanceof BundleServiceError)
    assert.equal(error.cause, undefined)
    log.warn({ error }, 'no bundle')
  }
  const logged = await readFile(file, 'utf8')
  assert.match(logged, /got=HPE_INVALID_CONSTANT[^]*got=HPE_INVALID_CHUNK_SIZE/)
  assert.match(logged, /got=0 octets of another type/)
  assert.ok(!logged.includes(token))
  // As the log shows octets.
  assert.ok(!logged.includes([...Buffer.from(token)].join(',')))
})

test('a file that is no token is sent to nobody, and shown to nobody', async () => {
  await using server = await servingOf((_request, response) => void response.end(archive))
  const token = join(folder, 'bad-token')
  const credentials = { bearer: { tokenPath: token } }
  for (const text of ['', 'secret\r\nx-more: 1', 'secret word']) {
    await writeFile(token, text)
    await refusedWith(
      /^bearer token is no token, want=b64token of RFC 6750$/,
      ask({ url: server.url, credentials }),
    )
  }
  await truncate(token, 1024 * 1024 + 1)
  await refusedWith(/is too large/, ask({ url: server.url, credentials }))
  await rm(token)
  await refusedWith(/cannot be read/, ask({ url: server.url, credentials }))
  assert.equal(server.asked.length, 0)
})

test('a pipe or a device in the place of a file holds nobody, and a link is followed', async () => {
  await using server = await servingOf((_request, response) => void response.end(archive))
  const place = await mkdtemp(join(folder, 'places-'))
  const pathOf = (name: string): string => join(place, name)
  await promisify(execFile)('mkfifo', [pathOf('pipe')])
  await writeFile(pathOf('token'), 'abc')
  for (const [name, target] of [
    ['device', '/dev/zero'],
    ['linked', 'token'],
  ] as const) {
    await symlink(target, pathOf(name))
  }
  for (const name of ['pipe', 'device']) {
    const credentials = { bearer: { tokenPath: pathOf(name) } }
    await refusedWith(/cannot be read/, ask({ url: server.url, credentials }))
    await refusedWith(/cannot be read/, ask({ url: server.url, tls: { caCert: pathOf(name) } }))
  }
  assert.equal(server.asked.length, 0)
  await ask({ url: server.url, credentials: { bearer: { tokenPath: pathOf('linked') } } })
  assert.equal(server.asked[0]?.authorization, 'Bearer abc')
})

test('only a server with a certificate of the named authority is asked, and it may want ours', async () => {
  requirement('policy.bundle-followed')
  const [authority, other] = await Promise.all([createAuthority('ours'), createAuthority('other')])
  const serving = await authority.issueServer([{ type: 'ip', value: '127.0.0.1' }])
  const ours = await authority.issueClient({ name: 'gateway', groups: [] })
  const files = { ca: authority, other, cert: ours, privateKey: ours }
  const pathOf = (name: string): string => join(folder, `${name}.pem`)
  await writeFile(pathOf('ca'), files.ca.certificatePem)
  await writeFile(pathOf('other'), files.other.certificatePem)
  await writeFile(pathOf('cert'), files.cert.certificatePem)
  await writeFile(pathOf('privateKey'), files.privateKey.privateKeyPem)
  const tls = {
    cert: serving.certificatePem,
    key: serving.privateKeyPem,
    ca: authority.certificatePem,
    requestCert: true,
    rejectUnauthorized: true,
  }
  let path = ''
  const server = createServer(tls, (request, response) => {
    path = request.url ?? ''
    response.end(archive)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    const clientTls = { cert: pathOf('cert'), privateKey: pathOf('privateKey') }
    const credentials = { clientTls }
    const foreign = /^bundle server cannot be asked, got=SELF_SIGNED_CERT_IN_CHAIN$/
    await refusedWith(foreign, ask({ url, credentials }))
    await refusedWith(foreign, ask({ url, credentials, tls: { caCert: pathOf('other') } }))
    await writeFile(pathOf('empty'), '')
    const none = { caCert: pathOf('empty') }
    await refusedWith(/^file of authorities is empty$/, ask({ url, credentials, tls: none }))
    await refusedWith(
      /^bundle server cannot be asked, got=/,
      ask({ url, tls: { caCert: pathOf('ca') } }),
    )
    await refusedWith(
      /^bundle server cannot be asked, got=/,
      ask({
        url,
        tls: { caCert: pathOf('ca') },
        credentials: { clientTls: { ...clientTls, privateKey: pathOf('ca') } },
      }),
    )
    assert.equal(path, '')
    const answer = await ask({ url, credentials, tls: { caCert: pathOf('ca') } })
    assert.equal(answer.kind, 'bundle')
  } finally {
    server.close()
    server.closeAllConnections()
  }
})
