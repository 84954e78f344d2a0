import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import {
  chmod,
  chown,
  cp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { openLedger, type Ledger } from '../../src/ledger/ledger.ts'
import { LogFolder, logFolderOf, readCheckpoint } from '../../src/tlog/log-folder.ts'
import { readLogKey } from '../../src/tlog/log-key.ts'
import { hashLeaf, MerkleTree } from '../../src/tlog/merkle-tree.ts'
import { createVerifier, formatVerifierKey, type NoteSigner } from '../../src/tlog/note.ts'
import { tilePath } from '../../src/tlog/tiles.ts'
import { silentLog } from '../../src/log.ts'
import { now, temporaryFolder } from '../ledger/open-ledger.ts'
import { resultRecord } from '../ledger/records.ts'
import { goLog } from './go-log.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'

// RFC 8032 §7.1, test 1: a key that everybody knows.
const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })

function signerOf(name: string, key: KeyObject = privateKey): NoteSigner {
  return { ...createVerifier(name, createPublicKey(key)), privateKey: key }
}

const signer = signerOf('example.org/ledger/signer-0')

function open(file: string, options: { signer?: NoteSigner | undefined } = {}): Promise<Ledger> {
  const signed = 'signer' in options ? options.signer : signer
  return openLedger({ file, now, log: silentLog, signer: signed, publishSeconds: 0.01 })
}

/** A ledger with so many records, written and closed. */
async function written(file: string, from: number, to: number): Promise<void> {
  await using ledger = await open(file)
  const records = Array.from({ length: to - from }, (_, index) => resultRecord(from + index))
  await Promise.all(records.map((record) => ledger.append(record)))
}

test('what is published at any size is a log to Go: checkpoint, and every tile under it', async (t) => {
  requirement('ledger.published-as-log')
  const go = await goLog()
  if (go === undefined) return t.diagnostic('Go is not here: its judgement is left out')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  let size = 0
  for (const next of [0, 1, 2, 255, 256, 257, 511, 512, 700]) {
    await written(file, size, next)
    size = next
    const said = await go.folder(formatVerifierKey(signer), logFolderOf(file))
    assert.match(said, new RegExp(`^size=${next} root=[0-9a-f]{64} entries=0$`))
  }
  assert.deepEqual((await readdir(join(logFolderOf(file), 'tile/0'))).toSorted(), [
    '000',
    '001',
    '002.p',
  ])
  // Go notices what is changed, and so does whoever opens the ledger.
  await truncate(join(logFolderOf(file), tilePath(0, 1)), 8191)
  await assert.rejects(go.folder(formatVerifierKey(signer), logFolderOf(file)))
  await written(file, size, 701)
  await go.folder(formatVerifierKey(signer), logFolderOf(file))
})

test('a log of more than 65,536 records has tiles of three levels, as Go reads them', async (t) => {
  requirement('ledger.published-as-log')
  const go = await goLog()
  if (go === undefined) return t.diagnostic('Go is not here: its judgement is left out')
  await using folder = await temporaryFolder()
  const log = new LogFolder(folder.path, signer)
  const tree = new MerkleTree()
  for (let index = 0; index < 65_800; index++) {
    const leafHash = hashLeaf(Buffer.from(`${index}`))
    tree.append(leafHash)
    log.append(leafHash)
  }
  await log.publish(tree.head(), () => Promise.resolve(true))
  const said = await go.folder(formatVerifierKey(signer), folder.path)
  assert.match(said, /^size=65800 /)
  assert.equal((await stat(join(folder.path, tilePath(2, 0, 1)))).size, 32)
})

test('the index of a tile is written in groups of three digits', () => {
  assert.equal(tilePath(0, 1_234_067), 'tile/0/x001/x234/067')
  assert.equal(tilePath(2, 1000, 12), 'tile/2/x001/000.p/12')
  assert.equal(tilePath('entries', 0), 'tile/entries/000')
})

