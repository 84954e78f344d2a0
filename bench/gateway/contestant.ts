/** A contestant in a process of its own: `node contestant.ts <role>`, told the rest by whoever started it, and ended with them. */
import { runBareTls } from './bare-tls.ts'
import { runForwarder } from './forwarder.ts'
import { runForwardStreams } from './forward-streams.ts'
import { runGateway } from './product.ts'
import { runInline } from './inline.ts'
import { runSdkObjects } from './sdk-objects.ts'
import { runWorkers } from './workers.ts'
import type { Running, Setting } from './contest.ts'

const roles = {
  gateway: runGateway,
  'policy-module': (setting: Setting): Promise<Running> =>
    runGateway({ ...setting, engine: 'wasm' }),
  'one-worker': (setting: Setting): Promise<Running> => runWorkers(setting, 1),
  'two-workers': (setting: Setting): Promise<Running> => runWorkers(setting, 2),
  inline: runInline,
  forwarder: runForwarder,
  'forward-streams': runForwardStreams,
  'bare-tls': runBareTls,
  'sdk-objects': runSdkObjects,
}

const role = process.argv[2]
if (role === undefined || !Object.hasOwn(roles, role)) throw new Error(`no such role: ${role}`)

process.once('message', (setting: Setting) => {
  void roles[role as keyof typeof roles](setting).then((running) => {
    let turns: Turns | undefined
    process.on('message', (order) => {
      if (order === 'close') {
        turns?.stop()
        process.disconnect()
        return
      }
      turns ??= watchTurns()
      process.send?.(turns.longestMilliseconds())
    })
    process.once('disconnect', () => void running.close())
    process.send?.(running.port)
  })
})

interface Turns {
  /** Since it was asked last. */
  longestMilliseconds(): number
  stop(): void
}

/** In time on a processor, of this thread alone: what other processes take away is no turn of ours. */
function watchTurns(): Turns {
  let before = process.threadCpuUsage()
  let longest = 0
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(before)
    longest = Math.max(longest, user + system)
    before = process.threadCpuUsage()
  }, 1)
  return {
    longestMilliseconds() {
      const made = longest / 1000
      longest = 0
      return made
    },
    stop: () => clearInterval(timer),
  }
}
