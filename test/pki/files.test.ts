import assert from 'node:assert/strict'
import { mkdir, mkdtemp, open, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Log } from '../../src/log.ts'
import { silentLog } from '../../src/log.ts'
import { openAuthorityFiles } from '../../src/pki/authority-files.ts'
import { openBundleFile } from '../../src/pki/bundle.ts'
import { openCredentialFile } from '../../src/pki/credential.ts'
import { openReloadingFiles } from '../../src/pki/reloading-files.ts'
import type { Reloading } from '../../src/pki/reloading-files.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority } from '../support/test-authority.ts'

/** Longer than any test: what changes, changes by the watcher. */
const neverPoll = 3600

test('a credential follows the ..data symlink that kubelet swaps', async (t) => {
  const volume = await createVolume(t)
  const ca = createTestAuthority()
  const [first, second] = [ca.issue(), ca.issue()]
  await volume.publish({ 'credential.pem': first.credentialPem })
  await using source = await openCredentialFile({
    file: join(volume.folder, 'credential.pem'),
    log: silentLog,
    pollSeconds: neverPoll,
  })
  assert.equal(source.current().svid.sha256, first.issued.sha256)
  const changed = changeOf(source)
  await volume.publish({ 'credential.pem': second.credentialPem })
  await changed
  assert.equal(source.current().svid.sha256, second.issued.sha256)
})

test('a credential that is followed knows the intermediates that it had, because peers have them for a while', async (t) => {
  requirement('pki.earlier-intermediates-known')
  const volume = await createVolume(t)
  const [first, second] = [3, 4].map((underRoot) => createTestAuthority({ underRoot }).issue())
  assert.ok(first !== undefined && second !== undefined)
  await volume.publish({ 'credential.pem': first.credentialPem })
  await using source = await openCredentialFile({
    file: join(volume.folder, 'credential.pem'),
    log: silentLog,
    pollSeconds: neverPoll,
  })
  assert.deepEqual(source.current().intermediates, first.credential.intermediates)
  for (const [each, other] of [
    [second, first],
    [first, second],
  ] as const) {
    const changed = changeOf(source)
    await volume.publish({ 'credential.pem': each.credentialPem })
    await changed
    assert.deepEqual(source.current().intermediates, [
      ...each.credential.intermediates,
      ...other.credential.intermediates,
    ])
    assert.equal(source.current().chainPem, each.credential.chainPem)
  }
})

test('a trust bundle is also found changed by reading it again, without any event', async (t) => {
  const volume = await createVolume(t)
  const ca = createTestAuthority()
  const next = createTestAuthority()
  await volume.publish({ 'bundle.pem': ca.bundlePem })
  // The folder that is watched never changes: only what its link leads to.
  const outside = join(volume.folder, '..', 'link')
  await symlink(volume.folder, outside)
  await using source = await openBundleFile({
    file: join(outside, '..data', 'bundle.pem'),
    trustDomain: ca.trustDomain,
    now: Date.now,
    log: silentLog,
    pollSeconds: 0.05,
  })
  const changed = changeOf(source)
  await volume.publish({ 'bundle.pem': ca.bundlePem + next.bundlePem })
  await changed
  assert.deepEqual(
    source.current().anchors.map((anchor) => anchor.sha256),
    [ca.bundle.anchors[0]?.sha256, next.bundle.anchors[0]?.sha256],
  )
})

test('an authority changes only when both of its files belong together', async (t) => {
  const volume = await createVolume(t)
  const log = recordingLog()
  const [ca, next] = [createTestAuthority(), createTestAuthority()]
  const [certificateFile, privateKeyFile] = ['tls.crt', 'tls.key'].map((name) =>
    join(volume.folder, name),
  ) as [string, string]
  await writeFile(certificateFile, ca.certificatePem)
  await writeFile(privateKeyFile, ca.privateKeyPem)
  await using source = await openAuthorityFiles({
    certificateFile,
    privateKeyFile,
    trustDomain: ca.trustDomain,
    now: Date.now,
    log,
    pollSeconds: 0.02,
  })
  await writeFile(certificateFile, next.certificatePem)
  await until(() => log.warnings.length > 0)
  assert.equal(source.current().certificate.sha256, ca.authority.certificate.sha256)
  const changed = changeOf(source)
  await writeFile(privateKeyFile, next.privateKeyPem)
  await changed
  assert.equal(source.current().certificate.sha256, next.authority.certificate.sha256)
  assert.deepEqual(source.anchors(), next.authority.anchors)
  assert.equal(JSON.stringify(log.warnings).includes('PRIVATE KEY'), false)
})

