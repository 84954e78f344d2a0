import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startChild, type Child } from '../../src/guard/child.ts'
import { silentLog } from '../../src/log.ts'
import type { LongLine } from '../../src/mcp/read-lines.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'

const env = { PATH: process.env['PATH'] ?? '' }

function shell(script: string): Child {
  const command = { file: '/bin/sh', args: ['-c', script], env }
  return startChild(command, { log: silentLog, endMilliseconds: 20 })
}

function textOf(line: Buffer | LongLine): string {
  return Buffer.isBuffer(line) ? line.toString() : 'a long line'
}

async function firstLine(child: Child): Promise<string> {
  const { value } = await child.lines[Symbol.asyncIterator]().next()
  return textOf(value ?? Buffer.alloc(0))
}

/** One that nobody has waited for yet is gone all the same (Linux, proc(5)). */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux'
  }
}

for (const [what, script] of [
  ['ends when its input does', 'echo $$; cat > /dev/null'],
  ['ends when it is asked to', 'echo $$; exec sleep 600'],
  ['does not end by itself', 'trap "" TERM; echo $$; while :; do sleep 600; done'],
  ['leaves others behind', 'sleep 600 & echo $!; cat > /dev/null'],
] as const) {
  test(`a command that ${what} is gone, and all that it has started`, async () => {
    requirement('guard.stdio-ends-whole')
    const child = shell(script)
    const pid = Number(await firstLine(child))
    assert.equal(isThere(pid), true)
    await child[Symbol.asyncDispose]()
    assert.equal(child.isAlive(), false)
    await eventually('it is gone', () => !isThere(pid))
  })
}

test('a command that takes nothing any more is ended when it is told something', async () => {
  requirement('guard.stdio-ends-whole')
  const child = shell('exec 0<&-; echo $$; exec sleep 600')
  const pid = Number(await firstLine(child))
  child.write(Buffer.from('{}'))
  assert.equal(await child.ended, 'ended with SIGKILL')
  assert.equal(isThere(pid), false)
})

test('what a command has started ends with it, and does not hold its output open', async () => {
  requirement('guard.stdio-ends-whole')
  const child = shell('sleep 600 & echo $!; exit 3')
  const lines: string[] = []
  for await (const line of child.lines) lines.push(textOf(line))
  assert.equal(await child.ended, 'ended with 3')
  await eventually('it is gone', () => !isThere(Number(lines[0])))
})

for (const [what, file] of [
  ['is not there', '/nowhere/server'],
  ['is no program', import.meta.filename],
  ['has a name that no system takes', 'a\0b'],
] as const) {
  test(`a command that ${what} has ended before it began, and nobody fails`, async () => {
    const child = startChild({ file, args: ['a secret'], env }, { log: silentLog })
    assert.match(await child.ended, /^cannot be started: E[A-Z_]+$/)
    for await (const line of child.lines) assert.fail(textOf(line))
    child.write(Buffer.from('{}'))
    await child[Symbol.asyncDispose]()
  })
}

test('so much waits for a command that does not read, and no more', async () => {
  const child = shell('echo $$; exec sleep 600')
  await firstLine(child)
  const line = Buffer.alloc(4 * 1024 * 1024, 0x20)
  const taken = [1, 2, 3, 4, 5].map(() => child.write(line))
  assert.equal(taken.at(-1), false)
  await child[Symbol.asyncDispose]()
})