test('a checkpoint is published a while after its records, without anybody waiting', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  await using ledger = await open(file)
  await ledger.append(resultRecord(0))
  const deadline = Date.now() + 10_000
  while ((await readCheckpoint(logFolderOf(file), signer))?.size !== 1) {
    assert.ok(Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.deepEqual(await readCheckpoint(logFolderOf(file), signer), {
    origin: signer.name,
    ...ledger.head(),
  })
})

suite('a ledger that is not what its checkpoint says', () => {
  const changes: readonly [string, (lines: string[]) => string[], RegExp][] = [
    ['cut by its last record', (lines) => lines.slice(0, -1), /records are missing: want≥5/],
    ['emptied', () => [], /records are missing: want≥5 as its checkpoint says got=0/],
    ['with a record taken out', ([, ...others]) => others, /records are missing/],
    [
      'with a record exchanged for another',
      ([, second = '', ...others]) => [second, second, ...others],
      /first 5 records are not those/,
    ],
    [
      'with a torn last record',
      (lines) => [...lines.slice(0, -1), (lines.at(-1) ?? '').slice(9)],
      /missing/,
    ],
  ]
  for (const [title, change, message] of changes) {
    test(`${title}: is not opened, and nothing is written`, async () => {
      requirement('ledger.checkpoint-kept')
      await using folder = await temporaryFolder()
      const file = join(folder.path, 'ledger')
      await written(file, 0, 5)
      const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1)
      const changed = change(lines)
        .map((line) => `${line}\n`)
        .join('')
      await writeFile(file, changed)
      await assert.rejects(open(file), { code: 'ledger/corrupt', message })
      assert.equal(await readFile(file, 'utf8'), changed)
    })
  }

  test('removed: a new one does not begin in its place', async () => {
    requirement('ledger.checkpoint-kept')
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'ledger')
    await written(file, 0, 5)
    await rm(file)
    await assert.rejects(open(file), { code: 'ledger/corrupt', message: /records are missing/ })
  })

  test('of another key, another name or no note at all: is not opened', async () => {
    requirement('ledger.checkpoint-kept')
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'ledger')
    await written(file, 0, 5)
    const other = await readLogKey(join(folder.path, 'other.pem'), { make: true })
    const unsigned = /has no signature of the log's key/
    await assert.rejects(open(file, { signer: signerOf(signer.name, other) }), {
      message: unsigned,
    })
    await assert.rejects(open(file, { signer: signerOf('another') }), { message: unsigned })
    await writeFile(join(logFolderOf(file), 'checkpoint'), 'x\n')
    await assert.rejects(open(file), { code: 'ledger/note' })
  })
})

test('a ledger of before, and one with more records than its checkpoint, open and are published', async () => {
  requirement('ledger.published-as-log')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  {
    await using unsigned = await open(file, { signer: undefined })
    for (let index = 0; index < 3; index++) await unsigned.append(resultRecord(index))
  }
  await assert.rejects(stat(logFolderOf(file)), { code: 'ENOENT' })
  await written(file, 3, 4)
  assert.equal((await readCheckpoint(logFolderOf(file), signer))?.size, 4)
  // The process died before it published: the tiles and the checkpoint of before.
  await cp(logFolderOf(file), `${file}.before`, { recursive: true })
  await written(file, 4, 300)
  await rm(logFolderOf(file), { recursive: true })
  await cp(`${file}.before`, logFolderOf(file), { recursive: true })
  await written(file, 300, 301)
  const go = await goLog()
  if (go !== undefined) {
    assert.match(await go.folder(formatVerifierKey(signer), logFolderOf(file)), /^size=301 /)
  }
})

test('a folder that takes no tiles stops no record, and is written when it takes them again', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  await writeFile(logFolderOf(file), 'a file where the folder should be')
  {
    await using ledger = (await open(file).catch((error: unknown) => {
      assert.equal((error as { code: string }).code, 'ledger/unavailable')
      return undefined
    })) as Ledger
    assert.equal(ledger, undefined)
  }
  await rm(logFolderOf(file))
  await using ledger = await open(file)
  await ledger.append(resultRecord(0))
  await chmod(folder.path, 0o700)
  // It is written to meanwhile.
  await eventually('a file is in the way', async () => {
    try {
      await rm(logFolderOf(file), { recursive: true, force: true })
      await writeFile(logFolderOf(file), 'in the way', { flag: 'wx' })
      return true
    } catch {
      return false
    }
  })
  await ledger.append(resultRecord(1))
  await rm(logFolderOf(file))
  await ledger[Symbol.asyncDispose]()
  assert.equal((await readCheckpoint(logFolderOf(file), signer))?.size, 2)
})