/** Each writes a pair where another one was, one file after the other or all at once. */
const writers: Readonly<
  Record<string, (folder: string, files: Readonly<Record<string, string>>) => Promise<void>>
> = {
  'is written over': async (folder, files) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  },
  'is written in pieces': async (folder, files) => {
    for (const [name, text] of Object.entries(files)) {
      await using file = await open(join(folder, name), 'w')
      for (let at = 0; at < text.length; at += 200) {
        await file.write(text.slice(at, at + 200))
        await new Promise((resolve) => setTimeout(resolve, 15))
      }
    }
  },
  'is renamed over, as editors do it': async (folder, files) => {
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder, `.${name}.swp`), text)
      await rename(join(folder, name), join(folder, `${name}~`))
      await rename(join(folder, `.${name}.swp`), join(folder, name))
    }
  },
}
for (const [title, write] of Object.entries(writers)) {
  test(`an authority that ${title} is taken whole, twice, by events alone`, async (t) => {
    requirement('pki.rotation-keeps-last-good')
    const volume = await createVolume(t)
    const [first, ...others] = [1, 2, 3].map(() => createTestAuthority())
    assert.ok(first !== undefined)
    const pair = (ca: typeof first): Record<string, string> => ({
      'tls.crt': ca.certificatePem,
      'tls.key': ca.privateKeyPem,
    })
    for (const [name, text] of Object.entries(pair(first)))
      await writeFile(join(volume.folder, name), text)
    const outcomes: string[] = []
    await using source = await openAuthorityFiles({
      certificateFile: join(volume.folder, 'tls.crt'),
      privateKeyFile: join(volume.folder, 'tls.key'),
      trustDomain: first.trustDomain,
      now: Date.now,
      log: silentLog,
      pollSeconds: neverPoll,
      onReload: (outcome) => outcomes.push(outcome),
    })
    const taken: string[] = []
    source.onChange(() => taken.push(source.current().certificate.sha256))
    for (const next of others) {
      const changed = changeOf(source)
      await write(volume.folder, pair(next))
      await changed
    }
    const wanted = others.map(({ authority }) => authority.certificate.sha256)
    assert.deepEqual(taken, wanted, 'nothing between them is ever in force')
    assert.equal(source.problem, undefined)
    assert.equal(outcomes.filter((outcome) => outcome === 'taken').length, 2)
  })
}

test('a folder of a volume is watched again when kubelet has swapped the link above it', async (t) => {
  requirement('pki.rotation-keeps-last-good')
  const parent = await mkdtemp(join(tmpdir(), 'countersign-'))
  t.after(() => rm(parent, { recursive: true }))
  const [first, ...others] = [1, 2, 3, 4].map(() => createTestAuthority())
  assert.ok(first !== undefined)
  let generation = 0
  const publish = async (ca: typeof first): Promise<void> => {
    const before = generation
    generation += 1
    const folder = join(parent, `..generation-${generation}`, 'authority')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'tls.crt'), ca.certificatePem)
    await writeFile(join(folder, 'tls.key'), ca.privateKeyPem)
    await symlink(`..generation-${generation}`, join(parent, '..data_tmp'))
    await rename(join(parent, '..data_tmp'), join(parent, '..data'))
    if (before === 0) await symlink(join('..data', 'authority'), join(parent, 'authority'))
    else await rm(join(parent, `..generation-${before}`), { recursive: true })
  }
  await publish(first)
  await using source = await openAuthorityFiles({
    certificateFile: join(parent, 'authority', 'tls.crt'),
    privateKeyFile: join(parent, 'authority', 'tls.key'),
    trustDomain: first.trustDomain,
    now: Date.now,
    log: silentLog,
    pollSeconds: neverPoll,
  })
  for (const next of others) {
    const changed = changeOf(source)
    await publish(next)
    await changed
    assert.equal(source.current().certificate.sha256, next.authority.certificate.sha256)
  }
})

