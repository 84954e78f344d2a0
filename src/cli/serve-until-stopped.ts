import type { Log } from '../log.ts'
import { version } from '../version.ts'
import { reportConditions } from './report-conditions.ts'
import type { Running } from './running.ts'

/** Starts a program, and ends it in order: told to end before it began, it does not begin. */
export async function serveUntilStopped(
  start: () => Promise<Running>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  try {
    await using running = await start().catch((error: unknown) => {
      // A start that was given up because it was told to end is no failure.
      if (signal.aborted) return undefined
      throw error
    })
    if (running === undefined) return
    log.info({ admin: running.adminUrl, version }, 'started')
    // Programs that rotate logs send it, and by itself it would end a process that has not drained.
    process.on('SIGHUP', () => log.info({}, 'SIGHUP: files are followed, nothing is read for it'))
    // What loading left behind is given back, where the image's command line allows it. V8 looks after idle memory by itself only
    // from its first full collection on, which a quiet program would not come to for hours.
    globalThis.gc?.()
    using _ = reportConditions({ conditions: () => running.conditions(), log })
    await Promise.race([stopped, running.ended])
    log.info({}, 'stopping')
  } catch (error) {
    // The terminal gets one line of it.
    log.debug({ error }, 'ended by an error')
    throw error
  }
}
