import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openPolicy, statusesOf, type OpenPolicy } from '../../src/cli/open-policy.ts'
import { startShadow } from '../../src/cli/shadow-process.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { formatStatusPage } from '../../src/policy/bundle-status.ts'
import type { DecisionLogFile } from '../../src/policy/decision-log.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import { createIssuancePolicy } from '../../src/policy/issuance-policy.ts'
import { shadowedIssuance } from '../../src/policy/shadow/shadowed-issuance.ts'
import { differencePath, shadowed } from '../../src/policy/shadow/shadowed-log.ts'
import { archiveOf, shippedAs, shippedFiles, signedFiles, type Files } from '../policy/archive.ts'
import { openBundleServer, serving } from '../policy/bundle-server.ts'
import { callTexts } from '../policy/call-input.ts'
import { issuanceInput } from '../policy/issuance-input.ts'
import { assembleModule } from '../policy/policy-module.ts'
import { candidateWith, readGranted } from '../policy/shadow/candidate.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import {
  author,
  serviceConfig,
  serviceParts,
  signedFirst,
  writeAuthorKey,
} from './service-parts.ts'

let folder: string
let key: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-candidate-'))
  key = await writeAuthorKey(folder)
})

after(() => rm(folder, { recursive: true, force: true }))

const { delay: _, ...parts } = serviceParts

async function filesWith(data: object, revision?: string): Promise<Files> {
  return Object.fromEntries((await candidateWith(data, revision)).files)
}

async function put(name: string, files: Files): Promise<string> {
  const file = join(folder, name)
  await writeFile(`${file}.new`, await archiveOf(files))
  await rename(`${file}.new`, file)
  return file
}