test('an authority that has ended is not available, though its files are still there', async (t) => {
  const volume = await createVolume(t)
  const ca = createTestAuthority({ lifetimeSeconds: 7200 })
  await volume.publish({ 'tls.crt': ca.certificatePem, 'tls.key': ca.privateKeyPem })
  let now = Date.now()
  await using source = await openAuthorityFiles({
    certificateFile: join(volume.folder, 'tls.crt'),
    privateKeyFile: join(volume.folder, 'tls.key'),
    trustDomain: ca.trustDomain,
    now: () => now,
    log: silentLog,
    pollSeconds: neverPoll,
  })
  const end = ca.authority.certificate.notAfter
  now = end.getTime()
  source.current()
  now += 1
  assert.throws(() => source.current(), {
    code: 'pki/authority-unavailable',
    message: `authority has ended, notAfter=${end.toISOString()}`,
  })
  assert.equal(source.anchors().length, 1)
})

const brokenContents: readonly (readonly [title: string, content: string | undefined])[] = [
  ['empty', ''],
  ['half written', '-----BEGIN CERTIFICATE-----\nMIIB'],
  ['gone', undefined],
  ['too large', ' '.repeat(2 * 1024 * 1024 + 1)],
]
for (const [title, content] of brokenContents) {
  test(`a file that is ${title} leaves the last good value in force, and is said once`, async (t) => {
    requirement('pki.rotation-keeps-last-good')
    const volume = await createVolume(t)
    const log = recordingLog()
    const [ca, next] = [createTestAuthority(), createTestAuthority()]
    const file = join(volume.folder, 'bundle.pem')
    await writeFile(file, ca.bundlePem)
    await using source = await openBundleFile({
      file,
      trustDomain: ca.trustDomain,
      now: Date.now,
      log,
      pollSeconds: 0.02,
    })
    if (content === undefined) await rm(file)
    else {
      // At once, as an atomic writer does it: a file that grows is broken in one way after another.
      await writeFile(`${file}.new`, content)
      await rename(`${file}.new`, file)
    }
    await until(() => log.warnings.length > 0)
    await severalPolls(t)
    assert.equal(log.warnings.length, 1)
    assert.equal(source.current().pem, ca.bundlePem)
    const changed = changeOf(source)
    await writeFile(file, next.bundlePem)
    await changed
    assert.equal(source.current().pem, next.bundlePem)
  })
}

test('what is broken at the start is thrown, and names the file', async (t) => {
  const volume = await createVolume(t)
  const file = join(volume.folder, 'credential.pem')
  await assert.rejects(openCredentialFile({ file, log: silentLog }), {
    code: 'pki/credential',
    message: `file ${JSON.stringify(file)} cannot be read, got=ENOENT`,
  })
  await writeFile(file, '')
  await assert.rejects(openCredentialFile({ file, log: silentLog }), {
    code: 'pki/credential',
    message: 'credential does not begin with its key, want="PRIVATE KEY" got=""',
  })
})

test('files that are awaited are taken when they come, and until then it is said why not', async (t) => {
  const volume = await createVolume(t)
  const file = join(volume.folder, 'bundle.pem')
  const log = recordingLog()
  const ca = createTestAuthority()
  const { trustDomain } = ca
  await using source = await openBundleFile({
    file,
    trustDomain,
    now: Date.now,
    log,
    awaited: true,
    pollSeconds: 0.02,
  })
  const missing = `file ${JSON.stringify(file)} cannot be read, got=ENOENT`
  assert.throws(() => source.current(), { code: 'pki/bundle', message: missing })
  assert.equal(source.problem?.message, missing)
  await writeFile(file, '')
  await until(() => source.problem?.message === 'trust bundle has no anchor')
  assert.equal(log.warnings.length, 2)
  const changed = changeOf(source)
  await writeFile(`${file}.next`, ca.bundlePem)
  await rename(`${file}.next`, file)
  await changed
  assert.equal(source.current().pem, ca.bundlePem)
  assert.equal(source.problem, undefined)
})

