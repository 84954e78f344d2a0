import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openLedger } from '../../src/ledger/ledger.ts'
import { answers, openLifeline } from '../../src/ledger/lifeline.ts'
import { acquireLock, type LockOwner } from '../../src/ledger/lock.ts'
import { silentLog } from '../../src/log.ts'
import { now, temporaryFolder } from './open-ledger.ts'
import { requirement } from '../requirements.ts'

const writer = fileURLToPath(new URL('writer-process.ts', import.meta.url))

/** A pod of another name on the same machine: it cannot ask after the holder's process by its number. */
async function otherPod(lockFile: string): Promise<LockOwner> {
  const { bootId } = JSON.parse(await readFile(lockFile, 'utf8')) as LockOwner
  return { pid: 1, startTime: '1', host: 'signer-of-another-name', bootId }
}

test('a pod of another name takes the lock of a writer that was killed, and of no other', async () => {
  requirement('ledger.one-writer')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  const child = spawn(process.execPath, [writer, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  const lockOwner = await otherPod(`${file}.lock`)
  const open = () => openLedger({ file, now, log: silentLog, lockOwner })
  await assert.rejects(open(), { code: 'ledger/locked' })
  // Stopped is not dead: it goes on to write when it is told to.
  child.kill('SIGSTOP')
  await assert.rejects(open(), { code: 'ledger/locked' })
  child.kill('SIGKILL')
  await exited
  const ledger = await open()
  assert.ok(ledger.head().size > 0)
  await ledger[Symbol.asyncDispose]()
  assert.deepEqual(await readdir(folder.path), ['ledger'], 'the socket of the dead is gone, too')
})

test('without its socket, or on another machine, the holder of another name is never taken for dead', async () => {
  requirement('ledger.one-writer')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'lock')
  const held = await acquireLock(file, { now, lifeline: true })
  const text = await readFile(file, 'utf8')
  const holder = JSON.parse(text) as LockOwner & { socket: string }
  await held.release()
  assert.equal(await answers(join(folder.path, holder.socket)), 'unknown', 'nothing is left')
  const elsewhere = { ...holder, host: 'signer-of-another-name' }
  await writeFile(file, text)
  await assert.rejects(acquireLock(file, { now, owner: elsewhere }), { code: 'ledger/locked' })

  // The socket of a process that died, seen from another machine: there its kernel cannot tell.
  await deadSocket(join(folder.path, holder.socket))
  const strange = { ...elsewhere, bootId: 'another boot' }
  await assert.rejects(acquireLock(file, { now, owner: strange }), { code: 'ledger/locked' })
  for (const socket of ['../lock.elsewhere', '', '/etc/x', 7]) {
    await writeFile(file, JSON.stringify({ ...holder, socket }))
    await assert.rejects(acquireLock(file, { now, owner: elsewhere }), { code: 'ledger/locked' })
  }
  await writeFile(file, JSON.stringify({ ...holder, bootId: '' }))
  const bootless = { ...elsewhere, bootId: '' }
  await assert.rejects(acquireLock(file, { now, owner: bootless }), { code: 'ledger/locked' })
  // Seen through another mount, a socket is refused whose listener lives.
  await writeFile(file, JSON.stringify({ ...holder, device: 'another' }))
  await assert.rejects(acquireLock(file, { now, owner: elsewhere }), { code: 'ledger/locked' })
  await writeFile(file, text)
  const taken = await acquireLock(file, { now, owner: elsewhere })
  assert.ok(await taken.held())
  await taken.release()
})

test('a process of our name whose socket answers lives, whatever its number says', async () => {
  requirement('ledger.one-writer')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'lock')
  const held = await acquireLock(file, { now, lifeline: true })
  const holder = JSON.parse(await readFile(file, 'utf8')) as LockOwner
  await writeFile(file, JSON.stringify({ ...holder, startTime: '1' }))
  await assert.rejects(acquireLock(file, { now }), { code: 'ledger/locked' })
  await held.release()
})

test('a path too long for a socket, or a folder that takes none, opens without', async () => {
  await using folder = await temporaryFolder()
  assert.equal(await openLifeline(join(folder.path, 'x'.repeat(120))), undefined)
  assert.equal(await openLifeline(join(folder.path, 'none', 'x')), undefined)
  assert.equal(await answers(join(folder.path, 'x'.repeat(120))), 'unknown')
  const file = join(folder.path, 'l'.repeat(90))
  const lock = await acquireLock(file, { now, lifeline: true })
  assert.ok(!(await readFile(file, 'utf8')).includes('socket'))
  await lock.release()
})

/** What a killed listener leaves. */
async function deadSocket(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
  await rm(path, { force: true })
  await once(spawn(process.execPath, ['-e', script, path], { stdio: 'ignore' }), 'exit')
  assert.equal(await answers(path), 'dead')
}
