import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createSelfTest } from '../../src/cli/bundle-process.ts'
import { lookAtPolicy, openPolicy, type OpenPolicy } from '../../src/cli/open-policy.ts'
import type { PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { silentLog, type Log } from '../../src/log.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import type { SelfTest } from '../../src/policy/self-test.ts'
import { archiveOf, shippedAs, shippedFiles, signedFiles, type Files } from '../policy/archive.ts'
import {
  openBundleServer,
  serving,
  type Answer,
  type BundleServer,
} from '../policy/bundle-server.ts'
import { callTexts } from '../policy/call-input.ts'
import { assembleModule } from '../policy/policy-module.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import {
  author,
  now,
  selfTest,
  serviceConfig,
  serviceParts,
  signedFirst,
  writeAuthorKey,
} from './service-parts.ts'

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })

let folder: string
let key: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-service-'))
  key = await writeAuthorKey(folder)
})

after(() => rm(folder, { recursive: true, force: true }))

const parts = serviceParts

const configOf = (server: BundleServer, persistenceDirectory: string): PolicyConfig =>
  serviceConfig(server, { key, persistenceDirectory })

async function signed(
  files: Files,
  { by = author, claims = {} }: { by?: typeof author; claims?: object } = {},
): Promise<Buffer> {
  return archiveOf(signedFiles(files, by.privateKey, { iat: signedFirst, ...claims }))
}

async function revision(name: string, claims: object = {}): Promise<Buffer> {
  return signed(await shippedAs(name), { claims })
}

/** What a call gets that nothing permits. */
function askUngranted({ engine }: OpenPolicy): {
  readonly allow: boolean
  readonly error: boolean
} {
  const { value, error } = createAuthorizer(engine).decide(callTexts())
  return { allow: value.allow, error: error !== undefined }
}

test('a gateway follows its bundle server, and begins with the last good one where that is down', async () => {
  requirement('policy.bundle-followed')
  const kept = join(folder, 'follow')
  const server = await openBundleServer()
  const config = configOf(server, kept)
  server.answer(serving(await revision('one'), '"1"'))
  {
    await using policy = await openPolicy(config, parts)
    assert.equal(policy.engine.revision, 'one')
    assert.deepEqual(policy.condition().ok, true)
    const before = policy.status()
    assert.equal(before.active_revision, 'one')
    assert.equal(before.last_successful_activation, new Date(now()).toISOString())
    await eventually('asked by the ETag of what is in force', () =>
      server.asked.some((headers) => headers['if-none-match'] === '"1"'),
    )
    const two = await revision('two', { iat: signedFirst + 1 })
    server.answer(serving(two, '"2"'))
    await eventually('the next one is in force', () => policy.engine.revision === 'two')
    await eventually('it is on disk', async () =>
      two.equals(await readFile(join(kept, 'bundle.tar.gz'))),
    )
  }
  await server[Symbol.asyncDispose]()
  await using policy = await openPolicy(config, parts)
  assert.equal(policy.engine.revision, 'two')
  await eventually('the status says that nobody answers', () => {
    const { code, message = '', active_revision: active } = policy.status()
    return code === 'bundle_error' && /got=ECONNREFUSED/.test(message) && active === 'two'
  })
  const { ok, optional, reason } = policy.condition()
  assert.deepEqual([ok, optional], [false, true])
  assert.match(reason, /^the last good bundle stays in force: bundle server cannot be asked/)
})

test('without a bundle everything is denied, and the gateway is not ready, until there is one', async () => {
  requirement('policy.bundle-followed')
  await using server = await openBundleServer()
  await using policy = await openPolicy(configOf(server, join(folder, 'empty')), parts)
  assert.deepEqual(askUngranted(policy), { allow: false, error: true })
  const { ok, optional, reason } = policy.condition()
  assert.deepEqual([ok, optional], [false, undefined])
  assert.match(reason, /^no bundle yet, all is denied: bundle server answers 503, want=200$/)
  const { active_revision: active, http_code: code } = policy.status()
  assert.deepEqual([active, code], [undefined, 503])
  server.answer(serving(await revision('one'), '"1"'))
  await eventually('there is one', () => policy.engine.revision === 'one')
  await eventually('it is ready', () => policy.condition().ok)
})

