import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { openBundleEndpoint, type BundleEndpoint } from '../../../src/cli/signer/bundle-endpoint.ts'
import { validate } from '../../../src/cli/configuration.ts'
import {
  signerSchema,
  type BundleEndpointConfig,
} from '../../../src/cli/signer/signer-configuration.ts'
import { silentLog } from '../../../src/log.ts'
import { createMetrics } from '../../../src/metrics.ts'
import { formatCertificates } from '../../../src/pki/pem.ts'
import type { CountedAnchors } from '../../../src/signer/anchors/bundle-sequence.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { goFederation } from '../../support/go-federation.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const trustDomain = 'a.example'
const signer = createTestAuthority({ trustDomain })
const next = createTestAuthority({ trustDomain })
const web = createTestAuthority({ trustDomain: 'web.example', dnsSuffixes: ['localhost'] })
const page = web.issue({ role: 'tool-server', dnsNames: ['localhost'] })
const svid = signer.issue({ namespace: 'countersign-system', serviceAccount: 'bundle-endpoint' })

const counted = (...authorities: readonly (typeof signer)[]): CountedAnchors => ({
  anchors: authorities.flatMap(({ bundle }) => bundle.anchors),
  sequence: BigInt(authorities.length) + 7n,
  seenAt: 0,
})

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-endpoint-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function open(
  shows: 'web' | 'spiffe',
  published: () => CountedAnchors | undefined,
  metrics = createMetrics(),
): Promise<BundleEndpoint> {
  const place = { host: '127.0.0.1', port: 0, refreshHintSeconds: 30 }
  const [certificate, privateKey, credentialBundle] = ['tls.crt', 'tls.key', 'bundle.pem'].map(
    (name) => join(folder, name),
  ) as [string, string, string]
  const config: BundleEndpointConfig =
    shows === 'web'
      ? { ...place, web: { certificate, privateKey } }
      : { ...place, spiffe: { credentialBundle } }
  return openBundleEndpoint({
    config,
    trustDomain: signer.trustDomain,
    published,
    log: silentLog,
    metrics,
  })
}

async function writeWeb({ credential } = page): Promise<void> {
  await writeFile(join(folder, 'tls.crt'), credential.chainPem)
  await writeFile(join(folder, 'tls.key'), credential.privateKeyPem)
}

interface Served {
  readonly spiffe_sequence: number
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

interface Answer {
  readonly status: number | undefined
  readonly type: string | undefined
  readonly text: string
}

function ask(url: string, method = 'GET', body?: string): Promise<Answer> {
  const place = new URL(url)
  return new Promise((resolve, reject) => {
    const asked = request({
      method,
      host: place.hostname,
      port: place.port,
      path: place.pathname,
      servername: 'localhost',
      ca: web.bundlePem,
      agent: false,
    })
    asked.on('error', reject)
    asked.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode, type: response.headers['content-type'], text }),
      )
    })
    asked.end(body)
  })
}

test('the published anchors are served, with their number, and nothing else is', async () => {
  requirement('federation.published-anchors-only')
  await writeWeb()
  let known: CountedAnchors | undefined
  const metrics = createMetrics()
  await using endpoint = await open('web', () => known, metrics)
  assert.equal((await ask(endpoint.url)).status, 503)
  assert.deepEqual(endpoint.condition(), {
    name: 'bundle-endpoint',
    ok: false,
    optional: true,
    reason: 'no published bundle is known',
  })
  known = counted(signer)
  const answer = await ask(endpoint.url)
  assert.deepEqual([answer.status, answer.type], [200, 'application/json; charset=utf-8'])
  const [anchor] = signer.authority.anchors
  const { keys, ...said } = JSON.parse(answer.text) as Served
  assert.deepEqual(said, { spiffe_sequence: 8, spiffe_refresh_hint: 30 })
  assert.deepEqual(
    keys.map(({ use, x5c }) => ({ use, x5c })),
    [{ use: 'x509-svid', x5c: [anchor?.toString('base64')] }],
  )
  assert.equal(endpoint.condition().ok, true)
  known = counted(signer, next)
  const later = JSON.parse((await ask(endpoint.url)).text) as Served
  assert.deepEqual([later.spiffe_sequence, later.keys.length], [9, 2])
  assert.deepEqual(await ask(endpoint.url, 'HEAD'), { ...answer, text: '' })
  assert.equal((await ask(endpoint.url, 'POST')).status, 405)
  assert.equal((await ask(endpoint.url, 'GET', 'body')).status, 400)
  for (const path of ['/metrics', '/readyz', '/bundle', '/..%2f'])
    assert.equal((await ask(`${endpoint.url}${path}`)).status, 404)
  const shown = await metrics.page()
  assert.match(shown, /countersign_bundle_requests_total\{result="unavailable"\} 1/)
  assert.match(shown, /countersign_bundle_sequence 9/)
})

test('no private key and nothing of one is in what is served', async () => {
  await using endpoint = await open('web', () => counted(signer))
  const { text } = await ask(endpoint.url)
  const { keys } = JSON.parse(text) as Served
  for (const key of keys) assert.ok(!('d' in key) && !('k' in key) && !('kid' in key))
})

