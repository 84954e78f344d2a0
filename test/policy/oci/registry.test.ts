import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { BundleAnswer } from '../../../src/policy/bundle-service.ts'
import { createRegistryService, type RegistryConfig } from '../../../src/policy/oci/registry.ts'
import { requirement } from '../../requirements.ts'
import { createAuthority } from '../../support/cluster-credentials.ts'
import { descriptorOf, imageOf, indexOf, layerType, type Image } from './image.ts'
import { openRegistryServer, type Answer, type RegistryServer } from './registry-server.ts'

const repository = 'org/policies'
const archive = Buffer.from([0x1f, 0x8b, 8, 1, 2, 3])
const first = imageOf(archive)
const second = imageOf(Buffer.from([0x1f, 0x8b, 8, 4, 5, 6]))

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-registry-'))
})

after(() => rm(folder, { recursive: true }))

async function fileOf(name: string, content: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, content)
  return file
}

interface Asker {
  readonly ask: (etag?: string) => Promise<BundleAnswer>
}

function askerOf(
  { url }: Pick<RegistryServer, 'url'>,
  config: Partial<RegistryConfig> = {},
  bodyMilliseconds = 60_000,
): Asker {
  const whole = { url, resource: `${repository}:live`, responseHeaderTimeoutSeconds: 10, ...config }
  const service = createRegistryService(whole, { bodyMilliseconds })
  const { signal } = new AbortController()
  return { ask: (etag) => service.ask({ etag, waitSeconds: undefined, signal }) }
}

async function holding(image: Image): Promise<RegistryServer> {
  const server = await openRegistryServer(repository)
  server.tag('live', image)
  return server
}

async function refusedWith(
  message: RegExp,
  answered: Promise<BundleAnswer>,
  code = 'policy/service',
): Promise<void> {
  await assert.rejects(answered, { code, message })
}

const manifestPath = `/v2/${repository}/manifests/live`

function blobPath({ layer }: Image): string {
  return `/v2/${repository}/blobs/${layer}`
}

test('a tag is followed by the digest of its manifest, and its layer is fetched when that is another one', async () => {
  await using server = await holding(first)
  const { ask } = askerOf(server)
  const etag = `"${first.digest}"`
  assert.deepEqual(await ask(), { kind: 'bundle', isLongPoll: false, archive, etag })
  assert.deepEqual(await ask(etag), { kind: 'unchanged', isLongPoll: false })
  server.tag('live', second)
  const next = await ask(etag)
  assert.equal(next.kind === 'bundle' && next.etag, `"${second.digest}"`)
  assert.deepEqual(server.asked, [
    `GET ${manifestPath}`,
    `GET ${blobPath(first)}`,
    `GET ${manifestPath}`,
    `GET ${manifestPath}`,
    `GET ${blobPath(second)}`,
  ])
})

test('a registry that knows no ETag sends no layer for nothing', async () => {
  await using server = await holding(first)
  server.instead('/manifests/live', (_request, response) => void response.end(first.manifest))
  const answer = await askerOf(server).ask(`"${first.digest}"`)
  assert.equal(answer.kind, 'unchanged')
})

test('what is pinned by its digest is that for ever', async () => {
  requirement('policy.bundle-by-digest')
  await using server = await holding(second)
  server.tag('old', first)
  const resource = `${repository}@${first.digest}`
  const { ask } = askerOf(server, { resource })
  const answer = await ask()
  assert.deepEqual(answer.kind === 'bundle' && answer.archive, archive)
  server.instead(`/manifests/${first.digest}`, (_request, response) => {
    response.end(second.manifest)
  })
  await refusedWith(/^manifest is not what its digest names, want=sha256:/, ask())
})

