import assert from 'node:assert/strict'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openPolicy } from '../../src/cli/open-policy.ts'
import type { PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { CountersignError } from '../../src/errors.ts'
import type { SelfTest } from '../../src/policy/self-test.ts'
import { archiveOf, shippedAs, signedFiles } from '../policy/archive.ts'
import {
  openBundleServer,
  serving,
  type Answer,
  type BundleServer,
} from '../policy/bundle-server.ts'
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

let folder: string
let key: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-order-'))
  key = await writeAuthorKey(folder)
})

after(() => rm(folder, { recursive: true, force: true }))

const parts = serviceParts

const configOf = (server: BundleServer, persistenceDirectory: string): PolicyConfig =>
  serviceConfig(server, { key, persistenceDirectory })

async function revision(name: string, secondsLater = 0): Promise<Buffer> {
  const iat = signedFirst + secondsLater
  return archiveOf(signedFiles(await shippedAs(name), author.privateKey, { iat }))
}

const unchanged: Answer = (_request, response) => void response.writeHead(304).end()

async function asksAgain(server: BundleServer, times = 3): Promise<void> {
  const sofar = server.asked.length
  await eventually('it asks again', () => server.asked.length >= sofar + times)
}

async function writeData(file: string, data: object): Promise<void> {
  await writeFile(`${file}.part`, JSON.stringify(data))
  await rename(`${file}.part`, file)
}

const lifetime = (seconds: number): object => ({
  issuance: { lifetime_seconds_max: { agent: seconds } },
})

/** One bundle is in force, and a newer one, which had no luck with its test, is tried again as soon as `again` is called. */
async function openWithUnlucky(t: TestContext, name: string, retest: SelfTest) {
  const data = join(folder, `${name}.json`)
  await writeData(data, lifetime(600))
  const server = await openBundleServer()
  t.after(() => server[Symbol.asyncDispose]())
  const one = await revision('one')
  server.answer(serving(one, '"1"'))
  let test = selfTest
  const config = { ...configOf(server, join(folder, name)), data: [data] }
  const either: SelfTest = (tested, signal) => test(tested, signal)
  const policy = await openPolicy(config, { ...parts, selfTest: either })
  t.after(() => policy[Symbol.asyncDispose]())
  const unlucky = new CountersignError('policy/test', 'bundle does not pass its test in time')
  test = () => Promise.reject(unlucky)
  const two = await revision('two', 10)
  server.answer(serving(two, '"2"'))
  await eventually('the next one has no luck', () => /in time/.test(policy.condition().reason))
  test = retest
  return { server, policy, one, two, again: () => writeData(data, lifetime(700)) }
}

test('a bundle that comes into force between two questions is what is in force from then on', async (t) => {
  requirement('policy.bundle-followed')
  const { server, policy, one, again } = await openWithUnlucky(t, 'between', selfTest)
  server.answer((_request, response) => void response.writeHead(503).end())
  await again()
  await eventually('it is in force', () => policy.engine.revision === 'two')
  await asksAgain(server)
  assert.equal(server.asked.at(-1)?.['if-none-match'], '"2"')
  server.answer(unchanged)
  await asksAgain(server)
  assert.equal(policy.engine.revision, 'two')
  await eventually('nothing is wrong', () => policy.condition().ok)
  server.answer(serving(one, '"x"'))
  await eventually('the older one is refused', () =>
    /was signed before the one in force/.test(policy.status().message ?? ''),
  )
  assert.equal(policy.engine.revision, 'two')
})

test('a bundle that was in force never comes back in the place of a newer one', async (t) => {
  requirement('policy.bundle-followed')
  const begun = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const slow: SelfTest = async (tested) => {
    begun.resolve()
    await ended.promise
    await selfTest(tested)
  }
  const { server, policy, again } = await openWithUnlucky(t, 'race', slow)
  await again()
  await begun.promise
  // It has the old one, which is offered again while the new one is tested.
  server.answer(unchanged)
  await asksAgain(server, 1)
  await pause(50)
  ended.resolve()
  await eventually('the newer one is in force', () => policy.engine.revision === 'two')
  await eventually('what is in force is known', () => policy.condition().ok)
  await asksAgain(server)
  assert.equal(policy.engine.revision, 'two')
})

test('a bundle that came into force is kept, though the server says nothing more', async (t) => {
  requirement('policy.bundle-followed')
  const { server, policy, two, again } = await openWithUnlucky(t, 'silent', selfTest)
  server.answer(() => {})
  await asksAgain(server, 1)
  await again()
  await eventually('it is in force', () => policy.engine.revision === 'two')
  const file = join(folder, 'silent', 'bundle.tar.gz')
  await eventually('it is kept', async () => two.equals(await readFile(file)), 10)
})

test('nothing older than what is kept is taken, also where that has no luck with its test', async () => {
  requirement('policy.bundle-followed')
  await using server = await openBundleServer()
  const place = join(folder, 'floor')
  const two = await revision('two', 10)
  server.answer(serving(two, '"2"'))
  {
    await using policy = await openPolicy(configOf(server, place), parts)
    assert.equal(policy.engine.revision, 'two')
  }
  server.answer(serving(await revision('one'), '"1"'))
  const unlucky = new CountersignError('policy/test', 'bundle does not pass its test in time')
  let tests = 0
  const once: SelfTest = (tested, signal) => {
    tests += 1
    return tests === 1 ? Promise.reject(unlucky) : selfTest(tested, signal)
  }
  await using policy = await openPolicy(configOf(server, place), { ...parts, selfTest: once })
  await asksAgain(server)
  assert.equal(policy.engine.revision, 'none')
  assert.match(policy.condition().reason, /was signed before/)
  assert.deepEqual(await readFile(join(place, 'bundle.tar.gz')), two)
})

test('a bundle that was signed for a time to come counts when that has come', async () => {
  requirement('policy.bundle-followed')
  await using server = await openBundleServer()
  server.answer(serving(await revision('one'), '"1"'))
  const config = configOf(server, join(folder, 'early'))
  let clock = 0
  const early = { ...parts, now: () => clock }
  const isEarly = /signed for a time to come/
  {
    await using policy = await openPolicy(config, early)
    assert.match(policy.condition().reason, isEarly)
    await asksAgain(server)
    assert.match(policy.condition().reason, isEarly)
    clock = now()
    await eventually('it is in force', () => policy.engine.revision === 'one')
  }
  clock = 0
  server.answer((_request, response) => void response.writeHead(503).end())
  await using policy = await openPolicy(config, early)
  await asksAgain(server)
  assert.equal(policy.engine.revision, 'none')
  clock = now()
  await eventually('the kept one is in force', () => policy.engine.revision === 'one', 20)
})
