import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { CountersignError } from '../../src/errors.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import type { ConnectionSource } from '../../src/kubernetes/connection.ts'
import { defaultKubeconfigs } from '../../src/kubernetes/kubeconfig.ts'
import { requirement } from '../requirements.ts'
import {
  startFakeApiServer,
  statusAnswer,
  type FakeApiServer,
  type FakeRequest,
} from '../support/fake-api-server.ts'
import { startProxy } from '../support/proxy.ts'

type Fields = Record<string, unknown>

interface Config {
  'current-context': unknown
  contexts: { name: string; context: Fields }[]
  clusters: { name: string; cluster: Fields }[]
  users: { name: string; user: Fields }[]
}

let server: FakeApiServer
let folder: string
let pems: { readonly ca: string; readonly certificate: string; readonly key: string }
let files = 0

const decoded = (data: unknown): string => Buffer.from(String(data), 'base64').toString('utf8')
const encoded = (text: string): string => Buffer.from(text).toString('base64')

async function original(): Promise<Config> {
  return parse(await readFile(server.kubeconfig, 'utf8')) as Config
}

before(async () => {
  server = await startFakeApiServer()
  server.otherwise(() => ({ body: { fine: true } }))
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  const { clusters, users } = await original()
  pems = {
    ca: decoded(clusters[0]?.cluster['certificate-authority-data']),
    certificate: decoded(users[0]?.user['client-certificate-data']),
    key: decoded(users[0]?.user['client-key-data']),
  }
})

after(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function write(name: string, text: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, text, { mode: 0o600 })
  return file
}

interface Change {
  readonly cluster?: Fields
  readonly user?: Fields
  readonly config?: Fields
}

/** The fake server's kubeconfig with some members changed; an undefined one is left out. */
async function changed({ cluster, user, config }: Change): Promise<string> {
  const whole = await original()
  Object.assign(whole.clusters[0]?.cluster ?? {}, cluster)
  Object.assign(whole.users[0]?.user ?? {}, user)
  files += 1
  return write(`config-${files}.yaml`, stringify({ ...whole, ...config }))
}

const withoutKeys = { 'client-certificate-data': undefined, 'client-key-data': undefined }

async function ask(source: ConnectionSource): Promise<FakeRequest> {
  const client = createApiClient(source)
  try {
    const count = server.requests.length
    await client.request({ method: 'GET', path: '/api/v1/pods' })
    const request = server.requests[count]
    assert.ok(request !== undefined)
    return server.requests.at(-1) ?? request
  } finally {
    client.close()
  }
}

function refusalOf(source: ConnectionSource): CountersignError {
  try {
    createApiClient(source).close()
  } catch (error) {
    assert.ok(error instanceof CountersignError)
    assert.equal(error.code, 'kubernetes/configuration')
    return error
  }
  return assert.fail('want=refused got=accepted')
}

