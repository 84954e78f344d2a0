import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { listenOnSocket } from '../../src/guard/socket.ts'
import { requirement } from '../requirements.ts'

let parent: string

before(async () => {
  // A path of a socket is short.
  parent = await mkdtemp(join(tmpdir(), 'sock-'))
})
after(() => rm(parent, { recursive: true, force: true }))

const newFolder = (): Promise<string> => mkdtemp(join(parent, 'x'))

async function open(path: string, group = false): Promise<Server> {
  const server = createServer()
  await listenOnSocket(server, path, { group })
  return server
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

const modeOf = async (path: string): Promise<number> => (await lstat(path)).mode & 0o777

for (const [group, folderMode, mode] of [
  [false, 0o700, 0o600],
  [true, 0o750, 0o660],
] as const) {
  test(`a socket is made for its owner${group ? ' and group' : ''}, in a folder of its own`, async () => {
    requirement('forward.socket-is-its-owners')
    const folder = join(await newFolder(), 'made')
    const path = join(folder, 's')
    const server = await open(path, group)
    assert.deepEqual([await modeOf(folder), await modeOf(path)], [folderMode, mode])
    await close(server)
    await assert.rejects(lstat(path), { code: 'ENOENT' })
  })
}

test('the group enters, whatever mask there is', async () => {
  const folder = await newFolder()
  const server = await open(join(folder, 's'), true)
  assert.equal(await modeOf(folder), 0o750)
  await close(server)
})

for (const [mode, group] of [
  [0o755, false],
  [0o750, false],
  [0o770, true],
  [0o751, true],
] as const) {
  test(`a folder that lets others in is not taken: ${mode.toString(8)}${group ? ' with a group' : ''}`, async () => {
    requirement('forward.socket-is-its-owners')
    const folder = await newFolder()
    await chmod(folder, mode)
    await assert.rejects(open(join(folder, 's'), group), {
      code: 'guard/socket',
      message: /lets others in, want=7[05]0 got=7\d\d$/,
    })
  })
}

test('a folder of another is not taken, nor a link to one', async (t) => {
  requirement('forward.socket-is-its-owners')
  const folder = await newFolder()
  const link = join(parent, 'link')
  await symlink(folder, link)
  await assert.rejects(open(join(link, 's')), { code: 'guard/socket' })
  if (process.getuid?.() !== 0) return t.diagnostic('only root can give a folder away')
  await chown(folder, 65_532, 65_532)
  await assert.rejects(open(join(folder, 's')), {
    message: /is of another owner, want=0 got=65532/,
  })
})

test('what another life has left is taken away, and nothing that somebody answers on or that is no socket', async () => {
  requirement('forward.socket-is-its-owners')
  const folder = await newFolder()
  const path = join(folder, 's')
  const first = await open(path)
  await assert.rejects(open(path), { message: /is answered by another program$/ })
  assert.equal((await lstat(path)).isSocket(), true)
  // As one that was killed leaves it: the name stays, and nobody listens.
  const left = createServer()
  await close(first)
  left.listen(path)
  await once(left, 'listening')
  await rename(path, `${path}.left`)
  await close(left)
  await rename(`${path}.left`, path)
  const next = await open(path)
  await close(next)
  await writeFile(path, 'kept')
  await assert.rejects(open(path), { message: /is there already, and no socket$/ })
  await rm(path)
  await mkdir(path)
  await assert.rejects(open(path), { message: /is there already, and no socket$/ })
})

test(
  'a socket whose program is too busy to answer is not taken from it',
  { skip: process.platform === 'linux' ? false : 'how many wait is for Linux to say' },
  async (t) => {
    requirement('forward.socket-is-its-owners')
    const path = join(await newFolder(), 's')
    const busy = `require('node:net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
      process.stdout.write('listening')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
    const program = spawn(process.execPath, ['-e', busy, path])
    t.after(() => program.kill('SIGKILL'))
    await once(program.stdout, 'data')
    const waiting = Array.from({ length: 4 }, () => connect(path).on('error', () => {}))
    t.after(() => waiting.forEach((each) => each.destroy()))
    await assert.rejects(open(path), { message: /is answered by another program$/ })
    assert.equal((await lstat(path)).isSocket(), true)
  },
)

test('a path that no system can bind is said to be too long', async () => {
  await assert.rejects(open(join(parent, 'x'.repeat(120))), {
    message: /is too long, want=\.\.107 octets$/,
  })
})