test('an authority that is awaited and has ended at the start is not available, and says so', async (t) => {
  const volume = await createVolume(t)
  const ca = createTestAuthority({ lifetimeSeconds: 7200 })
  await volume.publish({ 'tls.crt': ca.certificatePem, 'tls.key': ca.privateKeyPem })
  const end = ca.authority.notAfter
  await using source = await openAuthorityFiles({
    certificateFile: join(volume.folder, 'tls.crt'),
    privateKeyFile: join(volume.folder, 'tls.key'),
    trustDomain: ca.trustDomain,
    now: () => end.getTime() + 1,
    log: silentLog,
    awaited: true,
    pollSeconds: neverPoll,
  })
  const message = `authority has ended, notAfter=${end.toISOString()}`
  assert.throws(() => source.current(), { code: 'pki/authority-unavailable', message })
  assert.equal(source.problem?.message, message)
})

test('a listener that throws harms neither the others nor the value, and one that left is not called', async (t) => {
  const volume = await createVolume(t)
  const file = join(volume.folder, 'text')
  await writeFile(file, 'one')
  const log = recordingLog()
  await using source = await openReloadingFiles({
    files: [file],
    code: 'pki/bundle',
    parse: ([text = '']) => text,
    log,
    pollSeconds: 0.02,
  })
  source.onChange(() => {
    throw new Error('broken listener')
  })
  source.onChange(() => assert.fail('was told after it left'))()
  const changed = changeOf(source)
  // Whole at once: a reader between truncation and write would be told of the empty file.
  await writeFile(`${file}.next`, 'two')
  await rename(`${file}.next`, file)
  await changed
  assert.equal(source.current(), 'two')
  assert.equal(log.errors.length, 1)
})

test('a closed source neither reads nor tells', async (t) => {
  const volume = await createVolume(t)
  const file = join(volume.folder, 'text')
  await writeFile(file, 'one')
  let reads = 0
  const source = await openReloadingFiles({
    files: [file],
    code: 'pki/bundle',
    parse: ([text = '']) => {
      reads++
      return text
    },
    log: silentLog,
    pollSeconds: 0.01,
  })
  source.onChange(() => assert.fail('was told after the end'))
  await source[Symbol.asyncDispose]()
  await writeFile(file, 'two')
  await severalPolls(t)
  assert.equal(source.current(), 'one')
  assert.equal(reads, 1)
})

/** A projected volume as kubelet's atomic writer makes it: names link into `..data`, which links to the newest folder. */
async function createVolume(t: TestContext): Promise<{
  readonly folder: string
  publish(files: Readonly<Record<string, string>>): Promise<void>
}> {
  const parent = await mkdtemp(join(tmpdir(), 'countersign-'))
  t.after(() => rm(parent, { recursive: true }))
  const folder = join(parent, 'volume')
  await mkdir(folder)
  let generation = 0
  return {
    folder,
    async publish(files) {
      generation++
      const newest = `..generation-${generation}`
      await mkdir(join(folder, newest))
      for (const [name, content] of Object.entries(files)) {
        await writeFile(join(folder, newest, name), content)
        if (generation === 1) await symlink(join('..data', name), join(folder, name))
      }
      await symlink(newest, join(folder, '..data_tmp'))
      await rename(join(folder, '..data_tmp'), join(folder, '..data'))
      if (generation > 1)
        await rm(join(folder, `..generation-${generation - 1}`), { recursive: true })
    },
  }
}

function changeOf(source: Pick<Reloading<unknown>, 'onChange'>): Promise<void> {
  return new Promise((resolve) => {
    const end = source.onChange(() => {
      end()
      resolve()
    })
  })
}

/** Passes when a source that polls as often as those above has seen five changes, one after the other. */
async function severalPolls(t: TestContext): Promise<void> {
  const { folder } = await createVolume(t)
  const file = join(folder, 'clock')
  await writeFile(file, '0')
  await using clock = await openReloadingFiles({
    files: [file],
    code: 'pki/bundle',
    parse: ([text = '']) => text,
    log: silentLog,
    pollSeconds: 0.02,
  })
  for (const tick of ['1', '2', '3', '4', '5']) {
    const seen = changeOf(clock)
    await writeFile(file, tick)
    await seen
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

function recordingLog(): Log & { readonly warnings: object[]; readonly errors: object[] } {
  const warnings: object[] = []
  const errors: object[] = []
  return {
    ...silentLog,
    warnings,
    errors,
    warn: (fields) => warnings.push(fields),
    error: (fields) => errors.push(fields),
  }
}
