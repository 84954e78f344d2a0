/** What may go wrong on the way of a bundle, at each step and wherever it comes from: the last good one serves on, and the status says why. */
import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createSelfTest } from '../../src/cli/bundle-process.ts'
import { openPolicy, type OpenPolicy } from '../../src/cli/open-policy.ts'
import { program } from '../../src/cli/policy-files.ts'
import type { PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import type { SelfTest } from '../../src/policy/self-test.ts'
import { archiveOf, signedFiles, type Files } from '../policy/archive.ts'
import { openBundleServer, serving, type Answer } from '../policy/bundle-server.ts'
import { callTexts } from '../policy/call-input.ts'
import { imageOf } from '../policy/oci/image.ts'
import { openRegistryServer } from '../policy/oci/registry-server.ts'
import { candidateWith } from '../policy/shadow/candidate.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { faults, served, type Fault } from './bundle-faults.ts'
import {
  author,
  selfTest,
  serviceConfig,
  serviceParts,
  signedFirst,
  writeAuthorKey,
} from './service-parts.ts'

let folder: string
let key: string
let goodFiles: Files
let one: Buffer
let two: Buffer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-faults-'))
  key = await writeAuthorKey(folder)
  goodFiles = await filesOf('two', 'write')
  one = await signedAs(await filesOf('one', 'read'), signedFirst)
  two = await signedAs(goodFiles, signedFirst + 2)
})

after(() => rm(folder, { recursive: true, force: true }))

/** The shipped rules, with one tool that acme is granted. */
async function filesOf(revision: string, tool: string): Promise<Files> {
  const grants = { tenants: { acme: { files: { tools: { [tool]: {} } } } }, subjects: {} }
  return Object.fromEntries((await candidateWith({ grants }, revision)).files)
}

function signedAs(files: Files, iat: number): Promise<Buffer> {
  return archiveOf(signedFiles(files, author.privateKey, { iat }))
}

/** Where bundles come from. */
interface Source extends AsyncDisposable {
  readonly config: PolicyConfig
  /** From now on this is what is there, as this version of it. */
  put(archive: Buffer): Promise<void>
  /** Answers whatever it is asked so, until something is put there; undefined where nobody answers. */
  readonly instead: ((answer: Answer) => void) | undefined
  /** Of the folder that keeps the last good one; undefined where there is none. */
  readonly kept: string | undefined
}

const quickly = { minDelaySeconds: 1, maxDelaySeconds: 2 }

function configOf(server: { readonly url: string }, persistenceDirectory: string): PolicyConfig {
  const config = serviceConfig(server, { key, persistenceDirectory })
  assert.ok(config.service !== undefined)
  const service = { ...config.service, polling: quickly, responseHeaderTimeoutSeconds: 1 }
  return { ...config, service }
}