test('whoever has lost the ledger publishes nothing over the checkpoint of its heir', async () => {
  requirement('ledger.one-writer')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  const loser = await openLedger({ file, now, log: silentLog, signer, publishSeconds: 3600 })
  await loser.append(resultRecord(0))
  await rm(`${file}.lock`)
  const heir = await open(file)
  await heir.append(resultRecord(1))
  await heir[Symbol.asyncDispose]()
  await loser[Symbol.asyncDispose]()
  assert.equal((await readCheckpoint(logFolderOf(file), signer))?.size, 2)
})

test('a checkpoint is looked at once more before it takes the place of another, and shares no draft', async () => {
  requirement('ledger.one-writer')
  await using folder = await temporaryFolder()
  const logOf = (texts: readonly string[]): [LogFolder, MerkleTree] => {
    const log = new LogFolder(folder.path, signer)
    const tree = new MerkleTree()
    for (const leafHash of texts.map((text) => hashLeaf(Buffer.from(text)))) {
      tree.append(leafHash)
      log.append(leafHash)
    }
    return [log, tree]
  }
  const size = async (): Promise<number | undefined> =>
    (await readCheckpoint(folder.path, signer))?.size
  const [first, firstTree] = logOf(['a'])
  const [second, secondTree] = logOf(['a', 'b'])
  await first.publish(firstTree.head(), async () => {
    // The other one writes all of its own between our draft and its move.
    await second.publish(secondTree.head(), () => Promise.resolve(true))
    return true
  })
  assert.equal(await size(), 1)
  const [loser, loserTree] = logOf(['a', 'b', 'c'])
  await loser.publish(loserTree.head(), () => Promise.resolve(false))
  assert.equal(loser.publishedSize, -1)
  assert.equal(await size(), 1)
  assert.deepEqual((await readdir(folder.path)).toSorted(), ['checkpoint', 'tile'])
})

suite('the key of a ledger', () => {
  test('is made once where that is asked for, readable by nobody else', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'key.pem')
    await assert.rejects(readLogKey(file, { make: false }), { code: 'ledger/log-key' })
    const keys = await Promise.all(
      [1, 2, 3].map(() =>
        readLogKey(join(folder.path, 'key.pem'), { make: true }).catch((error: Error) => error),
      ),
    )
    const made = keys.filter((key) => !(key instanceof Error)) as KeyObject[]
    assert.ok(made.length >= 1)
    const again = await readLogKey(file, { make: true })
    for (const key of made) assert.ok(key.equals(again))
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  })

  test('is made past what a crash of this very process number has left', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'key.pem')
    await writeFile(`${file}.${process.pid}.new`, '')
    assert.equal((await readLogKey(file, { make: true })).asymmetricKeyType, 'ed25519')
  })

  test('is refused when everybody can write it, when somebody else owns it, or when it is no key by its size', async () => {
    requirement('ledger.checkpoint-kept')
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'key.pem')
    await readLogKey(file, { make: true })
    await chmod(file, 0o602)
    const open = { code: 'ledger/log-key', message: /written by everybody: .* got=0602$/ }
    await assert.rejects(readLogKey(file, { make: true }), open)
    await chmod(file, 0o600)
    if (process.geteuid?.() === 0) {
      await chown(file, 4711, 4711)
      await assert.rejects(readLogKey(file, { make: true }), { message: /somebody else's/ })
      await chown(file, 0, 0)
    }
    await truncate(file, 16_385)
    await assert.rejects(readLogKey(file, { make: true }), { message: /too long/ })
  })

  for (const [title, text] of [
    ['nothing', ''],
    ['a text', 'secret-that-must-not-be-told'],
    ['an RSA key', '-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n'],
  ] as const) {
    test(`is refused without being told: ${title}`, async () => {
      await using folder = await temporaryFolder()
      const file = join(folder.path, 'key.pem')
      await writeFile(file, text)
      await assert.rejects(readLogKey(file, { make: true }), (error: Error & { code: string }) => {
        assert.equal(error.code, 'ledger/log-key')
        assert.ok(!JSON.stringify([error.message, error.cause]).includes('secret-that'))
        return true
      })
    })
  }
})
