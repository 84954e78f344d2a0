import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { copyFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ledgerDisk } from '../../src/ledger/ledger-file.ts'
import { openLedger, type Ledger } from '../../src/ledger/ledger.ts'
import { LogFolder, logFolderOf } from '../../src/tlog/log-folder.ts'
import { readLogKey } from '../../src/tlog/log-key.ts'
import { hashLeaf, MerkleTree } from '../../src/tlog/merkle-tree.ts'
import { createVerifier, formatVerifierKey, type NoteSigner } from '../../src/tlog/note.ts'
import { segmentFile } from '../../src/ledger/segments.ts'
import { tilePath } from '../../src/tlog/tiles.ts'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { now, readAll, temporaryFolder } from './open-ledger.ts'
import { resultRecord } from './records.ts'
import { goLog } from '../tlog/go-log.ts'

async function signerIn(folder: string): Promise<NoteSigner> {
  const privateKey = await readLogKey(join(folder, 'key.pem'), { make: true })
  const verifier = createVerifier('example.org/ledger/segments', createPublicKey(privateKey))
  return { ...verifier, privateKey }
}

function open(file: string, signer: NoteSigner | undefined): Promise<Ledger> {
  return openLedger({ file, now, log: silentLog, signer, segmentOctets: 60_000 })
}

async function written(
  file: string,
  signer: NoteSigner | undefined,
  records: number,
): Promise<number> {
  await using ledger = await open(file, signer)
  for (let index = 0; index < records; index += 10) {
    await Promise.all(Array.from({ length: 10 }, () => ledger.append(resultRecord(index))))
  }
  return ledger.head().size
}

test('a ledger of many segments is one log to Go, whatever a start has read of it', async (t) => {
  requirement('ledger.published-as-log')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  const signer = await signerIn(folder.path)
  const go = await goLog()
  if (go === undefined) return t.diagnostic('Go is not here: its judgement is left out')
  const asGoSays = async (size: number): Promise<void> => {
    const said = await go.folder(formatVerifierKey(signer), logFolderOf(file))
    assert.match(said, new RegExp(`^size=${size} root=[0-9a-f]{64} entries=0$`))
  }
  for (let round = 0; round < 4; round++) await asGoSays(await written(file, signer, 130))
  assert.ok((await readdir(folder.path)).filter((name) => name.includes('.segment-')).length >= 3)
  // Records that were never published, in a segment that was sealed meanwhile.
  await written(file, undefined, 200)
  await asGoSays(await written(file, signer, 10))
  // A tile that is gone is written again, whole or in part.
  await rm(join(logFolderOf(file), tilePath(0, 0)))
  await rm(`${join(logFolderOf(file), tilePath(0, 2))}.p`, { recursive: true, force: true })
  await writeFile(join(logFolderOf(file), tilePath(0, 1)), '')
  await assert.rejects(go.folder(formatVerifierKey(signer), logFolderOf(file)))
  await rm(join(logFolderOf(file), 'tile/1'), { recursive: true })
  await asGoSays(await written(file, signer, 10))
  await rm(logFolderOf(file), { recursive: true })
  await asGoSays(await written(file, signer, 10))
  assert.equal((await readAll(file)).length, await written(file, signer, 0))
})

test('a start reads no sealed segment that its checkpoint reaches beyond', async () => {
  requirement('ledger.segments-stand')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  const signer = await signerIn(folder.path)
  await written(file, signer, 400)
  let octets = 0
  await using ledger = await openLedger({
    file,
    now,
    log: silentLog,
    signer,
    disk: {
      ...ledgerDisk,
      open: async (path, access) => {
        const opened = await ledgerDisk.open(path, access)
        const read: typeof opened.read = async (buffer, position) => {
          const count = await opened.read(buffer, position)
          // Of a sealed one its head is read.
          if (path !== file && position > 0) octets += count
          return count
        }
        return { ...opened, read }
      },
    },
  })
  assert.ok(ledger.head().size > 400)
  assert.equal(octets, 0)
})

test('what the last segment stands on is held against the checkpoint', async () => {
  requirement('ledger.checkpoint-kept')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  const signer = await signerIn(folder.path)
  await written(file, signer, 250)
  // Whoever may write the volume writes another history, and has no key.
  await using other = await temporaryFolder()
  const forged = join(other.path, 'ledger')
  {
    await using ledger = await open(forged, undefined)
    for (let index = 0; index < 250; index++) await ledger.append(resultRecord(index))
  }
  for (const name of await readdir(other.path)) {
    await rm(join(folder.path, name), { force: true })
    await copyFile(join(other.path, name), join(folder.path, name))
  }
  assert.ok((await readdir(folder.path)).includes(segmentFile('ledger', 0)))
  await assert.rejects(open(file, signer), {
    code: 'ledger/corrupt',
    message: /records are not those of its checkpoint|records are missing/,
  })
})

test('tiles that are not those of the tree are not gone on from', async () => {
  requirement('ledger.published-as-log')
  for (const size of [1, 256, 257, 700]) {
    await using folder = await temporaryFolder()
    const signer = await signerIn(folder.path)
    const log = new LogFolder(folder.path, signer)
    const tree = new MerkleTree()
    let before = new MerkleTree()
    for (let index = 0; index < size + 3; index++) {
      if (index === size) before = new MerkleTree(size, tree.subtrees)
      const leafHash = hashLeaf(Buffer.from(`${index}`))
      tree.append(leafHash)
      log.append(leafHash)
    }
    await log.publish(tree.head(), () => Promise.resolve(true))
    const options = { folder: folder.path, signer, before, size: size + 3 }
    const resumed = await LogFolder.resume(options)
    assert.ok(resumed, `${size}`)
    const [, ...others] = before.subtrees
    const other = new MerkleTree(size, [hashLeaf(Buffer.from('other')), ...others])
    assert.equal(await LogFolder.resume({ ...options, before: other }), undefined)
    await rm(join(folder.path, 'tile'), { recursive: true })
    assert.equal(await LogFolder.resume(options), undefined, `${size}`)
  }
})