test('a connection is resumed and renegotiated by nobody', async () => {
  await writeWeb()
  await using endpoint = await open('web', () => counted(signer))
  const socket = connect({
    host: '127.0.0.1',
    port: Number(new URL(endpoint.url).port),
    servername: 'localhost',
    ca: web.bundlePem,
    maxVersion: 'TLSv1.2',
  })
  await once(socket, 'secureConnect')
  assert.equal(socket.getTLSTicket(), undefined)
  const refused = new Promise<Error | null>((resolve) => {
    socket.on('error', resolve)
    socket.renegotiate({}, resolve)
  })
  assert.match((await refused)?.message ?? 'renegotiated', /no.renegotiation/i)
  socket.destroy()
})

test('a renewed certificate is shown from the next handshake on, and a half-written pair never is', async () => {
  await writeWeb()
  await using endpoint = await open('web', () => counted(signer))
  const { port } = new URL(endpoint.url)
  const shown = (): Promise<string | undefined> =>
    new Promise((resolve, reject) => {
      const socket = connect({
        port: Number(port),
        host: '127.0.0.1',
        servername: 'localhost',
        ca: web.bundlePem,
      })
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        resolve(socket.getPeerX509Certificate()?.serialNumber.toLowerCase())
        socket.destroy()
      })
    })
  assert.equal(await shown(), page.issued.serialNumber)
  const renewed = web.issue({ role: 'tool-server', dnsNames: ['localhost'] })
  // A file that is written anew is empty first.
  await writeFile(join(folder, 'tls.crt'), '')
  await eventually('no certificate is seen', () => !endpoint.condition().ok)
  assert.equal(await shown(), page.issued.serialNumber)
  await writeFile(join(folder, 'tls.crt'), renewed.credential.chainPem)
  await eventually('the pair is seen as half written', () =>
    endpoint.condition().reason.includes('do not belong together'),
  )
  assert.equal(await shown(), page.issued.serialNumber)
  await writeFile(join(folder, 'tls.key'), renewed.credential.privateKeyPem)
  await eventually(
    'the renewed one is shown',
    async () => (await shown()) === renewed.issued.serialNumber,
  )
})

test('a certificate that is not there yet is waited for, and one of another trust domain is none', async () => {
  await rm(join(folder, 'bundle.pem'), { force: true })
  await using endpoint = await open('spiffe', () => counted(signer))
  assert.equal(endpoint.condition().ok, false)
  await assert.rejects(ask(endpoint.url))
  await writeFile(join(folder, 'bundle.pem'), page.credentialPem)
  await eventually('another trust domain is seen', () =>
    endpoint.condition().reason.includes('another trust domain'),
  )
  await assert.rejects(ask(endpoint.url))
  await writeFile(join(folder, 'bundle.pem'), svid.credentialPem)
  await eventually('our SVID is there', () => endpoint.condition().ok)
})

const go = await goFederation()

test(
  'go-spiffe reads the bundle by both profiles, and by neither from somebody else',
  { skip: go === undefined && 'no Go' },
  async () => {
    assert.ok(go !== undefined)
    await writeWeb()
    await writeFile(join(folder, 'bundle.pem'), svid.credentialPem)
    const roots = join(folder, 'roots.pem')
    await writeFile(roots, web.bundlePem)
    const anchors = join(folder, 'anchors.pem')
    await writeFile(anchors, signer.bundlePem)
    const wanted = {
      trustDomain,
      sequence: 9,
      refreshHintSeconds: 30,
      anchors: [...signer.bundle.anchors, ...next.bundle.anchors].map(({ sha256 }) => sha256),
    }
    {
      await using endpoint = await open('web', () => counted(signer, next))
      const url = `https://localhost:${new URL(endpoint.url).port}/`
      assert.deepEqual(await go.fetch([trustDomain, url, 'web', roots]), wanted)
      await assert.rejects(go.fetch([trustDomain, url, 'web', anchors]), /unknown authority/)
    }
    await using endpoint = await open('spiffe', () => counted(signer, next))
    const url = `https://localhost:${new URL(endpoint.url).port}/`
    const { uri } = svid.identity.spiffeId
    assert.deepEqual(await go.fetch([trustDomain, url, 'spiffe', anchors, uri]), wanted)
    await assert.rejects(
      go.fetch([trustDomain, url, 'spiffe', anchors, `${uri}-2`]),
      /unexpected ID/,
    )
    const others = join(folder, 'others.pem')
    await writeFile(others, formatCertificates(next.authority.anchors))
    await assert.rejects(go.fetch([trustDomain, url, 'spiffe', others, uri]), /unknown authority/)
  },
)

test('one of web and spiffe is configured, and in production others are asked often enough', () => {
  const read = (bundleEndpoint: object, more: object = {}): unknown =>
    validate(
      {
        trustDomain,
        cluster: 'a',
        authority: { selfSigned: { namespace: 'a' } },
        ledger: { file: 'ledger' },
        bundleEndpoint,
        ...more,
      },
      signerSchema('/'),
      'signer',
    )
  const web = { certificate: 'a', privateKey: 'b' }
  const spiffe = { credentialBundle: 'c' }
  read({ web })
  read({ spiffe, refreshHintSeconds: 100 })
  for (const shows of [{}, { web, spiffe }]) assert.throws(() => read(shows), /want=web or spiffe/)
  assert.throws(
    () => read({ web, refreshHintSeconds: 101 }),
    /refreshHintSeconds: want=\.\.100, a third of trustBundle\.propagationSeconds/,
  )
  read({ web, refreshHintSeconds: 101 }, { production: false })
})
