import { spawn, type ChildProcess } from 'node:child_process'

/**
 * Reads process ids until its input ends, which happens when the test process is gone however it went, SIGKILL
 * included; then it ends the last one, and removes the control groups named in $1 and the folder named in $2, if any.
 */
const script = `
while read -r pid; do last=$pid; done
[ -n "$last" ] || exit 0
kill -9 "$last" 2>/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  groups=$(ls -d /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1" 2>/dev/null)
  [ -n "$groups" ] || break
  find $groups -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
done
[ -n "$2" ] && rm -rf -- "$2"`

/** Ends a node whose test process is gone: it is then outside of everything that could be asked to. */
export class Watchdog {
  readonly #child: ChildProcess

  constructor(options: { readonly controlGroup: string; readonly folderToRemove: string }) {
    const words = ['-c', script, 'watchdog', options.controlGroup, options.folderToRemove]
    // Detached: an interrupt from the terminal must not end the watchdog before its ward.
    this.#child = spawn('/bin/sh', words, {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#child.unref()
  }

  /** From now on this process is the one to end. */
  guard(pid: number): void {
    this.#child.stdin?.write(`${pid}\n`)
  }

  end(): void {
    this.#child.kill('SIGKILL')
  }
}