describe('a kubeconfig', () => {
  test('may hold its certificates, or name their files beside it', async () => {
    await write('ca.pem', pems.ca)
    await write('client.pem', pems.certificate)
    await write('client.key', pems.key)
    const kubeconfig = await changed({
      cluster: { 'certificate-authority-data': undefined, 'certificate-authority': 'ca.pem' },
      user: {
        ...withoutKeys,
        'client-certificate': 'client.pem',
        'client-key': join(folder, 'client.key'),
      },
    })
    assert.equal((await ask({ kubeconfig })).user, 'tester')
    const both = await changed({
      user: { 'client-certificate': 'no-such-file', 'client-key': 'nor this' },
    })
    assert.equal((await ask({ kubeconfig: both })).user, 'tester', 'data goes before a file')
  })

  test('may say under which name the server is known, and in which context', async () => {
    const port = new URL(server.url).port
    const cluster = { server: `https://localhost:${port}`, 'tls-server-name': 'fake.example' }
    const other = { name: 'other', context: { cluster: 'nowhere', user: 'nobody' } }
    const { contexts } = await original()
    const config = { contexts: [other, ...contexts], 'current-context': 'other' }
    const kubeconfig = await changed({ cluster, config })
    assert.equal((await ask({ kubeconfig, context: 'test' })).user, 'tester')
  })

  test('may be several files: the first that says a thing is right, and one may be missing', async () => {
    const whole = await original()
    const kubeconfig = [
      join(folder, 'missing.yaml'),
      await write(
        'context.yaml',
        stringify({ contexts: whole.contexts, 'current-context': 'test' }),
      ),
      await write(
        'rest.yaml',
        stringify({ clusters: whole.clusters, users: whole.users, 'current-context': 'x' }),
      ),
    ]
    assert.equal((await ask({ kubeconfig })).user, 'tester')
    assert.match(refusalOf({ kubeconfig: kubeconfig.slice(0, 1) }).message, /got=ENOENT$/)
  })

  test('may say whom to act as', async () => {
    const kubeconfig = await changed({ user: { as: 'anna', 'as-groups': ['a', 'b'] } })
    const { headers } = await ask({ kubeconfig })
    assert.equal(headers['impersonate-user'], 'anna')
    assert.equal(headers['impersonate-group'], 'a, b')
  })

  test('of a person is where KUBECONFIG says, or in the home folder', async () => {
    assert.deepEqual(defaultKubeconfigs({}, '/people/anna'), ['/people/anna/.kube/config'])
    assert.deepEqual(defaultKubeconfigs({ KUBECONFIG: '' }, '/h'), ['/h/.kube/config'])
    assert.deepEqual(defaultKubeconfigs({ KUBECONFIG: '/a::/b' }, '/h'), ['/a', '/b'])
    const environment = { KUBECONFIG: server.kubeconfig }
    assert.equal((await ask({ home: folder, environment })).user, 'tester')
    assert.match(refusalOf({ home: folder }).message, /\.kube.config": want=readable got=ENOENT$/)
    const pod = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' }
    assert.equal(
      (await ask({ home: folder, environment: { ...pod, ...environment } })).user,
      'tester',
    )
    const inPod = refusalOf({ home: folder, environment: pod, serviceAccountFolder: folder })
    assert.match(inPod.message, /^service account ca\.crt/)
  })

  const server1 = 'cluster "test"'
  const user1 = 'user "test"'
  const refused: readonly (readonly [string, Change, RegExp, RegExp?])[] = [
    [
      'has no current context',
      { config: { 'current-context': '' } },
      /: current-context: want=a context got=none$/,
      /^there are: test$/,
    ],
    [
      'names a context that is none',
      { config: { 'current-context': 'x' } },
      /: context "x": want=defined got=none$/,
      /^there are: test$/,
    ],
    [
      'has no contexts',
      { config: { contexts: null } },
      /: context "test": want=defined/,
      /^there are: none$/,
    ],
    [
      'names a cluster that is none',
      { config: { clusters: [] } },
      /: cluster "test" of context "test": want=defined got=none$/,
    ],
    [
      'names a user that is none',
      { config: { users: [] } },
      /: user "test" of context "test": want=defined got=none$/,
    ],
    ['has no server', { cluster: { server: undefined } }, new RegExp(`: ${server1}: server: `)],
    [
      'has a server without https',
      { cluster: { server: 'http://127.0.0.1:1' } },
      /: server: want=https URL got="http:\/\/127.0.0.1:1"$/,
    ],
    [
      'has a server that is no URL',
      { cluster: { server: 'undefined' } },
      /: server: want=https URL got="undefined"$/,
    ],
    [
      'skips TLS verification',
      { cluster: { 'insecure-skip-tls-verify': true } },
      new RegExp(`: ${server1}: insecure-skip-tls-verify: want=false got=true$`),
      /certificate-authority-data/,
    ],
    [
      'has a CA that is none',
      { cluster: { 'certificate-authority-data': encoded('no CA') } },
      /^certificate-authority-data: want=PEM certificates got=none$/,
    ],
    [
      'names a CA that is not there',
      { cluster: { 'certificate-authority-data': undefined, 'certificate-authority': 'none.pem' } },
      /^certificate-authority ".*none.pem": want=readable got=ENOENT$/,
      /path/,
    ],
    [
      'has a certificate without a key',
      { user: { 'client-key-data': undefined } },
      /^client-key: want=beside client-certificate got=none$/,
    ],
    [
      'has a certificate that cannot be read',
      {
        user: {
          'client-certificate-data': encoded(
            '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
          ),
        },
      },
      /^client-certificate-data: want=PEM certificates got=one that cannot be read$/,
    ],
    [
      'has a key that is none',
      { user: { 'client-key-data': encoded('secret') } },
      /^client-key-data: want=PEM private key got=other$/,
    ],
    [
      'has a token of two lines',
      { user: { token: 'one\ntwo' } },
      /^token: want=one line of printable ASCII got=other$/,
    ],
    [
      'names a token file that is empty',
      { user: { tokenFile: 'empty' } },
      /^tokenFile ".*empty": want=one line of printable ASCII got=nothing$/,
    ],
    [
      'has an auth provider',
      { user: { 'auth-provider': { name: 'gcp' } } },
      new RegExp(`: ${user1}: auth-provider: want=none got=some: it is not supported$`),
      /exec plugin/,
    ],
    ['has a password', { user: { username: 'u', password: 'secret' } }, /: username: want=none/],
    [
      'acts as more than it can say',
      { user: { as: 'a', 'as-user-extra': { a: ['b'] } } },
      /: as-user-extra: want=none/,
    ],
    [
      'acts as groups of nobody',
      { user: { 'as-groups': ['a'] } },
      /: as-groups: want=as beside it got=none$/,
    ],
    [
      'has a proxy of another kind',
      { cluster: { 'proxy-url': 'socks5://user:secret@127.0.0.1:1' } },
      /: proxy-url: want=http URL got=socks5:$/,
      /HTTP proxy/,
    ],
    [
      'has a plugin that asks people',
      {
        user: {
          exec: {
            apiVersion: 'client.authentication.k8s.io/v1',
            command: 'x',
            interactiveMode: 'Always',
          },
        },
      },
      /: exec: interactiveMode: want=Never or IfAvailable got=Always$/,
    ],
    [
      'has a plugin of another version',
      { user: { exec: { apiVersion: 'client.authentication.k8s.io/v1alpha1', command: 'x' } } },
      /: exec\.apiVersion: /,
    ],
    ['has members of another type', { config: { users: { secret: 1 } } }, /: users: /],
  ]
  for (const [what, change, message, hint] of refused) {
    test(`that ${what} is refused in one line, without a secret`, async () => {
      requirement('kubernetes.tls-always')
      requirement('kubernetes.silent-kubeconfig')
      await write('empty', '\n')
      const error = refusalOf({ kubeconfig: await changed(change) })
      assert.match(error.message, message)
      assert.doesNotMatch(`${error.message}${String(error.cause)}${error.hint ?? ''}`, /\n|secret/)
      if (hint !== undefined) assert.match(error.hint ?? '', hint)
    })
  }

  test('with an encrypted key is refused, and says how to take the password off', async () => {
    const key = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' },
    }).privateKey
    const error = refusalOf({
      kubeconfig: await changed({ user: { 'client-key-data': encoded(key) } }),
    })
    assert.equal(error.message, 'client-key-data: want=an unencrypted key got=an encrypted one')
    assert.match(error.hint ?? '', /^openssl pkey/)
  })

  test('with the key of another certificate is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
    const error = refusalOf({
      kubeconfig: await changed({ user: { 'client-key-data': encoded(String(pem)) } }),
    })
    assert.match(error.message, /want=a certificate and its key got=other$/)
  })

  test('that is not there, too large, no file or no YAML is refused without a word of its text', async () => {
    requirement('kubernetes.silent-kubeconfig')
    const none = join(folder, 'none.yaml')
    const missing = refusalOf({ kubeconfig: none })
    assert.equal(missing.message, `kubeconfig ${JSON.stringify(none)}: want=readable got=ENOENT`)
    assert.match(missing.hint ?? '', /no such file/)
    const large = await write('large.yaml', `a: "${'x'.repeat(1024 * 1024)}"`)
    assert.match(refusalOf({ kubeconfig: large }).message, /want=a file of at most 1048576 bytes/)
    assert.match(refusalOf({ kubeconfig: folder }).message, /got=no file$/)
    const broken = refusalOf({
      kubeconfig: await write('broken.yaml', 'a: 1\nusers: [secret: - [\n'),
    })
    assert.match(broken.message, /: line [23]: want=YAML got=malformed$/)
    const bomb = 'a: &a [1]\nb: [*a, *a]\n'
    assert.match(
      refusalOf({ kubeconfig: await write('bomb.yaml', bomb) }).message,
      /want=no aliases$/,
    )
  })

  test('with another CA than the server’s reaches nothing', async () => {
    await using other = await startFakeApiServer()
    const foreign = parse(await readFile(other.kubeconfig, 'utf8')) as Config
    const ca = foreign.clusters[0]?.cluster['certificate-authority-data']
    const kubeconfig = await changed({ cluster: { 'certificate-authority-data': ca } })
    const count = server.requests.length
    await assert.rejects(ask({ kubeconfig }), { code: 'kubernetes/unreachable' })
    assert.equal(server.requests.length, count)
  })

  test('of a server that does not answer says which, and what to look at', async () => {
    const kubeconfig = await changed({ cluster: { server: 'https://127.0.0.1:1' } })
    await assert.rejects(ask({ kubeconfig }), {
      code: 'kubernetes/unreachable',
      message: 'GET /api/v1/pods: no answer: connect ECONNREFUSED 127.0.0.1:1',
      hint: 'is https://127.0.0.1:1 the right server, is it up, and may it be reached from here?',
    })
  })

  test('with a proxy goes through it, and names it when it does not answer', async () => {
    await using proxy = await startProxy()
    const through = await changed({ cluster: { 'proxy-url': proxy.url } })
    assert.equal((await ask({ kubeconfig: through })).user, 'tester')
    assert.deepEqual(proxy.asked, [new URL(server.url).host])
    const nowhere = await changed({ cluster: { 'proxy-url': 'http://u:secret@127.0.0.1:1' } })
    await assert.rejects(ask({ kubeconfig: nowhere }), (error: CountersignError) => {
      assert.equal(error.code, 'kubernetes/unreachable')
      assert.equal(error.hint, `is the proxy 127.0.0.1:1 up, and does it reach ${server.url}?`)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  })

  test('whose certificate is renewed is used within a minute, on a new connection', async () => {
    let now = 0
    const kubeconfig = await changed({})
    const renewed = createApiClient({ kubeconfig, clock: () => now })
    const request = (): Promise<unknown> => renewed.request({ method: 'GET', path: '/api/v1/pods' })
    await request()
    // The same anchor twice: another credential as far as TLS is concerned.
    const twice = encoded(`${pems.ca}${pems.ca}`)
    const whole = parse(await readFile(kubeconfig, 'utf8')) as Config
    Object.assign(whole.clusters[0]?.cluster ?? {}, { 'certificate-authority-data': twice })
    await writeFile(kubeconfig, stringify(whole))
    now = 59_000
    await request()
    now = 61_000
    await request()
    const [one, two, three] = server.requests.slice(-3).map(({ connection }) => connection)
    assert.equal(one, two)
    assert.notEqual(two, three)
    // Half written: the last good credential stays.
    await writeFile(kubeconfig, 'clusters: [')
    now = 122_000
    await request()
    assert.equal(server.requests.at(-1)?.connection, three)
    renewed.close()
  })
})

