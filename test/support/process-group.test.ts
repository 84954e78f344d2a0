import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eventually } from './eventually.ts'
import { ProcessGroup } from './process-group.ts'

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-group-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function shell(name: string, script: string): { name: string; path: string; args: string[] } {
  return { name, path: '/bin/sh', args: ['-c', script] }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function gone(pid: number): Promise<void> {
  return eventually(`process ${pid} is gone`, () => !isAlive(pid))
}

/** Starts a member that writes its process id, and waits for it. */
async function startTelling(group: ProcessGroup, folder: string, script: string): Promise<number> {
  const log = join(folder, 'member.log')
  group.start(shell('member', `${script}; echo $$; while :; do sleep 0.1; done`))
  await group.until('process id', 60, async () => (await readFile(log, 'utf8')).endsWith('\n'))
  return Number(await readFile(log, 'utf8'))
}

test('a member that dies is named with its exit code and the end of its log', async (t) => {
  const folder = await temporaryFolder(t)
  await using group = new ProcessGroup({ folder, removeFolderAtEnd: false })
  group.start(shell('etcd', 'echo address in use >&2; exit 3'))
  await assert.rejects(
    group.until('ready', 60, async () => false),
    { message: 'etcd died: exit code 3; the end of its log:\naddress in use' },
  )
})

test('a program that does not exist is named too', async (t) => {
  const folder = await temporaryFolder(t)
  await using group = new ProcessGroup({ folder, removeFolderAtEnd: false })
  group.start({ name: 'etcd', path: join(folder, 'absent'), args: [] })
  await assert.rejects(
    group.until('ready', 60, async () => false),
    /^Error: etcd died: spawn .*absent ENOENT/,
  )
})

test('what does not come in time is an error with the last reason and the logs', async (t) => {
  const folder = await temporaryFolder(t)
  await using group = new ProcessGroup({ folder, removeFolderAtEnd: false })
  await startTelling(group, folder, 'true')
  const probe = async (): Promise<boolean> => Promise.reject(new Error('refused'))
  await assert.rejects(
    group.until('readiness', 0.3, probe),
    /^Error: readiness: not within 0\.3 s: Error: refused\nmember:\n\d+$/,
  )
})

test('a member does not see the environment of the test', async (t) => {
  const folder = await temporaryFolder(t)
  await using group = new ProcessGroup({ folder, removeFolderAtEnd: false })
  process.env['ETCD_NAME'] = 'surprise'
  t.after(() => delete process.env['ETCD_NAME'])
  group.start(shell('member', 'echo "$ETCD_NAME|$HOME|$TMPDIR"; exec sleep 60'))
  const log = join(folder, 'member.log')
  await group.until('output', 60, async () => (await readFile(log, 'utf8')).endsWith('\n'))
  assert.equal(await readFile(log, 'utf8'), `|${folder}|${folder}\n`)
})

test('disposing ends members, with SIGKILL where SIGTERM is ignored', async (t) => {
  const folder = await temporaryFolder(t)
  const group = new ProcessGroup({ folder, removeFolderAtEnd: false, graceSeconds: 0.2 })
  const pid = await startTelling(group, folder, 'trap "" TERM')
  await group[Symbol.asyncDispose]()
  assert.equal(isAlive(pid), false)
  assert.ok(existsSync(folder))
})

for (const [title, removeFolderAtEnd] of [
  ['and the folder', true],
  ['but not a folder to be kept', false],
] as const) {
  test(`a test process that is killed takes its members along, ${title}`, async (t) => {
    const folder = await temporaryFolder(t)
    const program = `
      import { ProcessGroup } from ${JSON.stringify(join(import.meta.dirname, 'process-group.ts'))}
      const group = new ProcessGroup(${JSON.stringify({ folder, removeFolderAtEnd })})
      group.start(${JSON.stringify(shell('member', 'echo $$; exec sleep 60'))})
      console.log('started')
      setInterval(() => {}, 1000)`
    const tester = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // The member may be there before its watchdog knows of it.
    await once(tester.stdout, 'data')
    const log = join(folder, 'member.log')
    let text = ''
    await eventually('the member starts', async () => {
      text = await readFile(log, 'utf8').catch(() => '')
      return text.endsWith('\n')
    })
    const pid = Number(text)
    assert.ok(isAlive(pid))
    tester.kill('SIGKILL')
    await once(tester, 'exit')
    await gone(pid)
    if (removeFolderAtEnd) await eventually('the folder is gone', () => !existsSync(folder))
    assert.equal(existsSync(folder), !removeFolderAtEnd)
  })
}