test('whatever a registry sends, nothing is taken but what its digest names', async () => {
  requirement('policy.bundle-by-digest')
  await using server = await holding(first)
  const { ask } = askerOf(server)
  const large = Buffer.alloc(256 * 1024 + 1, ' ')
  const manifests: readonly (readonly [Answer, RegExp, string?])[] = [
    [
      (_, response) =>
        void response
          .writeHead(200, { 'docker-content-digest': first.digest })
          .end(second.manifest),
      /^manifest is not what its digest names/,
    ],
    [
      (_, response) =>
        void response.writeHead(200, { 'docker-content-digest': 'Bearer x' }).end(first.manifest),
      /^manifest is not what its digest names, want=sha256:<hex> got=sha256:/,
    ],
    [(_, response) => void response.end(large), /^manifest is too large, want=..262144 octets$/],
    [(_, response) => void response.end('{}'), /^manifest is none of an image/, 'policy/bundle'],
    [(_, response) => void response.writeHead(304).end(), /^registry answers 304, want=200$/],
    [(_, response) => void response.writeHead(500).end(), /^registry answers 500, want=200$/],
    [
      (_, response) => void response.writeHead(307, { location: '/other' }).end(),
      /^registry answers 307, want=200$/,
    ],
    [(_, { socket }) => void socket?.destroy(), /^registry cannot be asked, got=ECONNRESET$/],
  ]
  for (const [answer, message, code] of manifests) {
    server.instead('/manifests/live', answer)
    await refusedWith(message, ask(), code)
  }
  server.instead('/manifests/live', undefined)
  const layers: readonly (readonly [Answer, RegExp])[] = [
    [(_, response) => void response.end(archive.subarray(1)), /^archive is not what its digest/],
    [(_, response) => void response.end(Buffer.alloc(6)), /^archive is not what its digest names/],
    [(_, response) => void response.end(large), /^archive is too large, want=..6 octets$/],
    [
      (_, response) => void response.writeHead(206).end(archive),
      /^registry answers 206, want=200$/,
    ],
    [(_, response) => void response.writeHead(404).end(), /^registry answers 404, want=200$/],
  ]
  for (const [answer, message] of layers) {
    server.instead(first.layer, answer)
    await refusedWith(message, ask())
  }
  server.instead(first.layer, undefined)
  assert.equal((await ask()).kind, 'bundle')
})

test('a layer that says to be larger than a bundle may be is not asked for', async () => {
  const size = 16 * 1024 * 1024 + 1
  await using server = await holding(
    imageOf(archive, { layers: [{ ...descriptorOf(archive, layerType), size }] }),
  )
  await refusedWith(/^layer is too large, /, askerOf(server).ask(), 'policy/bundle')
  assert.deepEqual(server.asked, [`GET ${manifestPath}`])
})

test('a registry that answers drop by drop is not waited for', async (t) => {
  await using server = await holding(first)
  const timers: NodeJS.Timeout[] = []
  t.after(() => timers.forEach(clearInterval))
  server.instead(first.layer, (_, response) => {
    response.writeHead(200)
    timers.push(setInterval(() => response.write(''), 10))
    response.write(archive.subarray(0, 1))
  })
  await refusedWith(
    /^registry does not send the archive in time, want=..300 ms$/,
    askerOf(server, {}, 300).ask(),
  )
})

/** Keeps everybody out who does not say this. */
function behind(
  authorization: string,
  challenge: (host: string | undefined) => string,
): Parameters<typeof openRegistryServer>[1] {
  return ({ headers }) =>
    headers.authorization === authorization ? undefined : challenge(headers.host)
}

test('a token is asked of the registry itself, for reading one repository, with the password', async () => {
  requirement('policy.registry-credentials-stay')
  const challenge = (host = ''): string =>
    `Bearer realm="http://${host}/token?scope=all",service="r",scope="repository:org/secret:push,pull"`
  await using server = await openRegistryServer(repository, behind('Bearer t0', challenge))
  server.tag('live', first)
  const passwordPath = await fileOf('password', 's3cret:\n')
  const { ask } = askerOf(server, { credentials: { basic: { username: 'robot', passwordPath } } })
  const query = 'scope=repository%3Aorg%2Fpolicies%3Apull&service=r'
  server.instead(query, (_, response) => void response.end('{"token":"t0","expires_in":60}'))
  assert.equal((await ask()).kind, 'bundle')
  assert.equal((await ask()).kind, 'bundle')
  const basic = `Basic ${Buffer.from('robot:s3cret:').toString('base64')}`
  const both = [`GET ${manifestPath} Bearer t0`, `GET ${blobPath(first)} Bearer t0`]
  assert.deepEqual(server.asked, [
    `GET ${manifestPath}`,
    `GET /token?${query} ${basic}`,
    ...both,
    ...both,
  ])
})

