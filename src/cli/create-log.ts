import { pino } from 'pino'
import type { Log, LogLevel } from '../log.ts'

/** A JSON log, one object a line, to a file (0600) or a descriptor (stderr by default: stdout belongs to results). */
export function createLog(
  options: {
    readonly level?: LogLevel
    readonly name?: string
    /** Of several processes that write one log. */
    readonly worker?: number
    readonly fd?: number
    readonly file?: string
  } = {},
): Log {
  return pino(
    {
      level: options.level ?? 'info',
      base: baseOf(options),
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    pino.destination({ dest: options.file ?? options.fd ?? 2, sync: true, mode: 0o600 }),
  )
}

function baseOf({
  name,
  worker,
}: {
  readonly name?: string
  readonly worker?: number
}): object | null {
  if (name === undefined) return null
  return worker === undefined ? { name } : { name, worker }
}