const bearer = (request: FakeRequest | undefined): string | undefined =>
  request?.headers.authorization

describe('a token', () => {
  test('in a file may end with a newline, and is read again within a minute', async () => {
    let now = 0
    const file = await write('token', 'one\n')
    const kubeconfig = await changed({ user: { token: 'stale', tokenFile: 'token' } })
    const client = createApiClient({ kubeconfig, clock: () => now })
    const request = (): Promise<unknown> => client.request({ method: 'GET', path: '/' })
    await request()
    assert.equal(bearer(server.requests.at(-1)), 'Bearer one')
    await writeFile(file, 'two\n')
    now = 60_000
    await request()
    assert.equal(bearer(server.requests.at(-1)), 'Bearer two')
    client.close()
  })

  test('that is refused is read again at once, also for a create, and the same one is not sent twice', async () => {
    let now = 0
    const file = await write('refused-token', 'one')
    const kubeconfig = await changed({ user: { tokenFile: 'refused-token' } })
    const client = createApiClient({ kubeconfig, clock: () => now })
    await client.request({ method: 'GET', path: '/' })
    await writeFile(file, 'two')
    const from = server.requests.length
    server.script(statusAnswer(401, 'Unauthorized'))
    await client.request({ method: 'POST', path: '/', body: {} })
    assert.deepEqual(server.requests.slice(from).map(bearer), ['Bearer one', 'Bearer two'])
    for (const seconds of [1, 20]) {
      now = seconds * 1000
      server.script(statusAnswer(401, 'Unauthorized'))
      const count = server.requests.length
      await assert.rejects(client.request({ method: 'GET', path: '/' }), { status: 401 })
      assert.equal(server.requests.length, count + 1)
    }
    client.close()
  })
})