test('what is on disk is verified like a download, and never older than what was in force', async () => {
  requirement('policy.bundle-followed')
  const kept = join(folder, 'kept')
  const file = join(kept, 'bundle.tar.gz')
  await using server = await openBundleServer()
  const config = configOf(server, kept)
  server.answer(serving(await revision('new', { iat: signedFirst + 9 }), '"9"'))
  await using first = await openPolicy(config, parts)
  await eventually('it is kept', () => readFile(file).then(Boolean, () => false))
  await first[Symbol.asyncDispose]()

  server.answer(serving(await revision('old', { iat: signedFirst + 8 }), '"8"'))
  {
    await using second = await openPolicy(config, parts)
    await eventually('the older one is refused after a restart, too', () =>
      /was signed before the one in force/.test(second.status().message ?? ''),
    )
    assert.equal(second.engine.revision, 'new')
  }
  server.answer((_request, response) => void response.writeHead(500).end())
  const foreign = await signed(await shippedAs('foreign'), { by: stranger })
  for (const [content, message] of [
    [foreign, /signature is not by a key/],
    [foreign.subarray(0, 4000), /cut short/],
  ] as const) {
    await writeFile(file, content)
    const told: string[] = []
    const log: Log = {
      ...silentLog,
      warn: (fields) => void told.push((fields as { readonly error: Error }).error.message),
    }
    await using third = await openPolicy(config, { ...parts, log })
    assert.match(told[0] ?? '', message)
    assert.equal(third.engine.revision, 'none')
    assert.deepEqual(askUngranted(third), { allow: false, error: true })
    assert.equal(third.condition().optional, undefined)
  }
})

const newer = { claims: { iat: signedFirst + 1 } }

/** Everything that a server may send, by mistake or not. */
const faults: Readonly<Record<string, () => Promise<readonly [Answer | Buffer, RegExp]>>> = {
  'an archive that is cut short': async () => [
    (await revision('bad')).subarray(0, 4000),
    /^bundle is no gzip archive, or is cut short$/,
  ],
  'an answer that is cut short': async () => {
    const archive = await revision('bad')
    return [
      (_request, response) => {
        response.writeHead(200, { 'content-length': archive.length })
        response.write(archive.subarray(0, 1000), () => response.destroy())
      },
      /^bundle server cannot be asked, got=ECONNRESET$/,
    ]
  },
  'some octets that unpack to many': async () => [
    await archiveOf({ zeros: Buffer.alloc(8 * 1024 * 1024 + 1) }),
    /^bundle is too large, want=..8388608 octets unpacked$/,
  ],
  'some octets that unpack to more still': async () => [
    await archiveOf({ zeros: Buffer.alloc(63 * 1024 * 1024) }),
    /^bundle is too large, want=..8388608 octets unpacked$/,
  ],
  'no signature': async () => [await archiveOf(await shippedAs('bad')), /^bundle is not signed/],
  'a signature of a key that was taken away': async () => [
    await signed(await shippedAs('bad'), { by: stranger }),
    /^signature is not by a key of policy.signature$/,
  ],
  'a signature that names another key': async () => [
    await revision('bad', { keyid: 'next' }),
    /^key of the signature is not known, want=author got="next"$/,
  ],
  'a file that was changed after it was signed': async () => {
    const files = signedFiles(await shippedAs('good'), author.privateKey, { iat: signedFirst + 1 })
    const changed = { ...files, '.manifest': '{"revision":"bad","roots":[""]}' }
    return [await archiveOf(changed), /^file is not what was signed, got=".manifest"$/]
  },
  'an older revision': async () => [
    await revision('bad', { iat: signedFirst - 1 }),
    /^bundle was signed before the one in force, want=1000000.. got=999999$/,
  ],
  'another one of the same second': async () => [
    await revision('bad'),
    /^bundle was signed at the same second as the one in force, want=1000001.. got=1000000$/,
  ],
  'no time of signing': async () => [
    await archiveOf(signedFiles(await shippedAs('bad'), author.privateKey)),
    /^signature says no time, want=iat in its claims$/,
  ],
  'a time of signing that is to come': async () => [
    await revision('bad', { iat: signedFirst + 3600 }),
    /^bundle is signed for a time to come, want=..1000360 got=1003600$/,
  ],
  'a delta': async () => [
    await signed({ 'patch.json': '{"data":[]}' }, newer),
    /^file has no place there, got="patch.json" want=the whole bundle, no delta$/,
  ],
  'a builtin of nobody': async () => {
    const module = assembleModule({ builtins: ['http.send'] })
    const files = await shippedFiles({ 'policy.wasm': module, 'plan.json': undefined })
    return [
      await signed(files, newer),
      /^policy needs builtins that are not provided, got=http.send$/,
    ]
  },
  'a module that traps': async () => {
    const module = assembleModule({ behaviour: { trap: true } })
    const files = await shippedFiles({ 'policy.wasm': module })
    return [await signed(files, newer), /do not answer alike/]
  },
  'a failure': async () => [
    (_request, response) => void response.writeHead(500).end('no'),
    /^bundle server answers 500, want=200 or 304$/,
  ],
  'a redirect to a good bundle': async () => [
    (request, response) => {
      assert.equal(request.url, '/bundles/gateway')
      response.writeHead(302, { location: '/elsewhere' }).end()
    },
    /^bundle server answers 302, want=200 or 304$/,
  ],
  'a page that tells of an error': async () => [
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>sign in</html>')
    },
    /^bundle server answers without a gzip archive, got=20 octets of "text\/html"$/,
  ],
  nothing: async () => [
    (_request, response) => void response.writeHead(200).end(),
    /^bundle server answers without a gzip archive, got=0 octets of ""$/,
  ],
}

