import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { config } from '../../image/product.ts'
import type { Started } from '../rig/contest.ts'
import type { Setting } from './contest.ts'

export interface Contestant extends Started {
  /** The longest turn of its loop since this was asked last, in milliseconds. */
  longestTurn(): Promise<number>
}

/** The options of Node that leave a profile of the processor in a folder. */
export function profilingTo(folder: string | undefined): readonly string[] {
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]
}

/** How to start a role of `contestant.ts` in a process of its own, with the options of Node that the image has, and these. */
export function startRole(
  role: string,
  execArgv: readonly string[] = [],
): (setting: Setting) => Promise<Contestant> {
  return (setting) => start(role, setting, execArgv)
}

async function start(
  role: string,
  setting: Setting,
  execArgv: readonly string[],
): Promise<Contestant> {
  mkdirSync(setting.folder, { recursive: true })
  const env = Object.fromEntries((config.Env ?? []).map((each) => each.split('=')))
  const options = { execArgv: [...config.Entrypoint.slice(1, -1), ...execArgv], env }
  const child = fork(setting.program, [role], options)
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
    async longestTurn() {
      const asked = once(child, 'message') as Promise<[number]>
      child.send('longest turn')
      const [milliseconds] = await asked
      return milliseconds
    },
    async close() {
      if (child.exitCode !== null || !child.connected) return
      child.send('close')
      await exited
    },
  }
}