describe('the service account of a pod', () => {
  test('is the one in the folder, at the server of the environment', async () => {
    await using cluster = await startFakeApiServer({ anonymous: true })
    cluster.otherwise(() => ({ body: { fine: true } }))
    const { clusters } = parse(await readFile(cluster.kubeconfig, 'utf8')) as Config
    const mounted = join(folder, 'mounted')
    await mkdir(mounted)
    const ca = decoded(clusters[0]?.cluster['certificate-authority-data'])
    await writeFile(join(mounted, 'ca.crt'), ca)
    await writeFile(join(mounted, 'token'), 'pod-token\n')
    const { hostname, port } = new URL(cluster.url)
    const environment = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port }
    const client = createApiClient({ environment, serviceAccountFolder: mounted })
    assert.equal(client.server, cluster.url)
    await client.request({ method: 'GET', path: '/' })
    assert.equal(bearer(cluster.requests[0]), 'Bearer pod-token')
    client.close()
    const v6 = { ...environment, KUBERNETES_SERVICE_HOST: 'fd00::1' }
    const other = createApiClient({ environment: v6, serviceAccountFolder: mounted })
    assert.equal(other.server, `https://[fd00::1]:${port}`)
    other.close()
    const { message } = refusalOf({ environment, serviceAccountFolder: folder })
    assert.match(message, /ca\.crt.*got=ENOENT$/)
  })

  test('is nowhere outside of one', () => {
    const error = refusalOf({})
    assert.match(error.message, /^kubernetes server: want=a kubeconfig, or KUBERNETES_SERVICE_HOST/)
    assert.equal(error.hint, 'outside a pod, name a kubeconfig')
  })
})