test('a token that is over is asked for anew, once, and the password goes where it is wanted', async () => {
  const challenge = (host = ''): string => `Bearer realm="http://${host}/token"`
  let good = 't1'
  await using server = await openRegistryServer(repository, (request) =>
    behind(`Bearer ${good}`, challenge)?.(request),
  )
  server.tag('live', first)
  let given = 't1'
  server.instead('pull', (_, response) => void response.end(`{"access_token":"${given}"}`))
  const { ask } = askerOf(server)
  await ask()
  good = given = 't2'
  await ask()
  good = 't3'
  await refusedWith(/^registry answers 401, want=200$/, ask())
  assert.equal(server.asked.filter((line) => line.includes('/token?')).length, 3)

  const passwordPath = await fileOf('plain-password', 'x')
  const basic = `Basic ${Buffer.from('a:x').toString('base64')}`
  await using plain = await openRegistryServer(
    repository,
    behind(basic, () => 'Basic realm="r"'),
  )
  plain.tag('live', first)
  const credentials = { basic: { username: 'a', passwordPath } }
  assert.equal((await askerOf(plain, { credentials }).ask()).kind, 'bundle')

  const auth = Buffer.from('a:x').toString('base64')
  const path = await fileOf('users', JSON.stringify({ auths: { [plain.host]: { auth } } }))
  const byFile = askerOf(plain, { credentials: { dockerConfig: { path } } })
  assert.equal((await byFile.ask()).kind, 'bundle')
  await writeFile(path, '{"auths":{}}')
  await refusedWith(
    /^file of registry credentials: want=one entry/,
    askerOf(plain, { credentials: { dockerConfig: { path } } }).ask(),
  )
})

test('no token, password or key goes to a server that nobody has named', async () => {
  requirement('policy.registry-credentials-stay')
  await using thief = await openRegistryServer(repository)
  thief.instead('pull', (_, response) => void response.end('{"token":"t0"}'))
  const passwordPath = await fileOf('theirs', 's3cret')
  const credentials = { basic: { username: 'robot', passwordPath } }
  const realms = [
    `${thief.url}/token`,
    `http://user@${thief.host}/token`,
    '/token',
    '',
    'file:///etc/passwd',
  ]
  for (const realm of realms) {
    const challenge = (): string => `Bearer realm="${realm}"`
    await using server = await openRegistryServer(repository, behind('Bearer t0', challenge))
    server.tag('live', first)
    const elsewhere = /^registry wants a token of another server, want="http:[^"]*" got="[^"/]*"$/
    await refusedWith(elsewhere, askerOf(server, { credentials }).ask())
    const other = { credentials, tokenUrl: `${thief.url}/other` }
    await refusedWith(elsewhere, askerOf(server, other).ask())
  }
  assert.deepEqual(thief.asked, [])
  const challenge = (): string => `Bearer realm="${thief.url}/token"`
  await using server = await openRegistryServer(repository, behind('Bearer t0', challenge))
  server.tag('live', first)
  const named = { credentials, tokenUrl: `${thief.url}/token` }
  assert.equal((await askerOf(server, named).ask()).kind, 'bundle')
})

test('a layer that is elsewhere is fetched where somebody has named it, without what is ours', async () => {
  requirement('policy.registry-credentials-stay')
  const tokenPath = await fileOf('token', 'abc')
  const credentials = { bearer: { tokenPath } }
  await using store = await openRegistryServer(repository)
  await using server = await holding(first)
  const path = '/layer?signature=s3cret'
  store.instead(path, (_, response) => void response.end(archive))
  const send =
    (location: string): Answer =>
    (_, response) =>
      void response.writeHead(307, { location }).end()
  server.instead(first.layer, send(`${store.url}${path}`))
  const elsewhere = /^registry sends us elsewhere for the archive, want="127[^"]*" got="127[^"]*"$/
  await refusedWith(elsewhere, askerOf(server, { credentials }).ask())
  assert.deepEqual(store.asked, [])
  const named = askerOf(server, { credentials, blobHosts: [store.host] })
  assert.equal((await named.ask()).kind, 'bundle')
  assert.deepEqual(store.asked, [`GET ${path}`])
  // One step, and what is there is what its digest names.
  store.instead(path, send('/other'))
  await refusedWith(/^registry answers 307, want=200$/, named.ask())
  store.instead(path, (_, response) => void response.end('other'))
  await refusedWith(/^archive is not what its digest names/, named.ask())
  // Its own origin has been told already what it is told again.
  server.instead(first.layer, send('/kept'))
  server.instead('/kept', (_, response) => void response.end(archive))
  assert.equal((await named.ask()).kind, 'bundle')
  assert.equal(server.asked.at(-1), 'GET /kept Bearer abc')
  for (const location of ['ftp://127.0.0.1/', 'http://store.example/x', '']) {
    server.instead(first.layer, send(location))
    const hosts = { blobHosts: ['store.example', '127.0.0.1'] }
    await assert.rejects(askerOf(server, hosts).ask(), { code: 'policy/service' })
  }
})

