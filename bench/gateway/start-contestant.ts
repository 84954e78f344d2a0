import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Setting } from './contest.ts'

/** Starts a role of `contestant.ts` in a process of its own. */
export async function startContestant(
  role: string,
  setting: Setting,
  execArgv: readonly string[] = [],
): Promise<{ readonly pid: number; readonly port: number; close(): Promise<void> }> {
  mkdirSync(setting.folder, { recursive: true })
  const file = join(import.meta.dirname, 'contestant.ts')
  const child = fork(file, [role], { execArgv: [...execArgv] })
  const exited = once(child, 'exit')
  child.send(setting)
  const said = once(child, 'message') as Promise<[number]>
  const ended = exited.then((): never => {
    throw new Error(`${role}: want=running got=exit ${child.exitCode}`)
  })
  const [port] = await Promise.race([said, ended])
  ended.catch(() => {})
  return {
    pid: child.pid ?? 0,
    port,
    async close() {
      if (child.exitCode !== null || !child.connected) return
      child.send('close')
      await exited
    },
  }
}