describe('an exec plugin', () => {
  const apiVersion = 'client.authentication.k8s.io/v1'

  /** A plugin that gives `status` and keeps what it was run with. */
  async function plugin(
    name: string,
    more: Fields = {},
  ): Promise<{
    kubeconfig: string
    give(status: object | string): Promise<void>
    runs(): Promise<readonly Fields[]>
  }> {
    const script = [
      `const { appendFileSync, readFileSync } = require('node:fs')`,
      `const [, , name] = process.argv`,
      `appendFileSync(name + '.runs', JSON.stringify({ info: JSON.parse(process.env.KUBERNETES_EXEC_INFO), mine: process.env.MINE, ours: process.env.OURS }) + '\\n')`,
      `process.stdout.write(readFileSync(name + '.status', 'utf8'))`,
    ].join('\n')
    const at = join(folder, name)
    await write(`${name}.cjs`, script)
    await write(`${name}.runs`, '')
    const exec = {
      apiVersion,
      command: process.execPath,
      args: [`${at}.cjs`, at],
      env: [{ name: 'MINE', value: 'm' }],
      interactiveMode: 'IfAvailable',
      ...more,
    }
    return {
      kubeconfig: await changed({ user: { ...withoutKeys, exec } }),
      async give(status) {
        const text =
          typeof status === 'string'
            ? status
            : JSON.stringify({ kind: 'ExecCredential', apiVersion, status })
        await write(`${name}.status`, text)
      },
      async runs() {
        const text = await readFile(`${at}.runs`, 'utf8')
        return text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Fields)
      },
    }
  }

  const certified = (more: object = {}): object => ({
    clientCertificateData: pems.certificate,
    clientKeyData: pems.key,
    ...more,
  })

  test('gives a certificate and a token, which are kept until they are over', async () => {
    const given = await plugin('kept', { provideClusterInfo: true })
    const { kubeconfig } = given
    let now = Date.parse('2026-01-01T00:00:00Z')
    let time = 0
    await given.give(certified({ token: 'one', expirationTimestamp: '2026-01-01T01:00:00Z' }))
    const environment = { OURS: 'o' }
    const client = createApiClient({ kubeconfig, environment, now: () => now, clock: () => time })
    const request = async (): Promise<string | undefined> => {
      await client.request({ method: 'GET', path: '/' })
      assert.equal(server.requests.at(-1)?.user, 'tester')
      return bearer(server.requests.at(-1))
    }
    assert.equal(await request(), 'Bearer one')
    await given.give(certified({ token: 'two' }))
    time += 600_000
    assert.equal(await request(), 'Bearer one')
    now += 3_600_000
    assert.equal(await request(), 'Bearer two')
    now += 1e12
    time += 1e12
    assert.equal(await request(), 'Bearer two', 'without a time it holds until it is refused')
    const [first, , third] = await given.runs()
    assert.equal(third, undefined)
    assert.deepEqual(first, {
      info: {
        apiVersion,
        kind: 'ExecCredential',
        spec: {
          interactive: false,
          cluster: { server: server.url, 'certificate-authority-data': encoded(pems.ca) },
        },
      },
      mine: 'm',
      ours: 'o',
    })
    client.close()
  })

  test('is asked again when what it gave is refused, and no more often than every ten seconds', async () => {
    const given = await plugin('refused')
    const { kubeconfig } = given
    let time = 0
    await given.give(certified({ token: 'one' }))
    const client = createApiClient({ kubeconfig, clock: () => time })
    await client.request({ method: 'GET', path: '/' })
    await given.give(certified({ token: 'two' }))
    server.script(statusAnswer(401, 'Unauthorized'))
    await client.request({ method: 'GET', path: '/' })
    assert.equal(bearer(server.requests.at(-1)), 'Bearer two')
    for (const [seconds, count] of [
      [9, 2],
      [11, 3],
    ] as const) {
      time = seconds * 1000
      server.script(statusAnswer(401, 'Unauthorized'))
      await assert.rejects(client.request({ method: 'GET', path: '/' }), { status: 401 })
      assert.equal((await given.runs()).length, count)
    }
    client.close()
  })

  const badOutputs: Readonly<Record<string, object | string>> = {
    'no JSON': 'secret',
    'another kind': { kind: 'Secret' },
    nothing: {},
    'a key that is none': { clientCertificateData: 'secret', clientKeyData: 'secret' },
    'a time that is none': { token: 'secret', expirationTimestamp: 'secret' },
    'too much': 'secret'.repeat(200_000),
  }
  for (const [what, output] of Object.entries(badOutputs)) {
    test(`that says ${what} is refused without a word of it`, async () => {
      requirement('kubernetes.silent-kubeconfig')
      const given = await plugin('bad')
      const { kubeconfig } = given
      await given.give(output)
      await assert.rejects(ask({ kubeconfig }), (error: CountersignError) => {
        assert.equal(error.code, 'kubernetes/configuration')
        assert.match(error.message, /^exec plugin ".*": want=/)
        assert.doesNotMatch(`${error.message}${String(error.cause)}`, /secret/)
        return true
      })
    })
  }

  test('that is not installed, or fails, is said with what to do', async () => {
    const exec = { apiVersion, command: 'no-such-plugin', installHint: 'brew install it' }
    const missing = await changed({ user: { ...withoutKeys, exec } })
    await assert.rejects(ask({ kubeconfig: missing }), {
      message: 'exec plugin "no-such-plugin": want=exit 0 got=ENOENT',
      hint: 'the kubeconfig says: "brew install it"',
    })
    const script = await write('fails', '#!/bin/sh\necho secret >&2\nexit 3\n')
    await chmod(script, 0o700)
    const failing = await changed({
      user: { ...withoutKeys, exec: { apiVersion, command: './fails' } },
    })
    await assert.rejects(ask({ kubeconfig: failing }), {
      message: `exec plugin ${JSON.stringify(script)}: want=exit 0 got=exit 3`,
      hint: 'run it by hand: it says there what is wrong',
    })
  })
})