/** A log that takes all, with what it was told beside decisions. */
function takingLog(): DecisionLogFile & { readonly notes: object[] } {
  const notes: object[] = []
  return {
    notes,
    available: true,
    keeping: true,
    whenAvailable: () => Promise.resolve(true),
    record: () => true,
    note: (path, members) => void (path === differencePath && notes.push(members)),
    flush: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** What a gateway does with a call. */
function caller({ engine, candidate }: OpenPolicy): {
  readonly call: () => boolean
  readonly notes: object[]
} {
  const log = takingLog()
  const recorded = shadowed(log, candidate?.shadow)
  const authorizer = createAuthorizer(engine)
  return {
    notes: log.notes,
    call() {
      const evaluated = authorizer.decide(callTexts({ arguments: { path: 'a' } }))
      recorded.record({
        decisionId: 'd-1',
        path: entrypoints.decision,
        requestedBy: 'spiffe://x/a',
        evaluated,
      })
      return evaluated.value.allow
    },
  }
}

const conditionOf = ({ candidate }: OpenPolicy): string => candidate?.condition().reason ?? ''

test('a candidate is asked in a process of its own, and the gateway answers as before', async () => {
  requirement('policy.shadow-changes-nothing')
  const bundle = await put('asked.tar.gz', await filesWith(readGranted))
  await using policy = await openPolicy({ candidate: { bundle }, data: [] }, parts)
  await eventually('it is opened', () => /nothing was asked yet/.test(conditionOf(policy)))
  const { call, notes } = caller(policy)
  assert.equal(call(), false)
  await eventually('it is asked', () => conditionOf(policy).endsWith(': 1 widened'))
  assert.equal(call(), false)
  assert.equal(notes.length, 1)
  const page = JSON.parse(formatStatusPage(statusesOf(policy))) as {
    result: { bundles: Record<string, { active_revision: string }> }
  }
  assert.deepEqual(Object.keys(page.result.bundles), ['countersign', 'candidate'])
  assert.equal(page.result.bundles['candidate']?.active_revision, 'candidate')
})

test('what is wrong with a candidate is said, and stops nothing', async () => {
  requirement('policy.shadow-changes-nothing')
  const bundle = join(folder, 'faulty.tar.gz')
  await using policy = await openPolicy({ candidate: { bundle }, data: [] }, parts)
  const { digest } = policy.engine
  assert.match(conditionOf(policy), /bundle cannot be read/)
  assert.equal(policy.candidate?.status().code, 'bundle_error')
  assert.equal(policy.condition().ok, true)
  const trap = assembleModule({ behaviour: { trap: true } })
  await put('faulty.tar.gz', await shippedFiles({ 'policy.wasm': trap }))
  await eventually('it does not pass', () => /do not answer alike/.test(conditionOf(policy)))
  assert.match(policy.candidate?.status().last_successful_activation ?? '', /^0001-/)
  const { call } = caller(policy)
  assert.equal(call(), false)
  await put('faulty.tar.gz', await filesWith(readGranted))
  await eventually('it is asked', () => policy.candidate?.condition().ok === true)
  assert.equal(call(), false)
  await rm(bundle)
  await eventually('it is gone', () => /cannot be read.*still asked/.test(conditionOf(policy)))
  assert.equal(policy.engine.digest, digest)
})

test('a candidate that never returns is ended', async () => {
  requirement('policy.shadow-changes-nothing')
  const endless = assembleModule({ behaviour: { loop: true, early: true } })
  const files = await shippedFiles({ 'policy.wasm': endless, 'plan.json': undefined })
  const bundle = await put('endless.tar.gz', files)
  await using policy = await openPolicy(
    { candidate: { bundle }, data: [] },
    {
      ...parts,
      startShadow: (content, documents) =>
        startShadow(content, documents, { deadlineMilliseconds: 500 }),
    },
  )
  await eventually('it is ended', () => /does not answer in time/.test(conditionOf(policy)))
  assert.equal(caller(policy).call(), false)
})

test('a candidate is signed by whom the policy is signed by', async () => {
  const signature = {
    keys: [{ id: 'author', algorithm: 'ES256' as const, publicKey: key }],
    scope: '',
  }
  const signed = (files: Files): Files =>
    signedFiles(files, author.privateKey, { iat: signedFirst })
  const bundle = await put('signed.tar.gz', signed(await shippedAs('one')))
  const place = await put('candidate.tar.gz', await filesWith(readGranted))
  await using policy = await openPolicy(
    { bundle, candidate: { bundle: place }, signature, data: [] },
    parts,
  )
  assert.match(conditionOf(policy), /bundle is not signed/)
  await put('candidate.tar.gz', signed(await filesWith(readGranted)))
  await eventually('it is asked', () => policy.candidate?.condition().ok === true)
})

test('a candidate of the bundle server is followed there, and an older one may come back', async () => {
  await using server = await openBundleServer()
  const config = serviceConfig(server, { key, persistenceDirectory: join(folder, 'kept') })
  const signed = async (iat: number, files: Files): Promise<Buffer> =>
    archiveOf(signedFiles(files, author.privateKey, { iat }))
  const active = await signed(signedFirst, await shippedAs('one'))
  let candidate = await signed(signedFirst + 2, await filesWith(readGranted, 'newer'))
  server.answer((request, response) => {
    const isActive = request.url === '/bundles/gateway'
    serving(isActive ? active : candidate, isActive ? '"1"' : '"2"')(request, response)
  })
  await using policy = await openPolicy(
    { ...config, candidate: { resource: 'bundles/candidate' } },
    serviceParts,
  )
  await eventually('it is asked', () => /revision newer/.test(conditionOf(policy)))
  const { call } = caller(policy)
  assert.equal(call(), false)
  await eventually('it decides', () => /1 widened/.test(conditionOf(policy)))
  candidate = await signed(signedFirst + 1, await filesWith(readGranted, 'older'))
  server.answer((request, response) => {
    const isActive = request.url === '/bundles/gateway'
    serving(isActive ? active : candidate, isActive ? '"1"' : '"3"')(request, response)
  })
  await eventually('the older one is asked', () => /revision older/.test(conditionOf(policy)))
  assert.equal(policy.engine.revision, 'one')
})

test('a candidate is asked about certificates, too', async () => {
  requirement('policy.shadow-changes-nothing')
  const denied = { issuance: { denied_namespaces: { research: true }, lifetime_seconds_max: {} } }
  const bundle = await put('issuance.tar.gz', await filesWith(denied))
  const { log } = parts
  const told: object[] = []
  await using policy = await openPolicy(
    { candidate: { bundle }, data: [] },
    { ...parts, log: { ...log, info: (members) => void told.push(members) } },
  )
  const issuance = shadowedIssuance(createIssuancePolicy(policy.engine), policy.candidate?.shadow)
  await eventually('it is opened', () => /nothing was asked yet/.test(conditionOf(policy)))
  assert.equal(issuance.decide(issuanceInput).allow, true)
  await eventually('it is asked', () => conditionOf(policy).endsWith(': 1 narrowed'))
  assert.deepEqual(told.at(-1), {
    decisionId: '4fd2',
    change: 'narrowed',
    rule: 'namespace-denied',
    from: 'allow',
    to: 'deny namespace-denied',
    subject: 'spiffe://example.test/ns/research/sa/reader',
    resource: 'countersign.dev/identity',
  })
})