const sources: Readonly<Record<string, (name: string) => Promise<Source>>> = {
  'a file': async (name) => {
    const bundle = join(folder, `${name}.tar.gz`)
    const keys = [{ id: 'author', algorithm: 'ES256', publicKey: key }] as const
    return {
      config: { bundle, signature: { keys, scope: '' }, data: [] },
      async put(archive) {
        await writeFile(`${bundle}.new`, archive)
        await rename(`${bundle}.new`, bundle)
      },
      instead: undefined,
      kept: undefined,
      [Symbol.asyncDispose]: async () => {},
    }
  },
  'a bundle server': async (name) => {
    const server = await openBundleServer()
    const kept = join(folder, name)
    return {
      config: configOf(server, kept),
      // Of all others the ETag is the same: it proves nothing.
      async put(archive) {
        server.answer(serving(archive, archive === one ? '"1"' : '"2"'))
      },
      instead: (answer) => server.answer(answer),
      kept,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  'a registry': async (name) => {
    const server = await openRegistryServer('policies')
    const kept = join(folder, name)
    const config = configOf(server, kept)
    assert.ok(config.service !== undefined)
    const service = { ...config.service, type: 'oci', resource: 'policies:live' } as const
    return {
      config: { ...config, service },
      async put(archive) {
        server.tag('live', imageOf(archive))
        server.instead('live', undefined)
      },
      instead: (answer) => server.instead('live', answer),
      kept,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
}

async function archiveWith(fault: Fault): Promise<Buffer> {
  const {
    files = (two) => two,
    tampered = (signed) => signed,
    octets = (archive) => archive,
    by = author,
    claims,
  } = fault
  const changed = files(goodFiles)
  const signed =
    by === 'nobody'
      ? changed
      : signedFiles(changed, by.privateKey, { iat: signedFirst + 1, ...claims })
  return octets(await archiveOf(tampered(signed)))
}

/** Of the fault that is met at this moment, where its test has to be a process of its own. */
let limits: Fault['selfTest']

const testHere: SelfTest = (tested, signal) =>
  limits === undefined
    ? selfTest(tested, signal)
    : createSelfTest({ program, ...limits })(tested, signal)

/** Which tools acme may call. */
function allowedBy({ engine }: OpenPolicy): string {
  const authorizer = createAuthorizer(engine)
  const tools = ['read', 'write', 'drop'].filter(
    (tool) => authorizer.decide(callTexts({ tool })).value.allow,
  )
  return tools.join(' ')
}

/** Until then the policy permits what the last good one does, and nothing else. */
async function stays(policy: OpenPolicy, what: string, holds: () => boolean): Promise<void> {
  await eventually(what, () => {
    assert.deepEqual([policy.engine.revision, allowedBy(policy)], ['one', 'read'])
    return holds()
  })
}

/** One policy for all faults of a source: each is met by a good one that is in force, and followed by one. */
const followed = new Map<string, { readonly source: Source; readonly policy: OpenPolicy }>()

after(async () => {
  for (const { policy, source } of followed.values()) {
    await policy[Symbol.asyncDispose]()
    await source[Symbol.asyncDispose]()
  }
})

async function follow(
  from: string,
): Promise<{ readonly source: Source; readonly policy: OpenPolicy }> {
  const known = followed.get(from)
  if (known !== undefined) return known
  const source = await (sources[from] ?? assert.fail())(from.replaceAll(' ', '-'))
  await source.put(one)
  const policy = await openPolicy(source.config, { ...serviceParts, selfTest: testHere })
  const both = { source, policy }
  followed.set(from, both)
  return both
}

for (const from of Object.keys(sources)) {
  for (const [what, fault] of Object.entries(faults)) {
    const { step, of = Object.keys(sources), answer, why } = fault
    if (!of.includes(from)) continue
    test(`${step}, from ${from}: ${what} changes nothing, is told, and passes`, async () => {
      requirement('policy.last-good-stays')
      const { source, policy } = await follow(from)
      limits = fault.selfTest
      await stays(policy, 'nothing is wrong yet', () => policy.condition().ok)
      if (answer === undefined) await source.put(await archiveWith(fault))
      else source.instead?.(answer)
      await stays(policy, 'the status says why', () => why.test(policy.status().message ?? ''))
      const { ok, optional, reason } = policy.condition()
      assert.deepEqual([ok, optional], [false, true], reason)
      assert.match(reason, why)
      limits = undefined
      await source.put(one)
      await stays(policy, 'nothing is wrong any more', () => policy.condition().ok)
    })
  }

  test(`from ${from}: after all of that a good one is taken`, async () => {
    requirement('policy.last-good-stays')
    const { source, policy } = await follow(from)
    await source.put(two)
    await eventually('it is in force', () => policy.engine.revision === 'two')
    assert.equal(allowedBy(policy), 'write')
  })
}

for (const from of served) {
  test(`a disk that is full, of ${from}: the good one is in force, and that it is not kept is told`, async () => {
    requirement('policy.last-good-stays')
    await using source = await (sources[from] ?? assert.fail())(`full-${from}`.replaceAll(' ', '-'))
    await source.put(one)
    await using policy = await openPolicy(source.config, serviceParts)
    const kept = source.kept ?? assert.fail()
    await eventually('the first one is kept', () => policy.condition().ok)
    await rm(kept, { recursive: true, force: true })
    await writeFile(kept, '')
    await source.put(two)
    await eventually('it is told', () => /cannot be kept on disk/.test(policy.condition().reason))
    assert.deepEqual([policy.engine.revision, allowedBy(policy)], ['two', 'write'])
  })
}