test('whatever a bundle server sends, the last good bundle serves on, and the status says why', async () => {
  requirement('policy.bundle-followed')
  await using server = await openBundleServer()
  const good = await revision('good')
  server.answer(serving(good, '"good"'))
  await using policy = await openPolicy(configOf(server, join(folder, 'faults')), parts)
  const { digest } = policy.engine
  for (const [what, fault] of Object.entries(faults)) {
    const [answer, message] = await fault()
    // The ETag lies: it is that of the good one, and of another content.
    server.answer(
      Buffer.isBuffer(answer)
        ? (_request, response) => void response.writeHead(200, { etag: '"good"' }).end(answer)
        : answer,
    )
    await eventually(what, () => message.test(policy.status().message ?? ''), 10).catch(() =>
      assert.fail(`${what}: ${policy.status().message}`),
    )
    assert.equal(policy.engine.digest, digest, what)
    assert.deepEqual(askUngranted(policy), { allow: false, error: false }, what)
    const { active_revision: active, code } = policy.status()
    assert.deepEqual([active, code], ['good', 'bundle_error'], what)
    const { ok, optional, reason } = policy.condition()
    assert.deepEqual([ok, optional], [false, true], what)
    assert.match(reason, /^the last good bundle stays in force: .*; revision good, with its data /)
    assert.deepEqual(await readFile(join(folder, 'faults', 'bundle.tar.gz')), good, what)
  }
  server.answer(serving(good, '"good"'))
  await eventually('the good one is back', () => policy.condition().ok)
  server.answer(serving(await revision('next', { iat: signedFirst + 2 }), '"next"'))
  await eventually('a later one counts', () => policy.engine.revision === 'next')
  assert.equal(policy.status().code, undefined)
})

test('a bundle that never ends its test is not taken', async () => {
  requirement('policy.bundle-followed')
  const program = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
  const quick = createSelfTest({ program, deadlineMilliseconds: 2000 })
  let isQuick = false
  const either: SelfTest = (tested, signal) => (isQuick ? quick : selfTest)(tested, signal)
  await using server = await openBundleServer()
  server.answer(serving(await revision('good'), '"good"'))
  const config = configOf(server, join(folder, 'endless'))
  await using policy = await openPolicy(config, { ...parts, selfTest: either })
  isQuick = true
  const module = assembleModule({ behaviour: { loop: true, early: true } })
  const endless = await signed(await shippedFiles({ 'policy.wasm': module }), newer)
  server.answer(serving(endless, '"endless"'))
  await eventually('it is ended', () => /in time/.test(policy.status().message ?? ''))
  assert.equal(policy.engine.revision, 'good')
})

test('a command that only looks writes nothing, and looks at nothing but a bundle', async () => {
  requirement('policy.bundle-followed')
  await using server = await openBundleServer()
  const place = join(folder, 'looked')
  const config = configOf(server, place)
  await assert.rejects(lookAtPolicy(config, parts), {
    code: 'policy/bundle',
    message: 'no bundle yet, all is denied: bundle server answers 503, want=200',
  })
  server.answer(serving(await revision('one'), '"1"'))
  await using policy = await lookAtPolicy(config, parts)
  assert.equal(policy.engine.revision, 'one')
  await assert.rejects(readFile(join(place, 'bundle.tar.gz')), { code: 'ENOENT' })
})

test('whoever ends while a bundle is tested waits for no test', async () => {
  await using server = await openBundleServer()
  server.answer(serving(await revision('one'), '"1"'))
  let tests = 0
  const endless: SelfTest = async (tested, signal) => {
    tests += 1
    if (tests === 1) await selfTest(tested)
    // It ends when it is told to, and by nothing else.
    else await pause(600_000, undefined, signal === undefined ? {} : { signal })
  }
  const told: object[] = []
  const log: Log = { ...silentLog, warn: (fields) => void told.push(fields) }
  const config = configOf(server, join(folder, 'ended'))
  const policy = await openPolicy(config, { ...parts, log, selfTest: endless })
  server.answer(serving(await revision('two', { iat: signedFirst + 1 }), '"2"'))
  await eventually('it is tested', () => tests === 2)
  await policy[Symbol.asyncDispose]()
  assert.deepEqual(told, [])
})

test('a disk that takes nothing stops no bundle, and the status says so', async () => {
  requirement('policy.bundle-followed')
  const file = join(folder, 'no-folder')
  await writeFile(file, '')
  await using server = await openBundleServer()
  server.answer(serving(await revision('one'), '"1"'))
  await using policy = await openPolicy(configOf(server, join(file, 'policy')), parts)
  await eventually('the next one, too', () => /ENOTDIR/.test(policy.status().message ?? ''))
  server.answer(serving(await revision('two', { iat: signedFirst + 1 }), '"2"'))
  await eventually('the next one is in force', () => policy.engine.revision === 'two')
  await rm(file)
  await eventually('there is room again', () => policy.status().code === undefined)
})