test('a token that is none is sent to nobody, and shown to nobody', async () => {
  requirement('policy.registry-credentials-stay')
  const challenge = (host = ''): string => `Bearer realm="http://${host}/token"`
  await using server = await openRegistryServer(repository, behind('Bearer t0', challenge))
  const bodies = [
    '{"token":"a\\r\\nx-more: 1"}',
    `{"token":"${'a'.repeat(13_000)}"}`,
    '{"token":""}',
    '{"token":{}}',
    'null',
    '{s3cret',
  ]
  for (const body of bodies) {
    server.instead('pull', (_, response) => void response.end(body))
    await refusedWith(
      /^token server of the registry gives no token, want=token or /,
      askerOf(server).ask(),
    )
  }
  server.instead('pull', (_, response) => void response.end(' '.repeat(65 * 1024)))
  await refusedWith(/^token is too large, want=..65536 octets$/, askerOf(server).ask())
  server.instead('pull', (_, response) => void response.writeHead(403).end())
  await refusedWith(/^token server of the registry answers 403, want=200$/, askerOf(server).ask())
  const asked = server.asked.filter((line) => line.includes('Bearer'))
  assert.deepEqual(asked, [])
  // A token that is configured is the only one.
  const tokenPath = await fileOf('own-token', 'abc')
  const own = askerOf(server, { credentials: { bearer: { tokenPath } } })
  await refusedWith(/^registry answers 401, want=200$/, own.ask())
  await using silent = await openRegistryServer(repository, () => 'Negotiate')
  await refusedWith(/want=200 or a challenge that we can answer$/, askerOf(silent).ask())
})

test('a key of ours is shown to the registry, and not to where it keeps its layers', async () => {
  requirement('policy.registry-credentials-stay')
  const authority = await createAuthority('ours')
  const serving = await authority.issueServer([{ type: 'ip', value: '127.0.0.1' }])
  const ours = await authority.issueClient({ name: 'gateway', groups: [] })
  const shown: string[] = []
  const listen = async (answer: Answer): Promise<Server> => {
    const tls = { cert: serving.certificatePem, key: serving.privateKeyPem }
    const asking = { ca: authority.certificatePem, requestCert: true, rejectUnauthorized: false }
    const server = createServer({ ...tls, ...asking }, (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate()
      shown.push(String(subject?.CN ?? 'nobody'))
      answer(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  const hostOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`
  const store = await listen((_, response) => void response.end(archive))
  const location = `https://${hostOf(store)}/layer`
  const registry = await listen(({ url }, response) => {
    if (url === manifestPath) response.end(first.manifest)
    else response.writeHead(307, { location }).end()
  })
  try {
    const server = { url: `https://${hostOf(registry)}` }
    const clientTls = {
      cert: await fileOf('cert.pem', ours.certificatePem),
      privateKey: await fileOf('key.pem', ours.privateKeyPem),
    }
    const known = { credentials: { clientTls }, blobHosts: [hostOf(store)] }
    await refusedWith(/got=SELF_SIGNED_CERT_IN_CHAIN$/, askerOf(server, known).ask())
    const caCert = await fileOf('ca.pem', authority.certificatePem)
    assert.equal((await askerOf(server, { ...known, tls: { caCert } }).ask()).kind, 'bundle')
    assert.deepEqual(shown, ['gateway', 'gateway', 'nobody'])
  } finally {
    for (const server of [registry, store]) {
      server.close()
      server.closeAllConnections()
    }
  }
})

test('a tag may name an index: its one image is asked for by its digest, and is that or no answer', async () => {
  requirement('policy.bundle-by-digest')
  const index = indexOf([first])
  await using server = await holding(index)
  const { ask } = askerOf(server)
  const etag = `"${index.digest}"`
  assert.deepEqual(await ask(), { kind: 'bundle', isLongPoll: false, archive, etag })
  assert.deepEqual(await ask(etag), { kind: 'unchanged', isLongPoll: false })
  const imagePath = `/v2/${repository}/manifests/${first.digest}`
  assert.deepEqual(server.asked, [
    `GET ${manifestPath}`,
    `GET ${imagePath}`,
    `GET ${blobPath(first)}`,
    `GET ${manifestPath}`,
  ])
  server.instead(imagePath, (_, response) => void response.end(second.manifest))
  await refusedWith(/^manifest is not what its digest names, want=sha256:/, ask())
  server.instead(imagePath, (_, response) => void response.writeHead(404).end())
  await refusedWith(/^registry answers 404, want=200$/, ask())
  server.tag('live', indexOf([first, second]))
  await refusedWith(/^index has 2 images, want=one$/, ask(), 'policy/bundle')
})
