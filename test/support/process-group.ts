import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Reads process ids until its input ends, which happens when the test process is gone however it
 * went, SIGKILL included; then ends what is left and removes the folder named in $1, if any.
 */
const watchdogScript = `
while read -r pid; do pids="$pids $pid"; done
[ -n "$pids" ] && kill -9 $pids 2>/dev/null
[ -n "$1" ] && rm -rf -- "$1"`

interface Member {
  readonly name: string
  readonly child: ChildProcess
  readonly logFile: string
  /** Settles when the process is gone, with how it went. */
  readonly exited: Promise<string>
}

function lastLines(path: string, count: number): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-count).join('\n')
}

/** Programs that live and die together, each with a log file in one folder. */
export class ProcessGroup {
  readonly #folder: string
  readonly #graceSeconds: number
  readonly #watchdog: ChildProcess
  readonly #members: Member[] = []
  /** How a member died before it was asked to, worded for an error. */
  #death: string | undefined
  #stopping = false

  constructor(options: {
    readonly folder: string
    /** Whether the folder goes too when the test process ends without disposing of the group. */
    readonly removeFolderAtEnd: boolean
    /** Between SIGTERM and SIGKILL; 5 unless told. */
    readonly graceSeconds?: number
  }) {
    this.#folder = options.folder
    this.#graceSeconds = options.graceSeconds ?? 5
    const argument = options.removeFolderAtEnd ? options.folder : ''
    // Detached: an interrupt from the terminal must not end the watchdog before its wards.
    this.#watchdog = spawn('/bin/sh', ['-c', watchdogScript, 'watchdog', argument], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#watchdog.unref()
  }

  start(options: {
    readonly name: string
    readonly path: string
    readonly args: readonly string[]
  }): void {
    const logFile = join(this.#folder, `${options.name}.log`)
    const log = openSync(logFile, 'a', 0o600)
    const child = spawn(options.path, options.args, {
      cwd: this.#folder,
      // Not the whole environment: etcd takes ETCD_* variables, and the others KUBECONFIG.
      env: { PATH: process.env['PATH'] ?? '', HOME: this.#folder, TMPDIR: this.#folder },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    const exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    const member: Member = { name: options.name, child, logFile, exited }
    this.#members.push(member)
    void exited.then((how) => this.#recordDeath(member, how))
    child.unref()
    if (child.pid !== undefined) this.#watchdog.stdin?.write(`${child.pid}\n`)
  }

  #recordDeath(member: Member, how: string): void {
    if (this.#stopping) return
    this.#death ??=
      `${member.name} died: ${how}; the end of its log:\n` + lastLines(member.logFile, 20)
  }

  /** Asks until the probe says true; a dead member or the end of the time is an error. */
  async until(what: string, timeoutSeconds: number, probe: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + timeoutSeconds * 1000
    let reason = ''
    while (performance.now() < deadline) {
      const done = await probe().catch((error: unknown) => {
        reason = `: ${String(error)}`
        return false
      })
      if (this.#death !== undefined) throw new Error(this.#death)
      if (done) return
      await delay(100)
    }
    const logs = this.#members.map(({ name, logFile }) => `${name}:\n${lastLines(logFile, 5)}`)
    throw new Error(`${what}: not within ${timeoutSeconds} s${reason}\n${logs.join('\n')}`)
  }

  /** The newest first, so that nothing loses its server while it says goodbye. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    for (const { child, exited } of this.#members.toReversed()) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue
      child.ref()
      child.kill('SIGTERM')
      const grace = delay(this.#graceSeconds * 1000, false, { ref: false })
      const gone = await Promise.race([exited.then(() => true), grace])
      if (!gone) child.kill('SIGKILL')
      await exited
    }
    this.#watchdog.kill('SIGKILL')
  }
}
