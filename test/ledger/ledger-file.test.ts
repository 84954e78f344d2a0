import assert from 'node:assert/strict'
import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { ledgerDisk, openLedgerFile, type OpenLedgerFile } from '../../src/ledger/ledger-file.ts'
import { openLedger, type Ledger } from '../../src/ledger/ledger.ts'
import { silentLog } from '../../src/log.ts'
import { now, readAll, temporaryFolder } from './open-ledger.ts'
import { resultRecord } from './records.ts'
import { requirement } from '../requirements.ts'

type Place = { readonly folder: string; readonly file: string }

/** What may become of the file of a running writer, and what the writer then says. */
const misfortunes: readonly [string, (place: Place) => Promise<unknown>, RegExp][] = [
  ['removed', ({ file }) => rm(file), /file is removed/],
  ['renamed', ({ file }) => rename(file, `${file}.1`), /file is removed/],
  ['truncated', ({ file }) => truncate(file, 0), /written to by others: want=\d+ octets got=0$/],
  [
    'truncated after its first record',
    async ({ file }) => truncate(file, (await readFile(file)).indexOf('\n') + 1),
    /written to by others/,
  ],
  ['written to by another', ({ file }) => appendFile(file, 'x'), /written to by others/],
  [
    'replaced by a copy',
    async ({ file }) => {
      await copyFile(file, `${file}.copy`)
      await rename(`${file}.copy`, file)
    },
    /file is replaced/,
  ],
  [
    'replaced by an empty file, as a rotation of logs does',
    async ({ file }) => {
      await rename(file, `${file}.1`)
      await writeFile(file, '')
    },
    /file is (?:removed|replaced)/,
  ],
  [
    'replaced by a link to itself',
    async ({ file }) => {
      await rename(file, `${file}.1`)
      await symlink(`${file}.1`, file)
    },
    /file is (?:removed|replaced)/,
  ],
  [
    'in a folder that another has taken the place of',
    async ({ folder }) => {
      await rename(folder, `${folder}.1`)
      await mkdir(folder)
    },
    /lock is lost|file is removed/,
  ],
]

/** At which step of a write it happens. */
const moments = ['before a write', 'between a write and its sync', 'after a sync'] as const

suite('a ledger whose file is no longer what it was', () => {
  for (const [title, happen, message] of misfortunes) {
    for (const moment of moments) {
      test(`${title} ${moment}: nothing more is acknowledged, and it says so`, async () => {
        requirement('ledger.file-stands')
        await using place = await twoRecords(moment, (at) => happen(at))
        const { ledger } = place
        if (moment === 'before a write') await happen(place)
        const refusal = { code: 'ledger/unavailable', message }
        await assert.rejects(ledger.append(resultRecord(2)), refusal)
        await assert.rejects(ledger.append(resultRecord(3)), refusal)
        assert.match((await ledger.failed).message, message)
        assert.equal(ledger.head().size, 2)
      })
    }

    test(`${title} while nobody writes: it says so by itself`, async () => {
      requirement('ledger.file-stands')
      await using place = await twoRecords('never', async () => {})
      await happen(place)
      assert.match((await place.ledger.failed).message, message)
      await assert.rejects(place.ledger.append(resultRecord(2)), { code: 'ledger/unavailable' })
    })
  }

  test('a file that stands is looked at without end, and nothing is said', async () => {
    await using place = await twoRecords('never', async () => {})
    for (let index = 2; index < 40; index++) {
      await place.ledger.append(resultRecord(index))
      if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 25))
    }
    assert.equal((await readAll(place.file)).length, 40)
  })

  test('a folder that becomes read-only stops no writer that has its file open', async () => {
    await using place = await twoRecords('never', async () => {})
    await chmod(place.folder, 0o500)
    await place.ledger.append(resultRecord(2))
    await chmod(place.folder, 0o700)
    assert.equal((await readAll(place.file)).length, 3)
  })
})

/** A ledger with two records in a folder of its own, with something that happens at a step of the third. */
async function twoRecords(
  moment: (typeof moments)[number] | 'never',
  happen: (place: Place) => Promise<unknown>,
): Promise<AsyncDisposable & Place & { readonly ledger: Ledger }> {
  const outer = await temporaryFolder()
  const folder = join(outer.path, 'volume')
  await mkdir(folder)
  const place = { folder, file: join(folder, 'ledger') }
  let armed = false
  const open: OpenLedgerFile = async (file, access) => {
    const opened = await openLedgerFile(file, access)
    return {
      ...opened,
      sync: async () => {
        if (armed && moment === 'between a write and its sync') await happen(place)
        await opened.sync()
        if (armed && moment === 'after a sync') await happen(place)
      },
    }
  }
  const ledger = await openLedger({
    file: place.file,
    now,
    log: silentLog,
    disk: { ...ledgerDisk, open },
    lookSeconds: 0.01,
  })
  await ledger.append(resultRecord(0))
  await ledger.append(resultRecord(1))
  armed = true
  return {
    ...place,
    ledger,
    [Symbol.asyncDispose]: async () => {
      await ledger[Symbol.asyncDispose]()
      await outer[Symbol.asyncDispose]()
    },
  }
}
